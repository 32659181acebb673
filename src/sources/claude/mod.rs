//! Claude Code: `~/.claude`, or the folder that `CLAUDE_CONFIG_DIR` names.

pub mod describe;
pub mod discover;
mod git;
mod line;
pub mod live;
mod paths;
pub mod projects;
mod settings;
pub mod slug;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::Source;
use crate::core::kind::{FileKind, Retention};

/// What a person may change about the Claude source. The default sends no key that runs a command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaudeSettings {
    /// Top-level keys of `settings.json` that are synced although they would stay on this machine by default, such as
    /// `hooks`. Unknown names have no effect.
    pub send: Vec<String>,
}

/// The rules of Claude Code's folder.
struct Claude {
    settings: ClaudeSettings,
    machine_keys: Vec<&'static str>,
}

/// Claude Code's folder as a source, with what `settings` says.
pub fn claude(settings: ClaudeSettings) -> impl Source {
    let machine_keys = settings::machine_keys(&settings.send);
    Claude { settings, machine_keys }
}

/// Where Claude Code keeps its data: `claude_config_dir` (the value of `CLAUDE_CONFIG_DIR`) when it is set and not empty,
/// else `.claude` in `home`.
#[must_use]
pub fn claude_default_root(home: &Path, claude_config_dir: Option<&OsStr>) -> PathBuf {
    match claude_config_dir {
        Some(folder) if !folder.is_empty() => home.join(folder),
        _ => home.join(".claude"),
    }
}

impl Source for Claude {
    fn name(&self) -> &str {
        "claude"
    }

    fn classify(&self, relative: &str) -> Option<(FileKind, Retention)> {
        paths::classify(relative)
    }

    fn is_denied(&self, relative: &str) -> bool {
        paths::is_denied(relative)
    }

    fn enter(&self, folder: &str) -> bool {
        paths::enter(folder)
    }

    fn machine_keys(&self, relative: &str) -> &[&str] {
        if relative == settings::FILE {
            &self.machine_keys
        } else {
            &[]
        }
    }

    fn machine_keys_in(&self, relative: &str, content: &[u8]) -> Vec<String> {
        if relative != settings::FILE {
            return Vec::new();
        }
        let unlisted = settings::unlisted_command_keys(content)
            .into_iter()
            .filter(|key| !self.settings.send.contains(key));
        self.machine_keys
            .iter()
            .map(|key| (*key).to_owned())
            .chain(unlisted)
            .collect()
    }

    fn session_of(&self, relative: &str) -> Option<String> {
        paths::session_of(relative)
    }

    fn project_folder<'a>(&self, relative: &'a str) -> Option<&'a str> {
        paths::project_folder(relative)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_the_one_that_claude_code_uses() {
        let home = Path::new("/home/ana");
        assert_eq!(claude_default_root(home, None), Path::new("/home/ana/.claude"));
        assert_eq!(
            claude_default_root(home, Some(OsStr::new(""))),
            Path::new("/home/ana/.claude")
        );
        assert_eq!(
            claude_default_root(home, Some(OsStr::new("/srv/c"))),
            Path::new("/srv/c")
        );
    }

    #[test]
    fn a_path_takes_another_project_folder() {
        let source = claude(ClaudeSettings::default());
        let renamed = |path| source.with_project_folder(path, &|folder| format!("<{folder}>"));
        assert_eq!(renamed("projects/-home-ana/x.jsonl"), "projects/<-home-ana>/x.jsonl");
        assert_eq!(renamed("agents/projects/x.md"), "agents/projects/x.md");
    }

    #[test]
    fn what_the_configuration_sends_is_no_longer_this_machines() {
        let cautious = claude(ClaudeSettings::default());
        assert!(cautious.machine_keys("settings.json").contains(&"hooks"));
        assert!(cautious.machine_keys("themes/settings.json").is_empty());
        let open = claude(ClaudeSettings {
            send: vec!["hooks".to_owned(), "fooHelper".to_owned()],
        });
        assert!(!open.machine_keys("settings.json").contains(&"hooks"));
        assert!(open.machine_keys("settings.json").contains(&"env"));
        let content = br#"{"fooHelper": "/x", "barHelper": "/y", "hooks": {}}"#;
        let kept = open.machine_keys_in("settings.json", content);
        assert!(kept.contains(&"barHelper".to_owned()) && !kept.contains(&"fooHelper".to_owned()));
        assert!(!kept.contains(&"hooks".to_owned()));
    }
}
