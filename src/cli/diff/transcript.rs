//! A transcript as messages: who said what and when, which tools ran, and none of the JSON around it.

use serde_json::Value;

use super::reading::{INDENT, Reading};
use crate::cli::sizes;
use crate::cli::times::Clock;

/// How many lines of a tool's result are shown: what came back matters less than what was asked.
const RESULT_LINES: usize = 6;
/// How many lines of an agent's thinking are shown.
const THINKING_LINES: usize = 3;
/// How many characters of a tool's argument and of an unreadable line are shown.
const SHORT: usize = 200;
/// The arguments that say best what a tool call does, best first.
const TELLING: [&str; 12] = [
    "command",
    "file_path",
    "notebook_path",
    "pattern",
    "path",
    "url",
    "query",
    "skill",
    "description",
    "prompt",
    "subject",
    "text",
];

/// Reads a file of JSON lines whose first line has the number `first_line` in its file.
pub(super) fn read(content: &[u8], first_line: usize, clock: &Clock) -> Reading {
    let mut reading = Reading {
        is_rendered: true,
        ..Reading::default()
    };
    for (index, line) in content.split_inclusive(|&byte| byte == b'\n').enumerate() {
        let place = first_line + index;
        let before = reading.places.len();
        match serde_json::from_slice::<Value>(line) {
            Ok(value) => Message { value: &value, clock }.show(&mut |line| reading.push(place, line)),
            Err(_) if line.trim_ascii().is_empty() => {}
            Err(_) => {
                let raw = crate::cli::sanitize::bytes(line.trim_ascii_end());
                reading.push(place, &format!("? {}", short(&raw)));
            }
        }
        if reading.places.len() == before {
            reading.hidden += 1;
        }
    }
    reading
}

struct Message<'a> {
    value: &'a Value,
    clock: &'a Clock,
}

impl Message<'_> {
    fn text(&self, key: &str) -> Option<&str> {
        self.value.get(key)?.as_str()
    }

    fn is(&self, key: &str) -> bool {
        self.value.get(key).and_then(Value::as_bool).unwrap_or(false)
    }

    fn show(&self, show: &mut dyn FnMut(&str)) {
        match self.text("type") {
            // What the agent told itself in the person's name is not a message of the person.
            Some("user") if self.is("isMeta") => {}
            Some("user") if self.is("isCompactSummary") => self.spoken("summary of what came before", show),
            Some(role @ ("user" | "assistant")) => self.spoken(role, show),
            Some("system") if self.text("subtype") == Some("compact_boundary") => show("· compacted here"),
            Some("system") if self.text("subtype") == Some("local_command") => self.note("command", "content", show),
            Some("summary") => self.note("summary", "summary", show),
            Some("custom-title") => self.note("title", "customTitle", show),
            Some("ai-title") => self.note("title by the agent", "aiTitle", show),
            None => self.prompt(show),
            Some(_) => {}
        }
    }

    /// A line of the history of prompts: `{"display":…,"timestamp":<milliseconds>,"project":…}`.
    fn prompt(&self, show: &mut dyn FnMut(&str)) {
        let Some(display) = self.text("display") else { return };
        let at = self.value.get("timestamp").and_then(Value::as_i64);
        let at = at.map(|milliseconds| crate::core::stat::Timestamp(milliseconds.saturating_mul(1_000_000)));
        let heading = [
            Some("prompt".to_owned()),
            at.map(|at| self.clock.moment(at)),
            self.text("project").map(str::to_owned),
        ];
        show(&heading.into_iter().flatten().collect::<Vec<_>>().join("  "));
        indented(display, usize::MAX, show);
    }

    fn note(&self, what: &str, key: &str, show: &mut dyn FnMut(&str)) {
        if let Some(text) = self.text(key) {
            show(&format!("· {what}: {}", short(text)));
        }
    }

    fn spoken(&self, role: &str, show: &mut dyn FnMut(&str)) {
        let mut body = Vec::new();
        match self.value.get("message").and_then(|message| message.get("content")) {
            Some(Value::String(text)) => indented(text, usize::MAX, &mut |line| body.push(line.to_owned())),
            Some(Value::Array(blocks)) => {
                for block in blocks {
                    show_block(block, &mut |line| body.push(line.to_owned()));
                }
            }
            _ => {}
        }
        if body.is_empty() {
            return;
        }
        let mut heading = role.to_owned();
        if self.is("isSidechain") {
            heading.push_str(" (subagent)");
        }
        if let Some(at) = self.text("timestamp") {
            heading.push_str("  ");
            heading.push_str(&self.clock.moment_of_text(at).unwrap_or_else(|| short(at)));
        }
        show(&heading);
        body.iter().for_each(|line| show(line));
    }
}

/// One block of a message's content.
fn show_block(block: &Value, show: &mut dyn FnMut(&str)) {
    let text = |key: &str| block.get(key).and_then(Value::as_str);
    match text("type") {
        Some("text") => indented(text("text").unwrap_or_default(), usize::MAX, show),
        Some("thinking") => {
            let thinking = text("thinking").unwrap_or_default();
            if !thinking.trim().is_empty() {
                show(&format!("{INDENT}(thinking)"));
                indented(thinking, THINKING_LINES, show);
            }
        }
        Some("tool_use") => {
            let name = text("name").unwrap_or("a tool");
            match block.get("input").and_then(telling) {
                Some(argument) => show(&format!("{INDENT}▸ {name}: {}", short(argument))),
                None => show(&format!("{INDENT}▸ {name}")),
            }
        }
        Some("tool_result") => {
            let failed = block.get("is_error").and_then(Value::as_bool) == Some(true);
            show(&format!("{INDENT}◂ {}", if failed { "failed" } else { "result" }));
            match block.get("content") {
                Some(Value::String(result)) => indented(result, RESULT_LINES, show),
                Some(Value::Array(parts)) => {
                    for part in parts {
                        match part.get("text").and_then(Value::as_str) {
                            Some(result) => indented(result, RESULT_LINES, show),
                            None => show_block(part, show),
                        }
                    }
                }
                _ => {}
            }
        }
        Some("image") => {
            let source = block.get("source");
            let data = source.and_then(|source| source.get("data")).and_then(Value::as_str);
            // Base64: four characters for three bytes.
            let size = data.map_or(0, |data| data.len() as u64 / 4 * 3);
            show(&format!("{INDENT}[image, {}]", sizes::size(size)));
        }
        Some(other) => show(&format!("{INDENT}[{}]", short(other))),
        None => {}
    }
}

/// The argument of a tool call that says best what it does.
fn telling(input: &Value) -> Option<&str> {
    let named = TELLING.iter().find_map(|name| input.get(name)?.as_str());
    named.or_else(|| input.as_object()?.values().find_map(Value::as_str))
}

/// At most `most` lines of a text, two columns in.
fn indented(text: &str, most: usize, show: &mut dyn FnMut(&str)) {
    let text = text.trim_end();
    if text.is_empty() {
        return;
    }
    let mut lines = text.lines();
    for line in lines.by_ref().take(most) {
        show(&format!("{INDENT}{line}"));
    }
    let more = lines.count() as u64;
    if more > 0 {
        show(&format!("{INDENT}… {}", sizes::count(more, "more line", "more lines")));
    }
}

/// The beginning of a text, on one line.
fn short(text: &str) -> String {
    let mut lines = text.trim().lines();
    let first = lines.next().unwrap_or_default();
    let is_cut = lines.next().is_some() || first.chars().nth(SHORT).is_some();
    let start: String = first.chars().take(SHORT).collect();
    if is_cut { start + " …" } else { start }
}
