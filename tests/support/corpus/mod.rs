//! Homes full of synthetic sessions, for tests, benches and `examples/corpus.rs`.
//!
//! Everything is made of word lists; nothing was anybody's. Sizes, kinds of lines, their order and their repetitions follow
//! measurements of 729 real Claude Code sessions. The same [`Corpus`] writes the same bytes again; on another system a length may differ,
//! since its logarithms may.

#![allow(dead_code)] // each user takes a part

pub mod grow;
pub mod random;
pub mod session;
pub mod words;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

#[allow(unused_imports)] // each user takes a part
pub use grow::append_turn;
use random::Random;
use session::{Conversation, Shape};
use words::Project;

/// What stands in every file that must never be synced, followed by the file's name.
pub const CANARY: &str = "CANARY-MUST-STAY-HERE";

/// The time of the first session: 2025-01-06T09:00:00Z, in milliseconds since 1970.
const BEGINNING: i64 = 1_736_154_000_000;

/// Within how many milliseconds all sessions begin: none may end in the future, which no real file does.
const SPAN: i64 = 200 * 86_400_000;

/// Below this share of their natural length lines are not shortened further; there are fewer instead.
const SHORTEST: f64 = 0.15;

/// What a home is to hold.
#[derive(Debug, Clone)]
pub struct Corpus {
    /// How many sessions.
    pub sessions: usize,
    /// What everything else follows from.
    pub seed: u64,
    /// About how many bytes the sessions have together; `None`: as many as real ones, some 1.2 MB each on average.
    pub total_bytes: Option<u64>,
    /// The size of one more session, as large as that.
    pub big: Option<u64>,
    /// The home folder that the lines name, where it is not the one that is written to.
    pub recorded_home: Option<String>,
    /// A few short lines a session, no boilerplate, no secrets: for samples that people read.
    pub compact: bool,
}

/// What was written.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// How many files, and their bytes.
    pub files: usize,
    /// The bytes of all files together.
    pub bytes: u64,
    /// The sessions' transcripts, in the order of their making; the big one is the last.
    pub transcripts: Vec<PathBuf>,
    /// The files that must never be synced. Each holds [`CANARY`].
    pub secrets: Vec<PathBuf>,
}

impl Corpus {
    /// `sessions` sessions from `seed`, of natural size.
    pub fn new(sessions: usize, seed: u64) -> Self {
        Self {
            sessions,
            seed,
            total_bytes: None,
            big: None,
            recorded_home: None,
            compact: false,
        }
    }

    /// The same in about `total_bytes`.
    pub fn within(mut self, total_bytes: u64) -> Self {
        self.total_bytes = Some(total_bytes);
        self
    }

    /// Writes `.claude` and `.claude.json` into `home`, which may exist.
    pub fn write(&self, home: &Path) -> io::Result<Summary> {
        fs::create_dir_all(home)?;
        let real = home
            .canonicalize()?
            .to_str()
            .map(str::to_owned)
            .ok_or(io::ErrorKind::InvalidInput)?;
        let recorded = self.recorded_home.clone().unwrap_or(real);
        let mut writer = Writer {
            root: home.join(".claude"),
            home: home.to_owned(),
            recorded,
            summary: Summary::default(),
            history: Vec::new(),
        };
        let projects = self.projects();
        let sizes = self.sizes();
        for (number, size) in sizes.iter().enumerate() {
            self.write_session(&mut writer, &projects, number, *size)?;
        }
        if let Some(size) = self.big {
            self.write_session(&mut writer, &projects[..1], self.sessions, size)?;
        }
        writer.history()?;
        self.write_settings(&mut writer, &projects)?;
        Ok(writer.summary)
    }

