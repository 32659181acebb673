//! How a remote is addressed, and how its address is shown without the secrets that may stand in it.

use std::path::PathBuf;

use crate::mirror::error::MirrorError;

/// A remote's address, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// A repository on this machine.
    Folder(PathBuf),
    /// A repository that is spoken to through a transport of libgit2: a URL, or `host:path` as SSH takes it.
    Server(String),
}

/// Understands what a person gives as a remote. As for the git command, `host:path` is a server where no slash comes
/// before the colon.
pub(super) fn parse(text: &str) -> Result<Address, MirrorError> {
    let bad = |detail: &str| MirrorError::BadAddress {
        location: shown(text),
        detail: detail.into(),
    };
    if text.is_empty() {
        return Err(bad("it is empty"));
    }
    if text.contains(['\0', '\n', '\r']) {
        return Err(bad("it holds a control character"));
    }
    if let Some(rest) = strip_prefix_ignoring_case(text, "file://") {
        let path = match rest.find('/') {
            Some(0) => rest,
            Some(slash) if rest[..slash].eq_ignore_ascii_case("localhost") => &rest[slash..],
            _ => return Err(bad("a `file://` address names a folder of this machine, from `/` on")),
        };
        let path = decode(path).ok_or_else(|| bad("a `%` must be followed by two hexadecimal digits"))?;
        return Ok(Address::Folder(path));
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        let known = ["git", "https", "http", "ssh", "git+ssh", "ssh+git"];
        if !known.iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Err(bad("its scheme is not one of file, git, https, http and ssh"));
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if rest.starts_with('-') {
            return Err(bad("it names no host"));
        }
        // Some would take what is before the `@` for the host, others what is behind it.
        let may_be_password = strip_prefix_ignoring_case(scheme, "http").is_some() || !is_place(behind_user(authority));
        if rest[authority.len()..].contains('@') && may_be_password {
            return Err(bad(
                "write a slash of the password as `%2F`, and an `@` of the path as `%40`",
            ));
        }
        if authority.contains('\\') {
            return Err(bad("write a `\\` of the user's name as `%5C`"));
        }
        check_host(behind_user(authority)).map_err(bad)?;
        if rest.trim_end_matches('/').split_once('/').is_none() {
            return Err(bad("it names no repository on the host"));
        }
        return Ok(Address::Server(text.to_owned()));
    }
    let before_slash = text.split('/').next().unwrap_or(text);
    match before_slash.split_once(':') {
        // A drive letter, where there are drives.
        Some((host, _)) if cfg!(windows) && host.len() == 1 => {}
        Some(("", _)) => return Err(bad("it names no host")),
        Some((host, rest)) if rest.starts_with(':') && !host.ends_with('[') => {
            return Err(bad("programs that carry the connection are not used"));
        }
        Some((host, _)) if host.starts_with('-') => return Err(bad("a host does not begin with `-`")),
        Some((host, _)) => {
            // In brackets stand colons as well.
            let in_brackets = behind_user(host).starts_with('[');
            let end = before_slash
                .find(']')
                .filter(|_| in_brackets)
                .map_or(host.len(), |end| end + 1);
            check_host(behind_user(&before_slash[..end])).map_err(bad)?;
            return Ok(Address::Server(text.to_owned()));
        }
        None => {}
    }
    if is_like_a_host(before_slash, text) && !std::path::Path::new(text).exists() {
        return Err(bad(
            "there is no such folder, and the address of a server begins with `https://` or is `user@host:path`",
        ));
    }
    std::path::absolute(text)
        .map(Address::Folder)
        .map_err(|_| bad("it is not a path"))
}

/// Whether the first part of a relative path may have been meant as a host: `github.com/me/sessions`, `me@server`.
fn is_like_a_host(first: &str, text: &str) -> bool {
    let is_name = !first.starts_with('.') && first.contains('.') && first.len() < text.len();
    first.contains('@') || is_name
}

