//! The configuration: its layers, and where each value came from.
//!
//! A value comes from the strongest layer that has one: a flag, the environment, the file, the default. One
//! [table](SETTINGS) says which settings there are. A configuration never holds a secret.

mod environment;
mod error;
mod file;
mod origin;
mod paths;
mod settings;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::environment::{Environment, SECRET_VARIABLES};
pub use self::error::{ConfigError, Place};
pub use self::origin::Origin;
pub use self::paths::Paths;
pub use self::settings::{Fallback, SETTINGS, Setting, nearest, setting};
pub use self::value::{BadValue, Shape, Value};
use crate::core::device::DeviceName;
use crate::core::id::VaultId;
use crate::core::transport::{Timeouts, Transport};

/// A value that a flag of this run gives to a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagValue {
    /// The setting.
    pub key: &'static str,
    /// The flag, with its dashes.
    pub flag: &'static str,
    /// What was given.
    pub texts: Vec<String>,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ColorChoice {
    /// On a terminal, unless the environment says otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What is configured for Claude Code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaudeConfig {
    /// The folder that it keeps its data in; absolute.
    pub path: PathBuf,
    /// Patterns of what is synced; empty means all that csync knows.
    pub include: Vec<String>,
    /// Patterns of what is not synced.
    pub exclude: Vec<String>,
    /// Keys of settings.json that are synced although they stay on each machine otherwise.
    pub send_keys: Vec<String>,
    /// Local project folders (absolute, `~` replaced) and their projects' names on every machine.
    pub projects: BTreeMap<PathBuf, String>,
}

/// The whole configuration of a run.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the vault is kept.
    pub remote: Option<String>,
    /// The name of this machine.
    pub device: Option<DeviceName>,
    /// The vault that this machine has joined.
    pub vault: Option<VaultId>,
    /// Claude Code.
    pub claude: ClaudeConfig,
    /// The breaker: the share of files, in percent, that one run may delete or cut.
    pub max_delete: u8,
    /// How often what can succeed later is tried again.
    pub max_retries: u32,
    /// How long to wait before the first new try.
    pub backoff: Duration,
    /// How long the network may keep us waiting.
    pub timeouts: Timeouts,
    /// What talks to the remote.
    pub transport: Transport,
    /// The pager's command line; `None` leaves it to `PAGER`.
    pub pager: Option<String>,
    /// When to use colours.
    pub color: ColorChoice,
    entries: Vec<Entry>,
}

/// One setting with its value and where that came from: a line of `csync config show`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The setting.
    pub setting: &'static Setting,
    /// Its value, if any layer has one.
    pub value: Option<Value>,
    /// The layer that won.
    pub origin: Origin,
}

impl Config {
    /// Reads the configuration file of `paths`, if there is one, and lays flags and the environment over it.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when the file cannot be read, has a key that csync does not know, or any layer has a value that its
    /// key cannot have.
    pub fn load(environment: &Environment, paths: &Paths, flags: &[FlagValue]) -> Result<Self, ConfigError> {
        let file = paths.config_file();
        let text = Self::file_text(paths)?;
        Self::from_layers(environment, text.as_deref().map(|text| (file.as_path(), text)), flags)
    }

    /// The defaults alone, for the home folder of `environment`: what is left where no layer can be read.
    #[must_use]
    pub fn defaults(environment: &Environment) -> Self {
        let nothing: [(&str, &str); 0] = [];
        let bare = Environment::new(environment.home(), nothing);
        Self::from_layers(&bare, None, &[]).expect("the defaults are values of their settings, which a test holds")
    }

