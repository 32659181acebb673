//! How a remote on a network is to be reached.

use std::time::Duration;

/// What carries fetches and pushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// libgit2, and the git command where libgit2 cannot.
    #[default]
    Auto,
    /// libgit2 alone.
    Libgit2,
    /// The git command alone, as the person has set it up.
    Git,
}

impl Transport {
    /// How the configuration writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Libgit2 => "libgit2",
            Self::Git => "git",
        }
    }
}

/// How long a network may keep us waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// How long a connection may take to come about.
    pub connect: Duration,
    /// How long a server may stay silent in the middle of a conversation.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            idle: Duration::from_secs(60),
        }
    }
}
