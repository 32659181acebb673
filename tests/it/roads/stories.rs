//! The stories that are told over every road.

use std::time::{Duration, Instant};

use super::{Road, Server};
use crate::machines::{Machine, files_below, git};
use crate::servers::hooks::{self, Refusal};
use crate::servers::{At, Direction, Fault, Instead, write_script};
use crate::transcripts::{assert_holds, conversation, session};

/// Each story as a test over each of these roads.
macro_rules! over {
    ($($road:ident: $start:expr => [$($story:ident),* $(,)?];)*) => {$(
        mod $road {
            use super::super::Road;
            $(#[test] fn $story() { super::$story(&$start); })*
        }
    )*};
}

over! {
    https_by_libgit2: Road::https("libgit2") => [
        a_vault_is_made_joined_and_kept_the_same, p08_a_lost_race_is_merged_and_tried_again,
        p08b_a_refused_branch_is_no_success, p29_silence_is_given_up, p06_a_fetch_may_break_anywhere,
        p06_a_push_may_break_anywhere, one_round_trip_when_nothing_changed, what_is_no_vault_is_left_as_it_is,
        another_vault_and_a_repository_that_is_gone_are_told_apart, a_wrong_credential_is_tried_once,
        a_busy_server_is_asked_again, p18_no_secret_stays_anywhere,
    ];
    https_by_git: Road::https("git") => [
        a_vault_is_made_joined_and_kept_the_same, p08_a_lost_race_is_merged_and_tried_again,
        p08b_a_refused_branch_is_no_success, p29_silence_is_given_up, p06_a_fetch_may_break_anywhere,
        p06_a_push_may_break_anywhere, one_round_trip_when_nothing_changed, what_is_no_vault_is_left_as_it_is,
        another_vault_and_a_repository_that_is_gone_are_told_apart, a_wrong_credential_is_tried_once,
        a_busy_server_is_asked_again, p18_no_secret_stays_anywhere,
    ];
    ssh_by_libgit2: Road::ssh("libgit2") => [
        a_vault_is_made_joined_and_kept_the_same, p08_a_lost_race_is_merged_and_tried_again,
        p08b_a_refused_branch_is_no_success, p29_silence_is_given_up, p06_a_fetch_may_break_anywhere,
        p06_a_push_may_break_anywhere, one_round_trip_when_nothing_changed, what_is_no_vault_is_left_as_it_is,
        another_vault_and_a_repository_that_is_gone_are_told_apart, a_wrong_credential_is_tried_once,
        a_changed_host_key_is_never_accepted,
    ];
    ssh_by_git: Road::ssh("git") => [
        a_vault_is_made_joined_and_kept_the_same, p08_a_lost_race_is_merged_and_tried_again,
        p08b_a_refused_branch_is_no_success, p29_silence_is_given_up, p06_a_fetch_may_break_anywhere,
        p06_a_push_may_break_anywhere, one_round_trip_when_nothing_changed, what_is_no_vault_is_left_as_it_is,
        another_vault_and_a_repository_that_is_gone_are_told_apart, a_wrong_credential_is_tried_once,
        a_changed_host_key_is_never_accepted,
    ];
    daemon_by_libgit2: Road::daemon("libgit2") => [
        a_vault_is_made_joined_and_kept_the_same, p08_a_lost_race_is_merged_and_tried_again,
        p08b_a_refused_branch_is_no_success, p29_silence_is_given_up, p06_a_fetch_may_break_anywhere,
        p06_a_push_may_break_anywhere, one_round_trip_when_nothing_changed, what_is_no_vault_is_left_as_it_is,
        another_vault_and_a_repository_that_is_gone_are_told_apart,
    ];
    daemon_by_git: Road::daemon("git") => [
        a_vault_is_made_joined_and_kept_the_same, p08_a_lost_race_is_merged_and_tried_again,
        p08b_a_refused_branch_is_no_success, p29_silence_is_given_up, p06_a_fetch_may_break_anywhere,
        p06_a_push_may_break_anywhere, one_round_trip_when_nothing_changed, what_is_no_vault_is_left_as_it_is,
        another_vault_and_a_repository_that_is_gone_are_told_apart,
    ];
}

/// The place of a session's transcript on a machine.
fn transcript(machine: &Machine, number: usize) -> String {
    format!("{}/{}.jsonl", machine.project("code/app"), session(number))
}

/// Writes a session with `count` messages.
fn write(machine: &Machine, number: usize, count: usize) {
    let id = session(number);
    machine.write(
        &transcript(machine, number),
        conversation(&id, machine.name.as_str(), "", 0, count),
    );
}

fn a_vault_is_made_joined_and_kept_the_same(road: &Road) {
    let ana = road.joined("ana");
    write(&ana, 1, 5);
    ana.write("CLAUDE.md", "Write plain English.\n");
    ana.csync(&["push"]).ok();

    let bob = road.joined("bob");
    bob.csync(&["pull"]).ok();
    assert_eq!(bob.read(&transcript(&bob, 1)), ana.read(&transcript(&ana, 1)));
    assert_eq!(bob.text("CLAUDE.md"), "Write plain English.\n");

    write(&bob, 2, 3);
    bob.sync();
    assert_eq!(ana.csync(&["sync", "--dry-run", "--json"]).ok().actions().len(), 1);
    assert!(!ana.has(&transcript(&ana, 2)));
    let status = ana.csync(&["status", "--fetch", "--json"]).ok().json();
    assert_eq!(status["incoming"].as_array().unwrap().len(), 1, "{status}");
    ana.sync();
    assert_eq!(ana.read(&transcript(&ana, 2)), bob.read(&transcript(&bob, 2)));
    git(&road.repository, &["fsck", "--strict"]);
}

fn p08_a_lost_race_is_merged_and_tried_again(road: &Road) {
    let (ana, bob) = (road.joined("ana"), road.joined("bob"));
    write(&ana, 1, 2);
    write(&bob, 2, 2);
    // Both have sent all that they have before the branch of either moves.
    write_script(
        &road.repository.join("hooks/pre-receive"),
        "#!/bin/sh\ncat >/dev/null\n: >\"arrived.$$\"\ntries=0\n\
         while [ \"$(ls arrived.* | wc -l)\" -lt 2 ] && [ $tries -lt 1500 ]; do sleep 0.02; tries=$((tries + 1)); done\n",
    );
    let (of_ana, of_bob) = std::thread::scope(|scope| {
        let other = scope.spawn(|| bob.csync(&["sync", "--json"]));
        (ana.csync(&["sync", "--json"]), other.join().unwrap())
    });
    let races = [of_ana.ok().json(), of_bob.ok().json()].map(|report| report["races"].as_u64().unwrap());
    assert_eq!(races.iter().sum::<u64>(), 1, "{races:?}");
    for machine in [&ana, &bob] {
        machine.sync();
    }
    for number in [1, 2] {
        assert_eq!(ana.read(&transcript(&ana, number)), bob.read(&transcript(&bob, number)));
    }
    assert_eq!(
        git(&road.repository, &["rev-list", "--merges", "--count", "main"]).trim(),
        "0"
    );
}

fn p08b_a_refused_branch_is_no_success(road: &Road) {
    let ana = road.joined("ana");
    let before = road.tip();
    write(&ana, 1, 4);
    let written = ana.files();
    for (refusal, told) in [
        (Refusal::ProtectedBranch, "protected"),
        (Refusal::GitLabProtectedBranch, "protected"),
        (Refusal::Quota, "size limit"),
        (Refusal::Hook("no vaults on Mondays"), "no vaults on Mondays"),
        (Refusal::Update("not this branch"), "not this branch"),
    ] {
        hooks::refuse(&road.repository, refusal);
        let run = ana.csync(&["sync"]).fails(16);
        let said = run.stderr.to_lowercase();
        assert!(said.contains(&told.to_lowercase()), "{refusal:?}: {}", run.stderr);
        assert!(run.stderr.contains("hint: "), "{refusal:?}: {}", run.stderr);
        assert_eq!(road.tip(), before, "{refusal:?}");
        let status = ana.csync(&["status", "--json"]).ok().json();
        assert_ne!(status["outgoing"].as_array().unwrap().len(), 0, "{refusal:?}: {status}");
    }
    hooks::allow(&road.repository);
    ana.sync();
    assert_eq!(ana.files(), written);
    let bob = road.joined("bob");
    bob.sync();
    assert_eq!(bob.read(&transcript(&bob, 1)), ana.read(&transcript(&ana, 1)));
}

fn p29_silence_is_given_up(road: &Road) {
    let (mut ana, bob) = (road.joined("ana"), road.joined("bob"));
    write(&bob, 2, 400);
    bob.sync();
    write(&ana, 1, 400);
    ana.set("CSYNC_CONNECT_TIMEOUT", "1");
    ana.set("CSYNC_IDLE_TIMEOUT", "1");
    ana.set("CSYNC_MAX_RETRIES", "0");
    let before = road.tip();
    for fault in [
        Fault::Stall,
        Fault::StallAfter {
            direction: Direction::ToClient,
            bytes: 3_000,
        },
        Fault::StallAfter {
            direction: Direction::ToServer,
            bytes: 600,
        },
    ] {
        road.breaks(fault);
        let start = Instant::now();
        let run = ana.csync(&["sync"]).fails(16);
        // Far more than the two seconds that are configured, on a machine with much else to do; far less than for ever.
        assert!(start.elapsed() < Duration::from_secs(40), "{fault:?}: {}", run.stderr);
        assert_eq!(road.tip(), before, "{fault:?}");
    }
    road.mends();
    ana.csync(&["sync"]).ok();
    assert!(ana.has(&transcript(&ana, 2)));
    bob.sync();
    assert_eq!(bob.read(&transcript(&bob, 1)), ana.read(&transcript(&ana, 1)));
}

fn p06_a_fetch_may_break_anywhere(road: &Road) {
    let (ana, mut bob) = (road.joined("ana"), road.joined("bob"));
    bob.sync();
    for number in 0..8 {
        write(&ana, number, 100);
    }
    ana.sync();
    bob.set("CSYNC_MAX_RETRIES", "0");
    let before = bob.files();
    let seen = git(&bob.mirror(), &["rev-parse", "refs/heads/main"]);
    for (bytes, resets) in [
        (0, false),
        (200, true),
        (1_500, false),
        (4_000, true),
        (7_000, false),
        (12_000, true),
    ] {
        let direction = Direction::ToClient;
        road.breaks(match resets {
            true => Fault::ResetAfter { direction, bytes },
            false => Fault::CutAfter { direction, bytes },
        });
        let run = bob.csync(&["pull"]);
        assert_eq!(run.code, 16, "after {bytes} bytes: {}", run.stderr);
        assert_eq!(bob.files(), before, "after {bytes} bytes");
        assert_eq!(git(&bob.mirror(), &["rev-parse", "refs/heads/main"]), seen);
    }
    road.mends();
    bob.csync(&["pull"]).ok();
    for number in 0..8 {
        assert_eq!(bob.read(&transcript(&bob, number)), ana.read(&transcript(&ana, number)));
    }
    git(&bob.mirror(), &["fsck", "--strict", "--no-dangling"]);
}

fn p06_a_push_may_break_anywhere(road: &Road) {
    let (mut ana, bob) = (road.joined("ana"), road.joined("bob"));
    ana.sync();
    let commits = road.commits();
    for number in 0..8 {
        write(&ana, number, 100);
    }
    ana.set("CSYNC_MAX_RETRIES", "0");
    let before = road.tip();
    for (bytes, resets) in [
        (300, true),
        (2_000, false),
        (5_000, true),
        (9_000, false),
        (15_000, true),
    ] {
        let direction = Direction::ToServer;
        road.breaks(match resets {
            true => Fault::ResetAfter { direction, bytes },
            false => Fault::CutAfter { direction, bytes },
        });
        let run = ana.csync(&["sync"]);
        assert_eq!(run.code, 16, "after {bytes} bytes: {}", run.stderr);
        assert_eq!(road.tip(), before, "after {bytes} bytes");
    }
    road.mends();
    // The next time once more, and this time it is tried again by itself: the server hangs up on the first try.
    road.proxy.on_connection(
        road.proxy.connections() + 1,
        Fault::ResetAfter {
            direction: Direction::ToServer,
            bytes: 300,
        },
    );
    ana.set("CSYNC_MAX_RETRIES", "5");
    ana.csync(&["sync"]).ok();
    assert_eq!(road.commits(), commits + 1, "sent once");
    bob.sync();
    for number in 0..8 {
        assert_eq!(bob.read(&transcript(&bob, number)), ana.read(&transcript(&ana, number)));
    }
    assert_eq!(ana.csync(&["sync", "--json"]).ok().json()["commits"], 0);
}

fn one_round_trip_when_nothing_changed(road: &Road) {
    let ana = road.joined("ana");
    write(&ana, 1, 3);
    // As the server's own log has them.
    let connections = |run: &dyn Fn()| {
        let before = road.connections();
        run();
        road.connections() - before
    };
    assert_eq!(connections(&|| drop(ana.sync())), 2, "one to fetch, one to push");
    if let Server::Https(server) = &road.server {
        server.clear_log();
    }
    assert_eq!(connections(&|| drop(ana.sync())), 1);
    if let Server::Https(server) = &road.server {
        // The server says 401 first: neither transport shows a token before it is asked for.
        let requests: Vec<_> = server.requests().into_iter().map(|request| request.status).collect();
        assert_eq!(requests, [401, 200]);
    }
    assert_eq!(connections(&|| drop(ana.csync(&["pull"]).ok())), 1);
    assert_eq!(connections(&|| drop(ana.csync(&["push"]).ok())), 1);
    assert_eq!(connections(&|| drop(ana.csync(&["status"]).ok())), 0);
    assert_eq!(connections(&|| drop(ana.csync(&["status", "--fetch"]).ok())), 1);
    assert_eq!(connections(&|| drop(ana.csync(&["diff"]).ok())), 0);
    assert_eq!(connections(&|| drop(ana.csync(&["remote", "show"]).ok())), 0);
    assert_eq!(connections(&|| drop(ana.csync(&["remote", "test"]).ok())), 2);
    assert_eq!(connections(&|| drop(ana.csync(&["doctor", "--no-network"]).ok())), 0);
    assert_eq!(connections(&|| drop(ana.csync(&["doctor"]).ok())), 2);
    assert_eq!(connections(&|| drop(ana.csync(&["sync", "--dry-run"]).ok())), 1);
    // Who brings the identity of a member has nothing to write yet.
    assert_eq!(connections(&|| drop(road.joined("bob"))), 1);
}

fn what_is_no_vault_is_left_as_it_is(road: &Road) {
    let ana = road.joined("ana");
    ana.write("CLAUDE.md", "Be brief.\n");
    ana.sync();
    let folder = tempfile::tempdir().unwrap();
    git(folder.path(), &["init", "--quiet", "--initial-branch=main", "."]);
    std::fs::write(folder.path().join("README.md"), "# A project\n").unwrap();
    git(folder.path(), &["add", "."]);
    git(folder.path(), &["commit", "--quiet", "-m", "first"]);
    for (name, branch) in [("readme.git", "main:main"), ("old.git", "main:master")] {
        let repository = road.another(name);
        git(
            folder.path(),
            &["push", "--quiet", repository.to_str().unwrap(), branch],
        );
        let before = files_below(&repository);
        let url = road.url_of(name);
        let new = road.machine(&format!("new-{name}"));
        let run = new
            .csync(&["init", &url, "--device", "new", "--no-passphrase"])
            .fails(1);
        assert!(run.stderr.contains("not a csync vault"), "{}", run.stderr);
        assert!(run.stderr.contains("hint: "), "{}", run.stderr);
        assert!(!new.mirror().exists());
        ana.write("CLAUDE.md", format!("Be brief in {name}.\n"));
        for command in ["sync", "push", "pull"] {
            let mut run = ana.command(&[command]);
            let output = run.env("CSYNC_REMOTE", &url).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{command}: {said}");
            assert!(said.contains("not a csync vault"), "{command}: {said}");
        }
        assert_eq!(files_below(&repository), before, "{name} is as it was, byte for byte");
    }
    ana.sync();
}

fn another_vault_and_a_repository_that_is_gone_are_told_apart(road: &Road) {
    let ana = road.joined("ana");
    ana.write("CLAUDE.md", "Be brief.\n");
    ana.sync();
    let other = road.another("other.git");
    let bob = road.machine("bob");
    bob.csync(&["init", &road.url_of("other.git"), "--device", "bob", "--no-passphrase"])
        .ok();
    let theirs = files_below(&other);
    ana.write("CLAUDE.md", "Be very brief.\n");
    // Another vault is there than before: the host, or somebody, exchanged the repository.
    let away = road.repository.with_extension("away");
    std::fs::rename(&road.repository, &away).unwrap();
    std::fs::rename(&other, &road.repository).unwrap();
    let run = ana.csync(&["sync"]).fails(12);
    assert!(run.stderr.contains("hint: "), "{}", run.stderr);
    assert_eq!(files_below(&road.repository), theirs);

    std::fs::remove_dir_all(&road.repository).unwrap();
    let run = ana.csync(&["sync"]).fails(16);
    assert!(run.stderr.contains("there is no repository at"), "{}", run.stderr);
    assert!(run.stderr.contains("csync remote set-url"), "{}", run.stderr);

    std::fs::rename(&away, &road.repository).unwrap();
    ana.sync();
    let carol = road.joined("carol");
    carol.sync();
    assert_eq!(carol.text("CLAUDE.md"), "Be very brief.\n");
}

fn a_wrong_credential_is_tried_once(road: &Road) {
    let mut ana = road.joined("ana");
    write(&ana, 1, 3);
    match &road.server {
        Server::Https(_) => ana.set("CSYNC_GIT_TOKEN", "wr0ng-t0ken"),
        Server::Ssh(server) => {
            std::fs::copy(server.unknown_key(), ana.home.join(".ssh/id_ed25519")).unwrap();
        }
        Server::Daemon(_) => unreachable!("it asks for none"),
    }
    let before = road.proxy.connections();
    let run = ana.csync(&["sync", "-vvv"]).fails(16);
    assert!(run.stderr.contains("did not accept the sign-in"), "{}", run.stderr);
    assert!(run.stderr.contains("hint: "), "{}", run.stderr);
    assert!(!run.stderr.contains("wr0ng-t0ken"), "{}", run.stderr);
    assert_eq!(road.proxy.connections() - before, 1, "an account is locked by trying");
}

fn a_changed_host_key_is_never_accepted(road: &Road) {
    let Server::Ssh(server) = &road.server else {
        unreachable!("only SSH has host keys")
    };
    let ana = road.joined("ana");
    write(&ana, 1, 3);
    ana.sync();
    let logins = server.logins();
    let known = std::fs::read(ana.home.join(".ssh/known_hosts")).unwrap();
    server.change_host_key();
    write(&ana, 2, 3);
    for arguments in [&["sync"][..], &["pull"], &["status", "--fetch"], &["remote", "test"]] {
        let run = ana.csync(arguments).fails(16);
        assert!(
            run.stderr.contains("could not prove that it is the right host"),
            "{}",
            run.stderr
        );
    }
    assert_eq!(server.logins(), logins, "nobody signed in there");
    assert_eq!(std::fs::read(ana.home.join(".ssh/known_hosts")).unwrap(), known);
}

fn a_busy_server_is_asked_again(road: &Road) {
    let Server::Https(server) = &road.server else {
        unreachable!("only HTTP has status codes")
    };
    let ana = road.joined("ana");
    write(&ana, 1, 3);
    server.busy(2);
    let run = ana.csync(&["sync"]).ok();
    assert!(run.stderr.contains("trying again"), "{}", run.stderr);

    // The push is taken, and its answer is lost: it is recognised, and not done twice.
    let commits = road.commits();
    for instead in [Instead::DoneStatus(502), Instead::DoneClosed, Instead::DoneHalf] {
        ana.append(
            &transcript(&ana, 1),
            conversation(&session(1), &format!("{instead:?}"), "", 100, 1),
        );
        server.next(At::Push, 1, instead);
        ana.csync(&["sync"]).ok();
    }
    assert_eq!(road.commits(), commits + 3);
    let bob = road.joined("bob");
    bob.sync();
    assert_holds(&bob.read(&transcript(&bob, 1)), &ana.read(&transcript(&ana, 1)));

    // What would be the same the next time is not tried again.
    for status in [403, 404] {
        server.clear_log();
        server.next(At::Any, 1, Instead::Status(status));
        ana.csync(&["sync"]).fails(16);
        assert!(server.requests().len() <= 2, "{status}");
    }
}

fn p18_no_secret_stays_anywhere(road: &Road) {
    let ana = road.joined("ana");
    write(&ana, 1, 3);
    let mut told = String::new();
    for arguments in [
        &["sync", "-vvv"][..],
        &["remote", "show", "-vvv"],
        &["remote", "test", "-vvv"],
        &["doctor", "-vvv"],
    ] {
        let run = ana.csync(arguments);
        told += &(run.stdout + &run.stderr);
    }
    road.breaks(Fault::Refuse);
    told += &ana.csync(&["sync", "-vvv"]).stderr;
    let secret = crate::servers::https::TOKEN.1;
    assert!(!told.contains(secret), "{told}");
    for (path, content) in crate::machines::files_below(&ana.home) {
        assert!(
            !content.windows(secret.len()).any(|part| part == secret.as_bytes()),
            "{path}"
        );
    }
}
