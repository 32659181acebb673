//! What a use case tells: one item for each path that something happened to, in terms that a person knows.

use std::collections::BTreeMap;

use serde::Serialize;

use super::absence::Absence;
use super::titles::Title;

use crate::core::path::LogicalPath;
use crate::error::{Error, Kind};

/// What happened to a path, or would happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It went into the vault for the first time.
    Added,
    /// A newer version went into the vault.
    Sent,
    /// It came from the vault for the first time.
    Created,
    /// A newer version came from the vault.
    Received,
    /// Both sides had changed; the file here now holds both.
    Merged,
    /// Both sides had gone on with one conversation; the other one is a session of its own now.
    Branched,
    /// Both sides had changed and do not merge; the vault's version stands beside the local one.
    Conflict,
    /// It was deleted elsewhere, and now here.
    DeletedHere,
    /// It was deleted here, and now in the vault.
    DeletedThere,
    /// It was deleted elsewhere but has changed here, so it stays.
    Kept,
    /// It was deleted here but has changed elsewhere, so it came back.
    CameBack,
    /// It was swept here; the vault keeps it.
    Evicted,
    /// It is sealed, and goes into the vault with the first run that reaches the remote.
    Sealed,
    /// It waits; the note says for what.
    Held,
}

/// One path, and what happened to it.
#[derive(Debug, Clone, Serialize)]
pub struct Item {
    /// Its machine-independent name.
    pub path: LogicalPath,
    /// What happened.
    pub action: Action,
    /// Its size in bytes after that, as far as it is synced.
    pub size: u64,
    /// The session it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The session's title, or its first prompt.
    #[serde(skip_serializing_if = "Title::is_none")]
    pub title: Title,
    /// The project it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The device that the version in the vault came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Why it waits, or what else there is to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// One file that could not be handled. The others were.
#[derive(Debug)]
pub struct Trouble {
    /// Its machine-independent name, where it has one.
    pub path: Option<LogicalPath>,
    /// What to call it.
    pub name: String,
    /// What is wrong and what to do.
    pub error: Error,
}

impl Trouble {
    /// Trouble with a file that has no machine-independent name.
    #[must_use]
    pub const fn new(name: String, error: Error) -> Self {
        Self {
            path: None,
            name,
            error,
        }
    }

    /// Trouble with `path`.
    #[must_use]
    pub fn at(path: LogicalPath, error: Error) -> Self {
        Self {
            name: path.to_string(),
            path: Some(path),
            error,
        }
    }
}

/// What `push`, `pull` and `sync` did, or would do.
#[derive(Debug, Default)]
pub struct Report {
    /// What happened, by path. A path to which several things happened shows the last.
    pub items: BTreeMap<LogicalPath, Item>,
    /// What could not be handled.
    pub troubles: Vec<Trouble>,
    /// What waited to be sent, was swept here, and could not be brought back. Unlike the troubles of one attempt, none of it is met
    /// again in the next.
    pub(super) not_rescued: Vec<Trouble>,
    /// Whether this was a dry run.
    pub dry_run: bool,
    /// Bytes that the push added to the remote.
    pub bytes_sent: u64,
    /// How many commits the remote took.
    pub commits: u32,
    /// Why the remote could not be reached; none where it was.
    pub offline: Option<Absence>,
    /// How many files are sealed and wait for the remote, after this run.
    pub pending: usize,
    /// How often a push lost a race and was tried again.
    pub races: u32,
    /// How many local files were read.
    pub files_read: u64,
    /// Names of devices that others added since the last time.
    pub new_members: Vec<String>,
}

impl Report {
    /// Adds or replaces the item of a path.
    pub fn tell(&mut self, item: Item) {
        self.items.insert(item.path.clone(), item);
    }

    /// How many items have `action`.
    #[must_use]
    pub fn count(&self, action: Action) -> usize {
        self.items.values().filter(|item| item.action == action).count()
    }

    /// Takes note that the remote cannot be reached.
    pub(super) fn set_offline(&mut self, absence: Absence) {
        tracing::debug!("{}", absence.said);
        self.offline = Some(absence);
    }

    /// The kind that the whole ends with, where it is not plain success. Partial work comes before a remote that cannot be reached
    /// (unless `offline_ok`), and that before conflicts that wait.
    #[must_use]
    pub fn outcome(&self, offline_ok: bool) -> Option<Kind> {
        if !self.troubles.is_empty() {
            return Some(Kind::Partial);
        }
        if self.offline.is_some() && !offline_ok {
            return Some(Kind::Network);
        }
        (self.count(Action::Conflict) > 0).then_some(Kind::Conflicts)
    }
}
