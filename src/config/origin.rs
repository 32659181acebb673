//! Which layer a value came from.

use std::fmt;
use std::path::PathBuf;

/// The layer that won, strongest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A flag of this run, with its dashes.
    Flag(&'static str),
    /// A variable of the environment, without `$`.
    Variable(&'static str),
    /// The configuration file.
    File(PathBuf),
    /// Nothing was said.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Variable(name) => write!(f, "environment {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}
