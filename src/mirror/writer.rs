//! Writing objects: any number, seen all together or not at all.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use git2::{ObjectType, OdbLookupFlags, Oid};

use crate::core::id::{BlobId, CommitId, TreeId};

use super::edit::{self, Put, TreeEdit, Trees};
use super::error::MirrorError;
use super::pack::{PackFile, id_of};
use super::pointer::{bytes, commit_id, raw};
use super::repository::Mirror;
use super::tree::{self, Item, name_of, tree_id, tree_oid};

/// Up to so many objects, and so many bytes of them, are written one file each; a pack would only add to the packs.
const FEW: usize = 16;
const SMALL: usize = 256 << 10;

/// Author and committer of every commit: who wrote it, when and where is in the sealed note.
const NOBODY: &str = "csync <csync@localhost> 0 +0000";

/// Objects in the making. Nothing of them is visible before [`Writer::finish`]; dropped, it leaves nothing.
///
/// Memory is bounded by a few small objects, the trees written here, and thirty-two bytes for each object.
pub struct Writer<'mirror> {
    odb: git2::Odb<'mirror>,
    place: PathBuf,
    /// Objects that wait here until they are too many or too large to be written one by one.
    waiting: Vec<(Oid, ObjectType, Vec<u8>)>,
    waiting_bytes: usize,
    pack: Option<PackFile>,
    written: HashSet<Oid>,
    /// The trees written here, so that they can be changed further.
    trees: HashMap<Oid, Vec<u8>>,
    bytes: u64,
}

impl Mirror {
    /// Begins to write.
    ///
    /// # Errors
    ///
    /// When the object database cannot be opened.
    pub fn writer(&self) -> Result<Writer<'_>, MirrorError> {
        Writer::new(&self.repository)
    }
}

impl<'mirror> Writer<'mirror> {
    /// Begins to write to a repository.
    pub(super) fn new(repository: &'mirror git2::Repository) -> Result<Self, MirrorError> {
        let place = repository.path().to_owned();
        let odb = repository
            .odb()
            .map_err(|error| MirrorError::git("open the objects", &place, &error))?;
        Ok(Self {
            odb,
            place,
            waiting: Vec::new(),
            waiting_bytes: 0,
            pack: None,
            written: HashSet::new(),
            trees: HashMap::new(),
            bytes: 0,
        })
    }

