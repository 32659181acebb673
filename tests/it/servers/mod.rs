//! Real servers for the tests of the network: each a test's own, on loopback, gone when the test ends.
//!
//! `Https` is nginx before `git http-backend`, `Ssh` is OpenSSH's sshd, `Daemon` is `git daemon`. `FaultProxy` stands
//! before any of them and breaks connections; `ConnectProxy` is the proxy of a company; `hooks` make a repository
//! refuse what the hosts refuse. The programs are installed by `scripts/test`.

mod agent;
pub mod certificates;
mod daemon;
pub mod faults;
pub mod hooks;
pub mod https;
mod listening;
pub mod process;
mod proxy;
mod ssh;
pub mod ssh_client;

mod person;
mod themselves;
mod themselves_broken;

pub use agent::Agent;
pub use daemon::Daemon;
pub use faults::{Direction, Fault, FaultProxy};
pub use hooks::Refusal;
pub use https::{At, Https, Instead};
pub use process::{Running, run, wait_until, write_script};
pub use proxy::ConnectProxy;
pub use ssh::Ssh;

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::machines::git;

/// An empty bare repository at `path`, which takes pushes and never tidies itself in the background; made when it is
/// not there yet.
fn bare(path: PathBuf) -> PathBuf {
    if !path.exists() {
        let name = path.to_str().unwrap();
        git(
            Path::new("/"),
            &[
                "init",
                "--quiet",
                "--bare",
                "--template=",
                "--initial-branch=main",
                name,
            ],
        );
        let mut config = std::fs::File::options().append(true).open(path.join("config")).unwrap();
        config
            .write_all(b"[http]\n\treceivepack = true\n[receive]\n\tautogc = false\n[gc]\n\tauto = 0\n")
            .unwrap();
    }
    path
}
