//! Trees: their bytes, and reading entries and folders.
//!
//! The bytes of a tree are, for each entry, `<mode in octal> <name>\0<twenty bytes of id>`. Entries are sorted by name as
//! bytes, a folder comparing as if its name ended in `/` (gitformat, `git-mktree`).

use std::path::Path;

use git2::{ObjectType, Oid};

use crate::core::id::{BlobId, TreeId};

use super::LARGEST_OBJECT;
use super::error::MirrorError;
use super::pointer::{bytes, raw};
use super::repository::{Mirror, check_header, read_object};

/// What a name in a tree stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Entry {
    /// A file.
    Blob(BlobId),
    /// A folder.
    Tree(TreeId),
}

/// One entry of a tree as it stands in its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// Its name: UTF-8, without `/`, not empty.
    pub(super) name: String,
    /// What it stands for.
    pub(super) entry: Entry,
}

impl Item {
    /// What entries are sorted by.
    fn key(&self) -> impl Iterator<Item = u8> + '_ {
        let end = matches!(self.entry, Entry::Tree(_)).then_some(b'/');
        self.name.bytes().chain(end)
    }
}

/// The items of a tree from its bytes; the reason when they are not a tree's.
pub(super) fn parse(mut data: &[u8]) -> Result<Vec<Item>, &'static str> {
    let mut items: Vec<Item> = Vec::new();
    while !data.is_empty() {
        let space = data
            .iter()
            .position(|byte| *byte == b' ')
            .ok_or("an entry has no mode")?;
        let (mode, rest) = (&data[..space], &data[space + 1..]);
        let end = rest.iter().position(|byte| *byte == 0).ok_or("an entry has no end")?;
        let name = std::str::from_utf8(&rest[..end]).map_err(|_| "a name is not UTF-8")?;
        if name.is_empty() || name == "." || name == ".." || name.contains('/') {
            return Err("a name cannot be one");
        }
        let id: [u8; 20] = rest
            .get(end + 1..end + 21)
            .and_then(|id| id.try_into().ok())
            .ok_or("an entry is cut short")?;
        let entry = match mode {
            b"40000" | b"040000" => Entry::Tree(TreeId(id)),
            b"100644" | b"100664" | b"100755" => Entry::Blob(BlobId(id)),
            // Links and submodules have no place in a vault, and would have to be treated with care everywhere.
            _ => return Err("an entry is neither a file nor a folder"),
        };
        let item = Item {
            name: name.to_owned(),
            entry,
        };
        if items.last().is_some_and(|last| last.key().cmp(item.key()).is_ge()) {
            return Err("its entries are not in order");
        }
        items.push(item);
        data = &rest[end + 21..];
    }
    Ok(items)
}

/// The bytes of a tree with these items, in whatever order they come.
pub(super) fn write(mut items: Vec<Item>) -> Vec<u8> {
    items.sort_by(|one, other| one.key().cmp(other.key()));
    let mut data = Vec::with_capacity(items.len() * 72);
    for item in &items {
        let (mode, id) = match &item.entry {
            Entry::Tree(id) => ("40000 ", id.as_bytes()),
            Entry::Blob(id) => ("100644 ", id.as_bytes()),
        };
        data.extend_from_slice(mode.as_bytes());
        data.extend_from_slice(item.name.as_bytes());
        data.push(0);
        data.extend_from_slice(id);
    }
    data
}

/// The items of the tree `id` in an object database.
pub(super) fn read(odb: &git2::Odb<'_>, place: &Path, id: Oid) -> Result<Vec<Item>, MirrorError> {
    check_header(odb, place, id, ObjectType::Tree, LARGEST_OBJECT as u64)?;
    let object = read_object(odb, place, id, ObjectType::Tree)?;
    parse(object.data()).map_err(|reason| MirrorError::damaged(name_of(ObjectType::Tree, id), place, reason))
}

/// How an object is named in an error: `blob 1f…`.
pub(super) fn name_of(kind: ObjectType, id: Oid) -> String {
    format!("{kind} {id}")
}

/// libgit2's form of a tree id.
pub(super) fn tree_oid(id: TreeId) -> Oid {
    raw(id.as_bytes())
}

/// Our form of the id of a tree.
pub(super) fn tree_id(oid: Oid) -> TreeId {
    TreeId(bytes(oid))
}

impl Mirror {
    /// What stands at `path` in a tree; none when nothing does. The empty path is the tree itself.
    ///
    /// # Errors
    ///
    /// When a tree on the way is missing or damaged.
    pub fn entry(&self, tree: TreeId, path: &str) -> Result<Option<Entry>, MirrorError> {
        let mut found = Entry::Tree(tree);
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let Entry::Tree(folder) = found else {
                return Ok(None);
            };
            let items = self.items(folder)?;
            match items.into_iter().find(|item| item.name == name) {
                Some(item) => found = item.entry,
                None => return Ok(None),
            }
        }
        Ok(Some(found))
    }

    /// What stands directly in a folder, by name, in the order of the tree; nothing when there is no such folder.
    ///
    /// # Errors
    ///
    /// When a tree on the way is missing or damaged.
    pub fn list(&self, tree: TreeId, folder: &str) -> Result<Vec<(String, Entry)>, MirrorError> {
        match self.entry(tree, folder)? {
            Some(Entry::Tree(id)) => Ok(self
                .items(id)?
                .into_iter()
                .map(|item| (item.name, item.entry))
                .collect()),
            Some(Entry::Blob(_)) | None => Ok(Vec::new()),
        }
    }

    /// The items of a tree.
    pub(super) fn items(&self, tree: TreeId) -> Result<Vec<Item>, MirrorError> {
        read(&self.odb()?, self.folder(), tree_oid(tree))
    }
}
