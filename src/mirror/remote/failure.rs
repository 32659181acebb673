//! What the words of servers and transports mean. Both transports ask here, so that they fail alike.
//!
//! Servers and libraries tell most failures in prose. The tables below are the prose that was met; what none of them
//! knows stays a failure of the network that is not tried again.

use std::time::Duration;

use crate::mirror::error::MirrorError;

use super::{Push, Refusal, Rejection};

/// Why a remote could not be talked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// The host's name is not known, or no way leads there: this machine is offline, or the address is wrong.
    Offline,
    /// The host is there and takes no connection.
    Refused,
    /// The connection broke off.
    Cut,
    /// Nothing came within the time that is allowed.
    TimedOut,
    /// The server has too much to do, or was asked too often (5xx, 429).
    Busy {
        /// When it wants to be asked again, where it says so.
        retry_after: Option<Duration>,
    },
    /// Anything else. It would be the same the next time.
    Other,
}

impl Outage {
    /// Whether the same can succeed a little later.
    #[must_use]
    pub const fn may_pass(self) -> bool {
        matches!(self, Self::Refused | Self::Cut | Self::TimedOut | Self::Busy { .. })
    }

    /// Whether the remote is out of reach, for now: what was sealed waits for the next run.
    #[must_use]
    pub const fn is_absence(self) -> bool {
        self.may_pass() || matches!(self, Self::Offline)
    }
}

/// The error that `detail` tells of: what libgit2 or the git command said about `location`. Neither holds a secret.
pub(super) fn understand(location: String, detail: String) -> MirrorError {
    let lower = detail.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if says(HOST_IDENTITY) {
        MirrorError::HostIdentity { location, detail }
    } else if let Some(outage) = outage(&lower) {
        MirrorError::Network {
            location,
            detail,
            outage,
        }
    } else if says(AUTHENTICATION) {
        MirrorError::Authentication { location, detail }
    } else if says(NOT_FOUND) {
        MirrorError::NotFound { location, detail }
    } else {
        MirrorError::Network {
            location,
            detail,
            outage: Outage::Other,
        }
    }
}

/// How a failure to reach a proxy begins. The proxy follows, and what was said after a colon.
pub(in crate::mirror) const PROXY: &str = "on the way lies the proxy ";

/// How a failure says that the token was wrong.
pub(in crate::mirror) const TOKEN_REFUSED: &str = "it refused the token in CSYNC_GIT_TOKEN";

/// How a failure says that what the person typed was wrong.
pub(in crate::mirror) const TYPED_REFUSED: &str = "it refused the password or token that was typed";

/// How a failure says that what a credential helper gave was wrong.
pub(in crate::mirror) const HELPER_REFUSED: &str = "it refused what the credential helper gave";

/// How a failure says that only the git command can do what is wanted. What follows is what cannot be done.
pub(super) const BEYOND_LIBGIT2: &str = "libgit2 cannot";

/// What a server has that is not a vault's branch: the names of its references, for people. None where there are none.
pub(super) fn foreign_refs<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let names: Vec<&str> = names
        .filter(|name| name.starts_with("refs/") && !name.ends_with("^{}"))
        .collect();
    let first = names.first()?;
    let first = match (first.strip_prefix("refs/heads/"), first.strip_prefix("refs/tags/")) {
        (Some(branch), _) => format!("the branch `{branch}`"),
        (_, Some(tag)) => format!("the tag `{tag}`"),
        _ => format!("`{first}`"),
    };
    Some(match names.len() {
        1 => first,
        more => format!("{first} and {} more", more - 1),
    })
}

/// What a server said when it let us read and does not let us write; none where that is not what failed.
pub(super) fn read_only(error: &MirrorError) -> Option<String> {
    let (MirrorError::Network { detail, .. } | MirrorError::Authentication { detail, .. }) = error else {
        return None;
    };
    let lower = detail.to_ascii_lowercase();
    READ_ONLY
        .iter()
        .any(|words| lower.contains(words))
        .then(|| detail.clone())
}

/// The words for somebody who may read and not write.
const READ_ONLY: &[&str] = &[
    "status code: 403",
    "returned error: 403",
    "read only",
    "read-only",
    "write access",
    "service not enabled",
    "not allowed to push",
    "permission to",
];

/// The words for a host that could not prove who it is.
const HOST_IDENTITY: &[&str] = &["host key", "hostkey", "certificate"];

/// The words for a sign-in that was refused.
const AUTHENTICATION: &[&str] = &[
    "authenticat",
    "status code: 401",
    "status code: 403",
    "authentication replays",
    "permission denied",
    "could not read username",
    "could not read password",
    "the requested url returned error: 403",
    "the requested url returned error: 401",
];

/// The words for a repository that is not there, or hidden.
const NOT_FOUND: &[&str] = &[
    "not found",
    "not exported",
    "status code: 404",
    "returned error: 404",
    "does not exist",
    "no such repository",
    "does not appear to be a git repository",
];

