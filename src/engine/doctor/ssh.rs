//! SSH: the agent, key files, the remote's host key, and what `~/.ssh/config` makes of the host.

use super::finding::{Finding, count, path, word};
use super::patient::Patient;
use crate::core::transport::Transport;
use crate::engine::connect::network;
use crate::mirror::{self, AgentState, HostConfig, HostKnown, KeyFile, Problem, Road, SshHost, SshReport};

/// What starts an agent in a shell and gives it the usual keys.
const START_AGENT: &str = "eval \"$(ssh-agent -s)\" && ssh-add";

/// Looks at it where the remote is reached over SSH, and where there is no remote yet but `~/.ssh`.
pub(super) fn check(patient: &Patient<'_>) -> Vec<Finding> {
    let url = match &patient.joined {
        Some(joined) if matches!(mirror::road(&joined.remote), Ok(Road::Ssh { .. })) => Some(joined.remote.as_str()),
        None if patient.context.environment.home().join(".ssh").is_dir() => None,
        _ => return Vec::new(),
    };
    let network = network(patient.context);
    let report = mirror::ssh_report(url, &network);
    let mut findings = Vec::new();
    if let Some(host) = &report.host {
        let has_git = mirror::git_version(&network).is_some();
        findings.push(configured(host, patient.context.config.transport, has_git));
        findings.push(known(host));
        findings.extend(unreadable(host));
    } else if !report.aliases.is_empty() {
        let names = report.aliases.join(", ");
        findings.push(Finding::ok(
            "ssh.config",
            format!("~/.ssh/config has names for: {names}"),
        ));
    }
    findings.push(agent(&report));
    findings.extend(keys(&report));
    findings
}

/// What the configuration makes of the host, and whether the transport in force can follow.
fn configured(host: &SshHost, transport: Transport, has_git: bool) -> Finding {
    const CHECK: &str = "ssh.config";
    let name = &host.name;
    match &host.config {
        HostConfig::NoProgram => Finding::warning(
            CHECK,
            "there is no ssh program: what stands in ~/.ssh/config is not heeded",
        )
        .mend("command -v ssh"),
        HostConfig::Broken(why) => Finding::error(CHECK, format!("ssh cannot read its configuration: {why}"))
            .mend(format!("ssh -G {}", word(name))),
        HostConfig::Plain => Finding::ok(CHECK, format!("~/.ssh/config asks for nothing special for {name}")),
        HostConfig::Beyond(reason) if transport == Transport::Libgit2 => Finding::error(
            CHECK,
            format!("{reason}, which libgit2 cannot do, and the git command is not allowed to"),
        )
        .mend("csync config set transport auto"),
        HostConfig::Beyond(reason) if !has_git => {
            let message = format!("{reason}, which libgit2 cannot do, and there is no git command to do it");
            Finding::error(CHECK, message).mend("command -v git")
        }
        HostConfig::Beyond(reason) => Finding::ok(CHECK, format!("{reason}: the git command carries it")),
    }
}

/// Whether the host is known.
fn known(host: &SshHost) -> Finding {
    const CHECK: &str = "ssh.host";
    let name = &host.name;
    match &host.known {
        HostKnown::Keys(places) => {
            let told: Vec<String> = places
                .iter()
                .map(|(place, types)| format!("{place} ({})", types.join(", ")))
                .collect();
            Finding::ok(CHECK, format!("{name} is known by {}", told.join(" and ")))
        }
        HostKnown::Authority(place) => Finding::ok(
            CHECK,
            format!("{name} is known by who signs its keys, in {place}: the git command checks that"),
        ),
        HostKnown::Unknown => Finding::warning(
            CHECK,
            format!("{name} is not known yet: compare its fingerprint before you accept it"),
        )
        .mend(sign_in(host)),
    }
}

/// The command that connects once, shows the fingerprint and asks.
fn sign_in(host: &SshHost) -> String {
    let mut command = "ssh -T".to_owned();
    if let Some(port) = host.port {
        command.push_str(&format!(" -p {port}"));
    }
    let target = match &host.user {
        Some(user) => format!("{user}@{}", host.name),
        None => host.name.clone(),
    };
    format!("{command} {}", word(&target))
}

fn unreadable(host: &SshHost) -> impl Iterator<Item = Finding> {
    host.unreadable.iter().map(|(file, why)| {
        Finding::warning("ssh.known_hosts", format!("{} cannot be read: {why}", file.display()))
            .mend(format!("ls -l {}", path(file)))
    })
}

/// Whether libgit2 can sign in with this key file, with its passphrase where it has one.
const fn is_usable(key: &KeyFile) -> bool {
    key.problem.is_none()
}

