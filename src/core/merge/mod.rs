//! Three-way merges by kind of file: pure functions from bytes to bytes.
//!
//! A merge knows nothing of files, devices or times of day. It takes the [`Sides`] and gives the merged content, or a
//! [`Conflict`], which is a value: the caller writes it down for a person to decide. Swapping `ours` and `theirs` swaps
//! labels only (for text and JSON: also whose order and format is kept), so that all machines come to the same bytes.

mod align;
mod branch;
mod gate;
mod json;
mod jsonl;
mod line;
mod text;

#[cfg(test)]
mod machines;

pub use branch::{Branch, branch_line, branch_session, branch_session_id, branch_title};
pub use gate::{Lost, integrity_gate};
pub use json::{json, json_same, json_without};
pub use jsonl::{JsonlMerge, jsonl};
pub use line::complete_part;
pub use text::text;

/// The three versions that a merge is made from.
#[derive(Debug, Clone, Copy)]
pub struct Sides<'a> {
    /// What both last agreed on; none where they never did.
    pub base: Option<&'a [u8]>,
    /// This machine's version.
    pub ours: &'a [u8],
    /// The vault's version.
    pub theirs: &'a [u8],
}

impl<'a> Sides<'a> {
    /// The answer where nothing has to be merged: both are the same, or one side is still the base.
    fn trivial(&self) -> Option<&'a [u8]> {
        if self.ours == self.theirs || self.base == Some(self.theirs) {
            Some(self.ours)
        } else if self.base == Some(self.ours) {
            Some(self.theirs)
        } else {
            None
        }
    }
}

/// One of the two sides of a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// This machine's.
    Ours,
    /// The vault's.
    Theirs,
}

impl Side {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Ours => Self::Theirs,
            Self::Theirs => Self::Ours,
        }
    }
}

/// Why two versions cannot be merged without a person. A value, not a failure: both versions are kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Conflict {
    /// One message has other content on the two sides.
    #[error("the message {uuid} differs on the two sides")]
    SameUuidOtherBytes {
        /// The message's `uuid`.
        uuid: String,
    },
    /// Messages that both sides have stand in another order on each.
    #[error("the message {uuid} stands in another place on the two sides")]
    Crossed {
        /// The `uuid` of the first message that is out of order.
        uuid: String,
    },
    /// A message would lose the one that it answers, because the other side removed it.
    #[error("one side removed the message {uuid}, and the other side went on from it")]
    BrokenChain {
        /// The `uuid` of the message that would be missing.
        uuid: String,
    },
    /// The two transcripts begin differently: they are not versions of one session.
    #[error("the two sides begin differently: they are not two versions of one session")]
    FirstLine,
    /// Both sides changed the same lines.
    #[error("both sides changed the same lines")]
    Overlap,
    /// Both sides changed the same setting.
    #[error("both sides changed {key:?}")]
    SameKey {
        /// The setting's name: the keys that lead to it, joined with dots.
        key: String,
    },
    /// The two versions differ and there is no earlier one to compare them with.
    #[error("the two sides differ and have no earlier version in common")]
    NoBase,
    /// A side does not end with a whole line.
    #[error("one side ends with an unfinished line")]
    Unfinished,
    /// A side is not text.
    #[error("one side is not text")]
    NotText,
    /// A side is not JSON that can be merged: damaged, a key twice in one object, too deep or too large.
    #[error("one side is not JSON that can be merged")]
    NotJson,
}
