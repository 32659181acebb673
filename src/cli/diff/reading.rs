//! A content as it is read by a person: safe lines, and where in the file each comes from.

use crate::cli::sanitize;

/// What the lines of a message begin with; its heading does not.
pub(super) const INDENT: &str = "  ";

/// Lines to show and to compare.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// The lines, each with its newline; the last one may lack it as in the file. Sanitized.
    pub(super) text: String,
    /// For each line the number, counted from 1, of the line of the file that it shows.
    pub(super) places: Vec<usize>,
    /// Whether the lines show something else than the file's own lines.
    pub(super) is_rendered: bool,
    /// How many lines of the file show nothing.
    pub(super) hidden: usize,
}

impl Reading {
    /// A text as it is. `first_line` is the number of its first line in the file.
    pub(super) fn of_text(content: &[u8], first_line: usize) -> Self {
        let text = sanitize::bytes(content);
        let lines = text.split_inclusive('\n').count();
        Self {
            text,
            places: (first_line..first_line + lines).collect(),
            ..Self::default()
        }
    }

    /// Adds one line that shows something of the file's line `place`.
    pub(super) fn push(&mut self, place: usize, line: &str) {
        self.text.push_str(&sanitize::line(line));
        self.text.push('\n');
        self.places.push(place);
    }
}
