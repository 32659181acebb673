//! A folder that an agent keeps its data in: looking at its files, reading and removing them.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::error::LocalError;
use super::faults::{Faults, NoFaults, Operation, ReadOnly};
use super::late::Displaced;
use super::metadata::{private_folder, stat_of, sync_folder};
use super::names::{Names, is_temporary_name, temporary_in};
use super::replace::Written;
use crate::core::stat::Stat;

/// An agent's folder. All paths given to it are relative, `/`-separated, and checked.
///
/// It may be shared between threads. Before a run ends, [`Root::settle`] looks a last time for what was written late to
/// files that were replaced; dropping the root does so too, but cannot say what it found.
pub struct Root {
    path: PathBuf,
    faults: Arc<dyn Faults>,
    names: Names,
    displaced: Mutex<Vec<Displaced>>,
}

/// A file that was opened for reading.
#[derive(Debug)]
pub struct OpenFile {
    /// The open file, at its beginning.
    pub file: File,
    /// What the system said of it when it was opened. It may have grown since: read no more than `stat.size` bytes.
    pub stat: Stat,
}

impl Root {
    /// Opens the folder `dir`; links on the way to it are followed.
    ///
    /// # Errors
    /// It is missing, is not a folder, or cannot be looked at.
    pub fn open(dir: &Path) -> Result<Self, LocalError> {
        let path = dir.canonicalize().map_err(LocalError::io("open the folder", dir))?;
        if !path.is_dir() {
            return Err(LocalError::io("open the folder", dir)(
                io::ErrorKind::NotADirectory.into(),
            ));
        }
        Ok(Self {
            path,
            faults: Arc::new(NoFaults),
            names: Names::default(),
            displaced: Mutex::default(),
        })
    }

    /// Opens the folder `dir`; where it is missing, makes it and those above it first (0700).
    ///
    /// # Errors
    /// As [`Root::open`], or it cannot be made.
    pub fn open_or_create(dir: &Path) -> Result<Self, LocalError> {
        private_folder()
            .recursive(true)
            .create(dir)
            .map_err(LocalError::io("make the folder", dir))?;
        Self::open(dir)
    }

    /// The same root, with `faults` asked before each change of the disk.
    #[must_use]
    pub fn with_faults(mut self, faults: Arc<dyn Faults>) -> Self {
        self.faults = faults;
        self
    }

    /// The same folder, in which nothing can be changed: for a dry run.
    ///
    /// # Errors
    /// As [`Root::open`].
    pub fn read_only(&self) -> Result<Self, LocalError> {
        Ok(Self::open(&self.path)?.with_faults(Arc::new(ReadOnly)))
    }

    /// The real path of the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the system says of the file `relative` (of the real file, where it is a link); `None` where there is none.
    ///
    /// # Errors
    /// A bad path, a link out of the root or to nowhere, something else than a regular file, or the system refuses.
    pub fn stat(&self, relative: &str) -> Result<Option<Stat>, LocalError> {
        let place = self.place(relative, false)?;
        Ok(place
            .and_then(|place| place.metadata)
            .map(|metadata| stat_of(&metadata)))
    }

    /// Opens the file `relative` for reading.
    ///
    /// # Errors
    /// As [`Root::stat`]; a file that is missing is [`LocalError::Io`] with the kind `NotFound`.
    pub fn reader(&self, relative: &str) -> Result<OpenFile, LocalError> {
        let path = match self.place(relative, false)? {
            Some(place) if place.metadata.is_some() => place.path,
            _ => {
                return Err(LocalError::io("read", &self.path.join(relative))(
                    io::ErrorKind::NotFound.into(),
                ));
            }
        };
        let file = File::open(&path).map_err(LocalError::io("read", &path))?;
        let metadata = file.metadata().map_err(LocalError::io("read", &path))?;
        if !metadata.is_file() {
            return Err(LocalError::NotAFile {
                relative: relative.to_owned(),
            });
        }
        Ok(OpenFile {
            file,
            stat: stat_of(&metadata),
        })
    }

