//! `sync`, `push` and `pull`: fetch, decide, write, seal, push; again where another machine was first.

use std::collections::{BTreeMap, BTreeSet};

use super::connect::remember_carrier;
use super::context::Context;
use super::cutting::Outbound;
use super::open::OpenVault;
use super::patience::Patience;
use super::preview::preview;
use super::rejections::rejected;
use super::report::{Action, Report};
use super::seal::SealedFile;
use super::selection::Selection;
use super::steps::{Hold, Step, Steps};
use super::survey::Survey;
use crate::core::id::{CommitId, FileId};
use crate::core::path::LogicalPath;
use crate::core::plan::Decision;
use crate::core::progress::Phase;
use crate::error::{Error, Kind, Result};
use crate::mirror::{Pointer, Push, Remote};
use crate::state::Agreed;
use crate::vault::{Note, layout};

/// Which way to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Only send; what also changed in the vault is held back.
    Push,
    /// Only receive.
    Pull,
    /// Both.
    Both,
}

impl Direction {
    /// What the command is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Pull => "pull",
            Self::Both => "sync",
        }
    }
}

/// What the person asked for.
pub struct SyncOptions {
    /// Which way.
    pub direction: Direction,
    /// Which paths.
    pub selection: Selection,
    /// Only say what would happen.
    pub dry_run: bool,
    /// Go on where the plan destroys more than the breaker allows.
    pub allow_deletions: bool,
}

/// Runs `sync`, `push` or `pull`.
///
/// # Errors
/// Whatever stops the whole. What concerns one file is in the report.
pub fn sync(context: &Context<'_>, options: &SyncOptions) -> Result<Report> {
    let mut open = OpenVault::open(context, options.direction.name())?;
    let mut remote = open.connect(context)?;
    let report = sync_with(context, &mut open, remote.as_mut(), options)?;
    if !options.dry_run {
        remember_carrier(context, remote.as_ref());
    }
    Ok(report)
}

/// As [`sync`], with everything open. The seam at which tests set faulty remotes.
///
/// # Errors
/// As [`sync`].
pub fn sync_with(
    context: &Context<'_>,
    open: &mut OpenVault,
    remote: &mut dyn Remote,
    options: &SyncOptions,
) -> Result<Report> {
    if options.dry_run {
        return preview(context, open, remote, options);
    }
    let mut report = Report::default();
    let retries = context.config.max_retries;
    for attempt in 0..=retries {
        report.races = attempt;
        report.troubles.clear();
        let done = open.round(context, remote, options, &mut report)?;
        open.settle_roots(&mut report);
        if done {
            open.index.set_meta("last-sync", &context.time_text())?;
            // After the real work: a mirror with too many packs is slow, never wrong.
            if let Err(error) = open.mirror.consolidate() {
                tracing::warn!("the mirror could not be consolidated: {error}");
            }
            return Ok(report);
        }
        // Another machine was first. Everybody waits a little longer each time, and not all the same.
        if Patience::new(context).wait_for_race(attempt).is_err() {
            context.check_stop()?;
        }
    }
    Err(Error::new(
        Kind::Network,
        format!("other devices pushed first {} times in a row", retries + 1),
    )
    .hint("nothing is lost: run the same command again in a moment; a lock that a killed run left at the remote gives way after ten seconds"))
}

pub(super) fn check_breaker(context: &Context<'_>, options: &SyncOptions, steps: &Steps) -> Result<()> {
    let losses = steps.losses;
    if options.allow_deletions || !losses.trip_breaker(context.config.max_delete) {
        return Ok(());
    }
    let mut what = vec![];
    if losses.deleted > 0 {
        what.push(format!("delete {} of {} files", losses.deleted, losses.known));
    }
    if losses.shrunk > 0 {
        what.push(format!("replace {} sessions by shorter ones", losses.shrunk));
    }
    Err(Error::new(
        Kind::General,
        format!("this would {}: stopped before anything was changed", what.join(" and ")),
    )
    .hint("look with `csync status`; if it is meant, run the command again with --allow-deletions"))
}

impl OpenVault {
    /// One attempt. `false`: another machine pushed first.
    fn round(
        &mut self,
        context: &Context<'_>,
        remote: &mut dyn Remote,
        options: &SyncOptions,
        report: &mut Report,
    ) -> Result<bool> {
        context.progress.begin(Phase::Receive, 0, 0);
        let (before, _) = self.tip()?;
        self.fetch(remote)?;
        report.new_members.extend(self.new_members(before)?);
        context.progress.end();
        context.check_stop()?;

        let mut survey = self.survey(context)?;
        report.files_read += survey.files_read;
        let mut steps = self.steps(&survey, &options.selection)?;
        self.learn_projects(
            steps
                .steps
                .values()
                .filter_map(|step| step.remote.as_ref().map(|v| &v.head)),
        )?;
        check_breaker(context, options, &steps)?;

        let pulled = steps.steps.values().any(|step| step.decision.remote_changed());
        let mut base = self.base()?;
        if pulled {
            let mut all = std::mem::take(&mut steps.steps);
            if options.direction == Direction::Push {
                all.retain(|_, step| {
                    let held = step.decision.touches_local();
                    if held {
                        self.tell_held_push(step, &survey, report);
                    }
                    !held
                });
            }
            steps.steps = all;
            let settled = self.apply(context, &mut steps, &mut survey, report)?;
            self.settle(context, &steps, &mut survey, &mut base, settled)?;
        }
        self.remember(&survey, &base)?;
        report.troubles.append(&mut survey.troubles);
        report.troubles.append(&mut steps.troubles);
        if options.direction == Direction::Pull {
            return Ok(true);
        }
        self.send(context, remote, options, &steps, survey, base, report)
    }

