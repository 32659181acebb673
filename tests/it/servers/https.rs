//! `git http-backend` behind nginx: TLS, passwords, and the answers of hosts in trouble.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::Deserialize;
use tempfile::TempDir;

use super::certificates;
use super::process::{Running, free_port, program, run, text, wait_until, write_script};
use crate::machines::git;

/// Who may read and write: a person, and a token as GitHub takes it.
pub const ALICE: (&str, &str) = ("alice", "secret");
/// Who may read.
pub const BOB: (&str, &str) = ("bob", "hunter2");
/// The token, with the user that goes with it.
pub const TOKEN: (&str, &str) = ("x-access-token", "ghp_testtoken0123456789");

/// A request as nginx saw it.
#[derive(Debug, Deserialize)]
pub struct Request {
    /// Such as `GET`.
    pub method: String,
    /// The path that was asked for, such as `/repo.git/info/refs`.
    pub path: String,
    /// What stood after the question mark.
    pub query: String,
    /// The answer; 444 when the connection was closed without one.
    pub status: u16,
    /// Who they said they are; empty when they said nothing.
    pub user: String,
    /// The number of the connection.
    pub connection: u64,
    /// The `Git-Protocol` header.
    pub git_protocol: String,
    /// The `User-Agent` header.
    pub agent: String,
    /// How many bytes came in, head and body.
    pub received: u64,
    /// How many bytes went out.
    pub sent: u64,
}

/// Which requests that came through the authentication are meant.
#[derive(Clone, Copy, Debug)]
pub enum At {
    /// All.
    Any,
    /// The question which refs there are, before a fetch or a push.
    Refs,
    /// The objects of a fetch; with protocol 2 also its refs.
    Fetch,
    /// A push.
    Push,
}

/// What is answered instead of what the server would say.
#[derive(Clone, Copy, Debug)]
pub enum Instead {
    /// This status, and nothing is done.
    Status(u16),
    /// This status with a `Retry-After` of so many seconds, and nothing is done.
    RetryAfter(u16, u64),
    /// Nothing is done, and the connection is closed without an answer.
    Closed,
    /// It is done, and this status is answered: the answer is lost.
    DoneStatus(u16),
    /// It is done, and the connection is closed without an answer.
    DoneClosed,
    /// It is done, half of the answer comes, then the connection is closed.
    DoneHalf,
}

/// The server. Its repositories are below the root, for those who may, and also below
///
/// - `/open/`: everybody may read and write;
/// - `/slow/`: 64 KiB a second; `/small/`: 413 for more than 64 KiB;
/// - `/redirect/`: 301 to the root; `/elsewhere/PORT/`: 301 to the root of 127.0.0.1 at that port;
/// - `/signed-in/PORT/`: the same for those who may, who are asked for their password once more;
/// - `/deny/`: 403; `/gone/`: 404; `/busy/`: 503 and `/limited/`: 429, both with `Retry-After: 1`.
pub struct Https {
    _nginx: Running,
    _gateway: Running,
    port: u16,
    faults: AtomicUsize,
    folder: TempDir,
}

impl Https {
    /// Starts it.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["repositories", "faults", "home", "temporary"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        certificates::install(folder.path());
        std::fs::write(at("passwords"), passwords()).unwrap();
        write_script(&at("front.sh"), include_str!("front.sh"));

        let mut gateway = Command::new(program("fcgiwrap"));
        gateway
            // A request that was cut off may hold one of them until its backend gives up.
            .args(["-f", "-c", "32", "-s"])
            .arg(format!("unix:{}", at("gateway").display()));
        let gateway = Running::start_logged(gateway, &at("gateway.log"));
        for _ in 0..5 {
            let port = free_port();
            std::fs::write(at("nginx.conf"), configuration(folder.path(), port)).unwrap();
            let mut nginx = Command::new(program("nginx"));
            nginx.arg("-e").arg(at("error.log"));
            nginx.arg("-p").arg(folder.path()).arg("-c").arg(at("nginx.conf"));
            let mut nginx = Running::start_logged(nginx, &at("nginx.log"));
            wait_until("nginx", || !nginx.runs() || are_all_logged(folder.path()));
            wait_until("the gateway", || at("gateway").exists());
            if nginx.runs() {
                return Self {
                    _nginx: nginx,
                    _gateway: gateway,
                    port,
                    faults: AtomicUsize::new(0),
                    folder,
                };
            }
        }
        panic!("nginx does not start: {}", text(&at("error.log")));
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of a repository, with a user and password in it when they are given.
    pub fn url(&self, user: Option<(&str, &str)>, repository: &str) -> String {
        self.url_through(self.port, user, repository)
    }

    /// The same when something stands before the server at another port.
    pub fn url_through(&self, port: u16, user: Option<(&str, &str)>, repository: &str) -> String {
        let user = user.map_or(String::new(), |(name, password)| format!("{name}:{password}@"));
        format!("https://{user}localhost:{port}/{repository}")
    }

