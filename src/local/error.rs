//! What can go wrong with this machine's files.

use std::io;
use std::path::{Path, PathBuf};

use crate::core::path::BadPath;
use crate::error::reason;
use crate::{Error, Kind};

/// Something that could not be done with a file or folder of this machine.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// A path that breaks the rules of logical paths, or is reserved for csync's own temporary files.
    #[error("`{relative}` cannot be a file of a synced folder: {why}")]
    BadPath {
        /// The path as it was given, relative to the root.
        relative: String,
        /// The rule that it breaks.
        why: BadPath,
    },
    /// A file that has the form of csync's own temporary files.
    #[error("`{relative}` has the name of a temporary file of csync")]
    TemporaryName {
        /// The path, relative to the root.
        relative: String,
    },
    /// A name that is not UTF-8; shown with replacement characters.
    #[error("the name of `{relative}` is not UTF-8")]
    NotUtf8 {
        /// The path, relative to the root, with replacement characters.
        relative: String,
    },
    /// A link on the way leads out of the root.
    #[error("`{relative}` leads out of the synced folder, to `{}`", target.display())]
    Escapes {
        /// The path, relative to the root.
        relative: String,
        /// Where the link leads.
        target: PathBuf,
    },
    /// A link that leads nowhere, or in a circle.
    #[error("`{relative}` is a link that leads nowhere")]
    Dangling {
        /// The path of the link, relative to the root.
        relative: String,
    },
    /// Something else than a regular file stands where a file is expected.
    #[error("`{relative}` is not a regular file")]
    NotAFile {
        /// The path, relative to the root.
        relative: String,
    },
    /// Something else than a folder stands where a folder is expected.
    #[error("`{relative}` is not a folder")]
    NotAFolder {
        /// The path, relative to the root.
        relative: String,
    },
    /// Another name in the same folder differs from this one only in case or in Unicode form.
    #[error("`{relative}` and `{existing}` differ only in case or Unicode form, and not every system can hold both")]
    Collision {
        /// The path that was refused, relative to the root.
        relative: String,
        /// The name that stands there already.
        existing: String,
    },
    /// The file system refused.
    #[error("cannot {doing} `{}`: {}", path.display(), reason(source))]
    Io {
        /// What was being done, as a verb: `read`, `replace`.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than the owner may read or write a file or folder that holds secrets.
    #[error("`{}` is open to others (mode {mode:03o})", path.display())]
    TooOpen {
        /// The file or folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The bits that it should have: `0o600` or `0o700`.
        wanted: u32,
    },
    /// A pattern of `.csyncignore` or the configuration that cannot be read.
    #[error("bad pattern in {place}: {reason}")]
    BadPattern {
        /// Where it stands: a file, or the name of the list.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl LocalError {
    /// Makes the closure that turns an [`io::Error`] into a [`LocalError::Io`]: `file.sync_all().map_err(LocalError::io("save", path))`.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }

    /// What the person can do about it.
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::BadPath { .. } | Self::NotUtf8 { .. } | Self::TemporaryName { .. } => {
                "rename it, or leave it out with a line in .csyncignore"
            }
            Self::Escapes { .. } => {
                "only links within the synced folder are followed: put the file itself there, or leave it out with a line in .csyncignore"
            }
            Self::Dangling { .. } => "remove the link, or mend what it points to",
            Self::NotAFile { .. } | Self::NotAFolder { .. } => {
                "move what stands there away, then run the same command again"
            }
            Self::Collision { .. } => "rename one of the two",
            Self::Io { source, .. } => return io_hint(source).map(str::to_owned),
            Self::TooOpen { path, wanted, .. } => return Some(format!("run `chmod {wanted:o} {}`", quoted(path))),
            Self::BadPattern { .. } => "patterns are those of .gitignore files",
        };
        Some(hint.to_owned())
    }
}

/// The path as one word of a shell.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,".contains(c);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// What a person can do about what the system said.
fn io_hint(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Some("nothing was changed: free some space, then run the same command again")
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            Some("check who owns it and whether it may be written")
        }
        io::ErrorKind::NotFound => Some("check that the path is right and its disk is mounted"),
        _ => None,
    }
}

impl From<LocalError> for Error {
    fn from(error: LocalError) -> Self {
        let kind = match &error {
            LocalError::BadPattern { .. } => Kind::Usage,
            LocalError::TooOpen { .. } => Kind::Key,
            _ => Kind::General,
        };
        let mut made = Self::new(kind, error.to_string());
        if let Some(hint) = error.hint() {
            made = made.hint(hint);
        }
        match error {
            // What the system said tells a full disk, which stops a run, from what is wrong with one file.
            LocalError::Io { source, .. } => made.caused_by(source),
            _ => made,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_in_plain_words() {
        let error = LocalError::io("write", Path::new("a/b"))(io::ErrorKind::StorageFull.into());
        let error = Error::from(error);
        assert_eq!(error.to_string(), "cannot write `a/b`: no space is left on the disk");
        assert!(error.hint_text().is_some_and(|hint| hint.contains("free some space")));
    }

    #[test]
    fn the_chmod_that_mends_can_be_pasted() {
        let error = LocalError::TooOpen {
            path: "/home/ana/my keys".into(),
            mode: 0o644,
            wanted: 0o600,
        };
        assert_eq!(
            Error::from(error).hint_text(),
            Some("run `chmod 600 '/home/ana/my keys'`")
        );
    }
}
