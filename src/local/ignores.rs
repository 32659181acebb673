//! What a person leaves out: `.csyncignore`, and the include and exclude lists of the configuration.

use std::io;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::error::LocalError;
use super::root::Root;

/// Which files a person wants synced, among those that their agent's rules allow.
///
/// All three lists have the syntax of `.gitignore`. A file is left out when `.csyncignore` in the root says so (one in a
/// folder below counts for nothing), or when the exclude list does; and when there is an include list, unless it or a folder
/// above it is matched there. Excluding wins over including.
#[derive(Debug, Clone)]
pub struct UserIgnores {
    ignored: Gitignore,
    excluded: Gitignore,
    included: Option<Gitignore>,
}

impl UserIgnores {
    /// The name of the file in the root.
    pub const FILE_NAME: &'static str = ".csyncignore";

    /// Leaves nothing out.
    #[must_use]
    pub fn none() -> Self {
        Self {
            ignored: Gitignore::empty(),
            excluded: Gitignore::empty(),
            included: None,
        }
    }

    /// Reads `.csyncignore` of `root`, where there is one, and takes the `include` and `exclude` lists of the configuration.
    ///
    /// # Errors
    /// [`LocalError::BadPattern`] names the first pattern that cannot be read: leaving out too little by mistake is worse
    /// than stopping. The file cannot be read.
    pub fn load(root: &Root, include: &[String], exclude: &[String]) -> Result<Self, LocalError> {
        let path = root.path().join(Self::FILE_NAME);
        let text = match std::fs::read(&path) {
            Ok(bytes) => String::from_utf8(bytes).map_err(|_| LocalError::BadPattern {
                place: path.display().to_string(),
                reason: "it is not UTF-8".to_owned(),
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(LocalError::io("read", &path)(error)),
        };
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        Ok(Self {
            ignored: matcher(&path.display().to_string(), text.lines())?,
            excluded: matcher("the exclude list", exclude.iter().map(String::as_str))?,
            included: match include {
                [] => None,
                patterns => Some(matcher("the include list", patterns.iter().map(String::as_str))?),
            },
        })
    }

    /// Whether the file `relative` is synced as far as the person's lists go. It need not exist: also for paths of the vault.
    ///
    /// What stands in a folder that is left out is left out itself, as with Git: an exception below such a folder has no
    /// effect. A walk never goes there, so a file of which this said otherwise would be taken for deleted.
    #[must_use]
    pub fn takes(&self, relative: &str) -> bool {
        let mut folders = relative.match_indices('/').map(|(at, _)| &relative[..at]);
        if !folders.all(|folder| self.enters(folder)) {
            return false;
        }
        let named_by = |list: &Gitignore| list.matched_path_or_any_parents(relative, false).is_ignore();
        !named_by(&self.ignored) && !named_by(&self.excluded) && self.included.as_ref().is_none_or(named_by)
    }

    /// Whether there can be such files in the folder `relative`, whose folders above were asked already.
    pub(super) fn enters(&self, relative: &str) -> bool {
        !self.ignored.matched(relative, true).is_ignore() && !self.excluded.matched(relative, true).is_ignore()
    }
}

/// The matcher of `lines`, which stand in `place`.
fn matcher<'a>(place: &str, lines: impl Iterator<Item = &'a str>) -> Result<Gitignore, LocalError> {
    let bad = |error: ignore::Error| LocalError::BadPattern {
        place: place.to_owned(),
        reason: error.to_string(),
    };
    // The paths that are asked for are relative to the root already.
    let mut builder = GitignoreBuilder::new("");
    for line in lines {
        builder.add_line(None, line).map_err(bad)?;
    }
    builder.build().map_err(bad)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn with(file: &str, include: &[&str], exclude: &[&str]) -> Result<UserIgnores, LocalError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(UserIgnores::FILE_NAME), file).unwrap();
        let owned = |list: &[&str]| list.iter().map(|pattern| (*pattern).to_owned()).collect::<Vec<_>>();
        UserIgnores::load(&Root::open(folder.path()).unwrap(), &owned(include), &owned(exclude))
    }

    #[test]
    fn the_file_has_the_syntax_of_gitignore() {
        let ignores = with("# mine\nsecret*/\n*.log\n!keep.log\n/top.md\n", &[], &[]).unwrap();
        for left_out in ["projects/secret-app/a.jsonl", "a.log", "x/y.log", "top.md"] {
            assert!(!ignores.takes(left_out), "{left_out}");
        }
        for taken in ["keep.log", "x/keep.log", "x/top.md", "secret"] {
            assert!(ignores.takes(taken), "{taken}");
        }
        assert!(!ignores.enters("projects/secret-app"));
    }

    #[test]
    fn excluding_wins_over_including() {
        let ignores = with("", &["projects/", "settings.json"], &["projects/*-private"]).unwrap();
        assert!(ignores.takes("projects/a/b.jsonl"));
        assert!(ignores.takes("settings.json"));
        assert!(!ignores.takes("agents/x.md"));
        assert!(!ignores.takes("projects/x-private/b.jsonl"));
    }

    #[test]
    fn a_pattern_that_cannot_be_read_stops_and_is_named() {
        let error = with("a\n[z-a]\n", &[], &[]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(".csyncignore") && text.contains("[z-a]"), "{text}");
        assert!(
            with("", &["[z-a]"], &[])
                .unwrap_err()
                .to_string()
                .contains("include list")
        );
    }

    #[test]
    fn without_lists_everything_is_taken() {
        assert!(UserIgnores::none().takes("projects/a/b.jsonl"));
        let folder = tempfile::tempdir().unwrap();
        let loaded = UserIgnores::load(&Root::open(folder.path()).unwrap(), &[], &[]).unwrap();
        assert!(loaded.takes("a"));
    }
}
