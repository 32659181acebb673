//! The names that csync itself gives to files, and the comparison of names that differ only in case.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// How a temporary file's name begins.
pub(super) const TEMPORARY_PREFIX: &str = ".csync-";
/// How a temporary file's name ends.
pub(super) const TEMPORARY_SUFFIX: &str = ".tmp";
/// How many random letters and digits stand between.
const TEMPORARY_RANDOM: usize = 12;
/// What stands between a file's name and the time of its conflict.
const CONFLICT_MARK: &str = ".conflict.";

/// Whether `name` (one component) is one of csync's temporary files: `.csync-<12 letters and digits>.tmp`.
#[must_use]
pub fn is_temporary_name(name: &str) -> bool {
    name.strip_prefix(TEMPORARY_PREFIX)
        .and_then(|rest| rest.strip_suffix(TEMPORARY_SUFFIX))
        .is_some_and(|random| random.len() == TEMPORARY_RANDOM && random.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// What the file in conflict is called, where `name` (a component or a path) is that of a conflict file.
#[must_use]
pub fn conflict_base(name: &str) -> Option<&str> {
    let (base, time) = name.rsplit_once(CONFLICT_MARK)?;
    let (day, clock) = time.split_once('-')?;
    let digits = |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
    let named = !base.is_empty() && !base.ends_with('/');
    (named && digits(day, 8) && digits(clock, 6)).then_some(base)
}

/// A maker of temporary files: 0600, `.csync-<random>.tmp`, removed when dropped.
pub(super) fn temporary_in(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new()
        .prefix(TEMPORARY_PREFIX)
        .suffix(TEMPORARY_SUFFIX)
        .rand_bytes(TEMPORARY_RANDOM)
        .tempfile_in(folder)
}

/// `name` as file systems that do not tell case apart compare it, nearly enough.
pub(super) fn folded(name: &str) -> String {
    if name.is_ascii() {
        name.to_ascii_lowercase()
    } else {
        name.to_lowercase()
    }
}

/// The names in folders, remembered so that many new files in one folder do not list it again for each.
///
/// A name that another process adds later is missed. That only lets two names stand beside each other where the file system
/// holds both; where it does not, the look at the target itself finds the other.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<HashMap<PathBuf, HashMap<String, Vec<String>>>>);

impl Names {
    /// Another name in `folder` that equals `name` but for its case; the name `name` itself does not count. Remembers `name` as taken.
    pub(super) fn clash(&self, folder: &Path, name: &str) -> io::Result<Option<String>> {
        let mut folders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = folded(name);
        let mut fresh = false;
        if !folders.contains_key(folder) {
            folders.insert(folder.to_owned(), list(folder)?);
            fresh = true;
        }
        loop {
            let names = folders.get_mut(folder).expect("listed above");
            let alike = names.entry(key.clone()).or_default();
            let Some(other) = alike.iter().find(|other| *other != name) else {
                if alike.is_empty() {
                    alike.push(name.to_owned());
                }
                return Ok(None);
            };
            if fresh {
                return Ok(Some(other.clone()));
            }
            // It may be gone since, or never have come to be: only the disk's word refuses a name.
            *names = list(folder)?;
            fresh = true;
        }
    }

    /// Whether `folder` holds the name `name` letter for letter, though the file system may find it under others as well.
    pub(super) fn holds_exactly(&self, folder: &Path, name: &str) -> io::Result<bool> {
        let mut folders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = folded(name);
        let is_in = |names: &HashMap<String, Vec<String>>| {
            names
                .get(&key)
                .is_some_and(|alike| alike.iter().any(|other| other == name))
        };
        if folders.get(folder).is_some_and(is_in) {
            return Ok(true);
        }
        let names = list(folder)?;
        let found = is_in(&names);
        folders.insert(folder.to_owned(), names);
        Ok(found)
    }
}

/// The names in `folder`, by their folded form. Names that are not UTF-8 are left out: no path of ours can meet them.
fn list(folder: &Path) -> io::Result<HashMap<String, Vec<String>>> {
    let mut names: HashMap<String, Vec<String>> = HashMap::new();
    for entry in std::fs::read_dir(folder)? {
        if let Ok(name) = entry?.file_name().into_string() {
            names.entry(folded(&name)).or_default().push(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn our_own_names_are_known() {
        assert!(conflict_base("settings.json.conflict.20261120-101500").is_some());
        assert_eq!(conflict_base("a/b.md.conflict.20261120-101500"), Some("a/b.md"));
        for other in [
            ".conflict.20261120-101500",
            "a/.conflict.20261120-101500",
            "x.conflict.2026-101500",
            "x.conflict.20261120-10150x",
            "x.conflict.20261120-101500.md",
            "notes.conflict.md",
        ] {
            assert!(conflict_base(other).is_none(), "{other}");
        }
        let folder = tempfile::tempdir().unwrap();
        let temporary = temporary_in(folder.path()).unwrap();
        assert!(is_temporary_name(
            temporary.path().file_name().unwrap().to_str().unwrap()
        ));
        for other in [
            ".csync-.tmp",
            ".csyncignore",
            ".csync-notes.tmp",
            "csync-0123456789ab.tmp",
        ] {
            assert!(!is_temporary_name(other), "{other}");
        }
    }

    #[test]
    fn a_clash_is_believed_only_while_the_other_name_is_on_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let names = Names::default();
        std::fs::write(folder.path().join("Über.md"), "").unwrap();
        assert_eq!(
            names.clash(folder.path(), "über.md").unwrap().as_deref(),
            Some("Über.md")
        );
        assert_eq!(names.clash(folder.path(), "Über.md").unwrap(), None);
        std::fs::remove_file(folder.path().join("Über.md")).unwrap();
        assert_eq!(names.clash(folder.path(), "über.md").unwrap(), None);
        assert!(!names.holds_exactly(folder.path(), "Über.md").unwrap());
    }
}
