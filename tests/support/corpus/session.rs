//! One conversation, line by line, as Claude Code writes it.

use std::fmt::Write as _;

use super::random::Random;
use super::words::{self, FOLLOW_UPS, Project, REPLIES, TASKS};

/// The boilerplate of versions from 2.1.300 on is the same in all sessions of a version.
const BOILERPLATE_SEED: u64 = 0x00c0_ffee;

/// The most bytes of boilerplate that a session begins with.
const BOILERPLATE: usize = 100_000;

/// What comes next in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Start,
    Prompt,
    Thinking,
    Text,
    ToolUse,
    EndOfTurn,
}

/// How a conversation is to be.
#[derive(Debug, Clone)]
pub struct Shape {
    /// The session's id; a subagent's lines carry its parent's.
    pub session: String,
    /// Where the agent works, as the lines say it.
    pub cwd: String,
    /// The id of the subagent whose transcript it is.
    pub agent: Option<String>,
    /// The time of its first line, in milliseconds since 1970.
    pub begun: i64,
    /// How many bytes of boilerplate it begins with, at most [`BOILERPLATE`].
    pub boilerplate: usize,
    /// Whether a person pastes an image.
    pub image: bool,
    /// Whether people are to read it: the agent then says short sentences that make sense.
    pub compact: bool,
    /// What its lines' lengths are multiplied with.
    pub scale: f64,
}

/// A conversation that goes on for as long as it is asked to.
#[derive(Debug)]
pub struct Conversation<'a> {
    random: Random,
    project: &'a Project,
    shape: Shape,
    /// Its last line with a uuid.
    leaf: Option<String>,
    time: i64,
    next: Next,
    version: &'static str,
    title: &'static str,
    last_prompt: String,
    /// Whether a title was made already: the first turn's metadata has none.
    titled: bool,
    /// What the person said and when, for the history of prompts.
    pub prompts: Vec<(i64, String)>,
}

impl<'a> Conversation<'a> {
    /// A conversation that has not begun.
    pub fn new(shape: Shape, project: &'a Project, mut random: Random) -> Self {
        let version = if shape.boilerplate > 0 { "2.1.329" } else { "2.1.207" };
        let task = TASKS[random.below(TASKS.len())];
        Self {
            random,
            project,
            time: shape.begun,
            shape,
            leaf: None,
            next: Next::Start,
            version,
            title: task.1,
            last_prompt: task.0.to_owned(),
            titled: false,
            prompts: Vec::new(),
        }
    }

    /// One that goes on after the line `leaf`, written at `time`, with another prompt.
    pub fn after(shape: Shape, project: &'a Project, random: Random, leaf: Option<String>, time: i64) -> Self {
        let mut conversation = Self::new(shape, project, random);
        conversation.leaf = leaf;
        conversation.time = time;
        conversation.next = Next::Prompt;
        conversation.prompts.push((time, String::new()));
        conversation
    }

    /// The time of its newest line, in milliseconds since 1970.
    pub fn time(&self) -> i64 {
        self.time
    }

    /// Adds the next line, or a few that belong together.
    pub fn step(&mut self, out: &mut String) {
        let subagent = self.shape.agent.is_some();
        self.next = match self.next {
            Next::Start if subagent => Next::Prompt,
            Next::Start => {
                self.session_start(out);
                Next::Prompt
            }
            Next::Prompt => {
                self.prompt(out);
                if self.random.happens(0.5) {
                    Next::Thinking
                } else {
                    Next::Text
                }
            }
            Next::Thinking => {
                self.thinking(out);
                if self.random.happens(0.55) {
                    Next::Text
                } else {
                    Next::ToolUse
                }
            }
            Next::Text => {
                self.text(out);
                if self.random.happens(0.8) {
                    Next::ToolUse
                } else {
                    Next::EndOfTurn
                }
            }
            Next::ToolUse => {
                self.tools(out);
                if self.random.happens(0.30) {
                    self.attachment(out);
                }
                if !subagent && self.random.happens(0.10) {
                    self.metadata(out);
                }
                match self.random.below(100) {
                    0..=42 => Next::ToolUse,
                    43..=76 => Next::Thinking,
                    77..=96 => Next::Text,
                    _ => Next::EndOfTurn,
                }
            }
            Next::EndOfTurn => {
                self.end_of_turn(out);
                Next::Prompt
            }
        };
    }

    /// Ends it as the agent does: its newest line is named, so that resuming it goes on there.
    pub fn finish(&mut self, out: &mut String) {
        if self.shape.compact {
            self.metadata(out);
        } else if self.shape.agent.is_none() {
            self.last_prompt_line(out);
        }
    }

