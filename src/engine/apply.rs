//! Applying the local half of a plan: writing what came, merging, setting conflicts beside, deleting.

use super::content::Version;
use super::context::Context;
use super::merges::Merged;
use super::open::OpenVault;
use super::report::{Action, Report, Trouble};
use super::steps::{Step, Steps};
use super::survey::{LocalFile, Survey};
use super::versions::unfinished;
use crate::core::id::ContentHash;
use crate::core::kind::FileKind;
use crate::core::merge::{self, Sides};
use crate::core::path::LogicalPath;
use crate::core::plan::Decision;
use crate::core::progress::Phase;
use crate::error::{Error, Kind, Result};
use crate::local::{Expected, Written};

/// What applying one step led to.
pub(super) enum Applied {
    /// The base moves to the vault's version. `here`: the file as it is here now; `None` where it is gone.
    Settled {
        /// The file as it is here now.
        here: Option<LocalFile>,
        /// The hash by which the file here agrees with the vault's version, where there is one.
        agreed: Option<ContentHash>,
        /// What to tell; `None` where nothing happened that a person would notice.
        action: Option<Action>,
        /// What else there is to say.
        note: Option<String>,
    },
    /// The base stays; the path is decided again at the next run.
    Waiting {
        /// What to tell.
        action: Action,
        /// For what it waits.
        note: String,
    },
}

/// What applying all steps led to.
#[derive(Default)]
pub(super) struct Settled {
    /// Paths whose base moves to the vault's version, with the hash by which the local file agrees with it.
    pub paths: std::collections::BTreeMap<LogicalPath, Option<ContentHash>>,
    /// Those of them whose file csync wrote itself.
    pub written: std::collections::BTreeSet<LogicalPath>,
}

impl OpenVault {
    /// Applies the local half of `steps`. The survey is kept true to what is here afterwards.
    ///
    /// # Errors
    /// An interrupt, or something that stops everything (a full disk); a single bad file only makes [`Trouble`].
    pub(super) fn apply(
        &mut self,
        context: &Context<'_>,
        steps: &mut Steps,
        survey: &mut Survey,
        report: &mut Report,
    ) -> Result<Settled> {
        let mut settled = Settled::default();
        let bytes = steps
            .steps
            .values()
            .filter(|step| step.hold.is_none() && step.decision.touches_local())
            .filter_map(|step| step.remote.as_ref().map(|version| version.head.size))
            .sum();
        let work = steps
            .steps
            .values()
            .filter(|step| step.decision.remote_changed())
            .count() as u64;
        if work > 0 {
            context.progress.begin(Phase::Write, work, bytes);
        }
        // Files are written before others are deleted: a session that moved is never nowhere.
        let (deletions, writes): (Vec<_>, Vec<_>) = steps
            .steps
            .values()
            .filter(|step| step.decision.remote_changed())
            .cloned()
            .partition(|step| step.decision == Decision::DeleteHere);
        for step in writes.into_iter().chain(deletions) {
            context.check_stop()?;
            if let Some(hold) = &step.hold {
                if let Some(item) = self.held_item(&step, hold, survey) {
                    report.tell(item);
                }
                continue;
            }
            match self.apply_step(context, &step, survey, steps.base) {
                Ok(Applied::Settled {
                    here,
                    agreed,
                    action,
                    note,
                }) => {
                    match here {
                        Some(file) => {
                            if step.local.as_ref().map(|local| local.stat) != Some(file.stat) {
                                settled.written.insert(step.path.clone());
                            }
                            survey.files.insert(step.path.clone(), file);
                        }
                        None => {
                            survey.files.remove(&step.path);
                        }
                    }
                    settled.paths.insert(step.path.clone(), agreed);
                    if let Err(error) = self.clear_beside(&step, survey) {
                        report.troubles.push(Trouble::at(step.path.clone(), error));
                    }
                    if let Some(action) = action {
                        report.tell(self.item(&step.path, Some(&step), action, note, survey));
                    }
                }
                Ok(Applied::Waiting { action, note }) => {
                    report.tell(self.item(&step.path, Some(&step), action, Some(note), survey));
                }
                Err(error) if error.kind() == Kind::Interrupted || is_fatal(&error) => return Err(error),
                Err(error) => report.troubles.push(Trouble::at(step.path.clone(), error)),
            }
            context
                .progress
                .advance(1, step.remote.as_ref().map_or(0, |version| version.head.size));
        }
        if work > 0 {
            context.progress.end();
        }
        Ok(settled)
    }

