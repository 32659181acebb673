//! The configuration file: read with the place of every value, edited with its comments and order kept.

use std::collections::BTreeMap;
use std::path::Path;

use toml_edit::{Document, DocumentMut, Item, TableLike};

use super::environment::Environment;
use super::error::{ConfigError, Place};
use super::settings::{SETTINGS, Setting, nearest, setting};
use super::value::Value;

/// The largest file that is read: a configuration is never that long, and a mistaken path may be.
pub(super) const MAX_BYTES: u64 = 1 << 20;

/// The values of the file at `path` whose content is `text`, by key.
pub(super) fn read(
    path: &Path,
    text: &str,
    environment: &Environment,
) -> Result<BTreeMap<&'static str, Value>, ConfigError> {
    let document = Document::parse(text).map_err(|error| ConfigError::Syntax {
        path: path.to_owned(),
        line: error.span().map_or(1, |span| line_of(text, span.start)),
        problem: error.message().lines().collect::<Vec<_>>().join(", "),
    })?;
    let mut reader = Reader {
        path,
        text,
        environment,
        values: BTreeMap::new(),
    };
    reader.table("", document.as_table())?;
    Ok(reader.values)
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    environment: &'a Environment,
    values: BTreeMap<&'static str, Value>,
}

impl Reader<'_> {
    /// Reads a table whose keys stand behind `prefix`, which is empty or ends in a dot.
    fn table(&mut self, prefix: &str, table: &dyn TableLike) -> Result<(), ConfigError> {
        for (name, item) in table.iter() {
            let key = format!("{prefix}{name}");
            let span = table.key(name).and_then(toml_edit::Key::span).or_else(|| item.span());
            let place = Place::File {
                path: self.path.to_owned(),
                line: span.map(|span| line_of(self.text, span.start)),
            };
            if let Some(setting) = setting(&key) {
                let value = setting.shape.read_toml(item, self.environment);
                let value = value.map_err(|bad| ConfigError::BadValue {
                    place,
                    key: setting.key,
                    expected: bad.expected,
                    found: bad.found,
                })?;
                self.values.insert(setting.key, value);
            } else if let Some(inner) = item.as_table_like()
                && SETTINGS
                    .iter()
                    .any(|setting| setting.key.starts_with(&format!("{key}.")))
            {
                self.table(&format!("{key}."), inner)?;
            } else {
                let nearest = nearest(&key);
                return Err(ConfigError::UnknownKey { place, key, nearest });
            }
        }
        Ok(())
    }
}

/// The number, counted from 1, of the line that the byte at `offset` stands on.
fn line_of(text: &str, offset: usize) -> usize {
    let before = &text.as_bytes()[..offset.min(text.len())];
    1 + before.iter().filter(|&&byte| byte == b'\n').count()
}

/// The text of the file after `setting` got `value`. Everything else in the file stays as it is. A map keeps its other entries.
pub(super) fn edit(path: &Path, text: &str, setting: &Setting, value: Value) -> Result<String, ConfigError> {
    let mut document: DocumentMut = text
        .parse()
        .map_err(|error: toml_edit::TomlError| ConfigError::Syntax {
            path: path.to_owned(),
            line: error.span().map_or(1, |span| line_of(text, span.start)),
            problem: error.message().lines().collect::<Vec<_>>().join(", "),
        })?;
    let (tables, name) = match setting.key.rsplit_once('.') {
        Some((tables, name)) => (tables.split('.').collect(), name),
        None => (Vec::new(), setting.key),
    };
    let not_a_table = |key: &str| ConfigError::Syntax {
        path: path.to_owned(),
        line: 1,
        problem: format!("`{key}` is not a table"),
    };
    let mut at: &mut dyn TableLike = document.as_table_mut();
    for table in tables {
        let item = at.entry(table).or_insert_with(toml_edit::table);
        at = item.as_table_like_mut().ok_or_else(|| not_a_table(table))?;
    }
    match value {
        Value::Map(entries) => {
            let item = at.entry(name).or_insert_with(toml_edit::table);
            let map = item.as_table_like_mut().ok_or_else(|| not_a_table(setting.key))?;
            for (key, value) in entries {
                replace(map, &key, value.into());
            }
        }
        value => replace(at, name, value.to_toml()),
    }
    Ok(document.to_string())
}

/// Sets `name` to `value` and keeps what stands around the old value, such as a comment behind it.
fn replace(table: &mut dyn TableLike, name: &str, mut value: toml_edit::Value) {
    match table.get_mut(name) {
        Some(Item::Value(old)) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        _ => {
            table.insert(name, Item::Value(value));
        }
    }
}
