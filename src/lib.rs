//! csync keeps the sessions of AI coding agents the same on all of a person's machines, end-to-end encrypted, through a
//! private Git repository.

pub mod cli;
mod config;
mod core;
mod engine;
mod error;
mod local;
mod mirror;
mod sources;
mod state;
mod vault;

pub use crate::core::path::{BadPath, LogicalPath};
pub use error::{Error, Kind, Result};