    /// Tells it that of its newest lines only `kept` were taken, so that it goes on from the last of those.
    pub fn forget_after(&mut self, kept: &str) {
        let newest = kept
            .rsplit_once("\"uuid\":\"")
            .and_then(|(_, rest)| rest.split_once('"'));
        if let Some((uuid, _)) = newest {
            self.leaf = Some(uuid.to_owned());
        }
    }

    fn session_start(&mut self, out: &mut String) {
        if self.random.happens(0.55) {
            self.last_prompt_line(out);
        } else {
            self.mode_lines(out);
        }
        if self.shape.boilerplate == 0 {
            return;
        }
        let mut same = Random::new(BOILERPLATE_SEED);
        for (part, share) in [
            ("prompt_snapshot", 0.50),
            ("skill_listing", 0.10),
            ("environment", 0.01),
        ] {
            let mut text = String::new();
            words::prose(&mut same, &mut text, (BOILERPLATE as f64 * share) as usize / 2);
            let half = text.clone();
            text.push_str(&half);
            cut(&mut text, (self.shape.boilerplate as f64 * share) as usize);
            self.line(
                out,
                "attachment",
                &format!("\"attachment\":{{\"type\":\"{part}\",\"content\":\"{text}\"}}"),
            );
        }
        for (kind, share) in [("api-request-shape", 0.28), ("api-request-blob", 0.11)] {
            let mut text = String::new();
            let end = (self.shape.boilerplate as f64 * share) as usize;
            while text.len() < end {
                let (name, mut about) = (words::command(&mut same), String::new());
                words::prose(&mut same, &mut about, 60);
                let _ = write!(
                    text,
                    "{{\\\"name\\\":\\\"{name}\\\",\\\"description\\\":\\\"{about}\\\",\\\"input_schema\\\":{{\\\"type\\\":\\\"object\\\",\\\"additionalProperties\\\":false,\\\"properties\\\":{{\\\"path\\\":{{\\\"type\\\":\\\"string\\\"}}}}}}}},"
                );
            }
            let _ = writeln!(
                out,
                "{{\"type\":\"{kind}\",\"sessionId\":\"{}\",\"body\":\"{text}\"}}",
                self.shape.session
            );
        }
    }

    fn prompt(&mut self, out: &mut String) {
        let first = self.prompts.is_empty();
        if !first {
            // A person reads, and thinks, and is away.
            self.time += (self.random.lognormal(11.0, 1.6) as i64).min(20 * 3_600_000);
            self.last_prompt = self.random.pick(FOLLOW_UPS).to_owned();
        }
        let mut said = self.last_prompt.clone();
        let extra = self.length(6.7, 0.8, 450) / 2;
        if extra > 40 && self.random.happens(0.5) {
            said.push_str("\\n\\n");
            words::prose(&mut self.random, &mut said, extra);
        }
        self.prompts.push((self.time, said.clone()));
        let content = if self.shape.image && first {
            let mut data = String::new();
            let size = (self.random.lognormal(11.5, 0.6) * self.shape.scale).min(2_000_000.0) as usize;
            self.random.base64(&mut data, size.max(64));
            format!(
                "[{{\"type\":\"image\",\"source\":{{\"type\":\"base64\",\"media_type\":\"image/png\",\"data\":\"{data}\"}}}},{{\"type\":\"text\",\"text\":\"{said}\"}}]"
            )
        } else {
            format!("\"{said}\"")
        };
        let uuid = self.line(
            out,
            "user",
            &format!("\"message\":{{\"role\":\"user\",\"content\":{content}}}"),
        );
        if self.random.happens(0.9) && self.shape.agent.is_none() {
            let time = timestamp(self.time);
            let mut tracked = String::new();
            for number in 0..self.random.below(4) {
                let file = self.project.file_name(&mut self.random);
                let _ = write!(
                    tracked,
                    "{}\"{file}\":{{\"backupFileName\":null,\"version\":{number},\"backupTime\":\"{time}\"}}",
                    if number > 0 { "," } else { "" }
                );
            }
            let _ = writeln!(
                out,
                "{{\"type\":\"file-history-snapshot\",\"messageId\":\"{uuid}\",\"snapshot\":{{\"messageId\":\"{uuid}\",\"trackedFileBackups\":{{{tracked}}},\"timestamp\":\"{time}\"}},\"isSnapshotUpdate\":false}}"
            );
        }
        if self.random.happens(0.15) {
            let queued = format!(
                "{{\"type\":\"queue-operation\",\"operation\":\"enqueue\",\"timestamp\":\"{}\",\"sessionId\":\"{}\",\"content\":\"{}\"}}\n",
                timestamp(self.time),
                self.shape.session,
                self.random.pick(FOLLOW_UPS)
            );
            // The same prompt typed twice is the same line twice.
            out.push_str(&queued.repeat(1 + self.random.below(2)));
        }
    }

