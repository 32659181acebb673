//! Summaries in a person's terms: sessions by their titles, projects by their paths, sizes and counts. Never a blob's name.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use console::Style;
use serde_json::json;

use super::sanitize;
use super::shell::Shell;
use super::sizes;
use crate::core::stat::Timestamp;
use crate::engine::{Action, Item, Report, Trouble};

/// How many lines a list has at most before it is cut.
const LINES: usize = 24;

/// Whether what is listed has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tense {
    /// It was done.
    Done,
    /// It is still to be done.
    Planned,
}

/// What an action is called, and its colour.
fn word(action: Action, tense: Tense) -> (&'static str, Style) {
    let style = Style::new();
    let (done, planned, style) = match action {
        Action::Added => ("added", "to add", style.green()),
        Action::Sent => ("sent", "to send", style.green()),
        Action::Created => ("new here", "to create", style.cyan()),
        Action::Received => ("received", "to receive", style.cyan()),
        Action::Merged | Action::Branched => ("merged", "to merge", style.blue()),
        Action::Conflict => ("conflict", "conflict", style.red().bold()),
        Action::DeletedHere => ("deleted here", "delete here", style.magenta()),
        Action::DeletedThere => ("deleted", "to delete", style.magenta()),
        Action::Kept => ("kept", "to keep", style.yellow()),
        Action::CameBack => ("came back", "bring back", style.yellow()),
        Action::Evicted => ("vault only", "vault only", style.dim()),
        Action::Sealed => ("sealed", "to seal", style.green().dim()),
        Action::Held => ("waits", "waits", style.yellow()),
    };
    match tense {
        Tense::Done => (done, style),
        Tense::Planned => (planned, style),
    }
}

/// What happened to one session or one file: a session's side files count with it.
struct Group<'a> {
    item: &'a Item,
    files: usize,
    size: u64,
}

/// Groups items by session and action, the main transcript speaking for its side files.
fn groups<'a>(items: impl Iterator<Item = &'a Item>) -> Vec<Group<'a>> {
    let mut groups: BTreeMap<(Action, String), Group<'a>> = BTreeMap::new();
    for item in items {
        let key = item.session.clone().unwrap_or_else(|| item.path.to_string());
        let group = groups.entry((item.action, key)).or_insert(Group {
            item,
            files: 0,
            size: 0,
        });
        group.files += 1;
        group.size += item.size;
        let is_transcript = item
            .session
            .as_ref()
            .is_some_and(|id| item.path.file_name() == format!("{id}.jsonl"));
        if is_transcript {
            group.item = item;
        }
    }
    groups.into_values().collect()
}

/// The lines for `items`: one for each session or file, at most [`LINES`].
pub fn lines<'a>(shell: &Shell, items: impl Iterator<Item = &'a Item>, tense: Tense) -> String {
    let groups = groups(items);
    let mut text = String::new();
    for group in groups.iter().take(LINES) {
        let mut facts = Vec::new();
        if let Some(project) = &group.item.project {
            facts.push(sanitize::line(project).into_owned());
        }
        if group.files > 1 {
            facts.push(sizes::count(group.files as u64, "file", "files"));
        }
        if group.size > 0 {
            facts.push(sizes::size(group.size));
        }
        if let Some(device) = &group.item.device {
            facts.push(format!("from {}", sanitize::line(device)));
        }
        let facts = facts.join(" · ");
        let (what, style) = word(group.item.action, tense);
        let what = shell.paint(&style, &format!("{what:<12}"));
        let _ = write!(text, "  {what} {}", fitting(shell, &name(group.item), &facts));
        if !facts.is_empty() {
            let _ = write!(text, "  {}", shell.paint(&Style::new().dim(), &facts));
        }
        text.push('\n');
        if let Some(note) = &group.item.note {
            let _ = writeln!(text, "               {}", sanitize::line(note));
        }
    }
    if groups.len() > LINES {
        let rest = sizes::number((groups.len() - LINES) as u64);
        let _ = writeln!(text, "  … and {rest} more; --json shows all");
    }
    text
}

/// A title cut so that the line with `facts` behind it fits the terminal. Paths are never cut: people copy them.
fn fitting(shell: &Shell, name: &str, facts: &str) -> String {
    const INDENT: usize = 2 + 12 + 1 + 2;
    const LEAST: usize = 24;
    let Some(title) = name.strip_suffix('”').filter(|_| shell.terminal.stdout) else {
        return name.to_owned();
    };
    let left = shell
        .terminal
        .width
        .saturating_sub(INDENT + console::measure_text_width(facts));
    if console::measure_text_width(name) <= left {
        return name.to_owned();
    }
    let cut = console::truncate_str(title.trim_end_matches('…'), left.max(LEAST) - 1, "…");
    format!("{cut}”")
}

