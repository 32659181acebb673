//! The sending half: seals in parallel what [`cutting`](super::cutting) reads, writes one pack and one commit.
//!
//! Memory is bounded whatever the total: at most three batches of pieces are held: one is read, one sealed, one written.
//! What is sealed in one run becomes several commits where it is more than one push should carry.

use std::collections::VecDeque;

use rayon::prelude::*;

use super::context::Context;
use super::cutting::{Finished, Outbound, Piece, Reader};
use super::open::OpenVault;
use super::report::Trouble;
use super::survey::{LocalFile, Survey};
use crate::core::id::{BlobId, CommitId, ContentHash, FileId, TreeId};
use crate::core::path::LogicalPath;
use crate::core::progress::Phase;
use crate::error::Result;
use crate::mirror::{Entry, Put, TreeEdit, Writer};
use crate::vault::{Note, Vault, generation_of, layout};

/// What was sealed of one file.
pub(super) struct SealedFile {
    /// Its path.
    pub path: LogicalPath,
    /// The blob of its new head.
    pub head: BlobId,
    /// The hash of what was sent.
    pub hash: ContentHash,
    /// The file as it was read: what the index may remember.
    pub file: LocalFile,
    /// Whether the vault had it before.
    pub had_before: bool,
}

/// A piece after sealing.
struct SealedPiece {
    bytes: Vec<u8>,
    what: Placed,
}

/// Where a sealed piece goes.
enum Placed {
    Segment(String),
    Head(Box<Finished>),
}

/// What sealing came to, as far as it belongs to one commit.
#[derive(Default)]
pub(super) struct Sealing {
    /// The changes of the vault's tree. Segments may come in an earlier commit than the head that names them.
    pub edits: Vec<TreeEdit>,
    /// The files whose heads are among them.
    pub files: Vec<SealedFile>,
}

/// Seals the files of a queue, as much at a time as one commit takes.
pub(super) struct Sealer<'a, 'c> {
    vault: &'a Vault,
    context: &'a Context<'c>,
    reader: Reader<'a, 'c>,
    /// Pieces that were read.
    batch: Vec<Piece>,
    /// Pieces that were sealed.
    ready: VecDeque<SealedPiece>,
}

impl<'a, 'c> Sealer<'a, 'c> {
    /// A sealer of `outbound`; `tip` is the vault's tree.
    pub(super) fn new(
        open: &'a OpenVault,
        context: &'a Context<'c>,
        survey: &'a Survey,
        tip: TreeId,
        outbound: Vec<Outbound>,
    ) -> Result<Self> {
        let bytes = outbound
            .iter()
            .map(|out| {
                out.file
                    .size
                    .saturating_sub(out.before.as_ref().map_or(0, |head| head.size))
            })
            .sum();
        context.progress.begin(Phase::Seal, outbound.len() as u64, bytes);
        let mut reader = Reader::new(open, context, survey, tip, outbound);
        let batch = reader.next_batch()?;
        Ok(Self {
            vault: &open.vault,
            context,
            reader,
            batch,
            ready: VecDeque::new(),
        })
    }

    /// Whether everything was sealed.
    pub(super) fn is_done(&self) -> bool {
        self.batch.is_empty() && self.ready.is_empty()
    }

    /// Seals into `writer` until it holds `limit` bytes, or everything is sealed.
    pub(super) fn part(&mut self, writer: &mut Writer<'_>, limit: u64) -> Result<Sealing> {
        let mut sealing = Sealing::default();
        // Three stages at a time: one batch is read and the one before the last is written here, while the last is sealed beside.
        while !self.batch.is_empty() && writer.bytes() < limit {
            let batch = std::mem::take(&mut self.batch);
            let (ready, reader, context) = (&mut self.ready, &mut self.reader, self.context);
            let (sealed, next) = seal_while(self.vault, batch, || {
                place_until(ready, writer, limit, &mut sealing)?;
                context.check_stop()?;
                reader.next_batch()
            });
            self.ready.extend(sealed?);
            self.batch = next?;
        }
        place_until(&mut self.ready, writer, limit, &mut sealing)?;
        Ok(sealing)
    }

    /// The files that could not be read.
    pub(super) fn end(self) -> Vec<Trouble> {
        self.context.progress.end();
        self.reader.troubles
    }
}