    /// The bare repository of that name; made when it is not there.
    pub fn bare(&self, repository: &str) -> PathBuf {
        super::bare(self.folder.path().join("repositories").join(repository))
    }

    /// The authority that says who the server is.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// All requests, in the order in which they ended.
    pub fn requests(&self) -> Vec<Request> {
        assert!(are_all_logged(self.folder.path()), "nginx has gone");
        text(&self.log())
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }

    /// How many connections carried those requests.
    pub fn connections(&self) -> usize {
        let numbers: BTreeSet<u64> = self.requests().iter().map(|request| request.connection).collect();
        numbers.len()
    }

    /// Forgets the requests so far.
    pub fn clear_log(&self) {
        assert!(are_all_logged(self.folder.path()), "nginx has gone");
        std::fs::File::options()
            .write(true)
            .truncate(true)
            .open(self.log())
            .unwrap();
    }

    /// What nginx and the programs behind it complained of.
    pub fn complaints(&self) -> String {
        text(&self.folder.path().join("error.log"))
    }

    /// The next `times` requests that are meant are answered with 503 and `Retry-After: 0`.
    pub fn busy(&self, times: usize) {
        self.next(At::Any, times, Instead::RetryAfter(503, 0));
    }

    /// The next push is taken, and its sender hears a 502.
    pub fn lose_next_push_answer(&self) {
        self.next(At::Push, 1, Instead::DoneStatus(502));
    }

    /// The next `times` requests that are meant are answered otherwise; further ones wait behind these.
    pub fn next(&self, at: At, times: usize, instead: Instead) {
        let head = |status: u16, more: &str| {
            format!("Status: {status} On Purpose\r\nContent-Type: text/plain\r\n{more}\r\non purpose\n")
        };
        // 599 is what nginx closes the connection for.
        let (how, answer) = match instead {
            Instead::Status(status) => ("instead", head(status, "")),
            Instead::RetryAfter(status, seconds) => ("instead", head(status, &format!("Retry-After: {seconds}\r\n"))),
            Instead::Closed => ("instead", head(599, "")),
            Instead::DoneStatus(status) => ("after", head(status, "")),
            Instead::DoneClosed => ("after", head(599, "")),
            Instead::DoneHalf => ("half", String::new()),
        };
        let what = match at {
            At::Any => "any",
            At::Refs => "refs",
            At::Fetch => "fetch",
            At::Push => "push",
        };
        for _ in 0..times {
            let number = self.faults.fetch_add(1, Ordering::Relaxed);
            let folder = self.folder.path().join("faults");
            // Under its name only when it is whole.
            let draft = folder.join("draft");
            std::fs::write(&draft, format!("{how}\n{answer}")).unwrap();
            std::fs::rename(draft, folder.join(format!("{what}.{number:06}"))).unwrap();
        }
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("access.log")
    }
}

/// Whether nginx answers at its own door. It does one thing after the other, and so has logged all before.
fn are_all_logged(folder: &Path) -> bool {
    let Ok(mut door) = UnixStream::connect(folder.join("door")) else {
        return false;
    };
    let mut answer = String::new();
    door.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    door.write_all(b"GET / HTTP/1.0\r\n\r\n").is_ok() && door.read_to_string(&mut answer).is_ok() && !answer.is_empty()
}

/// The password file: made once, since hashing takes its time.
fn passwords() -> &'static str {
    static MADE: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    MADE.get_or_init(|| {
        let [alice, bob, token] = [ALICE, BOB, TOKEN].map(|(name, password)| {
            let hash = run(Path::new("/"), "openssl", &["passwd", "-apr1", password]);
            format!("{name}:{hash}")
        });
        alice + &bob + &token
    })
}

/// What nginx is told.
fn configuration(folder: &Path, port: u16) -> String {
    // Started by root, its worker would be somebody who may not read what tests make.
    let is_root = rustix::process::geteuid().is_root();
    let backend = Path::new(git(folder, &["--exec-path"]).trim()).join("git-http-backend");
    let repositories = |place: &str, more: &str| {
        include_str!("nginx_repositories.conf")
            .replace("@PLACE@", place)
            .replace("@MORE@", more)
    };
    include_str!("nginx.conf")
        .replace("@USER@", if is_root { "user root;" } else { "" })
        .replace("@OPEN@", &repositories("/open", "auth_basic off;"))
        .replace("@SLOW@", &repositories("/slow", "limit_rate 64k;"))
        .replace("@SMALL@", &repositories("/small", "client_max_body_size 64k;"))
        .replace("@ALL@", &repositories("", ""))
        .replace("@FOLDER@", folder.to_str().unwrap())
        .replace("@PORT@", &port.to_string())
        .replace("@BACKEND@", backend.to_str().unwrap())
        .replace("@PATH@", &std::env::var("PATH").unwrap())
}
