//! What OpenSSH's configuration says about a host, as far as libgit2 can heed it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::mirror::remote::ssh::config::{self, Asked, IdentityAgent, StrictChecking};
use crate::mirror::remote::ssh::known_hosts::{self, HostName, SSH_PORT};
use crate::mirror::remote::{Network, address};

/// See the module.
#[derive(Clone)]
pub(super) struct SshSettings {
    /// Under what name the host's keys are known.
    pub host: HostName,
    /// The files in which they are looked up.
    pub known_hosts: Vec<PathBuf>,
    /// The file into which a new host is written; none: it is not remembered.
    pub remember_in: Option<PathBuf>,
    /// Whether the names of hosts are hidden there.
    pub hashed: bool,
    /// Whether a person may be asked about a host that is not known.
    pub may_ask: bool,
    /// Who signs in where the address does not say.
    pub user: String,
    /// The agent whose keys may be offered.
    pub agent: Option<OsString>,
    /// The key files that are named; none: the usual ones.
    pub identity_files: Option<Vec<PathBuf>>,
}

impl SshSettings {
    /// For the SSH address `url`; none where it names no host.
    pub(super) fn find(url: &str, network: &Network<'_>) -> Option<Self> {
        let endpoint = address::endpoint(url)?;
        let asked = Asked {
            host: &endpoint.host,
            port: endpoint.port,
            user: address::user(url),
        };
        let answer = config::ask(&asked, &network.home, &network.variables);
        let said = answer.config();
        let local = network.variable("USER").or_else(|| network.variable("LOGNAME"));
        let local = local.map_or_else(|| "git".to_owned(), |name| name.to_string_lossy().into_owned());
        // libssh2 offers all that the agent of SSH_AUTH_SOCK holds, or nothing.
        let may_use_agent =
            said.is_none_or(|said| said.identity_agent == IdentityAgent::Usual && !said.identities_only);
        let theirs = said.and_then(|said| said.user_known_hosts_files.clone());
        let theirs = theirs.unwrap_or_else(|| known_hosts::user_files(&network.home));
        Some(Self {
            host: match said.and_then(|said| said.host_key_alias.as_deref()) {
                Some(alias) => HostName::alias(alias),
                None => HostName::new(&endpoint.host, endpoint.port.unwrap_or(SSH_PORT)),
            },
            known_hosts: said.map_or_else(
                || known_hosts::files(&network.home),
                |said| said.known_hosts_files(&network.home),
            ),
            remember_in: theirs.into_iter().next().filter(|file| *file != Path::new("/dev/null")),
            hashed: said.is_some_and(|said| said.hash_known_hosts),
            may_ask: said.is_none_or(|said| said.strict_host_key_checking != StrictChecking::Yes),
            user: said
                .filter(|said| said.names_user)
                .map_or(local, |said| said.user.clone()),
            agent: network
                .variable("SSH_AUTH_SOCK")
                .filter(|_| may_use_agent)
                .map(ToOwned::to_owned),
            identity_files: said.and_then(|said| said.identity_files.clone()),
        })
    }
}
