//! `conflicts`: the paths whose two versions do not merge, both sides of them, and a person's decision.

use std::collections::BTreeMap;

use super::content::{Version, write_content};
use super::context::Context;
use super::diff::Difference;
use super::merges::LineWriter;
use super::open::OpenVault;
use super::projects::local_path;
use super::report::{Action, Item, Trouble};
use super::selection::Selection;
use super::steps::{Step, Steps};
use super::survey::{LocalFile, Survey, hash_file, shareable};
use super::versions::unfinished;
use crate::core::kind::FileKind;
use crate::core::merge;
use crate::core::path::LogicalPath;
use crate::core::plan::Decision;
use crate::core::progress::Phase;
use crate::core::stat::Timestamp;
use crate::error::{Error, Kind, Result};
use crate::local::{self, Expected, Written};
use crate::state::Agreed;
use crate::vault::layout;

/// One conflict, and what a person needs to decide.
#[derive(Debug, Clone)]
pub struct ConflictItem {
    /// What it is, in terms that a person knows.
    pub item: Item,
    /// What kind of file it is.
    pub kind: FileKind,
    /// The local file.
    pub file: std::path::PathBuf,
    /// The conflict files beside it.
    pub beside: Vec<std::path::PathBuf>,
    /// Size and time of the local version; `None` where it was deleted here.
    pub local: Option<(u64, Timestamp)>,
    /// Size and time of the vault's version; `None` where it was deleted there.
    pub remote: Option<(u64, Timestamp)>,
    /// Whether both can be kept.
    pub both: bool,
}

/// A person's decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The local version; it is sent at the next sync.
    Local,
    /// The vault's version; it replaces the local one.
    Remote,
    /// Both: the vault's version stands as a session or file of its own.
    Both,
}

/// The conflicts that wait, held open to be looked at and resolved.
pub struct Conflicts {
    open: OpenVault,
    survey: Survey,
    steps: Steps,
    base: BTreeMap<LogicalPath, Agreed>,
    troubles: Vec<Trouble>,
}

impl Conflicts {
    /// Finds the conflicts in `selection`, offline.
    ///
    /// # Errors
    /// Whatever stops the whole.
    pub fn find(context: &Context<'_>, selection: &Selection) -> Result<Self> {
        let mut open = OpenVault::open(context, "conflicts")?;
        context.progress.begin(Phase::Scan, 0, 0);
        let mut survey = open.survey(context)?;
        let mut steps = open.steps(&survey, selection)?;
        let mut troubles = std::mem::take(&mut survey.troubles);
        troubles.append(&mut steps.troubles);
        let base = open.base()?;
        open.remember(&survey, &base)?;
        context.progress.end();
        let mut waiting = BTreeMap::new();
        for (path, step) in std::mem::take(&mut steps.steps) {
            let may =
                step.hold.is_none() && matches!(step.decision, Decision::Conflict | Decision::Merge | Decision::Take);
            if !may {
                continue;
            }
            match open.foresee(&step, steps.base) {
                Ok(Some((Action::Conflict, _))) => {
                    waiting.insert(path, step);
                }
                Ok(_) => {}
                Err(error) => troubles.push(Trouble::at(path, error)),
            }
        }
        steps.steps = waiting;
        Ok(Self {
            open,
            survey,
            steps,
            base,
            troubles,
        })
    }

    /// The files that could not be looked at: whether they are in conflict is not known.
    #[must_use]
    pub fn troubles(&self) -> &[Trouble] {
        &self.troubles
    }

    /// The conflicts, by path.
    #[must_use]
    pub fn list(&self) -> Vec<ConflictItem> {
        self.steps.steps.values().map(|step| self.describe(step)).collect()
    }

    fn describe(&self, step: &Step) -> ConflictItem {
        let (_, source) = self.open.source_of(&step.path).expect("the step was made for a source");
        let folder = source.root.path();
        ConflictItem {
            item: self
                .open
                .item(&step.path, Some(step), Action::Conflict, None, &self.survey),
            kind: step.kind,
            file: folder.join(&step.relative),
            beside: local::conflict_files_of(&source.root, &step.relative)
                .into_iter()
                .map(|file| folder.join(file))
                .collect(),
            local: step.local.as_ref().map(|local| (local.stat.size, local.stat.modified)),
            remote: step
                .remote
                .as_ref()
                .map(|version| (version.head.size, version.head.modified)),
            both: can_keep_both(step.kind),
        }
    }

