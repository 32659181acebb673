//! Which objects a commit needs, and copying them from one repository to another.

use std::collections::HashSet;
use std::path::Path;

use git2::{ObjectType, Oid, Sort};

use super::LARGEST_OBJECT;
use super::error::MirrorError;
use super::pointer::oid;
use super::repository::{Mirror, check_commits, check_header, read_object};
use super::tree::{self, Entry, Item, name_of};
use super::writer::Writer;
use crate::core::id::CommitId;

/// Tells of every object that the commits `tips` reach and the commits `known` do not, each once, and each after all
/// that it names. Commits of `known` that `source` lacks are passed over.
///
/// Trees are compared with those of the commit's parents, so that the cost is that of the difference. Memory is bounded by
/// twenty bytes for each object told.
pub(super) fn objects(
    source: &git2::Repository,
    tips: &[Oid],
    known: &[Oid],
    tell: &mut dyn FnMut(&git2::Odb<'_>, Oid, ObjectType) -> Result<(), MirrorError>,
) -> Result<(), MirrorError> {
    let place = source.path();
    let failed = |error: git2::Error| MirrorError::object("a commit".into(), place, &error);
    let odb = source.odb().map_err(failed)?;
    let here: Vec<Oid> = known.iter().copied().filter(|id| odb.exists(*id)).collect();
    check_commits(source, tips, &here)?;
    let mut walk = source.revwalk().map_err(failed)?;
    walk.set_sorting(Sort::TOPOLOGICAL | Sort::REVERSE).map_err(failed)?;
    for tip in tips {
        walk.push(*tip)
            .map_err(|error| MirrorError::object(name_of(ObjectType::Commit, *tip), place, &error))?;
    }
    for id in here {
        walk.hide(id).map_err(failed)?;
    }
    let mut told = HashSet::new();
    for id in walk {
        let id = id.map_err(failed)?;
        check_header(&odb, place, id, ObjectType::Commit, LARGEST_OBJECT as u64)?;
        let object = |error: git2::Error| MirrorError::object(name_of(ObjectType::Commit, id), place, &error);
        let commit = source.find_commit(id).map_err(object)?;
        // Parents come before their children, or are known: what is in their trees needs no telling.
        let parent = match commit.parent_ids().next() {
            Some(parent) => Some(source.find_commit(parent).map_err(object)?.tree_id()),
            None => None,
        };
        below(&odb, place, commit.tree_id(), parent, &mut told, tell)?;
        tell(&odb, id, ObjectType::Commit)?;
    }
    Ok(())
}

/// A tree whose entries are being told.
struct Folder {
    id: Oid,
    rest: std::vec::IntoIter<Item>,
    before: Vec<Item>,
}

/// Tells of what is in the tree `root` and not at the same place in the tree `before`, and of `root`.
fn below(
    odb: &git2::Odb<'_>,
    place: &Path,
    root: Oid,
    before: Option<Oid>,
    told: &mut HashSet<Oid>,
    tell: &mut dyn FnMut(&git2::Odb<'_>, Oid, ObjectType) -> Result<(), MirrorError>,
) -> Result<(), MirrorError> {
    let open = |id: Oid, before: Option<Oid>| -> Result<Folder, MirrorError> {
        Ok(Folder {
            id,
            rest: tree::read(odb, place, id)?.into_iter(),
            // What the parent had only saves work: if it cannot be read, everything is told.
            before: before
                .and_then(|id| tree::read(odb, place, id).ok())
                .unwrap_or_default(),
        })
    };
    if before == Some(root) || !told.insert(root) {
        return Ok(());
    }
    let mut stack = vec![open(root, before)?];
    while let Some(folder) = stack.last_mut() {
        let Some(item) = folder.rest.next() else {
            tell(odb, folder.id, ObjectType::Tree)?;
            stack.pop();
            continue;
        };
        let earlier = folder.before.iter().find(|other| other.name == item.name);
        let earlier = earlier.map(|other| other.entry);
        if earlier == Some(item.entry) {
            continue;
        }
        match item.entry {
            Entry::Blob(id) => {
                let id = super::pointer::raw(id.as_bytes());
                if told.insert(id) {
                    tell(odb, id, ObjectType::Blob)?;
                }
            }
            Entry::Tree(id) => {
                let earlier = match earlier {
                    Some(Entry::Tree(id)) => Some(tree::tree_oid(id)),
                    Some(Entry::Blob(_)) | None => None,
                };
                let id = tree::tree_oid(id);
                if told.insert(id) {
                    stack.push(open(id, earlier)?);
                }
            }
        }
    }
    Ok(())
}

/// Copies what `tips` need and `known` do not have from `source` into `target`, which sees it all at the end. Every
/// object is read with its hash checked; one that is missing from both is an error, and then nothing appears.
pub(super) fn copy(
    source: &git2::Repository,
    target: &git2::Repository,
    tips: &[Oid],
    known: &[Oid],
) -> Result<(), MirrorError> {
    let place = source.path();
    let mut writer = Writer::new(target)?;
    objects(source, tips, known, &mut |odb, id, kind| {
        if writer.has(id) {
            return Ok(());
        }
        check_header(odb, place, id, kind, LARGEST_OBJECT as u64)?;
        let object = read_object(odb, place, id, kind)?;
        writer.object(kind, object.data()).map(|_| ())
    })?;
    writer.finish()
}

/// Makes sure that `repository` has everything that `tips` need and `known` do not have already. Contents of files are
/// not read, unless `thorough`.
pub(super) fn verify(
    repository: &git2::Repository,
    tips: &[Oid],
    known: &[Oid],
    thorough: bool,
) -> Result<(), MirrorError> {
    let place = repository.path();
    objects(repository, tips, known, &mut |odb, id, kind| {
        check_header(odb, place, id, kind, LARGEST_OBJECT as u64)?;
        if thorough {
            read_object(odb, place, id, kind)?;
        }
        Ok(())
    })
}

impl Mirror {
    /// How many bytes of objects `new` needs that `known` does not have: about what a push of it sends.
    ///
    /// # Errors
    ///
    /// When one of them is missing or damaged.
    pub fn weight(&self, new: CommitId, known: CommitId) -> Result<u64, MirrorError> {
        let mut weight = 0;
        objects(&self.repository, &[oid(new)], &[oid(known)], &mut |odb, id, kind| {
            let (size, _) = odb
                .read_header(id)
                .map_err(|error| MirrorError::object(name_of(kind, id), self.folder(), &error))?;
            weight += size as u64;
            Ok(())
        })?;
        Ok(weight)
    }
}
