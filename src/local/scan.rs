//! Finding the files of a root that are synced.

use std::collections::{HashMap, HashSet};
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use super::error::LocalError;
use super::ignores::UserIgnores;
use super::metadata::stat_of;
use super::names::{conflict_base, folded, is_temporary_name};
use super::root::Root;
use super::sandbox::check_relative;
use crate::core::stat::Stat;

/// What an agent's rules say about relative, `/`-separated paths, as a walk asks it. They hold whatever the person's lists say.
pub trait Rules {
    /// Whether there can be synced files in the folder; folders above it were asked before.
    fn enter(&self, folder: &str) -> bool;

    /// Whether the file is synced.
    fn take(&self, file: &str) -> bool;

    /// Whether this file must not be synced under any other name either, when a link leads to it: a secret.
    fn is_secret(&self, file: &str) -> bool {
        let _ = file;
        false
    }
}

/// A file that is synced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its path relative to the root, `/`-separated.
    pub relative: String,
    /// What the system says of it; of the real file, where it is a link.
    pub stat: Stat,
}

/// A file or folder that should be synced and cannot be. It does not stop the others.
#[derive(Debug)]
pub struct Problem {
    /// Its path relative to the root, `/`-separated; empty for the root itself. Replacement characters stand for what is not UTF-8.
    pub relative: String,
    /// What is wrong with it.
    pub error: LocalError,
}

/// What a walk through a root found.
#[derive(Debug, Default)]
pub struct Scan {
    /// The files that are synced, sorted by path.
    pub files: Vec<Found>,
    /// What should be synced and cannot be, sorted by path.
    pub problems: Vec<Problem>,
    /// Temporary files of csync: a killed run's, if no other holds the vault's lock.
    pub leftovers: Vec<String>,
    /// Conflict files of synced files. They are never synced themselves.
    pub conflict_files: Vec<String>,
    /// The places of the problems that were taken out.
    blind_to: Vec<String>,
}

