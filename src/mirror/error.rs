//! What can go wrong in the mirror or on the way to a remote, and what a person can do about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::core::id::CommitId;
use crate::error::{Error, Kind};

use super::pointer::Pointer;
use super::remote::{Outage, failure};

/// A failure of the mirror, or of a remote. Remotes are named without passwords and tokens.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MirrorError {
    /// There is no repository in this folder.
    #[error("there is no Git repository at {}", path.display())]
    NoRepository {
        /// The folder.
        path: PathBuf,
    },
    /// A repository should be made where something stands already.
    #[error("{} is in the way: it exists and is not an empty folder", path.display())]
    InTheWay {
        /// What stands there.
        path: PathBuf,
    },
    /// A repository with a checked-out branch was given as a remote.
    #[error("{} is a repository with a work tree, not a bare one", path.display())]
    NotBare {
        /// The repository.
        path: PathBuf,
    },
    /// An object that should be there is not.
    #[error("{what} is missing from {}", place.display())]
    Missing {
        /// The object, such as `blob 1f…`.
        what: String,
        /// The repository that lacks it.
        place: PathBuf,
    },
    /// A server names a commit and does not send what it needs.
    #[error("{location} did not send {what}, which its vault needs")]
    NotSent {
        /// The object, such as `blob 1f…`.
        what: String,
        /// The remote, without secrets.
        location: String,
    },
    /// Something is there and is not what it should be.
    #[error("{what} in {} is damaged: {detail}", place.display())]
    Damaged {
        /// The object or file, such as `blob 1f…`.
        what: String,
        /// The repository it stands in.
        place: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// An object is larger than it may be. It was not read.
    #[error("{what} has {size} bytes, and at most {limit} are allowed")]
    TooLarge {
        /// The object.
        what: String,
        /// Its size in bytes.
        size: u64,
        /// The most that is taken.
        limit: u64,
    },
    /// A pointer is not where it was expected: something else moved it.
    #[error("{pointer} was moved by something else in the meantime")]
    Moved {
        /// The pointer.
        pointer: Pointer,
    },
    /// A commit should be pushed that is not built upon the remote's tip, and would cut off what others pushed.
    #[error("commit {new} is not built upon {tip}, the tip of {location}")]
    NotAContinuation {
        /// The commit that was to be pushed.
        new: CommitId,
        /// The tip that it does not go back to.
        tip: CommitId,
        /// The remote, without secrets.
        location: String,
    },
    /// A path cannot stand in a tree.
    #[error("`{path}` cannot be a path in a tree")]
    BadPath {
        /// The path, cut to a sane length.
        path: String,
    },
    /// The text is not the address of a remote that csync knows.
    #[error("`{location}` is not a remote that csync can use: {detail}")]
    BadAddress {
        /// The address, without secrets.
        location: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The remote could not be reached, or the connection broke.
    #[error("cannot talk to {location}: {detail}")]
    Network {
        /// The remote, without secrets.
        location: String,
        /// What the transport said.
        detail: String,
        /// What kind of trouble it is.
        outage: Outage,
    },
    /// A signal asked to stop while the remote was being talked to.
    #[error("interrupted while talking to {location}")]
    Interrupted {
        /// The remote, without secrets.
        location: String,
    },
    /// The remote has something, and not a vault: it is left alone.
    #[error("{location} holds {found}, not a csync vault")]
    NotAVault {
        /// The remote, without secrets.
        location: String,
        /// What is there, such as `the branch master`.
        found: String,
    },
    /// The git command is to carry the exchange, and there is none.
    #[error("there is no git command to reach {location} with")]
    NoGitCommand {
        /// The remote, without secrets.
        location: String,
    },
    /// The remote did not let us in.
    #[error("{location} did not accept the sign-in: {detail}")]
    Authentication {
        /// The remote, without secrets.
        location: String,
        /// What the transport said.
        detail: String,
    },
    /// The remote's host key or certificate is not one that is known here.
    #[error("{location} could not prove that it is the right host: {detail}")]
    HostIdentity {
        /// The remote, without secrets.
        location: String,
        /// What the transport said.
        detail: String,
    },
    /// The remote has no such repository, or hides it.
    #[error("there is no repository at {location}: {detail}")]
    NotFound {
        /// The remote, without secrets.
        location: String,
        /// What the transport said.
        detail: String,
    },
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried, such as `write`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// libgit2 failed in a way that has no name of its own here.
    #[error("cannot {action} in {}: {detail}", place.display())]
    Git {
        /// What was tried.
        action: &'static str,
        /// The repository.
        place: PathBuf,
        /// What libgit2 said.
        detail: String,
    },
}

impl MirrorError {
    /// A failed system call on `path`.
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// A failure of libgit2 on the repository at `place`.
    pub(super) fn git(action: &'static str, place: &Path, error: &git2::Error) -> Self {
        Self::Git {
            action,
            place: place.to_owned(),
            detail: text(error),
        }
    }

    /// A failure to read the object `what`: missing when libgit2 does not find it, damaged otherwise.
    pub(super) fn object(what: String, place: &Path, error: &git2::Error) -> Self {
        let place = place.to_owned();
        if error.code() == git2::ErrorCode::NotFound {
            Self::Missing { what, place }
        } else {
            Self::Damaged {
                what,
                place,
                detail: text(error),
            }
        }
    }

    /// The object `what` is there and not well formed.
    pub(super) fn damaged(what: impl Into<String>, place: &Path, detail: impl Into<String>) -> Self {
        Self::Damaged {
            what: what.into(),
            place: place.to_owned(),
            detail: detail.into(),
        }
    }

    /// The proxy that could not be reached, where that was it, and not the host behind it.
    #[must_use]
    pub fn proxy(&self) -> Option<&str> {
        let Self::Network { detail, .. } = self else {
            return None;
        };
        let rest = detail.strip_prefix(failure::PROXY)?;
        rest.split_once(": ").map(|(proxy, _)| proxy)
    }

    /// What the person should do, where we know.
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoRepository { path } => format!(
                "check the path; `git init --bare {}` makes a repository there",
                path.display()
            ),
            Self::InTheWay { .. } => "name another folder, or move it away".into(),
            Self::NotBare { path } => format!(
                "a push would change a branch that is checked out there; make a bare one: `git init --bare {}.git`",
                path.display()
            ),
            Self::Missing { place, .. } | Self::Damaged { place, .. } => format!(
                "something other than csync changed {}: bring it back from a backup, or from another copy of the vault",
                place.display()
            ),
            Self::NotSent { .. } => {
                "the repository on the server is damaged: restore it there, or push from a machine that has everything"
                    .into()
            }
            Self::TooLarge { .. } => "csync makes no such objects: find out who wrote to the remote".into(),
            Self::NotAContinuation { .. } => return None,
            Self::Moved { .. } => "run the command again".into(),
            Self::BadPath { .. } => return None,
            Self::BadAddress { .. } => {
                "give a folder, `file:///folder`, `git://host/path`, `https://host/path` or `user@host:path`".into()
            }
            Self::Interrupted { .. } => "what was done so far is safe; run the same command again to go on".into(),
            Self::NotAVault { .. } => {
                "csync writes to an empty repository or to its own vault only: make a new, empty, private repository"
                    .into()
            }
            Self::NoGitCommand { .. } => {
                "install Git, or let libgit2 do it: `csync config set transport libgit2`".into()
            }
            Self::Network { .. } => {
                "nothing was lost: check the network and the address, then run the command again".into()
            }
            Self::Authentication { location, detail } if is_http(location) => sign_in_over_http(detail).into(),
            Self::Authentication { .. } => {
                "load the key into the SSH agent (`ssh-add`), or check that the host knows your public key".into()
            }
            Self::HostIdentity { location, .. } if is_http(location) => {
                "for an authority of your own: `git config --global http.sslCAInfo FILE`, or SSL_CERT_FILE; \
                 csync never goes on without a good certificate"
                    .into()
            }
            Self::HostIdentity { location, .. } => format!(
                "compare the fingerprint with the one that the host's administrator tells: for a new host, say yes to \
                 `csync remote test {location}` on a terminal; for a changed key that is right, remove the old line from \
                 known_hosts"
            ),
            Self::NotFound { .. } => "check the address and that this account may see the repository".into(),
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    "make room on the disk, then run the command again: nothing was lost".into()
                }
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    "check who owns the folder and whether it may be written".into()
                }
                _ => return None,
            },
            Self::Git { detail, .. } if detail.contains("No space left") => {
                "make room on the disk, then run the command again: nothing was lost".into()
            }
            Self::Git { .. } => return None,
        })
    }

    /// The kind, and so the exit code.
    const fn kind(&self) -> Kind {
        match self {
            Self::Missing { .. } | Self::NotSent { .. } | Self::Damaged { .. } | Self::TooLarge { .. } => Kind::Damaged,
            Self::BadAddress { .. } | Self::NotBare { .. } | Self::NoGitCommand { .. } => Kind::Usage,
            Self::Interrupted { .. } => Kind::Interrupted,
            // A folder may be a share that is not mounted now: to scripts that is what a server is that does not answer.
            Self::NoRepository { .. }
            | Self::Network { .. }
            | Self::Authentication { .. }
            | Self::HostIdentity { .. }
            | Self::NotFound { .. } => Kind::Network,
            _ => Kind::General,
        }
    }
}

