//! Which Git repository a folder belongs to, read as text. Git is never run, and no hook, include or helper of a repository has
//! any effect.

use std::fs;
use std::path::{Path, PathBuf};

/// How much of a repository's configuration is read.
const LARGEST_CONFIG: u64 = 1024 * 1024;

/// The repository that a folder lies in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Repository {
    /// Its remote in the normal form of [`normal_remote`].
    pub remote: Option<String>,
    /// The folder within the work tree, `/`-separated; empty for its root.
    pub subfolder: String,
}

/// The repository whose work tree holds `folder`, also when that is a linked work tree or a submodule.
pub(super) fn repository_of(folder: &Path) -> Option<Repository> {
    for root in folder.ancestors() {
        let Some(config) = config_of(&root.join(".git")) else {
            continue;
        };
        let parts: Option<Vec<&str>> = folder
            .strip_prefix(root)
            .ok()?
            .components()
            .map(|part| part.as_os_str().to_str())
            .collect();
        return Some(Repository {
            remote: read_small(&config).and_then(|text| remote_in(&text)),
            subfolder: parts?.join("/"),
        });
    }
    None
}

/// The configuration of the repository whose work tree has `dot_git`: a folder, or a file that names one (gitrepository-layout(5)).
fn config_of(dot_git: &Path) -> Option<PathBuf> {
    let kind = fs::metadata(dot_git).ok()?;
    let folder = if kind.is_dir() {
        dot_git.to_owned()
    } else {
        let text = read_small(dot_git)?;
        let named = text.strip_prefix("gitdir:")?.trim();
        dot_git.parent()?.join(named)
    };
    // A linked work tree shares the configuration of the repository that it was made from.
    let common =
        read_small(&folder.join("commondir")).map_or_else(|| folder.clone(), |common| folder.join(common.trim()));
    let config = common.join("config");
    config.is_file().then_some(config)
}

fn read_small(file: &Path) -> Option<String> {
    let about = fs::metadata(file).ok()?;
    if !about.is_file() || about.len() > LARGEST_CONFIG {
        return None;
    }
    fs::read(file)
        .ok()
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The URL of `origin` in a Git configuration, else that of its first remote, in normal form.
fn remote_in(config: &str) -> Option<String> {
    let mut remote: Option<String> = None;
    let mut found: Vec<(String, String)> = Vec::new();
    for line in config.lines() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            remote = header
                .strip_prefix("remote \"")
                .and_then(|name| name.split_once("\"]"))
                .map(|(name, _)| name.to_owned());
            continue;
        }
        let (Some(remote), Some((key, value))) = (&remote, line.split_once('=')) else {
            continue;
        };
        if key.trim().eq_ignore_ascii_case("url") {
            found.push((remote.clone(), value.trim().trim_matches('"').to_owned()));
        }
    }
    let origin = found.iter().find(|(name, _)| name == "origin").or(found.first());
    origin.and_then(|(_, url)| normal_remote(url))
}

/// A remote's URL as the same text for every way to reach it: `host/path`, the host in lower case, without scheme, user, password, port,
/// query and `.git`. `None` for a path of this machine and for what another program carries, which mean nothing elsewhere.
pub(super) fn normal_remote(url: &str) -> Option<String> {
    let url = url.trim();
    let (authority, path) = if let Some((scheme, rest)) = url.split_once("://") {
        let scheme = scheme.to_ascii_lowercase();
        if !matches!(
            scheme.as_str(),
            "https" | "http" | "ssh" | "git" | "git+ssh" | "ssh+git" | "git+https"
        ) {
            return None;
        }
        let rest = rest.split(['?', '#']).next().unwrap_or(rest);
        rest.split_once('/')?
    } else {
        // The short form of scp: `user@host:path`, with no slash before the first colon, and no drive letter.
        let (authority, path) = url.split_once(':')?;
        if authority.contains(['/', '\\']) || authority.len() < 2 || path.starts_with(':') {
            return None;
        }
        (authority, path)
    };
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path).trim_end_matches('/');
    let clean = |text: &str| !text.is_empty() && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    (clean(host) && clean(path)).then(|| format!("{}/{path}", host.to_lowercase()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
