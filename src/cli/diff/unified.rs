//! Unified hunks, with the words that changed highlighted.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use console::Style;
use similar::{ChangeTag, DiffOp, DiffTag, TextDiff};

use super::DiffStyle;
use super::reading::{INDENT, Reading};
use crate::cli::{sanitize, sizes};

/// How long the search for the shortest difference may take; after that a longer one is shown.
const LINES_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the search for changed words may take over all lines; after that none are highlighted.
const WORDS_TIMEOUT: Duration = Duration::from_secs(1);
/// Changes of more bytes than this are so unlike that words help nobody.
const WORDS_MOST: usize = 64 << 10;
/// A line longer than so many widths of the terminal is cut.
const LINE_WIDTHS: usize = 5;
/// How much of equal text stays on either side of a change in a line that is cut, in characters.
const AROUND: usize = 40;

/// Writes the hunks.
pub(super) fn write(
    old: &Reading,
    new: &Reading,
    labels: (&str, &str),
    style: &DiffStyle,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut configured = TextDiff::configure();
    let diff = configured
        .timeout(LINES_TIMEOUT)
        .diff_lines(old.text.as_str(), new.text.as_str());
    let mut painter = Painter {
        diff: &diff,
        old,
        new,
        style,
        words_deadline: Instant::now() + WORDS_TIMEOUT,
        gutter: old
            .places
            .iter()
            .chain(&new.places)
            .max()
            .map_or(1, |most| most.to_string().len()),
        out,
    };
    let mut shown = 0;
    for mut hunk in diff.grouped_ops(style.context) {
        if old.is_rendered
            && let Some(first) = hunk.first_mut()
        {
            painter.reach_heading(first, shown);
        }
        shown = hunk.last().map_or(shown, |op| op.old_range().end);
        painter.hunk(&hunk, labels)?;
    }
    Ok(())
}

/// Some of a line, and whether it is what changed in it.
type Part<'a> = (bool, &'a str);

struct Painter<'d, 't, 'o> {
    diff: &'d TextDiff<'t, 't, str>,
    old: &'d Reading,
    new: &'d Reading,
    style: &'d DiffStyle,
    words_deadline: Instant,
    gutter: usize,
    out: &'o mut dyn Write,
}

impl Painter<'_, '_, '_> {
    /// Makes the equal lines that a hunk begins with reach back to the heading of their message, which says who speaks; not over what
    /// is `shown` already, and not far.
    fn reach_heading(&self, first: &mut DiffOp, shown: usize) {
        const FAR: usize = 12;
        let DiffOp::Equal {
            old_index,
            new_index,
            len,
        } = first
        else {
            return;
        };
        for back in 0..=FAR.min(old_index.saturating_sub(shown)).min(*new_index) {
            let line = self.diff.old_slice(*old_index - back);
            if line.is_none() || line != self.diff.new_slice(*new_index - back) {
                return;
            }
            if line.is_some_and(|line| !line.starts_with(INDENT)) {
                (*old_index, *new_index, *len) = (*old_index - back, *new_index - back, *len + back);
                return;
            }
        }
    }

    fn hunk(&mut self, ops: &[DiffOp], labels: (&str, &str)) -> io::Result<()> {
        let (Some(first), Some(last)) = (ops.first(), ops.last()) else {
            return Ok(());
        };
        let old = first.old_range().start..last.old_range().end;
        let new = first.new_range().start..last.new_range().end;
        let heading = if self.old.is_rendered {
            let place = |label: &str, places: &[usize], at: usize| {
                let line = places.get(at).or(places.last());
                line.map(|line| format!("{} line {line}", sanitize::line(label)))
            };
            let places = [
                place(labels.0, &self.old.places, old.start),
                place(labels.1, &self.new.places, new.start),
            ];
            format!("@@ {} @@", places.into_iter().flatten().collect::<Vec<_>>().join(", "))
        } else {
            let range = |places: &[usize], lines: std::ops::Range<usize>| {
                // A range without lines is named by the line before it.
                let start = match places.get(lines.start) {
                    Some(place) => place - usize::from(lines.is_empty()),
                    None => places.last().copied().unwrap_or(0),
                };
                match lines.len() {
                    1 => start.to_string(),
                    length => format!("{start},{length}"),
                }
            };
            format!(
                "@@ -{} +{} @@",
                range(&self.old.places, old),
                range(&self.new.places, new)
            )
        };
        let cyan = Style::new().cyan().force_styling(self.style.color);
        writeln!(self.out, "{}", cyan.apply_to(heading))?;
        ops.iter().try_for_each(|op| self.op(op))
    }

    fn op(&mut self, op: &DiffOp) -> io::Result<()> {
        let diff = self.diff;
        if op.tag() == DiffTag::Replace && self.has_time_for_words(op) {
            for change in diff.iter_inline_changes_deadline(op, Some(self.words_deadline)) {
                let parts: Vec<Part<'_>> = change.values().to_vec();
                let places = (change.old_index(), change.new_index());
                self.line(change.tag(), places, parts, change.missing_newline())?;
            }
            return Ok(());
        }
        let olds = diff.old_len().min(op.old_range().end) - op.old_range().start;
        for change in diff.iter_changes(op) {
            let whole = change.value();
            // Where single lines were replaced, what they have in common at both ends says where to look.
            let opposite = match (op.tag(), change.tag()) {
                (DiffTag::Replace, _) if olds != op.new_range().len() => None,
                (DiffTag::Replace, ChangeTag::Delete) => change
                    .old_index()
                    .and_then(|index| diff.new_slice(index - op.old_range().start + op.new_range().start)),
                (DiffTag::Replace, ChangeTag::Insert) => change
                    .new_index()
                    .and_then(|index| diff.old_slice(index - op.new_range().start + op.old_range().start)),
                _ => None,
            };
            let parts = match opposite {
                Some(opposite) => ends(whole, opposite),
                None => vec![(false, whole)],
            };
            let places = (change.old_index(), change.new_index());
            self.line(change.tag(), places, parts, change.missing_newline())?;
        }
        Ok(())
    }

    fn has_time_for_words(&self, op: &DiffOp) -> bool {
        let length = |range: std::ops::Range<usize>, slice: &dyn Fn(usize) -> Option<usize>| -> usize {
            range.filter_map(slice).sum()
        };
        let old = length(op.old_range(), &|index| self.diff.old_slice(index).map(str::len));
        let new = length(op.new_range(), &|index| self.diff.new_slice(index).map(str::len));
        self.style.color && old + new <= WORDS_MOST && Instant::now() < self.words_deadline
    }

    /// Writes one line. `indices` are its places among the lines of either reading, where it stands in them.
    fn line(
        &mut self,
        tag: ChangeTag,
        indices: (Option<usize>, Option<usize>),
        mut parts: Vec<Part<'_>>,
        is_unfinished: bool,
    ) -> io::Result<()> {
        for part in &mut parts {
            part.1 = part.1.trim_end_matches('\n');
        }
        let (sign, paint) = match tag {
            ChangeTag::Equal => (' ', Style::new()),
            ChangeTag::Delete => ('-', Style::new().red()),
            ChangeTag::Insert => ('+', Style::new().green()),
        };
        let paint = paint.force_styling(self.style.color);
        if self.style.line_numbers {
            let number = |index: Option<usize>, reading: &Reading| {
                let place = index.and_then(|index| reading.places.get(index));
                format!("{:>1$}", place.map_or(String::new(), usize::to_string), self.gutter)
            };
            let numbers = format!("{} {} ", number(indices.0, self.old), number(indices.1, self.new));
            let dim = Style::new().dim().force_styling(self.style.color);
            write!(self.out, "{}", dim.apply_to(numbers))?;
        }
        write!(self.out, "{}", paint.apply_to(sign))?;
        let strong = paint.clone().bold().underlined();
        for (changed, text) in cut(&parts, LINE_WIDTHS * self.style.width.max(AROUND)) {
            if !text.is_empty() {
                let paint = if changed { &strong } else { &paint };
                write!(self.out, "{}", paint.apply_to(text))?;
            }
        }
        writeln!(self.out)?;
        if is_unfinished {
            writeln!(self.out, "\\ No newline at end of file")?;
        }
        Ok(())
    }
}

