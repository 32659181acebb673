//! What can be wrong with a configuration. All of it is the person's to mend, so each error says where and how.

use std::path::PathBuf;

use super::origin::Origin;
use crate::error::{Error, Kind};

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Nothing says where the home folder is.
    #[error("the home folder is unknown")]
    NoHome,
    /// The file is there and cannot be read.
    #[error("cannot read the configuration `{}`", path.display())]
    Unreadable {
        /// The configuration file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("`{}`, line {line}: {problem}", path.display())]
    Syntax {
        /// The configuration file.
        path: PathBuf,
        /// Where in it, counted from 1.
        line: usize,
        /// What the parser says, on one line.
        problem: String,
    },
    /// A key that csync does not know.
    #[error("{place} has an unknown key `{key}`")]
    UnknownKey {
        /// Where it stands.
        place: Place,
        /// The key, with its tables.
        key: String,
        /// The known key that is most like it.
        nearest: Option<&'static str>,
    },
    /// A value that its key cannot have.
    #[error("{place}: `{key}` must be {expected}, not {found}")]
    BadValue {
        /// Where it stands.
        place: Place,
        /// The key, with its tables.
        key: &'static str,
        /// What the key takes.
        expected: String,
        /// What stands there; a kind of value rather than the value where that could be a secret.
        found: String,
    },
}

/// Where something wrong stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The layer.
    pub origin: Origin,
    /// The line in a file, counted from 1.
    pub line: Option<usize>,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.origin, self.line) {
            (Origin::File(path), Some(line)) => write!(f, "`{}`, line {line}", path.display()),
            (Origin::File(path), None) => write!(f, "`{}`", path.display()),
            (Origin::Flag(flag), _) => write!(f, "`{flag}`"),
            (Origin::Variable(name), _) => write!(f, "${name}"),
            (Origin::Default, _) => f.write_str("the default"),
        }
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        let hint = match &error {
            ConfigError::NoHome => "set HOME to your home folder".to_owned(),
            ConfigError::Unreadable { path, .. } => {
                format!(
                    "make `{}` a text file that you may read, or move it away",
                    path.display()
                )
            }
            ConfigError::Syntax { path, .. } => format!("mend that line of `{}`", path.display()),
            ConfigError::UnknownKey { nearest: Some(key), .. } => format!("did you mean `{key}`?"),
            ConfigError::UnknownKey { nearest: None, .. } => "`csync config show` lists every key".to_owned(),
            ConfigError::BadValue { place, key, .. } => match &place.origin {
                Origin::File(_) => format!("mend it there, or run `csync config set {key} VALUE`"),
                Origin::Variable(name) => format!("change {name}, or unset it"),
                Origin::Flag(_) | Origin::Default => "`csync config show` lists every key and its value".to_owned(),
            },
        };
        let told = Self::new(Kind::Usage, error.to_string()).hint(hint);
        match error {
            ConfigError::Unreadable { source, .. } => told.caused_by(source),
            _ => told,
        }
    }
}
