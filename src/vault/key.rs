//! The vault key: everything that tells a holder of the vault from its host.

use std::fmt;
use std::str::FromStr;

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretSlice};

use super::error::{Thing, VaultError};
use super::hexadecimal::{self, SecretKey};
use super::{envelope, limits, random};
use crate::core::id::VaultId;

const TITLE: &str = "# csync vault key, format ";
const VAULT: &str = "# vault: ";
const NAME_KEY: &str = "# name key: ";
const SEAL_KEY: &str = "# seal key: ";
const EPOCH: &str = "# epoch ";

/// The vault's id, its name key and seal key, and one age identity for each epoch. Shows nothing of them in `Debug`;
/// zeroed when dropped.
pub struct VaultKey {
    vault: VaultId,
    name_key: SecretKey,
    seal_key: SecretKey,
    /// Oldest first, never empty.
    epochs: Vec<age::x25519::Identity>,
    /// Of the newest epoch. As secret as the rest: age does not authenticate a sender.
    recipient: age::x25519::Recipient,
}

impl VaultKey {
    /// The key of a new vault, from the system's randomness.
    #[must_use]
    pub fn generate() -> Self {
        let identity = age::x25519::Identity::generate();
        Self {
            vault: VaultId(random::id()),
            name_key: random::secret(),
            seal_key: random::secret(),
            recipient: identity.to_public(),
            epochs: vec![identity],
        }
    }

    /// The same key with one more epoch: what is sealed from now on is closed to whoever has only the old ones.
    ///
    /// # Errors
    /// [`VaultError::TooLarge`] after [`limits::EPOCHS`] epochs.
    pub fn rotated(&self) -> Result<Self, VaultError> {
        if self.epochs.len() >= limits::EPOCHS {
            return Err(VaultError::TooLarge {
                thing: Thing::KeyFile,
                limit: limits::EPOCHS as u64,
                of: "epochs",
            });
        }
        let identity = age::x25519::Identity::generate();
        let mut epochs = self.epochs.clone();
        let recipient = identity.to_public();
        epochs.push(identity);
        Ok(Self {
            vault: self.vault,
            name_key: hexadecimal::copy(&self.name_key),
            seal_key: hexadecimal::copy(&self.seal_key),
            epochs,
            recipient,
        })
    }

    /// The vault that it is the key of.
    #[must_use]
    pub const fn vault_id(&self) -> VaultId {
        self.vault
    }

    /// How many epochs it has, 1 at least.
    #[must_use]
    pub fn epochs(&self) -> usize {
        self.epochs.len()
    }

    /// Whether this key is `older`, or `older` with more epochs. A machine that holds a key takes no other in its place.
    #[must_use]
    pub fn continues(&self, older: &Self) -> bool {
        let same = |a: &SecretKey, b: &SecretKey| {
            blake3::Hash::from_bytes(*a.expose_secret()) == blake3::Hash::from_bytes(*b.expose_secret())
        };
        self.vault == older.vault
            && same(&self.name_key, &older.name_key)
            && same(&self.seal_key, &older.seal_key)
            && self.epochs.len() >= older.epochs.len()
            && self
                .epochs
                .iter()
                .zip(&older.epochs)
                .all(|(a, b)| a.to_public() == b.to_public())
    }

    pub(super) fn name_key(&self) -> &SecretKey {
        &self.name_key
    }

    pub(super) fn seal_key(&self) -> &SecretKey {
        &self.seal_key
    }

    /// Encrypts to the newest epoch.
    pub(super) fn seal(&self, plaintext: &[u8], thing: Thing) -> Result<Vec<u8>, VaultError> {
        envelope::seal(&self.recipient, plaintext, thing)
    }

    /// Decrypts with the epoch that `ciphertext` is for, the newest tried first.
    pub(super) fn open(&self, ciphertext: &[u8], limit: u64, thing: Thing) -> Result<Vec<u8>, VaultError> {
        let identities = self.epochs.iter().rev().map(|identity| identity as &dyn age::Identity);
        envelope::open(identities, ciphertext, limit, thing)
    }

