//! What the encrypted tree looks like: keys, sealing and opening one file, heads, segments, the commit seal.
//!
//! Nothing here reads or writes a file or a repository: bytes go in and bytes come out. [`Vault`] is the way in; it seals
//! what a person's machines share and opens what a host gave back, and believes nothing of the latter before it has verified
//! it. The format that it speaks is written down, rule by rule, in `docs/format.md`.
//!
//! Three layers, each checked on the way back:
//!
//! 1. **age** encrypts each blob to the vault's own recipient and authenticates its bytes, but neither who wrote it nor where
//!    it belongs (`envelope`).
//! 2. **Keyed BLAKE3** binds each blob to its place: file ids, segment ids, content hashes and the seal of each record
//!    (`hash`, `record`).
//! 3. **The commit seal** binds all of them to one state of the vault and to its place in history (`commit`).

// composed by the engine

mod commit;
mod descriptor;
mod dictionary;
mod envelope;
mod error;
mod frame;
mod hash;
mod head;
mod hexadecimal;
mod identity;
mod key;
pub mod layout;
pub mod limits;
mod members;
mod note;
mod padding;
mod random;
mod record;
mod segment;
pub mod segments;
mod wrap;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::core::id::{FileId, VaultId};
use crate::core::path::LogicalPath;

pub use commit::generation_of;
pub use descriptor::{parse_vault_json, vault_json};
pub use dictionary::{Dictionary, DictionaryId};
pub use error::{Thing, VaultError};
pub use hash::ContentHasher;
pub use head::{Head, OpenHead, SegmentRef};
pub use identity::DeviceIdentity;
pub use key::VaultKey;
pub use members::{Member, MemberKind};
pub use note::Note;
pub use segment::Segment;
pub use wrap::{
    WorkFactor, WrapKind, new_key_id, unwrap_with_identity, unwrap_with_passphrase, wrap_for_device,
    wrap_for_passphrase, wrap_for_passphrase_with, wrap_kind,
};

/// An opened vault: seals and opens everything in it. A clone is cheap and shares the key; all methods may run in parallel.
#[derive(Clone)]
pub struct Vault {
    key: Arc<VaultKey>,
    dictionaries: Arc<BTreeMap<DictionaryId, Dictionary>>,
}

impl Vault {
    /// The vault that `key` opens.
    #[must_use]
    pub fn new(key: VaultKey) -> Self {
        Self {
            key: Arc::new(key),
            dictionaries: Arc::default(),
        }
    }

    /// The same vault, knowing `dictionaries` besides those that it knows: what was sealed with one can then be opened.
    #[must_use]
    pub fn with_dictionaries(&self, dictionaries: impl IntoIterator<Item = Dictionary>) -> Self {
        let mut known = BTreeMap::clone(&self.dictionaries);
        known.extend(dictionaries.into_iter().map(|dictionary| (dictionary.id(), dictionary)));
        Self {
            key: Arc::clone(&self.key),
            dictionaries: Arc::new(known),
        }
    }

    /// The vault's id, as in its `vault.json`.
    #[must_use]
    pub fn id(&self) -> VaultId {
        self.key.vault_id()
    }

    /// The key that this vault was opened with, to wrap it for another holder.
    #[must_use]
    pub fn key(&self) -> &VaultKey {
        &self.key
    }

    /// The id of the file at `path`: where in the vault it stands, without saying so to anyone who lacks the key.
    #[must_use]
    pub fn file_id(&self, path: &LogicalPath) -> FileId {
        hash::file_id(self.key.name_key(), path)
    }

    /// A hasher for the content of the file at `path`.
    #[must_use]
    pub fn hasher(&self, path: &LogicalPath) -> ContentHasher {
        ContentHasher::new(self.key.seal_key(), path)
    }

    fn dictionary(&self, id: DictionaryId) -> Result<&Dictionary, VaultError> {
        self.dictionaries.get(&id).ok_or(VaultError::MissingDictionary { id })
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({})", self.id())
    }
}

/// Ciphertext of a `T`: safe to leave this machine. Only this room can make one.
pub struct Sealed<T>(Vec<u8>, PhantomData<fn() -> T>);

impl<T> Sealed<T> {
    fn new(ciphertext: Vec<u8>) -> Self {
        Self(ciphertext, PhantomData)
    }

    /// The ciphertext.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The ciphertext, taken out.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl<T> fmt::Debug for Sealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}
