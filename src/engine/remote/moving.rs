//! `remote set-url`: the vault moves to another address, and loses nothing on the way.

use crate::core::id::CommitId;
use crate::core::progress::Phase;
use crate::engine::connect::connect;
use crate::engine::context::Context;
use crate::engine::hosting;
use crate::engine::init::absolute;
use crate::engine::open::{OpenVault, joined};
use crate::engine::remote::examine::{Holds, compare};
use crate::error::{Error, Kind, Result};
use crate::mirror::{self, Push, Remote};

/// What the person asked for.
pub struct MoveOptions<'a> {
    /// The new address, or `github:NAME` or `gitlab:NAME`, which is made where it does not exist.
    pub url: String,
    /// Only write it down.
    pub no_test: bool,
    /// Take a repository that others can read as well.
    pub allow_public: bool,
    /// Whether to send the history there where the new repository lacks some of it. Asked at most once, and only then; it is
    /// given what is there and how many commits would be sent.
    pub push: &'a mut dyn FnMut(&Holds, usize) -> Result<bool>,
}

/// What `remote set-url` did.
#[derive(Debug)]
pub struct Moved {
    /// The new address, without secrets.
    pub location: String,
    /// The old address as the configuration had it, which never holds a password.
    pub before: String,
    /// What the new repository held; none where nobody looked.
    pub held: Option<Holds>,
    /// How many commits were sent there.
    pub sent: usize,
    /// Why it could not be found out whether the old address has more than this machine, where history was sent.
    pub old_unreachable: Option<Error>,
    /// A variable of the environment that goes before the configuration, where there is one.
    pub overridden_by: Option<&'static str>,
}

/// Moves this machine to another address of the same vault.
///
/// # Errors
/// The new repository cannot be reached, holds something else than this vault, or lacks history that was not to be sent. The
/// configuration is as it was then.
pub fn set_url(context: &Context<'_>, options: MoveOptions<'_>) -> Result<Moved> {
    joined(&context.config)?;
    // A password in the address is told before anybody hears of it.
    crate::engine::settings::edited(context, &[("remote", vec![options.url.clone()])])?;
    let mut made = None;
    let mut url = options.url.clone();
    if !options.no_test {
        let resolved = hosting::resolve(context, &url, options.allow_public)?;
        url = resolved.url;
        made = resolved.made;
    }
    let done = move_to(context, options, &absolute(&url)?);
    if let (Err(_), Some(place)) = (&done, &made) {
        let told = format!("The repository {place} stays: run the same command again to use it.");
        context.questions.tell(&told);
    }
    done
}

/// [`set_url`] with an address that Git knows.
fn move_to(context: &Context<'_>, options: MoveOptions<'_>, url: &str) -> Result<Moved> {
    let settings = [("remote", vec![url.to_owned()])];
    let location = mirror::location(url);
    mirror::road(url)?;
    let open = OpenVault::open(context, "remote set-url")?;
    let before = open.remote_url.clone();
    let mut moved = Moved {
        location,
        before,
        held: None,
        sent: 0,
        old_unreachable: None,
        overridden_by: match context.config.entry("remote")?.origin {
            crate::config::Origin::Variable(name) => Some(name),
            _ => None,
        },
    };
    if !options.no_test {
        let mut remote = connect(context, url)?;
        let tested = remote.test()?;
        let holds = match tested.tip {
            None => Holds::Nothing,
            Some(tip) => compare(context, &open, remote.as_mut(), tip)?.0,
        };
        check(&moved.location, &holds)?;
        if let Some(why) = &tested.not_writable {
            return Err(
                Error::new(Kind::Network, format!("{} cannot be written: {why}", moved.location))
                    .hint("give this account or key the right to push there, then run the command again"),
            );
        }
        // What is sealed and waits goes with the next sync.
        let seen = open.seen()?;
        let missing = match holds {
            Holds::Nothing => open.mirror.history(seen, None)?.len(),
            Holds::Older { commits } => commits,
            _ => 0,
        };
        if missing > 0 {
            moved.old_unreachable = check_old(context, &open, seen)?;
            if !(options.push)(&holds, missing)? {
                return Err(Error::new(
                    Kind::Usage,
                    format!("{} lacks {missing} commits of this vault", moved.location),
                )
                .hint("run the command again with --push: it sends them there first; nothing was changed"));
            }
            send(context, &open, remote.as_mut(), tested.tip, seen)?;
            moved.sent = missing;
        }
        moved.held = Some(holds);
    }
    crate::engine::settings::write(context, &settings)?;
    Ok(moved)
}

/// Refuses what is not this vault.
fn check(location: &str, holds: &Holds) -> Result<()> {
    match holds {
        Holds::Nothing | Holds::Same | Holds::Newer { .. } | Holds::Older { .. } | Holds::Something => Ok(()),
        Holds::OtherVault(found) => Err(Error::new(Kind::Key, format!("{location} holds another vault, {found}"))
            .hint("give an address of this vault, or of an empty repository; nothing was changed")),
        Holds::NoVault => Err(Error::new(
            Kind::General,
            format!("{location} holds a repository that is not a csync vault"),
        )
        .hint("csync writes to an empty repository or to its own vault only: make a new, empty, private repository")),
        Holds::Diverged => Err(Error::new(
            Kind::Rollback,
            format!("{location} holds this vault with another history than the one this machine has seen"),
        )
        .hint(
            "to go on with the history there, move the folders away that `csync config path` shows (but the identity) and run \
             `csync init` with the new address: what is only here is then merged and sent",
        )),
    }
}

/// Makes sure that the old address has nothing that would be left behind. Gives why that could not be found out: the old host may
/// be gone, which may be why the vault moves.
fn check_old(context: &Context<'_>, open: &OpenVault, seen: CommitId) -> Result<Option<Error>> {
    let mut old = open.connect(context)?;
    let tip = match old.test() {
        Ok(tested) => tested.tip,
        Err(error) => return Ok(Some(error.into())),
    };
    let known = match tip {
        None => true,
        Some(tip) => tip == seen || open.mirror.commit(tip).is_ok() && open.mirror.is_ancestor(tip, seen)?,
    };
    if known {
        return Ok(None);
    }
    Err(Error::new(
        Kind::General,
        format!("{} has commits that this machine has not seen yet", old.location()),
    )
    .hint("run `csync sync` first, so that they move as well; nothing was changed"))
}

/// Sends the history up to `new` to a repository that stands at `expected`.
fn send(
    context: &Context<'_>,
    open: &OpenVault,
    remote: &mut dyn Remote,
    expected: Option<CommitId>,
    new: CommitId,
) -> Result<()> {
    context.check_stop()?;
    context.progress.begin(Phase::Send, 0, 0);
    let pushed = remote.push(&open.mirror, expected, new);
    context.progress.end();
    match pushed? {
        Push::Accepted => Ok(()),
        Push::LostRace => Err(Error::new(
            Kind::Network,
            format!("another device pushed to {} in the meantime", remote.location()),
        )
        .hint("run the same command again; the configuration is as it was")),
        Push::Rejected(rejection) => Err(Error::new(
            Kind::Network,
            format!("{} refused the push: {}", remote.location(), rejection.said),
        )
        .hint("look at the host's rules for the repository; the configuration is as it was")),
    }
}