    /// The text of the vault key file.
    pub(super) fn to_file(&self) -> SecretSlice<u8> {
        // Reserved whole, so that no copy of a secret is left behind by growing.
        let mut text = Zeroizing::new(String::with_capacity(512 + 128 * self.epochs.len()));
        text.push_str(TITLE);
        text.push_str("1\n");
        text.push_str(VAULT);
        hexadecimal::write(&mut text, self.vault.as_bytes());
        text.push('\n');
        for (name, key) in [(NAME_KEY, &self.name_key), (SEAL_KEY, &self.seal_key)] {
            text.push_str(name);
            hexadecimal::write(&mut text, key.expose_secret());
            text.push('\n');
        }
        for (index, identity) in self.epochs.iter().enumerate() {
            text.push_str(EPOCH);
            text.push_str(&(index + 1).to_string());
            text.push('\n');
            text.push_str(identity.to_string().expose_secret());
            text.push('\n');
        }
        SecretSlice::from(text.as_bytes().to_vec())
    }

    /// Reads the text of a vault key file.
    ///
    /// # Errors
    /// [`VaultError::UnknownFormat`] for another format than 1; [`VaultError::BadKeyFile`] for anything that
    /// [`VaultKey::to_file`] would not write.
    pub(super) fn parse_file(text: &SecretSlice<u8>) -> Result<Self, VaultError> {
        let bad = |line, why| VaultError::BadKeyFile { line, why };
        let text = std::str::from_utf8(text.expose_secret()).map_err(|_| bad(1, "it is not text"))?;
        if text.len() > limits::KEY_FILE {
            return Err(bad(1, "it is too long"));
        }
        let text = text.strip_suffix('\n').ok_or(bad(1, "the last line does not end"))?;
        let mut lines = Lines {
            lines: text.split('\n'),
            number: 0,
        };
        let format = lines.field(TITLE, "expected the title of a csync vault key")?;
        if format != "1" {
            let named = format.len() <= 9 && !format.is_empty() && format.bytes().all(|digit| digit.is_ascii_digit());
            return Err(VaultError::UnknownFormat {
                thing: Thing::KeyFile,
                needs: format!("vault format {}", if named { format } else { "of another kind" }),
            });
        }
        let vault = lines.field(VAULT, "expected the vault's id")?;
        let vault = VaultId::from_str(vault).map_err(|_| bad(lines.number, "the vault's id is malformed"))?;
        let name_key = lines.field(NAME_KEY, "expected the name key")?;
        let name_key = hexadecimal::read(name_key).ok_or(bad(lines.number, "the name key is malformed"))?;
        let seal_key = lines.field(SEAL_KEY, "expected the seal key")?;
        let seal_key = hexadecimal::read(seal_key).ok_or(bad(lines.number, "the seal key is malformed"))?;
        let epochs = lines.epochs()?;
        let recipient = epochs.last().expect("there is one at least").to_public();
        Ok(Self {
            vault,
            name_key,
            seal_key,
            epochs,
            recipient,
        })
    }
}

/// The lines of a key file, counted for errors.
struct Lines<'a> {
    lines: std::str::Split<'a, char>,
    number: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a str> {
        self.number += 1;
        self.lines.next()
    }

    fn field(&mut self, name: &str, missing: &'static str) -> Result<&'a str, VaultError> {
        self.next()
            .and_then(|line| line.strip_prefix(name))
            .ok_or(VaultError::BadKeyFile {
                line: self.number,
                why: missing,
            })
    }

    fn epochs(&mut self) -> Result<Vec<age::x25519::Identity>, VaultError> {
        let mut epochs = Vec::new();
        while let Some(heading) = self.next() {
            let expected = epochs.len() + 1;
            if heading.strip_prefix(EPOCH) != Some(expected.to_string().as_str()) {
                return Err(VaultError::BadKeyFile {
                    line: self.number,
                    why: "expected the next epoch",
                });
            }
            if expected > limits::EPOCHS {
                return Err(VaultError::BadKeyFile {
                    line: self.number,
                    why: "there are too many epochs",
                });
            }
            let identity = self.next().and_then(|line| age::x25519::Identity::from_str(line).ok());
            epochs.push(identity.ok_or(VaultError::BadKeyFile {
                line: self.number,
                why: "expected the epoch's age identity",
            })?);
        }
        if epochs.is_empty() {
            return Err(VaultError::BadKeyFile {
                line: self.number,
                why: "expected the first epoch",
            });
        }
        Ok(epochs)
    }
}

impl fmt::Debug for VaultKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VaultKey(…)")
    }
}
