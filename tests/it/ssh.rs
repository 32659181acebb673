//! Signing in over SSH, and believing a host, as OpenSSH would. What is common to all roads is told in `roads`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::conflicts::Person;
use crate::machines::{Machine, Run, git};
use crate::servers::ssh_client::ssh_folder;
use crate::servers::{Agent, Direction, Fault, FaultProxy, Ssh, run};

/// Each story as a test with each of these transports.
macro_rules! by {
    ($($name:ident: $transport:literal => [$($story:ident),* $(,)?];)*) => {$(
        mod $name {
            $(#[test] fn $story() { super::$story($transport); })*
        }
    )*};
}

by! {
    libgit2: "libgit2" => [
        an_agent_signs_in, an_agent_that_is_dead_or_empty_is_passed_over, an_agent_with_many_keys_does_not_shut_the_door,
        each_key_is_offered_once, a_line_that_is_cut_is_no_refused_key, a_passphrase_is_asked_for, nobody_gives_a_passphrase,
        a_key_that_others_may_read_is_left_out, an_unknown_host_is_refused_without_a_person,
        a_person_is_asked_about_an_unknown_host_once, a_host_that_is_not_the_right_one_gets_nothing, p12_a_changed_host_key_is_refused_whoever_is_there,
        a_revoked_key_is_refused, a_hashed_name_is_known, another_type_of_key_is_no_new_host,
        a_strange_line_in_known_hosts_harms_nothing, a_repository_that_is_not_there_is_told,
        a_key_that_may_only_read_is_told,
    ];
    git: "git" => [
        an_agent_signs_in, an_agent_that_is_dead_or_empty_is_passed_over, an_agent_with_many_keys_does_not_shut_the_door,
        each_key_is_offered_once, a_line_that_is_cut_is_no_refused_key, nobody_gives_a_passphrase,
        a_key_that_others_may_read_is_left_out, an_unknown_host_is_refused_without_a_person,
        p12_a_changed_host_key_is_refused_whoever_is_there,
        a_revoked_key_is_refused, a_hashed_name_is_known, another_type_of_key_is_no_new_host,
        a_strange_line_in_known_hosts_harms_nothing, a_repository_that_is_not_there_is_told,
        a_key_that_may_only_read_is_told,
    ];
}

/// A server, and machines that know it or its keys as each story says.
struct World {
    server: Ssh,
    folder: TempDir,
    transport: &'static str,
}

impl World {
    fn new(transport: &'static str) -> Self {
        Self::with_host_keys(transport, &["ed25519"])
    }

    fn with_host_keys(transport: &'static str, types: &[&'static str]) -> Self {
        let server = Ssh::with_host_keys(types);
        server.bare("vault.git");
        Self {
            server,
            folder: tempfile::tempdir().unwrap(),
            transport,
        }
    }

    fn url(&self) -> String {
        self.server.url("vault.git")
    }

    /// A machine that has no key, and knows what `known_hosts` says.
    fn machine(&self, name: &str, known_hosts: &str) -> Machine {
        let mut machine = Machine::new(name, self.folder.path().join(name));
        machine.set("CSYNC_TRANSPORT", self.transport);
        machine.set("CSYNC_MAX_RETRIES", "0");
        let folder = ssh_folder(&mut machine);
        fs::write(folder.join("known_hosts"), known_hosts).unwrap();
        machine
    }

    /// A machine that knows the server.
    fn knowing(&self, name: &str) -> Machine {
        self.machine(name, &self.server.known_hosts_line())
    }

    /// The same with the key that the server takes.
    fn welcome(&self, name: &str) -> Machine {
        let machine = self.knowing(name);
        give(&machine, &self.server.client_key(), "id_ed25519");
        machine
    }

    fn init(&self, machine: &Machine) -> Run {
        machine.csync(&["init", &self.url(), "--device", &machine.name, "--no-passphrase"])
    }
}

