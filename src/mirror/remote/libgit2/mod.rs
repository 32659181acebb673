//! A remote behind one of libgit2's transports: `git://`, HTTPS, SSH.
//!
//! No refspec that is used here begins with `+`: a branch that cannot be fast-forwarded is never overwritten. They are
//! made in one place, `refspec`, which refuses to make such a one.

use std::cell::RefCell;
use std::rc::Rc;

use git2::{Direction, FetchOptions, Oid, PushOptions};

use crate::core::id::CommitId;
use crate::mirror::error::MirrorError;
use crate::mirror::library::forget_known_hosts;
use crate::mirror::pointer::{Pointer, commit_id, oid};
use crate::mirror::reach;
use crate::mirror::remote::personal::Personal;
use crate::mirror::remote::{
    BRANCH, Carrier, Network, Outage, Push, Refusal, Rejection, Remote, Tested, address, check_continues, failure,
};
use crate::mirror::repository::Mirror;
use crate::mirror::spool::Staging;

use self::conversation::{Conversation, interruptible};
use self::proxy::Way;
use self::sign_in::{Remembered, is_http};
use self::ssh_settings::SshSettings;

mod certificates;
mod conversation;
mod keys;
mod passwords;
mod proxy;
mod sign_in;
mod ssh_settings;
mod x509;

/// How often a conversation is begun anew because signing in broke the last one off. Each time another key is tried.
const CONVERSATIONS: usize = 12;

/// What libssh2 says when a conversation ended before it was encrypted.
const NO_KEY_EXCHANGE: &str = "Unable to exchange encryption keys";

/// What libgit2 says where libssh2 cannot parse a line of the person's `known_hosts`. Those are judged elsewhere, and
/// libgit2's reading of them is only for the order in which it asks for types of keys.
const STRANGE_KNOWN_HOSTS: &str = "error loading known_hosts";

/// See the module.
pub(super) struct GitRemote<'a> {
    /// The address as the person gave it.
    url: String,
    /// The same as libgit2 is given it.
    plain_url: String,
    network: Network<'a>,
    remembered: RefCell<Remembered>,
    /// How it is reached, once that was looked up.
    road: Option<Rc<Road>>,
}

/// How a server is reached.
struct Road {
    /// Over HTTP: through a proxy or not.
    way: Way,
    /// Over SSH: what OpenSSH's configuration says.
    ssh: Option<SshSettings>,
}

impl<'n> GitRemote<'n> {
    /// The repository at `url`, which is not contacted yet.
    pub(super) fn new(url: String, network: Network<'n>) -> Self {
        Self {
            plain_url: address::without_user(&url),
            url,
            network,
            remembered: RefCell::default(),
            road: None,
        }
    }

    /// Finds out how the server is reached, and whom to trust, before the first conversation.
    fn prepare(&mut self) -> Result<Rc<Road>, MirrorError> {
        if let Some(road) = &self.road {
            return Ok(Rc::clone(road));
        }
        let mut way = Way::Straight;
        if is_http(&self.url) {
            let personal = Personal::read(&self.network);
            certificates::trust(&self.url, &self.network, &personal)?;
            way = Way::to(&self.url, &self.network, &personal);
        }
        if let Way::Unknown(kind) = &way {
            return Err(MirrorError::Network {
                location: self.location(),
                detail: format!(
                    "the way there leads through a `{kind}` proxy, which {} use",
                    failure::BEYOND_LIBGIT2
                ),
                outage: Outage::Other,
            });
        }
        let ssh = is_ssh(&self.url)
            .then(|| SshSettings::find(&self.url, &self.network))
            .flatten();
        let road = Rc::new(Road { way, ssh });
        self.road = Some(Rc::clone(&road));
        Ok(road)
    }

