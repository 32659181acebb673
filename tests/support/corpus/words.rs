//! The words, prompts and code that synthetic conversations are made of. Everything here is ready to stand in a JSON string.

use super::random::Random;

/// What a person asks for, with the title that the agent makes of it.
pub const TASKS: &[(&str, &str)] = &[
    ("add a retry with a growing pause to the upload", "Retry uploads"),
    ("why does the parser fail on an empty line?", "Parser and empty lines"),
    (
        "rename the billing module to invoices and fix all callers",
        "Rename billing to invoices",
    ),
    (
        "write tests for the date picker, also for leap years",
        "Date picker tests",
    ),
    ("the build takes four minutes, find out what is slow", "Slow build"),
    ("make the search work without a network", "Offline search"),
    ("explain how the cache is filled at the start", "How the cache starts"),
    ("move the settings page to the new layout", "Settings in the new layout"),
    (
        "there is a race between save and close, please fix it",
        "Race of save and close",
    ),
    ("draft the release notes from the last twenty commits", "Release notes"),
    (
        "replace the hand-written queue by the one of the library",
        "Queue from the library",
    ),
    ("the mobile menu covers the logo on small screens", "Menu covers logo"),
    ("check whether all queries use an index", "Queries and indexes"),
    ("add a dark theme that follows the system", "Dark theme"),
    ("translate the error messages into Spanish", "Spanish messages"),
    ("split the big controller into smaller parts", "Split the controller"),
];

/// What a person says in the middle of a conversation.
pub const FOLLOW_UPS: &[&str] = &[
    "go on",
    "yes, do that",
    "now run the tests",
    "please keep the old name as an alias",
    "that fails on my machine, look at the log again",
    "good, commit it",
    "can you make it shorter?",
    "also update the documentation",
    "what about the other callers?",
];

/// What the agent says in a sample.
pub const REPLIES: &[&str] = &[
    "I will look at the code first.",
    "Found it: the check runs before the value is set.",
    "The change is small. I will run the tests now.",
    "All tests pass.",
    "There are two callers; both need the new name.",
    "That is done. Shall I commit it?",
];

/// Common words, the most frequent first.
const WORDS: &[&str] = &[
    "the",
    "to",
    "a",
    "of",
    "and",
    "is",
    "it",
    "in",
    "that",
    "this",
    "for",
    "with",
    "on",
    "not",
    "we",
    "file",
    "test",
    "be",
    "from",
    "as",
    "are",
    "value",
    "function",
    "now",
    "when",
    "which",
    "by",
    "line",
    "so",
    "error",
    "call",
    "one",
    "first",
    "should",
    "then",
    "has",
    "there",
    "at",
    "module",
    "type",
    "both",
    "only",
    "before",
    "after",
    "because",
    "returns",
    "checks",
    "reads",
    "writes",
    "config",
    "path",
    "name",
    "request",
    "response",
    "list",
    "empty",
    "new",
    "old",
    "change",
    "same",
    "where",
    "table",
    "index",
    "still",
    "also",
    "while",
    "case",
    "state",
    "update",
    "query",
    "branch",
    "commit",
    "build",
    "server",
    "client",
    "user",
    "token",
    "cache",
    "queue",
    "thread",
    "buffer",
    "length",
    "order",
    "record",
    "field",
    "method",
    "option",
    "default",
    "result",
    "pass",
    "fails",
    "looks",
    "needs",
    "makes",
    "keeps",
    "holds",
    "moves",
    "takes",
    "gives",
    "shows",
    "adds",
    "removes",
    "handles",
    "renders",
    "parses",
    "sends",
    "waits",
    "closes",
    "opens",
    "starts",
    "ends",
    "short",
    "long",
    "whole",
    "single",
    "second",
    "last",
    "right",
    "left",
    "inner",
    "outer",
    "public",
    "private",
    "small",
    "large",
    "slow",
    "fast",
    "clean",
    "broken",
    "missing",
    "unused",
    "shared",
    "local",
    "remote",
    "stable",
    "ready",
    "window",
    "button",
    "layout",
    "theme",
    "screen",
    "menu",
    "event",
    "handler",
    "listener",
    "schema",
    "column",
    "row",
    "key",
    "lock",
    "retry",
    "timeout",
    "header",
    "body",
    "route",
    "page",
    "form",
    "input",
    "output",
    "stream",
    "socket",
    "port",
    "host",
    "folder",
    "archive",
    "backup",
    "report",
    "invoice",
    "customer",
    "account",
    "balance",
    "currency",
    "calendar",
    "picker",
    "leap",
    "month",
    "offset",
    "zone",
    "locale",
    "message",
    "translation",
    "fallback",
    "migration",
    "release",
    "version",
    "license",
    "package",
    "dependency",
    "compiler",
    "linker",
    "warning",
    "lint",
];