    /// Real homes have about seven sessions a project (312 in 45, 156 in 41, 935 in some 100).
    fn projects(&self) -> Vec<Project> {
        const NAMES: &[&str] = &[
            "app",
            "site",
            "billing",
            "tools",
            "notes",
            "search",
            "mobile_app",
            "infra",
            "parser",
            "docs.v2",
        ];
        let count = (self.sessions / 7).clamp(2, 500);
        (0..count)
            .map(|number| {
                let name = NAMES[number % NAMES.len()];
                let path = if number < NAMES.len() {
                    format!("code/{name}")
                } else {
                    format!("code/team{}/{name}", number / NAMES.len())
                };
                Project::new(path, Random::part(self.seed ^ 0x9e37, number as u64))
            })
            .collect()
    }

    /// The sessions' sizes: a log-normal body, and a tail of large ones.
    fn sizes(&self) -> Vec<u64> {
        let mut random = Random::part(self.seed, u64::MAX);
        let natural = |random: &mut Random| {
            if random.happens(0.05) {
                random.pareto(4.0e6, 1.2).min(6.0e7)
            } else {
                random.lognormal(12.8, 1.75).clamp(3_000.0, 4.2e6)
            }
        };
        let sizes: Vec<f64> = (0..self.sessions)
            .map(|_| if self.compact { 2_500.0 } else { natural(&mut random) })
            .collect();
        let sum: f64 = sizes.iter().sum();
        let factor = self
            .total_bytes
            .map_or(1.0, |budget| (budget as f64 / sum.max(1.0)).min(1.0));
        sizes
            .into_iter()
            .map(|size| ((size * factor) as u64).max(1_500))
            .collect()
    }

    fn write_session(&self, writer: &mut Writer, projects: &[Project], number: usize, size: u64) -> io::Result<()> {
        let mut random = Random::part(self.seed, number as u64);
        // The first sessions go round, so that a small home has more than one project.
        let project = &projects[if number < 3 {
            number % 2 % projects.len()
        } else {
            random.often_small(projects.len())
        }];
        let cwd = format!("{}/{}", writer.recorded, project.path);
        let folder = writer.root.join("projects").join(slug(&cwd));
        let id = random.uuid();
        let shrunk = self.total_bytes.is_some();
        let shape = Shape {
            session: id.clone(),
            cwd,
            agent: None,
            begun: BEGINNING + number as i64 * (SPAN / self.sessions.max(1) as i64).min(5_400_000),
            boilerplate: match self.compact {
                true => 0,
                false if random.happens(0.25) => 0,
                false if shrunk => (size as usize / 3).min(100_000),
                false => 100_000,
            },
            image: !self.compact && random.happens(0.06),
            compact: self.compact,
            scale: match (self.compact, shrunk) {
                (true, _) => 0.05,
                (_, true) => (size as f64 / 200_000.0).clamp(SHORTEST, 1.0),
                _ => 1.0,
            },
        };
        let side = folder.join(&id);
        let transcript = folder.join(format!("{id}.jsonl"));
        let mut conversation = Conversation::new(shape.clone(), project, random.clone());
        writer.stream(&transcript, &mut conversation, size)?;
        writer.history.extend(
            conversation
                .prompts
                .drain(..)
                .map(|(time, said)| (time, said, shape.cwd.clone(), id.clone())),
        );
        writer.summary.transcripts.push(transcript);

        for _ in 0..if random.happens(0.2) && !self.compact {
            1 + random.below(4)
        } else {
            0
        } {
            let agent = format!("{:016x}", random.next())[..8].to_owned();
            let shape = Shape {
                agent: Some(agent.clone()),
                boilerplate: 0,
                image: false,
                ..shape.clone()
            };
            let mut conversation = Conversation::new(shape, project, Random::new(random.next()));
            writer.stream(
                &side.join(format!("subagents/agent-{agent}.jsonl")),
                &mut conversation,
                size / 6,
            )?;
            writer.file(
                &side.join(format!("subagents/agent-{agent}.meta.json")),
                b"{\"agentType\":\"Explore\",\"description\":\"look around\"}",
            )?;
        }
        for _ in 0..if random.happens(0.1) && !self.compact {
            1 + random.below(3)
        } else {
            0
        } {
            let mut printed = String::new();
            project.tool_output(&mut random, &mut printed, (size as usize / 8).clamp(300, 300_000));
            let printed = printed.replace("\\n", "\n").replace("\\t", "\t").replace("\\\"", "\"");
            writer.file(
                &side.join(format!("tool-results/toolu_{:016x}.txt", random.next())),
                printed.as_bytes(),
            )?;
        }
        Ok(())
    }

