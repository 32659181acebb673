//! The state folder: names of files and projects stand in it, so that only its owner can enter it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::path::Path;

use super::error::StateError;

/// Makes the folder `dir` and those above it where they are missing (0700), and closes `dir` to others where it is not.
pub(super) fn ensure(dir: &Path) -> Result<(), StateError> {
    #[allow(unused_mut)] // only where folders have modes
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder
        .recursive(true)
        .create(dir)
        .map_err(StateError::io("make the folder", dir))?;
    tighten(dir, 0o700)
}

/// Opens the file `path` for reading and writing, and makes it where it is missing; 0600 either way.
pub(super) fn open_private(path: &Path) -> Result<File, StateError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let file = options.open(path).map_err(StateError::io("open", path))?;
    tighten(path, 0o600)?;
    Ok(file)
}

/// Takes away from `path` the permission bits that `wanted` lacks.
#[cfg(unix)]
fn tighten(path: &Path, wanted: u32) -> Result<(), StateError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = std::fs::metadata(path).map_err(StateError::io("look at", path))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & !wanted == 0 {
        return Ok(());
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode & wanted))
        .map_err(StateError::io("close to others", path))
}

#[cfg(not(unix))]
fn tighten(_path: &Path, _wanted: u32) -> Result<(), StateError> {
    Ok(())
}
