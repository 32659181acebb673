//! What it means that a remote refuses a push, and what a person can do about it.

use crate::error::{Error, Kind};
use crate::mirror::{Refusal, Rejection, Remote};

/// The error of a push that `remote` refused. Nothing was lost: what was to be sent is still here.
pub(super) fn rejected(remote: &dyn Remote, rejection: &Rejection) -> Error {
    let location = remote.location();
    let said = &rejection.said;
    let (message, hint) = match rejection.cause {
        Refusal::ProtectedBranch => (
            format!("{location} refused the push, since its branch main is protected: {said}"),
            "let this account push to `main` in the repository's settings (branch protection or rules), or use a repository without such rules: `csync remote set-url URL`",
        ),
        Refusal::Hook => (
            format!("{location} refused the push, by a rule of the server: {said}"),
            "ask whoever runs the server for an exception for this repository, or use another one: `csync remote set-url URL`",
        ),
        Refusal::TooLarge => (
            format!("{location} refused the push, since it is too large: {said}"),
            "csync sends files of little more than 1 MiB, many at a time: raise the server's limit (nginx: client_max_body_size, Git: receive.maxInputSize)",
        ),
        Refusal::Quota => (
            format!("{location} refused the push, since there is no room left: {said}"),
            "make room at the host or raise the quota, then run the command again",
        ),
        Refusal::ReadOnly => (
            format!("{location} refused the push, since this machine may only read there: {said}"),
            "give its key or account write access (a deploy key is made with or without it), then look with `csync remote test`",
        ),
        Refusal::Other => (
            format!("{location} refused the push: {said}"),
            "look at the host's rules for the repository, then run the command again",
        ),
    };
    Error::new(Kind::Network, message).hint(format!("nothing is lost; {hint}"))
}
