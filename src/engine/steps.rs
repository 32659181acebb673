//! From what is here and what is in the vault to one step for each path: gathers the sides, asks `core::plan`, adds the holds.

use std::collections::{BTreeMap, BTreeSet};

use super::content::Version;
use super::heads::BadHead;
use super::open::OpenVault;
use super::projects::local_path;
use super::report::Trouble;
use super::selection::Selection;
use super::survey::{LocalFile, Survey, hash_prefix};
use crate::core::id::{BlobId, FileId, TreeId};
use crate::core::kind::{FileKind, Retention};
use crate::core::path::LogicalPath;
use crate::core::plan::{Decision, Losses, decide};
use crate::error::{Error, Kind, Result};
use crate::mirror::Pointer;
use crate::state::{Agreed, Row};
use crate::vault::Head;

/// Why a step waits. Nothing is done to the path until the reason is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// A running agent has the session open.
    Live,
    /// The person asked for other paths only.
    NotSelected,
    /// A file could not be read, its head could not be opened, or nobody could look whether it is there.
    Trouble,
    /// The session stands under another project folder on this machine.
    Elsewhere(String),
}

/// One path and what to do with it.
#[derive(Debug, Clone)]
pub struct Step {
    /// The path.
    pub path: LogicalPath,
    /// Where it is, or would be, relative to its source's root.
    pub relative: String,
    /// What kind of file it is.
    pub kind: FileKind,
    /// What this machine last agreed on.
    pub base: Option<Agreed>,
    /// What is here.
    pub local: Option<LocalFile>,
    /// The head in the vault where it differs from the base; `None` also where it was deleted there.
    pub remote: Option<Version>,
    /// What should happen.
    pub decision: Decision,
    /// Why it does not happen yet.
    pub hold: Option<Hold>,
}

/// All steps, and the trees that they were decided on.
pub struct Steps {
    /// The steps whose decision is not [`Decision::Nothing`], by path.
    pub steps: BTreeMap<LogicalPath, Step>,
    /// What could not be decided.
    pub troubles: Vec<Trouble>,
    /// Files in the vault that could not be opened: their base must not move.
    pub unreadable: BTreeSet<FileId>,
    /// The base's tree.
    pub base: Option<TreeId>,
    /// What the plan destroys.
    pub losses: Losses,
}

impl OpenVault {
    /// The base of every path: from the index where it is known to be of the present base, else read from the base's tree.
    ///
    /// # Errors
    /// A damaged mirror or an index that cannot be used.
    pub fn base(&mut self) -> Result<BTreeMap<LogicalPath, Agreed>> {
        let base = self.mirror.get(Pointer::Base)?;
        let known = self.index.meta(BASE_KEY)?;
        let mut rows: BTreeMap<LogicalPath, Row> = BTreeMap::new();
        for row in self.index.rows()? {
            rows.insert(row.path.clone(), row);
        }
        if known == base.map(|id| id.to_string()) {
            return Ok(rows
                .into_iter()
                .filter_map(|(path, row)| row.agreed.map(|agreed| (path, agreed)))
                .collect());
        }
        tracing::debug!("the index is of another base: reading the base again from the mirror");
        let tree = self.base_tree()?;
        let blobs: Vec<(FileId, BlobId)> = self
            .head_changes(None, tree)?
            .into_iter()
            .filter_map(|(id, (_, new))| new.map(|blob| (id, blob)))
            .collect();
        let (heads, _) = self.open_heads(&blobs)?;
        self.learn_projects(heads.values())?;
        let mut agreed = BTreeMap::new();
        for (id, blob) in blobs {
            let Some(head) = heads.get(&id) else { continue };
            // What the row remembers may be finer than the head: settings agree although their bytes differ.
            let hash = match rows.get(&head.path).and_then(|row| row.agreed) {
                Some(old) if old.head == blob => old.hash,
                _ => head.hash,
            };
            agreed.insert(head.path.clone(), Agreed { head: blob, hash });
        }
        Ok(agreed)
    }

