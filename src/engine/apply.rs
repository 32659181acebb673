//! Applying the local half of a plan: writing what came, merging, setting conflicts beside, deleting.

use std::io::{Read, Seek, SeekFrom, Write};

use super::content::{Version, read_content, write_content};
use super::context::Context;
use super::merges::Merged;
use super::open::OpenVault;
use super::report::{Action, Item, Report, Trouble};
use super::steps::{Hold, Step, Steps};
use super::survey::{LocalFile, Survey, cannot_read, hash_file, shareable};
use crate::core::id::ContentHash;
use crate::core::kind::FileKind;
use crate::core::merge::{self, Sides};
use crate::core::origin::Project;
use crate::core::path::LogicalPath;
use crate::core::plan::Decision;
use crate::core::progress::Phase;
use crate::core::stat::Stat;
use crate::error::{Error, Kind, Result};
use crate::local::{Expected, Root, Written};

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

    /// The base of settings, for a merge with `theirs`. A key that this machine sends and another one keeps to itself is missing
    /// there without having been removed: it does not count as something that both agreed on.
    pub(super) fn base_of_settings(
        &mut self,
        step: &Step,
        base_tree: Option<crate::core::id::TreeId>,
        theirs: &[u8],
    ) -> Result<Option<Vec<u8>>> {
        let Some(base) = self.base_content(step, base_tree)? else {
            return Ok(None);
        };
        let (_, open) = self.source_of(&step.path).expect("the step was made for a source");
        let sent = open.source.sent_keys(&step.relative).iter().map(String::as_str);
        let missing: Vec<&str> = sent
            .filter(|key| merge::json_without(theirs, &[key]).is_some_and(|without| merge::json_same(&without, theirs)))
            .collect();
        Ok(Some(merge::json_without(&base, &missing).unwrap_or(base)))
    }

    /// The vault's version of settings, without the keys that belong to this machine, whoever put them there.
    pub(super) fn incoming_settings(&self, step: &Step, version: &Version) -> Result<Vec<u8>> {
        let bytes = read_content(&self.mirror, &self.vault, version)?;
        let (_, open) = self.source_of(&step.path).expect("the step was made for a source");
        Ok(shareable(open, &step.relative, &bytes).unwrap_or(bytes))
    }

    /// The hash by which the file with this content agrees with what the vault has. Taken from what was written and not from the
    /// file: its agent may have written it again since, and that is a change to send.
    pub(super) fn synced_hash(&self, step: &Step, content: &[u8]) -> ContentHash {
        let (_, open) = self.source_of(&step.path).expect("the step was made for a source");
        let sent = match step.kind {
            FileKind::Json => shareable(open, &step.relative, content),
            _ => None,
        };
        let mut hasher = self.vault.hasher(&step.path);
        hasher.update(sent.as_deref().unwrap_or(content));
        hasher.finalize()
    }

    /// The whole local file in memory, at most what the survey saw of it.
    pub(super) fn read_local(&self, step: &Step) -> Result<Vec<u8>> {
        let (_, open) = self.source_of(&step.path).expect("the step was made for a source");
        let size = step.local.as_ref().map_or(0, |local| local.stat.size);
        let opened = open.root.reader(&step.relative)?;
        let mut bytes = Vec::new();
        opened
            .file
            .take(size)
            .read_to_end(&mut bytes)
            .map_err(|source| cannot_read(&step.relative, source))?;
        Ok(bytes)
    }

    /// The content that both sides once agreed on, where there is one.
    pub(super) fn base_content(
        &mut self,
        step: &Step,
        base_tree: Option<crate::core::id::TreeId>,
    ) -> Result<Option<Vec<u8>>> {
        let (Some(base), Some(tree)) = (step.base, base_tree) else {
            return Ok(None);
        };
        let id = self.vault.file_id(&step.path);
        let head = self.open_head(id, base.head)?;
        let version = Version {
            tree,
            blob: base.head,
            head,
        };
        Ok(Some(read_content(&self.mirror, &self.vault, &version)?))
    }

    /// Writes a version of the vault over the local file, keeping an unfinished last line that is here. `None`: the file moved on.
    fn write_version(&self, context: &Context<'_>, step: &Step, version: &Version) -> Result<Option<LocalFile>> {
        let (_, open) = self.source_of(&step.path).expect("the step was made for a source");
        let head = &version.head;
        let (expected, mode, torn) = match &step.local {
            None => (Expected::Absent, head.mode, None),
            Some(local) => (
                Expected::File(local.stat),
                local.stat.mode,
                unfinished(&open.root, local)?,
            ),
        };
        let modified = if torn.is_some() { None } else { Some(head.modified) };
        let written = open
            .root
            .replace(&step.relative, &expected, mode, modified, &mut |out| {
                write_content(
                    &self.mirror,
                    &self.vault,
                    version,
                    0,
                    self.vault.hasher(&head.path),
                    out,
                )?;
                if let Some(torn) = &torn {
                    out.write_all(torn)
                        .map_err(|source| cannot_read(&step.relative, source))?;
                }
                context.check_stop()
            })?;
        let Written::Done(stat) = written else { return Ok(None) };
        let size = head.size + torn.as_ref().map_or(0, |torn| torn.len() as u64);
        if stat.size != size {
            return self.look_again(context, step).map(Some);
        }
        Ok(Some(self.local_file(context, step, stat, head.hash, head.size)))
    }

    /// Writes `content` over the local file. `None`: the file moved on.
    pub(super) fn write_bytes(
        &self,
        context: &Context<'_>,
        step: &Step,
        local: &LocalFile,
        content: &[u8],
    ) -> Result<Option<LocalFile>> {
        self.write_with(context, step, local, &mut |out| {
            out.write_all(content).map_err(|source| {
                Error::new(Kind::General, format!("cannot write {}", step.relative)).caused_by(source)
            })
        })
    }

    /// Writes what `fill` gives over the local file. `None`: the file moved on.
    pub(super) fn write_with(
        &self,
        context: &Context<'_>,
        step: &Step,
        local: &LocalFile,
        fill: &mut dyn FnMut(&mut dyn Write) -> Result<()>,
    ) -> Result<Option<LocalFile>> {
        let (_, open) = self.source_of(&step.path).expect("the step was made for a source");
        let modified = step
            .remote
            .as_ref()
            .map(|version| version.head.modified.max(local.stat.modified));
        match open.root.replace(
            &step.relative,
            &Expected::File(local.stat),
            local.stat.mode,
            modified,
            fill,
        )? {
            Written::Done(_) => self.look_again(context, step).map(Some),
            Written::Moved => Ok(None),
        }
    }

    /// Looks at a file that was just written.
    fn look_again(&self, context: &Context<'_>, step: &Step) -> Result<LocalFile> {
        let (_, open) = self.source_of(&step.path).expect("the step was made for a source");
        let seen = context.timestamp();
        let (stat, hash, size) =
            hash_file(&self.vault, open, &step.path, &step.relative, step.kind)?.ok_or_else(|| {
                Error::new(
                    Kind::General,
                    format!("{} vanished after it was written", step.relative),
                )
            })?;
        Ok(LocalFile {
            seen,
            ..self.local_file(context, step, stat, hash, size)
        })
    }

    fn local_file(&self, context: &Context<'_>, step: &Step, stat: Stat, hash: ContentHash, size: u64) -> LocalFile {
        let (_, open) = self.source_of(&step.path).expect("the step was made for a source");
        let retention = open
            .source
            .classify(&step.relative)
            .map_or(crate::core::kind::Retention::Evict, |(_, r)| r);
        LocalFile {
            path: step.path.clone(),
            relative: step.relative.clone(),
            kind: step.kind,
            retention,
            stat,
            seen: context.timestamp(),
            hash,
            size,
        }
    }

    /// What to tell of a step that waits; `None` where the person asked for other paths only.
    pub(super) fn held_item(&self, step: &Step, hold: &Hold, survey: &Survey) -> Option<Item> {
        let note = match hold {
            Hold::NotSelected | Hold::Trouble => return None,
            Hold::Live => "an agent has this session open; it is brought up to date once the agent is done".to_owned(),
            Hold::Elsewhere(other) => {
                format!("the session already stands at {other} here; under two folders no agent would find it")
            }
        };
        Some(self.item(&step.path, Some(step), Action::Held, Some(note), survey))
    }

    /// The item for a path, with what makes it recognisable.
    pub(super) fn item(
        &self,
        path: &LogicalPath,
        step: Option<&Step>,
        action: Action,
        note: Option<String>,
        survey: &Survey,
    ) -> Item {
        let head = step.and_then(|step| step.remote.as_ref()).map(|version| &version.head);
        let local = survey
            .files
            .get(path)
            .or_else(|| step.and_then(|step| step.local.as_ref()));
        let open = self.source_of(path).map(|(_, open)| open);
        let session = open.and_then(|open| open.source.session_of(path.relative()));
        let project = open
            .and_then(|open| open.source.project_folder(path.relative()))
            .map(|folder| {
                let here = local.zip(self.source_of(path)).and_then(|(local, (number, open))| {
                    survey.project(number, open.source.project_folder(&local.relative)?)
                });
                project_name(folder, head.and_then(|head| head.origin.project.as_ref()).or(here))
            });
        let title = match (local, open, &session) {
            (Some(local), Some(open), Some(_)) if local.kind == FileKind::Transcript => {
                super::titles::title(&open.root, local)
            }
            _ => None,
        };
        Item {
            path: path.clone(),
            action,
            size: local
                .map(|local| local.size)
                .or_else(|| head.map(|head| head.size))
                .unwrap_or(0),
            session,
            title,
            project,
            device: head.map(|head| head.origin.device.to_string()),
            note,
        }
    }
}

/// What to call a project: its path under the home folder where it is known, else its folder's name.
fn project_name(folder: &str, project: Option<&Project>) -> String {
    match project.and_then(|project| project.home_relative.as_deref()) {
        Some(relative) => format!("~/{relative}"),
        None => folder.to_owned(),
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

/// The unfinished last line of a file that grows by lines: it is not in the vault, so whoever replaces the file carries it along.
pub(super) fn unfinished(root: &Root, local: &LocalFile) -> Result<Option<Vec<u8>>> {
    if !local.kind.grows_by_lines() || local.size >= local.stat.size {
        return Ok(None);
    }
    let mut file = root.reader(&local.relative)?.file;
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(local.size))
        .and_then(|_| file.take(local.stat.size - local.size).read_to_end(&mut bytes))
        .map_err(|source| cannot_read(&local.relative, source))?;
    Ok(Some(bytes))
}
