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
pub mod upkeep;

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

    fn sent_keys(&self, relative: &str) -> &[String] {
        if relative == settings::FILE {
            &self.settings.send
        } else {
            &[]
        }
    }

    fn session_of(&self, relative: &str) -> Option<String> {
        paths::session_of(relative)
    }

    fn project_folder<'a>(&self, relative: &'a str) -> Option<&'a str> {
        paths::project_folder(relative)
    }
}

#[cfg(test)]
#[path = "../../../tests/support/corpus/mod.rs"]
mod corpus;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::corpus::Corpus;
    use super::describe::{WINDOW, describe};
    use super::discover::{app_state_file, discover_projects, project_folders};
    use super::projects::{ProjectInputs, ProjectMap};
    use super::*;

    #[test]
    fn a_whole_home_is_understood() {
        let folder = tempfile::tempdir().unwrap();
        let summary = Corpus::new(40, 11).within(2_000_000).write(folder.path()).unwrap();
        let home = folder.path().canonicalize().unwrap();
        let root = home.join(".claude");
        let source = claude(ClaudeSettings::default());

        let secrets: Vec<_> = summary
            .secrets
            .iter()
            .map(|secret| secret.canonicalize().unwrap())
            .collect();
        let mut left = vec![root.clone()];
        while let Some(next) = left.pop() {
            for entry in fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                let relative = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                if path.is_dir() {
                    left.push(path);
                } else {
                    assert_eq!(
                        source.classify(&relative).is_none(),
                        secrets.contains(&path),
                        "{relative}"
                    );
                }
            }
        }

        let homes = [home.to_str().unwrap().to_owned()];
        let local = discover_projects(
            &root,
            &homes,
            &project_folders(&root),
            Some(&app_state_file(&home, None)),
        );
        assert!(local.len() > 3 && local.iter().all(|one| one.path.is_some()));
        let map = ProjectMap::build(ProjectInputs {
            homes: homes.to_vec(),
            local: local.clone(),
            ..ProjectInputs::default()
        });
        for one in &local {
            let logical = map.to_logical(&one.folder);
            assert!(logical.starts_with("~-code-"), "{logical}");
            assert_eq!(map.to_local(&logical, None), one.folder);
        }
        for transcript in &summary.transcripts {
            let content = fs::read(transcript).unwrap();
            let (head, tail) = (content.len().min(WINDOW), content.len().saturating_sub(WINDOW));
            let description = describe(&content[..head], &content[tail..]);
            assert!(
                description.title.is_some() && description.project.is_some(),
                "{}",
                transcript.display()
            );
        }
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
