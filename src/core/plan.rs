//! What to do with one path, from the three versions of it. The only place that decides.
//!
//! The table is that of `docs/architecture.md`, "How a pull decides"; the tests below go through every combination.

use super::kind::{FileKind, Retention};

/// What should happen to a path. A value: nothing is done until somebody applies it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Decision {
    /// Nothing changed anywhere, or there is nothing to know about.
    Nothing,
    /// Both sides hold the same, and the base does not yet say so.
    Agree,
    /// Only the local side changed: the vault takes it.
    Send,
    /// Only the vault changed: the local side takes it.
    Take,
    /// It vanished here and changed in the vault: the local side takes it back, and says so.
    TakeBack,
    /// Both changed and the kind can merge.
    Merge,
    /// Both changed and the kind cannot merge.
    Conflict,
    /// It changed here and was deleted in the vault: it stays, is sent again, and says so.
    KeepLocal,
    /// It was deleted in the vault and is unchanged here.
    DeleteHere,
    /// It was deleted here and is unchanged in the vault, and its kind passes deletions on.
    DeleteThere,
    /// It vanished here and is unchanged in the vault, which keeps it.
    Evicted,
    /// Both sides lost it, and the base does not yet say so.
    Forget,
}

impl Decision {
    /// Whether applying it writes, replaces or deletes a local file.
    #[must_use]
    pub const fn touches_local(self) -> bool {
        matches!(
            self,
            Self::Take | Self::TakeBack | Self::Merge | Self::Conflict | Self::DeleteHere
        )
    }

    /// Whether the vault differs from the base, so that a push alone must hold the path back.
    #[must_use]
    pub const fn remote_changed(self) -> bool {
        !matches!(self, Self::Nothing | Self::Send | Self::DeleteThere | Self::Evicted)
    }
}

/// Decides for one path. Equal values are equal versions; `None` is a file that is not there.
///
/// ```text
/// local against base | vault against base | decision
/// same               | same               | Nothing
/// same               | changed            | Take
/// changed            | same               | Send
/// changed            | changed, equal     | Agree
/// changed            | changed, unequal   | Merge, or Conflict where the kind cannot merge
/// changed            | deleted            | KeepLocal
/// deleted            | changed            | TakeBack
/// deleted            | same               | DeleteThere, or Evicted where the vault keeps it
/// same               | deleted            | DeleteHere
/// deleted            | deleted            | Forget
/// ```
pub fn decide<T: Eq>(
    base: Option<&T>,
    local: Option<&T>,
    remote: Option<&T>,
    kind: FileKind,
    retention: Retention,
) -> Decision {
    match (base, local, remote) {
        (None, None, None) => Decision::Nothing,
        (Some(_), None, None) => Decision::Forget,
        (_, Some(local), Some(remote)) if local == remote => {
            if base == Some(remote) {
                Decision::Nothing
            } else {
                Decision::Agree
            }
        }
        (None, Some(_), None) => Decision::Send,
        (None, None, Some(_)) => Decision::Take,
        (Some(base), Some(local), None) if base == local => Decision::DeleteHere,
        (Some(_), Some(_), None) => Decision::KeepLocal,
        (Some(base), None, Some(remote)) if base == remote => match retention {
            Retention::Evict => Decision::Evicted,
            Retention::Propagate => Decision::DeleteThere,
        },
        (Some(_), None, Some(_)) => Decision::TakeBack,
        (Some(base), Some(local), Some(_)) if base == local => Decision::Take,
        (Some(base), Some(_), Some(remote)) if base == remote => Decision::Send,
        (_, Some(_), Some(_)) => match kind {
            FileKind::Opaque => Decision::Conflict,
            FileKind::Transcript | FileKind::Log | FileKind::Json | FileKind::Text => Decision::Merge,
        },
    }
}

