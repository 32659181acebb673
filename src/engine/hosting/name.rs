//! How a repository is named at its host, and which addresses of Git belong to it.

use crate::error::{Error, Kind, Result};

/// A kind of host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// github.com, and servers of GitHub Enterprise.
    GitHub,
    /// gitlab.com, and servers of one's own.
    GitLab,
}

impl Service {
    /// What stands before the colon.
    pub(super) const fn prefix(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
        }
    }

    /// The host that is meant where nothing says otherwise.
    pub(super) const fn usual_host(self) -> &'static str {
        match self {
            Self::GitHub => "github.com",
            Self::GitLab => "gitlab.com",
        }
    }

    /// Its tool.
    pub(super) const fn program(self) -> &'static str {
        match self {
            Self::GitHub => "gh",
            Self::GitLab => "glab",
        }
    }
}

/// A repository's name at its host. Every part follows the host's rules, so that it can stand in a path of the host's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    /// The kind of host.
    pub(super) service: Service,
    /// The user, organisation or groups that it belongs to; empty: the user who is signed in.
    pub(super) owner: String,
    /// Its own name.
    pub(super) repository: String,
}

impl Name {
    /// The same name, with `user` as owner where none was given; none where the host's rules forbid that.
    pub(super) fn owned_by(self, user: &str) -> Option<Self> {
        if !self.owner.is_empty() {
            return Some(self);
        }
        let owned = named(self.service, &format!("{user}/{}", self.repository)).ok()?;
        (owned.owner == user).then_some(owned)
    }

    /// The name that the host gives to a repository of `service`; none where its own rules forbid that.
    pub(super) fn given(service: Service, path: &str) -> Option<Self> {
        named(service, path).ok()
    }

    /// Owner and name, such as `me/sessions`.
    pub(super) fn path(&self) -> String {
        match self.owner.as_str() {
            "" => self.repository.clone(),
            owner => format!("{owner}/{}", self.repository),
        }
    }
}

/// Understands `github:NAME`, `github:OWNER/NAME` and `gitlab:GROUP/…/NAME`; none: something else.
///
/// # Errors
/// A name that the host would not take.
pub(super) fn parse(text: &str) -> Result<Option<Name>> {
    let Some((prefix, path)) = text.split_once(':') else {
        return Ok(None);
    };
    let services = [Service::GitHub, Service::GitLab];
    let Some(service) = services.into_iter().find(|service| service.prefix() == prefix) else {
        return Ok(None);
    };
    let name = named(service, path).map_err(|why| {
        let shown: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
        Error::new(Kind::Usage, format!("`{shown}` names no repository: {why}")).hint(format!(
            "write {prefix}:OWNER/NAME; where {prefix} is a host of your SSH configuration, ssh://{prefix}/OWNER/NAME.git"
        ))
    })?;
    Ok(Some(name))
}

/// A name at `service` from its path, or why it is none.
fn named(service: Service, path: &str) -> std::result::Result<Name, &'static str> {
    let (owner, repository) = path.rsplit_once('/').unwrap_or(("", path));
    if path.contains('/') || !owner.is_empty() {
        let owners: Vec<&str> = owner.split('/').collect();
        match service {
            Service::GitHub => match owners[..] {
                [owner] => check_github_owner(owner)?,
                _ => return Err("on GitHub, it is an owner and a name"),
            },
            Service::GitLab if owners.len() > 20 => return Err("that is too deep"),
            Service::GitLab => owners.into_iter().try_for_each(check_part)?,
        }
    }
    check_part(repository)?;
    if service == Service::GitHub && repository.len() > 100 {
        return Err("it is longer than 100 characters");
    }
    Ok(Name {
        service,
        owner: owner.to_owned(),
        repository: repository.to_owned(),
    })
}