    /// Decides for every path.
    ///
    /// # Errors
    /// A damaged mirror or an index that cannot be used; single files only make [`Trouble`].
    pub fn steps(&mut self, survey: &Survey, selection: &Selection) -> Result<Steps> {
        let (_, tip) = self.tip()?;
        let base_tree = self.base_tree()?;
        let base = self.base()?;
        let changes = self.head_changes(base_tree, Some(tip))?;
        let blobs: Vec<(FileId, BlobId)> = changes
            .iter()
            .filter_map(|(id, (_, new))| new.map(|blob| (*id, blob)))
            .collect();
        let (heads, bad) = self.open_heads(&blobs)?;
        let mut steps = Steps {
            steps: BTreeMap::new(),
            troubles: Vec::new(),
            unreadable: bad.iter().map(|bad| bad.id).collect(),
            base: base_tree,
            losses: Losses {
                // What was swept is known for ever: counting it would make the breaker blind in time.
                known: base.keys().filter(|path| survey.files.contains_key(*path)).count(),
                emptied: !base.is_empty() && survey.files.is_empty(),
                ..Losses::default()
            },
        };
        let held: BTreeSet<LogicalPath> = survey
            .troubles
            .iter()
            .filter_map(|trouble| trouble.path.clone())
            .collect();
        let paths: BTreeSet<&LogicalPath> = base
            .keys()
            .chain(survey.files.keys())
            .chain(heads.values().map(|head| &head.path))
            .collect();
        for bad in bad {
            steps
                .troubles
                .push(name_bad_head(bad, &paths, |path| self.vault.file_id(path)));
        }
        let moved = self.moved_sessions(survey, &base);
        let mut pulled_sessions: BTreeMap<String, Vec<LogicalPath>> = BTreeMap::new();
        for path in paths {
            let id = self.vault.file_id(path);
            let agreed = base.get(path).copied();
            let local = survey.files.get(path);
            let head = heads.get(&id);
            let remote = match changes.get(&id) {
                Some((_, Some(_))) => head.map(|head| head.hash),
                Some((_, None)) => None,
                None => agreed.map(|agreed| agreed.hash),
            };
            let Some((kind, retention)) = self.kind_of(path, local, head) else {
                if head.is_some() {
                    steps.unreadable.insert(id);
                    let error = Error::new(Kind::Damaged, format!("the vault holds {path}, which is never synced"))
                        .hint("nothing was written; another device may run a newer csync or have been tampered with");
                    steps.troubles.push(Trouble::at(path.clone(), error));
                }
                continue;
            };
            let retention = if moved.contains(path) {
                Retention::Propagate
            } else {
                retention
            };
            let decision = decide(
                agreed.map(|agreed| agreed.hash).as_ref(),
                local.map(|local| local.hash).as_ref(),
                remote.as_ref(),
                kind,
                retention,
            );
            // Keys of this machine are nowhere else: a file that has some counts as changed when another machine deletes its own.
            let has_own_keys = kind == FileKind::Json && local.is_some_and(|local| local.size < local.stat.size);
            let decision = if decision == Decision::DeleteHere && has_own_keys {
                Decision::KeepLocal
            } else {
                decision
            };
            // A new blob of equal content (sealed again elsewhere) is agreed on without a word.
            let sealed_again = decision == Decision::Nothing && changes.contains_key(&id);
            let decision = if sealed_again { Decision::Agree } else { decision };
            if decision == Decision::Nothing {
                continue;
            }
            let Some((_, open)) = self.source_of(path) else {
                continue;
            };
            let number = self
                .sources
                .iter()
                .position(|source| source.source.name() == path.source())
                .unwrap_or(0);
            let project = head.and_then(|head| head.origin.project.as_ref());
            let relative = local.map_or_else(
                || local_path(open, &survey.projects[number], path, project),
                |local| local.relative.clone(),
            );
            // What the person excludes is neither here nor there: its base stays as it is.
            if !open.ignores.takes(&relative) {
                continue;
            }
            let unseen = local.is_none() && survey.scans[number].is_blind_to(&relative);
            let session = open.source.session_of(path.relative());
            let hold = if held.contains(path) || unseen || steps.unreadable.contains(&id) {
                Some(Hold::Trouble)
            } else if !selection.includes(path, &relative, session.as_deref(), open) {
                Some(Hold::NotSelected)
            } else if decision.touches_local() && session.as_ref().is_some_and(|id| survey.live.contains(id)) {
                Some(Hold::Live)
            } else {
                None
            };
            let remote = head.zip(changes.get(&id)).and_then(|(head, (_, blob))| {
                blob.map(|blob| Version {
                    tree: tip,
                    blob,
                    head: head.clone(),
                })
            });
            count_losses(
                &mut steps.losses,
                decision,
                kind,
                local,
                remote.as_ref().map(|version| &version.head),
                &hold,
            );
            if matches!(decision, Decision::Take | Decision::TakeBack)
                && local.is_none()
                && let Some(session) = transcript_session(open.source.as_ref(), kind, path)
            {
                pulled_sessions.entry(session).or_default().push(path.clone());
            }
            let step = Step {
                path: path.clone(),
                relative,
                kind,
                base: agreed,
                local: local.cloned(),
                remote,
                decision,
                hold,
            };
            steps.steps.insert(path.clone(), step);
        }
        self.hold_sessions_that_stand_elsewhere(survey, &mut steps, &pulled_sessions);
        self.look_at_what_shrank(&mut steps);
        Ok(steps)
    }

