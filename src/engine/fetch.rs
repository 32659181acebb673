//! Fetching, and believing nothing that does not verify: seals, generations, and that history only goes forward.

use std::collections::HashMap;

use super::open::{OpenVault, vault_id, with_dictionaries};
use crate::core::id::{CommitId, Generation, VaultId};
use crate::error::{Error, Kind, Result};
use crate::mirror::{Mirror, MirrorError, Pointer, Remote};
use crate::vault::Vault;

impl OpenVault {
    /// Fetches the remote's tip, verifies it and makes it this machine's tip. One round trip when nothing changed.
    ///
    /// What is outgoing and cannot be pushed any more is decided on anew. That may need to bring sessions back, which only a sync
    /// does: where something is outgoing, this is for a vault that was [diverted](Self::divert).
    ///
    /// # Errors
    /// [`Kind::Network`]; [`Kind::General`] where the repository is no vault, [`Kind::Key`] where it is another one; [`Kind::Rollback`] where the remote's history is not a continuation of what was seen here;
    /// [`Kind::Damaged`] where a seal does not verify. Nothing local has changed then.
    pub(super) fn fetch(&mut self, remote: &mut dyn Remote) -> Result<()> {
        let incoming = self.receive(remote)?;
        self.go_on_from(incoming, None)
    }

    /// Fetches the remote's tip and verifies it. No pointer but the one for what came has moved then.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub(super) fn receive(&mut self, remote: &mut dyn Remote) -> Result<CommitId> {
        let seen = self.seen()?;
        tracing::debug!("asking {} for its newest state", remote.location());
        let fetched = remote.fetch(&self.mirror).map_err(gone)?;
        let Some(incoming) = fetched else {
            return Err(rollback(
                format!(
                    "the remote {} is empty, but this machine has seen a vault there",
                    remote.location()
                ),
                &self.mirror,
                seen,
                None,
            ));
        };
        if incoming == seen {
            tracing::debug!("it is at commit {seen}, as before");
            return Ok(seen);
        }
        if !self.mirror.is_ancestor(seen, incoming)? {
            // Before it is called a rollback: is it the right repository at all?
            let found =
                vault_id(&self.mirror, self.mirror.commit(incoming)?.tree).map_err(|error| match error.kind() {
                    Kind::General => error.hint(REPLACED),
                    _ => error,
                })?;
            if found != self.vault.id() {
                return Err(other_vault(found, self.vault.id()));
            }
            let what = if self.mirror.is_ancestor(incoming, seen)? {
                "went back in time: it offers an older state of the vault than this machine has seen"
            } else {
                "offers another history than the one this machine has seen"
            };
            return Err(rollback(
                format!("the remote {} {what}", remote.location()),
                &self.mirror,
                seen,
                Some(incoming),
            ));
        }
        verify_history(&self.mirror, &self.vault, incoming, Some(seen))?;
        tracing::debug!("it is at commit {incoming}; every seal since {seen} verifies");
        Ok(incoming)
    }

    /// Makes what was received this machine's tip.
    pub(super) fn advance(&mut self, incoming: CommitId) -> Result<()> {
        let seen = self.seen()?;
        if incoming != seen {
            self.mirror.set(Pointer::Tip, Some(seen), incoming)?;
            self.vault = with_dictionaries(&self.mirror, self.mirror.commit(incoming)?.tree, &self.vault)?;
        }
        match self.mirror.get(Pointer::Outgoing)? {
            Some(outgoing) if self.mirror.is_ancestor(outgoing, incoming)? => {
                tracing::debug!("what was outgoing has arrived");
                Ok(self.mirror.clear(Pointer::Outgoing)?)
            }
            _ => Ok(()),
        }
    }
}

/// A repository that was there before and is not any more, or is another one, says what to do about that.
fn gone(error: MirrorError) -> Error {
    let hint = match error {
        MirrorError::NotFound { .. } | MirrorError::NoRepository { .. } => GONE,
        MirrorError::NotAVault { .. } => REPLACED,
        _ => return error.into(),
    };
    Error::from(error).hint(hint)
}

/// What to do about a repository that is not there any more.
const GONE: &str = "nothing was changed here; it may have been renamed, deleted, or be hidden from this account: `csync remote show` shows the address, `csync remote set-url URL` takes another one";

/// What to do about a repository that is not the one that it was.
const REPLACED: &str = "nothing was changed here or there; the address may be wrong, or the repository was replaced: `csync remote show` shows the address, `csync remote set-url URL` takes another one";

fn rollback(message: String, mirror: &Mirror, seen: CommitId, incoming: Option<CommitId>) -> Error {
    let folder = mirror.folder().display();
    let inspect = incoming.map_or_else(
        || format!("git --git-dir '{folder}' log {seen}"),
        |incoming| format!("git --git-dir '{folder}' log --oneline {seen} {incoming}"),
    );
    Error::new(Kind::Rollback, message).hint(format!(
        "nothing was changed here; find out who replaced the history at the host, and look with `{inspect}`"
    ))
}

/// Verifies the seals of all commits from `tip` back to `until`, which was verified before, and that they are of one vault.
///
/// # Errors
/// [`Kind::Damaged`] names the first commit that does not verify.
pub fn verify_history(mirror: &Mirror, vault: &Vault, tip: CommitId, until: Option<CommitId>) -> Result<()> {
    let mut generations: HashMap<CommitId, Generation> = HashMap::new();
    if let Some(until) = until {
        generations.insert(until, crate::vault::generation_of(&mirror.commit(until)?.message)?);
    }
    for id in mirror.history(tip, until)? {
        let verified = generation(mirror, vault, id, &generations)?;
        tracing::trace!("the seal of commit {id} verifies");
        generations.insert(id, verified);
    }
    let found = vault_id(mirror, mirror.commit(tip)?.tree)?;
    if found != vault.id() {
        return Err(other_vault(found, vault.id()));
    }
    Ok(())
}

/// The verified generation of one commit. Parents that are not in `known` are read from their own (sealed) messages.
fn generation(
    mirror: &Mirror,
    vault: &Vault,
    id: CommitId,
    known: &HashMap<CommitId, Generation>,
) -> Result<Generation> {
    let commit = mirror.commit(id)?;
    let parents = commit
        .parents
        .iter()
        .map(|parent| match known.get(parent) {
            Some(generation) => Ok((*parent, *generation)),
            None => {
                let message = mirror.commit(*parent)?.message;
                Ok((*parent, crate::vault::generation_of(&message)?))
            }
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(vault.verify_commit(&commit.message, commit.tree, &parents)?)
}

fn other_vault(found: VaultId, ours: VaultId) -> Error {
    Error::new(
        Kind::Key,
        format!("the remote holds vault {found}, but this machine joined vault {ours}"),
    )
    .hint(REPLACED)
}
