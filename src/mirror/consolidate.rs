//! Putting packs and loose objects together when they have become many.
//!
//! libgit2 collects no garbage, and each push adds a pack. The new pack is made and verified in a folder of its own,
//! moved in place, and only then are the files removed that were listed before it was begun. Killed anywhere,
//! the mirror has every object once or twice.
//!
//! Which packs: from the smallest on, until the next is at least twice as large as all before it together (as
//! `git repack --geometric=2`). So each byte is rewritten a few times in all, however many pushes there are. Where these are
//! all the packs, what no reference reaches is left out.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use git2::Oid;

use super::error::MirrorError;
use super::library::init_library;
use super::pack;
use super::pointer::Pointer;
use super::reach;
use super::repository::{Mirror, sync};
use super::spool::{self, Staging};
use super::writer::{Writer, pack_folder};

/// From so many packs or loose objects on it is worth the work.
const MANY_PACKS: usize = 20;
const MANY_LOOSE: usize = 500;

/// How much larger than all smaller ones together a pack must be to stay as it is.
const FACTOR: u64 = 2;

/// What a repository's objects lie in.
struct Files {
    /// The packs, as paths without `.pack`.
    packs: Vec<PathBuf>,
    /// The files of single objects.
    loose: Vec<PathBuf>,
}

impl Mirror {
    /// Puts objects together into one pack when they lie in too many files.
    ///
    /// The caller holds the vault's lock, and no [`Writer`] is open. A failure costs nothing but room.
    ///
    /// # Errors
    ///
    /// When an object is missing or damaged, or the disk refuses: then nothing is removed.
    pub fn consolidate(&self) -> Result<(), MirrorError> {
        let files = list(self.folder())?;
        if files.packs.len() <= MANY_PACKS && files.loose.len() <= MANY_LOOSE {
            return Ok(());
        }
        let count = files.packs.len();
        let chosen = choose(files)?;
        let everything = chosen.packs.len() == count;
        let new = self.gather(&chosen, everything)?;
        self.remove(&chosen, &new)
    }

    /// Writes one pack with what `files` hold, or with everything that the references reach, and moves it in place. Gives
    /// the files so made (packs without `.pack`).
    fn gather(&self, files: &Files, everything: bool) -> Result<HashSet<PathBuf>, MirrorError> {
        let staging = Staging::create(self.folder())?;
        let place = staging.path().join("repository");
        init_library();
        let failed = |error: git2::Error| MirrorError::git("make a repository", &place, &error);
        let repository = git2::Repository::init_bare(&place).map_err(failed)?;
        // Opened anew, so that what is read back is what is on the disk. Reading checks each object's hash.
        if everything {
            let tips = self.tips()?;
            reach::copy(&self.repository, &repository, &tips, &[])?;
            let written = git2::Repository::open_bare(&place).map_err(failed)?;
            reach::verify(&written, &tips, &[], true)?;
        } else {
            let ids = files.ids()?;
            let source = self.odb()?;
            let mut writer = Writer::new(&repository)?;
            for id in &ids {
                let object = source
                    .read(*id)
                    .map_err(|error| MirrorError::object(format!("object {id}"), self.folder(), &error))?;
                writer.object(object.kind(), object.data())?;
            }
            writer.finish()?;
            let written = git2::Repository::open_bare(&place).map_err(failed)?;
            let written = written.odb().map_err(failed)?;
            for id in &ids {
                written
                    .read(*id)
                    .map_err(|error| MirrorError::object(format!("object {id}"), &place, &error))?;
            }
        }

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
        for pointer in Pointer::ALL {
            tips.extend(self.get(pointer)?.map(super::pointer::oid));
        }
        Ok(tips.into_iter().collect())
    }
}

impl Files {
    /// The ids of all objects in them.
    fn ids(&self) -> Result<Vec<Oid>, MirrorError> {
        let mut ids = Vec::new();
        for path in &self.loose {
            let name = path
                .components()
                .rev()
                .take(2)
                .map(|part| part.as_os_str().to_string_lossy());
            let name: Vec<_> = name.collect();
            let id = Oid::from_str(&format!("{}{}", name[1], name[0]));
            ids.push(id.expect("a loose object is listed only when its name is an id"));
        }
        for pack in &self.packs {
            let path = with_ending(pack, "idx");
            let index = fs::read(&path).map_err(|error| MirrorError::io("read", &path, error))?;
            ids.extend(
                pack::ids_of_index(&index)
                    .ok_or_else(|| MirrorError::damaged("the index of a pack", &path, "it is not one, or cut short"))?,
            );
        }
        Ok(ids)
    }
}

/// The files that are worth putting together; see the module. Packs that someone marked to be kept are left alone.
fn choose(files: Files) -> Result<Files, MirrorError> {
    let size = |path: &Path| {
        let found = fs::metadata(path).map_err(|error| MirrorError::io("read", path, error));
        found.map(|found| found.len())
    };
    let mut packs = Vec::new();
    for pack in files.packs {
        // Without its index a pack is being written by something else, or was left half removed.
        if !with_ending(&pack, "keep").exists() && with_ending(&pack, "idx").exists() {
            packs.push((size(&with_ending(&pack, "pack"))?, pack));
        }
    }
    packs.sort();
    let mut smaller = 0;
    for object in &files.loose {
        smaller += size(object)?;
    }
    let mut count = 0;
    for (place, (size, _)) in packs.iter().enumerate() {
        if *size < FACTOR * smaller {
            count = place + 1;
        }
        smaller += size;
    }
    packs.truncate(count);
    Ok(Files {
        packs: packs.into_iter().map(|(_, pack)| pack).collect(),
        loose: files.loose,
    })
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
