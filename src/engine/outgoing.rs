//! What is sealed and not yet known to be at the remote. Being offline is a state and not a failure: work goes on as if the
//! remote had taken it, and the next run that reaches it sends all of it.
//!
//! The **outgoing** commits stand between two pointers of the mirror: they begin at [`Pointer::Tip`], the remote's state as it was
//! last seen, and end at [`Pointer::Outgoing`]. While there are some, [`OpenVault::tip`] is the last of them, and the base is built
//! upon it: what is in them counts as agreed on, so that it is not sealed again and later changes become new commits on top.
//! Every push goes this way, also one that succeeds at once.
//!
//! The order of the steps, and what the next run finds where this one was killed before a step:
//!
//! | step | killed before it |
//! |---|---|
//! | 1. objects and commit are written | nothing of them is there, or nothing names them: they are sealed anew |
//! | 2. `Outgoing` moves to the commit | the same |
//! | 3. the base takes up what the commit holds | [`OpenVault::mend_outgoing`] does it: it was all sealed from files of this machine |
//! | 4. the index follows | it is of another base, and is not believed |
//! | 5. the push | the commit waits, as when the machine is offline |
//! | 6. `Tip` moves to the commit | the fetch finds the commit at the remote, and moves `Tip`: it is not pushed again |
//! | 7. `Outgoing` is removed | it is where `Tip` is: there is nothing outgoing, and it is removed |
//!
//! A chain of several commits that are pushed one by one goes through 5 and 6 for each.
//!
//! Where the remote has moved elsewhere meanwhile, the outgoing commits can never be pushed. What they hold is decided on anew,
//! from the local files, as if nothing had been sealed:
//!
//! | step | killed before it |
//! |---|---|
//! | 1. what was swept here since, and is nowhere else, is brought back | the remote is found elsewhere again; what came back is here |
//! | 2. the base gives back what the commits hold | [`OpenVault::mend_outgoing`] takes it up again, then as before |
//! | 3. `Outgoing` is removed | the same |
//! | 4. `Tip` moves to what the remote has | local files differ from the base, and are sent as ever |

use std::collections::{BTreeMap, BTreeSet};

use super::content::{Version, write_content};
use super::context::Context;
use super::heads::HeadChanges;
use super::open::OpenVault;
use super::projects::local_path;
use super::report::{Action, Report, Trouble};
use super::survey::Survey;
use crate::core::id::{CommitId, FileId, TreeId};
use crate::core::kind::Retention;
use crate::core::path::LogicalPath;
use crate::error::{Error, Kind, Result};
use crate::local::{Expected, Written};
use crate::mirror::{Entry, Pointer};
use crate::state::Agreed;
use crate::vault::{Head, layout, limits};

/// The commits that were sealed here and are not known to be at the remote.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    /// What the first of them is built upon: the remote's tip as it was then.
    pub root: CommitId,
    /// The commits, oldest first; at least one.
    pub commits: Vec<CommitId>,
}

impl Outgoing {
    /// The newest of them.
    pub(super) fn newest(&self) -> CommitId {
        *self.commits.last().expect("there is at least one")
    }
}

impl OpenVault {
    /// What is outgoing; `None` where nothing is.
    ///
    /// # Errors
    /// Commits that are missing or damaged.
    pub(super) fn outgoing(&self) -> Result<Option<Outgoing>> {
        let Some(newest) = self.mirror.get(Pointer::Outgoing)? else {
            return Ok(None);
        };
        let commits = self.mirror.history(newest, Some(self.seen()?))?;
        let Some(first) = commits.first() else {
            return Ok(None);
        };
        match self.mirror.commit(*first)?.parents.as_slice() {
            [root] => Ok(Some(Outgoing { root: *root, commits })),
            _ => Err(Error::new(
                Kind::Damaged,
                "what waits to be sent is not built upon the vault",
            )),
        }
    }

    /// The heads that differ between what the outgoing commits are built upon and the newest of them.
    pub(super) fn outgoing_heads(&self, outgoing: &Outgoing) -> Result<HeadChanges> {
        let from = self.mirror.commit(outgoing.root)?.tree;
        let to = self.mirror.commit(outgoing.newest())?.tree;
        self.head_changes(Some(from), Some(to))
    }

