//! The command line: arguments, prompts, progress, colours, JSON, exit codes. Nothing below it prints or prompts.
#![allow(dead_code)] // composed by the commands

pub(crate) mod diff;
pub(crate) mod failures;
pub(crate) mod pager;
pub(crate) mod programs;
pub(crate) mod progress;
pub(crate) mod prompts;
pub(crate) mod sanitize;
pub(crate) mod sizes;
pub(crate) mod tables;
pub(crate) mod terminal;
pub(crate) mod times;
