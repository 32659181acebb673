//! What a person sees while a remote is being reached: questions, progress, and how they end.

use crate::conflicts::Person;
use crate::machines::Machine;
use crate::roads::Road;
use crate::servers::https::{ALICE, TOKEN};
use crate::servers::{Direction, Fault, Https, Ssh};

/// A machine in a folder of its own.
fn machine() -> (tempfile::TempDir, Machine) {
    let folder = tempfile::tempdir().unwrap();
    let machine = Machine::new("ana", folder.path().join("home"));
    (folder, machine)
}

#[test]
fn also_where_only_errors_are_told_the_question_about_a_host_shows_its_key() {
    let server = Ssh::start();
    server.bare("vault.git");
    let (_folder, mut ana) = machine();
    server.install_for(&mut ana);
    std::fs::write(ana.home.join(".ssh/known_hosts"), "").unwrap();
    let person = Person::runs(&ana, &["--quiet", "remote", "test", &server.url("vault.git")], &[]);
    let screen = person.waits_for("Is this the right host?", 1);
    assert!(screen.contains(&server.host_key_fingerprint()), "{screen}");
    person.presses("C-c");
    let screen = person.waits_for("[exit 130]", 1);
    // The error begins on a line of its own.
    assert!(screen.contains("\nerror: interrupted"), "{screen}");
    assert!(!screen.contains("receiving"), "{screen}");
    assert_eq!(server.logins(), 0);
}

#[test]
fn a_signal_ends_a_question_for_a_secret_and_the_terminal_shows_again_what_is_typed() {
    let server = Https::start();
    server.bare("vault.git");
    let (_folder, ana) = machine();
    let ana = ana.with("GIT_SSL_CAINFO", server.ca());
    let person = Person::runs(&ana, &["remote", "test", &server.url(None, "vault.git")], &[]);
    person.waits_for("User name", 1);
    person.presses(ALICE.0);
    person.presses("Enter");
    person.waits_for("Password or token", 1);
    person.presses("canary");
    person.presses("C-c");
    let screen = person.waits_for("[exit 130]", 1);
    assert!(!screen.contains("canary"), "{screen}");
    person.presses("visible");
    person.waits_for("visible", 1);
}

#[test]
fn progress_is_wiped_where_a_transfer_is_interrupted() {
    for transport in ["libgit2", "git"] {
        let road = Road::https(transport);
        let ana = road.joined("ana");
        let bob = road.joined("bob");
        let mut state = 1_u64;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        });
        bob.write("skills/x/tool.bin", noise.take(1 << 20).collect::<Vec<u8>>());
        bob.sync();
        road.breaks(Fault::StallAfter {
            direction: Direction::ToClient,
            bytes: 400_000,
        });
        let person = Person::runs(&ana, &["pull"], &[]);
        person.waits_for("receiving", 1);
        person.presses("C-c");
        let screen = person.waits_for("[exit 130]", 1);
        for phase in ["scanning", "sealing", "sending", "receiving"] {
            assert!(!screen.contains(phase), "{transport}: {screen}");
        }
    }
}

#[test]
fn a_token_needs_no_user_name_and_a_refused_one_is_told() {
    for transport in ["libgit2", "git"] {
        let server = Https::start();
        server.bare("vault.git");
        let (_folder, ana) = machine();
        let mut ana = ana
            .with("GIT_SSL_CAINFO", server.ca())
            .with("CSYNC_TRANSPORT", transport)
            .with("CSYNC_GIT_TOKEN", TOKEN.1);
        let url = server.url(None, "vault.git");
        ana.csync(&["init", &url, "--device", "ana", "--no-passphrase"]).ok();
        ana.set("CSYNC_GIT_TOKEN", "expired");
        let run = ana.csync(&["sync"]).fails(16);
        assert!(
            run.stderr.contains("it refused the token in CSYNC_GIT_TOKEN"),
            "{transport}: {}",
            run.stderr
        );
        assert!(
            run.stderr.contains("hint: make a new token"),
            "{transport}: {}",
            run.stderr
        );
    }
}

#[test]
fn a_proxy_that_refuses_is_named_and_not_the_host_behind_it() {
    let server = Https::start();
    server.bare("vault.git");
    let (_folder, ana) = machine();
    let mut ana = ana
        .with("GIT_SSL_CAINFO", server.ca())
        .with("CSYNC_TRANSPORT", "libgit2")
        .with("CSYNC_MAX_RETRIES", "0")
        .with("CSYNC_GIT_TOKEN", TOKEN.1);
    let url = server.url(None, "vault.git");
    ana.csync(&["init", &url, "--device", "ana", "--no-passphrase"]).ok();
    ana.set("HTTPS_PROXY", "http://porter:canary@127.0.0.1:1");
    ana.write("CLAUDE.md", "x\n");
    let run = ana.csync(&["sync"]).fails(16);
    assert!(
        run.stdout
            .contains("(the proxy http://127.0.0.1:1 refused the connection)"),
        "{}",
        run.stdout
    );
    assert!(!run.stdout.contains("canary"), "{}", run.stdout);
}

#[test]
fn what_was_meant_as_a_server_and_is_no_address_is_told() {
    let (_folder, ana) = machine();
    for address in ["github.com/me/sessions", "me@server", "git.example.org/x.git"] {
        let run = ana.csync(&["init", address, "--device", "ana"]).fails(2);
        assert!(run.stderr.contains("begins with `https://`"), "{}", run.stderr);
    }
    for address in ["ssh://host", "https://host/", "git://host"] {
        let run = ana.csync(&["init", address, "--device", "ana"]).fails(2);
        assert!(run.stderr.contains("it names no repository"), "{}", run.stderr);
    }
    assert!(!ana.home.join(".config").exists());
}