    /// Brings pointers and base together again where a run was killed between them; see the module. What cannot be opened is
    /// dropped, with a warning: it is sealed anew from the files here.
    ///
    /// # Errors
    /// A mirror that cannot be written.
    pub(super) fn mend_outgoing(&mut self) -> Result<()> {
        let Some(newest) = self.mirror.get(Pointer::Outgoing)? else {
            return Ok(());
        };
        match self.take_up(newest) {
            Err(error) if error.kind() == Kind::Damaged => {
                tracing::warn!("what was sealed and waited to be sent is damaged, and is sealed anew: {error}");
                self.drop_damaged()
            }
            done => done,
        }
    }

    /// Makes sure that the base holds what is outgoing.
    fn take_up(&mut self, newest: CommitId) -> Result<()> {
        let seen = self.seen()?;
        if self.mirror.is_ancestor(newest, seen)? {
            return Ok(self.mirror.clear(Pointer::Outgoing)?);
        }
        let (seen_tree, tree) = (self.mirror.commit(seen)?.tree, self.mirror.commit(newest)?.tree);
        let sealed = self.head_changes(Some(seen_tree), Some(tree))?;
        let not_taken: BTreeSet<FileId> = self
            .head_changes(self.base_tree()?, Some(tree))?
            .into_keys()
            .filter(|id| sealed.contains_key(id))
            .collect();
        if not_taken.is_empty() {
            return Ok(());
        }
        let mut base = self.base()?;
        let (heads, _) = self.heads_of(&sealed)?;
        for (id, (old, new)) in sealed.iter().filter(|(id, _)| not_taken.contains(id)) {
            agree_on(&mut base, (*id, *old, *new), *new, &heads);
        }
        self.set_base(&base)?;
        self.remember_base(&base)
    }

    /// Undoes what sealing the outgoing commits did to the base, and forgets them. What they hold is a local change again.
    ///
    /// # Errors
    /// A mirror that is damaged or cannot be written.
    pub(super) fn drop_outgoing(&mut self) -> Result<()> {
        let Some(outgoing) = self.outgoing()? else {
            return Ok(self.mirror.clear(Pointer::Outgoing)?);
        };
        tracing::debug!("{} sealed commits are decided on anew", outgoing.commits.len());
        let sealed = self.outgoing_heads(&outgoing)?;
        let mut base = self.base()?;
        let (heads, _) = self.heads_of(&sealed)?;
        // By name and not by head: what was sealed and cannot be opened must not go on counting as agreed on, or its file here
        // would give way to what the remote has, or has not.
        base.retain(|path, _| !sealed.contains_key(&self.vault.file_id(path)));
        for (id, (old, new)) in &sealed {
            agree_on(&mut base, (*id, *old, *new), *old, &heads);
        }
        let root = outgoing.root;
        self.set_base_on(&base, (root, self.mirror.commit(root)?.tree), &sealed)?;
        self.mirror.clear(Pointer::Outgoing)?;
        self.remember_base(&base)
    }

    /// As [`Self::drop_outgoing`], where the commits cannot be read: at worst without a base, and then everything here is compared
    /// with the vault instead of being known to be in it.
    pub(super) fn drop_damaged(&mut self) -> Result<()> {
        match self.drop_outgoing() {
            // Only damage: a full disk passes, and the base that it would cost does not come back.
            Err(error) if error.kind() == Kind::Damaged => {
                tracing::warn!("what this machine and the vault agreed on is found out anew: {error}");
                self.mirror.clear(Pointer::Base)?;
                Ok(self.mirror.clear(Pointer::Outgoing)?)
            }
            done => done,
        }
    }

    /// As [`Self::drop_damaged`], for a run that writes here: what was swept and can still be read of the commits is brought back first.
    ///
    /// # Errors
    /// As [`Self::go_on_from`].
    pub(super) fn give_up_outgoing(
        &mut self,
        context: &Context<'_>,
        outgoing: &Outgoing,
        report: &mut Report,
    ) -> Result<()> {
        let seen = self.seen()?;
        match self.rescue(context, seen, outgoing, report) {
            Err(error) if error.kind() == Kind::Damaged => {
                tracing::warn!("what was swept since it was sealed may be lost: {error}");
            }
            done => done?,
        }
        self.drop_damaged()
    }

