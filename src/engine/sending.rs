//! The sending half of a round: what changed here becomes commits that wait, and what waits is pushed.

use std::collections::{BTreeMap, BTreeSet};

use super::absence::Absence;
use super::context::Context;
use super::cutting::Outbound;
use super::open::OpenVault;
use super::outgoing::Outgoing;
use super::rejections::rejected;
use super::report::{Action, Report};
use super::seal::{SealedFile, Sealer, Sealing};
use super::steps::Steps;
use super::survey::Survey;
use super::sync::SyncOptions;
use crate::core::id::{BlobId, CommitId, FileId};
use crate::core::path::LogicalPath;
use crate::core::plan::Decision;
use crate::core::progress::Phase;
use crate::error::{Error, Kind, Result};
use crate::mirror::{Pointer, Push, Remote};
use crate::state::Agreed;
use crate::vault::Note;

/// What was sealed in this run.
#[derive(Default)]
struct Sealed {
    /// Files, each with whether the vault had it before.
    files: BTreeMap<LogicalPath, bool>,
    /// Files that go from the vault.
    deleted: BTreeSet<LogicalPath>,
    /// The bytes of each commit.
    bytes: BTreeMap<CommitId, u64>,
    /// Where the base stood before.
    old_base: Option<CommitId>,
}

/// What became of pushing what waits.
enum Sent {
    /// The remote has all of it.
    All,
    /// Another machine was first, or what waited could not be read: the next round decides anew.
    Again,
    /// The remote cannot be reached.
    Absent(Absence),
}

impl OpenVault {
    /// Seals what changed here, and pushes what waits. `false`: another machine pushed first.
    pub(super) fn send(
        &mut self,
        context: &Context<'_>,
        remote: &mut dyn Remote,
        options: &SyncOptions,
        steps: &Steps,
        (mut survey, mut base): (Survey, BTreeMap<LogicalPath, Agreed>),
        report: &mut Report,
    ) -> Result<bool> {
        let waited = self.outgoing()?.is_some();
        let sealed = self.seal_changes(context, options, steps, (&mut survey, &mut base), report)?;
        let Some(outgoing) = self.outgoing()? else {
            return Ok(true);
        };
        // The index is written before the push: what is sealed counts as agreed on.
        self.remember(&survey, &base)?;
        if report.offline.is_none() {
            context.check_stop()?;
            let before = self.seen()?;
            let sent = self.push_outgoing(context, remote, options, &outgoing, (waited, &sealed), report)?;
            self.tell_sent(before, &sealed, &survey, report)?;
            match sent {
                Sent::All => return Ok(true),
                Sent::Again => return Ok(false),
                Sent::Absent(absence) => report.set_offline(absence),
            }
        }
        report.pending = self.pending()?;
        for path in sealed.files.keys().chain(&sealed.deleted) {
            if !report.items.contains_key(path) {
                let note = sealed.deleted.contains(path).then(|| "deleted here".to_owned());
                report.tell(self.item(path, None, Action::Sealed, note, &survey));
            }
        }
        Ok(true)
    }

    /// Makes commits of what changed here, upon what waits already. They wait from then on; nothing is sent.
    fn seal_changes(
        &mut self,
        context: &Context<'_>,
        options: &SyncOptions,
        steps: &Steps,
        (survey, base): (&mut Survey, &mut BTreeMap<LogicalPath, Agreed>),
        report: &mut Report,
    ) -> Result<Sealed> {
        let (mut tip, mut tip_tree) = self.tip()?;
        let mut sealed = Sealed {
            old_base: self.mirror.get(Pointer::Base)?,
            ..Sealed::default()
        };
        let deleted: Vec<LogicalPath> = steps
            .steps
            .values()
            .filter(|step| step.decision == Decision::DeleteThere && step.hold.is_none())
            .map(|step| step.path.clone())
            .collect();
        let outbound = self.outbound(options, steps, survey, base)?;
        if outbound.is_empty() && deleted.is_empty() {
            return Ok(sealed);
        }
        let mut read = Vec::new();
        let mut sealer = Sealer::new(self, context, survey, tip_tree, outbound)?;
        loop {
            let mut writer = self.mirror.writer()?;
            let part = sealer.part(&mut writer, options.largest_push)?;
            let last = sealer.is_done();
            let Sealing { mut edits, files } = part;
            let gone: &[LogicalPath] = if last { &deleted } else { &[] };
            edits.extend(gone.iter().flat_map(|path| self.removal(path)));
            if !edits.is_empty() {
                let note = Note {
                    device: self.device.clone(),
                    time: context.time_text(),
                    operation: options.direction.name().to_owned(),
                    added: files.iter().filter(|file| !file.had_before).count() as u64,
                    changed: files.iter().filter(|file| file.had_before).count() as u64,
                    deleted: gone.len() as u64,
                };
                let (commit, tree) = self.commit(context, &mut writer, (tip, tip_tree), edits, &note)?;
                let bytes = writer.bytes();
                writer.finish()?;
                // The order of these matters: see `outgoing`.
                self.mirror
                    .set(Pointer::Outgoing, self.mirror.get(Pointer::Outgoing)?, commit)?;
                (tip, tip_tree) = (commit, tree);
                sealed.take(commit, bytes, &files, gone);
                agree(base, &files, gone);
                self.set_base(base)?;
                read.extend(files.into_iter().map(|file| file.file));
            }
            if last {
                break;
            }
        }
        report.troubles.extend(sealer.end());
        survey
            .files
            .extend(read.into_iter().map(|file| (file.path.clone(), file)));
        Ok(sealed)
    }

