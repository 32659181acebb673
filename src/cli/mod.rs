//! The command line: arguments, prompts, progress, colours, JSON, exit codes. Nothing below it prints or prompts.

mod args;
mod commands;
pub(crate) mod diff;
pub(crate) mod failures;
pub(crate) mod pager;
pub(crate) mod programs;
pub(crate) mod progress;
pub(crate) mod prompts;
mod questions;
mod reference;
mod run;
pub(crate) mod sanitize;
#[cfg(unix)]
mod secrets;
mod shell;
mod signals;
pub(crate) mod sizes;
mod summary;
pub(crate) mod terminal;
pub(crate) mod times;

pub use run::main;