impl OpenVault {
    /// Makes the commit of `edits` on top of `parent`.
    pub(super) fn commit(
        &self,
        context: &Context<'_>,
        writer: &mut Writer<'_>,
        parent: (CommitId, TreeId),
        mut edits: Vec<TreeEdit>,
        note: &Note,
    ) -> Result<(CommitId, TreeId)> {
        context.check_stop()?;
        let note = writer.blob(self.vault.seal_note(note)?.bytes())?;
        edits.push(TreeEdit {
            path: layout::NOTE.to_owned(),
            entry: Some(Put::Blob(note)),
        });
        let tree = writer.tree(Some(parent.1), &edits)?;
        let generation = generation_of(&self.mirror.commit(parent.0)?.message)?.next();
        let message = self.vault.seal_commit(generation, tree, &[parent.0]);
        let commit = writer.commit(tree, &[parent.0], &message)?;
        Ok((commit, tree))
    }

    /// The edits that take a file out of the vault's tree.
    pub(super) fn removal(&self, path: &LogicalPath) -> [TreeEdit; 2] {
        let id = self.vault.file_id(path);
        [
            TreeEdit {
                path: layout::head_path(id),
                entry: None,
            },
            TreeEdit {
                path: layout::segment_folder(id),
                entry: None,
            },
        ]
    }

    /// The edits that set a file's base back to what `base` holds of it.
    pub(super) fn restore_base(&self, id: FileId, base: Option<TreeId>) -> Result<[TreeEdit; 2]> {
        let (head, segments) = (layout::head_path(id), layout::segment_folder(id));
        let entry = |path: &str| -> Result<Option<Put>> {
            let Some(tree) = base else { return Ok(None) };
            Ok(self.mirror.entry(tree, path)?.map(|entry| match entry {
                Entry::Blob(blob) => Put::Blob(blob),
                Entry::Tree(tree) => Put::Tree(tree),
            }))
        };
        Ok([
            TreeEdit {
                entry: entry(&head)?,
                path: head,
            },
            TreeEdit {
                entry: entry(&segments)?,
                path: segments,
            },
        ])
    }
}

/// Seals one batch while the next one is read.
fn seal_while<N>(vault: &Vault, batch: Vec<Piece>, next: impl FnOnce() -> N) -> (Result<Vec<SealedPiece>>, N) {
    std::thread::scope(|scope| {
        let sealer = scope.spawn(move || batch.into_par_iter().map(|piece| seal_piece(vault, piece)).collect());
        let next = next();
        let sealed = sealer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (sealed, next)
    })
}

fn seal_piece(vault: &Vault, piece: Piece) -> Result<SealedPiece> {
    Ok(match piece {
        Piece::Segment { file, segment, content } => SealedPiece {
            bytes: vault.seal_segment(&content)?.into_bytes(),
            what: Placed::Segment(layout::segment_path(file, segment.id)),
        },
        Piece::End(finished) => SealedPiece {
            bytes: vault
                .seal_head(&finished.head, finished.inline.as_deref())?
                .into_bytes(),
            what: Placed::Head(finished),
        },
    })
}

/// Places pieces until `writer` holds `limit` bytes.
fn place_until(
    ready: &mut VecDeque<SealedPiece>,
    writer: &mut Writer<'_>,
    limit: u64,
    sealing: &mut Sealing,
) -> Result<()> {
    while writer.bytes() < limit
        && let Some(piece) = ready.pop_front()
    {
        place(writer, piece, sealing)?;
    }
    Ok(())
}

fn place(writer: &mut Writer<'_>, piece: SealedPiece, sealing: &mut Sealing) -> Result<()> {
    let blob = writer.blob(&piece.bytes)?;
    match piece.what {
        Placed::Segment(path) => sealing.edits.push(TreeEdit {
            path,
            entry: Some(Put::Blob(blob)),
        }),
        Placed::Head(finished) => {
            sealing.edits.push(TreeEdit {
                path: layout::head_path(finished.id),
                entry: Some(Put::Blob(blob)),
            });
            for path in finished.dropped {
                sealing.edits.push(TreeEdit { path, entry: None });
            }
            sealing.files.push(SealedFile {
                path: finished.head.path.clone(),
                head: blob,
                hash: finished.head.hash,
                file: finished.local,
                had_before: finished.had_before,
            });
        }
    }
    Ok(())
}
