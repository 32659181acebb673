//! `csync remote`: showing, testing and changing where the vault is kept.

use std::path::Path;

use crate::machines::{Machine, Run, TwoMachines, files_below, git};
use crate::roads::{Road, Server};
use crate::servers::Fault;

/// Two machines that have synced, so that the vault has some history.
fn synced() -> TwoMachines {
    let two = TwoMachines::joined();
    two.ana.write("CLAUDE.md", "Be brief.\n");
    two.sync_all();
    two
}

/// Another empty repository in the same folder.
fn bare(two: &TwoMachines, name: &str) -> String {
    let path = two.folder.path().join(name);
    git(
        two.folder.path(),
        &["init", "--quiet", "--bare", "--initial-branch=main", name],
    );
    path.to_str().unwrap().to_owned()
}

/// A copy of the remote as it is now.
fn copy(two: &TwoMachines, name: &str) -> String {
    git(two.folder.path(), &["clone", "--quiet", "--bare", two.remote(), name]);
    two.folder.path().join(name).to_str().unwrap().to_owned()
}

fn tip(repository: &str) -> String {
    git(Path::new(repository), &["rev-parse", "refs/heads/main"])
        .trim()
        .to_owned()
}

fn remote_of(machine: &Machine) -> String {
    machine
        .csync(&["config", "get", "remote"])
        .ok()
        .stdout
        .trim()
        .to_owned()
}

fn holds(run: &Run) -> String {
    run.json()["holds"].as_str().unwrap().to_owned()
}

#[test]
fn show_tells_where_the_vault_is_and_asks_nobody() {
    let two = synced();
    let ana = &two.ana;
    std::fs::rename(&two.remote, two.folder.path().join("away")).unwrap();

    let shown = ana
        .csync(&["remote", "show", "--json", "--transport", "git"])
        .ok()
        .json();

    assert_eq!(shown["remote"], two.remote.to_str().unwrap());
    assert_eq!(shown["road"], "folder");
    assert_eq!(shown["transport"], "git");
    assert_eq!(shown["transport_origin"], "flag --transport");
    assert_eq!(shown["device"], "ana's laptop");
    assert_eq!(shown["tip"], tip(two.folder.path().join("away").to_str().unwrap()));
    assert!(shown["last_sync"].is_string());

    let stranger = Machine::new("carol", two.folder.path().join("carol"));
    stranger.csync(&["remote", "show"]).fails(10);
}

#[test]
fn test_says_what_the_remote_holds_and_changes_nothing() {
    let two = synced();
    let (ana, bob) = (&two.ana, &two.bob);
    assert_eq!(holds(&ana.csync(&["remote", "test", "--json"]).ok()), "this vault");

    bob.write("CLAUDE.md", "Be brief. Ask first.\n");
    bob.sync();
    let (mirror, remote) = (files_below(&ana.mirror()), files_below(&two.remote));
    let newer = ana.csync(&["remote", "test", "--json"]).ok();
    assert_eq!(holds(&newer), "this vault, newer");
    assert_eq!(newer.json()["detail"], 1);
    assert_eq!(newer.json()["tip"], two.tip());
    assert!(newer.json()["writable"].as_bool().unwrap());
    assert_eq!(files_below(&ana.mirror()), mirror, "the mirror is as it was");
    assert_eq!(files_below(&two.remote), remote, "the remote is as it was");
}

