//! Every road to a remote: each server with each transport, and the same stories over all of them.
//!
//! A proxy stands before each server, so that the address stays the same while connections are counted and broken.

mod stories;
mod together;

use std::cell::RefCell;
use std::io::Write as _;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::machines::{Machine, git};
use crate::servers::https::TOKEN;
use crate::servers::{Daemon, Fault, FaultProxy, Https, Ssh};

/// A server of one kind.
pub enum Server {
    /// nginx, TLS, a token.
    Https(Box<Https>),
    /// OpenSSH, a key.
    Ssh(Box<Ssh>),
    /// `git daemon`, which knows nobody.
    Daemon(Daemon),
}

/// A server, the transport that its machines use, and the machines.
pub struct Road {
    /// `libgit2`, `git` or `auto`.
    pub transport: &'static str,
    /// The server.
    pub server: Server,
    /// What stands before it.
    pub proxy: FaultProxy,
    /// The repository on the server.
    pub repository: PathBuf,
    folder: TempDir,
    identity: RefCell<Option<PathBuf>>,
}

/// The name of the repository on each server.
const NAME: &str = "sessions.git";

impl Road {
    /// Over HTTPS.
    pub fn https(transport: &'static str) -> Self {
        let server = Https::start();
        let (port, repository) = (server.port(), server.bare(NAME));
        Self::to(transport, Server::Https(Box::new(server)), port, repository)
    }

    /// Over SSH.
    pub fn ssh(transport: &'static str) -> Self {
        let server = Ssh::start();
        let (port, repository) = (server.port(), server.bare(NAME));
        Self::to(transport, Server::Ssh(Box::new(server)), port, repository)
    }

    /// Over Git's own protocol.
    pub fn daemon(transport: &'static str) -> Self {
        let server = Daemon::start();
        let (port, repository) = (server.port(), server.bare(NAME));
        Self::to(transport, Server::Daemon(server), port, repository)
    }

    fn to(transport: &'static str, server: Server, port: u16, repository: PathBuf) -> Self {
        Self {
            transport,
            server,
            proxy: FaultProxy::start(port),
            repository,
            folder: tempfile::tempdir().unwrap(),
            identity: RefCell::new(None),
        }
    }

    /// The address of the repository, as machines are given it.
    pub fn url(&self) -> String {
        self.url_of(NAME)
    }

    /// The address of another repository on the server.
    pub fn url_of(&self, name: &str) -> String {
        let port = self.proxy.port();
        match &self.server {
            Server::Https(server) => server.url_through(port, None, name),
            Server::Ssh(server) => server.url_through(port, name),
            Server::Daemon(_) => format!("git://127.0.0.1:{port}/{name}"),
        }
    }

    /// Another empty repository on the server.
    pub fn another(&self, name: &str) -> PathBuf {
        match &self.server {
            Server::Https(server) => server.bare(name),
            Server::Ssh(server) => server.bare(name),
            Server::Daemon(server) => server.bare(name),
        }
    }

    /// How many connections the server's own log has.
    pub fn connections(&self) -> usize {
        match &self.server {
            Server::Https(server) => server.connections(),
            Server::Ssh(server) => server.connections(),
            Server::Daemon(server) => server.connections(),
        }
    }

    /// A machine that may reach the server, and has not joined.
    pub fn machine(&self, name: &str) -> Machine {
        let mut machine = Machine::new(name, self.folder.path().join(name));
        machine.set("CSYNC_TRANSPORT", self.transport);
        machine.set("CSYNC_BACKOFF", "10");
        match &self.server {
            Server::Https(server) => {
                machine.set("CSYNC_GIT_USERNAME", TOKEN.0);
                machine.set("CSYNC_GIT_TOKEN", TOKEN.1);
                for variable in ["SSL_CERT_FILE", "GIT_SSL_CAINFO"] {
                    machine.set(variable, server.ca());
                }
            }
            Server::Ssh(server) => {
                server.install_for(&mut machine);
                let mut known = std::fs::File::options()
                    .append(true)
                    .open(machine.home.join(".ssh/known_hosts"))
                    .unwrap();
                let line = server.known_hosts_line_through(self.proxy.port());
                known.write_all(line.as_bytes()).unwrap();
            }
            Server::Daemon(_) => {}
        }
        machine
    }

    /// A machine that has joined; the first one makes the vault. They share an identity, which costs no scrypt.
    #[track_caller]
    pub fn joined(&self, name: &str) -> Machine {
        let machine = self.machine(name);
        let mut identity = self.identity.borrow_mut();
        match &*identity {
            None => {
                machine
                    .csync(&["init", &self.url(), "--device", name, "--no-passphrase"])
                    .ok();
                *identity = Some(machine.identity());
            }
            Some(identity) => {
                let identity = identity.to_str().unwrap();
                machine
                    .csync(&["init", &self.url(), "--device", name, "--identity", identity])
                    .ok();
            }
        }
        machine
    }

    /// Breaks the connections from now on.
    pub fn breaks(&self, fault: Fault) {
        self.proxy.set(fault);
    }

    /// All is well again.
    pub fn mends(&self) {
        self.proxy.set(Fault::None);
    }

    /// The tip of the vault on the server; nothing where there is none.
    pub fn tip(&self) -> String {
        git(
            &self.repository,
            &["for-each-ref", "--format=%(objectname)", "refs/heads/main"],
        )
        .trim()
        .to_owned()
    }

    /// How many commits the vault on the server has.
    pub fn commits(&self) -> usize {
        git(&self.repository, &["rev-list", "--count", "refs/heads/main"])
            .trim()
            .parse()
            .unwrap()
    }
}
