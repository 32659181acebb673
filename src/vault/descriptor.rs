//! `vault.json`: the only plaintext in a vault, and all of it: that this is a vault, of which format, and which one.

use serde::{Deserialize, Serialize};

use super::error::{Thing, VaultError};
use super::record::refuse_needs;
use super::{Vault, limits};
use crate::core::id::VaultId;

/// The format that this version of csync reads and writes.
const FORMAT: u64 = 1;

#[derive(Serialize)]
struct Written {
    format: u64,
    vault: VaultId,
}

/// What every format says, and what tells whether the rest can be read.
#[derive(Deserialize)]
struct Preamble {
    format: u64,
    #[serde(default)]
    needs: Vec<String>,
}

#[derive(Deserialize)]
struct Read {
    vault: VaultId,
}

/// The bytes of a new vault's `vault.json`.
#[must_use]
pub fn vault_json(vault: VaultId) -> Vec<u8> {
    let mut text = serde_json::to_vec(&Written { format: FORMAT, vault }).expect("two plain fields");
    text.push(b'\n');
    text
}

/// The id of the vault that `bytes` describe. It is only a claim: [`Vault::accept`] compares it with the key's.
///
/// # Errors
/// [`VaultError::UnknownFormat`] for another format, or one with features that this csync does not know;
/// [`VaultError::Damaged`] for anything else.
pub fn parse_vault_json(bytes: &[u8]) -> Result<VaultId, VaultError> {
    let thing = Thing::VaultJson;
    let damaged = |why| VaultError::Damaged { thing, why };
    if bytes.len() as u64 > limits::VAULT_JSON {
        return Err(VaultError::TooLarge {
            thing,
            limit: limits::VAULT_JSON,
            of: "bytes",
        });
    }
    let preamble: Preamble = serde_json::from_slice(bytes).map_err(|_| damaged("it names no vault format"))?;
    if preamble.format != FORMAT {
        let needs = format!("vault format {}", preamble.format);
        return Err(VaultError::UnknownFormat { thing, needs });
    }
    refuse_needs(&preamble.needs, thing)?;
    let Read { vault } = serde_json::from_slice(bytes).map_err(|_| damaged("it names no vault"))?;
    Ok(vault)
}

impl Vault {
    /// Checks that `vault_json` describes this vault.
    ///
    /// # Errors
    /// [`VaultError::OtherVault`] when it describes another; else as [`parse_vault_json`].
    pub fn accept(&self, vault_json: &[u8]) -> Result<(), VaultError> {
        if parse_vault_json(vault_json)? == self.id() {
            Ok(())
        } else {
            Err(VaultError::OtherVault)
        }
    }
}