    /// Connects, and does `talk` with what the server says it has. Where signing in breaks a conversation off before
    /// everything was tried, another one goes on.
    fn converse<R>(
        &mut self,
        repository: &git2::Repository,
        direction: Direction,
        mut talk: impl FnMut(&mut git2::Remote<'_>, &Conversation<'_, 'n>) -> Result<R, MirrorError>,
    ) -> Result<R, MirrorError> {
        let road = self.prepare()?;
        let mut again = true;
        for _ in 0..CONVERSATIONS {
            let conversation = Conversation::new(&self.url, &self.network, &self.remembered, &road);
            let mut remote = repository
                .remote_anonymous(&self.plain_url)
                .map_err(|error| conversation.failed(&error))?;
            let connected = remote.connect_auth(direction, Some(conversation.callbacks()), Some(road.way.options()));
            let mut connection = match connected {
                Ok(connection) => connection,
                Err(error) => {
                    if conversation.goes_on_after(&error) {
                        continue;
                    }
                    if error.message().contains(STRANGE_KNOWN_HOSTS) && std::mem::take(&mut again) {
                        forget_known_hosts();
                        continue;
                    }
                    // libssh2 says the same of a line that was cut and of a server with which it shares no cipher.
                    if error.message().contains(NO_KEY_EXCHANGE) && std::mem::take(&mut again) {
                        continue;
                    }
                    return Err(conversation.failed(&error));
                }
            };
            conversation.signed_in();
            return talk(connection.remote(), &conversation);
        }
        Err(MirrorError::Authentication {
            location: self.location(),
            detail: "the server hung up on each attempt to sign in".into(),
        })
    }

    /// Brings the whole branch into a repository of its own, and from there what the mirror lacks.
    fn fetch_apart(&mut self, mirror: &Mirror, tip: Oid, known: &[Oid]) -> Result<(), MirrorError> {
        let staging = Staging::create(mirror.folder())?;
        let place = staging.path().join("repository");
        let repository = git2::Repository::init_bare(&place)
            .map_err(|error| MirrorError::git("make a repository", &place, &error))?;
        let road = self.prepare()?;
        self.converse(&repository, Direction::Fetch, |remote, conversation| {
            download(remote, conversation, &road.way)
        })?;
        reach::copy(&repository, &mirror.repository, &[tip], known).map_err(|error| match error {
            MirrorError::Missing { what, .. } => MirrorError::NotSent {
                what,
                location: self.location(),
            },
            other => other,
        })
    }

    /// The remote's tip, asked for anew.
    fn tip(&mut self, repository: &git2::Repository, direction: Direction) -> Result<Option<Oid>, MirrorError> {
        self.converse(repository, direction, |remote, conversation| {
            advertised(remote, conversation)
        })
    }
}

/// The tip of the branch at the other end of a connection; none when there is nothing at all.
fn advertised(remote: &git2::Remote<'_>, conversation: &Conversation<'_, '_>) -> Result<Option<Oid>, MirrorError> {
    let heads = remote.list().map_err(|error| conversation.failed(&error))?;
    if let Some(head) = heads.iter().find(|head| head.name() == BRANCH) {
        return Ok(Some(head.oid()));
    }
    let names = heads.iter().map(git2::RemoteHead::name);
    match failure::foreign_refs(names) {
        Some(found) => Err(MirrorError::NotAVault {
            location: conversation.location(),
            found,
        }),
        None => Ok(None),
    }
}

/// Brings the branch's objects over a connection. Objects only: the reference is ours to set, once everything is
/// known to be there.
fn download(remote: &mut git2::Remote<'_>, conversation: &Conversation<'_, '_>, way: &Way) -> Result<(), MirrorError> {
    let mut options = FetchOptions::new();
    options
        .remote_callbacks(conversation.callbacks())
        .proxy_options(way.options())
        .download_tags(git2::AutotagOption::None)
        .update_fetchhead(false);
    interruptible(|| remote.download(&[BRANCH], Some(&mut options))).map_err(|error| conversation.failed(&error))
}

/// Sends what the branch needs to move from `expected` to `new`.
fn upload(
    remote: &mut git2::Remote<'_>,
    conversation: &Conversation<'_, '_>,
    way: &Way,
    expected: Option<Oid>,
    new: CommitId,
) -> Result<Option<Push>, MirrorError> {
    let tip = advertised(remote, conversation)?;
    // An earlier push was cut off after the server had taken it.
    if tip == Some(oid(new)) {
        return Ok(Some(Push::Accepted));
    }
    if tip != expected {
        return Ok(Some(Push::LostRace));
    }
    let answer: RefCell<Option<Option<String>>> = RefCell::new(None);
    let mut callbacks = conversation.callbacks();
    // That the call succeeds means that the server took the objects. Only this tells whether the branch moved.
    callbacks.push_update_reference(|reference, refusal| {
        if reference == BRANCH {
            *answer.borrow_mut() = Some(refusal.map(str::to_owned));
        }
        Ok(())
    });
    let mut options = PushOptions::new();
    options
        .remote_callbacks(callbacks)
        .proxy_options(way.options())
        .packbuilder_parallelism(0);
    let result = interruptible(|| remote.push(&[refspec(new)], Some(&mut options)));
    drop(options);
    match (answer.into_inner(), result) {
        (Some(None), Ok(())) => Ok(Some(Push::Accepted)),
        (Some(Some(reason)), _) => Ok(Some(failure::refusal(
            &conversation.clean(&reason),
            &conversation.said(),
        ))),
        (_, Err(error)) if error.code() == git2::ErrorCode::NotFastForward => Ok(Some(Push::LostRace)),
        (_, Err(error)) => Err(conversation.failed(&error)),
        (None, Ok(())) => Ok(None),
    }
}

impl Remote for GitRemote<'_> {
    fn location(&self) -> String {
        address::shown(&self.url)
    }