    fn thinking(&mut self, out: &mut String) {
        let length = self.length(8.04, 0.67, 600);
        let (mut thought, mut signature) = (String::new(), String::new());
        words::prose(&mut self.random, &mut thought, length / 8);
        self.random.base64(&mut signature, length * 4 / 5);
        self.assistant(
            out,
            &format!("{{\"type\":\"thinking\",\"thinking\":\"{thought}\",\"signature\":\"{signature}\"}}"),
        );
    }

    fn text(&mut self, out: &mut String) {
        let length = self.length(7.31, 0.31, 650);
        let mut text = String::new();
        if self.shape.compact {
            text.push_str(self.random.pick(REPLIES));
        } else {
            words::prose(&mut self.random, &mut text, length);
        }
        self.assistant(out, &format!("{{\"type\":\"text\",\"text\":\"{text}\"}}"));
    }

    /// One tool's use and its result; now and then two at once, which follow one line.
    fn tools(&mut self, out: &mut String) {
        let count = if self.random.happens(0.05) { 2 } else { 1 };
        let parent = self.leaf.clone();
        let mut uses = Vec::new();
        for _ in 0..count {
            let id = format!("toolu_{:016x}{:08x}", self.random.next(), self.random.next() >> 32);
            let file = self.project.file_name(&mut self.random).to_owned();
            let length = self.length(7.45, 0.37, 1000);
            let mut input = String::new();
            match self.random.below(3) {
                0 => {
                    self.project.tool_output(&mut self.random, &mut input, length);
                    input = format!("\"file_path\":\"{}/{file}\",\"new_string\":\"{input}\"", self.cwd());
                }
                1 => input = format!("\"file_path\":\"{}/{file}\"", self.cwd()),
                _ => {
                    input = format!(
                        "\"command\":\"{}\",\"description\":\"{}\"",
                        words::command(&mut self.random),
                        self.title
                    )
                }
            }
            let name = self.random.pick(&["Read", "Edit", "Bash", "Grep"]);
            self.leaf.clone_from(&parent);
            self.assistant(
                out,
                &format!("{{\"type\":\"tool_use\",\"id\":\"{id}\",\"name\":\"{name}\",\"input\":{{{input}}}}}"),
            );
            uses.push((id, self.leaf.clone(), file));
        }
        for (id, used, file) in uses {
            let length = self.length(7.81, 0.95, 700) / 2;
            let mut printed = String::new();
            self.project.tool_output(&mut self.random, &mut printed, length);
            self.leaf = used;
            let path = format!("{}/{file}", self.cwd());
            self.line(out, "user", &format!("\"message\":{{\"role\":\"user\",\"content\":[{{\"tool_use_id\":\"{id}\",\"type\":\"tool_result\",\"content\":\"{printed}\"}}]}},\"toolUseResult\":{{\"type\":\"text\",\"file\":{{\"filePath\":\"{path}\",\"content\":\"{printed}\"}}}}"));
        }
    }

    fn attachment(&mut self, out: &mut String) {
        let length = self.length(6.78, 0.77, 520);
        let mut text = String::new();
        self.project.tool_output(&mut self.random, &mut text, length);
        let kind = self
            .random
            .pick(&["hook_success", "hook_success", "task_reminder", "edited_text_file"]);
        self.line(
            out,
            "attachment",
            &format!("\"attachment\":{{\"type\":\"{kind}\",\"hookEvent\":\"PostToolUse\",\"content\":\"{text}\"}}"),
        );
    }

    fn end_of_turn(&mut self, out: &mut String) {
        let took = self.random.below(900_000);
        self.line(
            out,
            "system",
            &format!("\"subtype\":\"turn_duration\",\"durationMs\":{took},\"isMeta\":false"),
        );
        if self.shape.agent.is_none() {
            self.metadata(out);
        }
    }

    /// What the agent repeats about the session: all but its first line are the same bytes each time.
    fn metadata(&mut self, out: &mut String) {
        self.last_prompt_line(out);
        let _ = writeln!(
            out,
            "{{\"type\":\"ai-title\",\"aiTitle\":\"{}\",\"sessionId\":\"{}\"}}",
            self.title, self.shape.session
        );
        self.mode_lines(out);
    }