impl Scan {
    /// Whether this scan cannot say if the file `relative` is there, because it, or a folder that it is in, had a problem. Such a
    /// file must not be taken for deleted.
    #[must_use]
    pub fn is_blind_to(&self, relative: &str) -> bool {
        let problems = self.problems.iter().map(|problem| &problem.relative);
        problems.chain(&self.blind_to).any(|place| {
            let rest = relative.strip_prefix(place.as_str());
            place.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// Takes the problems out, to be told; the scan stays blind to their places.
    pub fn take_problems(&mut self) -> Vec<Problem> {
        let problems = std::mem::take(&mut self.problems);
        self.blind_to
            .extend(problems.iter().map(|problem| problem.relative.clone()));
        problems
    }
}

/// Walks through the folders of `root` that `rules` and `user_ignores` let in, and finds the files that both take.
///
/// Links to files and folders within the root are followed, each real folder once and never into a folder that holds the
/// link; a real file appears once, under its own name where that is taken. Links out of the root are problems. Only
/// regular files count. What vanishes during the walk was never there.
#[must_use]
pub fn scan(root: &Root, rules: &dyn Rules, user_ignores: &UserIgnores) -> Scan {
    let mut walk = Walk {
        root,
        rules,
        ignores: user_ignores,
        scan: Scan::default(),
        links: Vec::new(),
        real_files: HashSet::new(),
    };
    walk.folders("", root.path(), false);
    walk.links();
    let mut scan = walk.scan;
    scan.files.sort_unstable_by(|a, b| a.relative.cmp(&b.relative));
    scan.problems.sort_by(|a, b| a.relative.cmp(&b.relative));
    scan.leftovers.sort_unstable();
    scan.conflict_files.sort_unstable();
    scan
}

/// A walk under way.
struct Walk<'a> {
    root: &'a Root,
    rules: &'a dyn Rules,
    ignores: &'a UserIgnores,
    scan: Scan,
    /// Links that are not followed yet: the name they are found under, and their real path.
    links: Vec<(String, PathBuf)>,
    /// The real paths, relative to the root, of the files that are taken; filled once there is a link to follow.
    real_files: HashSet<String>,
}

impl Walk<'_> {
    /// Walks the folder at the real path `path`, known as `relative`, and those in it. `linked`: a link led here, so that
    /// the names are not the real ones.
    fn folders(&mut self, relative: &str, path: &Path, linked: bool) {
        let mut pending = vec![(relative.to_owned(), path.to_owned())];
        while let Some((relative, path)) = pending.pop() {
            if let Err(error) = self.folder(&relative, &path, linked, &mut pending)
                && (error.kind() != io::ErrorKind::NotFound || relative.is_empty())
            {
                self.problem(relative, LocalError::io("read the folder", &path)(error));
            }
        }
    }

    /// Looks at the entries of one folder, and adds those that are folders to `pending`.
    fn folder(
        &mut self,
        relative: &str,
        path: &Path,
        linked: bool,
        pending: &mut Vec<(String, PathBuf)>,
    ) -> io::Result<()> {
        let mut entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
        // Which of two names that differ only in case is the second must not depend on the file system's order.
        entries.sort_by_cached_key(DirEntry::file_name);
        let mut taken = HashMap::with_capacity(entries.len());
        for entry in entries {
            let file_name = entry.file_name();
            let name = file_name.to_string_lossy();
            let child = match relative {
                "" => name.clone().into_owned(),
                _ => format!("{relative}/{name}"),
            };
            let kind = match entry.file_type() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    self.problem(child, LocalError::io("look at", &entry.path())(error));
                    continue;
                }
                Ok(kind) => kind,
            };
            if kind.is_file() && self.is_our_own(&child, &name) {
                continue;
            }
            let wanted = (!kind.is_file() && self.enters(&child)) || (!kind.is_dir() && self.takes(&child));
            let known_kind = kind.is_file() || kind.is_dir() || kind.is_symlink();
            if !known_kind || !wanted {
                continue;
            }
            if file_name.to_str().is_none() {
                let relative = child.clone();
                self.problem(child, LocalError::NotUtf8 { relative });
                continue;
            }
            if let Err(error) = check_relative(&child) {
                self.problem(child, error);
                continue;
            }
            if let Some(existing) = taken.insert(folded(&name), name.clone().into_owned()) {
                let relative = child.clone();
                self.problem(child, LocalError::Collision { relative, existing });
                continue;
            }
            if kind.is_dir() {
                pending.push((child, entry.path()));
            } else if kind.is_symlink() {
                self.links.push((child, entry.path()));
            } else {
                self.file(child, &entry, linked);
            }
        }
        Ok(())
    }

    /// Takes the regular file `entry`, known as `relative`.
    fn file(&mut self, relative: String, entry: &DirEntry, linked: bool) {
        if linked && !self.is_first_sight(&entry.path()) {
            return;
        }
        match entry.metadata() {
            Ok(metadata) if metadata.is_file() => {
                let stat = stat_of(&metadata);
                self.scan.files.push(Found { relative, stat });
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                self.problem(relative, LocalError::io("look at", &entry.path())(error));
            }
            _ => {}
        }
    }

    /// Follows the links that were found, and those that are found by that.
    fn links(&mut self) {
        if self.links.is_empty() {
            return;
        }
        self.real_files = self.scan.files.iter().map(|found| found.relative.clone()).collect();
        let mut followed = HashSet::new();
        while !self.links.is_empty() {
            let mut links = std::mem::take(&mut self.links);
            links.sort_unstable();
            for (relative, path) in links {
                match self.root.follow(&path, &relative) {
                    Err(error) => {
                        // A link that has just vanished is none.
                        if path.symlink_metadata().is_ok() {
                            self.problem(relative, error);
                        }
                    }
                    Ok((target, metadata)) if metadata.is_dir() => {
                        let holds_the_link = path.starts_with(&target);
                        if self.enters(&relative) && !holds_the_link && followed.insert(target.clone()) {
                            self.folders(&relative, &target, true);
                        }
                    }
                    Ok((target, metadata)) => {
                        if metadata.is_file() && self.takes(&relative) && self.is_first_sight(&target) {
                            let stat = stat_of(&metadata);
                            self.scan.files.push(Found { relative, stat });
                        }
                    }
                }
            }
        }
    }

    /// Whether the file at the real path `target`, that a link led to, may be taken: it is no secret and not taken yet.
    fn is_first_sight(&mut self, target: &Path) -> bool {
        let inside = target.strip_prefix(self.root.path()).unwrap_or(target);
        let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
        let real = parts.join("/");
        !self.rules.is_secret(&real)
            && !is_temporary_name(parts.last().map_or("", AsRef::as_ref))
            && self.real_files.insert(real)
    }

    /// Whether the regular file is one that csync made for itself; it is then listed as such.
    fn is_our_own(&mut self, relative: &str, name: &str) -> bool {
        if is_temporary_name(name) {
            self.scan.leftovers.push(relative.to_owned());
            return true;
        }
        let Some(base) = conflict_base(relative) else {
            return false;
        };
        if self.rules.take(base) {
            self.scan.conflict_files.push(relative.to_owned());
        }
        true
    }

    /// Whether the walk goes into the folder.
    fn enters(&self, relative: &str) -> bool {
        self.rules.enter(relative) && self.ignores.enters(relative)
    }

    /// Whether the file is synced.
    fn takes(&self, relative: &str) -> bool {
        self.rules.take(relative) && self.ignores.takes(relative)
    }

    /// Notes a problem.
    fn problem(&mut self, relative: String, error: LocalError) {
        self.scan.problems.push(Problem { relative, error });
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests;
