//! Progress bars on standard error, for a person who watches.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use super::sizes;
use super::terminal::Terminal;
use crate::core::progress::{Phase, Progress, Silent};

/// Bars where standard error is a terminal that can show them; else nothing.
#[must_use]
pub fn progress(terminal: &Terminal, quiet: bool) -> Box<dyn Progress + Send> {
    if quiet || !terminal.stderr || !terminal.moves {
        return Box::new(Silent);
    }
    let width = terminal.width.saturating_sub(MARGIN);
    let target = || ProgressDrawTarget::term_like(Box::new(Narrower(Term::stderr())));
    Box::new(Bars::on(target, width))
}

/// How many columns stay free at the right. A bar is drawn as wide as the terminal, and the `^C` that a terminal shows when it is
/// pressed would go to the next line, which is then wiped in place of the bar.
const MARGIN: usize = 4;

/// Standard error, told to be a little narrower than it is.
#[derive(Debug)]
struct Narrower(Term);

impl TermLike for Narrower {
    fn width(&self) -> u16 {
        let width = usize::from(self.0.size().1).saturating_sub(MARGIN);
        u16::try_from(width).unwrap_or(u16::MAX)
    }

    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_up(lines)
    }

    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_down(lines)
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_right(columns)
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_left(columns)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}

/// One bar for the phase that is under way; it is wiped when the phase ends, since the summary says what was done.
struct Bars<T> {
    target: T,
    /// How much fits on a line, in columns.
    width: usize,
    shown: Mutex<Option<Shown>>,
}

struct Shown {
    bar: ProgressBar,
    counts_bytes: bool,
    done: u64,
    items: u64,
}

impl Shown {
    /// A bar of bytes tells the items beside it.
    fn tell_items(&self) {
        if self.counts_bytes && self.items > 0 {
            let (done, all) = (sizes::number(self.done), sizes::count(self.items, "file", "files"));
            self.bar.set_prefix(format!("{done} of {all}"));
        }
    }
}

impl<T: Fn() -> ProgressDrawTarget> Bars<T> {
    fn on(target: T, width: usize) -> Self {
        Self {
            target,
            width,
            shown: Mutex::new(None),
        }
    }

    /// What is shown. A thread that panicked while it held this leaves at worst a bar that is behind.
    fn shown(&self) -> MutexGuard<'_, Option<Shown>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Fn() -> ProgressDrawTarget + Sync> Progress for Bars<T> {
    fn begin(&self, phase: Phase, items: u64, bytes: u64) {
        // Bytes say best how long it still takes; without them the items do; without either it only counts.
        let (length, template) = match (items, bytes) {
            (0, 0) => (None, "{msg:9} {human_pos}"),
            (_, 0) => (Some(items), counting(self.width)),
            _ => (Some(bytes), weighing(self.width)),
        };
        let style = ProgressStyle::with_template(template)
            .expect("the templates are well-formed")
            .progress_chars("━╸ ");
        let shown = Shown {
            bar: ProgressBar::with_draw_target(length, (self.target)())
                .with_style(style)
                .with_message(name(phase)),
            counts_bytes: bytes > 0,
            done: 0,
            items,
        };
        shown.tell_items();
        if let Some(before) = self.shown().replace(shown) {
            before.bar.finish_and_clear();
        }
    }

    fn advance(&self, items: u64, bytes: u64) {
        if let Some(shown) = self.shown().as_mut() {
            shown.done += items;
            shown.tell_items();
            shown.bar.inc(if shown.counts_bytes { bytes } else { items });
        }
    }

    fn end(&self) {
        if let Some(shown) = self.shown().take() {
            shown.bar.finish_and_clear();
        }
    }

    fn aside(&self, what: &mut dyn FnMut()) {
        // The bar is locked while it is suspended. It is taken away meanwhile, so that what is done may take as long as a person
        // thinks, tell of progress, which is then not shown, and step aside itself.
        let Some(shown) = self.shown().take() else {
            what();
            return;
        };
        shown.bar.suspend(what);
        let mut now = self.shown();
        if now.is_none() {
            *now = Some(shown);
        }
    }
}

