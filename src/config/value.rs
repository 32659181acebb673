//! The values that settings take, and how each is read from a text and from TOML.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use toml_edit::{Array, InlineTable, Item};

use super::environment::Environment;
use crate::core::device::DeviceName;
use crate::core::id::VaultId;

/// Which values a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A text of one line that is not empty.
    Text,
    /// Where a vault is kept. It must not carry a password.
    Remote,
    /// A name of a device.
    Device,
    /// The id of a vault.
    Vault,
    /// A path; `~` stands for the home folder.
    Path,
    /// A whole number within bounds.
    Number {
        /// The least that is allowed.
        least: u64,
        /// The most that is allowed.
        most: u64,
    },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Texts in order.
    List,
    /// Texts under texts.
    Map,
}

/// A value of a setting, checked against its [`Shape`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text, a remote, a device's name, a vault's id or one of a choice.
    Text(String),
    /// An absolute path.
    Path(PathBuf),
    /// A whole number.
    Number(u64),
    /// Texts in order.
    List(Vec<String>),
    /// Texts under texts.
    Map(BTreeMap<String, String>),
}

/// Why something is not a value of a shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadValue {
    /// What the shape takes.
    pub expected: String,
    /// What was there. Never the text itself where it could hold a secret.
    pub found: String,
}

impl Shape {
    /// What this shape takes, in a person's words.
    #[must_use]
    pub fn describe(self) -> String {
        match self {
            Self::Text => "a text of one line".to_owned(),
            Self::Remote => "a URL or a path without a password in it".to_owned(),
            Self::Device => "a name of 1 to 64 characters".to_owned(),
            Self::Vault => "a vault id of 32 hexadecimal digits".to_owned(),
            Self::Path => "a path".to_owned(),
            Self::Number { least, most } => format!("a whole number from {least} to {most}"),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::List => "a list of texts".to_owned(),
            Self::Map => "a table of texts (as arguments: FOLDER=NAME)".to_owned(),
        }
    }

    fn refuse<T>(self, found: impl Into<String>) -> Result<T, BadValue> {
        Err(BadValue {
            expected: self.describe(),
            found: found.into(),
        })
    }

    /// Reads what stands in a flag, a variable or on the command line. Only lists and maps take other than one text.
    ///
    /// # Errors
    ///
    /// [`BadValue`] when the texts are not of this shape.
    pub fn read(self, texts: &[String], environment: &Environment) -> Result<Value, BadValue> {
        let one = || match texts {
            [text] => Ok(text.as_str()),
            [] => self.refuse("nothing"),
            _ => self.refuse(format!("{} values", texts.len())),
        };
        match self {
            Self::List => texts
                .iter()
                .map(|text| self.line(text))
                .collect::<Result<_, _>>()
                .map(Value::List),
            Self::Map => texts
                .iter()
                .map(|text| match text.split_once('=') {
                    Some((key, name)) => Ok((self.line(key)?, self.line(name)?)),
                    None => self.refuse(quoted(text)),
                })
                .collect::<Result<_, _>>()
                .map(Value::Map),
            Self::Number { .. } => match one()?.parse() {
                Ok(number) => self.number(number),
                Err(_) => self.refuse(quoted(one()?)),
            },
            _ => self.text(one()?, environment),
        }
    }

    /// Reads what stands in the configuration file.
    ///
    /// # Errors
    ///
    /// [`BadValue`] when the item is of another type or not of this shape.
    pub fn read_toml(self, item: &Item, environment: &Environment) -> Result<Value, BadValue> {
        let refuse = || self.refuse(with_article(item.type_name()));
        match self {
            Self::Number { .. } => match item.as_integer().map(u64::try_from) {
                Some(Ok(number)) => self.number(number),
                Some(Err(_)) => self.refuse("a number below zero"),
                None => refuse(),
            },
            Self::List => {
                let Some(array) = item.as_array() else { return refuse() };
                let texts = array.iter().map(|value| match value.as_str() {
                    Some(text) => self.line(text),
                    None => self.refuse(format!("a list that holds {}", with_article(value.type_name()))),
                });
                texts.collect::<Result<_, _>>().map(Value::List)
            }
            Self::Map => {
                let Some(table) = item.as_table_like() else {
                    return refuse();
                };
                let entries = table.iter().map(|(key, value)| match value.as_str() {
                    Some(name) => Ok((self.line(key)?, self.line(name)?)),
                    None => self.refuse(format!("a table that holds {}", with_article(value.type_name()))),
                });
                entries.collect::<Result<_, _>>().map(Value::Map)
            }
            _ => item.as_str().map_or_else(refuse, |text| self.text(text, environment)),
        }
    }