/// What a person calls it: a session's title, else the file's path.
pub fn name(item: &Item) -> String {
    match (item.title.get(), &item.session) {
        (Some(title), _) => format!("“{}”", sanitize::line(title)),
        (None, Some(session)) if item.path.file_name() == format!("{session}.jsonl") => {
            format!("session {}", &session[..session.len().min(8)])
        }
        _ => sanitize::line(item.path.relative()).into_owned(),
    }
}

/// The summary of `sync`, `push` and `pull`. `limited`: the person named paths, and others may well have changed. `tell_absence`:
/// that the remote cannot be reached is not told otherwise.
pub fn report(shell: &Shell, report: &Report, limited: bool, tell_absence: bool) -> String {
    let tense = if report.dry_run { Tense::Planned } else { Tense::Done };
    let mut text = lines(shell, report.items.values(), tense);
    let total = |actions: &[Action]| actions.iter().map(|action| report.count(*action)).sum::<usize>() as u64;
    let counts = [
        (total(&[Action::Added, Action::Sent, Action::DeletedThere]), "sent"),
        (
            total(&[Action::Created, Action::Received, Action::CameBack, Action::DeletedHere]),
            "received",
        ),
        (total(&[Action::Merged, Action::Branched]), "merged"),
        (total(&[Action::Sealed]), "sealed"),
        (total(&[Action::Conflict]), "in conflict"),
        (total(&[Action::Held]), "waiting"),
    ];
    let told: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", sizes::number(*count)))
        .collect();
    let end = match (told.is_empty(), report.dry_run) {
        (true, _) if report.offline.is_some() => String::new(),
        (true, false) if report.troubles.is_empty() && limited => {
            "Nothing to do: what you named is in sync, or nothing has that name.".to_owned()
        }
        (true, false) if report.troubles.is_empty() => "Everything is in sync.".to_owned(),
        (true, true) if report.troubles.is_empty() => "Nothing would change.".to_owned(),
        (true, _) => "Nothing else changed.".to_owned(),
        (false, false) => format!("Done: {}.", told.join(", ")),
        (false, true) => format!("Would be: {}. Nothing was changed.", told.join(", ")),
    };
    let _ = write!(text, "{end}");
    if report.bytes_sent > 0 {
        let _ = write!(text, " {} went to the remote.", sizes::size(report.bytes_sent));
    }
    if !end.is_empty() {
        text.push('\n');
    }
    if let Some(absence) = report.offline.as_ref().filter(|_| tell_absence) {
        let _ = writeln!(
            text,
            "The remote cannot be reached ({}). {}",
            sanitize::line(&absence.why),
            after_absence(report)
        );
    }
    if report.count(Action::Conflict) > 0 && !report.dry_run {
        text.push_str("Run `csync conflicts` to resolve what is in conflict.\n");
    }
    text
}

/// What follows from a remote that cannot be reached.
fn after_absence(report: &Report) -> String {
    if report.dry_run {
        return "What a run would do is not known.".to_owned();
    }
    match report.pending {
        0 if report.items.is_empty() => "Nothing was exchanged, and nothing waits to be sent.".to_owned(),
        0 => "Nothing waits to be sent.".to_owned(),
        1 => "1 file is sealed and goes with the next sync.".to_owned(),
        pending => format!(
            "{} files are sealed and go with the next sync.",
            sizes::number(pending as u64)
        ),
    }
}

/// The same as JSON.
pub fn report_json(command: &str, report: &Report) -> serde_json::Value {
    json!({
        "version": 1,
        "command": command,
        "dry_run": report.dry_run,
        "items": report.items.values().collect::<Vec<_>>(),
        "troubles": troubles_json(&report.troubles),
        "commits": report.commits,
        "bytes_sent": report.bytes_sent,
        "files_read": report.files_read,
        "races": report.races,
        "new_members": report.new_members,
        "offline": report.offline.is_some(),
        "why": report.offline.as_ref().map(|absence| &absence.why),
        "pending": report.pending,
    })
}

/// A version of a file as JSON: its size in bytes, and when it was last written.
pub fn version_json(size: u64, modified: Timestamp) -> serde_json::Value {
    let modified = chrono::DateTime::from_timestamp_nanos(modified.0);
    json!({"size": size, "modified": modified.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)})
}

/// Troubles as JSON.
pub fn troubles_json(troubles: &[Trouble]) -> serde_json::Value {
    troubles
        .iter()
        .map(|trouble| {
            json!({
                "path": trouble.name,
                "error": trouble.error.to_string(),
                "hint": trouble.error.hint_text(),
                "exit_code": trouble.error.kind().exit_code(),
            })
        })
        .collect()
}
