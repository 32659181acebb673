//! The key files that ssh would sign in with, and which of them libssh2 can use.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::wire::{Reader, fingerprint, key_type};

/// The largest key file that is read, in bytes. An RSA key of 16,384 bits has 13 KiB.
const LARGEST_FILE: u64 = 64 << 10;
/// What begins the data of a private key of OpenSSH (its PROTOCOL.key).
const MAGIC: &[u8] = b"openssh-key-v1\0";
/// The names that ssh tries when no configuration names a file, in its order (ssh_config(5) of 9.2, `IdentityFile`).
const DEFAULT_NAMES: [&str; 6] = [
    "id_rsa",
    "id_ecdsa",
    "id_ecdsa_sk",
    "id_ed25519",
    "id_ed25519_sk",
    "id_dsa",
];
/// The ciphers that libssh2 undoes in a private key of OpenSSH. It knows others for connections, which carry their proof
/// elsewhere.
const CIPHERS: [&str; 8] = [
    "none",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
    "aes128-cbc",
    "aes192-cbc",
    "aes256-cbc",
    "3des-cbc",
];

/// What kind of key it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA.
    Rsa,
    /// ECDSA.
    Ecdsa,
    /// Ed25519.
    Ed25519,
    /// A key that a security key (FIDO) holds.
    SecurityKey,
    /// DSA.
    Dsa,
    /// Another kind, or one that the file does not tell.
    Other,
}

impl KeyKind {
    /// The kind of a public key of this type.
    fn of_type(name: &str) -> Self {
        match name {
            "ssh-rsa" => Self::Rsa,
            "ssh-ed25519" => Self::Ed25519,
            "ssh-dss" => Self::Dsa,
            _ if name.starts_with("ecdsa-sha2-") => Self::Ecdsa,
            _ if name.starts_with("sk-") => Self::SecurityKey,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Rsa => "RSA",
            Self::Ecdsa => "ECDSA",
            Self::Ed25519 => "Ed25519",
            Self::SecurityKey => "security key",
            Self::Dsa => "DSA",
            Self::Other => "unknown",
        })
    }
}

/// Why a key file cannot be signed in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// Others may read or write it: ssh does not use such a key, and neither does csync.
    TooOpen {
        /// Its permission bits.
        mode: u32,
    },
    /// Only a security key can sign with it, which the git command can ask for.
    SecurityKey,
    /// Hosts take no DSA keys any more.
    Dsa,
    /// It is encrypted in a way that only OpenSSH undoes, so that the git command can use it.
    Cipher(String),
    /// Only its public half is here. The private one may be in an agent.
    PublicOnly,
    /// It is no private key that is known.
    NotAKey,
    /// It could not be read.
    Unreadable(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooOpen { mode } => write!(formatter, "others may read it (mode {:03o})", mode & 0o777),
            Self::SecurityKey => formatter.write_str("it needs a security key"),
            Self::Dsa => formatter.write_str("it is a DSA key, which hosts do not take any more"),
            Self::Cipher(name) => write!(formatter, "it is encrypted with {name}, which only OpenSSH undoes"),
            Self::PublicOnly => formatter.write_str("only its public half is here"),
            Self::NotAKey => formatter.write_str("it is no private key"),
            Self::Unreadable(why) => write!(formatter, "it cannot be read: {why}"),
        }
    }
}

/// A key file that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile {
    /// Where the private key is, or would be.
    pub path: PathBuf,
    /// What kind of key it is.
    pub kind: KeyKind,
    /// Whether a passphrase is needed.
    pub encrypted: bool,
    /// The fingerprint of its public half, where that is told: `SHA256:…`.
    pub fingerprint: Option<String>,
    /// Why libssh2 cannot use it, or may not; none: it can.
    pub problem: Option<Problem>,
}

/// The key files of the person whose home is `home`, in the order in which ssh tries them, as far as they are there.
///
/// `configured` are those of the configuration. As with ssh, the usual names are tried only when it names none.
#[must_use]
pub fn find(configured: Option<&[PathBuf]>, home: &Path) -> Vec<KeyFile> {
    let usual: Vec<PathBuf>;
    let paths = match configured {
        Some(paths) => paths,
        None => {
            usual = DEFAULT_NAMES.map(|name| home.join(".ssh").join(name)).to_vec();
            &usual
        }
    };
    let owner = home.metadata().ok();
    paths.iter().filter_map(|path| examine(path, owner.as_ref())).collect()
}