    pub(super) fn tell_held_push(&self, step: &Step, survey: &Survey, report: &mut Report) {
        let changed_here = match (&step.local, &step.base) {
            (Some(local), Some(base)) => local.hash != base.hash,
            (Some(_), None) | (None, Some(_)) => true,
            (None, None) => false,
        };
        if changed_here && step.hold != Some(Hold::NotSelected) {
            let note = "it also changed on another device: run `csync sync`".to_owned();
            report.tell(self.item(&step.path, Some(step), Action::Held, Some(note), survey));
        }
    }

    /// Seals and pushes what changed here. `false`: another machine pushed first.
    #[allow(clippy::too_many_arguments, reason = "the parts of one round, each used once")]
    fn send(
        &mut self,
        context: &Context<'_>,
        remote: &mut dyn Remote,
        options: &SyncOptions,
        steps: &Steps,
        mut survey: Survey,
        mut base: BTreeMap<LogicalPath, Agreed>,
        report: &mut Report,
    ) -> Result<bool> {
        let (tip, tip_tree) = self.tip()?;
        let unsettled: BTreeSet<FileId> = self
            .head_changes(self.base_tree()?, Some(tip_tree))?
            .into_keys()
            .collect();
        let mut outbound = Vec::new();
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
            outbound.push((file.clone(), agreed.map(|agreed| (id, agreed.head))));
        }
        let deleted: Vec<LogicalPath> = steps
            .steps
            .values()
            .filter(|step| step.decision == Decision::DeleteThere && step.hold.is_none())
            .map(|step| step.path.clone())
            .collect();
        if outbound.is_empty() && deleted.is_empty() {
            return Ok(true);
        }
        let mut ready = Vec::with_capacity(outbound.len());
        for (file, before) in outbound {
            let before = match before {
                Some((id, head)) => Some(self.open_head(id, head)?),
                None => None,
            };
            ready.push(Outbound { file, before });
        }

        let mut writer = self.mirror.writer()?;
        let sealing = self.seal_files(context, &mut writer, ready, &survey, report)?;
        if sealing.files.is_empty() && deleted.is_empty() {
            return Ok(true);
        }
        let mut edits = sealing.edits;
        edits.extend(deleted.iter().flat_map(|path| self.removal(path)));
        let note = Note {
            device: self.device.clone(),
            time: context.time_text(),
            operation: options.direction.name().to_owned(),
            added: sealing.files.iter().filter(|file| !file.had_before).count() as u64,
            changed: sealing.files.iter().filter(|file| file.had_before).count() as u64,
            deleted: deleted.len() as u64,
        };
        let (commit, _) = self.commit(context, &mut writer, (tip, tip_tree), edits, &note)?;
        let bytes = writer.bytes();
        writer.finish()?;

        context.check_stop()?;
        context.progress.begin(Phase::Send, 0, bytes);
        let pushed = remote.push(&self.mirror, Some(tip), commit)?;
        context.progress.end();
        match pushed {
            Push::Accepted => {}
            Push::LostRace => return Ok(false),
            Push::Rejected(rejection) => return Err(rejected(remote, &rejection)),
        }
        self.finish_push(&mut survey, &mut base, tip, commit, &sealing.files, &deleted)?;
        report.bytes_sent += bytes;
        report.commits += 1;
        for sent in &sealing.files {
            let action = if sent.had_before { Action::Sent } else { Action::Added };
            // What was merged or branched in this run says so; that it was also sent goes without saying.
            if !report.items.contains_key(&sent.path) {
                report.tell(self.item(&sent.path, None, action, None, &survey));
            }
        }
        for path in deleted {
            report.tell(self.item(&path, None, Action::DeletedThere, None, &survey));
        }
        Ok(true)
    }

    /// The remote has taken the commit: the tip, the base and the index follow.
    fn finish_push(
        &mut self,
        survey: &mut Survey,
        base: &mut BTreeMap<LogicalPath, Agreed>,
        tip: CommitId,
        commit: CommitId,
        sent: &[SealedFile],
        deleted: &[LogicalPath],
    ) -> Result<()> {
        for file in sent {
            base.insert(
                file.path.clone(),
                Agreed {
                    head: file.head,
                    hash: file.hash,
                },
            );
            survey.files.insert(file.path.clone(), file.file.clone());
        }
        for path in deleted {
            base.remove(path);
        }
        // What waits keeps its old base: that is looked up before the tip moves.
        self.mirror.set(Pointer::Tip, Some(tip), commit)?;
        self.set_base(base)?;
        self.remember(survey, base)
    }

    /// The names of members that joined since `before`.
    fn new_members(&self, before: CommitId) -> Result<Vec<String>> {
        let (now, now_tree) = self.tip()?;
        if now == before {
            return Ok(Vec::new());
        }
        let before_tree = self.mirror.commit(before)?.tree;
        if self.mirror.entry(before_tree, layout::MEMBERS)? == self.mirror.entry(now_tree, layout::MEMBERS)? {
            return Ok(Vec::new());
        }
        let known: BTreeSet<_> = self
            .members(before_tree)?
            .into_iter()
            .map(|member| member.key)
            .collect();
        Ok(self
            .members(now_tree)?
            .into_iter()
            .filter(|member| !known.contains(&member.key))
            .map(|member| member.name)
            .collect())
    }
}
