//! `git daemon`: no encryption, nobody has to say who they are.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::process::{Running, start_server, text};
use crate::machines::git;

/// A `git daemon`, also for pushes.
pub struct Daemon {
    _process: Running,
    port: u16,
    folder: TempDir,
    served: PathBuf,
}

impl Daemon {
    /// Serves repositories of its own.
    pub fn start() -> Self {
        Self::begin(None)
    }

    /// Serves the repositories in `folder`.
    pub fn serving(folder: &Path) -> Self {
        Self::begin(Some(folder))
    }

    fn begin(served: Option<&Path>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let served = served.unwrap_or(folder.path()).to_owned();
        let programs = git(&served, &["--exec-path"]);
        let start = |port| {
            let mut command = Command::new(Path::new(programs.trim()).join("git-daemon"));
            command
                .args(["--reuseaddr", "--export-all", "--enable=receive-pack", "--verbose"])
                .arg("--listen=127.0.0.1")
                .arg(format!("--port={port}"))
                .arg(format!("--base-path={}", served.display()))
                .arg(&served)
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .env("GIT_CONFIG_NOSYSTEM", "1");
            command
        };
        let (process, port) = start_server(&log(folder.path()), start, |told| told.contains("Ready to rumble"));
        Self {
            _process: process,
            port,
            folder,
            served,
        }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of a repository.
    pub fn url(&self, repository: &str) -> String {
        format!("git://127.0.0.1:{}/{repository}", self.port)
    }

    /// The bare repository of that name; made when it is not there.
    pub fn bare(&self, repository: &str) -> PathBuf {
        super::bare(self.served.join(repository))
    }

    /// How often somebody connected.
    pub fn connections(&self) -> usize {
        text(&log(self.folder.path())).matches("] Connection from ").count()
    }
}

/// Where it writes what it does.
fn log(folder: &Path) -> PathBuf {
    folder.join("daemon.log")
}
