//! Which projects have their sessions on this machine: a look at the first lines of a few transcripts, at the agent's own list, and at the
//! configuration of the projects' Git repositories.
//!
//! A transcript that came from another machine tells that machine's path, so a path counts only when it makes the folder's name.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::git::repository_of;
use super::line::{Line, text};
use super::projects::LocalProject;
use super::slug::slug;
use crate::core::origin::Project;

/// How many transcripts of one folder are looked at.
const TRANSCRIPTS: usize = 8;

/// How far into a transcript a working folder is looked for. Mostly the third line has one; a pasted image may come first.
const WINDOW: u64 = 256 * 1024;

/// How large the agent's own list may be. It is rewritten many times in a session, so real ones are far smaller.
const LARGEST_STATE: u64 = 64 * 1024 * 1024;

/// The names of the folders in `projects/` of the source at `root`, sorted. Names that are not UTF-8, which Claude Code never makes, are left out.
#[must_use]
pub fn project_folders(root: &Path) -> Vec<String> {
    let mut folders: Vec<String> = fs::read_dir(root.join("projects"))
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    folders.sort();
    folders
}

/// The file that Claude Code keeps its state in: only the paths of projects are read from it. `claude_config_dir` is the value
/// of `CLAUDE_CONFIG_DIR`.
#[must_use]
pub fn app_state_file(home: &Path, claude_config_dir: Option<&OsStr>) -> PathBuf {
    match claude_config_dir {
        Some(folder) if !folder.is_empty() => home.join(folder).join(".claude.json"),
        _ => home.join(".claude.json"),
    }
}

/// Looks at the folders `folders` in `projects/` of the source at `root`, and at the projects that the agent's state in `app_state` lists, which may
/// have no sessions yet. `homes` are the names of the home folder.
///
/// One value for each, sorted by folder. Reads at most a few beginnings of files for each folder; the result may be kept, and a later call given
/// only those folders that are new or whose path was not found. What cannot be read is as if it were not there.
#[must_use]
pub fn discover_projects(
    root: &Path,
    homes: &[String],
    folders: &[String],
    app_state: Option<&Path>,
) -> Vec<LocalProject> {
    let known = app_state.map(known_paths).unwrap_or_default();
    let mut paths: BTreeMap<String, Option<String>> = folders.iter().map(|folder| (folder.clone(), None)).collect();
    for path in &known {
        paths.insert(slug(path), Some(path.clone()));
    }
    for (folder, path) in &mut paths {
        if path.is_none() {
            *path = path_of(&root.join("projects").join(folder), folder);
        }
    }
    // The agent keeps a repository's memory under the name of its root, where perhaps no session was ever begun: a path above another's.
    let mut above: HashMap<String, String> = HashMap::new();
    for path in known.iter().chain(paths.values().flatten()) {
        for parent in parents(path) {
            above.entry(slug(parent)).or_insert_with(|| parent.to_owned());
        }
    }
    paths
        .into_iter()
        .map(|(folder, path)| {
            let path = path.or_else(|| above.get(&folder).cloned());
            let project = path.as_deref().map(|path| identify(path, homes)).unwrap_or_default();
            LocalProject {
                present: root.join("projects").join(&folder).is_dir(),
                folder,
                path,
                project,
            }
        })
        .collect()
}

/// What identifies the project at `path` everywhere.
fn identify(path: &str, homes: &[String]) -> Project {
    let home_relative = homes.iter().find_map(|home| {
        let rest = path.strip_prefix(home.trim_end_matches(['/', '\\']))?;
        (rest.is_empty() || rest.starts_with(['/', '\\'])).then(|| rest.replace('\\', "/").trim_matches('/').to_owned())
    });
    let repository = repository_of(Path::new(path)).filter(|repository| repository.remote.is_some());
    let (git_remote, subfolder) = repository.map_or((None, String::new()), |found| (found.remote, found.subfolder));
    Project {
        home_relative,
        git_remote,
        subfolder,
    }
}

/// The path that the name `folder` was made of, from the first working folder in one of its transcripts.
fn path_of(folder_path: &Path, folder: &str) -> Option<String> {
    let mut transcripts: Vec<PathBuf> = fs::read_dir(folder_path)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .collect();
    transcripts.sort();
    transcripts.iter().take(TRANSCRIPTS).find_map(|transcript| {
        let cwd = first_cwd(transcript)?;
        if slug(&cwd) == folder {
            return Some(cwd);
        }
        parents(&cwd).find(|parent| slug(parent) == folder).map(str::to_owned)
    })
}

/// The working folder of the first line that has one.
fn first_cwd(transcript: &Path) -> Option<String> {
    // Opening anything but a regular file could wait for ever.
    if !fs::metadata(transcript).ok()?.is_file() {
        return None;
    }
    let mut lines = BufReader::new(File::open(transcript).ok()?.take(WINDOW));
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).ok()? == 0 {
            return None;
        }
        let cwd = match line.strip_suffix(b"\n") {
            Some(whole) => Line::read(whole).and_then(|line| text(line.cwd).map(Cow::into_owned)),
            None => cwd_in_part(&line),
        };
        if cwd.is_some() {
            return cwd;
        }
    }
}

/// The working folder in the beginning of a line that the window cut. In a text within the line the quotes would be escaped, so this is a key;
/// that it is the right one shows when it makes the folder's name.
fn cwd_in_part(part: &[u8]) -> Option<String> {
    const KEY: &[u8] = b"\"cwd\":";
    let at = part.windows(KEY.len()).position(|window| window == KEY)? + KEY.len();
    serde_json::Deserializer::from_slice(&part[at..])
        .into_iter::<String>()
        .next()?
        .ok()
}

/// The real paths of those projects that the agent's state lists and that are there.
fn known_paths(app_state: &Path) -> Vec<String> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct State {
        projects: BTreeMap<String, IgnoredAny>,
    }
    let small = fs::metadata(app_state).is_ok_and(|about| about.is_file() && about.len() <= LARGEST_STATE);
    let content = if small {
        fs::read(app_state).unwrap_or_default()
    } else {
        Vec::new()
    };
    let state: State = serde_json::from_slice(&content).unwrap_or_default();
    state.projects.keys().filter_map(|path| real_folder(path)).collect()
}

/// The real path of the folder `path`, in the form that Claude Code names folders after.
fn real_folder(path: &str) -> Option<String> {
    let real = fs::canonicalize(path).ok().filter(|real| real.is_dir())?;
    // Windows answers in the verbatim form.
    real.to_str()
        .map(|real| real.strip_prefix(r"\\?\").unwrap_or(real).to_owned())
}

/// The folders above `path`, the nearest first, without the root of the file system.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.rmatch_indices(['/', '\\'])
        .map(|(at, _)| &path[..at])
        .filter(|parent| !parent.is_empty())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