    /// Both versions of one conflict.
    ///
    /// # Errors
    /// No such conflict; a version that cannot be read.
    pub fn difference(&mut self, path: &LogicalPath) -> Result<Difference> {
        let step = self.step(path)?;
        self.open.difference(&step, &self.survey)
    }

    fn step(&self, path: &LogicalPath) -> Result<Step> {
        self.steps
            .steps
            .get(path)
            .cloned()
            .ok_or_else(|| Error::new(Kind::Usage, format!("{path} is not in conflict")).hint("run `csync conflicts`"))
    }

    /// Resolves one conflict. What is here counts as it is now: a file that a person edited meanwhile is taken as edited.
    ///
    /// # Errors
    /// No such conflict; a file that cannot be written. The conflict stays then.
    pub fn resolve(&mut self, context: &Context<'_>, path: &LogicalPath, keep: Keep) -> Result<()> {
        let mut step = self.step(path)?;
        let shown = step.local.as_ref().map(|local| local.hash);
        self.refresh(context, &mut step)?;
        // What an agent added since the person looked was never decided on.
        let went_on = step.kind.grows_by_lines() && step.local.as_ref().is_some_and(|now| Some(now.hash) != shown);
        if keep == Keep::Remote && went_on {
            return Err(
                Error::new(Kind::General, format!("{} went on meanwhile", step.relative))
                    .hint("nothing was replaced: look at it again and repeat the command"),
            );
        }
        let version = step.remote.clone();
        let hash = match (keep, &version) {
            (Keep::Remote, Some(version)) => self.take_remote(context, &step, version)?,
            (Keep::Both, Some(version)) => {
                self.keep_both(context, &step, version)?;
                version.head.hash
            }
            (Keep::Local, Some(version)) => version.head.hash,
            (_, None) => {
                return Err(
                    Error::new(Kind::General, format!("the vault's version of {path} cannot be found"))
                        .hint("run `csync sync`"),
                );
            }
        };
        let version = version.expect("matched above");
        self.remove_beside(&step, &version)?;
        self.base.insert(
            path.clone(),
            Agreed {
                head: version.blob,
                hash,
            },
        );
        self.open.set_base(&self.base)?;
        self.open.remember(&self.survey, &self.base)?;
        self.steps.steps.remove(path);
        Ok(())
    }

    /// The person may have edited the file since it was looked at.
    fn refresh(&mut self, context: &Context<'_>, step: &mut Step) -> Result<()> {
        let (_, source) = self.open.source_of(&step.path).expect("the step was made for a source");
        let seen = context.timestamp();
        match (
            hash_file(&self.open.vault, source, &step.path, &step.relative, step.kind)?,
            &step.local,
        ) {
            (Some((stat, hash, size)), Some(local)) => {
                let file = LocalFile {
                    stat,
                    hash,
                    size,
                    seen,
                    ..local.clone()
                };
                self.survey.files.insert(step.path.clone(), file.clone());
                step.local = Some(file);
            }
            (None, _) => {
                self.survey.files.remove(&step.path);
                step.local = None;
            }
            (Some(_), None) => {
                return Err(
                    Error::new(Kind::General, format!("{} appeared meanwhile", step.relative))
                        .hint("run the same command again"),
                );
            }
        }
        Ok(())
    }

