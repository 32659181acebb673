//! Content of the vault: from heads and segments to bytes, with bounded memory.

use std::io::Write;

use rayon::prelude::*;

use crate::core::id::{BlobId, FileId, TreeId};
use crate::error::{Error, Kind, Result};
use crate::mirror::{Entry, Mirror};
use crate::vault::{ContentHasher, Head, OpenHead, Vault, layout, limits};

/// One version of a file in the vault: its head, and the tree in which its segments are found.
#[derive(Debug, Clone)]
pub struct Version {
    /// A tree of the mirror that holds this version.
    pub tree: TreeId,
    /// The blob of its head.
    pub blob: BlobId,
    /// Its head.
    pub head: Head,
}

/// How many segments are read, opened in parallel and written at a time: 16 MiB of content at most.
const BATCH: usize = 16;

/// Opens the head in `blob`, with the content that it carries.
///
/// # Errors
/// Damage, or a head that belongs to another file.
pub fn open_head(mirror: &Mirror, vault: &Vault, id: FileId, blob: BlobId) -> Result<OpenHead> {
    let sealed = mirror.blob(blob, limits::HEAD_BLOB)?;
    Ok(vault.open_head(id, &sealed)?)
}

/// Writes the content of `version` to `out`, without its first `skip` bytes; `skip` must be the end of a segment, or 0.
///
/// Each segment is verified before a byte of it is written, and the whole against the head's hash at the end (with `skip`, the
/// caller's `hasher` has taken in the bytes that were skipped).
///
/// # Errors
/// Damage or forgery ([`Kind::Damaged`]); whatever `out` says.
pub fn write_content(
    mirror: &Mirror,
    vault: &Vault,
    version: &Version,
    skip: u64,
    mut hasher: ContentHasher,
    out: &mut dyn Write,
) -> Result<()> {
    let head = &version.head;
    let id = vault.file_id(&head.path);
    let write_error = |source| {
        Error::new(Kind::General, format!("cannot write the content of {}", head.path))
            .hint("look at the space and the permissions of the folder it goes to")
            .caused_by(source)
    };
    if head.segments.is_empty() {
        let inline = open_head(mirror, vault, id, version.blob)?.inline.unwrap_or_default();
        let rest = inline
            .get(usize::try_from(skip).unwrap_or(usize::MAX)..)
            .unwrap_or_default();
        hasher.update(rest);
        out.write_all(rest).map_err(write_error)?;
    } else {
        let mut at = 0;
        let wanted: Vec<_> = head
            .segments
            .iter()
            .filter(|segment| {
                let begin = at;
                at += segment.size;
                begin >= skip
            })
            .collect();
        for batch in wanted.chunks(BATCH) {
            let sealed = batch
                .iter()
                .map(|segment| {
                    let path = layout::segment_path(id, segment.id);
                    match mirror.entry(version.tree, &path)? {
                        Some(Entry::Blob(blob)) => Ok(mirror.blob(blob, limits::SEGMENT_BLOB)?),
                        _ => Err(missing(head)),
                    }
                })
                .collect::<Result<Vec<_>>>()?;
            let opened = batch
                .par_iter()
                .zip(sealed.par_iter())
                .map(|(segment, sealed)| vault.open_segment(id, segment, sealed))
                .collect::<Result<Vec<_>, _>>()?;
            for bytes in opened {
                hasher.update(&bytes);
                out.write_all(&bytes).map_err(write_error)?;
            }
        }
    }
    if hasher.finalize() != head.hash {
        return Err(Error::new(
            Kind::Damaged,
            format!("the vault's copy of {} does not match its seal", head.path),
        )
        .hint("another device may still hold it: run `csync sync` there"));
    }
    Ok(())
}

fn missing(head: &Head) -> Error {
    Error::new(
        Kind::Damaged,
        format!("a part of {} is missing from the vault", head.path),
    )
    .hint("another device may still hold it: run `csync sync` there")
}

/// The whole content of `version` in memory. For kinds that are small, and for tails.
///
/// # Errors
/// As [`write_content`].
pub fn read_content(mirror: &Mirror, vault: &Vault, version: &Version) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write_content(mirror, vault, version, 0, vault.hasher(&version.head.path), &mut bytes)?;
    Ok(bytes)
}
