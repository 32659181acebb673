//! The local bare repository and the remotes it is exchanged with, through libgit2.
//!
//! The mirror has no work tree: it is objects, packs and four pointers. What it stores is sealed before it arrives
//! here, and nothing in it is ever executed or, apart from the few settings that csync itself writes, read as
//! configuration. No `git2` type leaves this room.
//!
//! - [`Mirror`] reads: pointers, commits, trees, blobs, and what differs between two trees.
//! - [`Writer`] writes: any number of objects that appear together, durably, or not at all.
//! - [`Remote`] exchanges: a fetch lands on [`Pointer::Incoming`], a push moves the remote's branch from the
//!   expected tip to the new one, or says that it lost the race.
//!
//! At any time one process at most writes to a mirror (the vault's lock sees to that); others may read.

mod changes;
mod consolidate;
mod edit;
mod error;
mod health;
mod history;
mod library;
mod pack;
mod pointer;
mod reach;
mod remote;
mod repository;
mod spool;
mod tree;
mod writer;

#[cfg(test)]
mod oracle;

pub use changes::TreeChange;
pub use edit::{Put, TreeEdit};
pub use error::MirrorError;
pub use health::Health;
pub use history::CommitInfo;
pub use library::init_library_with as prepare;
pub use pointer::Pointer;
pub use remote::{
    AgentState, Carrier, HostConfig, HostKnown, HttpsReport, KeyFile, Network, Outage, Problem, Push, Refusal,
    Rejection, Remote, Road, SshHost, SshReport, Tested, connect, git_version, https_report, location,
    relay_credential, road, ssh_report,
};
pub use repository::{Mirror, create_bare};
pub use tree::Entry;
pub use writer::Writer;

/// The largest object that csync takes from a repository, in bytes.
///
/// A segment is 1 MiB of content at most and the widest tree of a vault of millions of files a few MiB, so that anything
/// larger was not made by csync, and is refused before it is read (a host may have put it there to fill the memory).
const LARGEST_OBJECT: usize = 64 << 20;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
