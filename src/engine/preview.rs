//! Dry runs: the plan of a `sync`, `push` or `pull`, made on copies and never applied.

use std::collections::BTreeSet;

use super::context::Context;
use super::open::{OpenVault, SCRATCH};
use super::report::{Action, Report};
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

impl OpenVault {
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
