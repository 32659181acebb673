//! Reading what is to be sent, and cutting it into segments; of a file that only grew, just its end.

use std::collections::{BTreeSet, VecDeque};
use std::io::{Read, Seek, SeekFrom};

use super::context::Context;
use super::open::OpenVault;
use super::report::Trouble;
use super::survey::{LocalFile, Survey, cannot_read, hash_prefix, open_file, outgoing};
use crate::core::id::{FileId, TreeId};
use crate::core::origin::Origin;
use crate::error::{Error, Kind, Result};
use crate::vault::{ContentHasher, Head, SegmentRef, Vault, layout, segments};

/// A file to send, and the head that the vault has of it.
pub(super) struct Outbound {
    /// The file.
    pub file: LocalFile,
    /// What the vault holds of it, where it is the base that the file grew from.
    pub before: Option<Head>,
}

/// How many bytes of content one batch holds.
const BATCH_BYTES: usize = 16 << 20;
/// How many pieces one batch holds.
const BATCH_PIECES: usize = 256;

/// One piece of work: a segment, or the end of a file.
pub(super) enum Piece {
    /// A segment.
    Segment {
        /// The file that it is of.
        file: FileId,
        /// Its id and size.
        segment: SegmentRef,
        /// What it holds.
        content: Vec<u8>,
    },
    /// The head that ends a file.
    End(Box<Finished>),
}

/// A file that was read to its end.
pub(super) struct Finished {
    /// The file as it was read.
    pub local: LocalFile,
    /// Its id.
    pub id: FileId,
    /// Its new head.
    pub head: Head,
    /// Its content, where the head carries it.
    pub inline: Option<Vec<u8>>,
    /// The paths of segments that the vault has of it and that the new head does not name.
    pub dropped: Vec<String>,
    /// Whether the vault had it before.
    pub had_before: bool,
}

/// Reads the queue's files one after the other and cuts them into pieces.
pub(super) struct Reader<'a, 'c> {
    open_vault: &'a OpenVault,
    context: &'a Context<'c>,
    survey: &'a Survey,
    tip: TreeId,
    queue: VecDeque<Outbound>,
    current: Option<Cutting>,
    /// Files that could not be read.
    pub troubles: Vec<Trouble>,
}

impl<'a, 'c> Reader<'a, 'c> {
    /// A reader of `queue`; `tip` is the vault's tree.
    pub(super) fn new(
        open_vault: &'a OpenVault,
        context: &'a Context<'c>,
        survey: &'a Survey,
        tip: TreeId,
        queue: Vec<Outbound>,
    ) -> Self {
        Self {
            open_vault,
            context,
            survey,
            tip,
            queue: queue.into(),
            current: None,
            troubles: Vec::new(),
        }
    }

    /// The next pieces, in order; empty when all files are read.
    pub(super) fn next_batch(&mut self) -> Result<Vec<Piece>> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while batch.len() < BATCH_PIECES && bytes < BATCH_BYTES {
            let Some(piece) = self.next_piece()? else { break };
            bytes += match &piece {
                Piece::Segment { content, .. } => content.len(),
                Piece::End(finished) => finished.inline.as_ref().map_or(0, Vec::len),
            };
            batch.push(piece);
        }
        Ok(batch)
    }

    fn next_piece(&mut self) -> Result<Option<Piece>> {
        loop {
            if self.current.is_none() {
                self.context.check_stop()?;
                let Some(outbound) = self.queue.pop_front() else {
                    return Ok(None);
                };
                let path = outbound.file.path.clone();
                match Cutting::begin(self.open_vault, self.context, self.survey, self.tip, outbound) {
                    Ok(cutting) => self.current = cutting,
                    Err(error) => self.troubles.push(Trouble::at(path, error)),
                }
                continue;
            }
            let cutting = self.current.as_mut().expect("set above");
            match cutting.next_segment(&self.open_vault.vault) {
                Ok(Some((segment, content))) => {
                    self.context.progress.advance(0, segment.size);
                    // What the vault already holds under this name is not sealed again.
                    if cutting.before.contains(&segment) || cutting.stands(&segment) {
                        continue;
                    }
                    return Ok(Some(Piece::Segment {
                        file: cutting.id,
                        segment,
                        content,
                    }));
                }
                Ok(None) => {
                    let cutting = self.current.take().expect("set above");
                    let path = cutting.local.path.clone();
                    match cutting.finish(self.open_vault) {
                        Ok(finished) => {
                            self.context.progress.advance(1, 0);
                            return Ok(Some(Piece::End(Box::new(finished))));
                        }
                        Err(error) => self.troubles.push(Trouble::at(path, error)),
                    }
                }
                Err(error) => {
                    let cutting = self.current.take().expect("set above");
                    self.troubles.push(Trouble::at(cutting.local.path, error));
                }
            }
        }
    }
}

