//! The names under which a mirror remembers commits.

use std::fmt;

use git2::{ErrorCode, Oid};

use crate::core::id::CommitId;

use super::error::MirrorError;
use super::repository::Mirror;

/// A commit that the mirror remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pointer {
    /// The last vault tip that this machine has seen and verified.
    Tip,
    /// What this machine last agreed on with the vault. Never leaves the machine.
    Base,
    /// What the last fetch brought, not yet verified. All its objects are there.
    Incoming,
    /// The newest of the commits that were sealed here and are not known to be at the remote. Its history goes back to
    /// [`Pointer::Tip`].
    Outgoing,
}

impl Pointer {
    /// All of them.
    pub(super) const ALL: [Self; 4] = [Self::Tip, Self::Base, Self::Incoming, Self::Outgoing];

    /// The reference that holds it.
    pub(super) const fn reference(self) -> &'static str {
        match self {
            Self::Tip => "refs/heads/main",
            Self::Base => "refs/csync/base",
            Self::Incoming => "refs/csync/incoming",
            Self::Outgoing => "refs/csync/outgoing",
        }
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reference())
    }
}

impl Mirror {
    /// Where a pointer stands; none when it was never set.
    ///
    /// # Errors
    ///
    /// When the reference cannot be read.
    pub fn get(&self, pointer: Pointer) -> Result<Option<CommitId>, MirrorError> {
        match read(&self.repository, pointer.reference()) {
            Ok(found) => Ok(found.map(commit_id)),
            Err(error) => Err(MirrorError::damaged(
                pointer.to_string(),
                self.folder(),
                super::error::text(&error),
            )),
        }
    }

    /// Moves a pointer from `expected` to `new`, durably. The commit must be in the mirror.
    ///
    /// # Errors
    ///
    /// [`MirrorError::Moved`] when the pointer does not stand at `expected`: it is left as it is.
    pub fn set(&self, pointer: Pointer, expected: Option<CommitId>, new: CommitId) -> Result<(), MirrorError> {
        if expected == Some(new) && self.get(pointer)? == expected {
            return Ok(());
        }
        match compare_and_swap(&self.repository, pointer.reference(), expected.map(oid), oid(new)) {
            Ok(true) => Ok(()),
            Ok(false) => Err(MirrorError::Moved { pointer }),
            Err(error) => Err(MirrorError::git("move a reference", self.folder(), &error)),
        }
    }

    /// Puts a pointer back to where it was, wherever it is now; none: it is removed.
    ///
    /// # Errors
    ///
    /// As [`Mirror::set`].
    pub fn restore(&self, pointer: Pointer, commit: Option<CommitId>) -> Result<(), MirrorError> {
        match commit {
            Some(commit) => self.set(pointer, self.get(pointer)?, commit),
            None => self.clear(pointer),
        }
    }

    /// Removes a pointer, if it is there. The commits stay.
    ///
    /// # Errors
    ///
    /// When the reference cannot be removed.
    pub fn clear(&self, pointer: Pointer) -> Result<(), MirrorError> {
        let failed = |error: &git2::Error| MirrorError::git("remove a reference", self.folder(), error);
        match self.repository.find_reference(pointer.reference()) {
            Ok(mut reference) => reference.delete().map_err(|error| failed(&error)),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(()),
            Err(error) => Err(failed(&error)),
        }
    }
}

/// The object that the direct reference `name` names; none when there is no such reference.
pub(super) fn read(repository: &git2::Repository, name: &str) -> Result<Option<Oid>, git2::Error> {
    match repository.find_reference(name) {
        Ok(reference) => reference
            .target()
            .map(Some)
            .ok_or_else(|| git2::Error::from_str("the reference names another reference, not a commit")),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Moves the reference `name` from `expected` to `new` under its lock; false when it stands elsewhere, or when another
/// process holds its lock and so is about to move it.
pub(super) fn compare_and_swap(
    repository: &git2::Repository,
    name: &str,
    expected: Option<Oid>,
    new: Oid,
) -> Result<bool, git2::Error> {
    const MESSAGE: &str = "csync";
    // Zero stands for "there is none". `git_reference_create` without force would look before it takes the lock, and two that
    // create the same reference at once would both succeed.
    let old = expected.unwrap_or(Oid::ZERO_SHA1);
    let moved = repository.reference_matching(name, new, true, old, MESSAGE);
    match moved {
        Ok(_) => Ok(true),
        Err(error) => match error.code() {
            ErrorCode::Exists | ErrorCode::Modified | ErrorCode::Locked => Ok(false),
            // libgit2 says so when the reference that should have matched is gone, but also when `new` does not exist.
            ErrorCode::NotFound if read(repository, name)? != expected => Ok(false),
            _ => Err(error),
        },
    }
}

/// libgit2's form of a commit id.
pub(super) fn oid(id: CommitId) -> Oid {
    raw(id.as_bytes())
}

/// Our form of the id of a commit.
pub(super) fn commit_id(oid: Oid) -> CommitId {
    CommitId(bytes(oid))
}

/// libgit2's form of the id of any object.
pub(super) fn raw(id: &[u8; 20]) -> Oid {
    Oid::from_bytes(id).expect("an object id has twenty bytes")
}

/// The bytes of the id of any object.
pub(super) fn bytes(oid: Oid) -> [u8; 20] {
    oid.as_bytes()
        .try_into()
        .expect("the mirror's repository format has ids of twenty bytes")
}