    /// Saves what agents wrote to files at the very moment that they were replaced.
    pub(super) fn settle_roots(&self, report: &mut Report) {
        for open in &self.sources {
            for problem in open.root.settle().problems {
                report
                    .troubles
                    .push(Trouble::new(problem.relative, Error::from(problem.error)));
            }
        }
    }

    fn apply_step(
        &mut self,
        context: &Context<'_>,
        step: &Step,
        survey: &mut Survey,
        base_tree: Option<crate::core::id::TreeId>,
    ) -> Result<Applied> {
        let done = |here: Option<LocalFile>, agreed, action| Applied::Settled {
            here,
            agreed,
            action,
            note: None,
        };
        match step.decision {
            Decision::Nothing | Decision::Send | Decision::DeleteThere | Decision::Evicted => {
                Ok(done(step.local.clone(), step.base.map(|base| base.hash), None))
            }
            Decision::Agree => {
                let hash = step.local.as_ref().map(|local| local.hash);
                Ok(done(step.local.clone(), hash, None))
            }
            Decision::Forget => Ok(done(None, None, None)),
            Decision::KeepLocal => Ok(Applied::Settled {
                here: step.local.clone(),
                agreed: None,
                action: Some(Action::Kept),
                note: Some("deleted on another device, but changed here: it stays and is sent again".to_owned()),
            }),
            Decision::DeleteHere => self.delete_here(step),
            Decision::Take | Decision::TakeBack => self.take(context, step, base_tree),
            Decision::Merge => match self.merge(context, step, survey, base_tree)? {
                Merged::Into {
                    here,
                    agreed,
                    changed_here,
                    branched,
                } => Ok(Applied::Settled {
                    agreed,
                    action: (changed_here || branched).then_some(if branched {
                        Action::Branched
                    } else {
                        Action::Merged
                    }),
                    note: branched.then(|| {
                        "both devices went on with this conversation; the other one's part is a session of its own"
                            .to_owned()
                    }),
                    here: Some(here),
                }),
                Merged::Conflict(why) => self.set_beside(context, step, &why.to_string()),
                Merged::Moved => Ok(moved()),
            },
            Decision::Conflict => self.set_beside(
                context,
                step,
                "both versions changed, and this kind of file does not merge",
            ),
        }
    }

    fn delete_here(&self, step: &Step) -> Result<Applied> {
        let (_, open) = self.source_of(&step.path).expect("the step was made for a source");
        let Some(local) = &step.local else {
            return Ok(Applied::Settled {
                here: None,
                agreed: None,
                action: None,
                note: None,
            });
        };
        // An unfinished last line is nowhere else: the file waits until its agent goes on with it or a person removes it.
        if unfinished(&open.root, local)?.is_some_and(|line| !line.trim_ascii().is_empty()) {
            return Ok(Applied::Waiting {
                action: Action::Held,
                note: "deleted on another device, but its last line here is unfinished and nowhere else".to_owned(),
            });
        }
        match open.root.remove(&step.relative, local.stat)? {
            Written::Done(_) => Ok(Applied::Settled {
                here: None,
                agreed: None,
                action: Some(Action::DeletedHere),
                note: None,
            }),
            Written::Moved => Ok(moved()),
        }
    }

