//! What a remote is to the rest of csync.

use crate::core::id::CommitId;

use super::address::{self, Address};
use super::error::MirrorError;
use super::git_remote::GitRemote;
use super::path_remote::PathRemote;
use super::repository::Mirror;

/// The branch of a remote that holds the vault.
pub(super) const BRANCH: &str = "refs/heads/main";

/// What became of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Push {
    /// The remote's tip is the new commit.
    Accepted,
    /// The remote's tip was not the expected one, or something else was just moving it. Fetch, merge, try again.
    LostRace,
    /// The remote refused, and would again.
    Rejected {
        /// What the remote said.
        reason: String,
    },
}

/// Storage that keeps a vault and moves its tip from one commit to the next, for one machine at a time.
pub trait Remote {
    /// Its address for people and logs, without secrets.
    fn location(&self) -> String;

    /// Brings the remote's tip and all that it needs into the mirror and sets [`Pointer::Incoming`] to it; none when
    /// the remote is empty, and then the pointer is left alone. When the mirror has that tip, this takes one round trip.
    ///
    /// What arrives is complete, and otherwise unverified: whether its seals hold is for the caller to find out.
    ///
    /// # Errors
    ///
    /// When the remote cannot be reached, or what it sends is damaged or incomplete.
    ///
    /// [`Pointer::Incoming`]: super::Pointer::Incoming
    fn fetch(&mut self, mirror: &Mirror) -> Result<Option<CommitId>, MirrorError>;

    /// Moves the remote's tip from `expected` (none: an empty remote) to `new`, which must be built upon it, with all
    /// that it needs. Never moves it from anywhere else.
    ///
    /// # Errors
    ///
    /// [`MirrorError::NotAContinuation`]; when the remote cannot be reached. The push may have arrived nonetheless: the next fetch tells.
    fn push(&mut self, mirror: &Mirror, expected: Option<CommitId>, new: CommitId) -> Result<Push, MirrorError>;

    /// Makes sure that the remote can be reached and read.
    ///
    /// # Errors
    ///
    /// When it cannot.
    fn test(&mut self) -> Result<(), MirrorError>;
}

/// Refuses to push a commit that does not go back to the tip that it replaces.
pub(super) fn check_continues(
    mirror: &Mirror,
    expected: Option<CommitId>,
    new: CommitId,
    location: String,
) -> Result<(), MirrorError> {
    match expected {
        Some(tip) if !mirror.is_ancestor(tip, new)? => Err(MirrorError::NotAContinuation { new, tip, location }),
        _ => Ok(()),
    }
}

/// The remote that an address names: a folder of this machine (a path or a `file://` URL), or a server.
///
/// # Errors
///
/// [`MirrorError::BadAddress`]. Whether anything is there is found out by the first use.
pub fn connect(url: &str) -> Result<Box<dyn Remote + Send>, MirrorError> {
    super::library::init_library();
    Ok(match address::parse(url)? {
        Address::Folder(folder) => Box::new(PathRemote::new(folder)),
        Address::Server(url) => Box::new(GitRemote::new(url)),
    })
}
