//! Looking at a mirror without touching it: whether all is there, how large it is, and what was left in it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::core::id::CommitId;

use super::error::MirrorError;
use super::pointer::{Pointer, oid};
use super::repository::Mirror;
use super::{reach, spool};

/// What a look at the mirror's files found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// How many packs it has.
    pub packs: usize,
    /// How many objects lie outside packs.
    pub loose: usize,
    /// How many bytes all of them take.
    pub bytes: u64,
    /// What killed runs left. While another run is at work, it may be that run's.
    pub leftovers: Vec<PathBuf>,
}

impl Mirror {
    /// Looks at the mirror's files. What cannot be read counts as not there.
    #[must_use]
    pub fn health(&self) -> Health {
        let objects = self.folder().join("objects");
        let mut health = Health {
            packs: 0,
            loose: 0,
            bytes: 0,
            leftovers: Vec::new(),
        };
        for folder in entries(&objects) {
            let is_pack = folder.ends_with("pack");
            let is_fan_out = folder.file_name().is_some_and(|name| name.len() == 2);
            for file in entries(&folder) {
                health.bytes += fs::metadata(&file).map_or(0, |about| about.len());
                health.packs += usize::from(is_pack && file.extension().is_some_and(|kind| kind == "pack"));
                health.loose += usize::from(is_fan_out);
            }
        }
        health.leftovers = spool::leftovers(self.folder());
        let pointers = Pointer::ALL.map(Pointer::reference);
        let locks = pointers.into_iter().chain(["config", "packed-refs"]);
        let locks = locks.map(|name| self.folder().join(format!("{name}.lock")));
        health.leftovers.extend(locks.filter(|lock| lock.exists()));
        health
    }

    /// Makes sure that everything is there that `tip` and its whole history need. Contents are not read, so that this takes a moment
    /// also for a large mirror.
    ///
    /// # Errors
    ///
    /// [`MirrorError::Missing`] or [`MirrorError::Damaged`] names the first object that is not as it should be.
    pub fn check_complete(&self, tip: CommitId) -> Result<(), MirrorError> {
        reach::verify(&self.repository, &[oid(tip)], &[], false)
    }
}

/// What stands in a folder; nothing where it cannot be read.
fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(Result::ok).map(|entry| entry.path())
}
