//! One Zstandard frame: how content is compressed, and unpacked without trusting what it says of itself.

use std::cell::RefCell;

use zstd::bulk::Compressor;
use zstd::zstd_safe;

use super::dictionary::DictionaryId;
use super::error::{Thing, VaultError};

/// Measured on 690 MB of transcripts: level 3 takes 1 MiB pieces to 1/7.1; higher levels cost more than they save.
const LEVEL: i32 = 3;
/// The magic number of a Zstandard frame (RFC 8878, section 3.1.1).
const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();

thread_local! {
    // A compression context is over a megabyte and costs more to make than a small segment to compress.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
}

/// Appends to `plaintext` one frame that holds `content`, with its size recorded and no checksum: age authenticates.
///
/// # Errors
/// [`VaultError::Sealing`] for want of memory.
pub fn pack(plaintext: &mut Vec<u8>, content: &[u8], thing: Thing) -> Result<(), VaultError> {
    let frame = COMPRESSOR.with_borrow_mut(|kept| {
        let compressor = match kept {
            Some(compressor) => compressor,
            None => kept.insert(new_compressor()?),
        };
        compressor.compress(content)
    });
    let frame = frame.map_err(|_: std::io::Error| VaultError::Sealing {
        thing,
        why: "compression failed",
    })?;
    plaintext.extend_from_slice(&frame);
    Ok(())
}

fn new_compressor() -> std::io::Result<Compressor<'static>> {
    let mut compressor = Compressor::new(LEVEL)?;
    compressor.include_contentsize(true)?;
    compressor.include_checksum(false)?;
    compressor.include_dictid(true)?;
    Ok(compressor)
}

/// A frame that stands at the beginning of some bytes, measured but not unpacked.
pub struct Frame<'a> {
    bytes: &'a [u8],
    /// How many bytes of content it says that it holds.
    pub size: u64,
    /// The dictionary that it was compressed with.
    pub dictionary: Option<DictionaryId>,
}

impl<'a> Frame<'a> {
    /// Splits the frame at the beginning of `bytes` from what follows it.
    ///
    /// # Errors
    /// [`VaultError::Damaged`] when there is none, or it does not record its content's size.
    pub fn split(bytes: &'a [u8], thing: Thing) -> Result<(Self, &'a [u8]), VaultError> {
        let damaged = |why| VaultError::Damaged { thing, why };
        if !bytes.starts_with(&MAGIC) {
            return Err(damaged("it holds no Zstandard frame"));
        }
        let length = zstd_safe::find_frame_compressed_size(bytes)
            .map_err(|_| damaged("its Zstandard frame is cut or malformed"))?;
        let size = zstd_safe::get_frame_content_size(bytes).ok().flatten();
        let size = size.ok_or(damaged("its Zstandard frame does not record its size"))?;
        let dictionary = zstd_safe::get_dict_id_from_frame(bytes).map(|id| DictionaryId(id.get()));
        let (bytes, rest) = bytes
            .split_at_checked(length)
            .ok_or(damaged("its Zstandard frame is cut or malformed"))?;
        Ok((
            Self {
                bytes,
                size,
                dictionary,
            },
            rest,
        ))
    }

    /// Unpacks it. `size` is what the sealed metadata says that it holds: the buffer has this size and never grows.
    ///
    /// # Errors
    /// [`VaultError::Damaged`] when it holds more or less.
    pub fn unpack(
        &self,
        size: usize,
        dictionary: Option<&zstd::dict::DecoderDictionary<'static>>,
        thing: Thing,
    ) -> Result<Vec<u8>, VaultError> {
        let damaged = |why| VaultError::Damaged { thing, why };
        if self.size != size as u64 {
            return Err(damaged("its content has another size than its metadata says"));
        }
        let mut decompressor = match dictionary {
            Some(dictionary) => zstd::bulk::Decompressor::with_prepared_dictionary(dictionary),
            None => zstd::bulk::Decompressor::new(),
        }
        .map_err(|_| damaged("its Zstandard frame cannot be unpacked"))?;
        let mut content = Vec::with_capacity(size);
        decompressor
            .decompress_to_buffer(self.bytes, &mut content)
            .map_err(|_| damaged("its Zstandard frame cannot be unpacked"))?;
        if content.len() != size {
            return Err(damaged("its content has another size than its metadata says"));
        }
        Ok(content)
    }
}
