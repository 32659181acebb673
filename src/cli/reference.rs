//! docs/cli.md, made from the definitions of the commands and settings. A test holds the file to it.

use std::fmt::Write as _;

use clap::CommandFactory as _;

use super::args::Cli;
use super::commands::help::exit_codes;
use crate::config::SETTINGS;

/// The reference as Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from(
        "# Commands\n\n<!-- Made by `csync reference`; do not edit. A test compares it with the program. -->\n",
    );
    let mut root = Cli::command().term_width(100);
    root.build();
    section(&mut text, &mut root.clone(), "csync");
    let names: Vec<String> = root
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .map(|command| command.get_name().to_owned())
        .collect();
    for name in names {
        let command = root.find_subcommand_mut(&name).expect("its name was just listed");
        section(&mut text, command, &format!("csync {name}"));
        let inner: Vec<String> = command
            .get_subcommands()
            .map(|inner| inner.get_name().to_owned())
            .collect();
        for inner_name in inner {
            let inner = command
                .find_subcommand_mut(&inner_name)
                .expect("its name was just listed");
            section(&mut text, inner, &format!("csync {name} {inner_name}"));
        }
    }
    text.push_str("\n## Settings\n\nA flag wins over the environment, that over the file, that over the default.\n\n");
    text.push_str("| key | environment | default | what it is |\n|---|---|---|---|\n");
    for setting in &SETTINGS {
        let variable = setting.variable.map_or_else(String::new, |name| format!("`{name}`"));
        let fallback = setting.fallback.describe();
        let _ = writeln!(
            text,
            "| `{}` | {variable} | {fallback} | {} |",
            setting.key, setting.about
        );
    }
    let _ = write!(text, "\n## Exit codes\n\n```text\n{}```\n", exit_codes());
    text
}

fn section(text: &mut String, command: &mut clap::Command, name: &str) {
    let help = command.render_long_help().to_string();
    let help: String = help.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    let _ = write!(text, "\n## {name}\n\n```text\n{help}```\n");
}
