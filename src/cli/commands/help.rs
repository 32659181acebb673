//! `csync help`: a command's own help, or a topic's.

use std::fmt::Write as _;
use std::io::Write as _;

use clap::CommandFactory as _;
use clap::error::ErrorKind;

use crate::cli::args::Cli;
use crate::error::{Error, Kind, Result};

/// Runs the command.
pub fn run(topic: &[String]) -> Result<Option<Kind>> {
    let text = match topic {
        [topic] if topic == "exit-codes" => exit_codes(),
        _ => {
            // Exactly what the command's own --help prints.
            let words = ["csync"]
                .into_iter()
                .chain(topic.iter().map(String::as_str))
                .chain(["--help"]);
            match Cli::command().try_get_matches_from(words) {
                Err(help) if help.kind() == ErrorKind::DisplayHelp => help.render().to_string(),
                _ => {
                    return Err(Error::new(
                        Kind::Usage,
                        format!("there is no command or topic `{}`", topic.join(" ")),
                    )
                    .hint("`csync help` lists the commands; the topics are: exit-codes"));
                }
            }
        }
    };
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(None)
}

/// The table of exit codes.
#[must_use]
pub fn exit_codes() -> String {
    let mut text = String::from("Exit codes of csync. They do not change between versions.\n\n    0  done\n");
    for kind in Kind::ALL {
        let _ = writeln!(text, "  {:>3}  {}", kind.exit_code(), kind.meaning());
    }
    text.push_str("\n`status --exit-code` and `diff --exit-code` end with 1 where there is a difference.\n");
    text.push_str("`doctor` ends with 1 where something is an error.\n");
    text
}
