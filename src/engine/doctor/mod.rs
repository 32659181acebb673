//! `doctor`: looks for what is wrong on this machine and on the way to the remote, and names the command that mends it. Changes
//! nothing, asks nobody.
//!
//! What there is to look at is gathered at the edge (`patient`, and the first function of each file); what to make of it are
//! functions from values to findings.

mod activity;
mod agent;
mod finding;
mod health;
mod https;
mod key;
mod patient;
mod places;
mod remote;
mod ssh;

pub use self::finding::{Finding, Level};
use self::patient::Patient;
use super::context::Context;
use crate::core::progress::Silent;
use crate::core::questions::Nobody;
use crate::error::Error;

/// What the person asked for.
#[derive(Debug, Default)]
pub struct DoctorOptions {
    /// Ask no server.
    pub no_network: bool,
    /// Why the configuration cannot be read; the context then has the defaults.
    pub unusable: Option<Error>,
}

/// Looks, and gives what was found, in the order in which it is told. Works without a vault, and without a configuration.
#[must_use]
pub fn doctor(context: &Context<'_>, options: &DoctorOptions) -> Vec<Finding> {
    let mut config = context.config.clone();
    // What does not work now is what is asked for: nothing is waited for.
    config.max_retries = 0;
    let alone = Context {
        paths: context.paths.clone(),
        config,
        environment: context.environment.clone(),
        clock: context.clock,
        progress: &Silent,
        questions: &Nobody,
        stop: context.stop,
        lock_wait: context.lock_wait,
    };
    let patient = Patient::gather(&alone, options);
    [
        places::check,
        key::check,
        health::check,
        remote::check,
        ssh::check,
        https::check,
        agent::check,
        activity::check,
    ]
    .into_iter()
    .flat_map(|check: fn(&Patient<'_>) -> Vec<Finding>| check(&patient))
    .collect()
}
