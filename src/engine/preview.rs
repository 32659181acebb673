//! Dry runs: the plan of a `sync`, `push` or `pull`, made on copies and never applied.

use std::collections::BTreeSet;

use tempfile::TempDir;

use super::absence::Absence;
use super::context::Context;
use super::open::{OpenVault, SCRATCH};
use super::report::{Action, Report};
use super::survey::Survey;
use super::sync::{Direction, SyncOptions, check_breaker};
use crate::core::plan::Decision;
use crate::core::progress::Phase;
use crate::error::{Error, Kind, Result};
use crate::mirror::{Mirror, Remote};

/// Says what [`sync`](super::sync()) would do, on a copy of the mirror's refs and of the index that is thrown away.
pub(super) fn preview(
    context: &Context<'_>,
    open: &mut OpenVault,
    remote: &mut dyn Remote,
    options: &SyncOptions,
) -> Result<Report> {
    let _scratch = open.divert(context)?;
    open.mend_outgoing()?;
    let mut report = Report {
        dry_run: true,
        ..Report::default()
    };
    context.progress.begin(Phase::Receive, 0, 0);
    let fetched = open.fetch(remote);
    context.progress.end();
    report.pending = open.pending()?;
    if let Err(error) = fetched {
        report.set_offline(Absence::of(&error).ok_or(error)?);
        return Ok(report);
    }
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
        open.foresee_sending(&survey, &mut report)?;
    }
    report.troubles.extend(survey.troubles);
    report.troubles.extend(steps.troubles);
    Ok(report)
}

impl OpenVault {
    /// Works on a copy of the mirror's refs and of the index in a folder that goes away with what is returned; nothing that lasts
    /// is written from now on.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub(super) fn divert(&mut self, context: &Context<'_>) -> Result<TempDir> {
        let scratch = tempfile::Builder::new()
            .prefix(SCRATCH)
            .tempdir_in(&context.paths.state_dir)
            .map_err(|source| {
                Error::new(Kind::General, "cannot make a temporary folder to look ahead in")
                    .hint("look at the space and the permissions of the state folder")
                    .caused_by(source)
            })?;
        self.mirror = Mirror::scratch(&self.mirror, &scratch.path().join("mirror.git"))?;
        self.index = self.index.scratch(&scratch.path().join("index.sqlite"))?;
        for source in &mut self.sources {
            source.root = source.root.read_only()?;
        }
        Ok(scratch)
    }

    /// Tells of what is sealed already and would be sent.
    fn foresee_sending(&mut self, survey: &Survey, report: &mut Report) -> Result<()> {
        let Some(outgoing) = self.outgoing()? else {
            return Ok(());
        };
        for (id, (was, is)) in self.outgoing_heads(&outgoing)? {
            let Some(blob) = is.or(was) else { continue };
            let Ok(head) = self.open_head(id, blob) else { continue };
            let action = match (was, is) {
                (None, _) => Action::Added,
                (Some(_), Some(_)) => Action::Sent,
                (Some(_), None) => Action::DeletedThere,
            };
            if !report.items.contains_key(&head.path) {
                report.tell(self.item(&head.path, None, action, None, survey));
            }
        }
        Ok(())
    }
}
