//! From the process's arguments to its exit code.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use super::args::{Cli, ColorWhen, Command};
use super::commands;
use super::failures;
use super::shell::Shell;
use super::signals;
use super::terminal::Terminal;
use crate::config::{ColorChoice, Config, Environment, FlagValue, Paths};
use crate::error::{Error, Kind, Result};

/// Runs the program: parses the arguments, runs the command, tells an error, gives the exit code.
#[must_use]
pub fn main() -> ExitCode {
    install_panic_report();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Kind::Usage.exit_code()));
        }
    };
    log_to_stderr(cli.global.verbose);
    let verbose = cli.global.verbose > 0;
    match run(cli) {
        Ok(outcome) => outcome.map_or(ExitCode::SUCCESS, |kind| ExitCode::from(kind.exit_code())),
        Err(error) => {
            let color = console::colors_enabled_stderr();
            let _ = std::io::stderr()
                .lock()
                .write_all(failures::failure(&error, verbose, color).as_bytes());
            ExitCode::from(error.kind().exit_code())
        }
    }
}

/// Runs one command. `None`: all is done; else the kind that the whole ends with, which was already told.
fn run(cli: Cli) -> Result<Option<Kind>> {
    // Started by git, in the middle of another run of csync: it needs nothing of what follows.
    if let Command::GitCredential { socket, operation } = &cli.command {
        return commands::git_credential::run(socket, operation);
    }
    let environment = Environment::of_this_process()?;
    let choice = match cli.global.color {
        Some(ColorWhen::Always) => ColorChoice::Always,
        Some(ColorWhen::Never) => ColorChoice::Never,
        Some(ColorWhen::Auto) | None => ColorChoice::Auto,
    };
    // Errors of the configuration itself are told in the colours of the flag.
    let terminal = Terminal::of_this_process(&environment, choice);
    let paths = Paths::from_environment(&environment);
    if let Command::Help { topic } = &cli.command {
        return commands::help::run(topic);
    }
    let flag = |key, flag, text: String| FlagValue {
        key,
        flag,
        texts: vec![text],
    };
    let color = cli.global.color.map(|color| format!("{color:?}").to_lowercase());
    let transport = cli.command.transport().map(str::to_owned);
    let flags: Vec<FlagValue> = [
        color.map(|text| flag("color", "--color", text)),
        transport.map(|text| flag("transport", "--transport", text)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut unusable = None;
    let config = match Config::load(&environment, &paths, &flags) {
        Ok(config) => config,
        // What cannot be read is what the doctor is asked about.
        Err(error) if matches!(cli.command, Command::Doctor(_)) => {
            unusable = Some(error.into());
            Config::defaults(&environment)
        }
        Err(error) => return Err(error.into()),
    };
    // libgit2 takes its timeouts once for the whole process.
    crate::engine::prepare(&config);
    let terminal = match cli.global.color {
        Some(_) => terminal,
        None => Terminal::of_this_process(&environment, config.color),
    };
    let settings = (cli.global.quiet, cli.global.verbose, cli.global.no_input);
    let shell = Shell::new(terminal, settings, (environment, paths, config), signals::stop_flag());
    match cli.command {
        Command::Doctor(arguments) => commands::doctor::run(&shell, &arguments, unusable),
        command => commands::run(&shell, command),
    }
}

/// A panic is a defect: it says so, and says where. Everything else that fails is an [`Error`] with a hint.
fn install_panic_report() {
    let hook = color_eyre::config::HookBuilder::blank()
        .theme(color_eyre::config::Theme::new())
        .panic_section("This is a defect of csync. Nothing that was being written is left half done; please report it.")
        .display_env_section(false)
        .install();
    if let Err(error) = hook {
        let error = Error::new(Kind::General, format!("the panic report cannot be installed: {error}"));
        let _ = std::io::stderr()
            .lock()
            .write_all(failures::failure(&error, false, false).as_bytes());
    }
}

/// `-vv` and `-vvv` show what csync does; `CSYNC_LOG` takes a filter such as `csync=debug`. No event holds a secret or content.
fn log_to_stderr(verbose: u8) {
    let default = match verbose {
        0 | 1 => "csync=error",
        2 => "csync=debug",
        _ => "csync=trace",
    };
    let filter = EnvFilter::try_from_env("CSYNC_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .without_time()
        .init();
}
