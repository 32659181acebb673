//! `sync`, `push` and `pull`: fetch, decide, write, seal, push; again where another machine was first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::apply::Settled;
use super::context::Context;
use super::open::{OpenVault, SCRATCH};
use super::report::{Action, Report};
use super::seal::{Outbound, SealedFile};
use super::selection::Selection;
use super::steps::{BASE_KEY, Hold, Step, Steps};
use super::survey::{LocalFile, Survey};
use crate::core::id::{CommitId, FileId};
use crate::core::path::LogicalPath;
use crate::core::plan::Decision;
use crate::core::progress::Phase;
use crate::core::stat::{Stat, Timestamp};
use crate::error::{Error, Kind, Result};
use crate::mirror::{Mirror, Pointer, Push, Remote, TreeEdit};
use crate::state::{Agreed, Row};
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
    let mut remote = open.connect()?;
    sync_with(context, &mut open, remote.as_mut(), options)
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
        let jitter = u64::from(std::process::id() % 41);
        context
            .clock
            .wait(Duration::from_millis(20 * u64::from(attempt + 1) + jitter));
    }
    Err(Error::new(
        Kind::Network,
        format!("other devices pushed first {} times in a row", retries + 1),
    )
    .hint("nothing is lost: run the same command again in a moment"))
}

/// Says what [`sync`] would do, on a copy of the mirror's refs and of the index that is thrown away.
fn preview(
    context: &Context<'_>,
    open: &mut OpenVault,
    remote: &mut dyn Remote,
    options: &SyncOptions,
) -> Result<Report> {
    let scratch = tempfile::Builder::new()
        .prefix(SCRATCH)
        .tempdir_in(&context.paths.state_dir)
        .map_err(|source| {
            Error::new(Kind::General, "cannot make a temporary folder for the dry run")
                .hint("look at the space and the permissions of the state folder")
                .caused_by(source)
        })?;
    open.divert(scratch.path())?;
    let mut report = Report {
        dry_run: true,
        ..Report::default()
    };
    context.progress.begin(Phase::Receive, 0, 0);
    open.fetch(remote)?;
    context.progress.end();
    let survey = open.survey(context)?;
    let steps = open.steps(&survey, &options.selection)?;
    check_breaker(context, options, &steps)?;
    report.files_read = survey.files_read;
    let mut decided = BTreeSet::new();
    for step in steps.steps.values() {
        if !step.decision.remote_changed() {
            continue;
        }
        if options.direction == Direction::Push && step.decision.touches_local() {
            decided.insert(step.path.clone());
            open.tell_held_push(step, &survey, &mut report);
            continue;
        }
        match &step.hold {
            Some(hold) => {
                decided.insert(step.path.clone());
                if let Some(item) = open.held_item(step, hold, &survey) {
                    report.tell(item);
                }
            }
            None => {
                if let Some((action, sends)) = open.foresee(step, steps.base)? {
                    report.tell(open.item(&step.path, Some(step), action, None, &survey));
                    if action == Action::Branched
                        && options.direction != Direction::Pull
                        && let Some(path) = open.foresee_branch(step, steps.base)?
                        && !survey.files.contains_key(&path)
                    {
                        report.tell(open.item(&path, None, Action::Added, None, &survey));
                    }
                    if !sends {
                        decided.insert(step.path.clone());
                    }
                }
            }
        }
    }
    if options.direction != Direction::Pull {
        for step in steps
            .steps
            .values()
            .filter(|step| step.hold.is_none() && !decided.contains(&step.path))
        {
            let action = match step.decision {
                Decision::Send if step.base.is_some() => Action::Sent,
                Decision::Send => Action::Added,
                Decision::DeleteThere => Action::DeletedThere,
                _ => continue,
            };
            report.tell(open.item(&step.path, Some(step), action, None, &survey));
        }
    }
    report.troubles.extend(survey.troubles);
    report.troubles.extend(steps.troubles);
    Ok(report)
}

