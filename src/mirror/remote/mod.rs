//! What a remote is to the rest of csync.

use crate::core::id::CommitId;

use crate::mirror::error::MirrorError;
use crate::mirror::repository::Mirror;

use crate::core::transport::Transport;

use self::address::Address;
use self::automatic::Automatic;
use self::folder::PathRemote;
use self::git_command::GitCommandRemote;
use self::libgit2::GitRemote;

pub(in crate::mirror) mod address;
mod automatic;
pub(super) mod failure;
mod folder;
mod git_command;
mod git_credential;
mod inspection;
mod libgit2;
mod network;
mod personal;
mod road;
mod ssh;
mod ssh_report;

pub use self::failure::Outage;
pub use self::git_command::relay_credential;
pub use self::inspection::{HttpsReport, git_version, https_report};
pub use self::network::Network;
pub use self::road::{Road, location, road};
pub use self::ssh_report::{AgentState, HostConfig, HostKnown, KeyFile, Problem, SshHost, SshReport, ssh_report};

/// The branch of a remote that holds the vault.
pub(super) const BRANCH: &str = "refs/heads/main";

/// Where the git command puts what it fetches, for as long as it runs.
pub(super) const ARRIVING: &str = "refs/csync/arriving";

/// What became of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Push {
    /// The remote's tip is the new commit.
    Accepted,
    /// The remote's tip was not the expected one, or something else was just moving it. Fetch, merge, try again.
    LostRace,
    /// The remote refused, and would again.
    Rejected(Rejection),
}

/// A push that the remote refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Why, as far as its words tell.
    pub cause: Refusal,
    /// What it said, without secrets.
    pub said: String,
}

/// Why a remote refuses a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The branch is protected.
    ProtectedBranch,
    /// A hook of the server declined it.
    Hook,
    /// A file or the push is larger than the server takes.
    TooLarge,
    /// The repository or the account has no room left.
    Quota,
    /// This key or account may only read.
    ReadOnly,
    /// It said something else.
    Other,
}

/// What carries the exchange with a remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Carrier {
    /// A folder of this machine: nothing has to be carried.
    Folder,
    /// libgit2.
    Libgit2,
    /// The git command.
    Git {
        /// Why libgit2 could not; none where the person chose the command.
        because: Option<String>,
    },
}

/// What [`Remote::test`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tested {
    /// The remote's tip; none: it is empty.
    pub tip: Option<CommitId>,
    /// Why nothing may be written there; none where it may.
    pub not_writable: Option<String>,
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
    /// [`Pointer::Incoming`]: crate::mirror::Pointer::Incoming
    fn fetch(&mut self, mirror: &Mirror) -> Result<Option<CommitId>, MirrorError>;

    /// Moves the remote's tip from `expected` (none: an empty remote) to `new`, which must be built upon it, with all
    /// that it needs. Never moves it from anywhere else.
    ///
    /// # Errors
    ///
    /// [`MirrorError::NotAContinuation`]; when the remote cannot be reached. The push may have arrived nonetheless: the next fetch tells.
    fn push(&mut self, mirror: &Mirror, expected: Option<CommitId>, new: CommitId) -> Result<Push, MirrorError>;

    /// Makes sure that the remote can be reached and read, and finds out whether it may be written, without writing.
    ///
    /// # Errors
    ///
    /// When it cannot be reached or read.
    fn test(&mut self) -> Result<Tested, MirrorError>;

    /// What carries the exchange, as of its last use.
    fn carrier(&self) -> Carrier;
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
/// [`MirrorError::BadAddress`]; [`MirrorError::NoGitCommand`] where that is to carry the exchange. Whether anything is at
/// the address is found out by the first use.
pub fn connect<'a>(url: &str, network: &Network<'a>) -> Result<Box<dyn Remote + 'a>, MirrorError> {
    crate::mirror::library::init_library();
    let url = match address::parse(url)? {
        Address::Folder(folder) => return Ok(Box::new(PathRemote::new(folder))),
        Address::Server(url) => url,
    };
    let network = network.clone();
    Ok(match network.transport {
        Transport::Auto => Box::new(Automatic::new(url, network)),
        Transport::Libgit2 => Box::new(GitRemote::new(url, network)),
        Transport::Git => Box::new(GitCommandRemote::new(url, network, None)?),
    })
}
