//! A server that is to `gh` what a GitHub Enterprise server is: the few endpoints of the API, and Git over HTTPS.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::machines::{Machine, git};
use crate::servers::certificates;
use crate::servers::process::{Running, free_port, program, text, wait_until, write_script};

/// The token of the user `me`.
pub const TOKEN: &str = "ghp_tokenofme0123456789";

/// The server.
pub struct GitHub {
    _nginx: Running,
    _gateway: Running,
    port: u16,
    folder: TempDir,
}

impl GitHub {
    /// Starts it.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["repositories", "described", "orgs", "temporary"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        certificates::install(folder.path());
        std::fs::write(at("passwords"), format!("x-access-token:{{PLAIN}}{TOKEN}\n")).unwrap();
        std::fs::write(at("log"), "").unwrap();
        write_script(&at("api.sh"), include_str!("api.sh"));
        let mut gateway = Command::new(program("fcgiwrap"));
        gateway
            .args(["-f", "-c", "4", "-s"])
            .arg(format!("unix:{}", at("gateway").display()));
        let gateway = Running::start_logged(gateway, &at("gateway.log"));
        wait_until("the gateway", || at("gateway").exists());
        for _ in 0..5 {
            let port = free_port();
            std::fs::write(at("nginx.conf"), configuration(folder.path(), port)).unwrap();
            let mut nginx = Command::new(program("nginx"));
            nginx.arg("-e").arg(at("error.log"));
            nginx.arg("-p").arg(folder.path()).arg("-c").arg(at("nginx.conf"));
            let mut nginx = Running::start_logged(nginx, &at("nginx.log"));
            wait_until("nginx", || {
                !nginx.runs() || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
            });
            if nginx.runs() {
                return Self {
                    _nginx: nginx,
                    _gateway: gateway,
                    port,
                    folder,
                };
            }
        }
        panic!("nginx does not start: {}", text(&at("error.log")));
    }

    /// Its name, with the port.
    pub fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// A machine whose person is signed in here: `gh` has a token, and Git asks `gh` for passwords.
    pub fn machine(&self, name: &str) -> Machine {
        let machine = self.stranger(name).with("GH_ENTERPRISE_TOKEN", TOKEN);
        let config = "[credential]\n\thelper = !gh auth git-credential\n";
        std::fs::write(machine.home.join(".gitconfig"), config).unwrap();
        machine
    }

    /// A machine whose person is not signed in.
    pub fn stranger(&self, name: &str) -> Machine {
        Machine::new(name, self.folder.path().join("people").join(name))
            .with("GH_HOST", self.host())
            .with("SSL_CERT_FILE", self.folder.path().join("ca.pem"))
    }

    /// Has a repository there, and gives what the API says of it to `change`.
    pub fn has(&self, name: &str, change: impl FnOnce(&mut serde_json::Value)) {
        let bare = self.repository(name);
        git(
            self.folder.path(),
            &[
                "init",
                "--quiet",
                "--bare",
                "--initial-branch=main",
                bare.to_str().unwrap(),
            ],
        );
        git(&bare, &["config", "http.receivepack", "true"]);
        let mut described = serde_json::json!({
            "full_name": name,
            "private": true,
            "visibility": "private",
            "archived": false,
            "disabled": false,
            "clone_url": format!("https://{}/{name}.git", self.host()),
            "ssh_url": format!("git@localhost:{name}.git"),
            "permissions": {"admin": true, "push": true, "pull": true},
        });
        change(&mut described);
        self.says(name, &described.to_string());
    }

    /// What the API answers when it is asked for a repository.
    pub fn says(&self, name: &str, text: &str) {
        let file = self.folder.path().join("described").join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    /// Writes one of the files that change how it behaves; see `api.sh`.
    pub fn set(&self, file: &str, content: &str) {
        std::fs::write(self.folder.path().join(file), content).unwrap();
    }

    /// Its folder: what it knows, and the repositories.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where a repository is.
    pub fn repository(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("repositories/{name}.git"))
    }

    /// How many refs a repository has.
    pub fn refs(&self, name: &str) -> usize {
        git(&self.repository(name), &["for-each-ref"]).lines().count()
    }

    /// The requests to the API so far, each with its method, path and body.
    pub fn requests(&self) -> Vec<String> {
        text(&self.folder.path().join("log"))
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// The requests that change something.
    pub fn changes(&self) -> Vec<String> {
        let mut requests = self.requests();
        requests.retain(|request| !request.starts_with("GET "));
        requests
    }
}

/// What nginx is told.
fn configuration(folder: &Path, port: u16) -> String {
    // Started by root, its worker would be somebody who may not read what tests make.
    let is_root = rustix::process::geteuid().is_root();
    let backend = Path::new(git(folder, &["--exec-path"]).trim()).join("git-http-backend");
    include_str!("nginx.conf")
        .replace("@USER@", if is_root { "user root;" } else { "" })
        .replace("@FOLDER@", folder.to_str().unwrap())
        .replace("@PORT@", &port.to_string())
        .replace("@TOKEN@", TOKEN)
        .replace("@BACKEND@", backend.to_str().unwrap())
        .replace("@PATH@", &std::env::var("PATH").unwrap())
}
