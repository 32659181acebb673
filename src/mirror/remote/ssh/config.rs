//! What the person's SSH configuration makes of a host, asked from OpenSSH itself with `ssh -G`.
//!
//! libssh2 reads no configuration. OpenSSH's has matches, includes, tokens and commands, and nobody but OpenSSH reads it
//! right. What `ssh -G` prints is compared with what it prints without any configuration, so that only what somebody wrote
//! down counts, whatever the defaults of a version are.
//!
//! OpenSSH takes the home folder from the user database and not from `HOME`. When the home that csync works with is that
//! one, ssh is asked as the git command would ask it, and reads the person's and the system's configuration. When it is
//! another one (a test, a container, `sudo -E`), the configuration of that home alone is read; the one that belongs to the
//! database's home is somebody else's.

mod aliases;
mod beyond;
mod bounded;
mod paths;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::known_hosts;

pub use aliases::aliases;
pub use beyond::beyond_libssh2;

use bounded::run;
use paths::Surroundings;

/// What an address says about a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The host as it stands in the address.
    pub host: &'a str,
    /// The port, if the address names one.
    pub port: Option<u16>,
    /// The user, if the address names one.
    pub user: Option<&'a str>,
}

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// There is no `ssh`, or the host has a name that it is never given.
    NotAsked,
    /// `ssh` could not tell, such as for a mistake in the configuration: then it cannot connect either.
    Failed {
        /// The reason, in its words.
        why: String,
    },
    /// What the configuration says.
    Config(Box<SshConfig>),
}

impl Answer {
    /// The configuration, where there is one.
    #[must_use]
    pub fn config(&self) -> Option<&SshConfig> {
        match self {
            Self::Config(config) => Some(config),
            _ => None,
        }
    }
}

/// What the configuration says about one host, as far as csync uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshConfig {
    /// Where it says that, for people: `` `~/.ssh/config` ``.
    pub source: &'static str,
    /// The host to connect to.
    pub host_name: String,
    /// The port to connect to.
    pub port: u16,
    /// Whom ssh would sign in as.
    pub user: String,
    /// Whether the configuration names that user; else it is the address's, or this machine's.
    pub names_user: bool,
    /// `IdentityFile`; nothing: the usual files.
    pub identity_files: Option<Vec<PathBuf>>,
    /// `IdentitiesOnly`: of an agent's keys, only those of the identity files may be offered.
    pub identities_only: bool,
    /// `IdentityAgent`.
    pub identity_agent: IdentityAgent,
    /// `ProxyJump`.
    pub proxy_jump: Option<String>,
    /// `ProxyCommand`.
    pub proxy_command: Option<String>,
    /// `BindAddress` or `BindInterface`.
    pub bound_to: Option<String>,
    /// `HostKeyAlias`.
    pub host_key_alias: Option<String>,
    /// `UserKnownHostsFile`; nothing: the usual files.
    pub user_known_hosts_files: Option<Vec<PathBuf>>,
    /// `GlobalKnownHostsFile`; nothing: the usual files.
    pub global_known_hosts_files: Option<Vec<PathBuf>>,
    /// `KnownHostsCommand`.
    pub known_hosts_command: Option<String>,
    /// `HashKnownHosts`: names are hidden in new lines.
    pub hash_known_hosts: bool,
    /// `StrictHostKeyChecking`.
    pub strict_host_key_checking: StrictChecking,
    /// `CertificateFile`.
    pub certificate_files: Vec<PathBuf>,
    /// `PKCS11Provider`.
    pub pkcs11_provider: Option<String>,
    /// `SecurityKeyProvider`.
    pub security_key_provider: Option<String>,
}

/// Which agent the configuration wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityAgent {
    /// The one of `SSH_AUTH_SOCK`.
    Usual,
    /// None at all.
    None,
    /// The one at this socket.
    At(PathBuf),
}