/// Puts a private key into the machine's `~/.ssh`.
fn give(machine: &Machine, key: &Path, name: &str) -> PathBuf {
    let place = machine.home.join(".ssh").join(name);
    fs::copy(key, &place).unwrap();
    fs::set_permissions(&place, fs::Permissions::from_mode(0o600)).unwrap();
    let public = key.with_extension("pub");
    if public.exists() {
        fs::copy(public, place.with_extension("pub")).unwrap();
    }
    place
}

/// Makes a key that no server knows.
fn stranger(folder: &Path, name: &str, kind: &str) -> PathBuf {
    run(
        folder,
        "ssh-keygen",
        &["-q", "-t", kind, "-N", "", "-C", name, "-f", name],
    );
    folder.join(name)
}

fn an_agent_signs_in(transport: &'static str) {
    let world = World::new(transport);
    let agent = Agent::holding(&[&world.server.client_key()]);
    let mut ana = world.knowing("ana");
    ana.set("SSH_AUTH_SOCK", agent.socket());
    world.init(&ana).ok();
    ana.write("CLAUDE.md", "x\n");
    ana.sync();
}

fn an_agent_that_is_dead_or_empty_is_passed_over(transport: &'static str) {
    let world = World::new(transport);
    let mut ana = world.welcome("ana");
    let mut dead = Agent::start();
    dead.die();
    ana.set("SSH_AUTH_SOCK", dead.socket());
    world.init(&ana).ok();
    let empty = Agent::start();
    ana.set("SSH_AUTH_SOCK", empty.socket());
    ana.sync();
    ana.set("SSH_AUTH_SOCK", "/nonexistent");
    ana.sync();
    // Without a key file nothing is left, and the error says so.
    fs::remove_file(ana.home.join(".ssh/id_ed25519")).unwrap();
    ana.set("SSH_AUTH_SOCK", dead.socket());
    let run = ana.csync(&["pull"]).fails(16);
    assert!(run.stderr.contains("did not accept the sign-in"), "{}", run.stderr);
    if transport == "libgit2" {
        assert!(run.stderr.contains("the SSH agent cannot be reached"), "{}", run.stderr);
    }
}

fn an_agent_with_many_keys_does_not_shut_the_door(transport: &'static str) {
    let world = World::new(transport);
    let mut ana = world.welcome("ana");
    let keys: Vec<PathBuf> = (0..8)
        .map(|number| stranger(world.folder.path(), &format!("stranger-{number}"), "ed25519"))
        .collect();
    // The key that is good is there as well, but a server hangs up before it is its turn.
    let mut held: Vec<&Path> = keys.iter().map(PathBuf::as_path).collect();
    let good = world.server.client_key();
    held.push(&good);
    let agent = Agent::holding(&held);
    ana.set("SSH_AUTH_SOCK", agent.socket());
    world.init(&ana).ok();
    // What was good goes first from then on.
    let before = world.server.connections();
    ana.write("CLAUDE.md", "x\n");
    ana.sync();
    assert!(world.server.connections() - before <= 4, "{}", world.server.told());
}

fn a_line_that_is_cut_is_no_refused_key(transport: &'static str) {
    let world = World::new(transport);
    let proxy = FaultProxy::start(world.server.port());
    let mut ana = world.machine("ana", &world.server.known_hosts_line_through(proxy.port()));
    give(&ana, &world.server.client_key(), "id_ed25519");
    ana.set("CSYNC_IDLE_TIMEOUT", "1");
    let url = world.server.url_through(proxy.port(), "vault.git");
    let arguments = ["init", &url, "--device", "ana", "--no-passphrase"];
    // Somewhere from the greeting to the question for references.
    for bytes in [0, 200, 1_200, 1_500, 1_700, 1_900, 2_100, 2_300] {
        for direction in [Direction::ToServer, Direction::ToClient] {
            for fault in [
                Fault::CutAfter { direction, bytes },
                Fault::ResetAfter { direction, bytes },
            ] {
                proxy.set(fault);
                let run = ana.csync(&arguments).fails(16);
                assert!(run.stderr.contains("cannot talk to"), "{fault:?}: {}", run.stderr);
            }
        }
    }
    proxy.set(Fault::None);
    ana.csync(&arguments).ok();
}

