//! What can go wrong with the state that csync keeps on this machine.

use std::io;
use std::path::{Path, PathBuf};

use super::lock::Holder;
use crate::error::reason;
use crate::{Error, Kind};

/// Something that could not be done with the state folder.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another run holds the lock.
    #[error("another csync is at work on this vault{}", told(holder.as_ref()))]
    Locked {
        /// What it said of itself, where it could be read.
        holder: Option<Holder>,
    },
    /// The file system refused.
    #[error("cannot {doing} `{}`: {}", path.display(), reason(source))]
    Io {
        /// What was being done, as a verb.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database refused, and not because it is damaged: a damaged one is replaced.
    #[error("cannot use the index `{}`: {source}", path.display())]
    Database {
        /// The index's file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

impl StateError {
    /// Makes the closure that turns an [`io::Error`] into a [`StateError::Io`].
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

/// What the holder of the lock said of itself, as the end of a sentence.
fn told(holder: Option<&Holder>) -> String {
    holder.map_or_else(String::new, |holder| {
        let Holder { pid, command, since } = holder;
        format!(": `{command}`, process {pid}, since {since}")
    })
}

impl From<StateError> for Error {
    fn from(error: StateError) -> Self {
        let (kind, hint) = match &error {
            StateError::Locked { .. } => (
                Kind::Locked,
                "wait until it has finished; a lock never outlives its process, so there is nothing to clean up",
            ),
            StateError::Io { .. } => (
                Kind::General,
                "csync keeps its state there: make the folder writable, or set CSYNC_STATE_DIR to one on a local disk",
            ),
            StateError::Database { .. } => (
                Kind::General,
                "run the same command again; the index may also be deleted, csync makes it anew",
            ),
        };
        Self::new(kind, error.to_string()).hint(hint)
    }
}