/// What is to be done about a host that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StrictChecking {
    /// The person is asked.
    Ask,
    /// It is refused without a question.
    Yes,
    /// It is accepted without a question. csync never does that, and asks.
    AcceptNew,
    /// Anything is accepted. csync never does that, and asks.
    No,
}

impl SshConfig {
    /// Under what name the host's keys are looked up.
    #[must_use]
    pub fn lookup_name(&self) -> known_hosts::HostName {
        match &self.host_key_alias {
            Some(alias) => known_hosts::HostName::alias(alias),
            None => known_hosts::HostName::new(&self.host_name, self.port),
        }
    }

    /// The files in which the host's keys are looked up, for a person whose home is `home`: theirs, then the system's.
    #[must_use]
    pub fn known_hosts_files(&self, home: &Path) -> Vec<PathBuf> {
        let user = self.user_known_hosts_files.clone();
        let global = self.global_known_hosts_files.clone();
        let mut files = user.unwrap_or_else(|| known_hosts::user_files(home));
        files.extend(global.unwrap_or_else(known_hosts::system_files));
        files
    }
}

/// Asks ssh what it makes of a host, for a person whose home is `home` and whose environment is `variables` (without
/// secrets: ssh may start commands that the configuration names). Takes a few seconds at most.
#[must_use]
pub fn ask(asked: &Asked<'_>, home: &Path, variables: &BTreeMap<String, OsString>) -> Answer {
    let Some(program) = program(variables.get("PATH").map(OsString::as_os_str)) else {
        return Answer::NotAsked;
    };
    if !is_askable(asked.host, b"") || asked.user.is_some_and(|user| !is_askable(user, b"@/")) {
        return Answer::NotAsked;
    }
    let print = |file: Option<&OsStr>| {
        let mut command = Command::new(&program);
        command.env_clear().envs(variables);
        if let Some(file) = file {
            command.arg("-F").arg(file);
        }
        // No terminal is wanted, and so no word about there being none.
        command.args(["-T", "-G"]);
        if let Some(port) = asked.port {
            command.args(["-p", &port.to_string()]);
        }
        if let Some(user) = asked.user {
            command.args(["-l", user]);
        }
        command.arg(asked.host);
        run(command).map(|text| Settings::parse(&text))
    };
    let own = home.join(".ssh").join("config");
    let answer = || {
        let defaults = print(Some(OsStr::new("none")))?;
        let database_home = database_home(&defaults);
        let effective = if database_home.as_deref().is_some_and(|other| is_same(other, home)) {
            print(None)?
        } else if own.is_file() {
            print(Some(own.as_os_str()))?
        } else {
            defaults.clone()
        };
        let source = if own.is_file() {
            "`~/.ssh/config`"
        } else {
            "the system's SSH configuration"
        };
        let surroundings = Surroundings {
            home,
            database_home: database_home.as_deref(),
            variables,
            local_user: defaults.one("user").unwrap_or_default(),
        };
        Ok(SshConfig::new(source, asked, &effective, &defaults, &surroundings))
    };
    match answer() {
        Ok(config) => Answer::Config(Box::new(config)),
        Err(why) => Answer::Failed { why },
    }
}

/// Whether a name from an address may stand among ssh's arguments: it is no option, and has none of the characters that mean
/// something to ssh or to the commands that a configuration makes of it. `also` are characters that it may have besides.
fn is_askable(name: &str, also: &[u8]) -> bool {
    let usual = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:%[]+".contains(&byte) || !byte.is_ascii();
    let plain = |byte: u8| usual(byte) || also.contains(&byte);
    !name.is_empty() && !name.starts_with('-') && name.bytes().all(plain)
}

