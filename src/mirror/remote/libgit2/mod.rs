//! A remote behind one of libgit2's transports: `git://`, HTTPS, SSH.
//!
//! No refspec that is used here begins with `+`: a branch that cannot be fast-forwarded is never overwritten. They are
//! made in one place, `refspec`, which refuses to make such a one.

use std::cell::RefCell;

use git2::{Direction, ErrorClass, ErrorCode, FetchOptions, Oid, ProxyOptions, PushOptions, RemoteCallbacks};

use crate::core::id::CommitId;

use self::credentials::Credentials;
use crate::mirror::remote::address;

mod credentials;
use crate::mirror::error::{MirrorError, text};
use crate::mirror::pointer::{Pointer, commit_id, oid};
use crate::mirror::reach;
use crate::mirror::remote::{BRANCH, Carrier, Network, Push, Remote, Tested, check_continues, failure};
use crate::mirror::repository::Mirror;
use crate::mirror::spool::Staging;

/// How much is kept of what a server prints, in bytes.
const LONGEST_SAYING: usize = 1_000;

/// See the module.
pub(super) struct GitRemote<'a> {
    url: String,
    network: Network<'a>,
}

impl<'n> GitRemote<'n> {
    /// The repository at `url`, which is not contacted yet.
    pub(super) const fn new(url: String, network: Network<'n>) -> Self {
        Self { url, network }
    }

    /// Callbacks that sign in, each way once.
    fn callbacks<'a>(&self) -> RemoteCallbacks<'a> {
        let mut credentials = Credentials::new(self.url.clone());
        let mut callbacks = RemoteCallbacks::new();
        callbacks.credentials(move |url, user, allowed| credentials.next(url, user, allowed));
        callbacks
    }

    /// What libgit2 says went wrong, as an error that names the remote and no secret.
    fn failed(&self, error: &git2::Error) -> MirrorError {
        let location = self.location();
        let detail = address::without_secrets(&text(error), &self.url);
        match (error.code(), error.class()) {
            (ErrorCode::Certificate, _) => MirrorError::HostIdentity { location, detail },
            (ErrorCode::Auth, _) => MirrorError::Authentication { location, detail },
            (ErrorCode::NotFound, _) => MirrorError::NotFound { location, detail },
            (_, ErrorClass::Odb | ErrorClass::Indexer) => MirrorError::damaged(
                format!("what {location} sent"),
                std::path::Path::new("the mirror"),
                detail,
            ),
            _ => failure::understand(location, detail),
        }
    }

    /// Brings the branch's objects over a connection. Objects only: the reference is ours to set, once everything is
    /// known to be there.
    fn download(&self, remote: &mut git2::Remote<'_>) -> Result<(), MirrorError> {
        let mut options = FetchOptions::new();
        options
            .remote_callbacks(self.callbacks())
            .proxy_options(proxy())
            .download_tags(git2::AutotagOption::None)
            .update_fetchhead(false);
        remote
            .download(&[BRANCH], Some(&mut options))
            .map_err(|error| self.failed(&error))
    }

    /// Brings the whole branch into a repository of its own, and from there what the mirror lacks.
    fn fetch_apart(&self, mirror: &Mirror, tip: Oid, known: &[Oid]) -> Result<(), MirrorError> {
        let staging = Staging::create(mirror.folder())?;
        let place = staging.path().join("repository");
        let repository = git2::Repository::init_bare(&place)
            .map_err(|error| MirrorError::git("make a repository", &place, &error))?;
        let mut remote = repository
            .remote_anonymous(&self.url)
            .map_err(|error| self.failed(&error))?;
        self.download(&mut remote)?;
        reach::copy(&repository, &mirror.repository, &[tip], known).map_err(|error| match error {
            MirrorError::Missing { what, .. } => MirrorError::NotSent {
                what,
                location: self.location(),
            },
            other => other,
        })
    }

    /// The tip of the branch at the other end of a connection.
    fn advertised(heads: &[git2::RemoteHead<'_>]) -> Option<Oid> {
        heads
            .iter()
            .find(|head| head.name() == BRANCH)
            .map(git2::RemoteHead::oid)
    }

    /// The remote's tip, asked for anew.
    fn tip(&self) -> Result<Option<Oid>, MirrorError> {
        let failed = |error: git2::Error| self.failed(&error);
        let mut remote = git2::Remote::create_detached(self.url.as_str()).map_err(failed)?;
        let connection = remote
            .connect_auth(Direction::Fetch, Some(self.callbacks()), Some(proxy()))
            .map_err(failed)?;
        let tip = Self::advertised(connection.list().map_err(failed)?);
        Ok(tip)
    }
}

impl Remote for GitRemote<'_> {
    fn location(&self) -> String {
        address::shown(&self.url)
    }