    fn write_settings(&self, writer: &mut Writer, projects: &[Project]) -> io::Result<()> {
        let root = writer.root.clone();
        let mut random = Random::part(self.seed, u64::MAX - 1);
        for project in projects.iter().step_by(3) {
            let folder = root
                .join("projects")
                .join(slug(&format!("{}/{}", writer.recorded, project.path)));
            let mut notes = "# Memory\n\n- Run the tests before each commit.\n".to_owned();
            if !self.compact {
                words::prose(&mut random, &mut notes, 900);
            }
            writer.file(&folder.join("memory/MEMORY.md"), notes.replace("\\n", "\n").as_bytes())?;
        }
        for (path, content) in [
            (
                "CLAUDE.md",
                "# How we work\n\nWrite plain English. Prefer small commits.\nAsk before adding a dependency.\n",
            ),
            ("settings.json", SETTINGS),
            (
                "agents/reviewer.md",
                "---\nname: reviewer\ndescription: Reads a change and says what is wrong with it\ntools: Read, Grep\n---\n\nRead the change as its next maintainer would.\n",
            ),
            (
                "skills/changelog/SKILL.md",
                "---\nname: changelog\ndescription: Writes the changelog of a release\n---\n\nList what changed for a person who uses the program.\nRun scripts/commits.sh for the raw list.\n",
            ),
            (
                "skills/changelog/scripts/commits.sh",
                "#!/bin/sh\ngit log --oneline \"$(git describe --tags --abbrev=0)\"..HEAD\n",
            ),
        ] {
            writer.file(&root.join(path), content.replace("@HOME@", &writer.recorded).as_bytes())?;
        }
        if self.compact {
            return Ok(());
        }
        for (path, content) in [
            ("commands/review.md", "Review the change on this branch.\n"),
            ("rules/style.md", "Lines are at most 120 columns.\n"),
            (
                "output-styles/short.md",
                "---\nname: short\n---\nAnswer in one sentence.\n",
            ),
            ("keybindings.json", "{\n  \"submit\": \"ctrl+enter\"\n}\n"),
            (
                "themes/dusk.json",
                "{\"name\": \"dusk\", \"colors\": {\"text\": \"#ddd\"}}\n",
            ),
            ("plans/quiet-river.md", "# Plan\n\n1. Read.\n2. Change.\n3. Test.\n"),
        ] {
            writer.file(&root.join(path), content.as_bytes())?;
        }
        for path in SECRETS {
            let file = root.join(path);
            writer.file(&file, format!("{{\"secret\":\"{CANARY} {path}\"}}\n").as_bytes())?;
            writer.summary.secrets.push(file);
        }
        let known: Vec<String> = projects
            .iter()
            .map(|project| format!("\"{}/{}\":{{}}", writer.recorded, project.path))
            .collect();
        let state = format!(
            "{{\"oauthAccount\":\"{CANARY} .claude.json\",\"projects\":{{{}}}}}\n",
            known.join(",")
        );
        let file = writer.home.join(".claude.json");
        writer.file(&file, state.as_bytes())?;
        writer.summary.secrets.push(file);
        Ok(())
    }
}

/// Files that Claude Code keeps there and that no other machine may see. Relative to its folder.
pub const SECRETS: &[&str] = &[
    ".credentials.json",
    ".claude.json.backup",
    "backups/.claude.json.backup.1736154000000",
    "remote-settings.json",
    "policy-limits.json",
    "sessions/4194304.json",
    "sessions/4194304.0123456789abcdef.key",
    "session-env/0/env.sh",
    "shell-snapshots/snapshot-bash-1.sh",
    "ide/4711.lock",
    "debug/latest.txt",
    "cache/changelog.md",
    "paste-cache/1.txt",
    "plugins/installed_plugins.json",
    "file-history/0/abc@v1",
    "todos/0.json",
    "statsig/state.json",
    "settings.local.json",
    "skills/changelog/.git/config",
    "skills/changelog/node_modules/left-pad/index.js",
    "skills/changelog/server.key",
];

