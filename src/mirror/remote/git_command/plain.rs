//! The address that git is given: without the secrets that may stand in it, since every process's arguments can be seen
//! by everybody on the machine.

use secrecy::SecretString;

use crate::mirror::error::MirrorError;
use crate::mirror::remote::address::{host, shown};

/// An address, and what stood in it besides.
pub(super) struct Parts {
    /// What git is given.
    pub plain: String,
    /// The user name that stood in an HTTP address.
    pub user: Option<String>,
    /// The password that stood in the address.
    pub password: Option<SecretString>,
    /// For HTTP: scheme and host, as Git's configuration names a server for `credential.<server>.…`.
    pub server: Option<Server>,
}

/// An HTTP server.
#[derive(Clone)]
pub(super) struct Server {
    /// `https` or `http`.
    pub scheme: String,
    /// The host, with its port where the address has one.
    pub host: String,
}

impl Server {
    /// Whether nobody on the way can read what is sent.
    pub(super) fn is_sealed(&self) -> bool {
        self.scheme == "https"
    }
}

/// Takes the secrets out of an address.
///
/// # Errors
///
/// [`MirrorError::BadAddress`] when it cannot be told what in it is secret.
pub(super) fn take_apart(url: &str) -> Result<Parts, MirrorError> {
    let bad = |detail: &str| MirrorError::BadAddress {
        location: shown(url),
        detail: detail.into(),
    };
    let Some((scheme, rest)) = url.split_once("://") else {
        return Ok(Parts {
            // `user@host:path`: what is shown is what ssh needs.
            plain: shown(url),
            user: None,
            password: None,
            server: None,
        });
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (userinfo, place) = authority.rsplit_once('@').unwrap_or(("", authority));
    let is_http = scheme.to_ascii_lowercase().starts_with("http");
    if path.contains('@') && (is_http || authority.contains(':')) {
        return Err(bad(
            "for the git command, write a slash of the password as `%2F`, and an `@` of the path as `%40`",
        ));
    }
    if is_http && url.contains(['?', '#']) {
        return Err(bad(
            "the git command would show what stands behind `?` to everybody on this machine",
        ));
    }
    let (user, password) = match userinfo.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (userinfo, None),
    };
    let text = |encoded: &str| decode(encoded).ok_or_else(|| bad("its user name or password is not well formed"));
    if !is_http {
        let at = if user.is_empty() { "" } else { "@" };
        return Ok(Parts {
            plain: format!("{scheme}://{user}{at}{place}{path}"),
            user: None,
            // ssh takes none from an address.
            password: None,
            server: None,
        });
    }
    Ok(Parts {
        plain: format!("{scheme}://{place}{path}"),
        user: Some(text(user)?).filter(|user| !user.is_empty()),
        password: password.map(text).transpose()?.map(SecretString::from),
        server: Some(Server {
            scheme: scheme.to_ascii_lowercase(),
            host: host(url).ok_or_else(|| bad("it names no host"))?,
        }),
    })
}

/// Text whose bytes may be written as `%` and two digits. None where it has no place in Git's exchange with credential
/// helpers, which is made of lines.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        if *byte == b'%' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(*byte);
        }
    }
    let decoded = String::from_utf8(bytes).ok()?;
    (!decoded.contains(['\n', '\r', '\0'])).then_some(decoded)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn p18_what_git_is_given_has_no_secret() {
        for (url, plain, user, password) in [
            (
                "https://ana:s%40c@Host:8443/x.git",
                "https://Host:8443/x.git",
                Some("ana"),
                Some("s@c"),
            ),
            ("https://t0ken@host/x.git", "https://host/x.git", Some("t0ken"), None),
            ("https://host/x.git", "https://host/x.git", None, None),
            ("ssh://git:pw@host:22/x", "ssh://git@host:22/x", None, None),
            ("ssh://host/x", "ssh://host/x", None, None),
            ("git@host:x.git", "git@host:x.git", None, None),
            ("git://host/x", "git://host/x", None, None),
        ] {
            let parts = take_apart(url).unwrap();
            assert_eq!(parts.plain, plain);
            assert_eq!(parts.user.as_deref(), user, "{url}");
            assert_eq!(
                parts.password.as_ref().map(|secret| secret.expose_secret()),
                password,
                "{url}"
            );
        }
        for url in [
            "https://ana:a/b@host/x",
            "https://host/x?token=1",
            "https://a:%0a@host/x",
            "https://a:%zz@host/x",
        ] {
            assert!(take_apart(url).is_err(), "{url}");
        }
    }
}
