//! What this machine has: every synced file with the hash of what of it is synced. Reads only what changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use rayon::prelude::*;

use super::context::Context;
use super::open::{OpenSource, OpenVault};
use super::projects::{logical_path, project_map};
use super::report::Trouble;
use crate::core::id::ContentHash;
use crate::core::kind::{FileKind, Retention};
use crate::core::lines::whole_lines;
use crate::core::merge;
use crate::core::origin::Project;
use crate::core::path::LogicalPath;
use crate::core::progress::Phase;
use crate::core::stat::{Stat, Timestamp};
use crate::error::{Error, Kind, Result};
use crate::local::{self, Root, Scan};
use crate::sources::{ProjectMap, Source, live_sessions};
use crate::state::Row;
use crate::vault::{ContentHasher, Vault};

/// One synced file as it is on this machine.
#[derive(Debug, Clone)]
pub struct LocalFile {
    /// Its machine-independent name.
    pub path: LogicalPath,
    /// Where it is, relative to its source's root.
    pub relative: String,
    /// What it is.
    pub kind: FileKind,
    /// What its disappearance means.
    pub retention: Retention,
    /// What the file system said of it when it was hashed.
    pub stat: Stat,
    /// When that was.
    pub seen: Timestamp,
    /// The hash of what of it is synced.
    pub hash: ContentHash,
    /// How many bytes that is. Less than the file where its last line is unfinished or it has keys that stay here.
    pub size: u64,
}

/// Everything that this machine has.
pub struct Survey {
    /// The synced files by their names.
    pub files: BTreeMap<LogicalPath, LocalFile>,
    /// What could not be read or has no portable name. The paths in it are held back.
    pub troubles: Vec<Trouble>,
    /// The conflict files that stand beside their originals, by source: paths relative to its root.
    pub conflict_files: Vec<(usize, String)>,
    /// The sessions that a running agent holds.
    pub live: BTreeSet<String>,
    /// The project map of each source, in the order of the sources.
    pub projects: Vec<ProjectMap>,
    /// How many files' contents were read.
    pub files_read: u64,
    /// What the vault's heads tell of projects, by the name of the project's folder in the vault.
    pub vault_projects: BTreeMap<String, Project>,
    /// The scans themselves, in the order of the sources: what they could not see is not gone.
    pub scans: Vec<Scan>,
}

/// The parts of a file that are synced, as far as the file's kind says.
pub struct Outgoing {
    /// The content in memory, where the kind is one that is filtered; else the file is streamed.
    pub filtered: Option<Vec<u8>>,
    /// How many bytes are synced.
    pub size: u64,
}

impl Survey {
    /// What identifies the project of a local folder: as its own sessions say, else as the vault's do.
    #[must_use]
    pub fn project(&self, source: usize, folder: &str) -> Option<&Project> {
        let map = self.projects.get(source)?;
        map.project(folder)
            .or_else(|| self.vault_projects.get(&map.to_logical(folder)))
    }
}