/// A file that is being cut into segments.
struct Cutting {
    local: LocalFile,
    id: FileId,
    source: Box<dyn Read>,
    left: u64,
    window: Vec<u8>,
    hasher: ContentHasher,
    segments: Vec<SegmentRef>,
    inline: Option<Vec<u8>>,
    before: Vec<SegmentRef>,
    /// The paths of the segments that stand in the vault's tree, also those that came before a head that names them.
    standing: BTreeSet<String>,
    had_before: bool,
    origin: Origin,
}

impl Cutting {
    /// Opens a file. `None` where it has vanished: its absence is for the next run to decide on.
    fn begin(
        open_vault: &OpenVault,
        context: &Context<'_>,
        survey: &Survey,
        tip: TreeId,
        outbound: Outbound,
    ) -> Result<Option<Self>> {
        let Outbound {
            file: mut local,
            before,
        } = outbound;
        let (number, open) = open_vault.source_of(&local.path).expect("it was found in a source");
        let Some(opened) = open_file(&open.root, &local.relative)? else {
            return Ok(None);
        };
        let mut file = opened.file;
        local.seen = context.timestamp();
        local.stat = opened.stat;
        let outgoing = outgoing(open, &local.relative, local.kind, &mut file, local.stat.size)?;
        local.size = outgoing.size;
        let id = open_vault.vault.file_id(&local.path);
        let folder = open.source.project_folder(&local.relative);
        let origin = Origin {
            device: open_vault.device.clone(),
            project: folder.and_then(|folder| survey.project(number, folder)).cloned(),
        };
        let mut cutting = Self {
            id,
            left: local.size,
            window: Vec::new(),
            hasher: open_vault.vault.hasher(&local.path),
            segments: Vec::new(),
            inline: None,
            had_before: before.is_some(),
            before: before.as_ref().map(|head| head.segments.clone()).unwrap_or_default(),
            standing: BTreeSet::new(),
            origin,
            source: Box::new(std::io::empty()),
            local,
        };
        if cutting.local.size <= segments::inline_limit(cutting.local.kind) {
            let mut content = outgoing.filtered.unwrap_or_default();
            if content.is_empty() {
                file.take(cutting.local.size)
                    .read_to_end(&mut content)
                    .map_err(|source| cannot_read(&cutting.local.relative, source))?;
            }
            cutting.hasher.update(&content);
            cutting.left -= (content.len() as u64).min(cutting.left);
            cutting.inline = Some(content);
            return Ok(Some(cutting));
        }
        let segments = layout::segment_folder(id);
        let standing = open_vault.mirror.list(tip, &segments)?.into_iter();
        cutting.standing = standing.map(|(name, _)| format!("{segments}/{name}")).collect();
        match outgoing.filtered {
            Some(content) => cutting.source = Box::new(std::io::Cursor::new(content)),
            None => {
                if let Some(before) = before.filter(|_| cutting.local.kind.grows_by_lines()) {
                    cutting.keep_what_stands(open_vault, &mut file, &before)?;
                }
                cutting.source = Box::new(file);
            }
        }
        Ok(Some(cutting))
    }