#[test]
fn a_line_that_is_cut_while_keys_are_exchanged_is_no_reason_to_leave_libgit2() {
    let world = World::new("auto");
    let proxy = FaultProxy::start(world.server.port());
    let ana = world.machine("ana", &world.server.known_hosts_line_through(proxy.port()));
    give(&ana, &world.server.client_key(), "id_ed25519");
    let url = world.server.url_through(proxy.port(), "vault.git");
    ana.csync(&["init", &url, "--device", "ana", "--no-passphrase"]).ok();
    ana.sync();
    // So often that the git command has its turn.
    for number in 1..=2 {
        let fault = Fault::ResetAfter {
            direction: Direction::ToClient,
            bytes: 200,
        };
        proxy.on_connection(proxy.connections() + number, fault);
    }
    ana.write("CLAUDE.md", "x\n");
    let run = ana.csync(&["sync"]).ok();
    assert!(!run.stderr.contains("from now on"), "{}", run.stderr);
    assert!(!ana.home.join(".local/state/csync/remote.json").exists());
    let shown = ana.csync(&["remote", "show", "--json"]).ok().json();
    assert!(!shown.to_string().contains("encrypt"), "{shown}");
    // The exchange had come that far.
    assert_eq!(run.stderr, "");
}

fn each_key_is_offered_once(transport: &'static str) {
    let world = World::new(transport);
    let mut ana = world.knowing("ana");
    for kind in ["rsa", "ecdsa", "ed25519"] {
        let key = stranger(world.folder.path(), &format!("of-{kind}"), kind);
        give(&ana, &key, &format!("id_{kind}"));
    }
    let agent = Agent::holding(&[&world.folder.path().join("of-ed25519")]);
    ana.set("SSH_AUTH_SOCK", agent.socket());
    let run = world.init(&ana).fails(16);
    assert!(run.stderr.contains("did not accept the sign-in"), "{}", run.stderr);
    let told = world.server.told();
    // With libgit2 each refusal counts twice with the server, which hangs up after six. The key that was on offer just then
    // gets a second chance, since the line may have been cut.
    let offers = told.matches("Failed publickey").count();
    assert!((3..=4).contains(&offers), "{told}");
    assert!(world.server.connections() <= 2, "{told}");
}

fn a_passphrase_is_asked_for(transport: &'static str) {
    let world = World::new(transport);
    let ana = world.knowing("ana");
    let (key, passphrase) = world.server.encrypted_client_key();
    give(&ana, &key, "id_ed25519");
    let url = world.url();
    let person = Person::runs(&ana, &["init", &url, "--device", "ana", "--no-passphrase"], &[]);
    person.waits_for("Passphrase of the SSH key", 1);
    person.presses("wrong");
    person.presses("Enter");
    // What was answered is wiped off the screen: this is the next question.
    person.waits_for("That passphrase does not open the key.\nPassphrase of the SSH key", 1);
    person.presses(passphrase);
    person.presses("Enter");
    let screen = person.waits_for("[exit ", 1);
    assert!(screen.contains("[exit 0]"), "{screen}");
    assert!(!screen.contains(passphrase), "{screen}");
    // One wrong try, and one that served the fetch and the push of this run.
    assert_eq!(screen.matches("does not open").count(), 1, "{screen}");
}

fn nobody_gives_a_passphrase(transport: &'static str) {
    let world = World::new(transport);
    let ana = world.knowing("ana");
    give(&ana, &world.server.encrypted_client_key().0, "id_ed25519");
    let run = world.init(&ana).fails(16);
    assert!(run.stderr.contains("did not accept the sign-in"), "{}", run.stderr);
    if transport == "libgit2" {
        assert!(run.stderr.contains("needs a passphrase"), "{}", run.stderr);
    }
}

