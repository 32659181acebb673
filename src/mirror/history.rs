//! Commits: what one says, and how they follow one another.

use git2::{ObjectType, Sort};

use crate::core::id::{CommitId, TreeId};

use super::error::MirrorError;
use super::pointer::{bytes, commit_id, oid};
use super::repository::{Mirror, check_commits};

/// The longest commit that is read, in bytes; csync's own have a few hundred.
const LONGEST_COMMIT: u64 = 64 << 10;

/// What a commit says, apart from its author and time, which mean nothing in a vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitInfo {
    /// The tree that it stands for.
    pub tree: TreeId,
    /// The commits that it follows.
    pub parents: Vec<CommitId>,
    /// Its message, byte for byte.
    pub message: String,
}

impl Mirror {
    /// What a commit says.
    ///
    /// # Errors
    ///
    /// When the object is missing, damaged, no commit, or absurdly long.
    pub fn commit(&self, id: CommitId) -> Result<CommitInfo, MirrorError> {
        let what = || format!("commit {id}");
        self.check_header(oid(id), ObjectType::Commit, LONGEST_COMMIT)?;
        let commit = self
            .repository
            .find_commit(oid(id))
            .map_err(|error| MirrorError::object(what(), self.folder(), &error))?;
        let message = std::str::from_utf8(commit.message_raw_bytes())
            .map_err(|_| MirrorError::damaged(what(), self.folder(), "its message is not UTF-8"))?;
        Ok(CommitInfo {
            tree: TreeId(bytes(commit.tree_id())),
            parents: commit.parent_ids().map(commit_id).collect(),
            message: message.to_owned(),
        })
    }

    /// Whether `descendant` is `ancestor`, or goes back to it.
    ///
    /// # Errors
    ///
    /// When a commit on the way is missing or damaged.
    pub fn is_ancestor(&self, ancestor: CommitId, descendant: CommitId) -> Result<bool, MirrorError> {
        if ancestor == descendant {
            return Ok(true);
        }
        check_commits(&self.repository, &[oid(descendant)], &[oid(ancestor)])?;
        self.repository
            .graph_descendant_of(oid(descendant), oid(ancestor))
            .map_err(|error| MirrorError::object(format!("the history of {descendant}"), self.folder(), &error))
    }

    /// The commits that lead up to `from`, itself included, each after its parents, without those that `until` reaches.
    ///
    /// # Errors
    ///
    /// When a commit on the way is missing or damaged.
    pub fn history(&self, from: CommitId, until: Option<CommitId>) -> Result<Vec<CommitId>, MirrorError> {
        let known: Vec<_> = until.map(oid).into_iter().collect();
        check_commits(&self.repository, &[oid(from)], &known)?;
        let walk = || -> Result<Vec<CommitId>, git2::Error> {
            let mut walk = self.repository.revwalk()?;
            walk.set_sorting(Sort::TOPOLOGICAL | Sort::REVERSE)?;
            walk.push(oid(from))?;
            if let Some(until) = until {
                walk.hide(oid(until))?;
            }
            walk.map(|id| id.map(commit_id)).collect()
        };
        walk().map_err(|error| MirrorError::object(format!("the history of {from}"), self.folder(), &error))
    }
}
