//! Heads: all that there is to know of a synced file, and its content too when that is small.

use serde::{Deserialize, Serialize};

use super::dictionary::DictionaryId;
use super::error::{Thing, VaultError};
use super::frame::{self, Frame};
use super::hash::Domain;
use super::record::Place;
use super::segments::MAX_SEGMENT;
use super::{Sealed, Vault, limits, padding};
use crate::core::id::{ContentHash, FileId, SegmentId};
use crate::core::kind::{FileKind, Retention};
use crate::core::origin::Origin;
use crate::core::path::LogicalPath;
use crate::core::stat::Timestamp;

/// One version of a synced file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its logical path.
    pub path: LogicalPath,
    /// How it merges.
    pub kind: FileKind,
    /// What its deletion means.
    pub retention: Retention,
    /// Unix permission bits, `0o7777` at most.
    pub mode: u32,
    /// When it was last written.
    pub modified: Timestamp,
    /// Bytes of content.
    pub size: u64,
    /// Keyed BLAKE3 of its path and content.
    pub hash: ContentHash,
    /// Its content in order; empty when the content sits inline.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<SegmentRef>,
    /// The one dictionary that frames of this file may be compressed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dictionary: Option<DictionaryId>,
    /// Where this version came from.
    pub origin: Origin,
}

/// One segment, as its file's head names it: `["<id>",size]` in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(SegmentId, u64)", into = "(SegmentId, u64)")]
pub struct SegmentRef {
    /// Its id, keyed BLAKE3 of its file and content.
    pub id: SegmentId,
    /// Bytes of content.
    pub size: u64,
}

impl From<(SegmentId, u64)> for SegmentRef {
    fn from((id, size): (SegmentId, u64)) -> Self {
        Self { id, size }
    }
}

impl From<SegmentRef> for (SegmentId, u64) {
    fn from(segment: SegmentRef) -> Self {
        (segment.id, segment.size)
    }
}

/// A head that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenHead {
    /// The head.
    pub head: Head,
    /// The content, verified; `None` when it is in segments.
    pub inline: Option<Vec<u8>>,
}

impl Head {
    /// Verifies content that was put together from segments: `hash` is what [`Vault::hasher`] made of all of it.
    ///
    /// # Errors
    /// [`VaultError::Forged`] when it is not the content that was sealed.
    pub fn verify(&self, file: FileId, hash: ContentHash) -> Result<(), VaultError> {
        if blake3::Hash::from_bytes(hash.0) == blake3::Hash::from_bytes(self.hash.0) {
            return Ok(());
        }
        Err(VaultError::Forged {
            thing: Thing::Head(file),
            why: "its content has another hash",
        })
    }

    /// The rules of format 1 that a head follows, whoever sealed it.
    fn broken_rule(&self) -> Option<&'static str> {
        if self.mode > 0o7777 {
            return Some("its mode has bits that are none of permissions");
        }
        if self.segments.is_empty() {
            return (self.size > limits::INLINE as u64).then_some("it says that more sits inline than can");
        }
        let mut size = 0_u64;
        for segment in &self.segments {
            if segment.size == 0 || segment.size > MAX_SEGMENT as u64 {
                return Some("it names a segment of a size that none can have");
            }
            size += segment.size;
        }
        (size != self.size).then_some("its segments do not add up to its size")
    }
}

impl Vault {
    /// Seals `head`, and with it the whole content `inline` when the head names no segments.
    ///
    /// # Errors
    /// [`VaultError::Unsealable`] when head and content do not agree or break a rule of the format;
    /// [`VaultError::TooLarge`] over [`limits::SEGMENTS`] segments.
    pub fn seal_head(&self, head: &Head, inline: Option<&[u8]>) -> Result<Sealed<Head>, VaultError> {
        let file = self.file_id(&head.path);
        let thing = Thing::Head(file);
        let unsealable = |why| VaultError::Unsealable { thing, why };
        count_segments(head, thing)?;
        if let Some(why) = head.broken_rule() {
            return Err(unsealable(why));
        }
        if inline.is_some() != head.segments.is_empty() {
            return Err(unsealable("its content is to be either inline or in segments"));
        }
        let mut plaintext = self.head_place(&file).write_line(head)?;
        if let Some(content) = inline {
            if content.len() as u64 != head.size || self.hasher(&head.path).update(content).finalize() != head.hash {
                return Err(unsealable("its inline content is not what it says"));
            }
            frame::pack(&mut plaintext, content, thing)?;
        }
        padding::pad(&mut plaintext);
        self.key.seal(&plaintext, thing).map(Sealed::new)
    }

    /// Opens and verifies the head that stands in the vault as the head of `file`.
    ///
    /// # Errors
    /// [`VaultError::Forged`] when nobody with the vault key sealed it for this very file; [`VaultError::Damaged`],
    /// [`VaultError::OtherKey`], [`VaultError::UnknownFormat`], [`VaultError::TooLarge`],
    /// [`VaultError::MissingDictionary`].
    pub fn open_head(&self, file: FileId, ciphertext: &[u8]) -> Result<OpenHead, VaultError> {
        let thing = Thing::Head(file);
        let plaintext = self.key.open(ciphertext, limits::HEAD_BLOB, thing)?;
        let (head, rest): (Head, _) = self.head_place(&file).read_line(&plaintext)?;
        if self.file_id(&head.path) != file {
            return Err(VaultError::Forged {
                thing,
                why: "it is the head of another path",
            });
        }
        count_segments(&head, thing)?;
        if let Some(why) = head.broken_rule() {
            return Err(VaultError::Damaged { thing, why });
        }
        let mut inline = None;
        let mut rest = rest;
        if head.segments.is_empty() {
            let (frame, after) = Frame::split(rest, thing)?;
            let size = usize::try_from(head.size).expect("at most the inline limit");
            let content = self.unpack(&frame, size, thing)?;
            head.verify(file, self.hasher(&head.path).update(&content).finalize())?;
            inline = Some(content);
            rest = after;
        }
        padding::expect(rest, thing)?;
        Ok(OpenHead { head, inline })
    }

    /// Unpacks `frame` with the dictionary that it names.
    pub(super) fn unpack(&self, frame: &Frame<'_>, size: usize, thing: Thing) -> Result<Vec<u8>, VaultError> {
        let dictionary = frame.dictionary.map(|id| self.dictionary(id)).transpose()?;
        frame.unpack(size, dictionary.map(super::Dictionary::decoder), thing)
    }

    /// Where the head of `file` belongs.
    pub(super) fn head_place<'a>(&'a self, file: &'a FileId) -> Place<'a> {
        Place {
            key: self.key.seal_key(),
            domain: Domain::Head,
            vault: self.id(),
            id: file.as_bytes(),
            thing: Thing::Head(*file),
        }
    }
}

fn count_segments(head: &Head, thing: Thing) -> Result<(), VaultError> {
    if head.segments.len() > limits::SEGMENTS {
        return Err(VaultError::TooLarge {
            thing,
            limit: limits::SEGMENTS as u64,
            of: "segments",
        });
    }
    Ok(())
}