    /// Adds a file's content.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn blob(&mut self, content: &[u8]) -> Result<BlobId, MirrorError> {
        self.object(ObjectType::Blob, content).map(|oid| BlobId(bytes(oid)))
    }

    /// Adds the tree that `base` (none: the empty tree) becomes by the edits, with all the folders that change in it.
    /// Base and edits may name objects of the mirror and of this writer. Of several edits at one path the last counts;
    /// those of a folder count before those in it, so that one removed and filled in one call holds what was put.
    ///
    /// # Errors
    ///
    /// [`MirrorError::BadPath`]; [`MirrorError::Missing`] when an edit puts an object that is in neither; when the
    /// disk refuses.
    pub fn tree(&mut self, base: Option<TreeId>, edits: &[TreeEdit]) -> Result<TreeId, MirrorError> {
        let edits = edit::gather(edits)?;
        match edit::apply(self, base, edits)? {
            Some(id) => Ok(id),
            None => Trees::write(self, Vec::new()),
        }
    }

    /// Adds a commit of `tree` upon `parents`. It says nothing about who made it, or when.
    ///
    /// # Errors
    ///
    /// [`MirrorError::Missing`] when the tree or a parent is in neither the mirror nor this writer; when the disk refuses.
    pub fn commit(&mut self, tree: TreeId, parents: &[CommitId], message: &str) -> Result<CommitId, MirrorError> {
        self.check_present(ObjectType::Tree, tree_oid(tree))?;
        let mut text = format!("tree {tree}\n");
        for parent in parents {
            self.check_present(ObjectType::Commit, raw(parent.as_bytes()))?;
            text += &format!("parent {parent}\n");
        }
        text += &format!("author {NOBODY}\ncommitter {NOBODY}\n\n{message}");
        self.object(ObjectType::Commit, text.as_bytes()).map(commit_id)
    }

    /// How many bytes of objects were added, without those that the mirror had already.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes all of it visible, on the disk.
    ///
    /// # Errors
    ///
    /// When the disk refuses; nothing was lost then, and nothing refers to what was written.
    pub fn finish(mut self) -> Result<(), MirrorError> {
        if self.pack.is_some() {
            self.spill()?;
        }
        match self.pack.take() {
            Some(pack) => {
                pack.finish()?;
                self.odb
                    .refresh()
                    .map_err(|error| MirrorError::git("read a new pack", &self.place, &error))?;
            }
            // In the order in which they came, so that an object never appears before what it names.
            None => {
                for (_, kind, data) in self.waiting.drain(..) {
                    self.odb
                        .write(kind, &data)
                        .map_err(|error| MirrorError::git("write an object", &self.place, &error))?;
                }
            }
        }
        Ok(())
    }

    /// Adds an object of any kind.
    pub(super) fn object(&mut self, kind: ObjectType, data: &[u8]) -> Result<Oid, MirrorError> {
        let id = id_of(kind, data);
        if self.has(id) {
            return Ok(id);
        }
        self.bytes += data.len() as u64;
        let few = self.waiting.len() < FEW && self.waiting_bytes + data.len() <= SMALL;
        if few && self.pack.is_none() {
            self.waiting_bytes += data.len();
            self.waiting.push((id, kind, data.to_owned()));
        } else {
            self.spill()?.add(id, kind, data)?;
        }
        self.written.insert(id);
        Ok(id)
    }

    /// Whether the repository has an object. It is not asked to look for new packs, which it would do for each that is
    /// not there; none appear while we hold the vault's lock, and to write an object twice does no harm.
    fn exists(&self, id: Oid) -> bool {
        self.odb.exists_ext(id, OdbLookupFlags::NO_REFRESH)
    }

    /// Whether an object is in the repository or in this writer.
    pub(super) fn has(&self, id: Oid) -> bool {
        self.written.contains(&id) || self.exists(id)
    }

    /// Turns to writing a pack, beginning with what waits.
    fn spill(&mut self) -> Result<&mut PackFile, MirrorError> {
        let mut pack = match self.pack.take() {
            Some(pack) => pack,
            None => PackFile::begin(&pack_folder(&self.place))?,
        };
        for (id, kind, data) in self.waiting.drain(..) {
            pack.add(id, kind, &data)?;
        }
        self.waiting_bytes = 0;
        Ok(self.pack.insert(pack))
    }

    fn check_present(&self, kind: ObjectType, id: Oid) -> Result<(), MirrorError> {
        if self.written.contains(&id) || self.odb.exists(id) {
            return Ok(());
        }
        Err(MirrorError::Missing {
            what: name_of(kind, id),
            place: self.place.clone(),
        })
    }
}

impl Trees for Writer<'_> {
    fn read(&self, id: TreeId) -> Result<Vec<Item>, MirrorError> {
        let oid = tree_oid(id);
        match self.trees.get(&oid) {
            Some(data) => tree::parse(data)
                .map_err(|reason| MirrorError::damaged(name_of(ObjectType::Tree, oid), &self.place, reason)),
            None => tree::read(&self.odb, &self.place, oid),
        }
    }

    fn write(&mut self, items: Vec<Item>) -> Result<TreeId, MirrorError> {
        let data = tree::write(items);
        let id = self.object(ObjectType::Tree, &data)?;
        // Not if it was left out: then it is in the mirror.
        if self.written.contains(&id) {
            self.trees.insert(id, data);
        }
        Ok(tree_id(id))
    }

    fn check(&self, put: Put) -> Result<(), MirrorError> {
        match put {
            Put::Blob(id) => self.check_present(ObjectType::Blob, raw(id.as_bytes())),
            Put::Tree(id) => self.check_present(ObjectType::Tree, tree_oid(id)),
        }
    }
}

/// Where the packs of a repository are.
pub(super) fn pack_folder(repository: &Path) -> PathBuf {
    repository.join("objects").join("pack")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
