//! What the system says of a place on this machine: who owns it, who may enter it, and how much room is left there.

use std::fs;
use std::io;
use std::path::Path;

/// A file or folder, looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its permission bits; none where files have no such bits.
    pub mode: Option<u32>,
    /// Whether it belongs to the person who runs this process.
    pub is_ours: bool,
    /// A number of the file system that it lies on: equal for two places on the same one.
    pub file_system: u64,
}

/// Looks at `path`, following links.
///
/// # Errors
/// It does not exist, or the system does not let us look.
#[cfg(unix)]
pub fn look_at(path: &Path) -> io::Result<Place> {
    use std::os::unix::fs::MetadataExt as _;

    let about = fs::metadata(path)?;
    Ok(Place {
        mode: Some(about.mode() & 0o777),
        is_ours: about.uid() == rustix::process::geteuid().as_raw(),
        file_system: about.dev(),
    })
}

/// Looks at `path`, following links.
///
/// # Errors
/// It does not exist, or the system does not let us look.
#[cfg(not(unix))]
pub fn look_at(path: &Path) -> io::Result<Place> {
    fs::metadata(path)?;
    Ok(Place {
        mode: None,
        is_ours: true,
        file_system: 0,
    })
}

/// How many bytes this person may still write at `path`, which must exist. None where the system does not say.
#[cfg(unix)]
#[must_use]
pub fn free_space(path: &Path) -> Option<u64> {
    let told = rustix::fs::statvfs(path).ok()?;
    Some(told.f_bavail.saturating_mul(told.f_frsize))
}

/// How many bytes this person may still write at `path`, which must exist. None where the system does not say.
#[cfg(not(unix))]
#[must_use]
pub const fn free_space(_path: &Path) -> Option<u64> {
    None
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_place_tells_its_mode_its_owner_and_its_room() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();

        let place = look_at(&file).unwrap();

        assert_eq!(place.mode, Some(0o640));
        assert!(place.is_ours);
        assert_eq!(place.file_system, look_at(folder.path()).unwrap().file_system);
        assert!(free_space(&file).unwrap() > 0);
        assert!(look_at(&folder.path().join("none")).is_err());
        assert_eq!(free_space(&folder.path().join("none")), None);
    }
}
