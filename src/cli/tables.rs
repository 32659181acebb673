//! Lists in columns.

use std::borrow::Cow;

use console::{Alignment, Style, measure_text_width, pad_str, truncate_str};

use super::sanitize;

/// What stands between two columns.
const GAP: &str = "  ";
/// A column is not cut below this width.
const NARROWEST: usize = 8;

/// Rows of cells under headings. Cells are sanitized; when a row is too wide for the terminal, the widest column is cut.
#[derive(Debug, Clone)]
pub struct Table {
    headings: Vec<&'static str>,
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table. A heading that begins with `>` stands, with its column, at the right: numbers and sizes.
    #[must_use]
    pub fn new(headings: &[&'static str]) -> Self {
        Self {
            right: headings.iter().map(|heading| heading.starts_with('>')).collect(),
            headings: headings.iter().map(|heading| heading.trim_start_matches('>')).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; cells that are missing are empty, and there may be no more than headings.
    pub fn row<C: Into<String>>(&mut self, cells: impl IntoIterator<Item = C>) {
        let mut row: Vec<String> = cells
            .into_iter()
            .map(|cell| sanitize::line(&cell.into()).into_owned())
            .collect();
        debug_assert!(
            row.len() <= self.headings.len(),
            "a row has more cells than the table has headings"
        );
        row.resize(self.headings.len(), String::new());
        self.rows.push(row);
    }

    /// Whether it has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines of the table, each with a newline. `width` is the terminal's in columns; `None` cuts nothing, which is right
    /// for a pipe.
    #[must_use]
    pub fn render(&self, width: Option<usize>, color: bool) -> String {
        let mut widths: Vec<usize> = self
            .headings
            .iter()
            .map(|heading| measure_text_width(heading))
            .collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(measure_text_width(cell));
            }
        }
        if let Some(most) = width {
            let whole = widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1);
            if let Some(widest) = widths.iter_mut().max() {
                *widest = widest
                    .saturating_sub(whole.saturating_sub(most))
                    .max(NARROWEST.min(*widest));
            }
        }
        let dim = Style::new().dim().force_styling(color);
        let headings: Vec<Cow<'_, str>> = self.headings.iter().map(|&heading| heading.into()).collect();
        let mut lines = dim.apply_to(self.line(&widths, &headings)).to_string() + "\n";
        for row in &self.rows {
            let cells: Vec<Cow<'_, str>> = row.iter().map(|cell| cell.as_str().into()).collect();
            lines += &self.line(&widths, &cells);
            lines.push('\n');
        }
        lines
    }

    fn line(&self, widths: &[usize], cells: &[Cow<'_, str>]) -> String {
        let cells = widths
            .iter()
            .zip(cells)
            .zip(&self.right)
            .map(|((&width, cell), &right)| {
                let side = if right { Alignment::Right } else { Alignment::Left };
                let cell = truncate_str(cell, width, "…");
                pad_str(&cell, width, side, None).into_owned()
            });
        cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["DEVICE", ">SIZE", "TITLE"]);
        table.row([
            "laptop",
            "1.2 MiB",
            "Fix the parser, which drops the last token of a line",
        ]);
        table.row(["老机器", "17 B", "evil\u{1b}[2J\ntitle"]);
        table.row(["desktop"]);
        table
    }

    #[test]
    fn columns_are_aligned_also_with_wide_characters() {
        insta::assert_snapshot!(table().render(None, false), @r"
        DEVICE      SIZE  TITLE
        laptop   1.2 MiB  Fix the parser, which drops the last token of a line
        老机器      17 B  evil^[[2J title
        desktop
        ");
    }

    #[test]
    fn a_narrow_terminal_cuts_the_widest_column() {
        let shown = table().render(Some(40), false);
        assert!(shown.lines().all(|line| measure_text_width(line) <= 40), "{shown}");
        insta::assert_snapshot!(shown, @r"
        DEVICE      SIZE  TITLE
        laptop   1.2 MiB  Fix the parser, which…
        老机器      17 B  evil^[[2J title
        desktop
        ");
    }
}
