//! `init` with keys of one's own: what is brought is what is used, and what cannot work is told before anything is written.

use crate::machines::Machine;

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    /// A folder with an empty repository `remote` and a passphrase in `passphrase`.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        csync::create_bare(&folder.path().join("remote")).unwrap();
        std::fs::write(folder.path().join("passphrase"), "correct horse battery staple\n").unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn machine(&self, name: &str) -> Machine {
        Machine::new(name, self.folder.path().join(name))
    }

    /// Runs `init` there, with the passphrase and what else is given.
    fn init(&self, machine: &Machine, more: &[&str]) -> crate::machines::Run {
        let (remote, passphrase) = (self.path("remote"), self.path("passphrase"));
        let mut arguments = vec!["init", &remote, "--passphrase-file", &passphrase];
        arguments.extend(more);
        machine.csync(&arguments)
    }

    /// A new identity, in the text that age gives it, in a file `name` that only its owner can read.
    fn identity(&self, name: &str) -> String {
        use secrecy::ExposeSecret as _;
        let text = csync::DeviceIdentity::generate()
            .to_file_text()
            .expose_secret()
            .to_owned();
        let path = self.folder.path().join(name);
        std::fs::write(&path, &text).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        text
    }

    fn remote_is_empty(&self) -> bool {
        !self.folder.path().join("remote/refs/heads/main").exists()
    }
}

#[test]
#[cfg(unix)]
fn an_identity_may_come_from_any_folder_of_ones_own() {
    let bench = Bench::new();
    bench.identity("mine.txt");
    std::fs::set_permissions(bench.folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let ana = bench.machine("ana");
    bench.init(&ana, &["--identity", &bench.path("mine.txt")]).ok();
    ana.sync();
}

#[test]
fn an_identity_that_would_not_be_used_is_refused() {
    let bench = Bench::new();
    let ana = bench.machine("ana");
    bench.identity("mine.txt");
    bench.identity("other.txt");
    bench.init(&ana, &["--identity", &bench.path("mine.txt")]).ok();
    std::fs::remove_dir_all(ana.mirror()).unwrap();

    let refused = bench.init(&ana, &["--identity", &bench.path("other.txt")]).fails(2);
    assert!(
        refused.stderr.contains("already has another identity"),
        "{}",
        refused.stderr
    );

    bench.init(&ana, &["--identity", &bench.path("mine.txt")]).ok();
    ana.sync();
}

#[test]
fn an_identity_in_the_environment_needs_no_file() {
    let bench = Bench::new();
    let text = bench.identity("mine.txt");
    let ana = bench.machine("ana");
    bench.init(&ana, &["--identity", &bench.path("mine.txt")]).ok();
    ana.write("CLAUDE.md", "Write plain English.\n");
    ana.sync();

    let runner = bench
        .machine("runner")
        .with("CSYNC_IDENTITY", text.lines().last().unwrap());
    let joined = bench.init(&runner, &["--json"]).ok().json();
    assert!(joined["identity"].is_null(), "{joined}");
    assert!(!runner.identity().exists());
    runner.sync();
    assert_eq!(runner.text("CLAUDE.md"), "Write plain English.\n");

    let broken = bench.machine("broken").with("CSYNC_IDENTITY", "not an identity");
    let refused = bench.init(&broken, &[]).fails(12);
    assert!(refused.stderr.contains("CSYNC_IDENTITY"), "{}", refused.stderr);
    assert!(
        !refused.stderr.contains("not an identity\n"),
        "it is not repeated: {}",
        refused.stderr
    );
}

#[test]
fn a_configuration_that_cannot_be_written_is_told_before_the_remote_has_a_vault() {
    let bench = Bench::new();
    let ana = bench.machine("ana");
    let url = format!("file://ana:hunter2@{}", bench.path("remote"));
    let refused = ana
        .csync(&["init", &url, "--passphrase-file", &bench.path("passphrase")])
        .fails(2);
    assert!(!refused.stderr.contains("hunter2"), "{}", refused.stderr);
    assert!(bench.remote_is_empty());
    assert!(!ana.identity().exists());
}

#[test]
fn who_lost_the_mirror_needs_not_know_the_url() {
    let bench = Bench::new();
    let ana = bench.machine("ana");
    bench.init(&ana, &[]).ok();
    std::fs::remove_dir_all(ana.mirror()).unwrap();
    ana.csync(&["init"]).ok();
    ana.sync();
}
