//! The sample home that the demonstration begins with, and what its agents add to it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::engine::project_folder;

/// The home folder that the sample's files were made in.
const SAMPLE_HOME: &str = "/home/ana";

/// What the sample calls the project folders of that home.
const SAMPLE_FOLDER: &str = "projects/-home-ana";

/// The session that the laptop goes on with.
pub const DARK_THEME: &str = "projects/~-code-app/4ddeddd0-6557-4de9-98e3-342c80cbbe6d.jsonl";

/// The session that the desktop goes on with.
pub const SLOW_BUILD: &str = "projects/~-code-site/267c9705-a347-42e7-8c46-1a9a91a59d96.jsonl";

/// The session that both go on with.
pub const MENU: &str = "projects/~-code-app/22585483-f847-4336-aa92-be8433cabefa.jsonl";

/// Words that stand in the sample, or are names of its files and machines: a host must find none of them.
pub const GIVEAWAYS: [&str; 12] = [
    "dark theme",
    "Slow build",
    "mobile menu",
    "Rust with care",
    "parentUuid",
    "sessionId",
    "reviewer",
    "CLAUDE",
    "settings",
    "laptop",
    "desktop",
    "4ddeddd0",
];

macro_rules! sample {
    ($($path:literal),* $(,)?) => {
        [$(($path, include_str!(concat!("../../../../fixtures/sample-home/.claude/", $path)))),*]
    };
}

/// The files of the sample home, by their paths in `.claude`.
const FILES: [(&str, &str); 10] = sample![
    "CLAUDE.md",
    "agents/reviewer.md",
    "history.jsonl",
    "projects/-home-ana-code-app/22585483-f847-4336-aa92-be8433cabefa.jsonl",
    "projects/-home-ana-code-app/4ddeddd0-6557-4de9-98e3-342c80cbbe6d.jsonl",
    "projects/-home-ana-code-app/memory/MEMORY.md",
    "projects/-home-ana-code-site/267c9705-a347-42e7-8c46-1a9a91a59d96.jsonl",
    "settings.json",
    "skills/changelog/SKILL.md",
    "skills/changelog/scripts/commits.sh",
];

/// The sample's files as they would be in `home`, by their machine-independent paths.
pub fn files(home: &str) -> BTreeMap<String, Vec<u8>> {
    let home = json!(home).to_string();
    let home = home.trim_matches('"');
    FILES
        .iter()
        .map(|(path, content)| {
            let path = path.replace(SAMPLE_FOLDER, "projects/~");
            (path, content.replace(SAMPLE_HOME, home).into_bytes())
        })
        .collect()
}

/// Where a machine whose home is `home` keeps the file `path`, relative to `.claude`: Claude Code names the folder of a project after its
/// absolute path.
pub fn local_path(home: &str, path: &str) -> String {
    path.replacen("projects/~", &format!("projects/{}", project_folder(home)), 1)
}

/// The machine-independent name of `local`, the inverse of [`local_path`].
pub fn common_path(home: &str, local: &str) -> String {
    local.replacen(&format!("projects/{}", project_folder(home)), "projects/~", 1)
}

/// One question and its answer.
pub struct Turn {
    /// What the person asked.
    pub prompt: &'static str,
    /// What the agent said.
    pub answer: &'static str,
    /// When: the minute of an hour in which nothing of the sample happened.
    pub minute: u32,
    /// Tells its ids from those of the other turns.
    pub number: u32,
}

impl Turn {
    /// The lines that Claude Code would add to `transcript`, a session of the project at `project`.
    pub fn lines(&self, transcript: &[u8], project: &Path) -> Vec<u8> {
        let lines: Vec<Value> = transcript
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect();
        let session = lines
            .iter()
            .find_map(|line| line["sessionId"].as_str())
            .unwrap_or_default();
        let last = lines.iter().rev().find_map(|line| line["uuid"].as_str());
        let id = |part: u32| format!("00000000-0000-4000-8000-{:04}{part:08}", self.number);
        let time = |second: u32| format!("2025-01-06T15:{:02}:{second:02}.000Z", self.minute);
        let message = |kind: &str, parent: Option<&str>, part: u32, content: Value| {
            json!({
                "parentUuid": parent, "isSidechain": false, "type": kind,
                "message": {"role": kind, "content": content},
                "uuid": id(part), "timestamp": time(part * 7), "cwd": project, "sessionId": session,
                "version": "2.1.207", "gitBranch": "main",
            })
        };
        let question = message("user", last, 1, json!(self.prompt));
        let answer = message(
            "assistant",
            Some(&id(1)),
            2,
            json!([{"type": "text", "text": self.answer}]),
        );
        let end = json!({"type": "last-prompt", "lastPrompt": self.prompt, "leafUuid": id(2), "sessionId": session});
        [question, answer, end]
            .iter()
            .flat_map(|line| format!("{line}\n").into_bytes())
            .collect()
    }
}