/// Names that code is made of.
const NAMES: &[&str] = &[
    "load_settings",
    "parse_line",
    "upload",
    "retry_after",
    "open_index",
    "render_menu",
    "next_month",
    "invoice_total",
    "find_user",
    "close_window",
    "write_record",
    "read_header",
    "merge_rows",
    "queue_length",
    "is_ready",
    "to_utc",
    "apply_theme",
    "send_event",
    "cache_key",
    "drop_lock",
    "list_routes",
    "check_token",
    "format_price",
    "split_path",
    "join_parts",
    "count_errors",
];

const COMMANDS: &[&str] = &[
    "cargo test",
    "npm test -- --watch=false",
    "git status --short",
    "rg -n retry src",
    "ls -la src",
    "git diff --stat",
];

/// Adds about `bytes` bytes of sentences.
pub fn prose(random: &mut Random, out: &mut String, bytes: usize) {
    let end = out.len() + bytes;
    while out.len() < end {
        let words = 5 + random.below(14);
        for at in 0..words {
            let word = WORDS[random.often_small(WORDS.len())];
            if at == 0 {
                out.push_str(&word[..1].to_uppercase());
                out.push_str(&word[1..]);
            } else {
                out.push(' ');
                out.push_str(word);
            }
        }
        out.push_str(if random.happens(0.15) { ".\\n\\n" } else { ". " });
    }
}

/// A shell command.
pub fn command(random: &mut Random) -> &'static str {
    random.pick(COMMANDS)
}

/// The files of one project, which its conversations read over and over.
#[derive(Debug)]
pub struct Project {
    /// The folder's path below the home folder.
    pub path: String,
    files: Vec<(String, Vec<String>)>,
}

impl Project {
    /// The project at `path`; equal arguments make equal files.
    pub fn new(path: String, mut random: Random) -> Self {
        let files = (0..10)
            .map(|number| {
                let name = format!("src/{}_{number}.rs", WORDS[40 + random.below(WORDS.len() - 40)]);
                let lines = (0..40 + random.below(160)).map(|_| code_line(&mut random)).collect();
                (name, lines)
            })
            .collect();
        Self { path, files }
    }

    /// The name of one of its files.
    pub fn file_name(&self, random: &mut Random) -> &str {
        &self.files[random.often_small(self.files.len())].0
    }

    /// Adds about `bytes` bytes of what a tool prints: mostly a file with numbered lines, else a test run or a search.
    pub fn tool_output(&self, random: &mut Random, out: &mut String, bytes: usize) {
        let end = out.len() + bytes;
        while out.len() < end {
            let (name, lines) = &self.files[random.often_small(self.files.len())];
            match random.below(10) {
                0..=5 => {
                    let first = random.below(lines.len());
                    for (number, line) in lines.iter().enumerate().skip(first) {
                        out.push_str(&format!("{:>6}\\t{line}\\n", number + 1));
                        if out.len() >= end {
                            break;
                        }
                    }
                }
                6..=7 => {
                    let test = NAMES[random.below(NAMES.len())];
                    out.push_str(&format!("test {name}::{test} ... ok ({} ms)\\n", random.below(900)));
                }
                _ => {
                    let number = random.below(lines.len());
                    out.push_str(&format!("{name}:{}:{}\\n", number + 1, lines[number]));
                }
            }
        }
    }
}

fn code_line(random: &mut Random) -> String {
    let name = |random: &mut Random| NAMES[random.below(NAMES.len())];
    let word = |random: &mut Random| WORDS[30 + random.below(WORDS.len() - 30)];
    let (a, b) = (name(random), word(random));
    match random.below(8) {
        0 => format!("    let {b} = {a}(&{})?;", word(random)),
        1 => format!(
            "fn {a}({b}: &str) -> Result<{}, Error> {{",
            random.pick(&["String", "usize", "Vec<u8>", "()"])
        ),
        2 => format!("    if {b}.is_empty() {{"),
        3 => "    }".to_owned(),
        4 => format!("    // The {b} {} the {}.", word(random), word(random)),
        5 => format!("        return Err(Error::new(\\\"{b} {}\\\"));", word(random)),
        6 => format!("    assert_eq!({a}({}), {});", random.below(1000), random.below(1000)),
        _ => String::new(),
    }
}