    /// The local file becomes the vault's version.
    fn take(
        &mut self,
        context: &Context<'_>,
        step: &Step,
        base_tree: Option<crate::core::id::TreeId>,
    ) -> Result<Applied> {
        let version = step.remote.as_ref().ok_or_else(|| no_version(&step.path))?;
        let action = match (&step.local, step.decision) {
            (_, Decision::TakeBack) => Action::CameBack,
            (None, _) => Action::Created,
            (Some(_), _) => Action::Received,
        };
        if step.kind == FileKind::Json
            && let Some(local) = &step.local
        {
            return self.take_settings(context, step, local, version, base_tree);
        }
        let (written, agreed) = match step.kind {
            FileKind::Json => {
                let content = self.incoming_settings(step, version)?;
                let hash = self.synced_hash(step, &content);
                (self.write_settings(context, step, version, &content)?, hash)
            }
            _ => (self.write_version(context, step, version)?, version.head.hash),
        };
        let here = match written {
            Some(here) => here,
            None => return Ok(moved()),
        };
        let note = (action == Action::CameBack)
            .then(|| "deleted here, but changed on another device: it came back".to_owned());
        Ok(Applied::Settled {
            agreed: Some(agreed),
            here: Some(here),
            action: Some(action),
            note,
        })
    }

    /// Settings that are new here come without the keys that belong to a machine: another device may send what runs commands, and
    /// this one takes it only where its own configuration says so. `None`: a file came to be there.
    fn write_settings(
        &self,
        context: &Context<'_>,
        step: &Step,
        version: &Version,
        content: &[u8],
    ) -> Result<Option<LocalFile>> {
        let (_, open) = self.source_of(&step.path).expect("the step was made for a source");
        let (mode, modified) = (version.head.mode, Some(version.head.modified));
        let written = open
            .root
            .replace(&step.relative, &Expected::Absent, mode, modified, &mut |out| {
                out.write_all(content).map_err(|source| {
                    Error::new(Kind::General, format!("cannot write {}", step.relative)).caused_by(source)
                })
            })?;
        match written {
            Written::Done(_) => self.look_again(context, step).map(Some),
            Written::Moved => Ok(None),
        }
    }

    /// Settings keep the keys that belong to this machine, and its order and format.
    fn take_settings(
        &mut self,
        context: &Context<'_>,
        step: &Step,
        local: &LocalFile,
        version: &Version,
        base_tree: Option<crate::core::id::TreeId>,
    ) -> Result<Applied> {
        let theirs = self.incoming_settings(step, version)?;
        let base = self.base_of_settings(step, base_tree, &theirs)?;
        let ours = self.read_local(step)?;
        let sides = Sides {
            base: base.as_deref(),
            ours: &ours,
            theirs: &theirs,
        };
        let content = match merge::json(sides) {
            Ok(content) => content,
            Err(why) => return self.set_beside(context, step, &why.to_string()),
        };
        if merge::json_same(&content, &ours) {
            return Ok(Applied::Settled {
                here: Some(local.clone()),
                agreed: Some(local.hash),
                action: None,
                note: None,
            });
        }
        match self.write_bytes(context, step, local, &content)? {
            Some(here) => Ok(Applied::Settled {
                agreed: Some(self.synced_hash(step, &content)),
                here: Some(here),
                action: Some(Action::Received),
                note: None,
            }),
            None => Ok(moved()),
        }
    }
}

fn moved() -> Applied {
    Applied::Waiting {
        action: Action::Held,
        note: "it changed while csync was at work; the next run takes it".to_owned(),
    }
}

fn no_version(path: &LogicalPath) -> Error {
    Error::new(Kind::Damaged, format!("the vault's version of {path} cannot be found")).hint("run `csync sync` again")
}

/// Failures that will meet every other file too: a full or read-only disk.
fn is_fatal(error: &Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            use std::io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
            return matches!(io.kind(), StorageFull | ReadOnlyFilesystem | QuotaExceeded);
        }
        source = inner.source();
    }
    false
}
