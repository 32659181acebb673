//! Logical paths: the machine-independent names of synced files.

use std::fmt;

use serde::{Deserialize, Serialize};

/// `<source>/<path relative to the source's root>`, separated by `/`. Never a path of an operating system.
///
/// A value of this type is safe to join below a folder on every system that csync runs on: no empty, `.` or `..`
/// component, nothing absolute, no drive letter, no back slash, no control character, no name that Windows reserves, no component
/// that ends in a dot or a space.
/// That two names differ only in case, and that a link stands on the way, only the local room can find.
///
/// ```
/// use csync::LogicalPath;
/// let path = LogicalPath::parse("claude/projects/~-code-app/8d3c.jsonl").unwrap();
/// assert_eq!(path.source(), "claude");
/// assert_eq!(path.relative(), "projects/~-code-app/8d3c.jsonl");
/// assert!(LogicalPath::parse("claude/../.ssh/config").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogicalPath(String);

/// Why a text is not a logical path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// Fewer than two components.
    #[error("it needs a source and a path in it")]
    TooShort,
    /// Longer than [`LogicalPath::MAX_BYTES`], or a component longer than [`LogicalPath::MAX_COMPONENT_BYTES`].
    #[error("it is too long")]
    TooLong,
    /// An empty, `.` or `..` component; also what a leading or doubled `/` leaves.
    #[error("it has an empty, `.` or `..` component")]
    Traversal,
    /// A back slash, a control character, or a colon that makes a drive letter or a stream.
    #[error("it has a character that is not portable")]
    Character,
    /// A name such as `NUL` or `COM1.txt`, which Windows reserves.
    #[error("it has a name that some systems reserve")]
    Reserved,
    /// A component that ends in a dot or a space, which Windows drops.
    #[error("it has a component that ends in a dot or a space")]
    Trailing,
}

impl LogicalPath {
    /// The greatest length in bytes of a whole path.
    pub const MAX_BYTES: usize = 2048;
    /// The greatest length in bytes of a component: a project's name may be longer than a file name can be.
    pub const MAX_COMPONENT_BYTES: usize = 1024;

    /// Checks `text` and makes it a logical path.
    ///
    /// # Errors
    /// [`BadPath`] says which rule it breaks.
    pub fn parse(text: impl Into<String>) -> Result<Self, BadPath> {
        let text = text.into();
        if text.len() > Self::MAX_BYTES {
            return Err(BadPath::TooLong);
        }
        let mut components = 0;
        for component in text.split('/') {
            check_component(component)?;
            components += 1;
        }
        if components < 2 {
            return Err(BadPath::TooShort);
        }
        Ok(Self(text))
    }

    /// The path of the file `relative` in `source`.
    ///
    /// # Errors
    /// As [`LogicalPath::parse`].
    pub fn new(source: &str, relative: &str) -> Result<Self, BadPath> {
        if source.contains('/') {
            return Err(BadPath::Traversal);
        }
        Self::parse(format!("{source}/{relative}"))
    }

    /// The source that the file belongs to.
    #[must_use]
    pub fn source(&self) -> &str {
        self.0.split_once('/').expect("checked when it was made").0
    }

    /// The path within the source.
    #[must_use]
    pub fn relative(&self) -> &str {
        self.0.split_once('/').expect("checked when it was made").1
    }

    /// The last component.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').expect("checked when it was made").1
    }

    /// The whole path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check_component(component: &str) -> Result<(), BadPath> {
    if component.is_empty() || component == "." || component == ".." {
        return Err(BadPath::Traversal);
    }
    if component.len() > LogicalPath::MAX_COMPONENT_BYTES {
        return Err(BadPath::TooLong);
    }
    if component.chars().any(|c| c.is_control() || matches!(c, '\\' | ':')) {
        return Err(BadPath::Character);
    }
    if component.ends_with(['.', ' ']) {
        return Err(BadPath::Trailing);
    }
    if is_reserved(component) {
        return Err(BadPath::Reserved);
    }
    Ok(())
}

/// Whether Windows keeps this name for a device, with or without an extension ("Naming Files, Paths, and Namespaces", Microsoft).
fn is_reserved(component: &str) -> bool {
    let stem = component.split('.').next().unwrap_or(component).trim_end();
    let stem = stem.to_ascii_uppercase();
    if matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") {
        return true;
    }
    let Some(port) = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT")) else {
        return false;
    };
    matches!(port, "¹" | "²" | "³") || (port.len() == 1 && port.as_bytes()[0].is_ascii_digit())
}

impl TryFrom<String> for LogicalPath {
    type Error = BadPath;

    fn try_from(text: String) -> Result<Self, BadPath> {
        Self::parse(text)
    }
}

impl From<LogicalPath> for String {
    fn from(path: LogicalPath) -> Self {
        path.0
    }
}

impl fmt::Display for LogicalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_and_unportable_paths_are_refused() {
        let table = [
            ("", BadPath::Traversal),
            ("claude", BadPath::TooShort),
            ("/etc/passwd", BadPath::Traversal),
            ("claude//x", BadPath::Traversal),
            ("claude/x/", BadPath::Traversal),
            ("claude/../x", BadPath::Traversal),
            ("claude/./x", BadPath::Traversal),
            ("claude/..\\x", BadPath::Character),
            ("claude/C:/x", BadPath::Character),
            ("claude/x:stream", BadPath::Character),
            ("claude/a\0b", BadPath::Character),
            ("claude/a\u{1b}[2J", BadPath::Character),
            ("claude/nul", BadPath::Reserved),
            ("claude/Com1.txt", BadPath::Reserved),
            ("claude/COM¹", BadPath::Reserved),
            ("claude/aux.tar.gz", BadPath::Reserved),
            ("claude/x.", BadPath::Trailing),
            ("claude/x ", BadPath::Trailing),
        ];
        for (text, why) in table {
            assert_eq!(LogicalPath::parse(text), Err(why), "{text:?}");
        }
        assert_eq!(
            LogicalPath::parse(format!("claude/{}", "x".repeat(2000))),
            Err(BadPath::TooLong)
        );
    }

    #[test]
    fn ordinary_paths_are_taken_as_they_are() {
        for text in [
            "claude/settings.json",
            "claude/projects/~-code-app/0b8e.jsonl",
            "claude/skills/über uns/SKILL.md",
            "claude/commands/.hidden",
            "claude/console.md",
        ] {
            assert_eq!(LogicalPath::parse(text).map(String::from), Ok(text.to_owned()));
        }
    }
}
