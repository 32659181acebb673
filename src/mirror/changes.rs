//! What differs between two trees.

use std::cmp::Ordering;

use crate::core::id::{BlobId, TreeId};

use super::error::MirrorError;
use super::repository::Mirror;
use super::tree::{Entry, Item};

/// How deep folders may lie in one another. A vault's lie five deep; a host may make them lie any depth.
const DEEPEST: usize = 32;

/// A file that is not the same in two trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeChange {
    /// Its path in the tree.
    pub path: String,
    /// Its blob in the first tree; none when it is not there.
    pub old: Option<BlobId>,
    /// Its blob in the second tree; none when it is not there.
    pub new: Option<BlobId>,
}

/// Two folders that may differ, still to be compared.
struct Pair {
    path: String,
    old: Option<TreeId>,
    new: Option<TreeId>,
}

impl Mirror {
    /// The files at and below `under` (empty: everywhere) that differ between two trees; no tree is an empty one.
    ///
    /// Folders that are equal are not read, so that the cost is that of the difference. Segment folders
    /// (`files/a/b/c/<id>/`) are not entered, unless `under` lies in one: that a file changed is told by its head.
    ///
    /// # Errors
    ///
    /// When a tree on the way is missing or damaged.
    pub fn changes(
        &self,
        from: Option<TreeId>,
        to: Option<TreeId>,
        under: &str,
    ) -> Result<Vec<TreeChange>, MirrorError> {
        self.compare(from, to, under, false)
    }

    /// As [`Mirror::changes`], with the segments.
    ///
    /// # Errors
    ///
    /// When a tree on the way is missing or damaged.
    pub fn changes_with_segments(
        &self,
        from: Option<TreeId>,
        to: Option<TreeId>,
        under: &str,
    ) -> Result<Vec<TreeChange>, MirrorError> {
        self.compare(from, to, under, true)
    }

    fn compare(
        &self,
        from: Option<TreeId>,
        to: Option<TreeId>,
        under: &str,
        segments: bool,
    ) -> Result<Vec<TreeChange>, MirrorError> {
        let under = under.trim_matches('/');
        let segments = segments || under.split('/').count() > 4;
        let find = |tree: Option<TreeId>| match tree {
            Some(tree) => self.entry(tree, under),
            None => Ok(None),
        };
        let mut changes = Vec::new();
        let mut pending = Vec::new();
        let mut found = |path: String, old: Option<Entry>, new: Option<Entry>, pending: &mut Vec<Pair>| {
            if old == new {
                return;
            }
            let (old_blob, old_tree) = split(old);
            let (new_blob, new_tree) = split(new);
            if old_tree != new_tree && (segments || !is_segment_folder(&path)) {
                pending.push(Pair {
                    path: path.clone(),
                    old: old_tree,
                    new: new_tree,
                });
            }
            if old_blob != new_blob {
                changes.push(TreeChange {
                    path,
                    old: old_blob,
                    new: new_blob,
                });
            }
        };
        found(under.to_owned(), find(from)?, find(to)?, &mut pending);
        while let Some(pair) = pending.pop() {
            if pair.path.split('/').count() > DEEPEST {
                let tree = pair
                    .new
                    .or(pair.old)
                    .map_or_else(String::new, |id| format!("tree {id}"));
                return Err(MirrorError::damaged(
                    tree,
                    self.folder(),
                    "folders lie too deep in one another",
                ));
            }
            let items = |tree: Option<TreeId>| tree.map_or(Ok(Vec::new()), |tree| self.items_by_name(tree));
            side_by_side(items(pair.old)?, items(pair.new)?, |name, old, new| {
                let path = if pair.path.is_empty() {
                    name
                } else {
                    format!("{}/{name}", pair.path)
                };
                found(path, old, new, &mut pending);
            });
        }
        changes.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(changes)
    }

    /// A tree's items, sorted by name alone.
    fn items_by_name(&self, tree: TreeId) -> Result<Vec<Item>, MirrorError> {
        let mut items = self.items(tree)?;
        items.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(items)
    }
}

/// Walks two folders, sorted by name, and tells for each name what it is in either.
fn side_by_side(old: Vec<Item>, new: Vec<Item>, mut tell: impl FnMut(String, Option<Entry>, Option<Entry>)) {
    let (mut old, mut new) = (old.into_iter().peekable(), new.into_iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (Some(one), Some(other)) => one.name.cmp(&other.name),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return,
        };
        let one = (order.is_le()).then(|| old.next()).flatten();
        let other = (order.is_ge()).then(|| new.next()).flatten();
        let entries = (
            one.as_ref().map(|item| item.entry),
            other.as_ref().map(|item| item.entry),
        );
        if let Some(item) = one.or(other) {
            tell(item.name, entries.0, entries.1);
        }
    }
}

/// An entry as the blob or the tree that it is.
fn split(entry: Option<Entry>) -> (Option<BlobId>, Option<TreeId>) {
    match entry {
        Some(Entry::Blob(id)) => (Some(id), None),
        Some(Entry::Tree(id)) => (None, Some(id)),
        None => (None, None),
    }
}

/// Whether a folder is one that holds a file's segments: the fifth level below the root, under `files`.
fn is_segment_folder(path: &str) -> bool {
    path.starts_with("files/") && path.split('/').count() == 5
}
