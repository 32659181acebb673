//! OpenSSH's sshd, for Git.

use std::cell::{Cell, RefCell};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::process::{Running, program, run, start_server, start_server_at, text};
use super::ssh_client::{PASSPHRASE, client_keys, ssh_folder};
use crate::machines::{Machine, git};

/// The server. Who has one of its client keys may do all, as the user who runs the tests.
pub struct Ssh {
    process: RefCell<Running>,
    port: u16,
    user: String,
    /// How often the host keys were made.
    generation: Cell<usize>,
    types: Vec<&'static str>,
    folder: TempDir,
}

impl Ssh {
    /// Starts it, with an Ed25519 host key.
    pub fn start() -> Self {
        Self::with_host_keys(&["ed25519"])
    }

    /// Starts it with a host key of each of these types: `ed25519`, `ecdsa`, `rsa`.
    pub fn with_host_keys(types: &[&'static str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        // Root's sshd wants this empty folder, which the service makes where it runs.
        if rustix::process::geteuid().is_root() {
            std::fs::create_dir_all("/run/sshd").unwrap();
        }
        for name in ["repositories", "home", "keys"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        let keys = client_keys();
        for (name, content) in keys {
            let path = at("keys").join(name);
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        }
        let public = |name: &str| text(&at("keys").join(format!("{name}.pub")));
        let read_only = format!("restrict,command=\"sh {}\" ", at("read-only.sh").display());
        std::fs::write(at("read-only.sh"), READ_ONLY).unwrap();
        let authorized = public("client") + &public("encrypted") + &read_only + &public("reader");
        std::fs::write(at("authorized_keys"), authorized).unwrap();
        make_host_keys(folder.path(), types, 0);

        let user = run(folder.path(), "id", &["-un"]).trim().to_owned();
        let start = |port| {
            std::fs::write(at("sshd_config"), configuration(folder.path(), port, &user, types, 0)).unwrap();
            command(folder.path())
        };
        let (process, port) = start_server(&at("sshd.log"), start, is_ready);
        Self {
            process: RefCell::new(process),
            port,
            user,
            generation: Cell::new(0),
            types: types.to_vec(),
            folder,
        }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The user that everybody is on the server.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The address of a repository.
    pub fn url(&self, repository: &str) -> String {
        self.url_through(self.port, repository)
    }

    /// The same when something stands before the server at another port.
    pub fn url_through(&self, port: u16, repository: &str) -> String {
        let path = self.at("repositories").join(repository);
        format!("ssh://{}@127.0.0.1:{port}{}", self.user, path.display())
    }

    /// The bare repository of that name; made when it is not there.
    pub fn bare(&self, repository: &str) -> PathBuf {
        super::bare(self.at("repositories").join(repository))
    }

    /// A private key that may read and write.
    pub fn client_key(&self) -> PathBuf {
        self.at("keys/client")
    }

    /// The same encrypted, and its passphrase.
    pub fn encrypted_client_key(&self) -> (PathBuf, &'static str) {
        (self.at("keys/encrypted"), PASSPHRASE)
    }

    /// A private key that may read; a push is refused as GitHub does it.
    pub fn read_only_key(&self) -> PathBuf {
        self.at("keys/reader")
    }

    /// A private key that the server does not know.
    pub fn unknown_key(&self) -> PathBuf {
        self.at("keys/stranger")
    }

    /// From now on the client key starts in the folder of the repositories, as somebody's home is it on their own server.
    pub fn starts_among_repositories(&self) {
        let place = self.at("repositories");
        let command = format!(
            "command=\"cd '{}' && exec sh -c \\\"$SSH_ORIGINAL_COMMAND\\\"\" ",
            place.display()
        );
        let key = text(&self.at("keys/client.pub"));
        std::fs::write(self.at("authorized_keys"), command + &key).unwrap();
    }

    /// What `known_hosts` holds when the server is known: a line for each of its keys.
    pub fn known_hosts_line(&self) -> String {
        self.known_hosts_line_through(self.port)
    }

    /// The same when something stands before the server at another port.
    pub fn known_hosts_line_through(&self, port: u16) -> String {
        self.public_host_keys()
            .iter()
            .map(|key| format!("[127.0.0.1]:{port} {key}\n"))
            .collect()
    }

    /// Its public host keys, type and key, in the order of their types.
    pub fn public_host_keys(&self) -> Vec<String> {
        self.host_keys()
            .iter()
            .map(|key| {
                let line = text(&key.with_extension("pub"));
                line.split(' ').take(2).collect::<Vec<_>>().join(" ").trim().to_owned()
            })
            .collect()
    }

    /// The fingerprint of its first host key, such as `SHA256:…`.
    pub fn host_key_fingerprint(&self) -> String {
        let key = self.host_keys().swap_remove(0);
        let line = run(self.folder.path(), "ssh-keygen", &["-lf", key.to_str().unwrap()]);
        line.split(' ').nth(1).unwrap().to_owned()
    }

    /// Starts again at the same port with other host keys.
    pub fn change_host_key(&self) {
        self.stop();
        self.generation.set(self.generation.get() + 1);
        make_host_keys(self.folder.path(), &self.types, self.generation.get());
        let told = configuration(
            self.folder.path(),
            self.port,
            &self.user,
            &self.types,
            self.generation.get(),
        );
        std::fs::write(self.at("sshd_config"), told).unwrap();
        self.start_again();
    }

    /// Starts again with a certificate for its first host key; gives the line of `known_hosts` that trusts who signed it.
    pub fn certify(&self) -> String {
        self.stop();
        let key = self.host_keys().swap_remove(0);
        run(
            self.folder.path(),
            "ssh-keygen",
            &["-q", "-t", "ed25519", "-N", "", "-C", "authority", "-f", "authority"],
        );
        let public = key.with_extension("pub");
        let sign = ["-q", "-s", "authority", "-I", "host", "-h", "-n", "127.0.0.1"];
        run(
            self.folder.path(),
            "ssh-keygen",
            &[&sign[..], &[public.to_str().unwrap()]].concat(),
        );
        let told = text(&self.at("sshd_config"));
        let certificate = format!("{}-cert.pub", key.display());
        std::fs::write(self.at("sshd_config"), format!("HostCertificate {certificate}\n{told}")).unwrap();
        self.start_again();
        format!(
            "@cert-authority [127.0.0.1]:{} {}",
            self.port,
            text(&self.at("authority.pub"))
        )
    }

    /// Ends it: nobody listens at its port.
    pub fn stop(&self) {
        self.process.borrow_mut().end();
    }

    /// Starts it again at the same port, after [`Ssh::stop`].
    pub fn start_again(&self) {
        let started = start_server_at(&self.log(), command(self.folder.path()), is_ready);
        *self.process.borrow_mut() = started.unwrap_or_else(|| panic!("sshd does not start: {}", text(&self.log())));
    }

    /// How often somebody connected.
    pub fn connections(&self) -> usize {
        text(&self.log()).matches("Connection from ").count()
    }

    /// How often somebody came in.
    pub fn logins(&self) -> usize {
        text(&self.log()).matches("Accepted publickey ").count()
    }

    /// What it says it did.
    pub fn told(&self) -> String {
        text(&self.log())
    }

    /// Gives `machine` the client key as `~/.ssh/id_ed25519`, and makes the server known to it.
    ///
    /// OpenSSH's client looks for `~` in the list of users and not in `HOME`. An `ssh` before all others on the
    /// machine's path tells it where this machine's home is; what the machine's `~/.ssh/config` says goes first.
    pub fn install_for(&self, machine: &mut Machine) {
        let folder = ssh_folder(machine);
        let key = std::fs::read(self.client_key()).unwrap();
        for (name, content) in [
            ("id_ed25519", key),
            ("known_hosts", self.known_hosts_line().into_bytes()),
        ] {
            std::fs::write(folder.join(name), content).unwrap();
            std::fs::set_permissions(folder.join(name), PermissionsExt::from_mode(0o600)).unwrap();
        }
    }

    fn log(&self) -> PathBuf {
        self.at("sshd.log")
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn host_keys(&self) -> Vec<PathBuf> {
        host_keys(self.folder.path(), &self.types, self.generation.get())
    }
}

/// What stands before a key that may read.
const READ_ONLY: &str = r#"case $SSH_ORIGINAL_COMMAND in
  "git-upload-pack "* | "git upload-pack "*) exec sh -c "$SSH_ORIGINAL_COMMAND" ;;
esac
echo "ERROR: The key you are authenticating with has been marked as read only." >&2
exit 1
"#;

/// The private host keys of a generation.
fn host_keys(folder: &Path, types: &[&str], generation: usize) -> Vec<PathBuf> {
    types
        .iter()
        .map(|kind| folder.join(format!("keys/host_{kind}_{generation}")))
        .collect()
}

/// Makes them.
fn make_host_keys(folder: &Path, types: &[&str], generation: usize) {
    for (kind, path) in types.iter().zip(host_keys(folder, types, generation)) {
        // The smallest that OpenSSH takes: they are made in each test.
        let bits = if *kind == "rsa" { "2048" } else { "256" };
        let path = path.to_str().unwrap();
        let arguments = ["-q", "-t", kind, "-b", bits, "-N", "", "-C", "host", "-f", path];
        run(folder, "ssh-keygen", &arguments);
    }
}

/// sshd, in the foreground.
fn command(folder: &Path) -> Command {
    let mut command = Command::new(program("sshd"));
    command.arg("-D").arg("-e").arg("-f").arg(folder.join("sshd_config"));
    command
}

/// Whether it listens.
fn is_ready(told: &str) -> bool {
    told.contains("Server listening on ")
}

/// What sshd is told. Nothing on the server is the home of whoever runs the tests: their shell and Git settings stay out.
fn configuration(folder: &Path, port: u16, user: &str, types: &[&str], generation: usize) -> String {
    let keys: String = host_keys(folder, types, generation)
        .iter()
        .map(|key| format!("HostKey {}\n", key.display()))
        .collect();
    let programs = git(folder, &["--exec-path"]);
    let path = std::env::var("PATH").unwrap();
    let folder = folder.display();
    format!(
        "Port {port}\nListenAddress 127.0.0.1\n{keys}PidFile none\nAuthorizedKeysFile {folder}/authorized_keys\n\
         AuthenticationMethods publickey\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\n\
         StrictModes no\nPermitRootLogin prohibit-password\nAllowUsers {user}\nAcceptEnv GIT_PROTOCOL\n\
         SetEnv \"PATH={}:{path}\" \"HOME={folder}/home\" GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null\n\
         MaxStartups 100:30:200\nMaxSessions 100\nUseDNS no\nPrintMotd no\nLogLevel VERBOSE\n",
        programs.trim()
    )
}
