//! What this machine remembers between runs: the lock that lets one run work at a time, and the index.
//!
//! Nothing here is an authority. The index saves the work of reading files again; whoever deletes it loses time alone.

mod error;
mod folder;
mod index;
mod lock;

pub use error::StateError;
pub use index::{Agreed, Index, Row};
pub use lock::{Holder, Lock};