/// Where `ssh` is, going by a value of `PATH`. Folders that are not told from the root would depend on where one is.
fn program(path: Option<&OsStr>) -> Option<PathBuf> {
    let name = if cfg!(windows) { "ssh.exe" } else { "ssh" };
    std::env::split_paths(path?)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

/// The home folder that ssh works with: that of its default known_hosts file.
fn database_home(defaults: &Settings) -> Option<PathBuf> {
    let files = defaults.one("userknownhostsfile")?;
    let (home, _) = files.split_once("/.ssh/known_hosts")?;
    (!home.is_empty()).then(|| PathBuf::from(home))
}

/// Whether two folders are the same one, by whatever links.
fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    one == other || real(one) == real(other)
}

/// What `ssh -G` printed: the values of each setting, in order. Names are in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Settings(BTreeMap<String, Vec<String>>);

impl Settings {
    /// Reads lines such as `port 22`.
    fn parse(text: &str) -> Self {
        let mut settings = Self::default();
        for line in text.lines() {
            let (name, value) = line.split_once(' ').unwrap_or((line, ""));
            let values = settings.0.entry(name.to_ascii_lowercase()).or_default();
            values.push(value.trim().to_owned());
        }
        settings
    }

    /// All values of a setting.
    fn all(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// The value of a setting that has one.
    fn one(&self, name: &str) -> Option<&str> {
        self.all(name).first().map(String::as_str)
    }

    /// Whether a setting is on.
    fn is_on(&self, name: &str) -> bool {
        matches!(self.one(name), Some("yes" | "true"))
    }
}

impl SshConfig {
    /// What `effective` says beyond `defaults`.
    fn new(
        source: &'static str,
        asked: &Asked<'_>,
        effective: &Settings,
        defaults: &Settings,
        surroundings: &Surroundings<'_>,
    ) -> Self {
        let changed = |name| effective.all(name) != defaults.all(name);
        let set = |name| effective.one(name).filter(|&value| changed(name) && value != "none");
        let text = |name| set(name).map(str::to_owned);
        let host_name = effective.one("hostname").unwrap_or(asked.host).to_owned();
        let port = effective.one("port").and_then(|port| port.parse().ok());
        let port = port.unwrap_or(known_hosts::SSH_PORT);
        let user = effective.one("user").unwrap_or_default().to_owned();
        let expand = |path: &str| surroundings.expand(path, &host_name, port, &user);
        let each = |name| {
            effective
                .all(name)
                .iter()
                .filter(|path| *path != "none")
                .map(|path| expand(path))
        };
        let listed = |name| {
            changed(name).then(|| {
                let line = effective.one(name).unwrap_or_default();
                paths::split(line).iter().map(|path| expand(path)).collect()
            })
        };
        let identity_agent = match effective.one("identityagent").filter(|_| changed("identityagent")) {
            Some("none") => IdentityAgent::None,
            Some(agent) if !surroundings.is_usual_agent(agent) => IdentityAgent::At(expand(agent)),
            _ => IdentityAgent::Usual,
        };
        Self {
            source,
            names_user: asked.user.is_none() && changed("user"),
            identity_files: changed("identityfile").then(|| each("identityfile").collect()),
            identities_only: effective.is_on("identitiesonly"),
            identity_agent,
            proxy_jump: text("proxyjump"),
            proxy_command: text("proxycommand"),
            bound_to: text("bindaddress").or_else(|| text("bindinterface")),
            host_key_alias: text("hostkeyalias"),
            user_known_hosts_files: listed("userknownhostsfile"),
            global_known_hosts_files: listed("globalknownhostsfile"),
            known_hosts_command: text("knownhostscommand"),
            hash_known_hosts: effective.is_on("hashknownhosts"),
            strict_host_key_checking: match effective.one("stricthostkeychecking") {
                Some("yes" | "true") => StrictChecking::Yes,
                Some("accept-new") => StrictChecking::AcceptNew,
                Some("no" | "off" | "false") => StrictChecking::No,
                _ => StrictChecking::Ask,
            },
            certificate_files: each("certificatefile").collect(),
            pkcs11_provider: text("pkcs11provider"),
            security_key_provider: text("securitykeyprovider"),
            host_name,
            port,
            user,
        }
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests;