#[test]
fn test_tells_other_addresses_apart() {
    let two = synced();
    let ana = &two.ana;
    let empty = bare(&two, "empty.git");
    assert_eq!(holds(&ana.csync(&["remote", "test", &empty, "--json"]).ok()), "nothing");

    let older = copy(&two, "older.git");
    ana.write("CLAUDE.md", "Be brief, always.\n");
    ana.sync();
    assert_eq!(
        holds(&ana.csync(&["remote", "test", &older, "--json"]).ok()),
        "this vault, older"
    );

    let other = bare(&two, "other.git");
    let carol = Machine::new("carol", two.folder.path().join("carol"));
    carol
        .csync(&["init", &other, "--device", "carol", "--no-passphrase"])
        .ok();
    assert_eq!(
        holds(&ana.csync(&["remote", "test", &other, "--json"]).fails(12)),
        "another vault"
    );

    let gone = two.folder.path().join("gone.git");
    let away = ana.csync(&["remote", "test", gone.to_str().unwrap()]).fails(16);
    assert!(away.stderr.contains("gone.git"), "{}", away.stderr);

    // Before there is a vault on a machine, the connection is all that can be tested.
    let dave = Machine::new("dave", two.folder.path().join("dave"));
    assert_eq!(
        holds(&dave.csync(&["remote", "test", &empty, "--json"]).ok()),
        "nothing"
    );
    assert_eq!(
        holds(&dave.csync(&["remote", "test", two.remote(), "--json"]).ok()),
        "something"
    );
    dave.csync(&["remote", "test"]).fails(10);
    assert!(!dave.home.join(".local").exists(), "a test leaves nothing behind");
}

#[test]
fn a_repository_that_is_no_vault_is_told_and_left_alone() {
    let two = synced();
    let ana = &two.ana;
    let work = two.folder.path().join("work");
    git(two.folder.path(), &["init", "--quiet", "--initial-branch=main", "work"]);
    std::fs::write(work.join("README.md"), "A program.\n").unwrap();
    git(&work, &["add", "."]);
    git(&work, &["commit", "--quiet", "-m", "begin"]);
    git(
        two.folder.path(),
        &["clone", "--quiet", "--bare", "work", "program.git"],
    );
    let program = two.folder.path().join("program.git");
    let program = program.to_str().unwrap();
    let before = files_below(Path::new(program));

    assert_ne!(ana.csync(&["remote", "test", program]).code, 0);
    for push in [&["--push"][..], &[]] {
        let arguments = [&["remote", "set-url", program], push].concat();
        let refused = ana.csync(&arguments).fails(1);
        assert!(refused.stderr.contains("not a csync vault"), "{}", refused.stderr);
    }
    assert_eq!(remote_of(ana), two.remote());
    assert_eq!(files_below(Path::new(program)), before);
}

#[test]
fn a_vault_moves_to_an_empty_repository_with_its_whole_history() {
    let two = synced();
    let (ana, bob) = (&two.ana, &two.bob);
    let new = bare(&two, "new.git");

    let refused = ana.csync(&["remote", "set-url", &new]).fails(2);
    assert!(refused.stderr.contains("--push"), "{}", refused.stderr);
    assert_eq!(remote_of(ana), two.remote(), "nothing was changed");

    let moved = ana.csync(&["remote", "set-url", &new, "--push"]).ok();
    assert!(
        moved.stdout.contains(two.remote()),
        "the old address is told: {}",
        moved.stdout
    );
    assert_eq!(remote_of(ana), new);
    assert_eq!(tip(&new), two.tip());
    git(Path::new(&new), &["fsck", "--strict"]);

    // The other device follows, and both go on there.
    bob.csync(&["remote", "set-url", &new]).ok();
    ana.write("CLAUDE.md", "Be brief, here too.\n");
    ana.sync();
    bob.sync();
    assert_eq!(bob.text("CLAUDE.md"), "Be brief, here too.\n");
    assert_ne!(tip(&new), two.tip(), "the old repository is left as it was");
}

#[test]
fn a_repository_that_lags_behind_is_brought_up_to_date() {
    let two = synced();
    let ana = &two.ana;
    let lagging = copy(&two, "lagging.git");
    ana.write("CLAUDE.md", "Be brief, always.\n");
    ana.sync();

    ana.csync(&["remote", "set-url", &lagging]).fails(2);
    let moved = ana
        .csync(&["remote", "set-url", &lagging, "--push", "--json"])
        .ok()
        .json();

    assert_eq!(moved["sent"], 1);
    assert_eq!(moved["before"], two.remote());
    assert_eq!(tip(&lagging), two.tip());
    ana.sync();
}

