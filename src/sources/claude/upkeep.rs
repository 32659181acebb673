//! What Claude Code is told to do by itself, as far as it concerns the sync: when it deletes sessions, and which of its hooks run csync.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use serde_json::Value;

use super::settings::FILE;

/// After how many days Claude Code deletes a session when its settings say nothing.
const DEFAULT_DAYS: u64 = 30;

/// How large settings may be; real ones have a few KiB.
const LARGEST: u64 = 16 << 20;

/// When Claude Code deletes sessions by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cleanup {
    /// After so many days without a change.
    After {
        /// How many.
        days: u64,
        /// Whether the settings say so; else it is the default.
        is_set: bool,
    },
    /// The settings say something that is no number of days.
    Unclear(String),
}

/// What a look at the settings found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upkeep {
    /// When sessions are deleted.
    pub cleanup: Cleanup,
    /// The events whose hooks run csync, sorted.
    pub hooks: Vec<String>,
}

/// Reads the settings of the source at `root`. Missing settings are those that say nothing.
///
/// # Errors
/// They cannot be read, or are not JSON.
pub fn upkeep(root: &Path) -> io::Result<Upkeep> {
    let mut content = Vec::new();
    match fs::File::open(root.join(FILE)) {
        Ok(file) => {
            file.take(LARGEST).read_to_end(&mut content)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => content.extend(b"{}"),
        Err(error) => return Err(error),
    }
    read(&content).map_err(io::Error::from)
}

/// [`upkeep`] of settings that were read already.
fn read(content: &[u8]) -> serde_json::Result<Upkeep> {
    let settings: Value = serde_json::from_slice(content)?;
    let cleanup = match settings.get("cleanupPeriodDays") {
        None | Some(Value::Null) => Cleanup::After {
            days: DEFAULT_DAYS,
            is_set: false,
        },
        Some(days) => days.as_u64().map_or_else(
            || Cleanup::Unclear(days.to_string().chars().take(60).collect()),
            |days| Cleanup::After { days, is_set: true },
        ),
    };
    let events = settings.get("hooks").and_then(Value::as_object);
    let mut hooks: Vec<String> = events
        .into_iter()
        .flatten()
        .filter(|(_, groups)| runs_csync(groups))
        .map(|(event, _)| event.clone())
        .collect();
    hooks.sort();
    Ok(Upkeep { cleanup, hooks })
}

/// Whether a `command` anywhere below `value` has csync among its words.
fn runs_csync(value: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().any(runs_csync),
        Value::Object(entries) => entries.iter().any(|(key, value)| match value {
            Value::String(command) if key == "command" => is_csync(command),
            _ => runs_csync(value),
        }),
        _ => false,
    }
}

fn is_csync(command: &str) -> bool {
    command
        .split(|c: char| c.is_whitespace() || ";&|()'\"".contains(c))
        .any(|word| word == "csync" || word.ends_with("/csync"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_days_are_read_and_have_a_default() {
        let cleanup = |text: &str| read(text.as_bytes()).unwrap().cleanup;
        let after = |days, is_set| Cleanup::After { days, is_set };
        assert_eq!(cleanup("{}"), after(30, false));
        assert_eq!(cleanup(r#"{"cleanupPeriodDays": 0}"#), after(0, true));
        assert_eq!(cleanup(r#"{"cleanupPeriodDays": 365}"#), after(365, true));
        assert_eq!(
            cleanup(r#"{"cleanupPeriodDays": "x"}"#),
            Cleanup::Unclear("\"x\"".to_owned())
        );
        assert_eq!(
            cleanup(r#"{"cleanupPeriodDays": -1}"#),
            Cleanup::Unclear("-1".to_owned())
        );
        assert!(read(b"{ torn").is_err());
    }

    #[test]
    fn hooks_that_run_csync_are_found() {
        let settings = br#"{"hooks": {
            "Stop": [{"hooks": [{"type": "command", "command": "cd ~ && /usr/bin/csync push -q"}]}],
            "SessionStart": [{"hooks": [{"type": "command", "command": "csync pull"}]}],
            "PreToolUse": [{"hooks": [{"type": "command", "command": "notcsync; echo csyncs"}]}]
        }}"#;
        assert_eq!(read(settings).unwrap().hooks, ["SessionStart", "Stop"]);
        assert!(read(b"[]").unwrap().hooks.is_empty());
    }

    #[test]
    fn settings_that_are_missing_say_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(upkeep(folder.path()).unwrap().hooks.is_empty());
    }
}
