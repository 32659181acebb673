//! Dictionaries: boilerplate that many files share, kept once, so that each file compresses to what is its own.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zstd::dict::DecoderDictionary;

use super::error::{Thing, VaultError};
use super::frame::{self, Frame};
use super::hash::{self, Domain};
use super::record::Place;
use super::{Sealed, Vault, limits, padding};

/// The magic number of a dictionary (RFC 8878, section 5).
const MAGIC: [u8; 4] = 0xEC30_A437_u32.to_le_bytes();
/// Magic number and id.
const HEADER: usize = 8;

/// The id of a Zstandard dictionary, as frames carry it; eight hexadecimal digits as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DictionaryId(pub u32);

/// A text that is not a dictionary's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a dictionary's id has eight lower-case hexadecimal digits")]
pub struct BadDictionaryId;

impl fmt::Display for DictionaryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for DictionaryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DictionaryId({self})")
    }
}

impl FromStr for DictionaryId {
    type Err = BadDictionaryId;

    fn from_str(text: &str) -> Result<Self, BadDictionaryId> {
        let digits = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 8 || !text.bytes().all(digits) {
            return Err(BadDictionaryId);
        }
        u32::from_str_radix(text, 16).map(Self).map_err(|_| BadDictionaryId)
    }
}

impl TryFrom<String> for DictionaryId {
    type Error = BadDictionaryId;

    fn try_from(text: String) -> Result<Self, BadDictionaryId> {
        text.parse()
    }
}

impl From<DictionaryId> for String {
    fn from(id: DictionaryId) -> Self {
        id.to_string()
    }
}

/// A verified dictionary, ready to unpack frames. A clone shares it.
#[derive(Clone)]
pub struct Dictionary {
    id: DictionaryId,
    decoder: Arc<DecoderDictionary<'static>>,
}

impl Dictionary {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> DictionaryId {
        self.id
    }

    /// As zstd takes it.
    pub(super) fn decoder(&self) -> &DecoderDictionary<'static> {
        &self.decoder
    }
}

impl fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dictionary({})", self.id)
    }
}

#[derive(Serialize, Deserialize)]
struct Line {
    dictionary: DictionaryId,
    size: u64,
}

impl Vault {
    /// Seals a dictionary in the Zstandard format, such as `zstd --train` makes. Its header's id is replaced by the id that this
    /// vault gives to its content, which is returned.
    ///
    /// # Errors
    /// [`VaultError::Unsealable`] when it is no such dictionary or over [`limits::DICTIONARY`] bytes.
    pub fn seal_dictionary(&self, dictionary: &[u8]) -> Result<(DictionaryId, Sealed<Dictionary>), VaultError> {
        let content = dictionary.get(HEADER..).unwrap_or_default();
        let id = hash::dictionary_id(self.key.name_key(), content);
        let thing = Thing::Dictionary(id);
        if !dictionary.starts_with(&MAGIC) || dictionary.len() > limits::DICTIONARY {
            return Err(VaultError::Unsealable {
                thing,
                why: "it is no Zstandard dictionary of at most 256 KiB",
            });
        }
        let named = [&MAGIC[..], &id.0.to_le_bytes(), content].concat();
        load(&named, thing)?;
        let line = Line {
            dictionary: id,
            size: named.len() as u64,
        };
        let mut plaintext = self.dictionary_place(id, &id.0.to_le_bytes()).write_line(&line)?;
        frame::pack(&mut plaintext, &named, thing)?;
        padding::pad(&mut plaintext);
        Ok((id, Sealed::new(self.key.seal(&plaintext, thing)?)))
    }

    /// Opens and verifies the dictionary that stands in the vault as `id`.
    ///
    /// # Errors
    /// As [`Vault::open_head`].
    pub fn open_dictionary(&self, id: DictionaryId, ciphertext: &[u8]) -> Result<Dictionary, VaultError> {
        let thing = Thing::Dictionary(id);
        let plaintext = self.key.open(ciphertext, limits::DICTIONARY_BLOB, thing)?;
        let (line, rest): (Line, _) = self.dictionary_place(id, &id.0.to_le_bytes()).read_line(&plaintext)?;
        let size = usize::try_from(line.size).unwrap_or(usize::MAX);
        if size > limits::DICTIONARY {
            return Err(VaultError::TooLarge {
                thing,
                limit: limits::DICTIONARY as u64,
                of: "bytes",
            });
        }
        let (frame, rest) = Frame::split(rest, thing)?;
        padding::expect(rest, thing)?;
        if frame.dictionary.is_some() {
            return Err(VaultError::Damaged {
                thing,
                why: "it needs a dictionary itself",
            });
        }
        let content = frame.unpack(size, None, thing)?;
        let named = content
            .strip_prefix(&MAGIC)
            .and_then(|content| content.strip_prefix(&id.0.to_le_bytes()));
        let named = named.ok_or(VaultError::Damaged {
            thing,
            why: "it is no Zstandard dictionary of this id",
        })?;
        if line.dictionary != id || hash::dictionary_id(self.key.name_key(), named) != id {
            return Err(VaultError::Forged {
                thing,
                why: "it holds something else than its name says",
            });
        }
        Ok(Dictionary {
            id,
            decoder: Arc::new(load(&content, thing)?),
        })
    }

    fn dictionary_place<'a>(&'a self, id: DictionaryId, bytes: &'a [u8; 4]) -> Place<'a> {
        Place {
            key: self.key.seal_key(),
            domain: Domain::Dictionary,
            vault: self.id(),
            id: bytes,
            thing: Thing::Dictionary(id),
        }
    }
}

fn load(dictionary: &[u8], thing: Thing) -> Result<DecoderDictionary<'static>, VaultError> {
    DecoderDictionary::try_copy(dictionary).map_err(|_| VaultError::Damaged {
        thing,
        why: "zstd cannot load it",
    })
}
