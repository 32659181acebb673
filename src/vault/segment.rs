//! Segments: immutable pieces of a file's content, each named by keyed BLAKE3 of its file and content.

use super::error::{Thing, VaultError};
use super::frame::{self, Frame};
use super::head::SegmentRef;
use super::segments::MAX_SEGMENT;
use super::{Sealed, Vault, hash, limits, padding};
use crate::core::id::{FileId, SegmentId};

/// Marks ciphertext of a segment.
#[derive(Debug)]
pub enum Segment {}

impl Vault {
    /// The id of the segment of `file` that holds `content`.
    #[must_use]
    pub fn segment_id(&self, file: FileId, content: &[u8]) -> SegmentId {
        hash::segment_id(self.key.name_key(), file, content)
    }

    /// Seals a segment that holds `content`, 1 to [`MAX_SEGMENT`] bytes.
    ///
    /// # Errors
    /// [`VaultError::Unsealable`] for any other number of bytes.
    pub fn seal_segment(&self, content: &[u8]) -> Result<Sealed<Segment>, VaultError> {
        let thing = Thing::NewSegment;
        if content.is_empty() || content.len() > MAX_SEGMENT {
            return Err(VaultError::Unsealable {
                thing,
                why: "a segment holds 1 byte to 1 MiB",
            });
        }
        let mut plaintext = Vec::new();
        frame::pack(&mut plaintext, content, thing)?;
        padding::pad(&mut plaintext);
        self.key.seal(&plaintext, thing).map(Sealed::new)
    }

    /// Opens the segment that the head of `file` names as `segment`, and verifies that it is this one.
    ///
    /// # Errors
    /// [`VaultError::Forged`] when it holds anything else; [`VaultError::Damaged`], [`VaultError::OtherKey`],
    /// [`VaultError::TooLarge`], [`VaultError::MissingDictionary`].
    pub fn open_segment(&self, file: FileId, segment: &SegmentRef, ciphertext: &[u8]) -> Result<Vec<u8>, VaultError> {
        let thing = Thing::Segment(segment.id);
        let size = usize::try_from(segment.size).unwrap_or(usize::MAX);
        if size > MAX_SEGMENT {
            return Err(VaultError::TooLarge {
                thing,
                limit: MAX_SEGMENT as u64,
                of: "bytes",
            });
        }
        let plaintext = self.key.open(ciphertext, limits::SEGMENT_BLOB, thing)?;
        let (frame, rest) = Frame::split(&plaintext, thing)?;
        padding::expect(rest, thing)?;
        let content = self.unpack(&frame, size, thing)?;
        if self.segment_id(file, &content) != segment.id {
            return Err(VaultError::Forged {
                thing,
                why: "it holds something else than its name says",
            });
        }
        Ok(content)
    }
}