const SETTINGS: &str = r#"{
  "model": "sonnet",
  "permissions": {
    "allow": ["Bash(cargo test:*)", "Read(~/code/**)"],
    "deny": ["Read(./.env)"]
  },
  "hooks": {
    "Stop": [{"hooks": [{"type": "command", "command": "@HOME@/bin/ring-the-bell"}]}]
  },
  "outputStyle": "short"
}
"#;

/// Where files go and what is known of them.
struct Writer {
    root: PathBuf,
    home: PathBuf,
    recorded: String,
    summary: Summary,
    /// Time, prompt, folder and session.
    history: Vec<(i64, String, String, String)>,
}

impl Writer {
    fn file(&mut self, path: &Path, content: &[u8]) -> io::Result<()> {
        fs::create_dir_all(path.parent().ok_or(io::ErrorKind::InvalidInput)?)?;
        fs::write(path, content)?;
        self.summary.files += 1;
        self.summary.bytes += content.len() as u64;
        Ok(())
    }

    /// Writes a conversation until it has about `size` bytes, whatever the size in bounded memory.
    fn stream(&mut self, path: &Path, conversation: &mut Conversation<'_>, size: u64) -> io::Result<()> {
        fs::create_dir_all(path.parent().ok_or(io::ErrorKind::InvalidInput)?)?;
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        let (mut written, mut lines, mut steps) = (0, String::new(), 0);
        while written < size || steps < 4 {
            lines.clear();
            conversation.step(&mut lines);
            file.write_all(lines.as_bytes())?;
            written += lines.len() as u64;
            steps += 1;
        }
        lines.clear();
        conversation.finish(&mut lines);
        file.write_all(lines.as_bytes())?;
        written += lines.len() as u64;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_millis(conversation.time() as u64))?;
        self.summary.files += 1;
        self.summary.bytes += written;
        Ok(())
    }

    fn history(&mut self) -> io::Result<()> {
        let mut prompts = std::mem::take(&mut self.history);
        prompts.sort_by_key(|(time, ..)| *time);
        let lines: String = prompts
            .iter()
            .map(|(time, said, project, session)| {
                format!("{{\"display\":\"{said}\",\"pastedContents\":{{}},\"timestamp\":{time},\"project\":\"{project}\",\"sessionId\":\"{session}\"}}\n")
            })
            .collect();
        self.file(&self.root.join("history.jsonl"), lines.as_bytes())
    }
}

/// A transcript of its own in about `bytes` bytes, for tests of one function.
pub fn session(seed: u64, bytes: usize) -> Vec<u8> {
    let project = Project::new("code/app".to_owned(), Random::new(seed));
    let mut random = Random::part(seed, 0);
    let shape = Shape {
        session: random.uuid(),
        cwd: "/home/ana/code/app".to_owned(),
        agent: None,
        begun: BEGINNING,
        boilerplate: (bytes / 3).min(100_000),
        image: false,
        compact: false,
        scale: (bytes as f64 / 200_000.0).clamp(SHORTEST, 1.0),
    };
    let mut conversation = Conversation::new(shape, &project, random);
    let mut out = String::new();
    for step in 0.. {
        if out.len() >= bytes && step >= 4 {
            break;
        }
        conversation.step(&mut out);
    }
    conversation.finish(&mut out);
    out.into_bytes()
}

/// The name that Claude Code gives to the folder of `path`, up to 200 characters.
fn slug(path: &str) -> String {
    path.encode_utf16()
        .map(|unit| {
            u8::try_from(unit)
                .ok()
                .filter(u8::is_ascii_alphanumeric)
                .map_or('-', char::from)
        })
        .collect()
}