    fn fetch(&mut self, mirror: &Mirror) -> Result<Option<CommitId>, MirrorError> {
        let failed = |error: git2::Error| self.failed(&error);
        let mut remote = mirror.repository.remote_anonymous(&self.url).map_err(failed)?;
        let mut connection = remote
            .connect_auth(Direction::Fetch, Some(self.callbacks()), Some(proxy()))
            .map_err(failed)?;
        let Some(tip) = Self::advertised(connection.list().map_err(failed)?) else {
            return Ok(None);
        };
        let known = mirror.known()?;
        if !known.contains(&tip) {
            self.download(connection.remote())?;
            drop(connection);
            match reach::verify(&mirror.repository, &[tip], &known, false) {
                // libgit2 does not ask for a commit that it has, even where what the commit needs is gone.
                Err(MirrorError::Missing { .. }) => self.fetch_apart(mirror, tip, &known)?,
                verified => verified?,
            }
        }
        mirror.set(Pointer::Incoming, mirror.get(Pointer::Incoming)?, commit_id(tip))?;
        Ok(Some(commit_id(tip)))
    }

    fn push(&mut self, mirror: &Mirror, expected: Option<CommitId>, new: CommitId) -> Result<Push, MirrorError> {
        check_continues(mirror, expected, new, self.location())?;
        tracing::debug!("sending commit {new} to {}", self.location());
        let expected = expected.map_or_else(|| Oid::ZERO_SHA1, oid);
        let lost = RefCell::new(false);
        let answer: RefCell<Option<Option<String>>> = RefCell::new(None);
        let said = RefCell::new(Vec::new());
        let result = {
            let mut callbacks = self.callbacks();
            // Nothing is sent when the branch is not where we think it is; the server compares once more under its lock.
            callbacks.push_negotiation(|updates| {
                if updates.iter().all(|update| update.src() == expected) {
                    return Ok(());
                }
                *lost.borrow_mut() = true;
                Err(git2::Error::from_str("the branch has moved"))
            });
            // That the call succeeds means that the server took the objects. Only this tells whether the branch moved.
            callbacks.push_update_reference(|reference, refusal| {
                if reference == BRANCH {
                    *answer.borrow_mut() = Some(refusal.map(str::to_owned));
                }
                Ok(())
            });
            // What the server's hooks print: often the only text that says why.
            callbacks.sideband_progress(|text| {
                let room = LONGEST_SAYING.saturating_sub(said.borrow().len());
                said.borrow_mut().extend_from_slice(&text[..text.len().min(room)]);
                true
            });
            let mut options = PushOptions::new();
            options
                .remote_callbacks(callbacks)
                .proxy_options(proxy())
                .packbuilder_parallelism(0);
            let mut remote = mirror
                .repository
                .remote_anonymous(&self.url)
                .map_err(|error| self.failed(&error))?;
            remote.push(&[refspec(new)], Some(&mut options))
        };
        if lost.into_inner() {
            return Ok(Push::LostRace);
        }
        match (answer.into_inner(), result) {
            (Some(None), Ok(())) => Ok(Push::Accepted),
            (Some(Some(reason)), _) => {
                let said = String::from_utf8_lossy(&said.into_inner()).trim().replace('\n', " / ");
                Ok(failure::refusal(
                    &address::without_secrets(&reason, &self.url),
                    &address::without_secrets(&said, &self.url),
                ))
            }
            (_, Err(error)) if error.code() == ErrorCode::NotFastForward => Ok(Push::LostRace),
            (_, Err(error)) => Err(self.failed(&error)),
            // A server that does not report: ask it where the branch is.
            (None, Ok(())) => Ok(if self.tip()? == Some(oid(new)) {
                Push::Accepted
            } else {
                Push::LostRace
            }),
        }
    }

    fn test(&mut self) -> Result<Tested, MirrorError> {
        Ok(Tested {
            tip: self.tip()?.map(commit_id),
            not_writable: None,
        })
    }

    fn carrier(&self) -> Carrier {
        Carrier::Libgit2
    }
}

/// The one refspec that csync pushes: the commit to the branch, as a fast-forward.
fn refspec(new: CommitId) -> String {
    let refspec = format!("{new}:{BRANCH}");
    assert!(!refspec.starts_with('+'), "a push never forces");
    refspec
}

/// The proxy that the environment names, if any.
fn proxy<'a>() -> ProxyOptions<'a> {
    let mut proxy = ProxyOptions::new();
    proxy.auto();
    proxy
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