impl OpenVault {
    /// Looks at all sources. Files whose stat is the one that the index knows are not read.
    ///
    /// # Errors
    /// An index that cannot be used, or an interrupt; single files only make [`Trouble`].
    pub fn survey(&mut self, context: &Context<'_>) -> Result<Survey> {
        // A project's name may come from the vault: what it says is learnt before local folders are named.
        let base = self.learn_from_vault()?;
        let rows: BTreeMap<LogicalPath, Row> = self
            .index
            .rows()?
            .into_iter()
            .map(|row| (row.path.clone(), row))
            .collect();
        let mut survey = Survey {
            files: BTreeMap::new(),
            troubles: Vec::new(),
            conflict_files: Vec::new(),
            live: BTreeSet::new(),
            projects: Vec::new(),
            files_read: 0,
            vault_projects: self.vault_projects()?,
            scans: Vec::new(),
        };
        for (number, open) in self.sources.iter().enumerate() {
            let mut scan = local::scan(&open.root, &Allowed(open.source.as_ref()), &open.ignores);
            // We hold the lock, so whatever another run left half written is nobody's.
            if let Err(error) = open.root.sweep(&scan.leftovers) {
                tracing::warn!("a temporary file of an earlier run could not be removed: {error}");
            }
            survey.live.extend(live_sessions(open.root.path()));
            let projects = project_map(context, &mut self.index, open, &base)?;
            survey
                .conflict_files
                .extend(scan.conflict_files.iter().map(|file| (number, file.clone())));
            survey.troubles.extend(
                scan.take_problems()
                    .into_iter()
                    .map(|problem| Trouble::new(problem.relative, Error::from(problem.error))),
            );
            context.progress.begin(Phase::Scan, scan.files.len() as u64, 0);
            let mut named: BTreeMap<LogicalPath, &str> = BTreeMap::new();
            let mut unknown = Vec::new();
            for found in &scan.files {
                let path = match logical_path(open, &projects, &found.relative) {
                    Ok(path) => path,
                    Err(why) => {
                        let error = Error::new(Kind::General, format!("{}: {why}", found.relative))
                            .hint("rename it, or exclude it in .csyncignore");
                        survey.troubles.push(Trouble::new(found.relative.clone(), error));
                        continue;
                    }
                };
                let Some((kind, retention)) = open.source.classify(&found.relative) else {
                    continue;
                };
                if let Some(other) = named.get(&path) {
                    let error = Error::new(
                        Kind::General,
                        format!("{} and {other} are the same file for other machines", found.relative),
                    )
                    .hint("give one of the two projects a name of its own under `claude.projects`");
                    survey.troubles.push(Trouble::at(path, error));
                    continue;
                }
                named.insert(path.clone(), &found.relative);
                let known = rows.get(&path).filter(|row| {
                    row.relative == found.relative && row.stat == found.stat && !row.stat.is_racy(row.seen)
                });
                let file = LocalFile {
                    path,
                    relative: found.relative.clone(),
                    kind,
                    retention,
                    stat: found.stat,
                    seen: known.map_or(Timestamp(0), |row| row.seen),
                    hash: known.map_or(ContentHash([0; 32]), |row| row.hash),
                    size: known.map_or(0, |row| row.size),
                };
                if known.is_some() {
                    context.progress.advance(1, 0);
                    survey.files.insert(file.path.clone(), file);
                } else {
                    unknown.push(file);
                }
            }
            survey.files_read += unknown.len() as u64;
            let vault = &self.vault;
            let read: Vec<_> = unknown
                .into_par_iter()
                .map(|file| {
                    context.check_stop()?;
                    tracing::trace!("reading {}", file.relative);
                    let seen = context.timestamp();
                    let hashed = hash_file(vault, open, &file.path, &file.relative, file.kind);
                    context.progress.advance(1, 0);
                    Ok((LocalFile { seen, ..file }, hashed))
                })
                .collect::<Result<_>>()?;
            for (file, hashed) in read {
                match hashed {
                    Ok(Some((stat, hash, size))) => {
                        survey.files.insert(
                            file.path.clone(),
                            LocalFile {
                                stat,
                                hash,
                                size,
                                ..file
                            },
                        );
                    }
                    // It vanished since the scan.
                    Ok(None) => {}
                    Err(error) => survey.troubles.push(Trouble::at(file.path, error)),
                }
            }
            context.progress.end();
            tracing::debug!(
                "looked at {} files of {}, read {} of them",
                scan.files.len(),
                open.root.path().display(),
                survey.files_read
            );
            survey.projects.push(projects);
            survey.scans.push(scan);
        }
        Ok(survey)
    }

    /// The source that a path belongs to, and its number.
    #[must_use]
    pub fn source_of(&self, path: &LogicalPath) -> Option<(usize, &OpenSource)> {
        self.sources
            .iter()
            .enumerate()
            .find(|(_, open)| open.source.name() == path.source())
    }
}

/// The source's rules, as the scan asks for them.
struct Allowed<'a>(&'a dyn Source);

impl local::Rules for Allowed<'_> {
    fn enter(&self, folder: &str) -> bool {
        self.0.enter(folder)
    }

    fn take(&self, file: &str) -> bool {
        self.0.classify(file).is_some()
    }

    fn is_secret(&self, file: &str) -> bool {
        self.0.is_denied(file)
    }
}

/// Hashes what of a file is synced. `None` where the file is not there any more.
///
/// # Errors
/// A file that cannot be read, or settings that are not JSON.
pub fn hash_file(
    vault: &Vault,
    open: &OpenSource,
    path: &LogicalPath,
    relative: &str,
    kind: FileKind,
) -> Result<Option<(Stat, ContentHash, u64)>> {
    let Some(mut opened) = open_file(&open.root, relative)? else {
        return Ok(None);
    };
    let outgoing = outgoing(open, relative, kind, &mut opened.file, opened.stat.size)?;
    let mut hasher = vault.hasher(path);
    match &outgoing.filtered {
        Some(bytes) => {
            hasher.update(bytes);
        }
        None => hash_prefix(&mut opened.file, relative, outgoing.size, &mut hasher)?,
    }
    Ok(Some((opened.stat, hasher.finalize(), outgoing.size)))
}