fn a_key_that_others_may_read_is_left_out(transport: &'static str) {
    let world = World::new(transport);
    let ana = world.welcome("ana");
    let key = ana.home.join(".ssh/id_ed25519");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let run = world.init(&ana).fails(16);
    if transport == "libgit2" {
        assert!(run.stderr.contains("others may read it"), "{}", run.stderr);
    }
    assert_eq!(world.server.logins(), 0);
}

fn an_unknown_host_is_refused_without_a_person(transport: &'static str) {
    let world = World::new(transport);
    let ana = world.machine("ana", "");
    give(&ana, &world.server.client_key(), "id_ed25519");
    let run = world.init(&ana).fails(16);
    assert!(
        run.stderr.contains("could not prove that it is the right host"),
        "{}",
        run.stderr
    );
    if transport == "libgit2" {
        assert!(
            run.stderr.contains(&world.server.host_key_fingerprint()),
            "{}",
            run.stderr
        );
        assert!(run.stderr.contains("csync remote test"), "{}", run.stderr);
    }
    assert_eq!(world.server.logins(), 0);
    assert_eq!(fs::read_to_string(ana.home.join(".ssh/known_hosts")).unwrap(), "");
}

fn a_person_is_asked_about_an_unknown_host_once(transport: &'static str) {
    let world = World::new(transport);
    let ana = world.machine("ana", "");
    give(&ana, &world.server.client_key(), "id_ed25519");
    let url = world.url();
    let arguments = ["init", &url, "--device", "ana", "--no-passphrase"];
    let person = Person::runs(&ana, &arguments, &[]);
    let screen = person.waits_for("Is this the right host?", 1);
    assert!(screen.contains(&world.server.host_key_fingerprint()), "{screen}");
    person.presses("y");
    person.presses("Enter");
    let screen = person.waits_for("[exit ", 1);
    assert!(screen.contains("[exit 0]"), "{screen}");
    assert_eq!(screen.matches("Is this the right host?").count(), 1, "{screen}");
    assert_eq!(
        fs::read_to_string(ana.home.join(".ssh/known_hosts")).unwrap(),
        world.server.known_hosts_line()
    );
    ana.sync();
}

fn a_host_that_is_not_the_right_one_gets_nothing(transport: &'static str) {
    let world = World::new(transport);
    let ana = world.machine("ana", "");
    give(&ana, &world.server.client_key(), "id_ed25519");
    let person = Person::runs(&ana, &["init", &world.url(), "--device", "ana", "--no-passphrase"], &[]);
    person.waits_for("Is this the right host?", 1);
    person.presses("n");
    person.presses("Enter");
    let screen = person.waits_for("[exit ", 1);
    assert!(screen.contains("[exit 16]"), "{screen}");
    assert_eq!(world.server.logins(), 0);
    assert_eq!(fs::read_to_string(ana.home.join(".ssh/known_hosts")).unwrap(), "");
}

fn p12_a_changed_host_key_is_refused_whoever_is_there(transport: &'static str) {
    let world = World::new(transport);
    let ana = world.welcome("ana");
    world.init(&ana).ok();
    let logins = world.server.logins();
    let known = fs::read_to_string(ana.home.join(".ssh/known_hosts")).unwrap();
    let old = world.server.host_key_fingerprint();
    world.server.change_host_key();
    let run = ana.csync(&["sync"]).fails(16);
    if transport == "libgit2" {
        for told in [&old, &world.server.host_key_fingerprint(), ".ssh/known_hosts:1"] {
            assert!(run.stderr.contains(told), "{told}: {}", run.stderr);
        }
    }
    let person = Person::runs(&ana, &["sync"], &[]);
    let screen = person.waits_for("[exit ", 1);
    assert!(screen.contains("[exit 16]"), "{screen}");
    assert!(!screen.contains("right host?"), "{screen}");
    assert!(
        !world.server.told().contains("Accepted publickey") || world.server.logins() == logins,
        "{screen}"
    );
    assert_eq!(fs::read_to_string(ana.home.join(".ssh/known_hosts")).unwrap(), known);
}

