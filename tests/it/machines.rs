//! Machines of one person: each a home of its own, all of them around one remote.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// What a run of csync came to.
#[derive(Debug)]
pub struct Run {
    /// The exit code.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it told.
    pub stderr: String,
}

impl Run {
    /// The run, which must have ended well.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// The run, which must have ended with `code`.
    #[track_caller]
    pub fn fails(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// What it printed, as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}\nstdout:\n{}\nstderr:\n{}", self.stdout, self.stderr))
    }

    /// What happened to each path, from the JSON of `sync`, `push` or `pull`.
    #[track_caller]
    pub fn actions(&self) -> Vec<(String, String)> {
        let json = self.json();
        let items = json["items"].as_array().expect("items");
        items
            .iter()
            .map(|item| {
                (
                    item["action"].as_str().unwrap().to_owned(),
                    item["path"].as_str().unwrap().to_owned(),
                )
            })
            .collect()
    }
}

/// One machine: a home folder, and nothing of the machine that the tests run on.
pub struct Machine {
    /// Its name.
    pub name: String,
    /// Its home folder.
    pub home: PathBuf,
    variables: Vec<(String, String)>,
}

impl Machine {
    /// A machine with an empty home at `home`.
    pub fn new(name: &str, home: PathBuf) -> Self {
        std::fs::create_dir_all(home.join(".claude")).unwrap();
        Self {
            name: name.to_owned(),
            home,
            variables: Vec::new(),
        }
    }

    /// The same machine with a variable set for all its runs.
    pub fn with(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.set(name, value);
        self
    }

    /// Sets a variable for all later runs.
    pub fn set(&mut self, name: &str, value: impl AsRef<OsStr>) {
        self.variables.retain(|(other, _)| other != name);
        self.variables
            .push((name.to_owned(), value.as_ref().to_str().unwrap().to_owned()));
    }

    /// The command, to be started by the caller.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_csync"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", &self.home)
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TZ", "UTC")
            .env("LANG", "C.UTF-8")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.home)
            .stdin(Stdio::null());
        command
    }

    /// Runs csync.
    pub fn csync(&self, arguments: &[&str]) -> Run {
        let output = self.command(arguments).output().unwrap();
        Run {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).expect("stdout is text"),
            stderr: String::from_utf8(output.stderr).expect("stderr is text"),
        }
    }

    /// Runs `sync`, which must end well.
    #[track_caller]
    pub fn sync(&self) -> Run {
        self.csync(&["sync", "--json"]).ok()
    }

    /// The folder of Claude Code.
    pub fn claude(&self) -> PathBuf {
        self.home.join(".claude")
    }

    /// A file in Claude Code's folder.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.claude().join(relative)
    }

    /// Writes a file in Claude Code's folder.
    pub fn write(&self, relative: &str, content: impl AsRef<[u8]>) {
        let path = self.path(relative);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Appends to a file in Claude Code's folder.
    pub fn append(&self, relative: &str, content: impl AsRef<[u8]>) {
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.path(relative))
            .unwrap();
        file.write_all(content.as_ref()).unwrap();
    }

    /// What a file in Claude Code's folder holds.
    #[track_caller]
    pub fn read(&self, relative: &str) -> Vec<u8> {
        std::fs::read(self.path(relative)).unwrap_or_else(|error| panic!("{relative} on {}: {error}", self.name))
    }

    /// The same as text.
    #[track_caller]
    pub fn text(&self, relative: &str) -> String {
        String::from_utf8(self.read(relative)).unwrap()
    }

    /// Whether a file in Claude Code's folder is there.
    pub fn has(&self, relative: &str) -> bool {
        self.path(relative).exists()
    }

    /// Removes a file in Claude Code's folder.
    pub fn remove(&self, relative: &str) {
        std::fs::remove_file(self.path(relative)).unwrap();
    }

    /// Where csync keeps the mirror.
    pub fn mirror(&self) -> PathBuf {
        self.home.join(".local/share/csync/mirror.git")
    }

    /// Where csync keeps the index.
    pub fn index(&self) -> PathBuf {
        self.home.join(".local/state/csync/index.sqlite")
    }

    /// Where csync keeps the device identity.
    pub fn identity(&self) -> PathBuf {
        self.home.join(".config/csync/identity.txt")
    }

    /// The conflict files beside `relative`.
    pub fn beside(&self, relative: &str) -> Vec<PathBuf> {
        let path = self.path(relative);
        let prefix = format!("{}.conflict.", path.file_name().unwrap().to_str().unwrap());
        let mut found: Vec<PathBuf> = std::fs::read_dir(path.parent().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&prefix))
            .collect();
        found.sort();
        found
    }

    /// The folder that Claude Code would use for a project under this home.
    pub fn project(&self, under_home: &str) -> String {
        let path = self.home.canonicalize().unwrap().join(under_home);
        let slug: String = path
            .to_str()
            .unwrap()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        format!("projects/{slug}")
    }

    /// Every regular file below Claude Code's folder with its content, by path.
    pub fn files(&self) -> std::collections::BTreeMap<String, Vec<u8>> {
        files_below(&self.claude())
    }
}