#[test]
fn nothing_is_left_behind_at_the_old_address() {
    let two = synced();
    let (ana, bob) = (&two.ana, &two.bob);
    let new = bare(&two, "new.git");
    bob.write("agents/review.md", "Look twice.\n");
    bob.sync();

    let refused = ana.csync(&["remote", "set-url", &new, "--push"]).fails(1);
    assert!(refused.stderr.contains("csync sync"), "{}", refused.stderr);
    assert_eq!(remote_of(ana), two.remote());

    ana.sync();
    ana.csync(&["remote", "set-url", &new, "--push"]).ok();

    // A host that is gone may be why one moves: that is told, and does not stop the move.
    let newest = bare(&two, "newest.git");
    std::fs::remove_dir_all(&new).unwrap();
    let moved = ana.csync(&["remote", "set-url", &newest, "--push"]).ok();
    assert!(moved.stderr.contains("could not be asked"), "{}", moved.stderr);
    ana.sync();
}

#[test]
fn what_is_sealed_and_waits_goes_to_the_new_address_with_the_next_sync() {
    let (old, new) = (Road::daemon("auto"), Road::daemon("auto"));
    let ana = old.joined("ana");
    ana.write("CLAUDE.md", "Be brief.\n");
    ana.sync();
    let tip = old.tip();
    old.breaks(Fault::Refuse);
    ana.write("CLAUDE.md", "Be brief, also when alone.\n");
    ana.csync(&["sync"]).fails(16);

    let moved = ana.csync(&["remote", "set-url", &new.url(), "--push"]).ok();
    assert!(moved.stderr.contains("could not be asked"), "{}", moved.stderr);
    assert_eq!(new.tip(), tip, "what is verified moves");
    assert_eq!(holds(&ana.csync(&["remote", "test", "--json"]).ok()), "this vault");
    ana.sync();
    assert_ne!(new.tip(), tip, "and what waited follows");
}

#[test]
fn another_vault_and_another_history_are_refused() {
    let two = synced();
    let (ana, bob) = (&two.ana, &two.bob);
    let other = bare(&two, "other.git");
    let carol = Machine::new("carol", two.folder.path().join("carol"));
    carol
        .csync(&["init", &other, "--device", "carol", "--no-passphrase"])
        .ok();
    ana.csync(&["remote", "set-url", &other, "--push"]).fails(12);

    // Bob goes on with a copy, Ana with the remote.
    let copied = copy(&two, "copied.git");
    bob.csync(&["remote", "set-url", &copied]).ok();
    bob.write("agents/a.md", "a\n");
    bob.sync();
    ana.write("agents/b.md", "b\n");
    ana.sync();
    let refused = ana.csync(&["remote", "set-url", &copied, "--push"]).fails(14);
    assert!(refused.stderr.contains("another history"), "{}", refused.stderr);
    assert_eq!(remote_of(ana), two.remote());
}

#[test]
fn an_address_is_checked_before_it_is_written() {
    let two = synced();
    let ana = &two.ana;
    let refused = ana
        .csync(&[
            "remote",
            "set-url",
            "https://ana:hunter2@127.0.0.1:1/v.git",
            "--no-test",
        ])
        .fails(2);
    assert!(!refused.stderr.contains("hunter2"), "{}", refused.stderr);
    ana.csync(&["remote", "set-url", "ext::sh -c true", "--no-test"])
        .fails(2);
    ana.csync(&["remote", "set-url", "/nowhere/v.git"]);
    assert_eq!(remote_of(ana), two.remote());

    ana.csync(&["remote", "set-url", "/nowhere/v.git", "--no-test"]).ok();
    assert_eq!(remote_of(ana), "/nowhere/v.git");
    let mut elsewhere = Machine::new("ana", ana.home.clone());
    elsewhere.set("CSYNC_REMOTE", two.remote());
    let moved = elsewhere
        .csync(&["remote", "set-url", "/elsewhere/v.git", "--no-test"])
        .ok();
    assert!(moved.stderr.contains("CSYNC_REMOTE"), "{}", moved.stderr);
}

