//! One file per command: from parsed arguments to the engine and back to words.

mod config;
mod conflicts;
mod demo;
mod diff;
pub mod doctor;
pub mod git_credential;
pub mod help;
mod init;
mod man;
mod remote;
mod status;
mod sync;

use super::args::{Cli, Command, Limits};
use super::reference;
use super::shell::Shell;
use crate::engine::{Direction, Request, Selection};
use crate::error::{Kind, Result};

/// Runs a command. `None`: all is done; else the kind that the whole ends with, which was already told.
pub fn run(shell: &Shell, command: Command) -> Result<Option<Kind>> {
    match command {
        Command::Init(arguments) => init::run(shell, arguments),
        Command::Sync(arguments) => sync::run(shell, arguments, Direction::Both),
        Command::Push(arguments) => sync::run(shell, arguments, Direction::Push),
        Command::Pull(arguments) => sync::run(shell, arguments, Direction::Pull),
        Command::Status(arguments) => status::run(shell, &arguments),
        Command::Conflicts(arguments) => conflicts::run(shell, arguments),
        Command::Diff(arguments) => diff::run(shell, &arguments),
        Command::Remote(command) => remote::run(shell, command),
        Command::Doctor(arguments) => doctor::run(shell, &arguments, None),
        Command::Config(command) => config::run(shell, command),
        Command::Completions { shell: kind } => {
            let mut script = Vec::new();
            clap_complete::generate(
                kind,
                &mut <Cli as clap::CommandFactory>::command(),
                "csync",
                &mut script,
            );
            shell.print(&String::from_utf8_lossy(&script)).map(|()| None)
        }
        Command::Demo(arguments) => demo::run(shell, arguments),
        Command::Man { folder } => man::run(&folder),
        Command::Reference => shell.print(&reference::markdown()).map(|()| None),
        Command::GitCredential { socket, operation } => git_credential::run(&socket, &operation),
        Command::Help { topic } => help::run(&topic),
    }
}

/// The selection that a person's limits mean. An argument that is a file or folder here is meant as such; else it is a pattern.
pub fn selection(shell: &Shell, limits: &Limits) -> Result<Selection> {
    let mut request = Request {
        sessions: limits.session.clone(),
        projects: limits.project.clone(),
        ..Request::default()
    };
    for path in &limits.paths {
        let here = shell.environment.resolve(path.as_ref());
        if here.exists() {
            request.files.push(here);
        } else {
            request.patterns.push(path.clone());
        }
    }
    Selection::new(&request)
}