    /// Where the file only grew, its first segments stay as they are, and reading goes on behind them. `file` is left there.
    fn keep_what_stands(&mut self, open_vault: &OpenVault, file: &mut std::fs::File, before: &Head) -> Result<()> {
        let relative = &self.local.relative;
        if before.segments.is_empty() || self.local.size < before.size {
            return Ok(());
        }
        let kept = segments::keep(&before.segments, self.local.size - before.size);
        let offset: u64 = before.segments[..kept].iter().map(|segment| segment.size).sum();
        let mut at_offset = open_vault.vault.hasher(&self.local.path);
        hash_prefix(file, relative, offset, &mut at_offset)?;
        let mut at_end = at_offset.clone();
        hash_prefix(file, relative, before.size - offset, &mut at_end)?;
        let grew = at_end.finalize() == before.hash;
        let begin = if grew { offset } else { 0 };
        file.seek(SeekFrom::Start(begin))
            .map_err(|source| cannot_read(relative, source))?;
        if grew {
            self.segments = before.segments[..kept].to_vec();
            self.hasher = at_offset;
            self.left = self.local.size - offset;
        }
        Ok(())
    }

    /// Whether the vault's tree holds the segment. Its name is the keyed hash of its content.
    fn stands(&self, segment: &SegmentRef) -> bool {
        self.standing.contains(&layout::segment_path(self.id, segment.id))
    }

    /// The next segment and its content; `None` at the end.
    fn next_segment(&mut self, vault: &Vault) -> Result<Option<(SegmentRef, Vec<u8>)>> {
        let want = (segments::MAX_SEGMENT - self.window.len()).min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let had = self.window.len();
        self.source
            .by_ref()
            .take(want as u64)
            .read_to_end(&mut self.window)
            .map_err(|source| cannot_read(&self.local.relative, source))?;
        if self.window.len() < had + want {
            return Err(self.shrank());
        }
        self.left -= want as u64;
        if self.window.is_empty() {
            return Ok(None);
        }
        let length = segments::cut(&self.window, self.left == 0);
        let rest = self.window.split_off(length);
        let content = std::mem::replace(&mut self.window, rest);
        self.hasher.update(&content);
        let segment = SegmentRef {
            id: vault.segment_id(self.id, &content),
            size: content.len() as u64,
        };
        self.segments.push(segment);
        Ok(Some((segment, content)))
    }

    fn shrank(&self) -> Error {
        Error::new(
            Kind::General,
            format!("{} became shorter while it was read", self.local.relative),
        )
        .hint("run the same command again")
    }

    fn finish(mut self, open_vault: &OpenVault) -> Result<Finished> {
        if self.left > 0 {
            return Err(self.shrank());
        }
        if !self.local.kind.grows_by_lines() {
            let (_, open) = open_vault
                .source_of(&self.local.path)
                .expect("it was found in a source");
            // A file that is replaced as a whole could have been read half old, half new.
            if open.root.stat(&self.local.relative)? != Some(self.local.stat) {
                return Err(Error::new(
                    Kind::General,
                    format!("{} changed while it was read", self.local.relative),
                )
                .hint("run the same command again"));
            }
        }
        self.local.hash = self.hasher.finalize();
        let head = Head {
            path: self.local.path.clone(),
            kind: self.local.kind,
            retention: self.local.retention,
            mode: self.local.stat.mode & 0o777,
            modified: self.local.stat.modified,
            size: self.local.size,
            hash: self.local.hash,
            segments: self.segments,
            origin: self.origin,
            dictionary: None,
        };
        let named: BTreeSet<String> = head
            .segments
            .iter()
            .map(|segment| layout::segment_path(self.id, segment.id))
            .collect();
        let mut dropped = self.standing;
        dropped.extend(
            self.before
                .iter()
                .map(|segment| layout::segment_path(self.id, segment.id)),
        );
        let dropped = dropped.into_iter().filter(|old| !named.contains(old)).collect();
        Ok(Finished {
            id: self.id,
            inline: self.inline,
            dropped,
            had_before: self.had_before,
            head,
            local: self.local,
        })
    }
}