/// What the key file at `path` is; nothing when neither it nor its public half is there. `home` tells who the person is.
fn examine(path: &Path, home: Option<&Metadata>) -> Option<KeyFile> {
    let public = public_half(path);
    let found = |kind, encrypted, fingerprint, problem| {
        Some(KeyFile {
            path: path.to_owned(),
            kind,
            encrypted,
            fingerprint,
            problem,
        })
    };
    let told = |public: &[u8]| {
        let kind = key_type(public).map_or(KeyKind::Other, KeyKind::of_type);
        (kind, Some(fingerprint(public)))
    };
    let (kind_beside, fingerprint_beside) = public.as_deref().map_or((KeyKind::Other, None), told);
    let (text, metadata) = match read(path) {
        Ok(read) => read,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            public?;
            return found(kind_beside, false, fingerprint_beside, Some(Problem::PublicOnly));
        }
        Err(error) => {
            let why = Problem::Unreadable(error.to_string());
            return found(kind_beside, false, fingerprint_beside, Some(why));
        }
    };
    if let Some(public) = public_line(&text) {
        let (kind, fingerprint) = told(&public);
        return found(kind, false, fingerprint, Some(Problem::PublicOnly));
    }
    let Some(private) = understand(&text) else {
        return found(kind_beside, false, fingerprint_beside, Some(Problem::NotAKey));
    };
    let (mut kind, fingerprint) = private
        .public
        .as_deref()
        .map_or((private.kind, fingerprint_beside), told);
    if kind == KeyKind::Other {
        kind = kind_beside;
    }
    let problem = too_open(&metadata, home).or(match kind {
        KeyKind::SecurityKey => Some(Problem::SecurityKey),
        KeyKind::Dsa => Some(Problem::Dsa),
        _ => private.foreign_cipher.map(Problem::Cipher),
    });
    found(kind, private.encrypted, fingerprint, problem)
}

/// The text of a key file and what the system says about it. What is not UTF-8 is replaced: no key has such bytes.
fn read(path: &Path) -> io::Result<(String, Metadata)> {
    // Opening a pipe would wait for whoever writes to it.
    let metadata = path.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST_FILE).read_to_end(&mut bytes)?;
    Ok((String::from_utf8_lossy(&bytes).into_owned(), metadata))
}

/// The public key in the `.pub` beside a private key.
fn public_half(path: &Path) -> Option<Vec<u8>> {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    let (text, _) = read(Path::new(&name)).ok()?;
    public_line(&text)
}

/// The key of a line such as `ssh-ed25519 AAAA… comment`.
fn public_line(text: &str) -> Option<Vec<u8>> {
    let mut words = text.lines().next()?.split_ascii_whitespace();
    let name = words.next()?;
    let key = STANDARD.decode(words.next()?).ok()?;
    (key_type(&key) == Some(name)).then_some(key)
}

/// Whether others than the owner may do anything with the file. Like ssh, only the person's own files are held to it: one
/// that the system keeps for them, as containers do, has an owner who knows best.
#[cfg(unix)]
fn too_open(metadata: &Metadata, home: Option<&Metadata>) -> Option<Problem> {
    use std::os::unix::fs::MetadataExt;

    let own = home.is_none_or(|home| home.uid() == metadata.uid());
    (own && metadata.mode() & 0o077 != 0).then(|| Problem::TooOpen { mode: metadata.mode() })
}

/// Permissions are not told by bits here.
#[cfg(not(unix))]
fn too_open(_metadata: &Metadata, _home: Option<&Metadata>) -> Option<Problem> {
    None
}

/// What a private key says about itself without its passphrase.
struct PrivateKey {
    /// Its kind.
    kind: KeyKind,
    /// Whether a passphrase is needed.
    encrypted: bool,
    /// Its public half, where the file tells it.
    public: Option<Vec<u8>>,
    /// The cipher, when libssh2 cannot undo it.
    foreign_cipher: Option<String>,
}

/// Reads the frame of a private key: that of OpenSSH, of OpenSSL's older formats, or of PKCS #8.
fn understand(text: &str) -> Option<PrivateKey> {
    let mut lines = text.lines().map(str::trim);
    let label = lines.find_map(|line| line.strip_prefix("-----BEGIN ")?.strip_suffix("-----"))?;
    let plain = |kind, encrypted| {
        Some(PrivateKey {
            kind,
            encrypted,
            public: None,
            foreign_cipher: None,
        })
    };
    let old_style = |kind| {
        let encrypted = text
            .lines()
            .any(|line| line.starts_with("Proc-Type:") && line.contains("ENCRYPTED"));
        plain(kind, encrypted)
    };
    match label {
        "OPENSSH PRIVATE KEY" => {
            let body: String = lines.take_while(|line| !line.starts_with("-----")).collect();
            of_openssh(&STANDARD.decode(body).ok()?)
        }
        "RSA PRIVATE KEY" => old_style(KeyKind::Rsa),
        "EC PRIVATE KEY" => old_style(KeyKind::Ecdsa),
        "DSA PRIVATE KEY" => old_style(KeyKind::Dsa),
        "PRIVATE KEY" => plain(KeyKind::Other, false),
        "ENCRYPTED PRIVATE KEY" => plain(KeyKind::Other, true),
        _ => None,
    }
}

/// Reads the head of OpenSSH's own format: cipher, key derivation and its options, number of keys, the public key.
fn of_openssh(bytes: &[u8]) -> Option<PrivateKey> {
    let mut reader = Reader(bytes.strip_prefix(MAGIC)?);
    let cipher = str::from_utf8(reader.string()?).ok()?;
    let (_derivation, _options) = (reader.string()?, reader.string()?);
    if reader.number()? != 1 {
        return None;
    }
    let public = reader.string()?;
    Some(PrivateKey {
        kind: KeyKind::of_type(key_type(public)?),
        encrypted: cipher != "none",
        public: Some(public.to_owned()),
        foreign_cipher: (!CIPHERS.contains(&cipher)).then(|| cipher.to_owned()),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
