//! What this machine remembers between runs: the lock that lets one run work at a time, the index,
//! and which road leads to the remote.
//!
//! Nothing here is an authority. The index saves the work of reading files again; whoever deletes it loses time alone.

mod carrier;
mod error;
mod folder;
mod index;
mod lock;

pub use carrier::Switched;
pub use error::StateError;
pub use index::{Agreed, Index, Row};
pub use lock::{Holder, Lock};
