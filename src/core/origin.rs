//! Where a version of a file came from.

use serde::{Deserialize, Serialize};

use super::device::DeviceName;

/// The machine, and the project where there is one, that a version came from. Kept in the head of the file, sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The device that sealed this version.
    pub device: DeviceName,
    /// The project that the file belongs to, where its source knows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<Project>,
}

/// What identifies a project on every machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Project {
    /// Its folder relative to the home folder, `/`-separated (`code/app`); absent when it lies elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home_relative: Option<String>,
    /// Its Git remote, without scheme, user, port and `.git`, host in lower case (`github.com/ana/app`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_remote: Option<String>,
    /// Its folder within that Git work tree, `/`-separated; empty for the work tree's root.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subfolder: String,
}
