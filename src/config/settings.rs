//! The one table of settings. Reading, showing, setting and the documentation all go by it, so nothing is said twice.

use super::value::Shape;

/// One thing that can be configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Its key in the file, with its table: `claude.path`.
    pub key: &'static str,
    /// Which values it takes.
    pub shape: Shape,
    /// What holds when no layer says anything.
    pub fallback: Fallback,
    /// The environment variable of it.
    pub variable: Option<&'static str>,
    /// What it is for, in one line without a full stop.
    pub about: &'static str,
}

/// What holds when no layer says anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// Nothing.
    Unset,
    /// This text, read as a flag's value would be.
    Text(&'static str),
    /// What another program's variable says, else this text. Weaker than the file, since it is not csync's variable.
    Foreign(&'static str, &'static str),
}

impl Fallback {
    /// The default in a person's words, for the documentation.
    #[must_use]
    pub fn describe(self) -> String {
        match self {
            Self::Unset => "none".to_owned(),
            Self::Text(text) => text.to_owned(),
            Self::Foreign(variable, text) => format!("${variable}, else {text}"),
        }
    }
}

/// Every setting, in the order in which they are shown.
pub const SETTINGS: [Setting; 16] = [
    Setting {
        key: "remote",
        shape: Shape::Remote,
        fallback: Fallback::Unset,
        variable: Some("CSYNC_REMOTE"),
        about: "the Git remote that keeps the vault: a URL or a path; written by `csync init`",
    },
    Setting {
        key: "device",
        shape: Shape::Device,
        fallback: Fallback::Unset,
        variable: Some("CSYNC_DEVICE"),
        about: "the name of this machine, as the others see it",
    },
    Setting {
        key: "vault",
        shape: Shape::Vault,
        fallback: Fallback::Unset,
        variable: None,
        about: "the id of the vault that this machine has joined; written by `csync init`",
    },
    Setting {
        key: "claude.path",
        shape: Shape::Path,
        fallback: Fallback::Foreign("CLAUDE_CONFIG_DIR", "~/.claude"),
        variable: Some("CSYNC_CLAUDE_PATH"),
        about: "the folder that Claude Code keeps its data in",
    },
    Setting {
        key: "claude.include",
        shape: Shape::List,
        fallback: Fallback::Unset,
        variable: None,
        about: "patterns (gitignore syntax) of what is synced; nothing here means all that csync knows",
    },
    Setting {
        key: "claude.exclude",
        shape: Shape::List,
        fallback: Fallback::Unset,
        variable: None,
        about: "patterns (gitignore syntax) of what is not synced",
    },
    Setting {
        key: "claude.send_keys",
        shape: Shape::List,
        fallback: Fallback::Unset,
        variable: None,
        about: "keys of settings.json to sync that stay on each machine otherwise, such as hooks and statusLine",
    },
    Setting {
        key: "claude.projects",
        shape: Shape::Map,
        fallback: Fallback::Unset,
        variable: None,
        about: "local folders and the names that their projects have on every machine",
    },
    Setting {
        key: "max_delete",
        shape: Shape::Number { least: 0, most: 100 },
        fallback: Fallback::Text("20"),
        variable: Some("CSYNC_MAX_DELETE"),
        about: "stop before more than this share of the files, in percent, would be deleted or cut",
    },
    Setting {
        key: "max_retries",
        shape: Shape::Number { least: 0, most: 100 },
        fallback: Fallback::Text("5"),
        variable: Some("CSYNC_MAX_RETRIES"),
        about: "how often what can succeed later is tried again: a push that another machine overtook, a server that is busy",
    },
    Setting {
        key: "backoff",
        shape: Shape::Number { least: 0, most: 60_000 },
        fallback: Fallback::Text("500"),
        variable: Some("CSYNC_BACKOFF"),
        about: "how long to wait before the first new try, in milliseconds; each further one waits about twice as long",
    },
    Setting {
        key: "connect_timeout",
        shape: Shape::Number { least: 1, most: 600 },
        fallback: Fallback::Text("15"),
        variable: Some("CSYNC_CONNECT_TIMEOUT"),
        about: "how long a connection to the remote may take to come about, in seconds",
    },
    Setting {
        key: "idle_timeout",
        shape: Shape::Number { least: 1, most: 3600 },
        fallback: Fallback::Text("60"),
        variable: Some("CSYNC_IDLE_TIMEOUT"),
        about: "how long the remote may stay silent, in seconds",
    },
    Setting {
        key: "transport",
        shape: Shape::Choice(&["auto", "libgit2", "git"]),
        fallback: Fallback::Text("auto"),
        variable: Some("CSYNC_TRANSPORT"),
        about: "what talks to the remote: libgit2, the git command, or auto (libgit2, and the git command where that cannot)",
    },
    Setting {
        key: "pager",
        shape: Shape::Text,
        fallback: Fallback::Unset,
        variable: Some("CSYNC_PAGER"),
        about: "the program that shows long output; without it $PAGER, else less; `cat` for none",
    },
    Setting {
        key: "color",
        shape: Shape::Choice(&["auto", "always", "never"]),
        fallback: Fallback::Text("auto"),
        variable: Some("CSYNC_COLOR"),
        about: "when to use colours; auto means on a terminal",
    },
];

/// The setting of a key.
#[must_use]
pub fn setting(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

/// The known key that is most like a misspelt one.
#[must_use]
pub fn nearest(key: &str) -> Option<&'static str> {
    let known: Vec<&'static str> = SETTINGS.iter().map(|setting| setting.key).collect();
    // The last part alone is tried as well: people forget the table more often than they misspell.
    let of_last_part = || {
        let last = key.rsplit('.').next().unwrap_or(key);
        known
            .iter()
            .copied()
            .find(|candidate| candidate.rsplit('.').next() == Some(last))
    };
    similar::get_close_matches(key, &known, 1, 0.7)
        .first()
        .copied()
        .or_else(of_last_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_finds_the_one_that_was_meant() {
        assert_eq!(nearest("remotes"), Some("remote"));
        assert_eq!(nearest("max-delete"), Some("max_delete"));
        assert_eq!(nearest("claude.send_key"), Some("claude.send_keys"));
        assert_eq!(nearest("exclude"), Some("claude.exclude"));
        assert_eq!(nearest("bandwidth"), None);
    }

    #[test]
    fn no_setting_is_named_like_a_secret() {
        for setting in &SETTINGS {
            for secret in ["passphrase", "password", "token", "identity", "secret"] {
                assert!(!setting.key.contains(secret), "{} would hold a secret", setting.key);
            }
        }
    }
}
