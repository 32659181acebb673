//! What is asked and told while a remote is being reached.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use secrecy::SecretString;

use super::prompts::{Choice, prompter};
use super::sanitize;
use super::terminal::Terminal;
use crate::core::progress::Progress;
use crate::core::questions::Questions;

/// The person at the terminal, or nobody. The progress bar makes room for every question.
pub struct Asked {
    /// What the streams are.
    pub terminal: Terminal,
    /// Whether asking is forbidden.
    pub no_input: bool,
    /// Whether only errors are told.
    pub quiet: bool,
    /// Set by a signal that asks to stop.
    pub stop: Arc<AtomicBool>,
    /// What is shown meanwhile.
    pub progress: Arc<dyn Progress + Send>,
}

impl Asked {
    /// Asks beside the progress bar. A question that fails, as when the terminal goes away, was not answered.
    fn beside<T>(&self, ask: impl Fn(&dyn super::prompts::Prompter) -> crate::error::Result<T>) -> Option<T> {
        let mut answer = None;
        self.progress.aside(&mut || {
            answer = ask(prompter(&self.terminal, self.no_input, &self.stop).as_ref()).ok();
        });
        answer
    }

    /// Prints beside the progress bar.
    fn print(&self, message: &str) {
        self.progress.aside(&mut || {
            let mut error = io::stderr().lock();
            for line in message.lines() {
                let _ = writeln!(error, "{}", sanitize::line(line));
            }
        });
    }
}

impl Questions for Asked {
    fn is_there(&self) -> bool {
        !self.no_input && self.terminal.can_ask()
    }

    fn text(&self, question: &str) -> Option<String> {
        self.beside(|prompter| prompter.text(question, None, ""))
            .filter(|answer| !answer.is_empty())
    }

    fn secret(&self, question: &str) -> Option<SecretString> {
        self.beside(|prompter| prompter.passphrase(question, ""))
    }

    fn confirm(&self, explanation: &str, question: &str) -> bool {
        const ANSWERS: [Choice; 2] = [Choice { key: 'y', label: "yes" }, Choice { key: 'n', label: "no" }];
        if !self.is_there() {
            return false;
        }
        // Also where only errors are told: nobody can answer without it.
        self.print(explanation);
        self.beside(|prompter| prompter.choose(question, &ANSWERS, "")) == Some('y')
    }

    fn tell(&self, message: &str) {
        if !self.quiet {
            self.print(message);
        }
    }
}
