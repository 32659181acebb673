//! From a relative path to the real place on the disk, never out of the root.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use super::error::LocalError;
use super::faults::Operation;
use super::metadata::{private_folder, sync_folder};
use super::names::is_temporary_name;
use super::root::Root;
use crate::core::path::LogicalPath;

/// Where a relative path really leads.
pub(super) struct Place {
    /// The real path of the file: links followed, in the root.
    pub(super) path: PathBuf,
    /// The real folder that it stands in: where its temporary file belongs.
    pub(super) folder: PathBuf,
    /// What the system says of it; `None` where nothing stands there.
    pub(super) metadata: Option<Metadata>,
}

/// Checks that `relative` is a path that csync may have a file at.
pub(super) fn check_relative(relative: &str) -> Result<(), LocalError> {
    LogicalPath::new("root", relative).map_err(|why| LocalError::BadPath {
        relative: relative.to_owned(),
        why,
    })?;
    if relative.split('/').any(is_temporary_name) {
        return Err(LocalError::TemporaryName {
            relative: relative.to_owned(),
        });
    }
    Ok(())
}

impl Root {
    /// The place of the file `relative`, or `None` where a folder on the way is missing and `create` is not set.
    /// With `create`, missing folders are made (0700), and names on the way must be the very same, letter for letter.
    ///
    /// # Errors
    /// A bad path, a link out of the root or to nowhere, something else than a folder on the way, something else than a
    /// regular file at its end.
    pub(super) fn place(&self, relative: &str, create: bool) -> Result<Option<Place>, LocalError> {
        check_relative(relative)?;
        let (folders, name) = relative.rsplit_once('/').unwrap_or(("", relative));
        let mut folder = self.path().to_owned();
        for component in folders.split('/').filter(|component| !component.is_empty()) {
            match self.folder_in(folder, component, relative, create)? {
                Some(next) => folder = next,
                None => return Ok(None),
            }
        }
        self.file_in(folder, name, relative).map(Some)
    }

    /// The folder `component` of `folder`, as a real path.
    fn folder_in(
        &self,
        folder: PathBuf,
        component: &str,
        relative: &str,
        create: bool,
    ) -> Result<Option<PathBuf>, LocalError> {
        let path = folder.join(component);
        let metadata = match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !create {
                    return Ok(None);
                }
                self.check_new_name(&folder, component, relative)?;
                self.create_folder(&folder, &path)?;
                path.symlink_metadata()
                    .map_err(LocalError::io("make the folder", &path))?
            }
            found => found.map_err(LocalError::io("look at", &path))?,
        };
        if create {
            self.check_exact_name(&folder, component, relative)?;
        }
        let (path, metadata) = if metadata.is_symlink() {
            self.follow(&path, relative)?
        } else {
            (path, metadata)
        };
        if !metadata.is_dir() {
            return Err(LocalError::NotAFolder {
                relative: relative.to_owned(),
            });
        }
        Ok(Some(path))
    }

    /// The file `name` of `folder`, as a real path.
    fn file_in(&self, folder: PathBuf, name: &str, relative: &str) -> Result<Place, LocalError> {
        let path = folder.join(name);
        let metadata = match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Place {
                    path,
                    folder,
                    metadata: None,
                });
            }
            found => found.map_err(LocalError::io("look at", &path))?,
        };
        let (path, folder, metadata) = if metadata.is_symlink() {
            let (path, metadata) = self.follow(&path, relative)?;
            let folder = path.parent().unwrap_or(self.path()).to_owned();
            (path, folder, metadata)
        } else {
            (path, folder, metadata)
        };
        if !metadata.is_file() {
            return Err(LocalError::NotAFile {
                relative: relative.to_owned(),
            });
        }
        Ok(Place {
            path,
            folder,
            metadata: Some(metadata),
        })
    }

    /// Where the link at `path` leads in the end, which must be in the root.
    pub(super) fn follow(&self, path: &Path, relative: &str) -> Result<(PathBuf, Metadata), LocalError> {
        let target = match path.canonicalize() {
            // A circle of links has an error of its own, whose kind is not stable yet; nothing else fails so.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(LocalError::io("follow", path)(error));
            }
            Err(_) => {
                return Err(LocalError::Dangling {
                    relative: relative.to_owned(),
                });
            }
            Ok(target) => target,
        };
        if !target.starts_with(self.path()) {
            return Err(LocalError::Escapes {
                relative: relative.to_owned(),
                target,
            });
        }
        let metadata = target.symlink_metadata().map_err(LocalError::io("look at", &target))?;
        Ok((target, metadata))
    }

    /// Makes the folder `path` in `folder`, on the disk when this returns. One that came to be meanwhile is fine.
    fn create_folder(&self, folder: &Path, path: &Path) -> Result<(), LocalError> {
        let made = self
            .before(Operation::CreateFolder, path)
            .and_then(|()| private_folder().create(path));
        match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(LocalError::io("make the folder", path)(error)),
            Ok(()) => self
                .before(Operation::SyncFolder, folder)
                .and_then(|()| sync_folder(folder))
                .map_err(LocalError::io("save the folder", folder)),
        }
    }

    /// Refuses a new `name` in `folder` where another there differs from it only in case.
    pub(super) fn check_new_name(&self, folder: &Path, name: &str, relative: &str) -> Result<(), LocalError> {
        match self
            .names()
            .clash(folder, name)
            .map_err(LocalError::io("read the folder", folder))?
        {
            None => Ok(()),
            Some(existing) => Err(LocalError::Collision {
                relative: relative.to_owned(),
                existing,
            }),
        }
    }

    /// Refuses `name` where the file system finds it in `folder`, but under another spelling: it compares without case or
    /// Unicode form.
    pub(super) fn check_exact_name(&self, folder: &Path, name: &str, relative: &str) -> Result<(), LocalError> {
        if self
            .names()
            .holds_exactly(folder, name)
            .map_err(LocalError::io("read the folder", folder))?
        {
            return Ok(());
        }
        Err(LocalError::Collision {
            relative: relative.to_owned(),
            existing: "a name that this file system takes for the same".to_owned(),
        })
    }
}
