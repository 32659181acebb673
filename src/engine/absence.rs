//! Being offline, as a value: who cannot be reached, and why.

use super::patience::what_happened;
use crate::error::{Error, Kind};
use crate::mirror::MirrorError;

/// That the remote is out of reach for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absence {
    /// Why, in words: `git.example.org refused the connection`.
    pub why: String,
    /// What the transport said, with the remote's address without secrets.
    pub said: String,
}

impl Absence {
    /// The absence that is behind an error; none where it is of another kind.
    pub(super) fn of(error: &Error) -> Option<Self> {
        let mut source = std::error::Error::source(error);
        while let Some(inner) = source {
            if let Some(error @ MirrorError::Network { location, outage, .. }) = inner.downcast_ref()
                && outage.is_absence()
            {
                return Some(Self {
                    why: what_happened(error.proxy(), location, *outage),
                    said: inner.to_string(),
                });
            }
            source = inner.source();
        }
        None
    }

    /// The same as an error, for who reads no summary. `pending` files are sealed and wait.
    #[must_use]
    pub fn as_error(&self, pending: usize) -> Error {
        Error::new(Kind::Network, self.said.clone()).hint(match pending {
            0 => "nothing was lost: check the network and the address, then run the command again".to_owned(),
            1 => "nothing was lost: 1 file is sealed and goes with the next `csync sync`".to_owned(),
            _ => format!("nothing was lost: {pending} files are sealed and go with the next `csync sync`"),
        })
    }
}
