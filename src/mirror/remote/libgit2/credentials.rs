//! Signing in: libgit2 asks again after each failure, so each way is tried once.

use std::env;

use git2::{Cred, CredentialType, Error, ErrorClass, ErrorCode};
use secrecy::{ExposeSecret, SecretString};

use crate::mirror::library::personal_config;
use crate::mirror::remote::address;

/// The environment variable that may hold a token for HTTPS.
pub(super) const TOKEN: &str = "CSYNC_GIT_TOKEN";

/// The variables that no program started by csync may see.
const SECRETS: [&str; 3] = [TOKEN, "CSYNC_PASSPHRASE", "CSYNC_IDENTITY"];

/// What has been tried in one conversation with a server.
pub(super) struct Credentials {
    /// The address that the person gave: no secret goes to another host, whatever a redirection says.
    address: String,
    tried: Vec<Way>,
}

/// A way to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    UserName,
    Agent,
    Helper,
    Token,
    Default,
}

impl Credentials {
    /// For a conversation with the server at `address`.
    pub(super) const fn new(address: String) -> Self {
        Self {
            address,
            tried: Vec::new(),
        }
    }

    /// The next way that the server allows and that was not tried; an error when there is none left.
    pub(super) fn next(&mut self, url: &str, user: Option<&str>, allowed: CredentialType) -> Result<Cred, Error> {
        if address::host(url) != address::host(&self.address) {
            return Err(refused(
                "the server redirects to another host, which gets no credentials",
            ));
        }
        let user = user.unwrap_or("git");
        if allowed.contains(CredentialType::USERNAME) && self.first(Way::UserName) {
            return Cred::username(user);
        }
        // libgit2 gives up altogether when it cannot reach an agent, so it is not sent to one that is not there.
        if allowed.contains(CredentialType::SSH_KEY) && env::var_os("SSH_AUTH_SOCK").is_some() && self.first(Way::Agent)
        {
            return Cred::ssh_key_from_agent(user);
        }
        if allowed.contains(CredentialType::USER_PASS_PLAINTEXT) {
            // A helper would inherit what csync was given in variables, and libgit2 starts it: so none is started beside secrets.
            let beside_secrets = SECRETS.iter().any(|name| env::var_os(name).is_some());
            if self.first(Way::Helper)
                && !beside_secrets
                && let Ok(credential) = personal_config().and_then(|config| Cred::credential_helper(&config, url, None))
            {
                return Ok(credential);
            }
            // Anyone on the way could read it otherwise.
            let sealed = url
                .get(..8)
                .is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"));
            if sealed
                && self.first(Way::Token)
                && let Ok(token) = env::var(TOKEN)
            {
                let token = SecretString::from(token);
                // The hosts ignore the name where the password is a token.
                return Cred::userpass_plaintext(user, token.expose_secret());
            }
        }
        if allowed.contains(CredentialType::DEFAULT) && self.first(Way::Default) {
            return Cred::default();
        }
        Err(refused("no way to sign in is left to try"))
    }

    /// Whether this way is tried for the first time; notes that it is.
    fn first(&mut self, way: Way) -> bool {
        let first = !self.tried.contains(&way);
        if first {
            self.tried.push(way);
        }
        first
    }
}

fn refused(message: &str) -> Error {
    Error::new(ErrorCode::Auth, ErrorClass::Callback, message)
}
