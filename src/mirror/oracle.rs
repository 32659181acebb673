//! What the tests of this room share: the real `git` command as their judge, and small vaults to judge.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::core::id::{BlobId, CommitId, TreeId};

use super::edit::{Put, TreeEdit};
use super::repository::{Mirror, create_bare};

/// A folder with a mirror in it and room for remotes.
pub(super) struct Bench {
    pub(super) folder: TempDir,
    pub(super) mirror: Mirror,
}

/// A bench with an empty mirror.
pub(super) fn bench() -> Bench {
    let folder = tempfile::tempdir().expect("a folder");
    let mirror = Mirror::create(&folder.path().join("mirror")).expect("a mirror");
    Bench { folder, mirror }
}

impl Bench {
    /// A path in the bench's folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An empty bare repository in the bench's folder.
    pub(super) fn bare(&self, name: &str) -> PathBuf {
        create_bare(&self.path(name)).expect("a bare repository");
        self.path(name)
    }

    /// Another mirror.
    pub(super) fn other(&self, name: &str) -> Mirror {
        Mirror::create(&self.path(name)).expect("a mirror")
    }
}

/// Runs git in `folder` with nobody's configuration.
pub(super) fn git_output(folder: &Path, arguments: &[&str]) -> Output {
    isolated(Command::new("git").arg("-C").arg(folder).args(arguments))
        .output()
        .expect("git runs")
}

/// Takes the surroundings' Git configuration away from a command.
pub(super) fn isolated(command: &mut Command) -> &mut Command {
    command
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("LC_ALL", "C")
        .env_remove("GIT_DIR")
}

/// Runs git and gives what it printed; fails the test when git fails.
pub(super) fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = git_output(folder, arguments);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "git {arguments:?}: {error}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Fails the test when git finds any fault in the repository.
pub(super) fn fsck(folder: &Path) {
    let output = git_output(folder, &["fsck", "--strict", "--full", "--no-dangling"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && !said.contains("error"), "git fsck: {said}");
}

/// An edit that puts a blob.
pub(super) fn put(path: &str, blob: BlobId) -> TreeEdit {
    TreeEdit {
        path: path.to_owned(),
        entry: Some(Put::Blob(blob)),
    }
}

/// An edit that removes.
pub(super) fn remove(path: &str) -> TreeEdit {
    TreeEdit {
        path: path.to_owned(),
        entry: None,
    }
}

/// Commits `files` upon `parent`.
pub(super) fn commit(mirror: &Mirror, parent: Option<CommitId>, files: &[(&str, &[u8])]) -> CommitId {
    let base: Option<TreeId> = parent.map(|id| mirror.commit(id).expect("the parent").tree);
    let mut writer = mirror.writer().expect("a writer");
    let edits: Vec<TreeEdit> = files
        .iter()
        .map(|(path, content)| put(path, writer.blob(content).expect("a blob")))
        .collect();
    let tree = writer.tree(base, &edits).expect("a tree");
    let parents: Vec<CommitId> = parent.into_iter().collect();
    let id = writer.commit(tree, &parents, "csync\n").expect("a commit");
    writer.finish().expect("written");
    id
}

/// Content that no compression makes smaller, the same for the same seed.
pub(super) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut content = vec![0; length];
    blake3::Hasher::new()
        .update(&seed.to_le_bytes())
        .finalize_xof()
        .fill(&mut content);
    content
}

/// The remote that an address names, with nobody to ask.
pub(super) fn connect(url: &str) -> Result<Box<dyn super::Remote>, super::MirrorError> {
    super::connect(url, &super::Network::quiet(PathBuf::from("/nonexistent")))
}
