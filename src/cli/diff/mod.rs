//! The diff viewer: what differs between two versions of a file, as a person reads it.
//!
//! Text and settings are shown as unified diffs; of a transcript the messages are shown and compared, not their JSON. The contents are
//! anybody's, so nothing of them reaches the terminal unsanitized.

mod reading;
#[cfg(test)]
mod tests;
mod transcript;
mod trim;
mod unified;

use std::io::{self, Write};

use console::Style;

use self::reading::Reading;
use super::times::Clock;
use super::{sanitize, sizes};
use crate::core::kind::FileKind;
use crate::core::stat::Timestamp;

/// One of the two versions.
#[derive(Debug, Clone, Copy)]
pub struct Version<'a> {
    /// Whose it is, in a word: `local`, `vault`, `remote`.
    pub label: &'a str,
    /// What it holds; `None` when there is no such file on this side.
    pub content: Option<&'a [u8]>,
    /// When it was last written, where that is known.
    pub modified: Option<Timestamp>,
}

/// What to show.
#[derive(Debug, Clone, Copy)]
pub struct DiffRequest<'a> {
    /// The name of the file, and what a person knows it by.
    pub title: &'a str,
    /// What the file is; transcripts and logs are shown as messages.
    pub kind: FileKind,
    /// The version whose lines are shown with `-`.
    pub left: Version<'a>,
    /// The version whose lines are shown with `+`.
    pub right: Version<'a>,
}

/// How to show it.
#[derive(Debug, Clone, Copy)]
pub struct DiffStyle {
    /// Whether to use colours, and to highlight the words that changed.
    pub color: bool,
    /// The width of the terminal in columns; very long lines are cut at some multiple of it.
    pub width: usize,
    /// How many equal lines are shown around a change.
    pub context: usize,
    /// Whether each line is preceded by its number on either side.
    pub line_numbers: bool,
    /// The present and the zone, for the times in it.
    pub clock: Clock,
}

/// Writes the difference between the two versions.
///
/// # Errors
///
/// What writing to `out` fails with.
pub fn write(request: &DiffRequest<'_>, style: &DiffStyle, out: &mut dyn Write) -> io::Result<()> {
    let bold = Style::new().bold().force_styling(style.color);
    writeln!(out, "{}", bold.apply_to(sanitize::line(request.title)))?;
    writeln!(out, "{}", bold.apply_to(header("---", &request.left, &style.clock)))?;
    writeln!(out, "{}", bold.apply_to(header("+++", &request.right, &style.clock)))?;
    let left = request.left.content.unwrap_or_default();
    let right = request.right.content.unwrap_or_default();
    if left == right {
        return match (request.left.content, request.right.content) {
            (Some(_), Some(_)) | (None, None) => writeln!(out, "the same on both sides"),
            _ => writeln!(out, "an empty file on one side, none on the other"),
        };
    }
    if [left, right].iter().any(|content| is_binary(content, request.kind)) {
        return writeln!(out, "not text: the contents differ and are not shown");
    }
    // What is equal at both ends need not be read, however long the files are; some lines of it stay as context.
    let trimmed = trim::trim(left, right, style.context.saturating_add(trim::SPARE_LINES));
    let read = |content| match request.kind {
        FileKind::Transcript | FileKind::Log => transcript::read(content, trimmed.first_line, &style.clock),
        FileKind::Json | FileKind::Text | FileKind::Opaque => Reading::of_text(content, trimmed.first_line),
    };
    let (old, new) = (read(trimmed.left), read(trimmed.right));
    let labels = (request.left.label, request.right.label);
    unified::write(&old, &new, labels, style, out)?;
    explain_hidden(&old, &new, labels, out)
}

fn header(mark: &str, version: &Version<'_>, clock: &Clock) -> String {
    let label = sanitize::line(version.label);
    let Some(content) = version.content else {
        return format!("{mark} {label}  does not exist");
    };
    let size = sizes::size(content.len() as u64);
    match version.modified {
        Some(at) => format!("{mark} {label}  {size}  {} ({})", clock.moment(at), clock.ago(at)),
        None => format!("{mark} {label}  {size}"),
    }
}

/// Says what the messages do not show, so that nobody takes two versions for equal that are not.
fn explain_hidden(old: &Reading, new: &Reading, labels: (&str, &str), out: &mut dyn Write) -> io::Result<()> {
    if old.text == new.text {
        writeln!(
            out,
            "what is shown of them is the same; they differ in what is not shown"
        )?;
    }
    if old.hidden + new.hidden > 0 {
        let lines = |hidden: usize| sizes::count(hidden as u64, "line", "lines");
        let (left, right) = (sanitize::line(labels.0), sanitize::line(labels.1));
        writeln!(
            out,
            "not shown: bookkeeping of the agent, {} in {left}, {} in {right}",
            lines(old.hidden),
            lines(new.hidden)
        )?;
    }
    Ok(())
}

/// Whether a content cannot be shown as text. Files of JSON lines always can: a line that is none is shown as it is.
fn is_binary(content: &[u8], kind: FileKind) -> bool {
    /// As far as Git looks for the same purpose.
    const LOOKED_AT: usize = 8000;
    !kind.grows_by_lines() && content.iter().take(LOOKED_AT).any(|&byte| byte == 0)
}