    fn take_remote(
        &mut self,
        context: &Context<'_>,
        step: &Step,
        version: &Version,
    ) -> Result<crate::core::id::ContentHash> {
        let settings = match (&step.local, step.kind) {
            (Some(_), FileKind::Json) => Some(self.settings_from_vault(step, version)?),
            (None, FileKind::Json) => Some(self.open.incoming_settings(step, version)?),
            _ => None,
        };
        let (_, source) = self.open.source_of(&step.path).expect("the step was made for a source");
        let (expected, mode, torn) = match &step.local {
            Some(local) => (
                Expected::File(local.stat),
                local.stat.mode,
                unfinished(&source.root, local)?,
            ),
            None => (Expected::Absent, version.head.mode, None),
        };
        let written = source.root.replace(
            &step.relative,
            &expected,
            mode,
            Some(version.head.modified),
            &mut |out| {
                let write_error =
                    |source| Error::new(Kind::General, format!("cannot write {}", step.relative)).caused_by(source);
                match &settings {
                    Some(settings) => out.write_all(settings).map_err(write_error)?,
                    None => {
                        let hasher = self.open.vault.hasher(&version.head.path);
                        write_content(&self.open.mirror, &self.open.vault, version, 0, hasher, out)?;
                    }
                }
                out.write_all(torn.as_deref().unwrap_or_default()).map_err(write_error)
            },
        )?;
        if matches!(written, Written::Moved) {
            return Err(
                Error::new(Kind::General, format!("{} changed meanwhile", step.relative))
                    .hint("look at it again and repeat the command"),
            );
        }
        let agreed = settings
            .as_ref()
            .map_or(version.head.hash, |settings| self.open.synced_hash(step, settings));
        let seen = context.timestamp();
        let (stat, hash, size) = hash_file(&self.open.vault, source, &step.path, &step.relative, step.kind)?
            .ok_or_else(|| {
                Error::new(
                    Kind::General,
                    format!("{} vanished after it was written", step.relative),
                )
            })?;
        let (kind, retention) = source
            .source
            .classify(&step.relative)
            .unwrap_or((step.kind, version.head.retention));
        let file = LocalFile {
            path: step.path.clone(),
            relative: step.relative.clone(),
            kind,
            retention,
            stat,
            seen,
            hash,
            size,
        };
        self.survey.files.insert(step.path.clone(), file);
        Ok(agreed)
    }

    /// The vault's settings, with the keys of this machine as they are here.
    fn settings_from_vault(&mut self, step: &Step, version: &Version) -> Result<Vec<u8>> {
        let theirs = self.open.incoming_settings(step, version)?;
        let ours = self.open.read_local(step)?;
        let (_, source) = self.open.source_of(&step.path).expect("the step was made for a source");
        let sent = shareable(source, &step.relative, &ours).unwrap_or_default();
        // Against what is here as the base, every difference is the vault's.
        let sides = merge::Sides {
            base: Some(&sent),
            ours: &ours,
            theirs: &theirs,
        };
        merge::json(sides).map_err(|why| {
            Error::new(
                Kind::General,
                format!("cannot put the vault's version of {} here: {why}", step.relative),
            )
            .hint("edit the file so that it is valid JSON, and resolve with `l`")
        })
    }

    /// The vault's version becomes a file of its own: a session gets an id of its own, a text a name of its own, which is never
    /// one that stands here or in the vault already.
    fn keep_both(&mut self, context: &Context<'_>, step: &Step, version: &Version) -> Result<()> {
        if !can_keep_both(step.kind) {
            return Err(
                Error::new(Kind::Usage, format!("both versions of {} cannot be kept", step.path))
                    .hint("keep one of them, or edit the file"),
            );
        }
        let Some((path, relative, new_session)) = self.second_name(step, version)? else {
            return Ok(());
        };
        let (_, source) = self.open.source_of(&step.path).expect("the step was made for a source");
        let device = version.head.origin.device.as_str();
        let modified = Some(version.head.modified);
        let written = source
            .root
            .replace(&relative, &Expected::Absent, version.head.mode, modified, &mut |out| {
                let hasher = self.open.vault.hasher(&version.head.path);
                match &new_session {
                    None => write_content(&self.open.mirror, &self.open.vault, version, 0, hasher, out),
                    Some((from, to)) => {
                        let write_error =
                            |source| Error::new(Kind::General, format!("cannot write {relative}")).caused_by(source);
                        let mut lines = LineWriter::new(out, from, to);
                        write_content(&self.open.mirror, &self.open.vault, version, 0, hasher, &mut lines)?;
                        lines.finish().map_err(write_error)?;
                        out.write_all(&merge::branch_title(to, "", device)).map_err(write_error)
                    }
                }
            })?;
        if matches!(written, Written::Moved) {
            return Err(
                Error::new(Kind::General, format!("{relative} appeared meanwhile")).hint("run the same command again")
            );
        }
        let seen = context.timestamp();
        if let Some((stat, hash, size)) = hash_file(&self.open.vault, source, &path, &relative, step.kind)? {
            let retention = version.head.retention;
            let file = LocalFile {
                path: path.clone(),
                relative,
                kind: step.kind,
                retention,
                stat,
                seen,
                hash,
                size,
            };
            self.survey.files.insert(path, file);
        }
        Ok(())
    }

