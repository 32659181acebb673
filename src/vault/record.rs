//! Records: what heads, notes, the list of members and dictionaries have in common.
//!
//! A record's plaintext is one line of JSON, then perhaps a Zstandard frame, then padding. The JSON's last field is its seal:
//! keyed BLAKE3 over where the record belongs and over the very bytes of the line before the field, so that nothing needs
//! a canonical form. `head -n 1 | jq` reads the line and `tail -n +2 | zstd -d` the rest.

use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{Thing, VaultError};
use super::hash::{Domain, keyed};
use super::hexadecimal::SecretKey;
use super::limits;
use crate::core::id::{Seal, VaultId};

/// What stands before the digits of the seal, and what ends the line after them.
const SEAL_FIELD: &str = ",\"seal\":\"";
const END: &str = "\"}\n";
const SEAL_DIGITS: usize = 64;

/// What a record's seal binds it to.
pub struct Place<'a> {
    /// The seal key.
    pub key: &'a SecretKey,
    /// What sort of record it is.
    pub domain: Domain,
    /// Its vault.
    pub vault: VaultId,
    /// Its id among the records of its sort; empty where there is only one.
    pub id: &'a [u8],
    /// What errors call it.
    pub thing: Thing,
}

impl Place<'_> {
    fn seal(&self, unsealed: &[u8]) -> blake3::Hash {
        let mut hasher = keyed(self.key, self.domain);
        // The id's length follows from the domain, so that the fields cannot run into each other.
        hasher.update(self.vault.as_bytes()).update(self.id).update(unsealed);
        hasher.finalize()
    }

    /// The sealed line of `fields`, its line end included.
    ///
    /// # Errors
    /// [`VaultError::TooLarge`] over [`limits::LINE`].
    pub fn write_line<T: Serialize>(&self, fields: &T) -> Result<Vec<u8>, VaultError> {
        let mut line = serde_json::to_vec(fields).map_err(|_| VaultError::Sealing {
            thing: self.thing,
            why: "it cannot be written as JSON",
        })?;
        let brace = line.pop();
        debug_assert!(
            brace == Some(b'}') && line.len() > 1,
            "a record is an object with fields"
        );
        let seal = Seal(*self.seal(&line).as_bytes());
        line.extend_from_slice(SEAL_FIELD.as_bytes());
        line.extend_from_slice(seal.to_string().as_bytes());
        line.extend_from_slice(END.as_bytes());
        if line.len() > limits::LINE {
            return Err(self.too_large());
        }
        Ok(line)
    }

    /// Verifies the line that `plaintext` begins with and reads its fields; also what follows the line.
    ///
    /// # Errors
    /// [`VaultError::Forged`] when the seal is another; [`VaultError::UnknownFormat`] when the record needs what this reader
    /// does not know; [`VaultError::Damaged`] when it is no such record; [`VaultError::TooLarge`].
    pub fn read_line<'a, T: DeserializeOwned>(&self, plaintext: &'a [u8]) -> Result<(T, &'a [u8]), VaultError> {
        let thing = self.thing;
        let damaged = |why| VaultError::Damaged { thing, why };
        let within = &plaintext[..plaintext.len().min(limits::LINE)];
        let Some(end) = within.iter().position(|&byte| byte == b'\n') else {
            return Err(if within.len() < plaintext.len() {
                self.too_large()
            } else {
                damaged("its line does not end")
            });
        };
        let (line, rest) = plaintext.split_at(end + 1);
        let unsealed = self.verify(line)?;
        // The seal proved that a key holder wrote this, so reading it is safe; it may still be of a later csync.
        let closed = [unsealed, b"}"].concat();
        let Needs { needs } = serde_json::from_slice(&closed).map_err(|_| damaged("its line is not a JSON object"))?;
        refuse_needs(&needs, thing)?;
        let fields = serde_json::from_slice(&closed).map_err(|_| damaged("its fields are not those of format 1"))?;
        Ok((fields, rest))
    }

    /// The bytes that the seal at the end of `line` was made of.
    fn verify<'a>(&self, line: &'a [u8]) -> Result<&'a [u8], VaultError> {
        let forged = |why| VaultError::Forged { thing: self.thing, why };
        let seal = line
            .strip_suffix(END.as_bytes())
            .and_then(|line| line.split_last_chunk::<SEAL_DIGITS>());
        let (before, digits) = seal.ok_or(forged("it has no seal"))?;
        let unsealed = before
            .strip_suffix(SEAL_FIELD.as_bytes())
            .ok_or(forged("it has no seal"))?;
        let seal = std::str::from_utf8(digits)
            .ok()
            .and_then(|digits| digits.parse::<Seal>().ok());
        let Seal(seal) = seal.ok_or(forged("it has no seal"))?;
        // `blake3::Hash` compares in constant time.
        if self.seal(unsealed) != blake3::Hash::from_bytes(seal) {
            return Err(forged("its seal does not verify"));
        }
        Ok(unsealed)
    }

    const fn too_large(&self) -> VaultError {
        VaultError::TooLarge {
            thing: self.thing,
            limit: limits::LINE as u64,
            of: "bytes of metadata",
        }
    }
}

/// The field in which a later csync says what a reader must know.
#[derive(Deserialize)]
pub struct Needs {
    /// The features' names.
    #[serde(default)]
    pub needs: Vec<String>,
}

/// Refuses a thing that needs any feature: format 1 as it stands has none.
///
/// # Errors
/// [`VaultError::UnknownFormat`], with the names made safe to show.
pub fn refuse_needs(needs: &[String], thing: Thing) -> Result<(), VaultError> {
    if needs.is_empty() {
        return Ok(());
    }
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ' ');
    let names = needs.iter().take(limits::NEEDS);
    let names: Vec<String> = names
        .map(|name| name.chars().filter(plain).take(40).collect())
        .collect();
    Err(VaultError::UnknownFormat {
        thing,
        needs: names.join(", "),
    })
}
