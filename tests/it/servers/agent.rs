//! An ssh-agent of a test's own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::process::{Running, program, wait_until};

/// An ssh-agent.
pub struct Agent {
    process: Running,
    folder: TempDir,
}

impl Agent {
    /// An agent without a key.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("agent");
        let mut command = Command::new(program("ssh-agent"));
        command.arg("-D").arg("-a").arg(&socket).stdin(Stdio::null());
        let agent = Self {
            process: Running::start(command),
            folder,
        };
        wait_until("an agent that listens", || agent.ssh_add(&["-l"]).is_some());
        agent
    }

    /// An agent that holds these private keys, none of which has a passphrase.
    pub fn holding(keys: &[&Path]) -> Self {
        let agent = Self::start();
        for key in keys {
            agent
                .ssh_add(&["-q", key.to_str().unwrap()])
                .expect("the agent is there");
        }
        assert_eq!(agent.keys(), keys.len());
        agent
    }

    /// Its socket, for `SSH_AUTH_SOCK`.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("agent")
    }

    /// How many keys it holds.
    pub fn keys(&self) -> usize {
        let list = self.ssh_add(&["-l"]).expect("the agent is there");
        list.lines().filter(|line| line.contains("SHA256:")).count()
    }

    /// Ends it; its socket stays, and nobody answers there.
    pub fn die(&mut self) {
        self.process.end();
    }

    /// What ssh-add printed; none when it could not reach the agent.
    fn ssh_add(&self, arguments: &[&str]) -> Option<String> {
        let output = Command::new(program("ssh-add"))
            .args(arguments)
            .env_clear()
            .env("SSH_AUTH_SOCK", self.socket())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        // One is "no" from the agent, two is no agent.
        (output.status.code() != Some(2)).then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