    /// The local files that differ from what is agreed on and are not held back, each with the head that it grew from.
    fn outbound(
        &mut self,
        options: &SyncOptions,
        steps: &Steps,
        survey: &Survey,
        base: &BTreeMap<LogicalPath, Agreed>,
    ) -> Result<Vec<Outbound>> {
        let (_, tip_tree) = self.tip()?;
        let unsettled: BTreeSet<FileId> = self
            .head_changes(self.base_tree()?, Some(tip_tree))?
            .into_keys()
            .collect();
        let mut changed = Vec::new();
        for file in survey.files.values() {
            let agreed = base.get(&file.path);
            let id = self.vault.file_id(&file.path);
            let (_, open) = self.source_of(&file.path).expect("it was found in a source");
            let session = open.source.session_of(file.path.relative());
            if agreed.is_some_and(|agreed| agreed.hash == file.hash)
                || unsettled.contains(&id)
                || steps.unreadable.contains(&id)
                || steps.steps.get(&file.path).is_some_and(|step| step.hold.is_some())
                || !options
                    .selection
                    .includes(&file.path, &file.relative, session.as_deref(), open)
            {
                continue;
            }
            changed.push((file.clone(), agreed.map(|agreed| (id, agreed.head))));
        }
        let mut outbound = Vec::with_capacity(changed.len());
        for (file, before) in changed {
            let before = match before {
                Some((id, head)) => Some(self.open_head(id, head)?),
                None => None,
            };
            outbound.push(Outbound { file, before });
        }
        Ok(outbound)
    }

    /// Pushes what waits, in as few portions as the limit allows. `waited`: there was something before this run.
    fn push_outgoing(
        &mut self,
        context: &Context<'_>,
        remote: &mut dyn Remote,
        options: &SyncOptions,
        outgoing: &Outgoing,
        (waited, sealed): (bool, &Sealed),
        report: &mut Report,
    ) -> Result<Sent> {
        let portions = match self.portions(outgoing, sealed, options.largest_push) {
            Err(error) if waited && error.kind() == Kind::Damaged => {
                return self.give_up_on_damaged(context, outgoing, &error, report);
            }
            portions => portions?,
        };
        context
            .progress
            .begin(Phase::Send, 0, portions.iter().map(|portion| portion.bytes).sum());
        for portion in portions {
            context.check_stop()?;
            let seen = self.seen()?;
            match remote
                .push(&self.mirror, Some(seen), portion.newest)
                .map_err(Error::from)
            {
                Ok(Push::Accepted) => {
                    self.mirror.set(Pointer::Tip, Some(seen), portion.newest)?;
                    report.bytes_sent += portion.bytes;
                    report.commits += portion.commits;
                }
                Ok(Push::LostRace) => {
                    context.progress.end();
                    return Ok(Sent::Again);
                }
                Ok(Push::Rejected(rejection)) => {
                    context.progress.end();
                    // What the remote may refuse for ever is not kept beside the files that it was made from.
                    if !waited && seen == outgoing.root {
                        self.mirror.restore(Pointer::Base, sealed.old_base)?;
                        self.mirror.clear(Pointer::Outgoing)?;
                    } else if !waited {
                        self.drop_outgoing()?;
                    }
                    return Err(rejected(remote, &rejection));
                }
                Err(error) => {
                    context.progress.end();
                    if let Some(absence) = Absence::of(&error) {
                        return Ok(Sent::Absent(absence));
                    }
                    // Only what lay here for a while can have been damaged meanwhile.
                    if waited && error.kind() == Kind::Damaged {
                        return self.give_up_on_damaged(context, outgoing, &error, report);
                    }
                    return Err(error);
                }
            }
        }
        context.progress.end();
        self.mirror.clear(Pointer::Outgoing)?;
        Ok(Sent::All)
    }

