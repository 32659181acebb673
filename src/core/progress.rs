//! What a long run tells of itself while it is under way. Whoever shows it decides how, or not at all.

/// A part of a run that takes long enough to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Looking at this machine's files.
    Scan,
    /// Compressing and encrypting what changed.
    Seal,
    /// Sending to the remote.
    Send,
    /// Receiving from the remote.
    Receive,
    /// Writing to this machine's files.
    Write,
}

/// Where a run reports how far it is. One phase is under way at a time; several threads may advance it.
pub trait Progress: Sync {
    /// A phase of `items` things with `bytes` bytes in all begins; 0 where that is not known.
    fn begin(&self, phase: Phase, items: u64, bytes: u64);
    /// That many more things and bytes are done.
    fn advance(&self, items: u64, bytes: u64);
    /// The phase is over.
    fn end(&self);
    /// Does `what` while nothing is shown: it writes to the terminal itself.
    fn aside(&self, what: &mut dyn FnMut()) {
        what();
    }
}

/// Nobody is watching.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: Phase, _: u64, _: u64) {}
    fn advance(&self, _: u64, _: u64) {}
    fn end(&self) {}
}
