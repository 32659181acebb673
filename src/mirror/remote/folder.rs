//! A remote that is a bare repository on this machine, or on a file system that is mounted here.
//!
//! Objects go from one object database to the other as they are, in one pack, without the protocol that would
//! compress each of them again. The branch moves by compare-and-swap under Git's own lock file, so that the git command
//! and other machines on a shared file system may use the repository at the same time.
//!
//! Hooks in the repository do not run: csync executes nothing that a repository contains, and libgit2's own local
//! transport runs none either. To have a `pre-receive` or `update` hook obeyed, serve the repository and
//! give its `git://`, SSH or HTTPS address.

use std::path::{Path, PathBuf};
use std::time::Duration;

use git2::Oid;

use crate::core::id::CommitId;

use super::{BRANCH, Carrier, Push, Remote, Tested, check_continues, failure};
use crate::mirror::error::MirrorError;
use crate::mirror::pointer::{Pointer, commit_id, compare_and_swap, oid, read};
use crate::mirror::reach;
use crate::mirror::repository::{Mirror, open_bare};

/// How old the branch's lock file is when nobody can be at work under it any more: it is held for the writing of one line.
const ABANDONED: Duration = Duration::from_secs(10);

/// See the module.
pub(super) struct PathRemote {
    folder: PathBuf,
}

impl PathRemote {
    /// The repository at `folder`, which is not looked at yet.
    pub(super) const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The tip of the branch; none when the repository is empty.
    fn tip(&self, target: &git2::Repository) -> Result<Option<Oid>, MirrorError> {
        let damaged =
            |error: git2::Error| MirrorError::damaged(BRANCH, &self.folder, crate::mirror::error::text(&error));
        if let Some(tip) = read(target, BRANCH).map_err(damaged)? {
            return Ok(Some(tip));
        }
        let references = target.references().map_err(damaged)?;
        let names: Vec<String> = references
            .flatten()
            .filter_map(|reference| reference.name().ok().map(str::to_owned))
            .collect();
        match failure::foreign_refs(names.iter().map(String::as_str)) {
            Some(found) => Err(MirrorError::NotAVault {
                location: self.location(),
                found,
            }),
            None => Ok(None),
        }
    }
}

impl Remote for PathRemote {
    fn location(&self) -> String {
        self.folder.display().to_string()
    }

    fn fetch(&mut self, mirror: &Mirror) -> Result<Option<CommitId>, MirrorError> {
        let source = open_bare(&self.folder)?;
        let Some(tip) = self.tip(&source)? else {
            return Ok(None);
        };
        let known = mirror.known()?;
        if !known.contains(&tip) {
            reach::copy(&source, &mirror.repository, &[tip], &known)?;
        }
        mirror.set(Pointer::Incoming, mirror.get(Pointer::Incoming)?, commit_id(tip))?;
        Ok(Some(commit_id(tip)))
    }

    fn push(&mut self, mirror: &Mirror, expected: Option<CommitId>, new: CommitId) -> Result<Push, MirrorError> {
        check_continues(mirror, expected, new, self.location())?;
        tracing::debug!("sending commit {new} to {}", self.location());
        let target = open_bare(&self.folder)?;
        let expected = expected.map(oid);
        let tip = self.tip(&target)?;
        // A push that was cut had arrived.
        if tip == Some(oid(new)) {
            return Ok(Push::Accepted);
        }
        if tip != expected {
            return Ok(Push::LostRace);
        }
        let known: Vec<Oid> = expected.into_iter().collect();
        reach::copy(&mirror.repository, &target, &[oid(new)], &known)?;
        // Objects that were there already were not written by us. All are there, or the branch does not move.
        reach::verify(&target, &[oid(new)], &known, false)?;
        remove_abandoned_lock(target.path());
        match compare_and_swap(&target, BRANCH, expected, oid(new)) {
            Ok(true) => Ok(Push::Accepted),
            Ok(false) => Ok(Push::LostRace),
            Err(error) => Err(MirrorError::git("move the branch", &self.folder, &error)),
        }
    }

    fn test(&mut self) -> Result<Tested, MirrorError> {
        let tip = self.tip(&open_bare(&self.folder)?)?;
        Ok(Tested {
            tip: tip.map(commit_id),
            not_writable: None,
        })
    }

    fn carrier(&self) -> Carrier {
        Carrier::Folder
    }
}

/// Removes the branch's lock file where a process was killed while it held it; no machine could push any more.
fn remove_abandoned_lock(repository: &Path) {
    let lock = repository.join(format!("{BRANCH}.lock"));
    let age = lock.metadata().and_then(|about| about.modified());
    if age.is_ok_and(|then| then.elapsed().is_ok_and(|age| age > ABANDONED)) {
        tracing::warn!("removing {}, which a killed process left", lock.display());
        let _ = std::fs::remove_file(&lock);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
