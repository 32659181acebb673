//! What a transcript is about, from its two ends.
//!
//! Claude Code's own session list reads the first and the last 64 KiB of each file and nothing else; so does this.

use serde_json::value::RawValue;

use super::line::{Block, Line, Message, is_true, text};

/// How many bytes of each end of a transcript [`describe`] is meant to be given.
pub const WINDOW: usize = 64 * 1024;

/// The greatest number of characters of a title.
pub const LONGEST_TITLE: usize = 80;

/// What a person knows a session by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description {
    /// The title that a person gave, else the one that the agent gave, else its old summary, else the first prompt. One line of at most
    /// [`LONGEST_TITLE`] characters, none of them a control character.
    pub title: Option<String>,
    /// The folder that the session began in, as its machine wrote it: an absolute path, perhaps of another system.
    pub project: Option<String>,
}

/// Describes the transcript whose first bytes are `head` and whose last bytes are `tail`. The two may overlap, or be the same; a line
/// that is cut at their edges is left out.
#[must_use]
pub fn describe(head: &[u8], tail: &[u8]) -> Description {
    let mut found = Found::default();
    for line in lines(head).chain(lines(tail)) {
        found.take(&line);
    }
    let title = [
        found.custom,
        found.generated,
        found.summary,
        found.prompt,
        found.last_prompt,
        found.command,
    ];
    Description {
        title: title.into_iter().flatten().next(),
        project: found.project,
    }
}

fn lines(window: &[u8]) -> impl Iterator<Item = Line<'_>> {
    window.split(|byte| *byte == b'\n').filter_map(Line::read)
}

/// What the lines read so far say. The last title in the file counts, but the first prompt does.
#[derive(Default)]
struct Found {
    custom: Option<String>,
    generated: Option<String>,
    summary: Option<String>,
    prompt: Option<String>,
    last_prompt: Option<String>,
    command: Option<String>,
    project: Option<String>,
}

impl Found {
    fn take(&mut self, line: &Line<'_>) {
        if self.project.is_none() {
            self.project = text(line.cwd).and_then(|cwd| one_line(&cwd, usize::MAX));
        }
        match text(line.kind).as_deref() {
            Some("custom-title") => replace(&mut self.custom, line.custom_title),
            Some("ai-title") => replace(&mut self.generated, line.ai_title),
            Some("summary") => replace(&mut self.summary, line.summary),
            Some("last-prompt") => replace(&mut self.last_prompt, line.last_prompt),
            Some("user") if self.prompt.is_none() && !is_true(line.is_meta) && !is_true(line.is_compact_summary) => {
                match prompt(line.message) {
                    Some(Prompt::Words(words)) => self.prompt = Some(words),
                    Some(Prompt::Command(command)) if self.command.is_none() => self.command = Some(command),
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

fn replace(title: &mut Option<String>, value: Option<&RawValue>) {
    if let Some(line) = text(value).and_then(|value| one_line(&value, LONGEST_TITLE)) {
        *title = Some(line);
    }
}

enum Prompt {
    /// What a person wrote.
    Words(String),
    /// A slash or shell command: a title only where there is nothing better.
    Command(String),
}

/// What a person wrote in the message of a `user` line; `None` where it holds only tools' results or what the agent put there.
fn prompt(message: Option<&RawValue>) -> Option<Prompt> {
    let message: Message<'_> = serde_json::from_str(message?.get()).ok()?;
    if let Some(content) = text(message.content) {
        return read_prompt(&content);
    }
    let blocks: Vec<Block<'_>> = serde_json::from_str(message.content?.get()).ok()?;
    blocks
        .iter()
        .filter(|block| text(block.kind).as_deref() == Some("text"))
        .filter_map(|block| text(block.text))
        .find_map(|text| read_prompt(&text))
}

/// Tags whose element the agent put into a prompt: it goes with all that it holds.
const WRAPPERS: &[&str] = &[
    "system-reminder",
    "ide_opened_file",
    "ide_selection",
    "ide_diagnostics",
    "local-command-caveat",
    "local-command-stdout",
    "local-command-stderr",
    "bash-stdout",
    "bash-stderr",
    "user-prompt-submit-hook",
    "session-start-hook",
    "task-notification",
    "teammate-message",
    "command-message",
    "command-contents",
    "user-memory-input",
];

fn read_prompt(content: &str) -> Option<Prompt> {
    if let Some(name) = element(content, "command-name") {
        let arguments = element(content, "command-args").unwrap_or_default();
        return one_line(&format!("{name} {arguments}"), LONGEST_TITLE).map(Prompt::Command);
    }
    if let Some(input) = element(content, "bash-input") {
        return one_line(&format!("! {input}"), LONGEST_TITLE).map(Prompt::Command);
    }
    let mut words = content.to_owned();
    for tag in WRAPPERS {
        words = without_element(words, tag);
    }
    let words = words.trim_start();
    if words.starts_with("Caveat: The messages below were generated")
        || words.starts_with("[Request interrupted by user")
    {
        return None;
    }
    one_line(words, LONGEST_TITLE).map(Prompt::Words)
}

/// What stands between `<tag>` and `</tag>`.
fn element<'a>(content: &'a str, tag: &str) -> Option<&'a str> {
    let (_, rest) = content.split_once(&format!("<{tag}>"))?;
    rest.split_once(&format!("</{tag}>")).map(|(inner, _)| inner)
}

/// `content` without each `<tag …>…</tag>`; one that is not closed reaches to the end.
fn without_element(mut content: String, tag: &str) -> String {
    let (open, close) = (format!("<{tag}"), format!("</{tag}>"));
    while let Some(start) = content.find(&open) {
        let end = content[start..]
            .find(&close)
            .map_or(content.len(), |at| start + at + close.len());
        content.replace_range(start..end, " ");
    }
    content
}

/// `text` as one line of at most `longest` characters: every run of white space is one space, and what drives a terminal or
/// turns its writing direction is gone. `None` when nothing is left.
fn one_line(text: &str, longest: usize) -> Option<String> {
    let mut line = String::new();
    let mut count = 0;
    for word in text.split(|c: char| c.is_whitespace() || c == '\u{1b}') {
        let mut spaced = line.is_empty();
        for character in word.chars().filter(|c| !is_unprintable(*c)) {
            let width = if spaced { 1 } else { 2 };
            if count + width > longest {
                return Some(ellipsis(line, count == longest));
            }
            if !spaced {
                line.push(' ');
                spaced = true;
            }
            line.push(character);
            count += width;
        }
    }
    (!line.is_empty()).then_some(line)
}

/// `line` with a mark that more followed; in place of its last character when it is `full`.
fn ellipsis(mut line: String, full: bool) -> String {
    if full {
        line.pop();
    }
    while line.ends_with(' ') {
        line.pop();
    }
    line.push('…');
    line
}

/// Control characters, and the marks that reorder or hide text ("Trojan Source", CVE-2021-42574).
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fffd}')
        || matches!(c, '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
