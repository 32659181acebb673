//! What a host can do with the repository that it stores: everything that needs no key.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::machines::{git, git_command};

/// Someone who can read and write the bare repository at will.
pub struct Host {
    /// The repository.
    pub repository: PathBuf,
}

impl Host {
    /// The host of `repository`.
    pub fn of(repository: &Path) -> Self {
        Self {
            repository: repository.to_owned(),
        }
    }

    /// The commit that the branch names.
    pub fn tip(&self) -> String {
        self.resolve("refs/heads/main")
    }

    /// The id of an object.
    pub fn resolve(&self, name: &str) -> String {
        git(&self.repository, &["rev-parse", "--verify", name])
            .trim()
            .to_owned()
    }

    /// Every path in the branch's tree, with the id of its blob.
    pub fn tree(&self) -> Vec<(String, String)> {
        git(&self.repository, &["ls-tree", "-r", "refs/heads/main"])
            .lines()
            .map(|line| {
                let (entry, path) = line.split_once('\t').unwrap();
                (path.to_owned(), entry.rsplit_once(' ').unwrap().1.to_owned())
            })
            .collect()
    }

    /// The paths of heads: `files/a/b/c/<id>.age`.
    pub fn heads(&self) -> Vec<String> {
        self.paths(|path| path.starts_with("files/") && path.split('/').count() == 5)
    }

    /// The paths of segments: `files/a/b/c/<id>/<segment>.age`.
    pub fn segments(&self) -> Vec<String> {
        self.paths(|path| path.starts_with("files/") && path.split('/').count() == 6)
    }

    fn paths(&self, take: impl Fn(&str) -> bool) -> Vec<String> {
        let tree = self.tree().into_iter().map(|(path, _)| path);
        tree.filter(|path| take(path)).collect()
    }

    /// What stands at `path`.
    pub fn blob(&self, path: &str) -> Vec<u8> {
        let name = format!("refs/heads/main:{path}");
        let output = git_command(&self.repository, &["cat-file", "blob", &name])
            .output()
            .unwrap();
        assert!(output.status.success(), "{path}");
        output.stdout
    }

    /// Stores a blob.
    pub fn store(&self, bytes: &[u8]) -> String {
        self.feed(&["hash-object", "-w", "--stdin"], bytes, &[])
    }

    /// A tree like the branch's (or like nothing, with `empty`), with other blobs at some paths; `None` takes the path away.
    pub fn tree_with(&self, edits: &[(&str, Option<Vec<u8>>)]) -> String {
        let index = tempfile::tempdir().unwrap();
        let index = index.path().join("index");
        let variable = [("GIT_INDEX_FILE", index.to_str().unwrap())];
        self.feed(&["read-tree", "refs/heads/main"], b"", &variable);
        let mut lines = String::new();
        for (path, content) in edits {
            match content {
                Some(content) => lines.push_str(&format!("100644 {}\t{path}\n", self.store(content))),
                None => lines.push_str(&format!("0 {}\t{path}\n", "0".repeat(40))),
            }
        }
        self.feed(&["update-index", "--index-info"], lines.as_bytes(), &variable);
        self.feed(&["write-tree"], b"", &variable)
    }

    /// Makes a commit; the branch stays where it is.
    pub fn commit(&self, tree: &str, parents: &[&str], message: &str) -> String {
        let mut arguments = vec!["commit-tree", tree];
        for parent in parents {
            arguments.extend(["-p", parent]);
        }
        self.feed(&arguments, message.as_bytes(), &[])
    }

    /// The message of a commit, to the byte.
    pub fn message(&self, commit: &str) -> String {
        let whole = git(&self.repository, &["cat-file", "commit", commit]);
        whole.split_once("\n\n").unwrap().1.to_owned()
    }

    /// Points the branch elsewhere, whatever was there.
    pub fn reset(&self, commit: &str) {
        git(&self.repository, &["update-ref", "refs/heads/main", commit]);
    }

    /// Puts a commit of the tree with `edits` on the branch. The message is the best that a host can do: the last one
    /// with the next generation, and its seal.
    pub fn meddle(&self, edits: &[(&str, Option<Vec<u8>>)]) -> String {
        let tip = self.tip();
        let message = next_generation(&self.message(&tip));
        let commit = self.commit(&self.tree_with(edits), &[&tip], &message);
        self.reset(&commit);
        commit
    }

    fn feed(&self, arguments: &[&str], input: &[u8], variables: &[(&str, &str)]) -> String {
        let mut child = git_command(&self.repository, arguments)
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {}: {told}", arguments.join(" "));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

/// The same message, of the next generation, with the old seal.
pub fn next_generation(message: &str) -> String {
    let (before, rest) = message.split_once("generation: ").unwrap();
    let (number, rest) = rest.split_once('\n').unwrap();
    let number: u64 = number.parse().unwrap();
    format!("{before}generation: {}\n{rest}", number + 1)
}