    fn mode_lines(&mut self, out: &mut String) {
        if self.random.happens(0.53) {
            let _ = writeln!(
                out,
                "{{\"type\":\"mode\",\"mode\":\"normal\",\"sessionId\":\"{}\"}}",
                self.shape.session
            );
        }
        let _ = writeln!(
            out,
            "{{\"type\":\"permission-mode\",\"permissionMode\":\"default\",\"sessionId\":\"{}\"}}",
            self.shape.session
        );
    }

    fn last_prompt_line(&mut self, out: &mut String) {
        let leaf = self
            .leaf
            .as_ref()
            .map_or(String::new(), |leaf| format!("\"leafUuid\":\"{leaf}\","));
        let _ = writeln!(
            out,
            "{{\"type\":\"last-prompt\",\"lastPrompt\":\"{}\",{leaf}\"sessionId\":\"{}\"}}",
            self.last_prompt, self.shape.session
        );
    }

    fn assistant(&mut self, out: &mut String, block: &str) {
        let id = self.random.next();
        let (fresh, cached, made) = (
            self.random.below(9000),
            self.random.below(200_000),
            self.random.below(4000),
        );
        self.line(out, "assistant", &format!("\"message\":{{\"model\":\"claude-sonnet-4-5\",\"id\":\"msg_{id:016x}\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[{block}],\"stop_reason\":null,\"usage\":{{\"input_tokens\":{fresh},\"cache_read_input_tokens\":{cached},\"output_tokens\":{made}}}}}"));
    }

    /// Adds a line of the conversation, which follows the newest one, and gives its uuid.
    fn line(&mut self, out: &mut String, kind: &str, payload: &str) -> String {
        let uuid = self.random.uuid();
        let parent = self
            .leaf
            .as_ref()
            .map_or("null".to_owned(), |leaf| format!("\"{leaf}\""));
        self.time += (self.random.lognormal(6.9, 1.45) as i64).clamp(1, 600_000);
        let shown = self.time - if self.random.happens(0.145) { self.lateness() } else { 0 };
        let agent = self
            .shape
            .agent
            .as_ref()
            .map_or(String::new(), |agent| format!("\"agentId\":\"{agent}\","));
        let _ = writeln!(
            out,
            "{{\"parentUuid\":{parent},\"isSidechain\":{},{agent}\"type\":\"{kind}\",{payload},\"uuid\":\"{uuid}\",\"timestamp\":\"{}\",\"userType\":\"external\",\"entrypoint\":\"cli\",\"cwd\":\"{}\",\"sessionId\":\"{}\",\"version\":\"{}\",\"gitBranch\":\"main\"}}",
            self.shape.agent.is_some(),
            timestamp(shown),
            self.cwd(),
            self.shape.session,
            self.version,
        );
        self.leaf = Some(uuid.clone());
        uuid
    }

    /// By how much the time of a line lies before it was written.
    fn lateness(&mut self) -> i64 {
        match self.random.below(100) {
            0..=63 => 200 + self.random.below(800) as i64,
            64..=69 => 1_000 + self.random.below(59_000) as i64,
            _ => 60_000 + self.random.often_small(9_384_000) as i64,
        }
    }

    /// A payload's length: a log-normal sample of a whole line's, without its `envelope`.
    fn length(&mut self, mu: f64, sigma: f64, envelope: usize) -> usize {
        let whole = self.random.lognormal(mu, sigma).min(2_000_000.0) as usize;
        (whole.saturating_sub(envelope) as f64 * self.shape.scale) as usize
    }

    fn cwd(&self) -> String {
        self.shape.cwd.replace('\\', "\\\\")
    }
}

/// Shortens escaped text to at most `length` bytes, without leaving half an escape.
fn cut(text: &mut String, length: usize) {
    text.truncate(length);
    while text.ends_with('\\') {
        text.pop();
    }
}

/// Milliseconds since 1970 as Claude Code writes them. The calendar is Howard Hinnant's `civil_from_days`.
pub fn timestamp(milliseconds: i64) -> String {
    let (days, rest) = (milliseconds.div_euclid(86_400_000), milliseconds.rem_euclid(86_400_000));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (seconds, fraction) = (rest / 1000, rest % 1000);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{fraction:03}Z",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// The inverse of [`timestamp`], for texts of exactly that form.
pub fn milliseconds(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    Some((((days * 24 + number(11, 13)?) * 60 + number(14, 16)?) * 60 + number(17, 19)?) * 1000 + number(20, 23)?)
}
