//! `status`: what is here, what is in the vault, what waits and why. Offline unless asked to fetch.

use std::collections::{BTreeMap, BTreeSet};

use super::connect::remember_carrier;
use super::context::Context;
use super::open::OpenVault;
use super::report::{Action, Item, Report, Trouble};
use super::selection::Selection;
use super::steps::Hold;
use crate::core::id::FileId;
use crate::core::path::LogicalPath;
use crate::core::plan::Decision;
use crate::core::progress::Phase;
use crate::error::{Kind, Result};

/// What `status` tells.
#[derive(Debug)]
pub struct Status {
    /// Where the remote is.
    pub remote: String,
    /// This device.
    pub device: String,
    /// The vault's id.
    pub vault: String,
    /// When this machine last synced, as RFC 3339.
    pub last_sync: Option<String>,
    /// Whether the remote was asked just now.
    pub fetched: bool,
    /// How many files are synced here.
    pub files: usize,
    /// How many sessions the agent swept here and the vault keeps.
    pub evicted: usize,
    /// What would be sent.
    pub outgoing: Vec<Item>,
    /// What would be received.
    pub incoming: Vec<Item>,
    /// What is in conflict.
    pub conflicts: Vec<Item>,
    /// What waits, and for what.
    pub held: Vec<Item>,
    /// What is sealed and waits for the remote; none where nothing does.
    pub waiting: Option<Waiting>,
    /// What could not be looked at.
    pub troubles: Vec<Trouble>,
}

/// What was sealed while the remote could not be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// How many files.
    pub files: usize,
    /// Since when, as RFC 3339, where it is known.
    pub since: Option<String>,
}

impl Status {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.outgoing.is_empty()
            && self.incoming.is_empty()
            && self.conflicts.is_empty()
            && self.held.is_empty()
            && self.waiting.is_none()
    }

    /// The kind that the whole ends with, where it is not plain success.
    #[must_use]
    pub fn outcome(&self) -> Option<Kind> {
        (!self.troubles.is_empty()).then_some(Kind::Partial)
    }
}

/// Runs `status`.
///
/// # Errors
/// Whatever stops the whole. What concerns one file is in the status.
pub fn status(context: &Context<'_>, fetch: bool) -> Result<Status> {
    let mut open = OpenVault::open(context, "status")?;
    let mut report = Report::default();
    let outgoing = open.outgoing()?;
    let sealed: BTreeSet<FileId> = match &outgoing {
        Some(outgoing) => open.outgoing_heads(outgoing)?.into_keys().collect(),
        None => BTreeSet::new(),
    };
    let waiting = outgoing.as_ref().map(|outgoing| Waiting {
        files: sealed.len(),
        since: open.outgoing_since(outgoing),
    });
    // Where another machine was first since something was sealed, only a sync goes on from there: here it is looked at aside.
    let _scratch = match waiting {
        Some(_) if fetch => Some(open.divert(context)?),
        _ => None,
    };
    if fetch {
        let mut remote = open.connect(context)?;
        context.progress.begin(Phase::Receive, 0, 0);
        open.fetch(remote.as_mut())?;
        context.progress.end();
        remember_carrier(context, remote.as_ref());
    }
    let survey = open.survey(context)?;
    let steps = open.steps(&survey, &Selection::everything())?;
    let base = open.base()?;
    open.remember(&survey, &base)?;

    let mut outgoing = BTreeMap::new();
    let mut incoming = BTreeMap::new();
    let mut conflicts = BTreeMap::new();
    let mut held: BTreeMap<LogicalPath, Item> = BTreeMap::new();
    let mut evicted = 0;
    for step in steps.steps.values() {
        let item = |action| open.item(&step.path, Some(step), action, None, &survey);
        if let Some(hold) = &step.hold {
            if !matches!(hold, Hold::NotSelected)
                && let Some(item) = open.held_item(step, hold, &survey)
            {
                held.insert(step.path.clone(), item);
            }
            continue;
        }
        match step.decision {
            Decision::Send => {
                let action = if step.base.is_some() {
                    Action::Sent
                } else {
                    Action::Added
                };
                outgoing.insert(step.path.clone(), item(action));
            }
            Decision::DeleteThere => {
                outgoing.insert(step.path.clone(), item(Action::DeletedThere));
            }
            // The vault does not have yet what only waits to be sent.
            Decision::Evicted if sealed.contains(&open.vault.file_id(&step.path)) => {}
            Decision::Evicted => evicted += 1,
            Decision::Nothing | Decision::Agree | Decision::Forget => {}
            Decision::Take
            | Decision::TakeBack
            | Decision::Merge
            | Decision::Conflict
            | Decision::KeepLocal
            | Decision::DeleteHere => match open.foresee(step, steps.base) {
                Ok(Some((Action::Conflict, _))) => {
                    conflicts.insert(
                        step.path.clone(),
                        open.item(&step.path, Some(step), Action::Conflict, None, &survey),
                    );
                }
                Ok(Some((action, _))) => {
                    incoming.insert(
                        step.path.clone(),
                        open.item(&step.path, Some(step), action, None, &survey),
                    );
                }
                Ok(None) => {}
                Err(error) => report.troubles.push(Trouble::at(step.path.clone(), error)),
            },
        }
    }
    report.troubles.extend(survey.troubles);
    report.troubles.extend(steps.troubles);
    Ok(Status {
        remote: open.remote_url.clone(),
        device: open.device.to_string(),
        vault: open.vault.id().to_string(),
        last_sync: open.index.meta("last-sync")?,
        fetched: fetch,
        files: survey.files.len(),
        evicted,
        outgoing: outgoing.into_values().collect(),
        incoming: incoming.into_values().collect(),
        conflicts: conflicts.into_values().collect(),
        held: held.into_values().collect(),
        waiting,
        troubles: report.troubles,
    })
}
