//! Which paths a command is limited to.

use std::path::{Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::open::OpenSource;
use crate::core::path::LogicalPath;
use crate::error::{Error, Kind, Result};
use crate::sources::slug;

/// What the person limited a command to. Empty: everything.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Patterns in gitignore syntax, matched against logical paths and against paths within a source.
    pub patterns: Vec<String>,
    /// Absolute paths of files or folders of this machine.
    pub files: Vec<PathBuf>,
    /// Session ids, or beginnings of them.
    pub sessions: Vec<String>,
    /// Project names: a folder's name here or in the vault, or the end of its path.
    pub projects: Vec<String>,
}

/// A [`Request`], checked.
#[derive(Debug)]
pub struct Selection {
    patterns: Gitignore,
    files: Vec<PathBuf>,
    sessions: Vec<String>,
    projects: Vec<String>,
    everything: bool,
}

impl Selection {
    /// Checks a request.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a pattern that cannot be understood or a session id that is too short.
    pub fn new(request: &Request) -> Result<Self> {
        let mut builder = GitignoreBuilder::new("");
        for pattern in &request.patterns {
            builder
                .add_line(None, pattern)
                .map_err(|source| Error::new(Kind::Usage, format!("`{pattern}` is not a pattern")).caused_by(source))?;
        }
        let patterns = builder
            .build()
            .map_err(|source| Error::new(Kind::Usage, "the patterns cannot be used").caused_by(source))?;
        if let Some(short) = request.sessions.iter().find(|id| id.len() < 4) {
            return Err(
                Error::new(Kind::Usage, format!("`{short}` is too short for a session id"))
                    .hint("give at least its first four characters"),
            );
        }
        let everything = request.patterns.is_empty()
            && request.files.is_empty()
            && request.sessions.is_empty()
            && request.projects.is_empty();
        Ok(Self {
            patterns,
            files: request
                .files
                .iter()
                .map(|file| file.canonicalize().unwrap_or_else(|_| file.clone()))
                .collect(),
            sessions: request.sessions.clone(),
            projects: request.projects.clone(),
            everything,
        })
    }

    /// Everything.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            patterns: Gitignore::empty(),
            files: Vec::new(),
            sessions: Vec::new(),
            projects: Vec::new(),
            everything: true,
        }
    }

    /// Whether nothing is left out.
    #[must_use]
    pub const fn is_everything(&self) -> bool {
        self.everything
    }

    /// Whether a path is meant. `relative` is where it is on this machine, `session` the session that it belongs to.
    #[must_use]
    pub fn includes(&self, path: &LogicalPath, relative: &str, session: Option<&str>, open: &OpenSource) -> bool {
        if self.everything {
            return true;
        }
        let matches = |text: &str| {
            self.patterns
                .matched_path_or_any_parents(Path::new(text), false)
                .is_ignore()
        };
        let folder = open.source.project_folder(path.relative());
        matches(path.as_str())
            || matches(path.relative())
            || matches(relative)
            || self
                .files
                .iter()
                .any(|file| open.root.path().join(relative).starts_with(file))
            || session.is_some_and(|session| self.sessions.iter().any(|wanted| session.starts_with(wanted.as_str())))
            || folder.is_some_and(|folder| self.projects.iter().any(|wanted| is_project(folder, wanted)))
    }
}

/// Whether `wanted` names the project that has this folder in the vault: the folder's name, or the end of the project's path.
fn is_project(folder: &str, wanted: &str) -> bool {
    if folder == wanted {
        return true;
    }
    let wanted = slug(wanted.trim_end_matches('/'));
    folder == wanted
        || folder
            .strip_suffix(wanted.as_str())
            .is_some_and(|rest| rest.ends_with('-') || rest == "~")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_named_by_its_folder_or_the_end_of_its_path() {
        for wanted in ["~-code-app", "app", "code/app", "-code-app"] {
            assert!(is_project("~-code-app", wanted), "{wanted}");
        }
        for wanted in ["pp", "code", "other"] {
            assert!(!is_project("~-code-app", wanted), "{wanted}");
        }
    }

    #[test]
    fn a_short_session_id_is_refused() {
        let request = Request {
            sessions: vec!["ab".into()],
            ..Request::default()
        };
        assert_eq!(
            Selection::new(&request).err().map(|error| error.kind()),
            Some(Kind::Usage)
        );
    }
}
