//! What can go wrong with keys, blobs and seals, and how a person is told.

use std::fmt;

use super::dictionary::DictionaryId;
use crate::core::id::{FileId, SegmentId};
use crate::error::{Error, Kind};

/// What an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// The head of a file.
    Head(FileId),
    /// One segment of a file.
    Segment(SegmentId),
    /// A segment that is being made.
    NewSegment,
    /// The note of a commit.
    Note,
    /// The list of who holds the vault key.
    Members,
    /// A dictionary.
    Dictionary(DictionaryId),
    /// A wrap of the vault key.
    Wrap,
    /// The vault key file within a wrap.
    KeyFile,
    /// `vault.json`.
    VaultJson,
    /// A commit's message.
    Commit,
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head(id) => write!(f, "the head of file {id}"),
            Self::Segment(id) => write!(f, "segment {id}"),
            Self::NewSegment => f.write_str("a new segment"),
            Self::Note => f.write_str("the commit's note"),
            Self::Members => f.write_str("the list of members"),
            Self::Dictionary(id) => write!(f, "dictionary {id}"),
            Self::Wrap => f.write_str("a wrap of the vault key"),
            Self::KeyFile => f.write_str("the vault key file"),
            Self::VaultJson => f.write_str("`vault.json`"),
            Self::Commit => f.write_str("the commit"),
        }
    }
}

/// Why something in a vault could not be sealed, opened or believed. No variant holds a secret or decrypted content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The bytes are not what their format, their encryption or their size says.
    #[error("{thing} is damaged: {why}")]
    Damaged {
        /// What is damaged.
        thing: Thing,
        /// What does not fit.
        why: &'static str,
    },
    /// The bytes are well-formed, but nobody with the vault key put them there.
    #[error("{thing} is not what the vault's key holders sealed there: {why}")]
    Forged {
        /// What is forged, or stands where it does not belong.
        thing: Thing,
        /// What does not verify.
        why: &'static str,
    },
    /// It is encrypted, but to another key than this vault's.
    #[error("{thing} is encrypted to a key that this machine does not have")]
    OtherKey {
        /// What cannot be opened.
        thing: Thing,
    },
    /// It is in a format, or needs a feature, that this version of csync does not know.
    #[error("{thing} needs {needs}, which this version of csync does not know")]
    UnknownFormat {
        /// What is in it.
        thing: Thing,
        /// The format or the features that it needs.
        needs: String,
    },
    /// It is greater than format 1 allows.
    #[error("{thing} is greater than format 1 allows: at most {limit} {of}")]
    TooLarge {
        /// What is too great.
        thing: Thing,
        /// The limit.
        limit: u64,
        /// Of what: bytes, segments, …
        of: &'static str,
    },
    /// A caller asked for something to be sealed that could not be opened again.
    #[error("{thing} cannot be sealed: {why}")]
    Unsealable {
        /// What was to be sealed.
        thing: Thing,
        /// Which rule it breaks.
        why: &'static str,
    },
    /// It was compressed with a dictionary that is not known here.
    #[error("dictionary {id} is missing")]
    MissingDictionary {
        /// The dictionary.
        id: DictionaryId,
    },
    /// The passphrase does not open the wrap.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// A passphrase without a character.
    #[error("the passphrase is empty")]
    EmptyPassphrase,
    /// Opening the wrap would take more work, and memory, than csync does for anyone.
    #[error("a passphrase wrap asks for scrypt work factor {required}, more than {limit}")]
    ExcessiveWork {
        /// What it asks for: the logarithm of scrypt's N.
        required: u8,
        /// What csync does at most.
        limit: u8,
    },
    /// A vault key file, or a wrap's content, that is none.
    #[error("the vault key file has an error in line {line}: {why}")]
    BadKeyFile {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong in it; never its text.
        why: &'static str,
    },
    /// A text that is not a device identity.
    #[error("this is not a device identity: {why}")]
    BadIdentity {
        /// What is wrong; never the text.
        why: &'static str,
    },
    /// A text that is not a recipient a device can have.
    #[error("this is not an age recipient: expected `age1` and 58 more characters")]
    BadRecipient,
    /// The key belongs to another vault.
    #[error("the key belongs to another vault than `vault.json` names")]
    OtherVault,
    /// Encryption or compression failed, which only a lack of memory or randomness explains.
    #[error("{thing} could not be sealed: {why}")]
    Sealing {
        /// What was to be sealed.
        thing: Thing,
        /// What failed.
        why: &'static str,
    },
}

impl VaultError {
    /// The kind of failure that it is for a person and for exit codes.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Damaged { .. } | Self::Forged { .. } | Self::TooLarge { .. } | Self::MissingDictionary { .. } => {
                Kind::Damaged
            }
            Self::OtherKey { .. }
            | Self::WrongPassphrase
            | Self::EmptyPassphrase
            | Self::BadKeyFile { .. }
            | Self::BadIdentity { .. }
            | Self::OtherVault => Kind::Key,
            Self::BadRecipient => Kind::Usage,
            Self::UnknownFormat { .. }
            | Self::ExcessiveWork { .. }
            | Self::Unsealable { .. }
            | Self::Sealing { .. } => Kind::General,
        }
    }

    const fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Damaged { .. } | Self::TooLarge { .. } | Self::MissingDictionary { .. } => {
                "nothing of it was written here; another machine may still have it whole: run `csync sync` there"
            }
            Self::Forged { .. } => {
                "do not trust this remote until you know who wrote to it; your local files are as they were"
            }
            Self::OtherKey { .. } => {
                "the vault's key may have been replaced: run `csync pull`; if that does not help, move this device's identity away and run `csync init` again"
            }
            Self::UnknownFormat { .. } => "update csync on this machine",
            Self::WrongPassphrase => "try again; the passphrase is the one that was set when the vault was made",
            Self::EmptyPassphrase => "choose a passphrase of several words",
            Self::ExcessiveWork { .. } => {
                "csync makes no such wrap, so do not trust this remote; a member's identity (`--identity FILE`) opens the vault without it"
            }
            Self::BadKeyFile { .. } => {
                "move this device's identity away and run `csync init` again, with the passphrase"
            }
            Self::BadIdentity { .. } => "it should be an age identity file with one line `AGE-SECRET-KEY-1…`",
            Self::BadRecipient => "copy the whole recipient that the other device shows",
            Self::OtherVault => "check the remote's address; each vault has a key of its own",
            Self::Unsealable { .. } | Self::Sealing { .. } => return None,
        })
    }
}

impl From<VaultError> for Error {
    fn from(error: VaultError) -> Self {
        let told = Self::new(error.kind(), error.to_string());
        match error.hint() {
            Some(hint) => told.hint(hint),
            None => told,
        }
    }
}
