//! What every command is given: where to print, whom to ask, how to colour, and the engine's context.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use console::Style;

use super::failures;
use super::progress;
use super::prompts::{Prompter, prompter};
use super::questions::Asked;
use super::sanitize;
use super::terminal::Terminal;
use super::times;
use crate::config::{Config, Environment, Paths};
use crate::core::progress::{Progress, Silent};
use crate::engine::{Clock, Context, SystemClock};
use crate::error::{Error, Kind, Result};

/// How long a command waits for another one to finish.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// What a command works with.
pub struct Shell {
    /// What the streams are.
    pub terminal: Terminal,
    /// Whether only errors are told.
    pub quiet: bool,
    /// How much more than usual is told.
    pub verbose: u8,
    /// Whom to ask.
    pub prompter: Box<dyn Prompter>,
    /// Where csync keeps its files.
    pub paths: Paths,
    /// The settings in force.
    pub config: Config,
    /// The variables that csync was started with.
    pub environment: Environment,
    questions: Asked,
    progress: Arc<dyn Progress + Send>,
    stop: Arc<AtomicBool>,
}

impl Shell {
    /// A shell for one command.
    pub fn new(
        terminal: Terminal,
        (quiet, verbose, no_input): (bool, u8, bool),
        (environment, paths, config): (Environment, Paths, Config),
        stop: Arc<AtomicBool>,
    ) -> Self {
        let progress: Arc<dyn Progress + Send> = Arc::from(progress::progress(&terminal, quiet));
        Self {
            questions: Asked {
                terminal,
                no_input,
                quiet,
                stop: Arc::clone(&stop),
                progress: Arc::clone(&progress),
            },
            progress,
            prompter: prompter(&terminal, no_input, &stop),
            terminal,
            quiet,
            verbose,
            paths,
            config,
            environment,
            stop,
        }
    }

    /// The engine's context. With `json`, nobody watches.
    pub fn context(&self, json: bool) -> Context<'_> {
        Context {
            paths: self.paths.clone(),
            config: self.config.clone(),
            environment: self.environment.clone(),
            clock: &SystemClock,
            progress: if json { &Silent } else { self.progress.as_ref() },
            questions: &self.questions,
            stop: &self.stop,
            lock_wait: LOCK_WAIT,
        }
    }

    /// Prints `text` on standard output.
    ///
    /// # Errors
    /// Standard output cannot be written; a reader who left is no error.
    pub fn print(&self, text: &str) -> Result<()> {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result.map_err(|source| Error::new(Kind::General, "cannot write the output").caused_by(source)),
        }
    }

    /// Prints `value` as JSON on standard output.
    ///
    /// # Errors
    /// As [`Shell::print`].
    pub fn print_json(&self, value: &serde_json::Value) -> Result<()> {
        self.print(&sanitize::json(&format!("{value:#}\n")))
    }

    /// Tells `text` on standard error, unless only errors are to be told.
    pub fn tell(&self, text: &str) {
        if !self.quiet {
            let _ = io::stderr().lock().write_all(text.as_bytes());
        }
    }

    /// Tells a warning on standard error, also with `--quiet`.
    pub fn warn(&self, text: &str) {
        let _ = io::stderr()
            .lock()
            .write_all(failures::warning(text, self.terminal.color_stderr).as_bytes());
    }

    /// Tells an error on standard error.
    pub fn fail(&self, error: &Error) {
        let text = failures::failure(error, self.verbose > 0, self.terminal.color_stderr);
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    /// `text` in `style` where standard output takes colours.
    pub fn paint(&self, style: &Style, text: &str) -> String {
        style
            .clone()
            .force_styling(self.terminal.color)
            .apply_to(text)
            .to_string()
    }

    /// The present, to show times by.
    pub fn times(&self) -> times::Clock {
        let now = SystemClock.now().timestamp_nanos_opt().unwrap_or(i64::MAX);
        times::Clock::local(crate::core::stat::Timestamp(now))
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // What was under way when the command failed is not over by itself, and the error comes next.
        self.progress.end();
    }
}
