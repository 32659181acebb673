//! Whether a host's key is the one that the person, the system or csync itself knows.
//!
//! The judgement is OpenSSH's (`check_host_key` in its sshconnect.c, `check_hostkeys_by_key_or_type` in its hostfile.c, and
//! tried out with OpenSSH 9.2): a revoked key is refused whatever else is said of it; a key that stands in any file is good;
//! any other key for a host that has keys is a changed one. A host at a port of its own is looked up as `[host]:port`, and
//! when nothing is said of that, its key is also good when it is known for the host without a port.

mod line;
mod remember;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::host_keys;
use super::wire::{fingerprint, key_type};

use line::{Line, Mark};

pub use remember::remember;

/// The port of SSH, which is not said.
pub const SSH_PORT: u16 = 22;

/// The largest `known_hosts` file that is read, in bytes.
const LARGEST_FILE: u64 = 16 << 20;

/// Under what name a host is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName {
    /// The name, in lower case.
    name: String,
    /// The host without its port, where it has one of its own.
    without_port: Option<String>,
}

impl HostName {
    /// The host at `port`: `host`, or `[host]:port` when it is not the port of SSH.
    #[must_use]
    pub fn new(host: &str, port: u16) -> Self {
        let host = host.to_lowercase();
        if port == SSH_PORT {
            return Self {
                name: host,
                without_port: None,
            };
        }
        Self {
            name: format!("[{host}]:{port}"),
            without_port: Some(host),
        }
    }

    /// The name that the person's `HostKeyAlias` gives. It stands for itself, whatever the port.
    #[must_use]
    pub fn alias(name: &str) -> Self {
        Self {
            name: name.to_lowercase(),
            without_port: None,
        }
    }

    /// The name as it stands in a file.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }
}

/// A `known_hosts` file that was read.
#[derive(Debug, Clone)]
pub struct HostsFile {
    /// Where it is.
    pub path: PathBuf,
    /// What stands in it.
    pub text: String,
}

/// Where a key is known from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A line of a file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, the first being 1.
        line: usize,
    },
    /// csync knows it by itself.
    BuiltIn,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(formatter, "{}:{line}", path.display()),
            Self::BuiltIn => formatter.write_str("the keys built into csync"),
        }
    }
}

/// A key that is known for a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKey {
    /// Its type, such as `ssh-ed25519`.
    pub key_type: String,
    /// Its fingerprint, such as `SHA256:…`.
    pub fingerprint: String,
    /// Where it stands.
    pub place: Place,
}

/// What is known about a host and the key that it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The host is known with this key.
    Known {
        /// Where it stands.
        place: Place,
    },
    /// The key was revoked. It must not be accepted, and nobody is to be asked.
    Revoked {
        /// Where that stands.
        place: Place,
    },
    /// The host is known by who signs its keys, which only the git command can check.
    CertificateAuthority {
        /// Where that stands.
        place: Place,
    },
    /// The host is known with another key of this type. It must not be accepted, and nobody is to be asked.
    Changed {
        /// The keys that are known.
        expected: Vec<KnownKey>,
    },
    /// The host is known, with keys of other types only. OpenSSH treats that as a changed key, and so it must not be
    /// accepted as that of a new host would be. The server may have the known key as well: OpenSSH asks for the types that
    /// it knows, which the git command can do.
    OtherTypes {
        /// The keys that are known.
        known: Vec<KnownKey>,
    },
    /// Nothing is known about the host.
    Unknown,
}

/// Where OpenSSH keeps the hosts that it knows, when no configuration says otherwise: the person's files, then the system's.
#[must_use]
pub fn files(home: &Path) -> Vec<PathBuf> {
    let mut files = user_files(home);
    files.extend(system_files());
    files
}

/// The person's files.
#[must_use]
pub fn user_files(home: &Path) -> Vec<PathBuf> {
    ["known_hosts", "known_hosts2"]
        .map(|name| home.join(".ssh").join(name))
        .to_vec()
}

/// The system's files. On Windows they are in a folder that only the environment tells, and are left out.
#[must_use]
pub fn system_files() -> Vec<PathBuf> {
    if cfg!(windows) {
        return Vec::new();
    }
    ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"]
        .map(PathBuf::from)
        .to_vec()
}

