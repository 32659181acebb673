//! What is set up on this machine to reach a remote, looked at for the doctor: the git command, credential helpers, proxies,
//! certificates. Nothing is contacted, and no secret is read.

use std::path::PathBuf;
use std::process::Stdio;

use super::git_command::program::Git;
use super::personal::Personal;
use super::{Network, address};

/// What is set up for a remote over HTTPS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HttpsReport {
    /// The programs of the credential helpers that Git asks. What else its configuration says of them may hold a password.
    pub helpers: Vec<String>,
    /// Whether `CSYNC_GIT_TOKEN` is set.
    pub has_token: bool,
    /// The proxy in force, without its password, and what names it.
    pub proxy: Option<(String, String)>,
    /// The file of certificates that are trusted besides the system's, and what names it.
    pub authorities: Option<(PathBuf, String)>,
}

/// The version of the git command, `2.51.0`; none where there is no such program.
#[must_use]
pub fn git_version(network: &Network<'_>) -> Option<String> {
    let said = run(network, &["--version"])?;
    let version = said.split_whitespace().nth(2)?;
    Some(version.to_owned())
}

/// Looks at what is set up for the remote at `url`, which goes over HTTPS or HTTP.
#[must_use]
pub fn https_report(url: &str, network: &Network<'_>) -> HttpsReport {
    // What stands before the host may be a token, and would be in the arguments of a process.
    let url = address::shown(url);
    let matched = |key: &str| run(network, &["config", "--get-urlmatch", key, &url]).filter(|value| !value.is_empty());
    let personal = Personal::read(network);
    let variable = |name: &str| Some((network.variable(name)?.to_str()?.to_owned(), name.to_owned()));
    let file = |name: &str| Some((PathBuf::from(network.variable(name)?), name.to_owned()));

    let mut helpers: Vec<String> = run(network, &["config", "--get-all", "credential.helper"])
        .into_iter()
        .flat_map(|all| all.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    // An empty one forgets those before it.
    if let Some(last) = helpers.iter().rposition(String::is_empty) {
        helpers.drain(..=last);
    }
    if let Some(helper) = matched("credential.helper")
        && !helpers.contains(&helper)
    {
        helpers.push(helper);
    }
    let helpers = helpers.iter().map(|helper| program_of(helper)).collect();
    let https = url.starts_with("https://");
    let configured = personal
        .http(&url, "proxy")
        .map(|proxy| (proxy.to_owned(), "http.proxy".to_owned()));
    let proxy = configured
        .or_else(|| variable(if https { "https_proxy" } else { "http_proxy" }))
        .or_else(|| https.then(|| variable("HTTPS_PROXY")).flatten())
        .or_else(|| variable("all_proxy"))
        .or_else(|| variable("ALL_PROXY"));
    let authorities = file("GIT_SSL_CAINFO")
        .or_else(|| Some((personal.http_path(&url, "sslcainfo")?, "http.sslCAInfo".to_owned())))
        .or_else(|| file("SSL_CERT_FILE"));
    HttpsReport {
        helpers,
        has_token: network.token.is_some(),
        // One that is empty means that there is to be none.
        proxy: proxy
            .filter(|(proxy, _)| !proxy.is_empty())
            .map(|(proxy, name)| match proxy.contains("://") {
                true => (address::shown(&proxy), name),
                false => (address::shown(&format!("http://{proxy}")), name),
            }),
        authorities,
    }
}

/// The program that a credential helper of Git's configuration starts, without what it is told.
fn program_of(helper: &str) -> String {
    let line = helper.strip_prefix('!').unwrap_or(helper);
    let program = line.split_whitespace().next().unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./~+".contains(&byte) || !byte.is_ascii();
    match program.bytes().all(plain) && !program.is_empty() {
        true => program.to_owned(),
        false => "a shell command".to_owned(),
    }
}

/// What the git command prints, without the last newline; none where it fails. It asks nobody.
fn run(network: &Network<'_>, arguments: &[&str]) -> Option<String> {
    let mut command = Git::find(network, false)?.bare();
    let output = command.args(arguments).stderr(Stdio::null()).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| said.trim_end_matches('\n').to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
