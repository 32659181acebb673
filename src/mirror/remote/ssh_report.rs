//! What SSH has on this machine to reach a remote, looked at for the doctor. No server is contacted; the agent is asked for its keys.

use std::path::PathBuf;

use super::ssh::agent;
use super::ssh::config::{self, Answer, Asked, IdentityAgent, SshConfig};
use super::ssh::key_files;
use super::ssh::known_hosts::{self, HostName, Verdict};
use super::{Network, address};

pub use super::ssh::agent::AgentState;
pub use super::ssh::key_files::{KeyFile, Problem};

/// What is set up for SSH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshReport {
    /// The agent.
    pub agent: AgentState,
    /// The key files that ssh would try, in its order.
    pub keys: Vec<KeyFile>,
    /// The hosts that `~/.ssh/config` gives names to.
    pub aliases: Vec<String>,
    /// The remote's host, where one was asked about.
    pub host: Option<SshHost>,
}

/// What is known of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshHost {
    /// The host as the address has it.
    pub name: String,
    /// Its port, where the address names one.
    pub port: Option<u16>,
    /// Who signs in, where the address says so.
    pub user: Option<String>,
    /// What the SSH configuration makes of it.
    pub config: HostConfig,
    /// Whether its key is known.
    pub known: HostKnown,
    /// Files of known hosts that are there and cannot be read, and why.
    pub unreadable: Vec<(PathBuf, String)>,
}

/// What the SSH configuration makes of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostConfig {
    /// There is no ssh program to ask.
    NoProgram,
    /// ssh cannot read it, for this reason.
    Broken(String),
    /// Nothing that libgit2 could not do.
    Plain,
    /// Something that only the git command can do: this.
    Beyond(String),
}

/// Whether a host's key is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostKnown {
    /// No.
    Unknown,
    /// With keys: for each place where some stand, their types.
    Keys(Vec<(String, Vec<String>)>),
    /// By who signs its keys, which stands there.
    Authority(String),
}

/// Looks at what SSH has here, and, with an address, at what is known of its host.
#[must_use]
pub fn ssh_report(url: Option<&str>, network: &Network<'_>) -> SshReport {
    let asked = url.and_then(parts);
    let answer = asked.as_ref().map(|(host, port, user)| {
        let asked = Asked {
            host,
            port: *port,
            user: user.as_deref(),
        };
        (config::ask(&asked, &network.home, &network.variables), asked)
    });
    let config = answer.as_ref().and_then(|(answer, _)| answer.config());
    let socket = match config.map(|config| &config.identity_agent) {
        Some(IdentityAgent::At(socket)) => Some(socket.clone().into_os_string()),
        Some(IdentityAgent::None) => None,
        Some(IdentityAgent::Usual) | None => network.variable("SSH_AUTH_SOCK").map(ToOwned::to_owned),
    };
    let own = std::fs::read_to_string(network.home.join(".ssh/config")).unwrap_or_default();
    SshReport {
        agent: agent::ask(socket.as_deref()),
        keys: key_files::find(
            config.and_then(|config| config.identity_files.as_deref()),
            &network.home,
        ),
        aliases: config::aliases(&own),
        host: answer.as_ref().map(|(answer, asked)| host(answer, asked, network)),
    }
}

fn host(answer: &Answer, asked: &Asked<'_>, network: &Network<'_>) -> SshHost {
    let (name, files) = match answer.config() {
        Some(config) => (SshConfig::lookup_name(config), config.known_hosts_files(&network.home)),
        None => (
            HostName::new(asked.host, asked.port.unwrap_or(known_hosts::SSH_PORT)),
            known_hosts::files(&network.home),
        ),
    };
    let (files, unreadable) = known_hosts::load(&files);
    SshHost {
        name: asked.host.to_owned(),
        port: asked.port,
        user: asked.user.map(str::to_owned),
        config: match answer {
            Answer::NotAsked => HostConfig::NoProgram,
            Answer::Failed { why } => HostConfig::Broken(why.clone()),
            Answer::Config(config) => match config::beyond_libssh2(config, asked) {
                Some(reason) => HostConfig::Beyond(reason.to_string()),
                None => HostConfig::Plain,
            },
        },
        known: known(&files, &name),
        unreadable: unreadable
            .into_iter()
            .map(|(path, error)| (path, crate::error::reason(&error)))
            .collect(),
    }
}

/// What is known of a host, whatever key it will show.
fn known(files: &[known_hosts::HostsFile], name: &HostName) -> HostKnown {
    // No host has this key, so that what is said are the keys that it might have.
    let told = known_hosts::judge(files, name, b"");
    let (Verdict::OtherTypes { known } | Verdict::Changed { expected: known }) = told else {
        return match told {
            Verdict::CertificateAuthority { place } => HostKnown::Authority(place.to_string()),
            _ => HostKnown::Unknown,
        };
    };
    let mut places: Vec<(String, Vec<String>)> = Vec::new();
    for key in known {
        // Lines of one file are one place.
        let place = match key.place {
            known_hosts::Place::File { path, .. } => path.display().to_string(),
            own @ known_hosts::Place::BuiltIn => own.to_string(),
        };
        match places.iter_mut().find(|(other, _)| *other == place) {
            Some((_, types)) => types.push(key.key_type),
            None => places.push((place, vec![key.key_type])),
        }
    }
    HostKnown::Keys(places)
}

/// The host, the port and the user of an address.
fn parts(url: &str) -> Option<(String, Option<u16>, Option<String>)> {
    let endpoint = address::endpoint(url)?;
    Some((endpoint.host, endpoint.port, address::user(url).map(str::to_owned)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        for (url, host, port, user) in [
            ("git@Work:me/v.git", "work", None, Some("git")),
            ("work:v.git", "work", None, None),
            ("ssh://git@host:2222/v.git", "host", Some(2222), Some("git")),
            ("ssh://host/v.git", "host", None, None),
            ("ssh://git@[::1]:2222/v.git", "::1", Some(2222), Some("git")),
            ("ssh://[::1]/v.git", "::1", None, None),
            ("git@[::1]:v.git", "::1", None, Some("git")),
        ] {
            let expected = Some((host.to_owned(), port, user.map(str::to_owned)));
            assert_eq!(parts(url), expected, "{url}");
        }
    }

    #[test]
    fn what_is_known_of_a_host_is_found_without_asking_it() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".ssh")).unwrap();
        let network = Network::quiet(home.path().to_owned());
        let known = |url| ssh_report(Some(url), &network).host.unwrap().known;
        assert_eq!(known("git@git.example:v.git"), HostKnown::Unknown);
        let types = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"]
            .map(str::to_owned)
            .to_vec();
        let built_in = HostKnown::Keys(vec![("the keys built into csync".to_owned(), types)]);
        assert_eq!(known("git@github.com:me/v.git"), built_in);
    }

    #[test]
    fn without_an_address_the_agent_the_keys_and_the_aliases_are_looked_at() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".ssh")).unwrap();
        std::fs::write(home.path().join(".ssh/config"), "Host work\n  HostName git.example\n").unwrap();
        let report = ssh_report(None, &Network::quiet(home.path().to_owned()));
        assert_eq!(report.agent, AgentState::NotSet);
        assert_eq!(report.aliases, ["work"]);
        assert!(report.keys.is_empty() && report.host.is_none());
    }
}