/// Every regular file below `folder` with its content, by path.
pub fn files_below(folder: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    let mut files = std::collections::BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&next) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else if path.is_file() {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                files.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// Two machines, `ana` and `bob`, that joined one vault in a bare repository.
pub struct TwoMachines {
    /// The folder that everything is in.
    pub folder: TempDir,
    /// The first machine: it made the vault.
    pub ana: Machine,
    /// The second machine: it joined.
    pub bob: Machine,
    /// The remote.
    pub remote: PathBuf,
}

impl TwoMachines {
    /// Both machines have joined; nothing is synced yet. They share an identity, which costs no scrypt.
    pub fn joined() -> Self {
        let two = Self::apart();
        two.join();
        two
    }

    /// Both machines exist, and an empty remote.
    pub fn apart() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let remote = folder.path().join("remote.git");
        git(
            folder.path(),
            &["init", "--quiet", "--bare", "--initial-branch=main", "remote.git"],
        );
        let ana = Machine::new("ana", folder.path().join("home/ana"));
        let bob = Machine::new("bob", folder.path().join("users/bob"));
        Self {
            folder,
            ana,
            bob,
            remote,
        }
    }

    /// Both join.
    pub fn join(&self) {
        self.ana
            .csync(&["init", self.remote(), "--device", "ana's laptop", "--no-passphrase"])
            .ok();
        self.join_with_identity(&self.bob, "bob's desk");
    }

    /// Another machine joins, with the identity of the first.
    pub fn join_with_identity(&self, machine: &Machine, device: &str) {
        let identity = self.ana.identity();
        let identity = identity.to_str().unwrap();
        machine
            .csync(&["init", self.remote(), "--device", device, "--identity", identity])
            .ok();
    }

    /// A third machine, joined.
    pub fn third(&self, name: &str) -> Machine {
        let machine = Machine::new(name, self.folder.path().join("people").join(name));
        self.join_with_identity(&machine, name);
        machine
    }

    /// The remote as text.
    pub fn remote(&self) -> &str {
        self.remote.to_str().unwrap()
    }

    /// Syncs one after the other until both have seen all.
    #[track_caller]
    pub fn sync_all(&self) {
        for machine in [&self.ana, &self.bob, &self.ana] {
            machine.sync();
        }
    }

    /// The remote's tip.
    pub fn tip(&self) -> String {
        git(&self.remote, &["rev-parse", "refs/heads/main"]).trim().to_owned()
    }

    /// How many commits the remote has.
    pub fn commits(&self) -> usize {
        git(&self.remote, &["rev-list", "--count", "refs/heads/main"])
            .trim()
            .parse()
            .unwrap()
    }
}

/// Runs the git command in `folder`, without anybody's configuration; it must end well.
#[track_caller]
pub fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = git_command(folder, arguments).output().unwrap();
    assert!(
        output.status.success(),
        "git {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The git command in `folder`, without anybody's configuration.
pub fn git_command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(folder)
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .stdin(Stdio::null());
    for name in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{name}_NAME"), "test")
            .env(format!("GIT_{name}_EMAIL"), "test@localhost");
    }
    command
}