/// The outage that lower-case words tell of, if they tell of one.
fn outage(lower: &str) -> Option<Outage> {
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if says(&[
        "resolve address",
        "could not resolve",
        "name or service not known",
        "temporary failure in name resolution",
        "no route to host",
        "network is unreachable",
        "nodename nor servname",
    ]) {
        Some(Outage::Offline)
    } else if says(&["timed out", "timeout", "too slow"]) {
        Some(Outage::TimedOut)
    } else if says(&["connection refused"]) {
        Some(Outage::Refused)
    } else if says(&[
        "status code: 5",
        "status code: 429",
        "returned error: 5",
        "returned error: 429",
        "rate limit",
        "too many requests",
    ]) {
        Some(Outage::Busy { retry_after: None })
    } else if says(&[
        "connection reset",
        "broken pipe",
        "unexpected eof",
        "early eof",
        "hung up unexpectedly",
        "unexpected disconnect",
        "connection closed",
        "socket disconnect",
        // libssh2, and libgit2 above `git://`.
        "failed getting banner",
        "failed getting response",
        "unable to send userauth",
        "draining incoming flow",
        "transport read",
        "could not read refs from remote",
        "could not read report from remote",
        // OpenSSL, when the other side is gone in the middle of a record.
        "resource temporarily unavailable",
        // What libgit2 calls it when the other side has closed the TLS connection.
        "ssl error: unknown error",
    ]) {
        Some(Outage::Cut)
    } else {
        None
    }
}

/// What a server's refusal to move the branch means; `said` is what its hooks printed.
pub(super) fn refusal(reason: &str, said: &str) -> Push {
    let lower = reason.to_ascii_lowercase();
    if LOST_RACE.iter().any(|word| lower.contains(word)) {
        return Push::LostRace;
    }
    let told = match said {
        "" => reason.to_owned(),
        said => format!("{reason} (the server says: {said})"),
    };
    Push::Rejected(Rejection {
        cause: cause(&format!("{lower} {}", said.to_ascii_lowercase())),
        said: told,
    })
}

/// The words of receive-pack, of its clients, and of the hosts, for "something else moved it or is moving it".
const LOST_RACE: &[&str] = &[
    "non-fast-forward",
    "non-fastforward",
    "fetch first",
    "stale info",
    "failed to update ref",
    "failed to lock",
    "cannot lock ref",
    "unable to lock",
    "reference already exists",
    "incorrect old value",
    "lock file",
    ".lock'",
];

/// Why the lower-case words of a server refuse a push.
fn cause(lower: &str) -> Refusal {
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if says(&["protected branch", "gh006", "gh013"]) {
        Refusal::ProtectedBranch
    } else if says(&["read only", "read-only", "deploy key"]) {
        Refusal::ReadOnly
    } else if says(&["quota", "size limit", "over its storage"]) {
        Refusal::Quota
    } else if says(&["gh001", "too large", "maximum allowed size", "file size limit"]) {
        Refusal::TooLarge
    } else if says(&["hook declined", "pre-receive", "hook"]) {
        Refusal::Hook
    } else {
        Refusal::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libgit2_says_of_the_network_is_understood() {
        let busy = Outage::Busy { retry_after: None };
        for (said, expected) in [
            ("failed to connect to localhost: Connection refused", Outage::Refused),
            ("failed to connect to host: Operation timed out", Outage::TimedOut),
            (
                "failed to resolve address for x.invalid: Name or service not known",
                Outage::Offline,
            ),
            ("failed to connect to host: Network is unreachable", Outage::Offline),
            ("SSL error: syscall failure: Connection reset by peer", Outage::Cut),
            ("SSL error: error:80000020:system library::Broken pipe", Outage::Cut),
            ("SSL error: received early EOF", Outage::Cut),
            ("unexpected EOF", Outage::Cut),
            ("nothing came within 60 seconds: timed out", Outage::TimedOut),
            ("unexpected http status code: 503", busy),
            ("unexpected http status code: 429", busy),
            ("unexpected http status code: 400", Outage::Other),
            ("proxy returned unexpected status: 403", Outage::Other),
            ("failed to start SSH session: Failed getting banner", Outage::Cut),
            (
                "failed to start SSH session: Timed out waiting on socket",
                Outage::TimedOut,
            ),
            (
                "failed to start SSH session: Unable to exchange encryption keys",
                Outage::Other,
            ),
            ("signing in: Failed getting response", Outage::Cut),
            ("signing in: Unable to send userauth-none request", Outage::Cut),
            ("signing in: Timed out waiting on socket", Outage::TimedOut),
            (
                "SSH could not write data: Failure while draining incoming flow",
                Outage::Cut,
            ),
            ("SSH could not read data: transport read", Outage::Cut),
            ("SSH could not read data: Timed out waiting on socket", Outage::TimedOut),
            ("could not read from socket: timed out", Outage::TimedOut),
            ("could not read refs from remote repository", Outage::Cut),
            ("error receiving data from socket: Broken pipe", Outage::Cut),
        ] {
            let error = understand("https://host/x".into(), said.into());
            assert!(
                matches!(error, MirrorError::Network { outage, .. } if outage == expected),
                "{said}: {error:?}"
            );
        }
    }

    #[test]
    fn refusals_are_told_from_races() {
        for reason in [
            "non-fast-forward",
            "fetch first",
            "failed to update ref",
            "cannot lock ref 'refs/heads/main': is at 1 but expected 2",
            "stale info",
        ] {
            assert_eq!(refusal(reason, "the lock file"), Push::LostRace, "{reason}");
        }
        for reason in [
            "pre-receive hook declined",
            "this account is blocked",
            "protected branch hook declined",
        ] {
            assert!(
                matches!(refusal(reason, "the lock file"), Push::Rejected(_)),
                "{reason}"
            );
        }
    }
}