    fn number(self, number: u64) -> Result<Value, BadValue> {
        match self {
            Self::Number { least, most } if (least..=most).contains(&number) => Ok(Value::Number(number)),
            _ => self.refuse(number.to_string()),
        }
    }

    fn line(self, text: &str) -> Result<String, BadValue> {
        if text.is_empty() {
            self.refuse("an empty text")
        } else if text.chars().any(char::is_control) {
            self.refuse("a text with control characters")
        } else {
            Ok(text.to_owned())
        }
    }

    fn text(self, text: &str, environment: &Environment) -> Result<Value, BadValue> {
        let line = self.line(text)?;
        match self {
            Self::Path => Ok(Value::Path(environment.resolve(line.as_ref()))),
            Self::Remote if has_password(&line) => self.refuse("a URL with a password"),
            Self::Remote if line.starts_with('-') => self.refuse("a flag"),
            Self::Device if DeviceName::try_from(line.clone()).is_err() => self.refuse(quoted(&line)),
            Self::Vault if line.parse::<VaultId>().is_err() => self.refuse(quoted(&line)),
            Self::Choice(words) if !words.contains(&line.as_str()) => self.refuse(quoted(&line)),
            _ => Ok(Value::Text(line)),
        }
    }
}

impl Value {
    /// The value as TOML, for `config show` and for the file.
    #[must_use]
    pub fn to_toml(&self) -> toml_edit::Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Path(path) => path.to_string_lossy().as_ref().into(),
            Self::Number(number) => i64::try_from(*number).unwrap_or(i64::MAX).into(),
            Self::List(texts) => texts.iter().collect::<Array>().into(),
            Self::Map(entries) => entries.iter().collect::<InlineTable>().into(),
        }
    }

    /// The value as JSON, for `--json`.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Path(path) => path.to_string_lossy().into(),
            Self::Number(number) => (*number).into(),
            Self::List(texts) => texts.iter().map(String::as_str).collect(),
            Self::Map(entries) => entries
                .iter()
                .map(|(key, name)| (key.as_str(), name.as_str()))
                .collect(),
        }
    }
}

/// The value as a script reads it: a text bare, a list and a map by line.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Path(path) => path.display().fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::List(texts) => f.write_str(&texts.join("\n")),
            Self::Map(entries) => {
                let lines: Vec<String> = entries.iter().map(|(key, name)| format!("{key}={name}")).collect();
                f.write_str(&lines.join("\n"))
            }
        }
    }
}

/// What the tokens of GitHub, GitLab and Bitbucket begin with.
const TOKENS: [&str; 10] = [
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "gldt-",
    "glcbt-",
    "ATBB",
];

/// Whether a remote is a URL whose user part has a password: `scheme://user:password@host/…`, or is one of a host's tokens.
fn has_password(remote: &str) -> bool {
    let Some((scheme, rest)) = remote.split_once("://") else {
        return false;
    };
    // Where a password holds a slash, against the rules, the user part ends behind it.
    let host = match scheme.to_ascii_lowercase().starts_with("http") {
        true => rest,
        false => rest.split('/').next().unwrap_or(rest),
    };
    host.rsplit_once('@')
        .is_some_and(|(user, _)| user.contains(':') || TOKENS.iter().any(|token| user.starts_with(token)))
}

fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    if text.chars().count() > SHOWN {
        format!("`{}…`", text.chars().take(SHOWN).collect::<String>())
    } else {
        format!("`{text}`")
    }
}

fn with_article(type_name: &str) -> String {
    match type_name {
        "array" | "integer" | "inline table" | "array of tables" => format!("an {type_name}"),
        "none" => "nothing".to_owned(),
        _ => format!("a {type_name}"),
    }
}
