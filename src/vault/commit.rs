//! The commit seal: binds everything in a tree to one state of the vault and to its place in the vault's history.

use super::error::{Thing, VaultError};
use super::hash::{Domain, keyed};
use super::{Vault, limits};
use crate::core::id::{CommitId, Generation, Seal, TreeId};

const SUBJECT: &str = "csync\n\ngeneration: ";
const SEAL: &str = "\nseal: ";

fn render(generation: Generation, seal: Seal) -> String {
    format!("{SUBJECT}{generation}{SEAL}{seal}\n")
}

impl Vault {
    /// The whole message of the commit of `tree` on `parents`: its generation and its seal.
    #[must_use]
    pub fn seal_commit(&self, generation: Generation, tree: TreeId, parents: &[CommitId]) -> String {
        let seal = self.commit_seal(generation, tree, parents.iter().copied());
        render(generation, Seal(*seal.as_bytes()))
    }

    /// Verifies the `message` of the commit of `tree` on `parents`, each given with its own generation.
    ///
    /// # Errors
    /// [`VaultError::Damaged`] when it is no message of csync; [`VaultError::Forged`] when nobody with the vault key sealed
    /// this tree on these parents, or the generation is not theirs plus one; [`VaultError::TooLarge`] over
    /// [`limits::PARENTS`] parents.
    pub fn verify_commit(
        &self,
        message: &str,
        tree: TreeId,
        parents: &[(CommitId, Generation)],
    ) -> Result<Generation, VaultError> {
        let thing = Thing::Commit;
        if parents.len() > limits::PARENTS {
            return Err(VaultError::TooLarge {
                thing,
                limit: limits::PARENTS as u64,
                of: "parents",
            });
        }
        let (generation, seal) = parse(message).ok_or(VaultError::Damaged {
            thing,
            why: "its message is not csync's",
        })?;
        let ids = parents.iter().map(|(id, _)| *id);
        // `blake3::Hash` compares in constant time.
        if self.commit_seal(generation, tree, ids) != blake3::Hash::from_bytes(seal.0) {
            return Err(VaultError::Forged {
                thing,
                why: "its seal does not verify",
            });
        }
        let greatest = parents.iter().map(|(_, generation)| generation.0).max().unwrap_or(0);
        if greatest.checked_add(1) != Some(generation.0) {
            return Err(VaultError::Forged {
                thing,
                why: "its generation does not follow from its parents'",
            });
        }
        Ok(generation)
    }

    fn commit_seal(
        &self,
        generation: Generation,
        tree: TreeId,
        parents: impl ExactSizeIterator<Item = CommitId>,
    ) -> blake3::Hash {
        let mut hasher = keyed(self.key.seal_key(), Domain::Commit);
        hasher
            .update(self.id().as_bytes())
            .update(&generation.0.to_le_bytes())
            .update(tree.as_bytes())
            .update(&(parents.len() as u64).to_le_bytes());
        for parent in parents {
            hasher.update(parent.as_bytes());
        }
        hasher.finalize()
    }
}

/// Reads a message; only the very bytes that csync writes for a generation and a seal are one.
/// The generation that a commit's message tells. Only as good as the seal: verify the commit, or a child that names it, first.
///
/// # Errors
/// [`VaultError::Damaged`] when it is no message of csync.
pub fn generation_of(message: &str) -> Result<Generation, VaultError> {
    parse(message)
        .map(|(generation, _)| generation)
        .ok_or(VaultError::Damaged {
            thing: Thing::Commit,
            why: "its message is not csync's",
        })
}

fn parse(message: &str) -> Option<(Generation, Seal)> {
    let (generation, seal) = message.strip_prefix(SUBJECT)?.split_once(SEAL)?;
    let parsed = (
        Generation(generation.parse().ok()?),
        seal.strip_suffix('\n')?.parse().ok()?,
    );
    (render(parsed.0, parsed.1) == message).then_some(parsed)
}
