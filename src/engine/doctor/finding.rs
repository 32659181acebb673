//! What a check finds, and how a command that mends it is written.

use std::path::Path;

use crate::error::Error;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, and should be looked at.
    Warning,
    /// Something does not work.
    Error,
}

impl Level {
    /// How it is shown, and written in `--json`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The check: `group.name`. Stable.
    pub check: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What was found, and of which thing. May hold text from outside.
    pub message: String,
    /// The command that mends it, for a POSIX shell, where there is one.
    pub mend: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(check, Level::Ok, message)
    }

    /// It works, and should be looked at.
    pub fn warning(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(check, Level::Warning, message)
    }

    /// Something does not work.
    pub fn error(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(check, Level::Error, message)
    }

    /// The same with the command that mends it.
    #[must_use]
    pub fn mend(mut self, command: impl Into<String>) -> Self {
        self.mend = Some(command.into());
        self
    }

    fn new(check: &'static str, level: Level, message: impl Into<String>) -> Self {
        Self {
            check,
            level,
            message: message.into(),
            mend: None,
        }
    }
}

/// What an error says, with its hint behind it: a hint is prose, and no command.
pub(super) fn told(error: &Error) -> String {
    match error.hint_text() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    }
}

/// A path as a shell reads it back: in quotes where it needs them. One that is not UTF-8 cannot be written down, and is shown.
pub(super) fn path(path: &Path) -> String {
    word(&path.to_string_lossy())
}

/// A word as a shell reads it back: in quotes where it needs them.
pub(super) fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,=".contains(c);
    if !text.is_empty() && !text.starts_with('=') && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// A number of bytes in whole units, as little exact as it matters here: `812 MiB`.
pub(super) fn bytes(bytes: u64) -> String {
    let in_units = |unit: u32| (bytes + (1 << (unit - 1))) >> unit;
    match bytes {
        0..0x400 => format!("{bytes} B"),
        0x400..0x10_0000 => format!("{} KiB", in_units(10)),
        0x10_0000..0x2_8000_0000 => format!("{} MiB", in_units(20)),
        _ => format!("{} GiB", in_units(30)),
    }
}

/// So many of something: `1 day`, `3 days`.
pub(super) fn count(amount: u64, one: &str) -> String {
    match amount {
        1 => format!("1 {one}"),
        _ => format!("{amount} {one}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_take_apart_is_quoted() {
        for (text, written) in [
            ("/home/ana/.config/csync", "/home/ana/.config/csync"),
            ("/home/ana/my keys", "'/home/ana/my keys'"),
            ("ana's", r"'ana'\''s'"),
            ("$(rm -rf ~)", "'$(rm -rf ~)'"),
            ("~", "'~'"),
            ("", "''"),
        ] {
            assert_eq!(word(text), written);
        }
    }

    #[test]
    fn amounts_read_well() {
        assert_eq!(bytes(17), "17 B");
        assert_eq!(bytes(100 << 20), "100 MiB");
        assert_eq!(bytes(20 << 30), "20 GiB");
        assert_eq!(count(1, "day"), "1 day");
        assert_eq!(count(0, "day"), "0 days");
    }
}
