//! What can be wrong with a configuration. All of it is the person's to mend, so each error says where and how.

use std::path::PathBuf;

use super::origin::Origin;
use super::settings::setting;
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
    #[error("{place}unknown key `{key}`")]
    UnknownKey {
        /// Where it stands.
        place: Place,
        /// The key, with its tables.
        key: String,
        /// The known key that is most like it.
        nearest: Option<&'static str>,
    },
    /// A value that its key cannot have.
    #[error("{place}`{key}` must be {expected}, not {found}")]
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
pub enum Place {
    /// In the configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// The line in it, counted from 1.
        line: Option<usize>,
    },
    /// In a variable of the environment.
    Variable(&'static str),
    /// In a flag.
    Flag(&'static str),
    /// In what the person asked for just now.
    Request,
}

impl From<Origin> for Place {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::File(path) => Self::File { path, line: None },
            Origin::Variable(name) => Self::Variable(name),
            Origin::Flag(flag) => Self::Flag(flag),
            Origin::Default => Self::Request,
        }
    }
}

/// The place as the beginning of a message.
impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { path, line: Some(line) } => write!(f, "`{}`, line {line}: ", path.display()),
            Self::File { path, line: None } => write!(f, "`{}`: ", path.display()),
            Self::Flag(flag) => write!(f, "`{flag}`: "),
            Self::Variable(name) => write!(f, "${name}: "),
            Self::Request => Ok(()),
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
            ConfigError::BadValue { place, key, .. } => match place {
                Place::File { .. } => format!("mend it there, or run `csync config set {key} VALUE`"),
                Place::Variable(name) => format!("change {name}, or unset it"),
                Place::Flag(_) | Place::Request => match setting(key) {
                    Some(setting) => format!("{key}: {}", setting.about),
                    None => "`csync config show` lists every key and its value".to_owned(),
                },
            },
        };
        let told = Self::new(Kind::Usage, error.to_string()).hint(hint);
        match error {
            ConfigError::Unreadable { source, .. } => told.caused_by(source),
            _ => told,
        }
    }
}
