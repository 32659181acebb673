//! What the standard streams are, and what follows: colours, width, whether to ask.

use std::io::IsTerminal as _;

use crate::config::{ColorChoice, Environment};

/// The width that is assumed when nobody tells, in columns.
const DEFAULT_WIDTH: usize = 80;

/// What is known of the standard streams of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terminal {
    /// Standard input is a terminal.
    pub stdin: bool,
    /// Standard output is a terminal.
    pub stdout: bool,
    /// Standard error is a terminal.
    pub stderr: bool,
    /// Standard output takes colours.
    pub color: bool,
    /// Standard error takes colours.
    pub color_stderr: bool,
    /// It can move its cursor (`TERM` is not `dumb`): progress bars and pagers make sense.
    pub moves: bool,
    /// Its width in columns.
    pub width: usize,
}

impl Terminal {
    /// Looks at this process's streams, and sets the colours of everything that prints through `console` to match.
    #[must_use]
    pub fn of_this_process(environment: &Environment, choice: ColorChoice) -> Self {
        let out = console::Term::stdout();
        let terminal = Self::new(
            environment,
            choice,
            [
                std::io::stdin().is_terminal(),
                std::io::stdout().is_terminal(),
                std::io::stderr().is_terminal(),
            ],
            out.size_checked().map(|(_, columns)| usize::from(columns)),
        );
        console::set_colors_enabled(terminal.color);
        console::set_colors_enabled_stderr(terminal.color_stderr);
        terminal
    }

    /// The same from values: whether standard input, output and error are terminals, and the width that the terminal tells.
    #[must_use]
    pub fn new(environment: &Environment, choice: ColorChoice, streams: [bool; 3], width: Option<usize>) -> Self {
        let [stdin, stdout, stderr] = streams;
        let columns = environment
            .variable("COLUMNS")
            .and_then(|columns| columns.to_str()?.parse().ok());
        Self {
            stdin,
            stdout,
            stderr,
            color: has_color(environment, choice, stdout),
            color_stderr: has_color(environment, choice, stderr),
            moves: !is_dumb(environment),
            width: width
                .or(columns)
                .filter(|&columns| columns > 0)
                .unwrap_or(DEFAULT_WIDTH),
        }
    }

    /// Whether a person is there to be asked: prompts are written to standard error and answered on standard input.
    #[must_use]
    pub fn can_ask(&self) -> bool {
        self.stdin && self.stderr
    }
}

/// Whether a stream takes colours. What the person chose for csync goes before what they chose for all programs:
/// `CLICOLOR_FORCE` (anything but 0), then `NO_COLOR`, `CLICOLOR=0` and `TERM=dumb`, then whether it is a terminal.
fn has_color(environment: &Environment, choice: ColorChoice, is_terminal: bool) -> bool {
    let is_zero = |value: &std::ffi::OsStr| value == "0";
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => {
            if environment
                .variable("CLICOLOR_FORCE")
                .is_some_and(|value| !is_zero(value))
            {
                true
            } else if environment.variable("NO_COLOR").is_some()
                || environment.variable("CLICOLOR").is_some_and(is_zero)
                || is_dumb(environment)
            {
                false
            } else {
                is_terminal
            }
        }
    }
}

fn is_dumb(environment: &Environment) -> bool {
    environment.variable("TERM").is_some_and(|term| term == "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn color(choice: ColorChoice, is_terminal: bool, variables: &[(&str, &str)]) -> bool {
        let environment = Environment::new("/home/ana", variables.iter().copied());
        Terminal::new(&environment, choice, [true, is_terminal, true], None).color
    }

    #[test]
    fn auto_colours_a_terminal_and_nothing_else() {
        assert!(color(ColorChoice::Auto, true, &[]));
        assert!(!color(ColorChoice::Auto, false, &[]));
    }

    #[test]
    fn the_environment_decides_over_auto() {
        for (variables, expected) in [
            (&[("NO_COLOR", "1")][..], false),
            (&[("NO_COLOR", "")], true),
            (&[("TERM", "dumb")], false),
            (&[("CLICOLOR", "0")], false),
            (&[("CLICOLOR_FORCE", "0")], true),
            (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], true),
        ] {
            assert_eq!(color(ColorChoice::Auto, true, variables), expected, "{variables:?}");
        }
        assert!(color(ColorChoice::Auto, false, &[("CLICOLOR_FORCE", "1")]));
    }

    #[test]
    fn what_is_chosen_for_csync_goes_before_the_environment() {
        assert!(color(
            ColorChoice::Always,
            false,
            &[("NO_COLOR", "1"), ("TERM", "dumb")]
        ));
        assert!(!color(ColorChoice::Never, true, &[("CLICOLOR_FORCE", "1")]));
    }

    #[test]
    fn nobody_is_asked_without_a_terminal_on_both_sides() {
        let environment = Environment::new("/home/ana", [("COLUMNS", "120")]);
        let piped_in = Terminal::new(&environment, ColorChoice::Auto, [false, true, true], None);
        assert!(!piped_in.can_ask());
        assert_eq!(piped_in.width, 120);
    }
}