/// Opens a local file for reading; `None` where it is not there any more.
///
/// # Errors
/// A file that cannot be opened, or one that lies outside its source.
pub fn open_file(root: &Root, relative: &str) -> Result<Option<local::OpenFile>> {
    if root.stat(relative)?.is_none() {
        return Ok(None);
    }
    Ok(Some(root.reader(relative)?))
}

/// What of a file is synced: all of it; up to the last whole line; or JSON without the keys that stay here.
/// `file` stands at its beginning afterwards.
///
/// # Errors
/// A file that cannot be read, or settings that are not JSON.
pub fn outgoing(open: &OpenSource, relative: &str, kind: FileKind, file: &mut File, size: u64) -> Result<Outgoing> {
    let filtered = match kind {
        FileKind::Transcript | FileKind::Log => {
            return Ok(Outgoing {
                filtered: None,
                size: complete_length(file, relative, size)?,
            });
        }
        FileKind::Text | FileKind::Opaque => return Ok(Outgoing { filtered: None, size }),
        FileKind::Json => {
            let mut bytes = Vec::new();
            file.take(size)
                .read_to_end(&mut bytes)
                .map_err(|source| cannot_read(relative, source))?;
            shareable(open, relative, &bytes).ok_or_else(|| {
                Error::new(Kind::General, format!("{relative} is not valid JSON"))
                    .hint("mend the file: until then it is left alone on this machine and in the vault")
            })?
        }
    };
    let size = filtered.len() as u64;
    Ok(Outgoing {
        filtered: Some(filtered),
        size,
    })
}

/// Settings without the keys that belong to the machine they are on; `None` where they are not a JSON object that can be edited.
#[must_use]
pub fn shareable(open: &OpenSource, relative: &str, settings: &[u8]) -> Option<Vec<u8>> {
    let keys = open.source.machine_keys_in(relative, settings);
    if keys.is_empty() {
        return Some(settings.to_vec());
    }
    merge::json_without(settings, &keys.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The greatest last line that is looked at to see whether it is whole: larger ones are taken as they are.
const LARGEST_LINE: u64 = 64 << 20;

/// How many of the first `size` bytes of a JSON-lines file are whole lines, the last one valid JSON. `file` stands at its
/// beginning afterwards. Reads from the end: a 500 MB session costs one small read.
fn complete_length(file: &mut File, relative: &str, size: u64) -> Result<u64> {
    let mut window = 64 << 10;
    let length = loop {
        let begin = size.saturating_sub(window);
        file.seek(SeekFrom::Start(begin))
            .map_err(|source| cannot_read(relative, source))?;
        let mut bytes = Vec::new();
        file.by_ref()
            .take(size - begin)
            .read_to_end(&mut bytes)
            .map_err(|source| cannot_read(relative, source))?;
        // The last line must be whole within the window, unless the window is the whole file or as large as we look.
        match whole_lines(&bytes, begin == 0) {
            Some(length) => break begin + length as u64,
            None if window >= LARGEST_LINE => break begin + merge::complete_part(&bytes) as u64,
            None => window *= 4,
        }
    };
    file.rewind().map_err(|source| cannot_read(relative, source))?;
    Ok(length)
}

/// Feeds the next `size` bytes of `file` to `hasher`.
///
/// # Errors
/// A file that cannot be read, or that has become shorter meanwhile.
pub fn hash_prefix(file: &mut File, relative: &str, size: u64, hasher: &mut ContentHasher) -> Result<()> {
    let mut buffer = vec![0; 1 << 20];
    let mut left = size;
    while left > 0 {
        let want = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let got = file
            .read(&mut buffer[..want])
            .map_err(|source| cannot_read(relative, source))?;
        if got == 0 {
            return Err(
                Error::new(Kind::General, format!("{relative} became shorter while it was read"))
                    .hint("run the same command again"),
            );
        }
        hasher.update(&buffer[..got]);
        left -= got as u64;
    }
    Ok(())
}

/// The error of a local file that cannot be read.
pub fn cannot_read(relative: &str, source: std::io::Error) -> Error {
    Error::new(Kind::General, format!("cannot read {relative}"))
        .hint("look at its permissions and the disk's health")
        .caused_by(source)
}
