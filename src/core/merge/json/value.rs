//! JSON as plain values: numbers as they are written, keys in their order.

use jsonc_parser::ast::{ObjectPropName, Value};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use crate::core::merge::Conflict;

/// How deep values may be nested.
const MAX_DEPTH: usize = 128;

/// How many bytes a document may have: settings are small, and merging them takes many times their size.
const MAX_SIZE: usize = 8 << 20;

/// How many values a document may hold: editing in place looks through an object's keys for each that is added.
const MAX_VALUES: usize = 10_000;

/// A JSON value. Equal ones say the same: the order of an object's keys does not count, nor how a number is written.
#[derive(Debug, Clone)]
pub(in crate::core::merge) enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as written.
    Number(String),
    /// A text, without its escapes.
    String(String),
    /// A list.
    Array(Vec<Json>),
    /// Keys and values, as they stand; no key twice.
    Object(Vec<(String, Json)>),
}

/// What counts as JSON here: with comments and commas at the end of a list, as agents allow in settings; nothing else.
pub(super) fn options() -> ParseOptions {
    ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    }
}

/// The document's text, where it is small enough and UTF-8.
pub(super) fn text(content: &[u8]) -> Result<&str, Conflict> {
    if content.len() > MAX_SIZE {
        return Err(Conflict::NotJson);
    }
    std::str::from_utf8(content).map_err(|_| Conflict::NotJson)
}

impl Json {
    /// Reads a document.
    ///
    /// # Errors
    /// [`Conflict::NotJson`], also for a key that stands twice in an object, and beyond the limits of depth and size.
    pub fn read(content: &[u8]) -> Result<Self, Conflict> {
        let parsed = parse_to_ast(text(content)?, &CollectOptions::default(), &options());
        let value = parsed.ok().and_then(|parsed| parsed.value).ok_or(Conflict::NotJson)?;
        Self::build(value, 0, &mut 0)
    }

    fn build(value: Value<'_>, depth: usize, values: &mut usize) -> Result<Self, Conflict> {
        *values += 1;
        if depth >= MAX_DEPTH || *values > MAX_VALUES {
            return Err(Conflict::NotJson);
        }
        Ok(match value {
            Value::NullKeyword(_) => Self::Null,
            Value::BooleanLit(literal) => Self::Bool(literal.value),
            Value::NumberLit(literal) => Self::Number(literal.value.to_owned()),
            Value::StringLit(literal) => Self::String(literal.value.into_owned()),
            Value::Array(array) => {
                let elements = array
                    .elements
                    .into_iter()
                    .map(|element| Self::build(element, depth + 1, values));
                Self::Array(elements.collect::<Result<_, _>>()?)
            }
            Value::Object(object) => {
                let mut seen = std::collections::HashSet::new();
                let mut entries = Vec::with_capacity(object.properties.len());
                for property in object.properties {
                    let ObjectPropName::String(name) = property.name else {
                        return Err(Conflict::NotJson);
                    };
                    let name = name.value.into_owned();
                    if !seen.insert(name.clone()) {
                        return Err(Conflict::NotJson);
                    }
                    entries.push((name, Self::build(property.value, depth + 1, values)?));
                }
                Self::Object(entries)
            }
        })
    }

    /// The entries of an object.
    pub fn as_object(&self) -> Option<&[(String, Self)]> {
        match self {
            Self::Object(entries) => Some(entries),
            _ => None,
        }
    }

    /// Whether it is neither a list nor an object.
    pub const fn is_scalar(&self) -> bool {
        !matches!(self, Self::Array(_) | Self::Object(_))
    }

    /// A text that equal scalars share and different ones do not.
    pub fn name(&self) -> String {
        match self {
            Self::String(text) => format!("\"{text}"),
            Self::Number(number) => whole_number(number).map_or_else(|| number.clone(), |whole| whole.to_string()),
            other => format!("{other:?}"),
        }
    }
}

/// The value of `key`.
pub(super) fn get<'a>(entries: &'a [(String, Json)], key: &str) -> Option<&'a Json> {
    entries.iter().find(|entry| entry.0 == key).map(|entry| &entry.1)
}

/// The whole number that a number means, however it is written (`1`, `1.0`, `1e0`), where a float holds it exactly.
fn whole_number(number: &str) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let float: f64 = number.parse().ok()?;
    #[allow(clippy::cast_possible_truncation)] // within what a float holds exactly
    (float.fract() == 0.0 && float.abs() < EXACT).then_some(float as i64)
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Array(a), Self::Array(b)) => a == b,
            (Self::Object(a), Self::Object(b)) => {
                if a.len() != b.len() {
                    return false;
                }
                let by_key: std::collections::HashMap<&str, &Self> =
                    b.iter().map(|(key, value)| (key.as_str(), value)).collect();
                a.iter().all(|(key, value)| by_key.get(key.as_str()) == Some(&value))
            }
            (a, b) => a.is_scalar() && b.is_scalar() && a.name() == b.name(),
        }
    }
}

impl Eq for Json {}
