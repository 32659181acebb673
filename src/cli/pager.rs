//! Long output through the person's pager.
//!
//! Which program it is comes from the person's flags, environment and configuration, never from a repository.

use std::io::{self, Write};
use std::process::{Command, Stdio};

use super::programs;
use super::terminal::Terminal;
use crate::config::{Config, Environment};

/// What is used when nobody chose: quits when it fits on the screen, ignores case in searches, passes colours and nothing else, and
/// leaves the text on the screen.
const DEFAULT: &str = "less -FIRX";

/// A pager, split into its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pager {
    words: Vec<String>,
}

impl Pager {
    /// The pager of this run: `CSYNC_PAGER` or the configuration, else `PAGER`, else less. None when standard output is not a terminal,
    /// when `disabled`, and when the person chose `cat`.
    #[must_use]
    pub fn choose(config: &Config, environment: &Environment, terminal: &Terminal, disabled: bool) -> Option<Self> {
        if disabled || !terminal.stdout {
            return None;
        }
        let of_everything = || environment.variable("PAGER")?.to_str().map(str::to_owned);
        let chosen = config.pager.clone().or_else(of_everything);
        let chosen = match chosen {
            Some(chosen) => chosen,
            // less complains of a terminal that cannot move its cursor.
            None if terminal.moves => DEFAULT.to_owned(),
            None => return None,
        };
        let words = programs::words(&chosen);
        match words.first().map(String::as_str) {
            None | Some("cat") => None,
            Some(_) => Some(Self { words }),
        }
    }

    fn command(&self) -> Command {
        let mut command = programs::command(&self.words);
        command.stdin(Stdio::piped());
        command
    }
}

/// Writes what `fill` writes, through `pager` where there is one. A pager that cannot be started is passed over. That the reader
/// went away before the end is not an error.
///
/// # Errors
///
/// What writing to standard output, or `fill` itself, fails with.
pub fn show(pager: Option<&Pager>, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let child = pager.and_then(|pager| match pager.command().spawn() {
        Ok(child) => Some(child),
        Err(error) => {
            tracing::debug!("cannot start the pager `{}`: {error}", pager.words[0]);
            None
        }
    });
    let written = match child {
        Some(mut child) => {
            let input = child.stdin.take().expect("the child was started with a pipe");
            let mut input = io::BufWriter::new(input);
            let written = fill(&mut input).and_then(|()| input.flush());
            // The pager sees the end of its input only once the pipe is closed.
            drop(input);
            child.wait()?;
            written
        }
        None => {
            let mut output = io::BufWriter::new(io::stdout().lock());
            fill(&mut output).and_then(|()| output.flush())
        }
    };
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::{ColorChoice, SECRET_VARIABLES};

    fn chosen(variables: &[(&str, &str)], stdout: bool, disabled: bool) -> Option<String> {
        let environment = Environment::new("/home/ana", variables.iter().copied());
        let config = Config::from_layers(&environment, None, &[]).unwrap();
        let terminal = Terminal::new(&environment, ColorChoice::Auto, [true, stdout, true], None);
        Pager::choose(&config, &environment, &terminal, disabled).map(|pager| pager.words.join("|"))
    }

    #[test]
    fn the_nearest_choice_wins() {
        assert_eq!(chosen(&[], true, false).unwrap(), "less|-FIRX");
        assert_eq!(chosen(&[("PAGER", "more")], true, false).unwrap(), "more");
        let both = [("PAGER", "more"), ("CSYNC_PAGER", "bat --style 'plain text'")];
        assert_eq!(chosen(&both, true, false).unwrap(), "bat|--style|plain text");
    }

    #[test]
    fn there_is_none_where_nobody_reads() {
        assert_eq!(chosen(&[], false, false), None);
        assert_eq!(chosen(&[], true, true), None);
        assert_eq!(chosen(&[("PAGER", "cat")], true, false), None);
        assert_eq!(chosen(&[("TERM", "dumb")], true, false), None);
    }

    #[cfg(unix)]
    fn shell(script: &str) -> Pager {
        Pager {
            words: ["sh", "-c", script].map(str::to_owned).to_vec(),
        }
    }

    #[test]
    #[cfg(unix)]
    fn the_pager_gets_the_text() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("seen");
        let pager = shell(&format!("cat > '{}'", file.display()));
        show(Some(&pager), |out| out.write_all(b"hello\n")).unwrap();
        assert_eq!(std::fs::read_to_string(file).unwrap(), "hello\n");
    }

    #[test]
    fn p18_the_pager_does_not_get_the_secrets() {
        let pager = Pager {
            words: vec!["less".to_owned()],
        };
        let command = pager.command();
        let removed: Vec<_> = command.get_envs().filter(|(_, value)| value.is_none()).collect();
        for name in SECRET_VARIABLES {
            assert!(
                removed.iter().any(|(removed, _)| *removed == name),
                "{name} is passed on"
            );
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_reader_who_leaves_is_not_an_error() {
        let leaves = shell("exit 0");
        show(Some(&leaves), |out| {
            for _ in 0..10_000 {
                out.write_all(&[b'x'; 100])?;
            }
            Ok(())
        })
        .unwrap();
    }

    #[test]
    fn a_missing_pager_is_passed_over() {
        let missing = Pager {
            words: vec!["/nowhere/pager".to_owned()],
        };
        let mut filled = false;
        show(Some(&missing), |_| {
            filled = true;
            Ok(())
        })
        .unwrap();
        assert!(filled);
    }
}
