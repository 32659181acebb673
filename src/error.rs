//! The one error type that leaves the library, and the kinds that become exit codes.
//!
//! Each room keeps a typed error of its own (`VaultError`, `MirrorError`, …) and says how it becomes an [`Error`]:
//! what happened and to which thing, a [`Kind`], and a hint that says what to do. The text never holds a secret.

use std::error::Error as StdError;
use std::fmt;

/// The result of everything that the library does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure it is. Stable: scripts and hooks read it as the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Anything that has no kind of its own.
    General,
    /// The command line or the configuration asks for something that does not exist.
    Usage,
    /// Some files were done and some were not; each was reported.
    Partial,
    /// There is no vault on this machine yet.
    NotInitialised,
    /// Another run holds the vault's lock.
    Locked,
    /// The key is missing, or opens something else.
    Key,
    /// Conflicts are waiting for a person.
    Conflicts,
    /// The remote's history is not a continuation of what this machine has seen.
    Rollback,
    /// Something is damaged or forged.
    Damaged,
    /// The network, the server, or signing in to it.
    Network,
    /// A signal asked to stop.
    Interrupted,
}

impl Kind {
    /// Every kind, in the order of its exit code.
    pub const ALL: [Self; 11] = [
        Self::General,
        Self::Usage,
        Self::Partial,
        Self::NotInitialised,
        Self::Locked,
        Self::Key,
        Self::Conflicts,
        Self::Rollback,
        Self::Damaged,
        Self::Network,
        Self::Interrupted,
    ];

    /// The process exit code of this kind.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::General => 1,
            Self::Usage => 2,
            Self::Partial => 3,
            Self::NotInitialised => 10,
            Self::Locked => 11,
            Self::Key => 12,
            Self::Conflicts => 13,
            Self::Rollback => 14,
            Self::Damaged => 15,
            Self::Network => 16,
            Self::Interrupted => 130,
        }
    }

    /// What the exit code says, in a few words; the table of `csync help exit-codes`.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::General => "error",
            Self::Usage => "wrong usage: a flag, an argument or the configuration",
            Self::Partial => "done in part: some files could not be handled, each was reported",
            Self::NotInitialised => "not initialised: run `csync init` first",
            Self::Locked => "locked: another csync is at work on this vault",
            Self::Key => "key missing or wrong",
            Self::Conflicts => "conflicts are waiting: see `csync conflicts`",
            Self::Rollback => "the remote went back in time",
            Self::Damaged => "damaged or forged data",
            Self::Network => "network or authentication",
            Self::Interrupted => "interrupted",
        }
    }
}

/// What happened, to which thing, and what to do about it.
///
/// ```
/// use csync::{Error, Kind};
/// let error = Error::new(Kind::NotInitialised, "there is no vault on this machine").hint("run `csync init`");
/// assert_eq!(error.kind().exit_code(), 10);
/// assert_eq!(error.to_string(), "there is no vault on this machine");
/// ```
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind`. `message` says what happened and to which thing, without a capital or a full stop.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
            source: None,
        }
    }

    /// Adds what the person should do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the error behind this one.
    #[must_use]
    pub fn caused_by(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// What the person should do, where we know.
    #[must_use]
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// What the system said, in plainer words where people meet it often.
pub(crate) fn reason(error: &std::io::Error) -> String {
    use std::io::ErrorKind;

    match error.kind() {
        ErrorKind::StorageFull => "no space is left on the disk".to_owned(),
        ErrorKind::QuotaExceeded => "the disk quota is used up".to_owned(),
        ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::NotFound => "it does not exist".to_owned(),
        ErrorKind::Unsupported => "its file system cannot do that".to_owned(),
        _ => error.to_string(),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as _)
    }
}
