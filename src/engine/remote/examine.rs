//! `remote test`: reaches a remote, reads it, and says what it holds. Writes nothing there.

use std::time::{Duration, Instant};

use crate::core::id::{CommitId, VaultId};
use crate::core::progress::Phase;
use crate::engine::context::Context;
use crate::engine::fetch::verify_history;
use crate::engine::open::{OpenVault, SCRATCH, vault_id};
use crate::error::{Error, Kind, Result};
use crate::mirror::{self, Carrier, Mirror, MirrorError, Remote, Road};

/// What a remote holds, as far as this machine can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holds {
    /// Nothing.
    Nothing,
    /// Our vault, as this machine last saw it.
    Same,
    /// Our vault, and more than this machine has seen: all of it verified.
    Newer {
        /// How many commits more.
        commits: usize,
    },
    /// Our vault, in a state that this machine has left behind.
    Older {
        /// How many commits it lacks.
        commits: usize,
    },
    /// Our vault, with a history that goes on from ours at neither end.
    Diverged,
    /// Another vault.
    OtherVault(VaultId),
    /// A repository that is no vault.
    NoVault,
    /// Something. There is nothing here to compare it with.
    Something,
}

/// What a test of a remote found.
#[derive(Debug)]
pub struct Examination {
    /// The address, without secrets.
    pub location: String,
    /// The road that leads there.
    pub road: Road,
    /// What carried the exchange.
    pub carrier: Carrier,
    /// The remote's tip.
    pub tip: Option<CommitId>,
    /// Why nothing may be written there; none where it may.
    pub not_writable: Option<String>,
    /// What it holds.
    pub holds: Holds,
    /// How long it took to connect, sign in, read the tip and find out whether writing is allowed.
    pub took: Duration,
    /// How long it took to fetch what this machine had not seen, where that was needed.
    pub fetched_in: Option<Duration>,
    /// Why it was not compared with this machine's vault, where there is one.
    pub not_compared: Option<Error>,
}

/// Tests the remote at `url`, or where there is none, the one that this machine's vault is kept in.
///
/// # Errors
/// [`Kind::Network`] where it cannot be reached or read; an address that cannot be used; no vault here and no address either.
pub fn examine(context: &Context<'_>, url: Option<&str>) -> Result<Examination> {
    let joined = crate::engine::open::joined(&context.config);
    let url = match (url, &joined) {
        (Some(url), _) => crate::engine::init::absolute(url)?,
        (None, Ok(joined)) => joined.remote.clone(),
        (None, Err(_)) => return Err(joined.err().expect("this arm is that of the error")),
    };
    let mut remote = crate::engine::connect::connect(context, &url)?;
    context.progress.begin(Phase::Receive, 0, 0);
    let begun = Instant::now();
    let tested = remote.test().map_err(unreachable);
    let took = begun.elapsed();
    context.progress.end();
    let tested = tested?;
    let mut fetched_in = None;
    let mut not_compared = None;
    let holds = match tested.tip {
        None => Holds::Nothing,
        Some(_) if joined.is_err() => Holds::Something,
        Some(tip) => match OpenVault::open(context, "remote test") {
            Ok(open) => {
                let begun = Instant::now();
                let (holds, fetched) = compare(context, &open, remote.as_mut(), tip)?;
                fetched_in = fetched.then(|| begun.elapsed());
                holds
            }
            // The remote can be reached: that was the question, and this is told beside the answer.
            Err(error) => {
                not_compared = Some(error);
                Holds::Something
            }
        },
    };
    Ok(Examination {
        location: remote.location(),
        road: mirror::road(&url)?,
        carrier: remote.carrier(),
        tip: tested.tip,
        not_writable: tested.not_writable,
        holds,
        took,
        fetched_in,
        not_compared,
    })
}

/// A folder that is not there is to this command what a host is that does not answer.
fn unreachable(error: MirrorError) -> Error {
    let is_away = matches!(
        error,
        MirrorError::NoRepository { .. } | MirrorError::Io { .. } | MirrorError::Git { .. }
    );
    let error = Error::from(error);
    if !is_away {
        return error;
    }
    let hint = error.hint_text().map(str::to_owned);
    let told = Error::new(Kind::Network, error.to_string());
    match hint {
        Some(hint) => told.hint(hint),
        None => told,
    }
    .caused_by(error)
}

/// What a remote with the tip `tip` holds, and whether anything had to be fetched to know. It is fetched into a scratch mirror:
/// nothing that lasts changes.
pub(super) fn compare(
    context: &Context<'_>,
    open: &OpenVault,
    remote: &mut dyn Remote,
    tip: CommitId,
) -> Result<(Holds, bool)> {
    let seen = open.seen()?;
    if tip == seen {
        return Ok((Holds::Same, false));
    }
    if open.mirror.commit(tip).is_ok() && open.mirror.is_ancestor(tip, seen)? {
        let commits = open.mirror.history(seen, Some(tip))?.len();
        return Ok((Holds::Older { commits }, false));
    }
    let folder = tempfile::Builder::new()
        .prefix(SCRATCH)
        .tempdir_in(&context.paths.state_dir)
        .map_err(|source| {
            Error::new(Kind::General, "cannot make a temporary folder to fetch into")
                .hint("look at the space and the permissions of the state folder")
                .caused_by(source)
        })?;
    let scratch = Mirror::scratch(&open.mirror, &folder.path().join("mirror.git"))?;
    context.progress.begin(Phase::Receive, 0, 0);
    let fetched = remote.fetch(&scratch);
    context.progress.end();
    let Some(tip) = fetched.map_err(unreachable)? else {
        return Ok((Holds::Nothing, true));
    };
    let found = match vault_id(&scratch, scratch.commit(tip)?.tree) {
        Ok(found) => found,
        Err(error) if error.kind() == Kind::General => return Ok((Holds::NoVault, true)),
        Err(error) => return Err(error),
    };
    if found != open.vault.id() {
        return Ok((Holds::OtherVault(found), true));
    }
    if !scratch.is_ancestor(seen, tip)? {
        return Ok((Holds::Diverged, true));
    }
    verify_history(&scratch, &open.vault, tip, Some(seen))?;
    let commits = scratch.history(tip, Some(seen))?.len();
    Ok((Holds::Newer { commits }, true))
}