impl From<MirrorError> for Error {
    fn from(error: MirrorError) -> Self {
        let mut message = error.to_string();
        if let MirrorError::Io { source, .. } = &error {
            message = format!("{message}: {source}");
        }
        let told = Self::new(error.kind(), message);
        match error.hint() {
            Some(hint) => told.hint(hint),
            None => told,
        }
        .caused_by(error)
    }
}

/// What a person should do whom a server does not let in over HTTP, by what it refused.
fn sign_in_over_http(detail: &str) -> &'static str {
    let says = |words: &str| detail.contains(words);
    if says(failure::TYPED_REFUSED) {
        "try again: GitHub and GitLab take a personal access token here, and not the password of the account"
    } else if says(failure::TOKEN_REFUSED) {
        "make a new token that may read and write this repository, and give it in CSYNC_GIT_TOKEN (with a user name of \
         its own in CSYNC_GIT_USERNAME, where it has one)"
    } else if says("403") {
        "this account or token may not use the repository: give it access there, or sign in with another one"
    } else if says(failure::HELPER_REFUSED) {
        "sign in anew with what your credential helper takes it from (such as `gh auth login`), then run the command again"
    } else {
        "set up a Git credential helper (such as `gh auth setup-git`), or give a token in CSYNC_GIT_TOKEN"
    }
}

/// Whether a remote is reached over HTTP.
fn is_http(location: &str) -> bool {
    location.starts_with("http://") || location.starts_with("https://")
}

/// libgit2's own words, without the codes that git2 puts behind them.
pub(super) fn text(error: &git2::Error) -> String {
    error.message().trim().to_owned()
}
