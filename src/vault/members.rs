//! The list of who holds the vault key: needed to wrap it again, and to notice who was added.

use serde::{Deserialize, Serialize};

use super::error::{Thing, VaultError};
use super::hash::Domain;
use super::record::Place;
use super::{Sealed, Vault, limits, padding};
use crate::core::id::KeyId;

/// One holder of the vault key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its wrap, `keys/<id>.age`.
    pub key: KeyId,
    /// What a person calls it.
    pub name: String,
    /// What opens its wrap.
    pub kind: MemberKind,
    /// What its wrap is encrypted to; none for a passphrase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// When it was added, in RFC 3339.
    pub added: String,
    /// The device that added it.
    pub by: String,
}

/// What opens a member's wrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemberKind {
    /// A device's own key.
    Device,
    /// A passphrase.
    Passphrase,
}

#[derive(Serialize)]
struct Listed<'a> {
    members: &'a [Member],
}

#[derive(Deserialize)]
struct Members {
    members: Vec<Member>,
}

impl Vault {
    /// Seals the list of members.
    ///
    /// # Errors
    /// [`VaultError::TooLarge`] over [`limits::MEMBERS`].
    pub fn seal_members(&self, members: &[Member]) -> Result<Sealed<Member>, VaultError> {
        count(members)?;
        let mut plaintext = self.members_place().write_line(&Listed { members })?;
        padding::pad(&mut plaintext);
        self.key.seal(&plaintext, Thing::Members).map(Sealed::new)
    }

    /// Opens and verifies the list of members.
    ///
    /// # Errors
    /// As [`Vault::open_head`].
    pub fn open_members(&self, ciphertext: &[u8]) -> Result<Vec<Member>, VaultError> {
        let plaintext = self.key.open(ciphertext, limits::MEMBERS_BLOB, Thing::Members)?;
        let (Members { members }, rest) = self.members_place().read_line(&plaintext)?;
        padding::expect(rest, Thing::Members)?;
        count(&members)?;
        Ok(members)
    }

    fn members_place(&self) -> Place<'_> {
        Place {
            key: self.key.seal_key(),
            domain: Domain::Members,
            vault: self.id(),
            id: &[],
            thing: Thing::Members,
        }
    }
}

fn count(members: &[Member]) -> Result<(), VaultError> {
    if members.len() > limits::MEMBERS {
        return Err(VaultError::TooLarge {
            thing: Thing::Members,
            limit: limits::MEMBERS as u64,
            of: "members",
        });
    }
    Ok(())
}