/// How items are shown in `width` columns. A line that does not fit would be broken, and not be wiped as a whole.
const fn counting(width: usize) -> &'static str {
    match width {
        64.. => "{msg:9} {bar:24} {human_pos} of {human_len}",
        _ => "{msg:9} {human_pos} of {human_len}",
    }
}

/// How bytes are shown in `width` columns: the widest line has 100, without the files 71, without the speed 51.
const fn weighing(width: usize) -> &'static str {
    match width {
        102.. => "{msg:9} {bar:24} {binary_bytes} of {binary_total_bytes}  {binary_bytes_per_sec}  {prefix}",
        72.. => "{msg:9} {bar:16} {binary_bytes} of {binary_total_bytes}  {binary_bytes_per_sec}",
        52.. => "{msg:9} {bar:12} {binary_bytes} of {binary_total_bytes}",
        _ => "{msg:9} {binary_bytes}",
    }
}

fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Scan => "scanning",
        Phase::Seal => "sealing",
        Phase::Send => "sending",
        Phase::Receive => "receiving",
        Phase::Write => "writing",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::{ColorChoice, Environment};

    /// A terminal that remembers the lines that were drawn.
    #[derive(Debug, Clone, Default)]
    struct Recorder(Arc<Mutex<Vec<String>>>);

    impl Recorder {
        fn write(&self, text: &str) -> io::Result<()> {
            if !text.trim().is_empty() {
                self.0
                    .lock()
                    .unwrap()
                    .push(console::strip_ansi_codes(text).trim_end().to_owned());
            }
            Ok(())
        }
    }

    impl TermLike for Recorder {
        fn width(&self) -> u16 {
            100
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write(text)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.write(text)
        }
        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_phase_shows_bytes_items_and_its_name() {
        let recorder = Recorder::default();
        let target = recorder.clone();
        let bars = Bars::on(move || ProgressDrawTarget::term_like(Box::new(target.clone())), 102);
        bars.begin(Phase::Seal, 1_200, 4 << 20);
        bars.advance(600, 2 << 20);
        bars.shown().as_ref().unwrap().bar.force_draw();
        bars.end();
        let drawn = recorder.0.lock().unwrap().last().unwrap().clone();
        assert!(drawn.starts_with("sealing   ━━━━━━━━━━━━"), "{drawn}");
        assert!(drawn.contains("2.00 MiB of 4.00 MiB"), "{drawn}");
        assert!(drawn.ends_with("600 of 1,200 files"), "{drawn}");
        assert!(bars.shown().is_none());
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in [20, 40, 52, 60, 64, 72, 80, 102, 200] {
            let recorder = Recorder::default();
            let target = recorder.clone();
            let bars = Bars::on(move || ProgressDrawTarget::term_like(Box::new(target.clone())), width);
            for (items, bytes) in [(0, 0), (123_456, 0), (123_456, 1_022 << 20)] {
                bars.begin(Phase::Receive, items, bytes);
                bars.advance(items.saturating_sub(1), bytes.saturating_sub(1 << 10));
                bars.shown().as_ref().unwrap().bar.force_draw();
            }
            bars.end();
            for line in recorder.0.lock().unwrap().iter() {
                let columns = console::measure_text_width(line);
                assert!(columns < width || width < 32, "{width}: {line}");
            }
        }
    }

    #[test]
    fn what_is_done_aside_may_report_and_step_aside_itself() {
        let bars = Bars::on(|| ProgressDrawTarget::term_like(Box::new(Recorder::default())), 80);
        bars.begin(Phase::Receive, 10, 0);
        bars.advance(1, 0);
        let mut done = false;
        bars.aside(&mut || {
            bars.advance(1, 0);
            bars.aside(&mut || done = true);
        });
        bars.advance(2, 0);
        assert!(done);
        assert_eq!(bars.shown().as_ref().unwrap().done, 3);
    }

    #[test]
    fn nothing_is_drawn_where_nobody_watches() {
        let environment = Environment::new("/home/ana", [("TERM", "xterm")]);
        let piped = Terminal::new(&environment, ColorChoice::Auto, [true, true, false], None);
        let silent = progress(&piped, false);
        silent.begin(Phase::Scan, 1, 0);
        silent.advance(1, 0);
        silent.end();
    }
}