fn a_revoked_key_is_refused(transport: &'static str) {
    let world = World::new(transport);
    let line = world.server.known_hosts_line();
    let ana = world.machine("ana", &format!("{line}@revoked {line}"));
    give(&ana, &world.server.client_key(), "id_ed25519");
    let run = world.init(&ana).fails(16);
    assert!(run.stderr.contains("revoked"), "{}", run.stderr);
    assert_eq!(world.server.logins(), 0);
}

fn a_hashed_name_is_known(transport: &'static str) {
    let world = World::new(transport);
    let ana = world.welcome("ana");
    let file = ana.home.join(".ssh/known_hosts");
    run(&ana.home, "ssh-keygen", &["-q", "-H", "-f", file.to_str().unwrap()]);
    assert!(fs::read_to_string(&file).unwrap().starts_with("|1|"));
    world.init(&ana).ok();
}

fn another_type_of_key_is_no_new_host(transport: &'static str) {
    let world = World::with_host_keys(transport, &["ed25519", "ecdsa"]);
    let keys = world.server.public_host_keys();
    let line = |key: &str| format!("[127.0.0.1]:{} {key}\n", world.server.port());
    // Only the second one is known: the server is asked for that one.
    let ana = world.machine("ana", &line(&keys[1]));
    give(&ana, &world.server.client_key(), "id_ed25519");
    world.init(&ana).ok();
    // Only one that it does not have is known.
    let rsa = stranger(world.folder.path(), "other-host", "rsa");
    let rsa = fs::read_to_string(rsa.with_extension("pub")).unwrap();
    let bob = world.machine("bob", &line(rsa.trim()));
    give(&bob, &world.server.client_key(), "id_ed25519");
    let before = world.server.logins();
    world.init(&bob).fails(16);
    assert_eq!(world.server.logins(), before);
}

fn a_strange_line_in_known_hosts_harms_nothing(transport: &'static str) {
    let world = World::new(transport);
    let strange = "garbage\n# comment\n\n@cert-authority *.example.com ssh-rsa AAAA\n@revoked x\nhost unknown-type AAAAC3Nz\n\
                   [half\nhost ssh-ed25519\n|1|broken|hash ssh-ed25519 AAAA\n\u{e4}\u{f6} ssh-rsa \u{fc}\n";
    let ana = world.machine("ana", &format!("{strange}{}", world.server.known_hosts_line()));
    give(&ana, &world.server.client_key(), "id_ed25519");
    world.init(&ana).ok();
}

fn a_repository_that_is_not_there_is_told(transport: &'static str) {
    let world = World::new(transport);
    let ana = world.welcome("ana");
    let url = world.server.url("other.git");
    let run = ana
        .csync(&["init", &url, "--device", "ana", "--no-passphrase"])
        .fails(16);
    assert!(run.stderr.contains("there is no repository at"), "{}", run.stderr);
}

fn a_key_that_may_only_read_is_told(transport: &'static str) {
    let world = World::new(transport);
    let ana = world.welcome("ana");
    world.init(&ana).ok();
    ana.write("CLAUDE.md", "x\n");
    give(&ana, &world.server.read_only_key(), "id_ed25519");
    ana.csync(&["pull"]).ok();
    let before = git(&world.server.bare("vault.git"), &["rev-parse", "main"]);
    let run = ana.csync(&["push"]).fails(16);
    assert!(run.stderr.contains("may only read"), "{}", run.stderr);
    assert!(run.stderr.contains("read only"), "{}", run.stderr);
    assert_eq!(git(&world.server.bare("vault.git"), &["rev-parse", "main"]), before);
}