#[test]
fn transport_is_a_flag_of_every_command_that_reaches_a_remote() {
    let two = TwoMachines::apart();
    for command in [
        &["init"][..],
        &["sync"],
        &["push"],
        &["pull"],
        &["status"],
        &["doctor"],
        &["remote", "show"],
        &["remote", "test"],
        &["remote", "set-url"],
    ] {
        let help = two.ana.csync(&[command, &["-h"]].concat()).ok().stdout;
        assert!(help.contains("--transport <WHAT>"), "{command:?}: {help}");
    }
    two.ana.csync(&["sync", "--transport", "pigeon"]).fails(2);
}

/// Every road with each transport that can take it.
fn roads() -> [(Road, &'static str); 5] {
    [
        (Road::https("libgit2"), "libgit2"),
        (Road::https("git"), "git"),
        (Road::ssh("libgit2"), "libgit2"),
        (Road::ssh("git"), "git"),
        (Road::daemon("auto"), "libgit2"),
    ]
}

#[test]
fn every_road_is_tested_with_two_connections_and_nothing_is_written() {
    for (road, carrier) in roads() {
        let ana = road.joined("ana");
        ana.write("CLAUDE.md", "Be brief.\n");
        ana.sync();
        let (tip, before) = (road.tip(), road.proxy.connections());

        let run = ana.csync(&["remote", "test", "--json"]).ok();

        assert_eq!(holds(&run), "this vault", "{}", road.url());
        assert_eq!(run.json()["carrier"], carrier);
        assert_eq!(run.json()["writable"], true, "{}", run.stdout);
        assert_eq!(road.tip(), tip);
        let connections = road.proxy.connections() - before;
        assert!(
            connections <= 2,
            "{connections} connections to {} by {carrier}",
            road.url()
        );

        road.breaks(Fault::Refuse);
        ana.csync(&["remote", "test"]).fails(16);
    }
}

#[test]
fn a_key_that_may_only_read_is_told_and_the_vault_does_not_move_there() {
    for transport in ["libgit2", "git"] {
        let road = Road::ssh(transport);
        let ana = road.joined("ana");
        let Server::Ssh(server) = &road.server else {
            unreachable!("this road is one of SSH")
        };
        server.bare("other.git");
        std::fs::copy(server.read_only_key(), ana.home.join(".ssh/id_ed25519")).unwrap();

        let told = ana.csync(&["remote", "test", "--json"]).fails(16);
        assert_eq!(told.json()["writable"], false, "{}", told.stdout);
        assert_eq!(holds(&told), "this vault");

        let other = server.url_through(road.proxy.port(), "other.git");
        let refused = ana.csync(&["remote", "set-url", &other, "--push"]).fails(16);
        assert!(refused.stderr.contains("cannot be written"), "{}", refused.stderr);
        assert_eq!(remote_of(&ana), road.url());
    }
}

#[test]
fn a_vault_moves_from_one_host_to_another_over_the_network() {
    for transport in ["libgit2", "git"] {
        let (old, new) = (Road::https(transport), Road::daemon(transport));
        let ana = old.joined("ana");
        ana.write("CLAUDE.md", "Be brief.\n");
        ana.sync();
        ana.csync(&["remote", "set-url", &new.url(), "--push"]).ok();
        assert_eq!(new.tip(), old.tip());
        ana.write("CLAUDE.md", "Be brief, here too.\n");
        ana.sync();
        assert_ne!(new.tip(), old.tip());
    }
}
