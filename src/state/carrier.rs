//! Which road to the remote an earlier run had to take, so that the next one takes it at once.

use std::io::{Read as _, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::StateError;
use super::folder;

/// That libgit2 could not talk to a remote, and the git command could. Losing it costs one more try with libgit2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switched {
    /// The version of this file.
    version: u32,
    /// The remote, without secrets.
    pub remote: String,
    /// Why libgit2 could not.
    pub because: String,
    /// When that was, as RFC 3339.
    pub since: String,
}

impl Switched {
    /// The name of the file in the state folder.
    pub const FILE_NAME: &'static str = "remote.json";
    /// The version that this program writes and reads.
    const VERSION: u32 = 1;
    /// The most that is read of it, in bytes.
    const MOST: u64 = 16 << 10;

    /// The remote at `remote` is reached by the git command `because` libgit2 could not, since `since`.
    #[must_use]
    pub const fn new(remote: String, because: String, since: String) -> Self {
        Self {
            version: Self::VERSION,
            remote,
            because,
            since,
        }
    }

    /// What the state folder `dir` remembers. Whatever cannot be read or understood counts as nothing.
    #[must_use]
    pub fn read(dir: &Path) -> Option<Self> {
        let file = std::fs::File::open(dir.join(Self::FILE_NAME)).ok()?;
        let mut text = String::new();
        file.take(Self::MOST).read_to_string(&mut text).ok()?;
        let read: Self = serde_json::from_str(&text).ok()?;
        (read.version == Self::VERSION).then_some(read)
    }

    /// Writes it to the state folder `dir`, whole or not at all, for its owner alone.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, dir: &Path) -> Result<(), StateError> {
        folder::ensure(dir)?;
        let path = dir.join(Self::FILE_NAME);
        let written = || -> std::io::Result<()> {
            // Made for its owner alone.
            let mut temporary = tempfile::Builder::new().prefix(".remote-").tempfile_in(dir)?;
            temporary.write_all(format!("{}\n", serde_json::to_string(self)?).as_bytes())?;
            temporary.as_file().sync_all()?;
            temporary.persist(&path)?;
            Ok(())
        };
        written().map_err(StateError::io("write", &path))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn switched() -> Switched {
        Switched::new(
            "git@work:x.git".into(),
            "`work` is an alias".into(),
            "2026-11-21T10:00:00Z".into(),
        )
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("state");
        assert_eq!(Switched::read(&dir), None);
        switched().write(&dir).unwrap();
        switched().write(&dir).unwrap();
        assert_eq!(Switched::read(&dir), Some(switched()));
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1, "no temporary file stays");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&dir.join(Switched::FILE_NAME)), 0o600);
            assert_eq!(mode(&dir), 0o700);
        }
    }

    #[test]
    fn what_makes_no_sense_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(Switched::FILE_NAME);
        for text in ["", "{", "{\"version\":1}", "\u{0}"] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(Switched::read(folder.path()), None, "{text}");
        }
        let later = serde_json::to_string(&switched())
            .unwrap()
            .replace("\"version\":1", "\"version\":2");
        std::fs::write(&file, later).unwrap();
        assert_eq!(Switched::read(folder.path()), None);
    }
}