/// Users and organisations of GitHub: letters, digits and single hyphens, 39 at most. Those that a company manages have an
/// underscore and the company's short name at their end.
fn check_github_owner(owner: &str) -> std::result::Result<(), &'static str> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    match owner {
        "" => Err("the owner is missing"),
        _ if owner.len() > 60 => Err("the owner's name is too long"),
        _ if !owner.bytes().all(known) => Err("an owner's name has letters, digits and hyphens"),
        _ if owner.starts_with(['-', '_']) || owner.ends_with('-') || owner.contains("--") => {
            Err("an owner's name has single hyphens, between letters and digits")
        }
        _ => Ok(()),
    }
}

/// Repositories of GitHub, groups and projects of GitLab: letters, digits, `-`, `_` and `.`.
fn check_part(part: &str) -> std::result::Result<(), &'static str> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let lower = part.to_ascii_lowercase();
    match part {
        "" => Err("a part of it is empty"),
        _ if part.len() > 255 => Err("it is too long"),
        _ if !part.bytes().all(known) => Err("names have letters, digits, `-`, `_` and `.`"),
        _ if part.starts_with(['-', '.']) || part.ends_with('.') || part.contains("..") => {
            Err("names do not begin with `-` or `.`, nor end with `.`")
        }
        _ if [".git", ".wiki", ".atom"].iter().any(|end| lower.ends_with(end)) => {
            Err("names do not end with `.git`, `.wiki` or `.atom`")
        }
        _ => Ok(()),
    }
}

/// The repository at github.com or gitlab.com that an address of Git leads to; none: it leads elsewhere.
pub(super) fn in_address(url: &str) -> Option<Name> {
    let (host, path) = match url.split_once("://") {
        Some(("https" | "ssh", rest)) => rest.split_once('/')?,
        Some(_) => return None,
        None => url.split_once(':')?,
    };
    let host = host.rsplit('@').next()?;
    let service = [Service::GitHub, Service::GitLab]
        .into_iter()
        .find(|service| host.eq_ignore_ascii_case(service.usual_host()))?;
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    named(service, path).ok().filter(|name| !name.owner.is_empty())
}

/// Whether `text` is a host's name, with or without a port.
pub(super) fn is_host(text: &str) -> bool {
    let (name, port) = text.split_once(':').unwrap_or((text, "443"));
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    !name.is_empty() && name.bytes().all(known) && !name.starts_with(['-', '.']) && port.parse::<u16>().is_ok()
}

/// Whether `url` is an HTTPS address at `host` with nothing in it but a path. Git sends the password of `host` there.
pub(super) fn is_https_address(url: &str, host: &str) -> bool {
    let path = url
        .strip_prefix("https://")
        .and_then(|rest| rest.split_once('/'))
        .filter(|(at, _)| at.eq_ignore_ascii_case(host))
        .map(|(_, path)| path);
    path.is_some_and(|path| is_path(path) && !path.starts_with('/'))
}

/// Whether `url` is an address for SSH: `ssh://…`, or `user@host:path`. At a server of one's own, the host may be another one than
/// the API's, `host`; who it is, its key says.
pub(super) fn is_ssh_address(url: &str, host: &str) -> bool {
    let (authority, path) = match url.strip_prefix("ssh://") {
        Some(rest) => rest.split_once('/').unwrap_or_default(),
        None => url.split_once(':').unwrap_or_default(),
    };
    let (user, place) = authority.split_once('@').unwrap_or(("git", authority));
    let is_theirs = |usual: &str| {
        let name = place.split(':').next().unwrap_or_default();
        name == usual || name.strip_suffix(usual).is_some_and(|rest| rest.ends_with('.'))
    };
    let is_usual = |service: &Service| service.usual_host() == host;
    let usual = [Service::GitHub, Service::GitLab].into_iter().find(is_usual);
    let is_user = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let fits = usual.is_none_or(|service| is_theirs(service.usual_host()));
    fits && is_host(place) && is_path(path) && !user.is_empty() && !user.starts_with('-') && user.bytes().all(is_user)
}

/// Whether `path` is one of plain characters.
fn is_path(path: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./~".contains(&byte);
    !path.is_empty() && path.bytes().all(known) && !path.starts_with('-')
}