fn check_breaker(context: &Context<'_>, options: &SyncOptions, steps: &Steps) -> Result<()> {
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

    fn tell_held_push(&self, step: &Step, survey: &Survey, report: &mut Report) {
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

    /// Moves the base of what was settled to the vault's version, and keeps the old one of everything else.
    fn settle(
        &mut self,
        context: &Context<'_>,
        steps: &Steps,
        survey: &mut Survey,
        base: &mut BTreeMap<LogicalPath, Agreed>,
        settled: Settled,
    ) -> Result<()> {
        for (path, agreed) in &settled.paths {
            let step = steps.steps.get(path);
            match step.and_then(|step| step.remote.as_ref()) {
                Some(version) => {
                    let hash = agreed.unwrap_or(version.head.hash);
                    base.insert(
                        path.clone(),
                        Agreed {
                            head: version.blob,
                            hash,
                        },
                    );
                }
                None => {
                    base.remove(path);
                }
            }
        }
        self.set_base(base)?;
        if !settled.written.is_empty() {
            trust_what_was_written(context, self, survey, settled.written.iter())?;
        }
        Ok(())
    }

    /// Points the base at a tree that holds `base`: the tip's, with the old versions of what is not settled.
    pub(super) fn set_base(&self, base: &BTreeMap<LogicalPath, Agreed>) -> Result<()> {
        let (tip, tip_tree) = self.tip()?;
        let old = self.mirror.get(Pointer::Base)?;
        let old_tree = self.base_tree()?;
        let agreed: BTreeMap<FileId, &Agreed> = base
            .iter()
            .map(|(path, agreed)| (self.vault.file_id(path), agreed))
            .collect();
        let mut edits: Vec<TreeEdit> = Vec::new();
        for (id, (_, now)) in self.head_changes(old_tree, Some(tip_tree))? {
            let wanted = agreed.get(&id).map(|agreed| agreed.head);
            if wanted == now {
                continue;
            }
            // Neither settled nor known: also a head that cannot be opened keeps the version that was agreed on before.
            edits.extend(self.restore_base(id, old_tree)?);
        }
        let new = if edits.is_empty() {
            tip
        } else {
            let mut writer = self.mirror.writer()?;
            let tree = writer.tree(Some(tip_tree), &edits)?;
            if old_tree == Some(tree) {
                return Ok(());
            }
            let commit = writer.commit(tree, &[tip], "csync base")?;
            writer.finish()?;
            commit
        };
        if old != Some(new) {
            self.mirror.set(Pointer::Base, old, new)?;
        }
        Ok(())
    }

    /// Makes the index say what is here and what is agreed. Only differences are written.
    pub(super) fn remember(&mut self, survey: &Survey, base: &BTreeMap<LogicalPath, Agreed>) -> Result<()> {
        let mut old: BTreeMap<LogicalPath, Row> = self
            .index
            .rows()?
            .into_iter()
            .map(|row| (row.path.clone(), row))
            .collect();
        let troubled: BTreeSet<&LogicalPath> = survey
            .troubles
            .iter()
            .filter_map(|trouble| trouble.path.as_ref())
            .collect();
        let mut upserts = Vec::new();
        let paths: BTreeSet<&LogicalPath> = survey.files.keys().chain(base.keys()).collect();
        for path in paths {
            let agreed = base.get(path).copied();
            let before = old.remove(path);
            let row = match (survey.files.get(path), &before) {
                (Some(file), _) => row(file, agreed),
                // Not here any more, or not readable now: what was known of it is kept.
                (None, Some(before)) => Row {
                    agreed,
                    ..before.clone()
                },
                (None, None) => absent(path, agreed.expect("it is here or agreed on")),
            };
            if before.as_ref() != Some(&row) {
                upserts.push(row);
            }
        }
        let removals: Vec<LogicalPath> = old.into_keys().filter(|path| !troubled.contains(path)).collect();
        if !upserts.is_empty() || !removals.is_empty() {
            self.index.write(&upserts, &removals)?;
        }
        let base = self.mirror.get(Pointer::Base)?.map(|id| id.to_string());
        if let Some(base) = base
            && self.index.meta(BASE_KEY)?.as_ref() != Some(&base)
        {
            self.index.set_meta(BASE_KEY, &base)?;
        }
        Ok(())
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
            Push::Rejected { reason } => return Err(rejected(remote, &reason)),
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

    /// Works on a copy of the mirror's refs and of the index in `folder`; nothing that lasts is written from now on.
    fn divert(&mut self, folder: &std::path::Path) -> Result<()> {
        self.mirror = Mirror::scratch(&self.mirror, &folder.join("mirror.git"))?;
        self.index = self.index.scratch(&folder.join("index.sqlite"))?;
        for source in &mut self.sources {
            source.root = source.root.read_only()?;
        }
        Ok(())
    }
}

fn rejected(remote: &dyn Remote, reason: &str) -> Error {
    Error::new(Kind::Network, format!("the remote {} refused the push: {reason}", remote.location()))
        .hint("nothing is lost: what was sealed goes with the next push that it accepts; look at the host's rules for the repository")
}

fn row(file: &LocalFile, agreed: Option<Agreed>) -> Row {
    Row {
        path: file.path.clone(),
        relative: file.relative.clone(),
        stat: file.stat,
        seen: file.seen,
        hash: file.hash,
        size: file.size,
        agreed,
    }
}

/// A row for what is agreed on and not here: no stat that a file could have.
fn absent(path: &LogicalPath, agreed: Agreed) -> Row {
    let stat = Stat {
        size: 0,
        modified: Timestamp(0),
        changed: Timestamp(0),
        inode: 0,
        mode: 0,
    };
    Row {
        path: path.clone(),
        relative: String::new(),
        stat,
        seen: Timestamp(0),
        hash: agreed.hash,
        size: 0,
        agreed: Some(agreed),
    }
}

/// What csync wrote itself need not be read again by the next run: after a tick of the clock, a file whose stat is still that of
/// the write holds what was written. Of a file that was only read this is not known: it may have changed within the tick in which it
/// was read, after that.
fn trust_what_was_written<'p>(
    context: &Context<'_>,
    open: &OpenVault,
    survey: &mut Survey,
    written: impl Iterator<Item = &'p LogicalPath>,
) -> Result<()> {
    context.clock.wait(Stat::TICK);
    for path in written {
        let Some((_, source)) = open.source_of(path) else {
            continue;
        };
        let Some(file) = survey.files.get_mut(path) else {
            continue;
        };
        let seen = context.timestamp();
        if file.stat.is_racy(file.seen) && source.root.stat(&file.relative)? == Some(file.stat) {
            file.seen = seen;
        }
    }
    Ok(())
}