    /// The text of the configuration file of `paths`; `None` when there is none.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Unreadable`] when it is there and cannot be read, is not UTF-8, or is too large to be one.
    pub fn file_text(paths: &Paths) -> Result<Option<String>, ConfigError> {
        let path = paths.config_file();
        let read = || {
            let mut text = String::new();
            let file = std::fs::File::open(&path)?;
            file.take(file::MAX_BYTES + 1).read_to_string(&mut text)?;
            if text.len() as u64 > file::MAX_BYTES {
                return Err(std::io::Error::other("it is larger than 1 MiB"));
            }
            Ok(text)
        };
        match read() {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ConfigError::Unreadable { path, source }),
        }
    }

    /// The configuration of these layers; the file with its path, for messages. Touches nothing.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as [`load`](Self::load).
    pub fn from_layers(
        environment: &Environment,
        file: Option<(&Path, &str)>,
        flags: &[FlagValue],
    ) -> Result<Self, ConfigError> {
        let mut in_file = match file {
            Some((path, text)) => file::read(path, text, environment)?,
            None => BTreeMap::new(),
        };
        let mut entries = Vec::with_capacity(SETTINGS.len());
        for setting in &SETTINGS {
            let flag = flags.iter().rev().find(|flag| flag.key == setting.key);
            let (texts, origin) = if let Some(flag) = flag {
                (flag.texts.clone(), Origin::Flag(flag.flag))
            } else if let Some((name, text)) = variable(environment, setting.variable) {
                (vec![text], Origin::Variable(name))
            } else if let Some((value, (path, _))) = in_file.remove(setting.key).zip(file) {
                entries.push(Entry {
                    setting,
                    value: Some(value),
                    origin: Origin::File(path.to_owned()),
                });
                continue;
            } else {
                match setting.fallback {
                    Fallback::Unset => {
                        entries.push(Entry {
                            setting,
                            value: None,
                            origin: Origin::Default,
                        });
                        continue;
                    }
                    Fallback::Text(text) => (vec![text.to_owned()], Origin::Default),
                    Fallback::Foreign(name, text) => match variable(environment, Some(name)) {
                        Some((name, text)) => (vec![text], Origin::Variable(name)),
                        None => (vec![text.to_owned()], Origin::Default),
                    },
                }
            };
            let value = read_texts(setting, &texts, environment, origin.clone().into())?;
            entries.push(Entry {
                setting,
                value: Some(value),
                origin,
            });
        }
        Ok(Self::from_entries(environment, entries))
    }

    fn from_entries(environment: &Environment, entries: Vec<Entry>) -> Self {
        let value = |key: &str| {
            let entry = entries.iter().find(|entry| entry.setting.key == key);
            entry
                .expect("every key that is asked for is in the table")
                .value
                .clone()
        };
        let text = |key| match value(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        };
        let list = |key| match value(key) {
            Some(Value::List(texts)) => texts,
            _ => Vec::new(),
        };
        let number = |key| match value(key) {
            Some(Value::Number(number)) => number,
            _ => 0,
        };

        let config = Self {
            remote: text("remote"),
            device: text("device").and_then(|name| name.try_into().ok()),
            vault: text("vault").and_then(|id| id.parse().ok()),
            claude: ClaudeConfig {
                path: match value("claude.path") {
                    Some(Value::Path(path)) => path,
                    _ => environment.home().join(".claude"),
                },
                include: list("claude.include"),
                exclude: list("claude.exclude"),
                send_keys: list("claude.send_keys"),
                projects: match value("claude.projects") {
                    Some(Value::Map(entries)) => entries
                        .into_iter()
                        .map(|(folder, name)| (environment.resolve(folder.as_ref()), name))
                        .collect(),
                    _ => BTreeMap::new(),
                },
            },
            max_delete: u8::try_from(number("max_delete")).unwrap_or(100),
            max_retries: u32::try_from(number("max_retries")).unwrap_or(u32::MAX),
            backoff: Duration::from_millis(number("backoff")),
            timeouts: Timeouts {
                connect: Duration::from_secs(number("connect_timeout")),
                idle: Duration::from_secs(number("idle_timeout")),
            },
            transport: match text("transport").as_deref() {
                Some("libgit2") => Transport::Libgit2,
                Some("git") => Transport::Git,
                _ => Transport::Auto,
            },
            pager: text("pager"),
            color: match text("color").as_deref() {
                Some("always") => ColorChoice::Always,
                Some("never") => ColorChoice::Never,
                _ => ColorChoice::Auto,
            },
            entries: Vec::new(),
        };
        Self { entries, ..config }
    }

    /// Every setting with its value and where that came from, in the order of [`SETTINGS`].
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry of one key.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnknownKey`] when there is no such key.
    pub fn entry(&self, key: &str) -> Result<&Entry, ConfigError> {
        self.entries
            .iter()
            .find(|entry| entry.setting.key == key)
            .ok_or_else(|| unknown(key))
    }
}

/// The text of a configuration file after `key` was set to `texts`, checked as reading it would. Comments and order stay.
///
/// A list takes the texts as its items; a map takes them as `KEY=NAME` and keeps its other entries; everything else takes one text.
/// `path` is the file's, for messages; the caller writes the result there.
///
/// # Errors
///
/// [`ConfigError`] when the key is unknown, a text is not a value of it, or `text` is not TOML.
pub fn set(
    path: &Path,
    text: &str,
    key: &str,
    texts: &[String],
    environment: &Environment,
) -> Result<String, ConfigError> {
    let setting = setting(key).ok_or_else(|| unknown(key))?;
    let checked = read_texts(setting, texts, environment, Place::Request)?;
    // A path goes to the file as it was written: `~` stays `~`, so that the file means the same on another machine.
    // A relative one is made absolute, for it would mean something else in each working folder.
    let value = match (checked, texts) {
        (Value::Path(_), [text]) if text.starts_with('~') => Value::Text(text.clone()),
        (checked, _) => checked,
    };
    file::edit(path, text, setting, value)
}

fn unknown(key: &str) -> ConfigError {
    ConfigError::UnknownKey {
        place: Place::Request,
        key: key.to_owned(),
        nearest: nearest(key),
    }
}

fn variable(environment: &Environment, name: Option<&'static str>) -> Option<(&'static str, String)> {
    let name = name?;
    let value = environment.variable(name)?;
    Some((name, value.to_string_lossy().into_owned()))
}

fn read_texts(
    setting: &Setting,
    texts: &[String],
    environment: &Environment,
    place: Place,
) -> Result<Value, ConfigError> {
    let read = setting.shape.read(texts, environment);
    read.map_err(|bad| ConfigError::BadValue {
        place,
        key: setting.key,
        expected: bad.expected,
        found: bad.found,
    })
}