    /// Paths that vanished here because their session now stands under another project folder: the agent moved it, so the vault's
    /// old copy goes too. What stands there must hold all that the vault has of the old path: a person may have copied the folder
    /// earlier, and the session that went on in the old one was swept.
    fn moved_sessions(&mut self, survey: &Survey, base: &BTreeMap<LogicalPath, Agreed>) -> BTreeSet<LogicalPath> {
        let gone: Vec<(&LogicalPath, &Agreed)> = base
            .iter()
            .filter(|(path, _)| !survey.files.contains_key(*path))
            .collect();
        if gone.is_empty() {
            return BTreeSet::new();
        }
        let mut here: BTreeMap<String, &str> = BTreeMap::new();
        for file in survey.files.values() {
            if let Some((_, open)) = self.source_of(&file.path)
                && let Some(session) = transcript_session(open.source.as_ref(), file.kind, &file.path)
                && let Some(folder) = open.source.project_folder(file.path.relative())
            {
                here.insert(session, folder);
            }
        }
        let mut moved = BTreeSet::new();
        for (path, agreed) in gone {
            let Some((_, open)) = self.source_of(path) else {
                continue;
            };
            let session = open.source.session_of(path.relative());
            let folder = open.source.project_folder(path.relative());
            let Some(now) = session
                .and_then(|session| here.get(&session).copied())
                .filter(|now| Some(*now) != folder)
            else {
                continue;
            };
            let renamed = open.source.with_project_folder(path.relative(), &|_| now.to_owned());
            let Some(there) = LogicalPath::new(path.source(), &renamed)
                .ok()
                .and_then(|there| survey.files.get(&there))
            else {
                continue;
            };
            if self.holds_all_of(there, path, agreed) {
                moved.insert(path.clone());
            }
        }
        moved
    }

    /// The file here that is the one at `path`, in another project folder to which its session has moved.
    pub(super) fn stands_elsewhere(&self, path: &LogicalPath, survey: &Survey) -> Option<LocalFile> {
        let (_, open) = self.source_of(path)?;
        let session = open.source.session_of(path.relative())?;
        let folder = open.source.project_folder(path.relative());
        survey.files.values().find_map(|file| {
            if transcript_session(open.source.as_ref(), file.kind, &file.path)? != session {
                return None;
            }
            let now = open.source.project_folder(file.path.relative())?;
            if Some(now) == folder {
                return None;
            }
            let renamed = open.source.with_project_folder(path.relative(), &|_| now.to_owned());
            let there = LogicalPath::new(path.source(), &renamed).ok()?;
            survey.files.get(&there).cloned()
        })
    }

    /// Whether the local file `there` begins with what the vault has of `path`. In doubt it does not.
    pub(super) fn holds_all_of(&mut self, there: &LocalFile, path: &LogicalPath, agreed: &Agreed) -> bool {
        let Ok(head) = self.open_head(self.vault.file_id(path), agreed.head) else {
            return false;
        };
        if there.size < head.size {
            return false;
        }
        let Some((_, open)) = self.source_of(path) else {
            return false;
        };
        let mut hasher = self.vault.hasher(path);
        open.root.reader(&there.relative).is_ok_and(|mut opened| {
            hash_prefix(&mut opened.file, &there.relative, head.size, &mut hasher).is_ok()
                && hasher.finalize() == head.hash
        })
    }

    /// What this machine would send over a longer version of the vault. Shorter sessions count for the breaker: a home that was
    /// brought back from an old backup has many of them. One that is empty all of a sudden, as a full disk or a power failure
    /// leaves it, is never sent.
    fn look_at_what_shrank(&mut self, steps: &mut Steps) {
        for step in steps.steps.values_mut() {
            let (Some(local), Some(agreed)) = (&step.local, step.base) else {
                continue;
            };
            if step.decision != Decision::Send || step.kind != FileKind::Transcript || step.hold.is_some() {
                continue;
            }
            let id = self.vault.file_id(&step.path);
            let Ok(head) = self.open_head(id, agreed.head) else {
                continue;
            };
            if local.size < head.size {
                steps.losses.shrunk += 1;
            }
            if local.size == 0 && head.size > 0 {
                step.hold = Some(Hold::Trouble);
                let error = Error::new(
                    Kind::General,
                    format!(
                        "{} is empty here, and a session of {} bytes in the vault",
                        step.relative, head.size
                    ),
                )
                .hint("it is not sent; delete the file if the session may go from this machine");
                steps.troubles.push(Trouble::at(step.path.clone(), error));
            }
        }
    }

