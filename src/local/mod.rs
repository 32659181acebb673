//! This machine's files: scanning, reading, replacing, and the sandbox that paths are held in.
//!
//! Everything hangs on a [`Root`]: a folder that an agent keeps its data in. Paths in it are `/`-separated texts, checked
//! again each time, and no operation ever leaves the root, whatever links stand in it.

mod conflict_files;
mod error;
mod faults;
mod ignores;
mod late;
mod metadata;
mod names;
mod place;
mod private;
mod replace;
mod root;
mod sandbox;
mod scan;

pub use conflict_files::conflict_files_of;
pub use error::LocalError;
pub use faults::{Faults, NoFaults, Operation, ReadOnly};
pub use ignores::UserIgnores;
pub use late::Settled;
pub use names::conflict_base;
pub use place::{Place, free_space, look_at};
pub use private::{check_private, check_private_file, write_private};
pub use replace::{Expected, Written};
pub use root::{OpenFile, Root};
pub use scan::{Found, Problem, Rules, Scan, scan};