    fn fetch(&mut self, mirror: &Mirror) -> Result<Option<CommitId>, MirrorError> {
        let known = mirror.known()?;
        let road = self.prepare()?;
        let found = self.converse(&mirror.repository, Direction::Fetch, |remote, conversation| {
            let tip = advertised(remote, conversation)?;
            match tip {
                Some(tip) if !known.contains(&tip) => {
                    download(remote, conversation, &road.way)?;
                    Ok(Some((tip, true)))
                }
                tip => Ok(tip.map(|tip| (tip, false))),
            }
        })?;
        let Some((tip, came)) = found else { return Ok(None) };
        if came {
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
        let road = self.prepare()?;
        let sent = self.converse(&mirror.repository, Direction::Push, |remote, conversation| {
            upload(remote, conversation, &road.way, expected.map(oid), new)
        });
        match sent {
            Ok(Some(push)) => Ok(push),
            // A server that does not report: ask it where the branch is.
            Ok(None) => {
                let tip = self.tip(&mirror.repository, Direction::Fetch)?;
                Ok(if tip == Some(oid(new)) {
                    Push::Accepted
                } else {
                    Push::LostRace
                })
            }
            Err(error) => match failure::read_only(&error) {
                Some(said) => Ok(Push::Rejected(Rejection {
                    cause: Refusal::ReadOnly,
                    said,
                })),
                None => Err(error),
            },
        }
    }

    fn test(&mut self) -> Result<Tested, MirrorError> {
        // A connection needs a repository. This one is in memory, and nothing comes into it.
        let nowhere = git2::Odb::new()
            .and_then(git2::Repository::from_odb)
            .map_err(|error| MirrorError::git("make a repository", std::path::Path::new("memory"), &error))?;
        let tip = self.tip(&nowhere, Direction::Fetch)?;
        let not_writable = match self.tip(&nowhere, Direction::Push) {
            Ok(_) => None,
            Err(error) => Some(failure::read_only(&error).ok_or(error)?),
        };
        Ok(Tested {
            tip: tip.map(commit_id),
            not_writable,
        })
    }

    fn carrier(&self) -> Carrier {
        Carrier::Libgit2
    }
}

/// Whether the address is one of SSH: all that is neither HTTP nor Git's own protocol.
pub(super) fn is_ssh(address: &str) -> bool {
    let git = address
        .get(..6)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("git://"));
    !is_http(address) && !git
}

/// The one refspec that csync pushes: the commit to the branch, as a fast-forward.
fn refspec(new: CommitId) -> String {
    let refspec = format!("{new}:{BRANCH}");
    assert!(!refspec.starts_with('+'), "a push never forces");
    refspec
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
