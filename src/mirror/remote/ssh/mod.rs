//! What OpenSSH has on this machine, for a transport that is not OpenSSH: the hosts that the person knows, the agent, the
//! key files, and what `~/.ssh/config` makes of a host.
//!
//! libgit2 speaks SSH through libssh2, which knows none of these well enough. Everything is read as OpenSSH reads it; where
//! csync cannot do what OpenSSH would do, it says so, and the git command carries the transfer.

pub mod agent;
pub mod config;
pub mod host_keys;
pub mod key_files;
pub mod known_hosts;
mod wire;

pub use wire::{fingerprint, key_type};