    /// The heads of both sides of `changes`, by blob, as far as they can be opened.
    fn heads_of(&mut self, changes: &HeadChanges) -> Result<(HeadsByBlob, usize)> {
        let mut all = BTreeMap::new();
        let mut bad = 0;
        for side in [0, 1] {
            let wanted: Vec<_> = changes
                .iter()
                .filter_map(|(id, (old, new))| Some((*id, if side == 0 { *old } else { *new }?)))
                .collect();
            let (heads, unreadable) = self.open_heads(&wanted)?;
            bad += unreadable.len();
            for (id, blob) in wanted {
                if let Some(head) = heads.get(&id) {
                    all.insert((id, blob.0), head.clone());
                }
            }
        }
        Ok((all, bad))
    }

    /// Goes on from what the remote has now, which was verified: it has what is outgoing, or none of it, or something of another
    /// machine instead.
    ///
    /// # Errors
    /// A swept session that cannot be brought back; a mirror that cannot be written.
    pub(super) fn go_on_from(&mut self, incoming: CommitId, rescue: Option<(&Context<'_>, &mut Report)>) -> Result<()> {
        if let Some(outgoing) = self.outgoing()? {
            let newest = outgoing.newest();
            if !self.mirror.is_ancestor(incoming, newest)? && !self.mirror.is_ancestor(newest, incoming)? {
                tracing::debug!("another machine was first since {} was sealed", newest);
                if let Some((context, report)) = rescue {
                    self.rescue(context, incoming, &outgoing, report)?;
                }
                self.drop_outgoing()?;
            }
        }
        self.advance(incoming)
    }

    /// Brings back into their places sessions that are outgoing, were swept here since, and are not in the vault as `incoming`
    /// has it.
    fn rescue(
        &mut self,
        context: &Context<'_>,
        incoming: CommitId,
        outgoing: &Outgoing,
        report: &mut Report,
    ) -> Result<()> {
        let sealed = self.outgoing_heads(outgoing)?;
        let (heads, _) = self.heads_of(&sealed)?;
        let tree = self.mirror.commit(outgoing.newest())?.tree;
        let theirs = self.mirror.commit(incoming)?.tree;
        let relative: BTreeMap<LogicalPath, String> = self
            .index
            .rows()?
            .into_iter()
            .filter(|row| !row.relative.is_empty())
            .map(|row| (row.path, row.relative))
            .collect();
        let names: BTreeMap<FileId, &LogicalPath> =
            relative.keys().map(|path| (self.vault.file_id(path), path)).collect();
        let is_here = |open: &Self, path: &LogicalPath| match (open.source_of(path), relative.get(path)) {
            (Some((_, open)), Some(relative)) => open.root.stat(relative).map(|found| found.is_some()),
            _ => Ok(false),
        };
        let mut missing = Vec::new();
        for (id, (_, new)) in sealed {
            let Some(blob) = new else { continue };
            let Some(head) = heads.get(&(id, blob.0)) else {
                tracing::warn!("a file that was sealed and waited to be sent cannot be opened");
                // What is still here is sealed anew.
                if let Some(path) = names.get(&id).copied()
                    && !is_here(self, path)?
                {
                    let error = Error::new(Kind::Damaged, format!("what was sealed of {path} and waited is damaged"))
                        .hint("it was swept here before it could be sent: what it had since the last sync is in a backup at most");
                    report.not_rescued.push(Trouble::at(path.clone(), error));
                }
                continue;
            };
            if head.retention != Retention::Evict || self.holds(theirs, id, head)? {
                continue;
            }
            if !is_here(self, &head.path)? {
                missing.push(Version {
                    tree,
                    blob,
                    head: head.clone(),
                });
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let survey = self.survey(context)?;
        for version in missing {
            self.bring_back(context, &version, &survey, report)?;
        }
        Ok(())
    }

    /// Whether the vault as `tree` has it holds the version that `head` describes.
    fn holds(&mut self, tree: TreeId, id: FileId, head: &Head) -> Result<bool> {
        let Some(Entry::Blob(blob)) = self.mirror.entry(tree, &layout::head_path(id))? else {
            return Ok(false);
        };
        Ok(self.open_head(id, blob).is_ok_and(|theirs| theirs.hash == head.hash))
    }

    /// Writes a sealed version to where its file was, unless it is still there, or stands in another folder as a whole.
    fn bring_back(
        &mut self,
        context: &Context<'_>,
        version: &Version,
        survey: &Survey,
        report: &mut Report,
    ) -> Result<()> {
        let path = &version.head.path;
        let seen_here = survey.files.contains_key(path)
            || survey
                .troubles
                .iter()
                .any(|trouble| trouble.path.as_ref() == Some(path));
        let Some((number, open)) = self.source_of(path) else {
            return Ok(());
        };
        let project = version.head.origin.project.as_ref();
        let mut relative = local_path(open, &survey.projects[number], path, project);
        if seen_here || survey.scans[number].is_blind_to(&relative) {
            return Ok(());
        }
        let mut note =
            "the agent swept it before it could be sent, and what was sealed of it cannot be sent any more".to_owned();
        // An agent finds a session under neither folder when it stands under two.
        if let Some(elsewhere) = self.stands_elsewhere(path, survey) {
            let agreed = Agreed {
                head: version.blob,
                hash: version.head.hash,
            };
            if self.holds_all_of(&elsewhere, path, &agreed) {
                return Ok(());
            }
            note = format!("the session also stands at {}: look at both", elsewhere.relative);
            relative = format!("{relative}.conflict.{}", context.conflict_suffix(0));
        }
        let (_, open) = self.source_of(path).expect("it was found above");
        let (mode, modified) = (version.head.mode, Some(version.head.modified));
        let written = open
            .root
            .replace(&relative, &Expected::Absent, mode, modified, &mut |out| {
                write_content(&self.mirror, &self.vault, version, 0, self.vault.hasher(path), out)
            });
        match written {
            Ok(Written::Done(_)) => {
                let mut item = self.item(path, None, Action::CameBack, Some(note), survey);
                item.size = version.head.size;
                report.tell(item);
            }
            Ok(Written::Moved) => {}
            Err(error) if error.kind() == Kind::Damaged => {
                report.not_rescued.push(Trouble::at(path.clone(), error));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// When the oldest of the outgoing commits was made, as RFC 3339, where its note can be opened.
    pub(super) fn outgoing_since(&self, outgoing: &Outgoing) -> Option<String> {
        let tree = self.mirror.commit(*outgoing.commits.first()?).ok()?.tree;
        let Ok(Some(Entry::Blob(note))) = self.mirror.entry(tree, layout::NOTE) else {
            return None;
        };
        let note = self.mirror.blob(note, limits::NOTE_BLOB).ok()?;
        self.vault.open_note(&note).ok().map(|note| note.time)
    }
}

/// Heads by the file that they are of and the blob that they stand in.
type HeadsByBlob = BTreeMap<(FileId, [u8; 20]), Head>;

/// Makes `base` agree on the version `on` of a file; on `None`, that there is none. `heads` names the file.
fn agree_on(
    base: &mut BTreeMap<LogicalPath, Agreed>,
    (id, old, new): (FileId, Option<crate::core::id::BlobId>, Option<crate::core::id::BlobId>),
    on: Option<crate::core::id::BlobId>,
    heads: &HeadsByBlob,
) {
    match on {
        Some(blob) => {
            if let Some(head) = heads.get(&(id, blob.0)) {
                let agreed = Agreed {
                    head: blob,
                    hash: head.hash,
                };
                base.insert(head.path.clone(), agreed);
            }
        }
        None => {
            let head = [old, new]
                .into_iter()
                .flatten()
                .find_map(|blob| heads.get(&(id, blob.0)));
            if let Some(head) = head {
                base.remove(&head.path);
            }
        }
    }
}