    /// Drops what waits and cannot be read: the next round seals it anew.
    fn give_up_on_damaged(
        &mut self,
        context: &Context<'_>,
        outgoing: &Outgoing,
        error: &Error,
        report: &mut Report,
    ) -> Result<Sent> {
        tracing::warn!("what was sealed and waited to be sent is damaged, and is sealed anew: {error}");
        self.give_up_outgoing(context, outgoing, report)?;
        Ok(Sent::Again)
    }

    /// The commits that wait, put together as far as `limit` allows.
    fn portions(&self, outgoing: &Outgoing, sealed: &Sealed, limit: u64) -> Result<Vec<Portion>> {
        let mut portions: Vec<Portion> = Vec::new();
        let mut parent = outgoing.root;
        for &commit in &outgoing.commits {
            let bytes = match sealed.bytes.get(&commit) {
                Some(bytes) => *bytes,
                None => self.mirror.weight(commit, parent)?,
            };
            parent = commit;
            match portions.last_mut() {
                Some(portion) if portion.bytes + bytes <= limit => {
                    portion.newest = commit;
                    portion.bytes += bytes;
                    portion.commits += 1;
                }
                _ => portions.push(Portion {
                    newest: commit,
                    bytes,
                    commits: 1,
                }),
            }
        }
        Ok(portions)
    }

    /// Tells of what the remote took since its tip was `before`: sealed now or earlier.
    fn tell_sent(&mut self, before: CommitId, sealed: &Sealed, survey: &Survey, report: &mut Report) -> Result<()> {
        let now = self.seen()?;
        if now == before {
            return Ok(());
        }
        let (old, new) = (self.mirror.commit(before)?.tree, self.mirror.commit(now)?.tree);
        let mut taken = self.head_changes(Some(old), Some(new))?;
        for (path, had_before) in &sealed.files {
            let Some((was, _)) = taken.remove(&self.vault.file_id(path)) else {
                continue;
            };
            let action = if *had_before || was.is_some() {
                Action::Sent
            } else {
                Action::Added
            };
            // What was merged or branched in this run says so; that it was also sent goes without saying.
            if !report.items.contains_key(path) {
                report.tell(self.item(path, None, action, None, survey));
            }
        }
        for (id, (was, is)) in taken {
            let Some(blob) = is.or(was) else { continue };
            let Ok(head) = self.open_head(id, blob) else { continue };
            let action = match (was, is) {
                (None, _) => Action::Added,
                (Some(_), Some(_)) => Action::Sent,
                (Some(_), None) => Action::DeletedThere,
            };
            if action == Action::DeletedThere || !report.items.contains_key(&head.path) {
                report.tell(self.item(&head.path, None, action, None, survey));
            }
        }
        Ok(())
    }

    /// How many files are sealed and wait to be sent.
    ///
    /// # Errors
    /// A damaged mirror.
    pub(super) fn pending(&self) -> Result<usize> {
        match self.outgoing()? {
            Some(outgoing) => Ok(self.outgoing_heads(&outgoing)?.len()),
            None => Ok(0),
        }
    }
}

/// Commits that are pushed at once.
struct Portion {
    newest: CommitId,
    bytes: u64,
    commits: u32,
}

impl Sealed {
    /// Takes note of one commit.
    fn take(&mut self, commit: CommitId, bytes: u64, files: &[SealedFile], gone: &[LogicalPath]) {
        self.bytes.insert(commit, bytes);
        self.files
            .extend(files.iter().map(|file| (file.path.clone(), file.had_before)));
        self.deleted.extend(gone.iter().cloned());
    }
}

/// Makes the base say what is sealed now.
fn agree(base: &mut BTreeMap<LogicalPath, Agreed>, files: &[SealedFile], gone: &[LogicalPath]) {
    for file in files {
        let head: BlobId = file.head;
        base.insert(file.path.clone(), Agreed { head, hash: file.hash });
    }
    for path in gone {
        base.remove(path);
    }
}
