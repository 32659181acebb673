//! From the context to a remote: what it may know of this machine, and how it is tried again.

use std::sync::Arc;

use super::context::Context;
use crate::config::Config;
use crate::error::Result;
pub use crate::mirror::relay_credential;
use crate::mirror::{self, Network, Remote};

/// Connects to the remote at `url`, which is contacted at its first use.
///
/// # Errors
/// A URL that cannot be used.
pub fn connect<'a>(context: &Context<'a>, url: &str) -> Result<Box<dyn Remote + 'a>> {
    Ok(mirror::connect(url, &network(context))?)
}

/// The world around a remote.
fn network<'a>(context: &Context<'a>) -> Network<'a> {
    let environment = &context.environment;
    Network {
        transport: context.config.transport,
        timeouts: context.config.timeouts,
        variables: Arc::new(environment.variables().clone()),
        home: environment.home().to_owned(),
        private_folder: context.paths.state_dir.clone(),
        program: environment.program().map(ToOwned::to_owned),
        token: environment.secret("CSYNC_GIT_TOKEN"),
        user_name: environment
            .variable("CSYNC_GIT_USERNAME")
            .map(|name| name.to_string_lossy().into_owned()),
        questions: context.questions,
        progress: context.progress,
        stop: context.stop,
        switched: None,
    }
}

/// Sets up what holds for the whole process, such as how long the network may keep it waiting. To be called first.
pub fn prepare(config: &Config) {
    mirror::prepare(config.timeouts);
}
