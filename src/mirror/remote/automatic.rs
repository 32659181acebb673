//! The remote that nobody chose a transport for: libgit2, and the git command for what libgit2 cannot do.
//!
//! A switch is made once, is told once, and is remembered by whoever keeps [`Carrier`]. It is made only when libgit2 failed
//! for one of the reasons in [`beyond_libgit2`], the git command then succeeded, and libgit2 does not succeed after all. Whatever is a matter of trust (host keys,
//! certificates), of the other side's will (a rejected push, a repository that is not there), or passes by itself, is never a
//! reason.

use crate::core::id::CommitId;
use crate::core::questions::Nobody;
use crate::mirror::error::MirrorError;
use crate::mirror::pointer::oid;
use crate::mirror::reach;
use crate::mirror::remote::ssh::config::{self, Asked};
use crate::mirror::repository::Mirror;

use super::address::{self, shown};
use super::failure::BEYOND_LIBGIT2;
use super::git_command::GitCommandRemote;
use super::libgit2::{GitRemote, is_ssh};
use super::personal::Personal;
use super::{Carrier, Network, Outage, Push, Remote, Tested};

/// From how many bytes on a push is left to the git command, where there is one, in bytes.
///
/// libgit2 compresses all objects again, on one thread, at 33 MB/s; git sends them as they are, at 110 MB/s, and takes
/// some 50 ms to start. Below this the difference is not felt.
const BIG_PUSH: u64 = 16 << 20;

/// See the module.
pub(super) struct Automatic<'n> {
    url: String,
    network: Network<'n>,
    libgit2: GitRemote<'n>,
    /// Whether it was found out which of the two to begin with.
    looked: bool,
    /// The git command, once it is used for this remote.
    git: Option<GitCommandRemote<'n>>,
    /// Why it is used, where that was not told yet.
    untold: Option<String>,
}

impl<'n> Automatic<'n> {
    /// The repository at `url`, which is not contacted yet.
    pub(super) fn new(url: String, network: Network<'n>) -> Self {
        Self {
            libgit2: GitRemote::new(url.clone(), network.clone()),
            looked: false,
            git: None,
            untold: None,
            url,
            network,
        }
    }

    /// Before the first use: whether the git command was taken up in an earlier run, or libgit2 need not be tried at all.
    fn look(&mut self) {
        if std::mem::replace(&mut self.looked, true) {
            return;
        }
        let known = self.network.switched.clone();
        let is_new = known.is_none();
        let Some(because) = known.or_else(|| beyond_from_the_start(&self.url, &self.network)) else {
            return;
        };
        // Where there is no git, libgit2 may do its best.
        self.git = self.command(Some(because.clone())).ok();
        self.untold = (is_new && self.git.is_some()).then_some(because);
    }

    /// The git command for this remote.
    fn command(&self, because: Option<String>) -> Result<GitCommandRemote<'n>, MirrorError> {
        GitCommandRemote::new(self.url.clone(), self.network.clone(), because)
    }

    /// Does `act` with libgit2 or, where that is beyond it, with the git command.
    fn attempt<T>(&mut self, act: &mut dyn FnMut(&mut dyn Remote) -> Result<T, MirrorError>) -> Result<T, MirrorError> {
        self.look();
        if let Some(git) = &mut self.git {
            let done = act(git)?;
            self.tell();
            return Ok(done);
        }
        let error = match act(&mut self.libgit2) {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let Some(because) = beyond_libgit2(&error, &self.url, &self.network) else {
            return Err(error);
        };
        let Ok(mut git) = self.command(Some(because.clone())) else {
            return Err(error);
        };
        tracing::debug!("{because}: {error}; trying the git command");
        match act(&mut git) {
            Ok(done) => {
                if self.is_settled(&error, &because) {
                    self.git = Some(git);
                    self.untold = Some(because);
                    self.tell();
                }
                Ok(done)
            }
            Err(stopped @ MirrorError::Interrupted { .. }) => Err(stopped),
            Err(second) => Err(with_addition(error, &second)),
        }
    }

    /// Whether what libgit2 failed with is there to stay, after the git command succeeded. A name server that was not awake yet, a
    /// line that was cut while keys were exchanged, or a proxy that had too much to do look the same as what libgit2
    /// cannot do: it is asked once more, with nobody to be disturbed.
    fn is_settled(&self, error: &MirrorError, because: &str) -> bool {
        if !matches!(error, MirrorError::Network { detail, .. } if !detail.contains(BEYOND_LIBGIT2)) {
            return true;
        }
        let network = Network {
            questions: &Nobody,
            ..self.network.clone()
        };
        let again = GitRemote::new(self.url.clone(), network).test().err();
        let settled = again.is_some_and(|again| {
            beyond_libgit2(&again, &self.url, &self.network).is_some_and(|reason| reason == because)
        });
        if !settled {
            tracing::debug!("that has passed: libgit2 goes on");
        }
        settled
    }

    /// Says that the git command is used from now on, once.
    fn tell(&mut self) {
        if let Some(because) = self.untold.take() {
            self.network.questions.tell(&format!(
                "{because}: using the git command for {} from now on (`csync config set transport …` to choose)",
                self.location()
            ));
        }
    }
}

