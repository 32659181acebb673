//! `doctor`: looks for what is wrong on this machine and on the way to the remote, and names the command that mends it. Changes
//! nothing, asks nobody.

mod finding;

pub use self::finding::{Finding, Level};
use super::context::Context;
use crate::error::Error;

/// What the person asked for.
#[derive(Debug, Default)]
pub struct DoctorOptions {
    /// Ask no server and no SSH agent.
    pub no_network: bool,
    /// Why the configuration cannot be read; the context then has the defaults.
    pub unusable: Option<Error>,
}

/// Looks, and gives what was found, in the order in which it is told.
#[must_use]
pub fn doctor(_context: &Context<'_>, _options: &DoctorOptions) -> Vec<Finding> {
    Vec::new()
}
