//! `sync`, `push` and `pull`: fetch, decide, write, seal, push; again where another machine was first.

use std::collections::BTreeSet;

use super::absence::Absence;
use super::connect::remember_carrier;
use super::context::Context;
use super::open::OpenVault;
use super::patience::Patience;
use super::preview::preview;
use super::report::{Action, Report};
use super::selection::Selection;
use super::steps::{Hold, Step, Steps};
use super::survey::Survey;
use crate::core::id::CommitId;
use crate::core::progress::Phase;
use crate::error::{Error, Kind, Result};
use crate::mirror::Remote;
use crate::vault::layout;

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
    /// The most bytes that one push carries, of which a commit has little more; [`LARGEST_PUSH`] suits the hosts.
    pub largest_push: u64,
}

/// How many bytes a push carries at most: hosts refuse pushes from 1 or 2 GiB on, and one that breaks off begins anew.
pub const LARGEST_PUSH: u64 = 512 << 20;

/// Runs `sync`, `push` or `pull`.
///
/// # Errors
/// Whatever stops the whole. What concerns one file is in the report.
pub fn sync(context: &Context<'_>, options: &SyncOptions) -> Result<Report> {
    let mut open = OpenVault::open(context, options.direction.name())?;
    let mut remote = open.connect(context)?;
    let report = sync_with(context, &mut open, remote.as_mut(), options)?;
    if !options.dry_run && report.offline.is_none() {
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
            report.troubles.append(&mut report.not_rescued);
            if report.offline.is_none() {
                open.index.set_meta("last-sync", &context.time_text())?;
            }
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
    /// One attempt. `false`: another machine pushed first. Where the remote is out of reach, all is done but the exchange.
    fn round(
        &mut self,
        context: &Context<'_>,
        remote: &mut dyn Remote,
        options: &SyncOptions,
        report: &mut Report,
    ) -> Result<bool> {
        context.progress.begin(Phase::Receive, 0, 0);
        let before = self.seen()?;
        match self.receive(remote) {
            Ok(incoming) => self.go_on_from(incoming, Some((context, report)))?,
            Err(error) => {
                let absence = Absence::of(&error).ok_or(error)?;
                report.set_offline(absence);
            }
        }
        report.new_members.extend(self.new_members(before)?);
        context.progress.end();
        context.check_stop()?;
        if report.offline.is_some() && options.direction == Direction::Pull {
            report.pending = self.pending()?;
            return Ok(true);
        }

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
        self.send(context, remote, options, &steps, (survey, base), report)
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

    /// The names of members that joined since `before`.
    fn new_members(&self, before: CommitId) -> Result<Vec<String>> {
        let now = self.seen()?;
        if now == before {
            return Ok(Vec::new());
        }
        let now_tree = self.mirror.commit(now)?.tree;
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