/// The files that could be read, in order, and those that are there and could not be, each with the reason.
///
/// OpenSSH passes over the latter in silence. Then a revoked key may be missed, so they are worth a word.
#[must_use]
pub fn load(paths: &[PathBuf]) -> (Vec<HostsFile>, Vec<(PathBuf, io::Error)>) {
    let mut files = Vec::new();
    let mut failed = Vec::new();
    // People name this one to say that nothing is to be known, and nothing remembered.
    for path in paths.iter().filter(|path| *path != Path::new("/dev/null")) {
        match read(path) {
            Ok(text) => files.push(HostsFile {
                path: path.clone(),
                text,
            }),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(error) => failed.push((path.clone(), error)),
        }
    }
    (files, failed)
}

/// The text of a file. Comments may be in any encoding: what is not UTF-8 is replaced, which no host and no key can be.
fn read(path: &Path) -> io::Result<String> {
    // Opening a pipe would wait for whoever writes to it.
    if !path.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What `files`, in their order, and the built-in keys say about `host` with the public key `key`.
#[must_use]
pub fn judge(files: &[HostsFile], host: &HostName, key: &[u8]) -> Verdict {
    let verdict = judge_name(files, &host.name, key);
    match (&verdict, &host.without_port) {
        (Verdict::Unknown, Some(bare)) => match judge_name(files, bare, key) {
            found @ (Verdict::Known { .. } | Verdict::Revoked { .. }) => found,
            _ => verdict,
        },
        _ => verdict,
    }
}

/// What is said about `name` alone.
fn judge_name(files: &[HostsFile], name: &str, key: &[u8]) -> Verdict {
    // A key whose private half was published proves nothing, of no host, whatever a file says.
    if host_keys::is_revoked(key) {
        return Verdict::Revoked { place: Place::BuiltIn };
    }
    let lines = lines_about(files, name);
    let marked = |mark| lines.iter().filter(move |(line, _)| line.mark == mark);
    if let Some((_, place)) = marked(Mark::Revoked).find(|(line, _)| line.key == key) {
        return Verdict::Revoked { place: place.clone() };
    }

    let mut built_in = host_keys::of(name);
    // For a host that csync knows, a line with a key that is known to be lost says nothing any more.
    let plain: Vec<_> = marked(Mark::Plain)
        .filter(|(line, _)| built_in.is_empty() || !host_keys::is_revoked(&line.key))
        .collect();
    // The person's own lines come first: a built-in key counts only where they name no key of its type and do not revoke it.
    built_in.retain(|own| {
        let kind = key_type(own);
        !plain.iter().any(|(line, _)| Some(line.key_type.as_str()) == kind)
            && !marked(Mark::Revoked).any(|(line, _)| line.key == *own)
    });

    let known: Vec<(&[u8], Place)> = plain
        .iter()
        .map(|(line, place)| (line.key.as_slice(), place.clone()))
        .chain(built_in.iter().map(|own| (own.as_slice(), Place::BuiltIn)))
        .collect();
    if let Some((_, place)) = known.iter().find(|(own, _)| *own == key) {
        return Verdict::Known { place: place.clone() };
    }
    if let Some((_, place)) = marked(Mark::Authority).next() {
        return Verdict::CertificateAuthority { place: place.clone() };
    }
    let known: Vec<KnownKey> = known
        .into_iter()
        .map(|(own, place)| KnownKey {
            key_type: key_type(own).unwrap_or_default().to_owned(),
            fingerprint: fingerprint(own),
            place,
        })
        .collect();
    let kind = key_type(key).unwrap_or_default();
    let (expected, others): (Vec<_>, Vec<_>) = known.into_iter().partition(|own| own.key_type == kind);
    if !expected.is_empty() {
        Verdict::Changed { expected }
    } else if !others.is_empty() {
        Verdict::OtherTypes { known: others }
    } else {
        Verdict::Unknown
    }
}

/// The lines that speak of `name`, and where each stands.
fn lines_about<'a>(files: &'a [HostsFile], name: &str) -> Vec<(Line<'a>, Place)> {
    let mut found = Vec::new();
    for file in files {
        for (number, text) in file.text.split('\n').enumerate() {
            if let Some(line) = Line::parse(text).filter(|line| line.names(name)) {
                let place = Place::File {
                    path: file.path.clone(),
                    line: number + 1,
                };
                found.push((line, place));
            }
        }
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
