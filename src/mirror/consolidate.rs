//! Putting many packs and loose objects together into one pack.
//!
//! libgit2 collects no garbage, and each push adds a pack. The new pack is made and verified in a folder of its own,
//! moved in place, and only then are the files removed that were listed before it was begun. Killed anywhere,
//! the mirror has every object once or twice.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use git2::Oid;

use super::error::MirrorError;
use super::library::init_library;
use super::pointer::Pointer;
use super::reach;
use super::repository::{Mirror, sync};
use super::spool::{self, Staging};
use super::writer::pack_folder;

/// From so many packs or loose objects on it is worth the work.
const MANY_PACKS: usize = 20;
const MANY_LOOSE: usize = 500;

/// What a repository's objects lie in.
struct Files {
    /// The packs, as paths without `.pack`.
    packs: Vec<PathBuf>,
    /// The files of single objects.
    loose: Vec<PathBuf>,
}

impl Mirror {
    /// Puts all objects into one pack when they lie in too many files. Objects that no reference reaches are dropped.
    ///
    /// The caller holds the vault's lock, and no [`Writer`](super::Writer) is open.
    ///
    /// # Errors
    ///
    /// When an object is missing or damaged, or the disk refuses: then nothing is removed.
    pub fn consolidate(&self) -> Result<(), MirrorError> {
        let files = self.files()?;
        if files.packs.len() > MANY_PACKS || files.loose.len() > MANY_LOOSE {
            self.consolidate_files(&files)?;
        }
        Ok(())
    }

    /// Puts all objects that `files` may hold into one pack, and removes these files.
    fn consolidate_files(&self, files: &Files) -> Result<(), MirrorError> {
        let new = self.gather()?;
        self.remove(files, &new)
    }

    /// Writes one pack with everything that the references reach, and moves it in place. Gives the names of the packs
    /// so made, without `.pack`; none when there is nothing to keep.
    fn gather(&self) -> Result<HashSet<PathBuf>, MirrorError> {
        let tips = self.tips()?;
        let staging = Staging::create(self.folder())?;
        let place = staging.path().join("repository");
        init_library();
        let repository = git2::Repository::init_bare(&place)
            .map_err(|error| MirrorError::git("make a repository", &place, &error))?;
        reach::copy(&self.repository, &repository, &tips, &[])?;
        // Opened anew: what is read is what is on the disk. Every object's hash is checked.
        let repository = git2::Repository::open_bare(&place)
            .map_err(|error| MirrorError::git("open a repository", &place, &error))?;
        reach::verify(&repository, &tips, &[], true)?;
        drop(repository);

        let made = list(&place)?;
        let target = pack_folder(self.folder());
        let mut new = HashSet::new();
        for pack in &made.packs {
            let name = target.join(pack.file_name().expect("a pack has a name"));
            // The pack before its index: an index alone would name objects that cannot be read.
            for ending in ["pack", "idx"] {
                rename(&with_ending(pack, ending), &with_ending(&name, ending))?;
            }
            new.insert(name);
        }
        // So few that they were written one by one: then those that are there already stay.
        for object in &made.loose {
            let name = object.strip_prefix(place.join("objects")).expect("it was listed there");
            let name = self.folder().join("objects").join(name);
            let folder = name.parent().expect("it lies in a folder");
            fs::create_dir_all(folder).map_err(|error| MirrorError::io("make", folder, error))?;
            rename(object, &name)?;
            sync(folder)?;
            new.insert(name);
        }
        sync(&target)?;
        Ok(new)
    }

    /// Removes what was listed before, apart from what has been made since under the same name.
    fn remove(&self, files: &Files, new: &HashSet<PathBuf>) -> Result<(), MirrorError> {
        let folder = pack_folder(self.folder());
        // An index over several packs, which the git command may have made, would name packs that are gone.
        remove_if_there(&folder.join("multi-pack-index"))?;
        for pack in files.packs.iter().filter(|pack| !new.contains(*pack)) {
            if with_ending(pack, "keep").exists() {
                continue;
            }
            // The index first: without it nobody looks for the pack.
            for ending in ["idx", "rev", "bitmap", "mtimes", "pack"] {
                remove_if_there(&with_ending(pack, ending))?;
            }
        }
        for object in files.loose.iter().filter(|object| !new.contains(*object)) {
            remove_if_there(object)?;
        }
        // What a fetch that was killed left of a pack that it was receiving.
        spool::remove_partial_downloads(self.folder());
        sync(&folder)?;
        self.odb()?
            .refresh()
            .map_err(|error| MirrorError::git("read a new pack", self.folder(), &error))
    }

    /// The commits that must stay, with all that they need: whatever a reference names, ours or a person's.
    fn tips(&self) -> Result<Vec<Oid>, MirrorError> {
        let failed = |error: git2::Error| MirrorError::git("read the references", self.folder(), &error);
        let mut tips = HashSet::new();
        for reference in self.repository.references().map_err(failed)? {
            let reference = reference.map_err(failed)?;
            let commit = reference.peel_to_commit().map_err(failed)?;
            tips.insert(commit.id());
        }
        for pointer in [Pointer::Tip, Pointer::Base, Pointer::Incoming] {
            tips.extend(self.get(pointer)?.map(super::pointer::oid));
        }
        Ok(tips.into_iter().collect())
    }

    fn files(&self) -> Result<Files, MirrorError> {
        list(self.folder())
    }
}

/// The files that hold a repository's objects.
fn list(repository: &Path) -> Result<Files, MirrorError> {
    let objects = repository.join("objects");
    let mut files = Files {
        packs: Vec::new(),
        loose: Vec::new(),
    };
    for folder in entries(&objects)? {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name == "pack" {
            files.packs = entries(&folder)?
                .into_iter()
                .filter(|path| path.extension().is_some_and(|ending| ending == "pack"))
                .map(|path| path.with_extension(""))
                .collect();
        } else if name.len() == 2 && name.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            files.loose.extend(entries(&folder)?.into_iter().filter(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.len() == 38 && name.bytes().all(|digit| digit.is_ascii_hexdigit())
            }));
        }
    }
    Ok(files)
}

/// What stands in a folder.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, MirrorError> {
    let failed = |error| MirrorError::io("read", folder, error);
    let entries = fs::read_dir(folder).map_err(failed)?;
    entries
        .map(|entry| entry.map(|entry| entry.path()).map_err(failed))
        .collect()
}

fn with_ending(pack: &Path, ending: &str) -> PathBuf {
    pack.with_extension(ending)
}

fn rename(from: &Path, to: &Path) -> Result<(), MirrorError> {
    fs::rename(from, to).map_err(|error| MirrorError::io("write", to, error))
}

fn remove_if_there(path: &Path) -> Result<(), MirrorError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(MirrorError::io("remove", path, error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