/// How much a plan destroys: what the breaker looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Losses {
    /// Files that this machine and the vault have agreed on so far, and that are here or are deleted by the plan.
    pub known: usize,
    /// Files that the plan deletes, here or in the vault.
    pub deleted: usize,
    /// Sessions that the plan replaces by a shorter version, here or in the vault.
    pub shrunk: usize,
    /// Nothing at all is left here of what was known: a folder that was moved or a disk that is not mounted.
    pub emptied: bool,
}

impl Losses {
    /// Fewer losses than this never trip the breaker: somebody tidied up.
    pub const ALWAYS_ALLOWED: usize = 10;

    /// Whether the losses are more than `percent` of the known files, and more than tidying up explains.
    #[must_use]
    pub const fn trip_breaker(self, percent: u8) -> bool {
        let lost = self.deleted + self.shrunk;
        self.emptied && lost > 0 || lost > Self::ALWAYS_ALLOWED && lost * 100 > self.known * percent as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Decision::{
        Agree, Conflict, DeleteHere, DeleteThere, Evicted, Forget, KeepLocal, Merge, Nothing, Send, Take, TakeBack,
    };

    /// Every combination of three versions, up to renaming: 0 is absent, equal numbers are equal versions.
    const TABLE: [(u8, u8, u8, Decision); 15] = [
        (0, 0, 0, Nothing),
        (0, 0, 1, Take),
        (0, 1, 0, Send),
        (0, 1, 1, Agree),
        (0, 1, 2, Merge),
        (1, 0, 0, Forget),
        (1, 0, 1, DeleteThere),
        (1, 0, 2, TakeBack),
        (1, 1, 0, DeleteHere),
        (1, 2, 0, KeepLocal),
        (1, 1, 1, Nothing),
        (1, 1, 2, Take),
        (1, 2, 1, Send),
        (1, 2, 2, Agree),
        (1, 2, 3, Merge),
    ];

    fn version(number: &u8) -> Option<&u8> {
        (*number != 0).then_some(number)
    }

    #[test]
    fn every_combination_has_its_decision() {
        for (base, local, remote, expected) in TABLE {
            let decision = |kind, retention| decide(version(&base), version(&local), version(&remote), kind, retention);
            for kind in FileKind::ALL {
                let expected = match (expected, kind) {
                    (Merge, FileKind::Opaque) => Conflict,
                    (other, _) => other,
                };
                assert_eq!(
                    decision(kind, Retention::Propagate),
                    expected,
                    "base {base}, local {local}, remote {remote}, {kind:?}"
                );
                let kept = if expected == DeleteThere { Evicted } else { expected };
                assert_eq!(
                    decision(kind, Retention::Evict),
                    kept,
                    "base {base}, local {local}, remote {remote}"
                );
            }
        }
    }

    #[test]
    fn a_push_alone_holds_back_what_changed_in_the_vault() {
        for (base, local, remote, expected) in TABLE {
            assert_eq!(
                expected.remote_changed(),
                base != remote,
                "base {base}, local {local}, remote {remote}: {expected:?}"
            );
        }
    }

    #[test]
    fn nothing_local_is_touched_while_the_vault_is_as_the_base() {
        for (base, _, remote, expected) in TABLE {
            if base == remote {
                assert!(!expected.touches_local());
            }
        }
    }

    #[test]
    fn the_breaker_trips_on_a_share_and_not_on_tidying_up() {
        let losses = |known, deleted, shrunk| Losses {
            known,
            deleted,
            shrunk,
            emptied: false,
        };
        assert!(!losses(10, 10, 0).trip_breaker(20));
        assert!(losses(20, 11, 0).trip_breaker(20));
        assert!(losses(20, 6, 6).trip_breaker(20));
        assert!(!losses(1000, 200, 0).trip_breaker(20));
        assert!(losses(1000, 201, 0).trip_breaker(20));
        assert!(!losses(1000, 900, 0).trip_breaker(100));
        assert!(
            Losses {
                emptied: true,
                ..losses(3, 1, 0)
            }
            .trip_breaker(20),
            "a folder that is gone is no deletion"
        );
        assert!(
            !Losses {
                emptied: true,
                ..losses(3, 0, 0)
            }
            .trip_breaker(20)
        );
    }
}
