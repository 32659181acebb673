//! How a use case tells how far it is. A trait, so that nothing below the command line knows of terminals.

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Looking for local changes.
    Scan,
    /// Compressing and encrypting.
    Seal,
    /// Sending to the remote.
    Send,
    /// Asking and receiving from the remote.
    Receive,
    /// Writing local files.
    Write,
}

/// Told how far a use case is.
pub trait Progress: Sync {
    /// A phase begins: `items` files and `bytes` bytes lie ahead; 0 where that is not known.
    fn begin(&self, phase: Phase, items: u64, bytes: u64);
    /// So much more is done.
    fn advance(&self, items: u64, bytes: u64);
    /// The phase is over.
    fn end(&self);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: Phase, _: u64, _: u64) {}
    fn advance(&self, _: u64, _: u64) {}
    fn end(&self) {}
}
