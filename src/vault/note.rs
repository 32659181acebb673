//! Notes: what a commit's maker says of it, for `csync log`. The commit's own message says nothing to a host.

use serde::{Deserialize, Serialize};

use super::error::{Thing, VaultError};
use super::hash::Domain;
use super::record::Place;
use super::{Sealed, Vault, limits, padding};
use crate::core::device::DeviceName;

/// What one commit did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The device that made it.
    pub device: DeviceName,
    /// When, in RFC 3339, by that device's clock.
    pub time: String,
    /// The command: `push`, `rm`, …
    pub operation: String,
    /// Files that it added.
    #[serde(default)]
    pub added: u64,
    /// Files that it changed.
    #[serde(default)]
    pub changed: u64,
    /// Files that it deleted.
    #[serde(default)]
    pub deleted: u64,
}

impl Vault {
    /// Seals a commit's note.
    ///
    /// # Errors
    /// [`VaultError::TooLarge`] when its texts are absurdly long.
    pub fn seal_note(&self, note: &Note) -> Result<Sealed<Note>, VaultError> {
        let mut plaintext = self.note_place().write_line(note)?;
        padding::pad(&mut plaintext);
        self.key.seal(&plaintext, Thing::Note).map(Sealed::new)
    }

    /// Opens and verifies a commit's note.
    ///
    /// # Errors
    /// As [`Vault::open_head`].
    pub fn open_note(&self, ciphertext: &[u8]) -> Result<Note, VaultError> {
        let plaintext = self.key.open(ciphertext, limits::NOTE_BLOB, Thing::Note)?;
        let (note, rest) = self.note_place().read_line(&plaintext)?;
        padding::expect(rest, Thing::Note)?;
        Ok(note)
    }

    fn note_place(&self) -> Place<'_> {
        Place {
            key: self.key.seal_key(),
            domain: Domain::Note,
            vault: self.id(),
            id: &[],
            thing: Thing::Note,
        }
    }
}
