//! Which road leads to a remote, as its address alone tells.

use std::path::PathBuf;

use super::address::{self, Address};
use crate::mirror::error::MirrorError;

/// The road to a remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Road {
    /// A folder of this machine.
    Folder(PathBuf),
    /// `https://`.
    Https {
        /// The host, and the port where the address names one.
        host: String,
    },
    /// `http://`: nothing on the way is encrypted but what csync sealed.
    Http {
        /// The host, and the port where the address names one.
        host: String,
    },
    /// SSH.
    Ssh {
        /// The host or the alias of one, and the port where the address names one.
        host: String,
    },
    /// `git://`: nobody signs in, and nothing is encrypted but what csync sealed.
    Git {
        /// The host, and the port where the address names one.
        host: String,
    },
}

impl Road {
    /// Its name, as `--json` has it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Folder(_) => "folder",
            Self::Https { .. } => "https",
            Self::Http { .. } => "http",
            Self::Ssh { .. } => "ssh",
            Self::Git { .. } => "git",
        }
    }

    /// The host that it leads to; none for a folder.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Folder(_) => None,
            Self::Https { host } | Self::Http { host } | Self::Ssh { host } | Self::Git { host } => Some(host),
        }
    }
}

/// The road to the remote at `url`.
///
/// # Errors
///
/// [`MirrorError::BadAddress`].
pub fn road(url: &str) -> Result<Road, MirrorError> {
    let url = match address::parse(url)? {
        Address::Folder(folder) => return Ok(Road::Folder(folder)),
        Address::Server(url) => url,
    };
    let host = address::host(&url).ok_or_else(|| MirrorError::BadAddress {
        location: address::shown(&url),
        detail: "it names no host".into(),
    })?;
    let scheme = url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    Ok(match scheme.as_deref() {
        Some("https") => Road::Https { host },
        Some("http") => Road::Http { host },
        Some("git") => Road::Git { host },
        _ => Road::Ssh { host },
    })
}

/// The address `url` for people and logs, without secrets.
#[must_use]
pub fn location(url: &str) -> String {
    match address::parse(url) {
        Ok(Address::Folder(folder)) => folder.display().to_string(),
        _ => address::shown(url),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_address_has_its_road() {
        for (url, name, host) in [
            ("/srv/vault.git", "folder", None),
            ("file:///srv/vault.git", "folder", None),
            ("https://ana@Git.Example:8443/v.git", "https", Some("git.example:8443")),
            ("http://host/v.git", "http", Some("host")),
            ("git@host:v.git", "ssh", Some("host")),
            ("work:v.git", "ssh", Some("work")),
            ("ssh://git@host:2222/v.git", "ssh", Some("host:2222")),
            ("git://host/v.git", "git", Some("host")),
        ] {
            let road = road(url).unwrap();
            assert_eq!((road.name(), road.host()), (name, host), "{url}");
        }
        assert!(road("ext::sh -c true").is_err());
    }

    #[test]
    fn p18_a_location_has_no_secret() {
        assert_eq!(location("https://ana:s3cret@host/v.git"), "https://host/v.git");
        assert_eq!(location("file:///srv/v.git"), "/srv/v.git");
    }
}
