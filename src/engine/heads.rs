//! Heads by blob: opened once, remembered in the index.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::open::OpenVault;
use crate::core::id::{BlobId, FileId};
use crate::error::{Error, Kind, Result};
use crate::vault::{Head, layout, limits};

/// A head that could not be opened, and why.
pub struct BadHead {
    /// The file's id: its name is what could not be read.
    pub id: FileId,
    /// Why.
    pub error: Error,
}

/// How many sealed heads are held in memory at a time.
const BATCH: usize = 512;

impl OpenVault {
    /// Opens the heads in `wanted`, in parallel, through the index's cache. A bad one does not stop the others.
    ///
    /// # Errors
    /// An index that cannot be written.
    pub fn open_heads(&mut self, wanted: &[(FileId, BlobId)]) -> Result<(BTreeMap<FileId, Head>, Vec<BadHead>)> {
        let mut heads = BTreeMap::new();
        let mut bad = Vec::new();
        let mut unknown = Vec::new();
        for &(id, blob) in wanted {
            let cached = self
                .index
                .head(blob)?
                .and_then(|text| serde_json::from_str::<Head>(&text).ok());
            match cached {
                // The cache is not trusted with names: a path must still be the one that its id stands for.
                Some(head) if self.vault.file_id(&head.path) == id => {
                    heads.insert(id, head);
                }
                _ => unknown.push((id, blob)),
            }
        }
        for batch in unknown.chunks(BATCH) {
            let mut sealed = Vec::with_capacity(batch.len());
            for &(id, blob) in batch {
                match self.mirror.blob(blob, limits::HEAD_BLOB) {
                    Ok(bytes) => sealed.push((id, blob, bytes)),
                    Err(error) => bad.push(BadHead {
                        id,
                        error: error.into(),
                    }),
                }
            }
            let vault = &self.vault;
            let opened: Vec<_> = sealed
                .par_iter()
                .map(|(id, blob, bytes)| (*id, *blob, vault.open_head(*id, bytes)))
                .collect();
            let mut remember = Vec::with_capacity(opened.len());
            for (id, blob, result) in opened {
                match result {
                    Ok(opened) => {
                        if let Ok(text) = serde_json::to_string(&opened.head) {
                            remember.push((blob, text));
                        }
                        heads.insert(id, opened.head);
                    }
                    Err(error) => bad.push(BadHead {
                        id,
                        error: error.into(),
                    }),
                }
            }
            self.index.put_heads(&remember)?;
        }
        Ok((heads, bad))
    }

    /// Opens the head of one file.
    ///
    /// # Errors
    /// Damage, or an index that cannot be written.
    pub fn open_head(&mut self, id: FileId, blob: BlobId) -> Result<Head> {
        let (mut heads, bad) = self.open_heads(&[(id, blob)])?;
        if let Some(bad) = bad.into_iter().next() {
            return Err(bad.error);
        }
        heads
            .remove(&id)
            .ok_or_else(|| Error::new(Kind::Damaged, "a head could not be opened").hint("run `csync sync` again"))
    }
}

/// The heads that differ between two trees, by file: the blob before and the blob now.
pub type HeadChanges = BTreeMap<FileId, (Option<BlobId>, Option<BlobId>)>;

impl OpenVault {
    /// Which heads differ between `from` and `to`. Nothing is decrypted.
    ///
    /// # Errors
    /// A damaged mirror.
    pub fn head_changes(
        &self,
        from: Option<crate::core::id::TreeId>,
        to: Option<crate::core::id::TreeId>,
    ) -> Result<HeadChanges> {
        let changes = self.mirror.changes(from, to, layout::FILES)?;
        Ok(changes
            .into_iter()
            .filter_map(|change| layout::parse_head_path(&change.path).map(|id| (id, (change.old, change.new))))
            .collect())
    }
}