fn agent(report: &SshReport) -> Finding {
    const CHECK: &str = "ssh.agent";
    let without = report.keys.iter().any(|key| is_usable(key) && !key.encrypted);
    let encrypted = report.keys.iter().find(|key| is_usable(key) && key.encrypted);
    match &report.agent {
        AgentState::Holds(keys) => {
            let names: Vec<String> = keys
                .iter()
                .map(|key| format!("{} {}", key.key_type, key.comment))
                .collect();
            Finding::ok(
                CHECK,
                format!(
                    "the agent holds {}: {}",
                    count(keys.len() as u64, "key"),
                    names.join(", ")
                ),
            )
        }
        AgentState::Unreachable { why } => Finding::warning(
            CHECK,
            format!("SSH_AUTH_SOCK names an agent that does not answer: {why}"),
        )
        .mend(START_AGENT),
        AgentState::Empty | AgentState::NotSet if without => {
            Finding::ok(CHECK, "no agent holds a key; a key file without a passphrase signs in")
        }
        AgentState::Empty => Finding::warning(CHECK, "the agent holds no key").mend(match encrypted {
            Some(key) => format!("ssh-add {}", path(&key.path)),
            None => "ssh-keygen -t ed25519 && ssh-add".to_owned(),
        }),
        AgentState::NotSet => Finding::warning(CHECK, "there is no agent").mend(match encrypted {
            Some(key) => format!("{START_AGENT} {}", path(&key.path)),
            None => format!("ssh-keygen -t ed25519 && {START_AGENT}"),
        }),
    }
}

/// One finding for each key file.
fn keys(report: &SshReport) -> impl Iterator<Item = Finding> {
    const CHECK: &str = "ssh.key";
    report.keys.iter().map(|key| {
        let shown = key.path.display();
        match &key.problem {
            Some(Problem::TooOpen { mode }) => Finding::warning(
                CHECK,
                format!(
                    "{shown} is open to others (mode {:03o}): ssh refuses to use it",
                    mode & 0o777
                ),
            )
            .mend(format!("chmod 600 {}", path(&key.path))),
            // These are as they should be; the git command or the agent uses them.
            Some(problem @ (Problem::SecurityKey | Problem::Cipher(_) | Problem::PublicOnly)) => {
                Finding::ok(CHECK, format!("{shown}: {problem}"))
            }
            Some(problem @ (Problem::Dsa | Problem::NotAKey | Problem::Unreadable(_))) => {
                Finding::warning(CHECK, format!("{shown}: {problem}")).mend(format!("ls -l {}", path(&key.path)))
            }
            None if key.encrypted && !is_held(key, &report.agent) => Finding::warning(
                CHECK,
                format!("{shown} has a passphrase and is not in an agent: it will be asked for each time"),
            )
            .mend(match report.agent {
                AgentState::Empty | AgentState::Holds(_) => format!("ssh-add {}", path(&key.path)),
                AgentState::NotSet | AgentState::Unreachable { .. } => format!("{START_AGENT} {}", path(&key.path)),
            }),
            None => Finding::ok(CHECK, format!("{shown} ({}) can be used", key.kind)),
        }
    })
}

/// Whether the agent holds the key of this file.
fn is_held(key: &KeyFile, agent: &AgentState) -> bool {
    match (agent, &key.fingerprint) {
        (AgentState::Holds(held), Some(fingerprint)) => held.iter().any(|held| held.fingerprint == *fingerprint),
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::engine::doctor::Level;

    fn host(config: HostConfig, known: HostKnown) -> SshHost {
        SshHost {
            name: "work".to_owned(),
            port: Some(2222),
            user: Some("git".to_owned()),
            config,
            known,
            unreadable: Vec::new(),
        }
    }

    #[test]
    fn what_only_git_can_do_needs_git() {
        let jump = host(HostConfig::Beyond("a jump".to_owned()), HostKnown::Unknown);
        assert_eq!(configured(&jump, Transport::Auto, true).level, Level::Ok);
        assert_eq!(configured(&jump, Transport::Auto, false).level, Level::Error);
        let refused = configured(&jump, Transport::Libgit2, true);
        assert_eq!(refused.mend.unwrap(), "csync config set transport auto");
        let plain = host(HostConfig::Plain, HostKnown::Unknown);
        assert_eq!(configured(&plain, Transport::Libgit2, false).level, Level::Ok);
    }

    #[test]
    fn an_unknown_host_is_met_once_by_ssh() {
        let found = known(&host(HostConfig::Plain, HostKnown::Unknown));
        assert_eq!(
            (found.level, found.mend.as_deref()),
            (Level::Warning, Some("ssh -T -p 2222 git@work"))
        );
        let keys = HostKnown::Keys(vec![("a".to_owned(), vec!["ssh-ed25519".to_owned()])]);
        assert_eq!(known(&host(HostConfig::Plain, keys)).level, Level::Ok);
    }

    #[test]
    fn without_an_agent_and_a_key_nobody_signs_in() {
        let report = |agent| SshReport {
            agent,
            keys: Vec::new(),
            aliases: Vec::new(),
            host: None,
        };
        let none = agent(&report(AgentState::NotSet));
        assert!(none.mend.unwrap().starts_with("ssh-keygen -t ed25519 && eval"));
        let dead = AgentState::Unreachable {
            why: "refused".to_owned(),
        };
        assert_eq!(agent(&report(dead)).mend.unwrap(), START_AGENT);
        assert_eq!(agent(&report(AgentState::Empty)).level, Level::Warning);
    }
}
