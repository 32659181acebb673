//! Files that hold secrets: only their owner can read them (P19).

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use super::error::LocalError;
use super::metadata::{private_folder, sync_folder};
use super::names::temporary_in;

/// The bits that must not be set: anything for the group or others.
const OTHERS: u32 = 0o077;

/// Writes `bytes` to the file `path`, mode 0600, whole or not at all. Missing folders are made (0700).
///
/// # Errors
/// The folder is there already and open to others: it is refused, with the `chmod` that mends it, rather than changed behind a person's back.
/// Or the system refuses.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), LocalError> {
    let folder = folder_of(path);
    private_folder()
        .recursive(true)
        .create(folder)
        .map_err(LocalError::io("make the folder", folder))?;
    check_mode(folder, 0o700)?;
    let write = || -> io::Result<()> {
        let mut temporary = temporary_in(folder)?;
        temporary.write_all(bytes)?;
        temporary.as_file().sync_all()?;
        temporary.persist(path)?;
        sync_folder(folder)
    };
    write().map_err(LocalError::io("write", path))
}

/// Checks that nobody but their owner can reach the file `path` and the folder that it stands in.
///
/// # Errors
/// [`LocalError::TooOpen`] with the `chmod` that mends it; or the file cannot be looked at.
pub fn check_private(path: &Path) -> Result<(), LocalError> {
    check_private_file(path)?;
    check_mode(folder_of(path), 0o700)
}

/// Checks the file `path` alone: for secrets that a person keeps in a folder of their own choice.
///
/// # Errors
/// As [`check_private`].
pub fn check_private_file(path: &Path) -> Result<(), LocalError> {
    check_mode(path, 0o600)
}

/// The folder of `path`; `.` where it names none.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(unix)]
fn check_mode(path: &Path, wanted: u32) -> Result<(), LocalError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = fs::metadata(path).map_err(LocalError::io("look at", path))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & OTHERS == 0 {
        return Ok(());
    }
    Err(LocalError::TooOpen {
        path: path.to_owned(),
        mode,
        wanted,
    })
}

#[cfg(not(unix))]
fn check_mode(path: &Path, _wanted: u32) -> Result<(), LocalError> {
    fs::metadata(path).map(drop).map_err(LocalError::io("look at", path))
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn p19_secrets_are_written_0600_in_0700_folders() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/b/identity.txt");
        write_private(&path, b"secret").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"secret");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(&home.path().join("a/b")), 0o700);
        assert_eq!(mode(&home.path().join("a")), 0o700);
        check_private(&path).unwrap();

        chmod(&path, 0o644);
        write_private(&path, b"other").unwrap();
        assert_eq!(mode(&path), 0o600, "a looser mode does not survive a write");
        assert_eq!(
            fs::read_dir(home.path().join("a/b")).unwrap().count(),
            1,
            "no temporary file stays"
        );
    }

    #[test]
    fn p19_looser_modes_are_refused_with_the_command_that_mends_them() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("keys");
        let path = folder.join("identity.txt");
        write_private(&path, b"secret").unwrap();
        for loose in [0o640, 0o604, 0o620, 0o601] {
            chmod(&path, loose);
            let error = crate::Error::from(check_private(&path).unwrap_err());
            assert_eq!(error.kind(), crate::Kind::Key);
            assert_eq!(
                error.hint_text().unwrap(),
                format!("run `chmod 600 {}`", path.display())
            );
        }
        chmod(&path, 0o400);
        check_private(&path).unwrap();

        chmod(&folder, 0o755);
        let error = crate::Error::from(check_private(&path).unwrap_err());
        assert_eq!(
            error.hint_text().unwrap(),
            format!("run `chmod 700 {}`", folder.display())
        );
        check_private_file(&path).unwrap();
        assert!(matches!(write_private(&path, b"new"), Err(LocalError::TooOpen { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"secret");
    }

    #[test]
    fn a_missing_secret_is_an_error_of_its_own() {
        let home = tempfile::tempdir().unwrap();
        let error = check_private(&home.path().join("none")).unwrap_err();
        assert!(matches!(error, LocalError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound));
    }
}