    /// The kind of a path: as this machine's rules say, which also decide whether it may be written at all.
    fn kind_of(
        &self,
        path: &LogicalPath,
        local: Option<&LocalFile>,
        head: Option<&Head>,
    ) -> Option<(FileKind, Retention)> {
        if let Some(local) = local {
            return Some((local.kind, local.retention));
        }
        let (_, open) = self.source_of(path)?;
        let ruled = open.source.classify(path.relative())?;
        debug_assert!(head.is_none_or(|head| head.path == *path));
        Some(ruled)
    }

    /// An agent finds a session under neither folder when it stands under two: such a session waits, unless the other copy is
    /// deleted by the same plan (it moved). Of several that would come at once, the longest does.
    fn hold_sessions_that_stand_elsewhere(
        &self,
        survey: &Survey,
        steps: &mut Steps,
        pulled: &BTreeMap<String, Vec<LogicalPath>>,
    ) {
        if pulled.is_empty() {
            return;
        }
        let mut stands_at: BTreeMap<&String, String> = BTreeMap::new();
        for file in survey.files.values() {
            let Some((_, open)) = self.source_of(&file.path) else {
                continue;
            };
            let leaves = steps
                .steps
                .get(&file.path)
                .is_some_and(|step| step.decision == Decision::DeleteHere && step.hold.is_none());
            if !leaves
                && let Some(session) = transcript_session(open.source.as_ref(), file.kind, &file.path)
                && let Some((session, _)) = pulled.get_key_value(&session)
            {
                stands_at.insert(session, file.relative.clone());
            }
        }
        for (session, targets) in pulled {
            let mut coming: Vec<&Step> = targets
                .iter()
                .filter_map(|path| steps.steps.get(path))
                .filter(|step| step.hold.is_none())
                .collect();
            coming.sort_by_key(|step| step.remote.as_ref().map(|version| version.head.size));
            let other = match stands_at.get(session) {
                Some(other) => other.clone(),
                None => match coming.pop() {
                    Some(longest) => longest.relative.clone(),
                    None => continue,
                },
            };
            let waiting: Vec<LogicalPath> = coming.into_iter().map(|step| step.path.clone()).collect();
            for path in waiting {
                let step = steps.steps.get_mut(&path).expect("it was just found there");
                step.hold = Some(Hold::Elsewhere(other.clone()));
            }
        }
    }
}

/// The key under which the index remembers which base its rows are of.
pub const BASE_KEY: &str = "base";

/// The session whose main transcript `path` is; side files have none.
fn transcript_session(source: &dyn crate::sources::Source, kind: FileKind, path: &LogicalPath) -> Option<String> {
    let session = source.session_of(path.relative())?;
    (kind == FileKind::Transcript && path.file_name() == format!("{session}.jsonl")).then_some(session)
}

fn count_losses(
    losses: &mut Losses,
    decision: Decision,
    kind: FileKind,
    local: Option<&LocalFile>,
    remote: Option<&Head>,
    hold: &Option<Hold>,
) {
    if hold.is_some() {
        return;
    }
    match decision {
        Decision::DeleteHere => losses.deleted += 1,
        Decision::DeleteThere => {
            losses.deleted += 1;
            losses.known += 1;
        }
        Decision::Take if kind == FileKind::Transcript => {
            if let (Some(local), Some(remote)) = (local, remote)
                && remote.size < local.size
            {
                losses.shrunk += 1;
            }
        }
        _ => {}
    }
}

/// Names a file whose head cannot be opened, where its id is that of a path that we know.
fn name_bad_head(bad: BadHead, paths: &BTreeSet<&LogicalPath>, id_of: impl Fn(&LogicalPath) -> FileId) -> Trouble {
    match paths.iter().find(|path| id_of(path) == bad.id) {
        Some(path) => Trouble::at((*path).clone(), bad.error),
        None => Trouble::new(format!("a file of the vault with the id {}", bad.id), bad.error),
    }
}