/// The parts of a line that differs from another one in its middle.
fn ends<'a>(line: &'a str, other: &str) -> Vec<Part<'a>> {
    let same = |(a, b): &(char, char)| a == b;
    let front: usize = line
        .chars()
        .zip(other.chars())
        .take_while(same)
        .map(|(c, _)| c.len_utf8())
        .sum();
    let (line_rest, other_rest) = (&line[front..], &other[front..]);
    let back: usize = line_rest
        .chars()
        .rev()
        .zip(other_rest.chars().rev())
        .take_while(same)
        .map(|(c, _)| c.len_utf8())
        .sum();
    let (middle, end) = line_rest.split_at(line_rest.len() - back);
    if line[..front].is_empty() && end.trim_end().is_empty() {
        return vec![(false, line)];
    }
    vec![(false, &line[..front]), (true, middle), (false, end)]
}

/// The parts of a line, shortened so that they take some `most` characters and the changes in it can be seen.
fn cut(parts: &[Part<'_>], most: usize) -> Vec<(bool, String)> {
    let length = |parts: &[Part<'_>]| parts.iter().map(|(_, text)| text.chars().count()).sum::<usize>();
    let whole = length(parts);
    if whole <= most {
        return parts
            .iter()
            .map(|(changed, text)| (*changed, (*text).to_owned()))
            .collect();
    }
    let mut shown = Vec::new();
    let mut room = most;
    let mut left = whole;
    let is_changed = parts.iter().any(|(changed, _)| *changed);
    for (index, (changed, text)) in parts.iter().enumerate() {
        let characters = text.chars().count();
        left -= characters;
        let mut text = (*text).to_owned();
        if is_changed && !changed && characters > 3 * AROUND {
            let start: String = text
                .chars()
                .take(if index == 0 { AROUND / 2 } else { AROUND })
                .collect();
            let end: String = text.chars().skip(characters - AROUND).collect();
            text = if index + 1 == parts.len() {
                start + "…"
            } else {
                start + "…" + &end
            };
        }
        let characters = text.chars().count();
        if characters > room {
            let rest = (characters - room + left) as u64;
            let start: String = text.chars().take(room).collect();
            shown.push((*changed, start));
            shown.push((
                false,
                format!("… {}", sizes::count(rest, "more character", "more characters")),
            ));
            return shown;
        }
        room -= characters;
        shown.push((*changed, text));
    }
    shown
}
