//! What a configuration asks for that libgit2's own SSH cannot do.

use std::fmt;

use super::super::known_hosts::SSH_PORT;
use super::{Asked, IdentityAgent, SshConfig};

/// Why a host can only be reached by the git command, which runs OpenSSH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Where that is written, for people.
    pub source: &'static str,
    /// The host as it stands in the address.
    pub host: String,
    /// What is asked for.
    pub wish: Wish,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// `HostName`: the host in the address is an alias of this one.
    Alias(String),
    /// `ProxyJump`.
    Jump,
    /// `ProxyCommand`.
    Command,
    /// `Port`, where the address names none.
    Port(u16),
    /// `User`, where the address names none.
    User(String),
    /// `BindAddress` or `BindInterface`.
    Bind,
    /// `CertificateFile`.
    Certificate,
    /// `PKCS11Provider`.
    SmartCard,
    /// `SecurityKeyProvider`.
    SecurityKey,
    /// `IdentityAgent`.
    Agent,
    /// `HostKeyAlias`.
    HostKeyAlias(String),
    /// `KnownHostsCommand`.
    KnownHostsCommand,
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, host, wish } = self;
        match wish {
            Wish::Alias(real) => write!(formatter, "{source} says that {host} stands for {real}"),
            Wish::Jump => write!(formatter, "{source} sends {host} through a jump host"),
            Wish::Command => write!(formatter, "{source} reaches {host} through a command"),
            Wish::Port(port) => write!(formatter, "{source} reaches {host} at port {port}"),
            Wish::User(user) => write!(formatter, "{source} signs in to {host} as {user}"),
            Wish::Bind => write!(formatter, "{source} reaches {host} from a certain address"),
            Wish::Certificate => write!(formatter, "{source} signs in to {host} with a certificate"),
            Wish::SmartCard => write!(formatter, "{source} signs in to {host} with a PKCS#11 token"),
            Wish::SecurityKey => write!(formatter, "{source} signs in to {host} with a security key"),
            Wish::Agent => write!(formatter, "{source} has an SSH agent of its own for {host}"),
            Wish::HostKeyAlias(alias) => write!(formatter, "{source} knows the host key of {host} as that of {alias}"),
            Wish::KnownHostsCommand => write!(formatter, "{source} asks a command for the host key of {host}"),
        }
    }
}

/// The first thing that `config` asks for and libgit2's own SSH cannot do, for an address that says `asked`.
///
/// Key files, `IdentitiesOnly`, an agent that is switched off, and `known_hosts` files are not among them: the caller has to
/// heed those itself.
#[must_use]
pub fn beyond_libssh2(config: &SshConfig, asked: &Asked<'_>) -> Option<Reason> {
    let wish = if config.proxy_jump.is_some() {
        Wish::Jump
    } else if config.proxy_command.is_some() {
        Wish::Command
    } else if !is_same_host(&config.host_name, asked.host) {
        Wish::Alias(config.host_name.clone())
    } else if config.port != asked.port.unwrap_or(SSH_PORT) {
        Wish::Port(config.port)
    } else if config.names_user {
        Wish::User(config.user.clone())
    } else if config.bound_to.is_some() {
        Wish::Bind
    } else if !config.certificate_files.is_empty() {
        Wish::Certificate
    } else if config.pkcs11_provider.is_some() {
        Wish::SmartCard
    } else if config.security_key_provider.is_some() {
        Wish::SecurityKey
    } else if matches!(config.identity_agent, IdentityAgent::At(_)) {
        Wish::Agent
    } else if config.known_hosts_command.is_some() {
        Wish::KnownHostsCommand
    } else {
        Wish::HostKeyAlias(config.host_key_alias.clone()?)
    };
    Some(Reason {
        source: config.source,
        host: asked.host.to_owned(),
        wish,
    })
}

/// Whether two names are those of one host: case does not count, nor the brackets around an IPv6 address.
fn is_same_host(one: &str, other: &str) -> bool {
    let bare = |name: &str| name.trim_start_matches('[').trim_end_matches(']').to_lowercase();
    bare(one) == bare(other)
}
