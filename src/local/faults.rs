//! A place to break: what tests need to fail each single change of the disk.

use std::io;
use std::path::Path;

/// A change of the disk that is about to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Make a folder.
    CreateFolder,
    /// Make a temporary file.
    CreateTemporary,
    /// Write bytes to a temporary file.
    Write,
    /// Set the permission bits of a temporary file.
    SetMode,
    /// Set the modification time of a temporary file.
    SetTimes,
    /// Flush a file to the disk.
    Sync,
    /// Put a temporary file in its place; the path is the place.
    Rename,
    /// Flush a folder to the disk.
    SyncFolder,
    /// Look for late writes to the file that was replaced; what is found is added to the path.
    Salvage,
    /// Remove a file.
    Remove,
}

/// Asked before each change of the disk. An error stands in for the system's: the change is then not made.
///
/// Tests also use it as a clock hand: whatever they do to the files in `before` happens at exactly that instant.
pub trait Faults: Send + Sync {
    /// Whether `operation` on `path` may go on.
    ///
    /// # Errors
    /// The one that the caller shall see.
    fn before(&self, operation: Operation, path: &Path) -> io::Result<()>;
}

/// Nothing ever fails but by itself: what is used outside of tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFaults;

impl Faults for NoFaults {
    fn before(&self, _: Operation, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// Refuses everything that would change a file: the ports of a dry run.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReadOnly;

impl Faults for ReadOnly {
    fn before(&self, _operation: Operation, _path: &Path) -> io::Result<()> {
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "nothing is changed in a dry run",
        ))
    }
}