impl Remote for Automatic<'_> {
    fn location(&self) -> String {
        shown(&self.url)
    }

    fn fetch(&mut self, mirror: &Mirror) -> Result<Option<CommitId>, MirrorError> {
        self.attempt(&mut |remote| remote.fetch(mirror))
    }

    fn push(&mut self, mirror: &Mirror, expected: Option<CommitId>, new: CommitId) -> Result<Push, MirrorError> {
        self.look();
        if self.git.is_none()
            && let Ok(git) = self.command(None)
            && is_big(mirror, expected, new)
        {
            // Nobody is asked twice: where git would have to ask, libgit2, which was answered already, does it.
            match git.quietly().push(mirror, expected, new) {
                Ok(answer) => return Ok(answer),
                Err(stopped @ (MirrorError::Interrupted { .. } | MirrorError::NotAContinuation { .. })) => {
                    return Err(stopped);
                }
                Err(error) => tracing::debug!("the git command did not carry the push: {error}"),
            }
        }
        self.attempt(&mut |remote| remote.push(mirror, expected, new))
    }

    fn test(&mut self) -> Result<Tested, MirrorError> {
        self.attempt(&mut |remote| remote.test())
    }

    fn carrier(&self) -> Carrier {
        self.git.as_ref().map_or(Carrier::Libgit2, Remote::carrier)
    }
}

/// Whether what `new` needs and `expected` does not have is more than [`BIG_PUSH`]. Only headers of objects are read, and
/// no more of them than it takes to know.
fn is_big(mirror: &Mirror, expected: Option<CommitId>, new: CommitId) -> bool {
    let known: Vec<git2::Oid> = expected.into_iter().map(oid).collect();
    let mut size = 0;
    let mut big = false;
    // What is missing or damaged is for the push itself to tell.
    let _ = reach::objects(&mirror.repository, &[oid(new)], &known, &mut |odb, id, _| {
        size += odb.read_header(id).map_or(0, |(size, _)| size as u64);
        big = size > BIG_PUSH;
        if big {
            // An error is what ends the walk.
            return Err(MirrorError::TooLarge {
                what: "the push".into(),
                size,
                limit: BIG_PUSH,
            });
        }
        Ok(())
    });
    big
}

/// What libgit2's error would be made of by the git command, for which it is worth a try: why, as a sentence. None
/// where git would fail as well, or where a failure must not be worked around.
///
/// | over | libgit2 said | what git has that libgit2 has not |
/// |---|---|---|
/// | SSH | sign-in refused | security keys, certificates, other agents, what `~/.ssh/config` says of keys |
/// | SSH | no key exchange | OpenSSH's algorithms |
/// | SSH | no such host | aliases in `~/.ssh/config` |
/// | SSH | a host that a certificate authority vouches for | `@cert-authority` |
/// | HTTPS | no way to sign in that it knows | Negotiate, NTLM |
/// | HTTPS | sign-in refused, TLS refused, 400 | client certificates, cookies, headers of the person's Git configuration |
/// | HTTPS | anything about the proxy | every proxy of curl's (libgit2 issue 7072) |
pub(super) fn beyond_libgit2(error: &MirrorError, url: &str, network: &Network<'_>) -> Option<String> {
    let is_http = url.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http"));
    let is_git = url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("git://"));
    if is_git {
        return None;
    }
    // What was found out by libgit2's own room, such as that a certificate authority vouches for the host.
    if let MirrorError::Network { detail, .. }
    | MirrorError::Authentication { detail, .. }
    | MirrorError::HostIdentity { detail, .. } = error
        && detail.contains(BEYOND_LIBGIT2)
    {
        return Some(detail.clone());
    }
    let because = if is_http {
        beyond_over_http(error, url, network)?
    } else {
        beyond_over_ssh(error)?
    };
    Some(because.to_owned())
}