/// What stands behind `user:password@`.
fn behind_user(authority: &str) -> &str {
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// Whether `text` is a host, with or without a port.
fn is_place(text: &str) -> bool {
    let port = text
        .rsplit_once(':')
        .filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
    port.is_none_or(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Refuses a host, with or without a port, that holds what means something to a configuration, a shell, a line of text or
/// another reader of addresses.
fn check_host(host: &str) -> Result<(), &'static str> {
    let in_brackets = host.starts_with('[');
    let usual = |byte: u8| byte.is_ascii_alphanumeric() || b"-._+".contains(&byte) || !byte.is_ascii();
    let also: &[u8] = if in_brackets { b"[]:%" } else { b":" };
    if host.is_empty() || host.starts_with(':') {
        Err("it names no host")
    } else if host.starts_with('-') {
        Err("a host does not begin with `-`")
    } else if !host.bytes().all(|byte| usual(byte) || also.contains(&byte)) || host.contains(char::is_whitespace) {
        Err("its host holds a character that no host has")
    } else if !in_brackets && host.matches(':').count() > 1 {
        Err("an address of six stands in brackets")
    } else {
        Ok(())
    }
}

/// The address without passwords and tokens, for people and logs: what comes before the `@` may be a token where the
/// protocol is HTTP, and hides a password behind a colon elsewhere; queries and fragments are dropped.
pub(super) fn shown(text: &str) -> String {
    let clean: String = text.chars().filter(|c| !c.is_control()).collect();
    let Some((scheme, rest)) = clean.split_once("://") else {
        // `user@host:path` as SSH takes it; a password has no place there, but people try.
        return match clean.split_once('@') {
            Some((user, rest)) if user.contains(':') && !user.contains('/') => {
                format!("{}@{rest}", user.split(':').next().unwrap_or_default())
            }
            _ => clean,
        };
    };
    if scheme.eq_ignore_ascii_case("file") {
        return clean;
    }
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    // A password may itself hold a slash, in defiance of the rules: the last `@` before any path that has none counts.
    let first = rest.split('/').next().unwrap_or_default();
    let is_clear = strip_prefix_ignoring_case(scheme, "http").is_none() && is_place(behind_user(first));
    let (authority, path) = match rest.rfind('@') {
        _ if is_clear => rest.split_at(first.len()),
        Some(at) => match rest[at..].find('/') {
            Some(slash) => rest.split_at(at + slash),
            None => (rest, ""),
        },
        None => return format!("{scheme}://{rest}"),
    };
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let user = user.split([':', '/']).next().unwrap_or_default();
    if scheme.to_ascii_lowercase().starts_with("http") || user.is_empty() {
        format!("{scheme}://{host}{path}")
    } else {
        format!("{scheme}://{user}@{host}{path}")
    }
}

/// What `text` says, without the secrets of `address` where it repeats them.
pub(super) fn without_secrets(text: &str, address: &str) -> String {
    let mut text = text.replace(address, &shown(address));
    let userinfo = address
        .split_once("://")
        .and_then(|(_, rest)| rest.rsplit_once('@'))
        .map(|(userinfo, _)| userinfo);
    if let Some(userinfo) = userinfo {
        let password = userinfo.split_once(':').map(|(_, password)| password);
        let secret_user = strip_prefix_ignoring_case(address, "http").map(|_| userinfo);
        for secret in [Some(userinfo), password, secret_user].into_iter().flatten() {
            // One or two letters are no secret, and replacing them would garble the text.
            if secret.len() > 2 && !(password.is_none() && secret_user.is_none()) {
                text = text.replace(secret, "…");
            }
        }
    }
    text.chars().filter(|c| !c.is_control()).collect()
}

/// The host that an address names, in lower case; none for a folder.
pub(super) fn host(address: &str) -> Option<String> {
    let rest = match address.split_once("://") {
        Some((_, rest)) => rest.split(['/', '?', '#']).next()?,
        None => address.split(':').next()?,
    };
    let host = rest.rsplit('@').next()?;
    (!host.is_empty()).then(|| host.to_ascii_lowercase())
}

/// Where an address leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// The host, in lower case and without brackets.
    pub host: String,
    /// The port, where the address names one.
    pub port: Option<u16>,
}

/// The host and port that an address names; none for a folder.
pub(super) fn endpoint(address: &str) -> Option<Endpoint> {
    let is_url = address.contains("://");
    let authority = match address.split_once("://") {
        Some((_, rest)) => rest.split(['/', '?', '#']).next()?,
        None => address,
    };
    // In `user@host:path`, an `@` may stand in the path as well.
    let rest = match authority.split_once('@') {
        Some((user, rest)) if is_url || !user.contains([':', '/']) => match rest.rsplit_once('@') {
            Some((_, rest)) if is_url => rest,
            _ => rest,
        },
        _ => authority,
    };
    let (host, port) = match rest.strip_prefix('[') {
        // An address of six, or `[host:port]:path`.
        Some(rest) => {
            let (inside, after) = rest.split_once(']')?;
            match inside.split_once(':') {
                Some((host, port)) if !is_url && !port.contains(':') => (host, Some(port)),
                _ => (inside, after.strip_prefix(':').filter(|_| is_url)),
            }
        }
        None => match rest.split_once(':') {
            Some((host, port)) => (host, Some(port).filter(|_| is_url)),
            None => (rest, None),
        },
    };
    let port = match port.filter(|port| !port.is_empty()) {
        Some(port) => Some(port.parse().ok()?),
        None => None,
    };
    (!host.is_empty()).then(|| Endpoint {
        host: host.to_ascii_lowercase(),
        port,
    })
}

/// The user that an address names, as it stands there.
pub(super) fn user(address: &str) -> Option<&str> {
    let (authority, is_url) = match address.split_once("://") {
        Some((_, rest)) => (rest.split(['/', '?', '#']).next()?, true),
        None => (address.split(['/', ':']).next()?, false),
    };
    let (user, _) = if is_url {
        authority.rsplit_once('@')
    } else {
        authority.split_once('@')
    }?;
    user.split(':').next().filter(|user| !user.is_empty())
}

/// The address without user and password, where its protocol is HTTP: signing in is our own affair there.
pub(super) fn without_user(address: &str) -> String {
    let http = strip_prefix_ignoring_case(address, "http").is_some();
    match address.split_once("://") {
        Some((scheme, rest)) if http => {
            let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
            let host = authority.rsplit('@').next().unwrap_or(authority);
            format!("{scheme}://{host}{path}")
        }
        _ => address.to_owned(),
    }
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

/// A path whose bytes may be written as `%` and two digits.
fn decode(text: &str) -> Option<PathBuf> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        if *byte == b'%' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(*byte);
        }
    }
    if bytes.contains(&0) {
        return None;
    }
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt;
        Some(PathBuf::from(std::ffi::OsString::from_vec(bytes)))
    }
    #[cfg(not(unix))]
    {
        String::from_utf8(bytes).ok().map(PathBuf::from)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_servers_are_told_apart() {
        let folder = |path: &str| Some(Address::Folder(PathBuf::from(path)));
        let server = |text: &str| Some(Address::Server(text.to_owned()));
        for (text, expected) in [
            ("/srv/vault.git", folder("/srv/vault.git")),
            ("file:///srv/my%20vault%c3%a4.git", folder("/srv/my vaultä.git")),
            ("FILE://localhost/srv/vault.git", folder("/srv/vault.git")),
            ("/srv/a:b", folder("/srv/a:b")),
            ("git://host/vault", server("git://host/vault")),
            ("git@host:vault.git", server("git@host:vault.git")),
            ("ssh://git@host:22/vault", server("ssh://git@host:22/vault")),
            ("file://elsewhere/srv", None),
            ("file:///srv/%zz", None),
            ("file:///srv/%00", None),
            ("ext::sh -c true", None),
            ("-oProxyCommand=x:y", None),
            ("ssh://-oProxyCommand=x/y", None),
            ("ssh://git@-oProxyCommand=x/y", None),
            ("git@-oProxyCommand=x:y", None),
            ("user name@host:y", server("user name@host:y")),
            ("ho st:y", None),
            ("a;b:y", None),
            ("git@[::1]:y", server("git@[::1]:y")),
            ("ssh://[fe80::1%eth0]:22/x", server("ssh://[fe80::1%eth0]:22/x")),
            ("https://büro.example/x", server("https://büro.example/x")),
            // What would say something else to another reader of addresses, to Git's configuration or in its lines.
            ("https://host\\@evil/x", None),
            ("https://x\"]helper=!sh;#/x", None),
            ("https://*.helper=!sh/x", None),
            ("https://host%0apath=x/x", None),
            ("https://host:/x", server("https://host:/x")),
            ("https://host:22:33/x", None),
            ("https://@/x", None),
            ("https://?x", None),
            ("ext://x", None),
            ("https:///path", None),
            ("", None),
            ("a\nb", None),
        ] {
            assert_eq!(parse(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn p18_what_is_shown_has_no_secret() {
        for (text, expected) in [
            ("https://ana:s3cret@host/x.git", "https://host/x.git"),
            ("https://s3cret@host/x.git", "https://host/x.git"),
            ("https://host/x.git?token=s3cret#s3cret", "https://host/x.git"),
            ("https://ana:s3c/s3cret@host/x.git", "https://host/x.git"),
            ("https://ana:s3c@s3cret@host/x.git", "https://host/x.git"),
            ("ssh://git:s3cret@host/x.git", "ssh://git@host/x.git"),
            ("ssh://git@host:2222/x.git", "ssh://git@host:2222/x.git"),
            ("git:s3cret@host:x.git", "git@host:x.git"),
            ("git@host:x.git", "git@host:x.git"),
            ("https://host/a@b", "https://b"),
            ("ssh://host/a@b/c", "ssh://host/a@b/c"),
            ("ssh://git@host:22/a@b/c", "ssh://git@host:22/a@b/c"),
            ("ssh://git:s3c/s3cret@host/x", "ssh://git@host/x"),
            ("/srv/vault", "/srv/vault"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
            let told = without_secrets(&format!("failed to reach {text} as s3cret, sorry"), text);
            if text.starts_with("https://ana:s3cret") || text.starts_with("https://s3cret") {
                assert!(!told.contains("s3cret"), "{told}");
            }
        }
    }

    /// What is asked and shown names the host that a password goes to.
    #[test]
    fn p18_no_address_is_shown_as_that_of_another_host() {
        for text in [
            "https://evil.example/x@github.com/me/x.git",
            "https://evil.example?@github.com/me/x.git",
            "https://evil.example#@github.com/me/x.git",
            "http://evil.example/@github.com",
            "ssh://git@evil.example/x@github.com/me/x.git",
            "ssh://evil.example:22/x@github.com/me/x.git",
            "ssh://git:x/y@github.com/me/x.git",
            "git://evil.example/x@github.com/me/x.git",
            "git@evil.example:x@github.com/me.git",
        ] {
            if parse(text).is_ok() {
                assert_eq!(endpoint(&shown(text)), endpoint(text), "{text}");
            }
        }
        assert!(parse("https://evil.example/x@github.com/me/x.git").is_err());
        assert!(parse("ssh://git:x/y@github.com/me/x.git").is_err());
    }

    #[test]
    fn hosts_ports_and_users_are_found() {
        let at = |host: &str, port| {
            Some(Endpoint {
                host: host.to_owned(),
                port,
            })
        };
        for (text, expected, who) in [
            ("https://a:b@Host:8443/x?y", at("host", Some(8443)), Some("a")),
            ("ssh://git@host/~/x@y", at("host", None), Some("git")),
            ("ssh://[::1]:2222/x", at("::1", Some(2222)), None),
            ("git@host:x@y.git", at("host", None), Some("git")),
            ("host:x", at("host", None), None),
            ("[host:2222]:x", at("host", Some(2222)), None),
            ("git@[fe80::1]:x", at("fe80::1", None), Some("git")),
            ("ssh://host:99999/x", None, None),
        ] {
            assert_eq!(endpoint(text), expected, "{text}");
            assert_eq!(user(text), who, "{text}");
        }
        assert_eq!(without_user("https://a:b@host:1/x@y"), "https://host:1/x@y");
        assert_eq!(without_user("ssh://a@host/x"), "ssh://a@host/x");
    }

    #[test]
    fn the_host_is_found() {
        assert_eq!(host("https://a:b@Host:8443/x?y").as_deref(), Some("host:8443"));
        assert_eq!(host("git@host:x.git").as_deref(), Some("host"));
        assert_eq!(host("https:///x"), None);
    }
}
