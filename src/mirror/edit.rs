//! Changing many paths of a tree at once.

use std::collections::{BTreeMap, HashMap};

use crate::core::id::{BlobId, TreeId};

use super::error::MirrorError;
use super::tree::{Entry, Item};

/// How many names a path in a tree may have.
const DEEPEST: usize = 32;

/// What is put at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Put {
    /// A file.
    Blob(BlobId),
    /// A whole folder.
    Tree(TreeId),
}

/// One change of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEdit {
    /// The path that changes, `/`-separated.
    pub path: String,
    /// What stands there afterwards; none removes it, and any folder that becomes empty.
    pub entry: Option<Put>,
}

/// All the edits at and below one name.
#[derive(Default)]
pub(super) struct Edits {
    /// What the name itself becomes, before the edits below it.
    here: Option<Option<Put>>,
    /// The edits below it.
    below: BTreeMap<String, Edits>,
}

/// Where the editor reads trees and writes them.
pub(super) trait Trees {
    /// The items of a tree.
    fn read(&self, id: TreeId) -> Result<Vec<Item>, MirrorError>;
    /// Writes a tree.
    fn write(&mut self, items: Vec<Item>) -> Result<TreeId, MirrorError>;
    /// Fails when there is no such object to refer to.
    fn check(&self, put: Put) -> Result<(), MirrorError>;
}

/// Sorts edits by folder; of several at one path the last counts.
pub(super) fn gather(edits: &[TreeEdit]) -> Result<Edits, MirrorError> {
    let mut root = Edits::default();
    for edit in edits {
        let bad = || MirrorError::BadPath {
            path: edit.path.chars().take(200).collect(),
        };
        let mut place = &mut root;
        for (depth, name) in edit.path.split('/').enumerate() {
            // Names that a checkout would refuse or that mean something to Git never get into a vault's tree.
            let reserved = matches!(name, "" | "." | "..") || name.eq_ignore_ascii_case(".git");
            if reserved || name.contains('\0') || depth >= DEEPEST {
                return Err(bad());
            }
            place = place.below.entry(name.to_owned()).or_default();
        }
        place.here = Some(edit.entry);
    }
    Ok(root)
}

/// The tree that `base` becomes by the edits; none when it ends up empty. Each folder on the way is written once.
pub(super) fn apply(trees: &mut impl Trees, base: Option<TreeId>, edits: Edits) -> Result<Option<TreeId>, MirrorError> {
    let items = match base {
        Some(id) => trees.read(id)?,
        None => Vec::new(),
    };
    let mut entries: HashMap<String, Entry> = items.into_iter().map(|item| (item.name, item.entry)).collect();
    for (name, edits) in edits.below {
        let mut entry = match edits.here {
            Some(Some(put)) => {
                trees.check(put)?;
                Some(match put {
                    Put::Blob(id) => Entry::Blob(id),
                    Put::Tree(id) => Entry::Tree(id),
                })
            }
            Some(None) => None,
            None => entries.get(&name).copied(),
        };
        if !edits.below.is_empty() {
            let folder = match entry {
                Some(Entry::Tree(id)) => Some(id),
                Some(Entry::Blob(_)) | None => None,
            };
            // The recursion is as deep as the paths, which `gather` bounds.
            let changed = apply(trees, folder, edits)?.map(Entry::Tree);
            // Removing something below a file leaves the file; putting something below it replaces it.
            if changed.is_some() || folder.is_some() {
                entry = changed;
            }
        }
        match entry {
            Some(entry) => entries.insert(name, entry),
            None => entries.remove(&name),
        };
    }
    if entries.is_empty() {
        return Ok(None);
    }
    let items = entries.into_iter().map(|(name, entry)| Item { name, entry });
    trees.write(items.collect()).map(Some)
}