    /// What to call the vault's version beside the local one: its path, where that is here, and for a session its old id and its
    /// new one. `None` where that version stands under such a name already.
    #[allow(clippy::type_complexity, reason = "three names, each used once")]
    fn second_name(
        &self,
        step: &Step,
        version: &Version,
    ) -> Result<Option<(LogicalPath, String, Option<(String, String)>)>> {
        let (number, source) = self.open.source_of(&step.path).expect("the step was made for a source");
        let name = step.path.file_name();
        let folder = step
            .path
            .as_str()
            .strip_suffix(name)
            .expect("a path ends with its name");
        let project = version.head.origin.project.as_ref();
        let place = |new_name: &str| -> Result<(LogicalPath, String)> {
            let path = LogicalPath::parse(format!("{folder}{new_name}")).map_err(|why| {
                Error::new(
                    Kind::General,
                    format!("cannot name the second version of {}: {why}", step.path),
                )
            })?;
            let relative = local_path(source, &self.survey.projects[number], &path, project);
            Ok((path, relative))
        };
        let (_, tip) = self.open.tip()?;
        let in_vault = |path: &LogicalPath| -> Result<bool> {
            let head = layout::head_path(self.open.vault.file_id(path));
            Ok(self.base.contains_key(path) || self.open.mirror.entry(tip, &head)?.is_some())
        };
        if let Some(session) = source.source.session_of(step.path.relative())
            && name == format!("{session}.jsonl")
        {
            // The id is of this very version: where a session has it, that one is this version, or went on from it.
            let id = merge::branch_session_id(&session, &version.head.hash.to_string());
            let (path, relative) = place(&format!("{id}.jsonl"))?;
            let stands = source.root.stat(&relative)?.is_some() || in_vault(&path)?;
            return Ok((!stands).then_some((path, relative, Some((session, id)))));
        }
        // An earlier version, kept in the same way, may have the name: it is not this one.
        for number in 1..=NAMES_TRIED {
            let (path, relative) = place(&beside_name(name, version.head.origin.device.as_str(), number))?;
            let there = self.open.look_beside(step, &relative)?;
            if there.is_some_and(|(_, hash)| hash == version.head.hash) {
                return Ok(None);
            }
            if source.root.stat(&relative)?.is_none() && !in_vault(&path)? {
                return Ok(Some((path, relative, None)));
            }
        }
        Err(Error::new(
            Kind::General,
            format!("too many versions of {} stand beside it already", step.path),
        )
        .hint("tidy up beside the file, or keep one of the two"))
    }

    /// Conflict files that hold the vault's version go; one that a person edited stays.
    fn remove_beside(&self, step: &Step, version: &Version) -> Result<()> {
        let (_, source) = self.open.source_of(&step.path).expect("the step was made for a source");
        for beside in local::conflict_files_of(&source.root, &step.relative) {
            let Some((stat, hash)) = self.open.look_beside(step, &beside)? else {
                continue;
            };
            if hash == version.head.hash || self.open.set_beside_before(&beside, hash)? {
                source.root.remove(&beside, stat)?;
            }
        }
        Ok(())
    }
}

/// Which kinds can stand twice: settings cannot, an agent reads one file of that name.
const fn can_keep_both(kind: FileKind) -> bool {
    !matches!(kind, FileKind::Json | FileKind::Log)
}

/// How many names are tried for a second version.
const NAMES_TRIED: u32 = 1000;

/// `notes.md` from the device `laptop` becomes `notes.from-laptop.md`; a second one of these `notes.from-laptop-2.md`.
fn beside_name(name: &str, device: &str, number: u32) -> String {
    let mut device: String = device
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { '-' })
        .collect();
    if number > 1 {
        device.push_str(&format!("-{number}"));
    }
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => format!("{stem}.from-{device}.{extension}"),
        _ => format!("{name}.from-{device}"),
    }
}