fn beyond_over_ssh(error: &MirrorError) -> Option<&'static str> {
    let says = |detail: &str, words: &[&str]| {
        let lower = detail.to_ascii_lowercase();
        words.iter().any(|word| lower.contains(word))
    };
    match error {
        MirrorError::Authentication { .. } => Some("libgit2 cannot sign in over SSH with what is set up here"),
        MirrorError::Network {
            outage: Outage::Offline,
            detail,
            ..
        } if says(detail, &["resolve"]) => {
            Some("libgit2 cannot find the host, which may be an alias in `~/.ssh/config`")
        }
        MirrorError::Network { detail, outage, .. }
            if !outage.is_absence()
                && says(
                    detail,
                    &["exchange encryption keys", "key exchange", "algorithm", "kex"],
                ) =>
        {
            Some("libgit2 cannot agree with the server on how to encrypt")
        }
        _ => None,
    }
}

fn beyond_over_http(error: &MirrorError, url: &str, network: &Network<'_>) -> Option<&'static str> {
    let detail = match error {
        MirrorError::Authentication { detail, .. } => detail,
        MirrorError::Network { detail, outage, .. } if !outage.is_absence() => detail,
        // A server that wants a client certificate breaks TLS off with an alert. A bad certificate of its own is no such thing.
        MirrorError::HostIdentity { detail, .. } if detail.to_ascii_lowercase().contains("alert") => {
            return own_settings(url, network).filter(|_| wants_certificate(detail));
        }
        _ => return None,
    };
    let lower = detail.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if says(&["proxy"]) {
        return Some("libgit2 cannot use this proxy");
    }
    if says(&[
        "authentication that we do not support",
        "authentication is not supported",
        "appropriate mechanism",
    ]) {
        return Some("libgit2 cannot sign in in the way that the server wants");
    }
    if matches!(error, MirrorError::Authentication { .. }) || says(&["status code: 400", "alert", "handshake"]) {
        return own_settings(url, network);
    }
    None
}

/// Whether TLS was broken off by the other side for want of a certificate of ours.
fn wants_certificate(detail: &str) -> bool {
    let lower = detail.to_ascii_lowercase();
    ["certificate required", "handshake failure", "bad certificate"]
        .iter()
        .any(|words| lower.contains(words))
}

/// What the person's Git has been told for this host that only git can do.
fn own_settings(url: &str, network: &Network<'_>) -> Option<&'static str> {
    if network.variable("GIT_SSL_CERT").is_some() {
        return Some("libgit2 cannot use the client certificate of your Git configuration");
    }
    let personal = Personal::read(network);
    [
        (
            "sslcert",
            "libgit2 cannot use the client certificate of your Git configuration",
        ),
        (
            "extraheader",
            "libgit2 cannot send the headers of your Git configuration",
        ),
        (
            "cookiefile",
            "libgit2 cannot send the cookies of your Git configuration",
        ),
        (
            "emptyauth",
            "libgit2 cannot sign in in the way that your Git configuration asks for",
        ),
        (
            "delegation",
            "libgit2 cannot sign in in the way that your Git configuration asks for",
        ),
    ]
    .into_iter()
    .find(|(name, _)| personal.http(url, name).is_some_and(|value| !value.is_empty()))
    .map(|(_, because)| because)
}

/// Why libgit2 need not be tried at all, where the configuration of SSH says so.
fn beyond_from_the_start(url: &str, network: &Network<'_>) -> Option<String> {
    if !is_ssh(url) {
        return None;
    }
    let endpoint = address::endpoint(url)?;
    let asked = Asked {
        host: &endpoint.host,
        port: endpoint.port,
        user: address::user(url),
    };
    let answer = config::ask(&asked, &network.home, &network.variables);
    let reason = config::beyond_libssh2(answer.config()?, &asked)?;
    Some(format!("{reason}, which libgit2 cannot"))
}

/// libgit2's error, with what the git command said where that is something else.
fn with_addition(error: MirrorError, second: &MirrorError) -> MirrorError {
    let (MirrorError::Authentication { detail: said, .. }
    | MirrorError::HostIdentity { detail: said, .. }
    | MirrorError::NotFound { detail: said, .. }
    | MirrorError::Network { detail: said, .. }) = second
    else {
        return error;
    };
    let mut error = error;
    if let MirrorError::Authentication { detail, .. }
    | MirrorError::HostIdentity { detail, .. }
    | MirrorError::Network { detail, .. } = &mut error
        && !detail.contains(said.as_str())
    {
        *detail = format!("{detail}; and the git command: {said}");
    }
    error
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
