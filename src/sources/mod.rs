//! Where an agent keeps its data, what of it is synced, and how each kind of file merges.
//!
//! A [`Source`] answers questions about names: it never walks folders or reads the files that are synced. What needs a look
//! at the disk (which projects live here, which sessions are running) stands in free functions beside it, so that the
//! engine decides when that is paid for.

pub mod claude;

use crate::core::kind::{FileKind, Retention};

pub use claude::describe::describe;
pub use claude::discover::{app_state_file, discover_projects, project_folders};
pub use claude::live::live_sessions;
pub use claude::projects::{LocalProject, ProjectInputs, ProjectMap, ProjectMapping};
pub use claude::slug::slug;
pub use claude::upkeep::{Cleanup, upkeep};
pub use claude::{ClaudeSettings, claude};

/// The rules of one agent's folder. All paths are relative to the source's root and `/`-separated; they may be local or
/// logical, since the two differ only in the name of a project's folder.
pub trait Source: Send + Sync {
    /// The first component of every logical path of this source, such as `claude`.
    fn name(&self) -> &str;

    /// What the file `relative` is and what its disappearance means. `None`: it is never synced, in neither direction,
    /// whatever a configuration or another machine says.
    fn classify(&self, relative: &str) -> Option<(FileKind, Retention)>;

    /// Whether `relative` is on the list of what is never synced under any name: secrets, caches, the agent's running state.
    fn is_denied(&self, relative: &str) -> bool;

    /// Whether a file that is synced may lie somewhere in `folder`; the root itself is `""`.
    fn enter(&self, folder: &str) -> bool;

    /// The top-level keys of the JSON file `relative` that belong to this machine: neither sent nor overwritten.
    fn machine_keys(&self, relative: &str) -> &[&str];

    /// [`machine_keys`](Source::machine_keys), and those keys of `content` that nobody has listed yet but whose names say that
    /// they run a command. `content` is the JSON file's text, of either side.
    fn machine_keys_in(&self, relative: &str, content: &[u8]) -> Vec<String>;

    /// Keys of the JSON file `relative` that would belong to this machine, were it not that its configuration sends them.
    fn sent_keys(&self, relative: &str) -> &[String];

    /// The id of the session that `relative` belongs to: its transcript, or a file in one of its side folders.
    fn session_of(&self, relative: &str) -> Option<String>;

    /// The name of the project's folder that `relative` lies in, local or logical as `relative` is.
    fn project_folder<'a>(&self, relative: &'a str) -> Option<&'a str>;

    /// `relative` with the name of its project's folder replaced by what `rename` makes of it; a path outside every
    /// project's folder stays as it is.
    fn with_project_folder(&self, relative: &str, rename: &dyn Fn(&str) -> String) -> String {
        let Some(folder) = self.project_folder(relative) else {
            return relative.to_owned();
        };
        let start = folder.as_ptr() as usize - relative.as_ptr() as usize;
        let end = start + folder.len();
        format!("{}{}{}", &relative[..start], rename(folder), &relative[end..])
    }
}
