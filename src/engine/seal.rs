//! The sending half: seals in parallel what [`cutting`](super::cutting) reads, writes one pack and one commit.
//!
//! Memory is bounded whatever the total: at most three batches of pieces are held: one is read, one sealed, one written.

use rayon::prelude::*;

use super::context::Context;
use super::cutting::{Finished, Outbound, Piece, Reader};
use super::open::OpenVault;
use super::report::Report;
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

/// What the sealing of all files came to.
pub(super) struct Sealing {
    /// The changes of the vault's tree.
    pub edits: Vec<TreeEdit>,
    /// The files.
    pub files: Vec<SealedFile>,
}

impl OpenVault {
    /// Seals `outbound` into `writer`. A file that cannot be read only makes [`Trouble`].
    pub(super) fn seal_files(
        &self,
        context: &Context<'_>,
        writer: &mut Writer<'_>,
        outbound: Vec<Outbound>,
        survey: &Survey,
        report: &mut Report,
    ) -> Result<Sealing> {
        let bytes = outbound
            .iter()
            .map(|out| {
                out.file
                    .size
                    .saturating_sub(out.before.as_ref().map_or(0, |head| head.size))
            })
            .sum();
        context.progress.begin(Phase::Seal, outbound.len() as u64, bytes);
        let mut reader = Reader::new(self, context, survey, outbound);
        let mut sealing = Sealing {
            edits: Vec::new(),
            files: Vec::new(),
        };
        // Three stages at a time: one batch is read and the one before the last is written here, while the last is sealed beside.
        let mut batch = reader.next_batch()?;
        let mut sealed = Vec::new();
        while !batch.is_empty() {
            let vault = &self.vault;
            let (sealing_now, next) = seal_while(vault, batch, || {
                for piece in std::mem::take(&mut sealed) {
                    place(writer, piece, &mut sealing)?;
                }
                context.check_stop()?;
                reader.next_batch()
            });
            sealed = sealing_now?;
            batch = next?;
        }
        for piece in sealed {
            place(writer, piece, &mut sealing)?;
        }
        report.troubles.append(&mut reader.troubles);
        context.progress.end();
        Ok(sealing)
    }

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
            for segment in &finished.dropped {
                let path = layout::segment_path(finished.id, segment.id);
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
