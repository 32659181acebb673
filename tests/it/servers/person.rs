//! Somebody with Git and nothing else.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::Https;
use crate::machines::{git, git_command};

/// Somebody with a repository of one commit, and with nothing of the machine that the tests run on.
pub struct Person {
    folder: TempDir,
    variables: Vec<(&'static str, String)>,
}

impl Person {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        git(folder.path(), &["init", "--quiet", "--initial-branch=main", "."]);
        let person = Self {
            folder,
            variables: Vec::new(),
        };
        person.commit("one", 1000);
        person
    }

    /// Somebody who trusts the server's authority.
    pub fn trusting(https: &Https) -> Self {
        Self::new().with("GIT_SSL_CAINFO", https.ca().display())
    }

    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.variables.push((name, value.to_string()));
        self
    }

    /// A commit with a file of so many bytes that do not compress, nor resemble those of another name.
    pub fn commit(&self, name: &str, size: usize) {
        let mut bytes = vec![0; size];
        let mut state = name.bytes().fold(88_172_645_463_325_252_u64, |state, byte| {
            state.rotate_left(7) ^ u64::from(byte)
        });
        for byte in &mut bytes {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = state as u8;
        }
        std::fs::write(self.folder.path().join(name), bytes).unwrap();
        git(self.folder.path(), &["add", "."]);
        git(self.folder.path(), &["commit", "--quiet", "--message", name]);
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let like_this = git_command(self.folder.path(), arguments);
        let mut command = Command::new("git");
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(like_this.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.folder.path())
            .env("GIT_TERMINAL_PROMPT", "0")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    pub fn git(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) {
        let output = self.git(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// What git said when it failed.
    #[track_caller]
    pub fn fails(&self, arguments: &[&str]) -> String {
        let output = self.git(arguments);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "git {} worked: {told}", arguments.join(" "));
        told
    }

    pub fn tip(&self) -> String {
        git(self.folder.path(), &["rev-parse", "HEAD"])
    }
}

/// Where the branch of a repository is.
pub fn main_of(repository: &Path) -> String {
    git(repository, &["rev-parse", "main"])
}
