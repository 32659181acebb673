//! From the context to a remote: what it may know of this machine, and how it is tried again.

use std::sync::Arc;

use super::context::Context;
use super::patience::Patient;
use crate::config::Config;
use crate::core::transport::Transport;
use crate::error::Result;
pub use crate::mirror::relay_credential;
use crate::mirror::{self, Carrier, Network, Remote};
use crate::state::Switched;

/// Connects to the remote at `url`, which is contacted at its first use.
///
/// # Errors
/// A URL that cannot be used.
pub fn connect<'a>(context: &Context<'a>, url: &str) -> Result<Box<dyn Remote + 'a>> {
    let mut network = network(context);
    if context.config.transport == Transport::Auto
        && let Some(switched) = switched(context, url)
    {
        tracing::debug!("the git command talks to {} since {}", switched.remote, switched.since);
        network.switched = Some(switched.because);
    }
    let remote = mirror::connect(url, &network)?;
    Ok(Box::new(Patient::new(context, remote)))
}

/// What an earlier run remembered of the remote at `url`: that it took up the git command for it, and why.
pub(super) fn switched(context: &Context<'_>, url: &str) -> Option<Switched> {
    Switched::read(&context.paths.state_dir).filter(|switched| switched.remote == mirror::location(url))
}

/// Remembers for the next run that the git command had to be taken up for `remote`, where it was. To be called after a use that
/// succeeded.
pub fn remember_carrier(context: &Context<'_>, remote: &dyn Remote) {
    let Carrier::Git { because: Some(because) } = remote.carrier() else {
        return;
    };
    let known = Switched::read(&context.paths.state_dir);
    if known.is_some_and(|known| known.remote == remote.location() && known.because == because) {
        return;
    }
    let switched = Switched::new(remote.location(), because, context.time_text());
    if let Err(error) = switched.write(&context.paths.state_dir) {
        tracing::warn!("the next run will try libgit2 first again: {error}");
    }
}

/// The world around a remote.
pub(super) fn network<'a>(context: &Context<'a>) -> Network<'a> {
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
