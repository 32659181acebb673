//! What a remote on a network is given from outside: nothing in this room reads the environment, asks or prints.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use secrecy::{ExposeSecret, SecretString};

use crate::core::progress::{Progress, Silent};
use crate::core::questions::{Nobody, Questions};
use crate::core::transport::{Timeouts, Transport};

/// The user's name beside a token where the person names none: GitHub and GitLab take any, and know this one.
pub(super) const USER_OF_A_TOKEN: &str = "x-access-token";

/// The world around a remote, as values.
#[derive(Clone)]
pub struct Network<'a> {
    /// What carries fetches and pushes.
    pub transport: Transport,
    /// How long to wait. libgit2 was told at the start of the process; this is for the git command.
    pub timeouts: Timeouts,
    /// The person's environment without secrets: what every program is started with that helps to reach the remote.
    pub variables: Arc<BTreeMap<String, OsString>>,
    /// The person's home folder.
    pub home: PathBuf,
    /// A private folder on this machine for what must live while a conversation does, such as a socket.
    pub private_folder: PathBuf,
    /// csync's own program, which the git command starts to be given the token; none: there is no such program.
    pub program: Option<PathBuf>,
    /// The token of `CSYNC_GIT_TOKEN`, for HTTPS at the host that the person gave.
    pub token: Option<SecretString>,
    /// The name of `CSYNC_GIT_USERNAME`, for HTTPS.
    pub user_name: Option<String>,
    /// Whom to ask for passphrases, and whether a host is the right one.
    pub questions: &'a dyn Questions,
    /// Told how far a transfer is.
    pub progress: &'a dyn Progress,
    /// Set by a signal: the conversation ends at the next sign of life.
    pub stop: &'a AtomicBool,
    /// Why the git command was taken up for this remote in an earlier run under [`Transport::Auto`].
    pub switched: Option<String>,
}

impl Network<'static> {
    /// A world with nobody to ask, no variables and no token, for a person whose home is `home`.
    #[must_use]
    pub fn quiet(home: PathBuf) -> Self {
        static GO_ON: AtomicBool = AtomicBool::new(false);
        Self {
            transport: Transport::default(),
            timeouts: Timeouts::default(),
            variables: Arc::default(),
            private_folder: home.clone(),
            home,
            program: None,
            token: None,
            user_name: None,
            questions: &Nobody,
            progress: &Silent,
            stop: &GO_ON,
            switched: None,
        }
    }
}

impl Network<'_> {
    /// The value of a variable. One that is set to nothing counts as not set.
    pub(in crate::mirror) fn variable(&self, name: &str) -> Option<&OsStr> {
        self.variables
            .get(name)
            .map(OsString::as_os_str)
            .filter(|value| !value.is_empty())
    }

    /// What was said, without the token where it was repeated: a server may, and logs of a CI are read by many.
    pub(in crate::mirror) fn without_token(&self, said: String) -> String {
        match &self.token {
            Some(token) if !token.expose_secret().is_empty() => said.replace(token.expose_secret(), "…"),
            _ => said,
        }
    }

    /// Whether a signal asked to stop.
    pub(in crate::mirror) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
