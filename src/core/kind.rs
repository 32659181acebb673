//! The kinds of files that csync knows, and what follows from a file's kind.

use serde::{Deserialize, Serialize};

/// What a file is. It decides how two versions merge and what its deletion means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// A conversation, one JSON value a line, grown by its agent: a session or one of its subagents.
    Transcript,
    /// Another file of JSON lines that agents append to, such as the history of prompts.
    Log,
    /// Settings in JSON.
    Json,
    /// Text that people or agents edit: instructions, agents, skills, memory.
    Text,
    /// Anything else: replaced whole, never merged.
    Opaque,
}

impl FileKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Transcript, Self::Log, Self::Json, Self::Text, Self::Opaque];

    /// Whether the file grows by whole lines at its end, so that an unfinished last line stays local.
    #[must_use]
    pub const fn grows_by_lines(self) -> bool {
        matches!(self, Self::Transcript | Self::Log)
    }
}

/// What a file's disappearance on one machine means for the vault and the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retention {
    /// It was swept or put away here; the vault keeps it and nobody else loses it (sessions and what belongs to them).
    Evict,
    /// It was deleted; the others delete it too (settings, agents, skills and the like).
    Propagate,
}
