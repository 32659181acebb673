//! Keyed BLAKE3 in all its uses. Each use has a domain of its own, so that no hash can stand where another is meant.
//!
//! What is hashed is always `domain ‖ 0 ‖ fields`; no domain holds a zero byte, and every field but the last is of fixed
//! size or ended by a zero byte that it cannot hold. So no two different inputs are the same bytes.

use std::fmt;
use std::io;

use secrecy::ExposeSecret;

use super::dictionary::DictionaryId;
use super::hexadecimal::SecretKey;
use crate::core::id::{ContentHash, FileId, SegmentId};
use crate::core::path::LogicalPath;

/// What a hash is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// The id of a file (name key).
    FileId,
    /// The id of a segment (name key).
    SegmentId,
    /// The id of a dictionary (name key).
    DictionaryId,
    /// The content of a file (seal key).
    Content,
    /// The seal of a head (seal key).
    Head,
    /// The seal of a note (seal key).
    Note,
    /// The seal of the list of members (seal key).
    Members,
    /// The seal of a dictionary (seal key).
    Dictionary,
    /// The seal of a commit (seal key).
    Commit,
}

impl Domain {
    const fn text(self) -> &'static str {
        match self {
            Self::FileId => "csync/1 file id",
            Self::SegmentId => "csync/1 segment id",
            Self::DictionaryId => "csync/1 dictionary id",
            Self::Content => "csync/1 content",
            Self::Head => "csync/1 head",
            Self::Note => "csync/1 note",
            Self::Members => "csync/1 members",
            Self::Dictionary => "csync/1 dictionary",
            Self::Commit => "csync/1 commit",
        }
    }
}

/// A hasher under `key` that has taken in the domain.
pub fn keyed(key: &SecretKey, domain: Domain) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new_keyed(key.expose_secret());
    hasher.update(domain.text().as_bytes()).update(&[0]);
    hasher
}

fn first_16(hash: &blake3::Hash) -> [u8; 16] {
    let mut first = [0; 16];
    first.copy_from_slice(&hash.as_bytes()[..16]);
    first
}

/// The id of the file at `path`.
pub fn file_id(name_key: &SecretKey, path: &LogicalPath) -> FileId {
    let mut hasher = keyed(name_key, Domain::FileId);
    hasher.update(path.as_str().as_bytes());
    FileId(first_16(&hasher.finalize()))
}

/// The id of the segment of `file` that holds `content`.
pub fn segment_id(name_key: &SecretKey, file: FileId, content: &[u8]) -> SegmentId {
    let mut hasher = keyed(name_key, Domain::SegmentId);
    hasher.update(file.as_bytes()).update(content);
    SegmentId(first_16(&hasher.finalize()))
}

/// The id that the dictionary of `content` (what follows its header of 8 bytes) has: in the range that the Zstandard format
/// (RFC 8878, section 5) leaves to private use, 32768 to 2³¹ − 1.
pub fn dictionary_id(name_key: &SecretKey, content: &[u8]) -> DictionaryId {
    let mut hasher = keyed(name_key, Domain::DictionaryId);
    hasher.update(content);
    let [a, b, c, d, ..] = *hasher.finalize().as_bytes();
    DictionaryId((u32::from_le_bytes([a, b, c, d]) & 0x7fff_ffff) | 0x8000)
}

/// Hashes what a file holds, bit by bit. Two files of the same content but of different paths have different hashes.
#[derive(Clone)]
pub struct ContentHasher(blake3::Hasher);

impl ContentHasher {
    /// A hasher for the content of the file at `path`.
    pub(super) fn new(seal_key: &SecretKey, path: &LogicalPath) -> Self {
        let mut hasher = keyed(seal_key, Domain::Content);
        hasher.update(path.as_str().as_bytes()).update(&[0]);
        Self(hasher)
    }

    /// Takes in the next bytes of the content.
    pub fn update(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(bytes);
        self
    }

    /// The hash of all bytes so far. The hasher can go on: a file that only grew needs only its new bytes.
    #[must_use]
    pub fn finalize(&self) -> ContentHash {
        ContentHash(*self.0.finalize().as_bytes())
    }
}

impl io::Write for ContentHasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for ContentHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentHasher")
    }
}
