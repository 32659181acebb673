//! The conflict files that stand beside a file.

use super::names::conflict_base;
use super::root::Root;

/// The conflict files beside `relative`, oldest name first, as paths below the root. A folder that cannot be read has none.
#[must_use]
pub fn conflict_files_of(root: &Root, relative: &str) -> Vec<String> {
    let (folder, name) = relative.rsplit_once('/').unwrap_or(("", relative));
    let mut found: Vec<String> = std::fs::read_dir(root.path().join(folder))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|other| conflict_base(other) == Some(name))
        .map(|other| {
            if folder.is_empty() {
                other
            } else {
                format!("{folder}/{other}")
            }
        })
        .collect();
    found.sort();
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_the_files_own_conflicts_are_found() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("agents")).unwrap();
        for name in [
            "agents/a.md",
            "agents/a.md.conflict.20261120-101500",
            "agents/a.md.conflict.20261120-101400",
            "agents/b.md.conflict.20261120-101500",
            "agents/a.md.conflict.soon",
        ] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        let root = Root::open(folder.path()).unwrap();
        assert_eq!(
            conflict_files_of(&root, "agents/a.md"),
            [
                "agents/a.md.conflict.20261120-101400",
                "agents/a.md.conflict.20261120-101500"
            ]
        );
        assert!(conflict_files_of(&root, "CLAUDE.md").is_empty());
    }
}