    /// Removes the file `relative`, if it is still what `expected` says. Where it is a link, the link alone goes.
    ///
    /// The file is first renamed to a temporary name and looked at there, so that nothing else than what was expected is ever
    /// removed, whoever writes meanwhile.
    ///
    /// # Errors
    /// As [`Root::stat`], or the system refuses.
    pub fn remove(&self, relative: &str, expected: Stat) -> Result<Written, LocalError> {
        let Some(place) = self.place(relative, false)? else {
            return Ok(Written::Moved);
        };
        if place.metadata.as_ref().map(stat_of) != Some(expected) {
            return Ok(Written::Moved);
        }
        let (parent, name) = relative.rsplit_once('/').unwrap_or(("", relative));
        let entry = match self.real_folder(parent)? {
            Some(folder) => folder.join(name),
            None => return Ok(Written::Moved),
        };
        let folder = entry.parent().unwrap_or(&self.path);
        let is_link = entry.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
        if is_link {
            self.before(Operation::Remove, &entry)
                .and_then(|()| fs::remove_file(&entry))
                .map_err(LocalError::io("remove", &entry))?;
        } else if !self.capture_and_remove(folder, &entry, expected)? {
            return Ok(Written::Moved);
        }
        self.before(Operation::SyncFolder, folder)
            .and_then(|()| sync_folder(folder))
            .map_err(LocalError::io("save the folder", folder))?;
        Ok(Written::Done(expected))
    }

    /// Renames `entry` away, and removes it if it is what `expected` says; else puts it back and returns `false`.
    fn capture_and_remove(&self, folder: &Path, entry: &Path, expected: Stat) -> Result<bool, LocalError> {
        let failed = |error| LocalError::io("remove", entry)(error);
        self.before(Operation::CreateTemporary, folder).map_err(failed)?;
        let captured = temporary_in(folder).map_err(failed)?.into_temp_path();
        self.before(Operation::Rename, entry).map_err(failed)?;
        match fs::rename(entry, &captured) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            renamed => renamed.map_err(failed)?,
        }
        let faulted = self.before(Operation::Remove, entry);
        let unchanged = captured.symlink_metadata().is_ok_and(|metadata| {
            let now = stat_of(&metadata);
            (now.inode, now.size, now.modified) == (expected.inode, expected.size, expected.modified)
        });
        if unchanged && faulted.is_ok() {
            captured.close().map_err(failed)?;
            return Ok(true);
        }
        // Never lose what was captured: if another file took the name, the captured one stays as a stray temporary file.
        match captured.persist_noclobber(entry) {
            Ok(()) => faulted.map(|()| false).map_err(failed),
            Err(refused) => {
                let error = refused.error;
                let _ = refused.path.keep();
                Err(failed(error))
            }
        }
    }

    /// The real path of the folder `relative` (empty: the root); `None` where it is missing.
    fn real_folder(&self, relative: &str) -> Result<Option<PathBuf>, LocalError> {
        if relative.is_empty() {
            return Ok(Some(self.path.clone()));
        }
        match self.follow(&self.path.join(relative), relative) {
            Ok((path, _)) => Ok(Some(path)),
            Err(LocalError::Dangling { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes temporary files that a killed run left behind. Only what has the name of one, is a regular file and stands in
    /// the root goes; what is gone already is fine. Call it with the vault's lock held: another run's are in use.
    ///
    /// # Errors
    /// The first removal that the system refuses; the others are still done.
    pub fn sweep(&self, leftovers: &[String]) -> Result<(), LocalError> {
        let mut first_error = None;
        for relative in leftovers {
            let (parent, name) = relative.rsplit_once('/').unwrap_or(("", relative));
            if !is_temporary_name(name) {
                continue;
            }
            let Ok(Some(folder)) = self.real_folder(parent) else {
                continue;
            };
            let path = folder.join(name);
            if !path.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
                continue;
            }
            let removed = self
                .before(Operation::Remove, &path)
                .and_then(|()| fs::remove_file(&path));
            if let Err(error) = removed
                && error.kind() != io::ErrorKind::NotFound
            {
                first_error.get_or_insert(LocalError::io("remove", &path)(error));
            }
        }
        first_error.map_or(Ok(()), Err)
    }

    /// Asks the faults.
    pub(super) fn before(&self, operation: Operation, path: &Path) -> io::Result<()> {
        self.faults.before(operation, path)
    }

    /// The names known of the folders.
    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// The files that were replaced and are still watched.
    pub(super) fn displaced(&self) -> &Mutex<Vec<Displaced>> {
        &self.displaced
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Root").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = self.settle();
    }
}
