//! `init`: making a vault and joining one, by every way that there is, and everything that can be wrong with it.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::hostile_host::host::Host;
use crate::machines::{Machine, Run, TwoMachines, files_below, git};

const PASSPHRASE: &str = "seven green turtles sing at noon";

/// A private file in `folder`.
fn private(folder: &Path, name: &str, content: &str) -> String {
    let folder = folder.join("private");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    let file = folder.join(name);
    std::fs::write(&file, content).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    file.to_str().unwrap().to_owned()
}

fn init<'a>(two: &'a TwoMachines, device: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["init", two.remote(), "--device", device];
    arguments.extend_from_slice(more);
    arguments
}

/// A run with `input` on standard input.
fn with_input(machine: &Machine, arguments: &[&str], input: &str) -> Run {
    let mut child = machine
        .command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn a_vault_is_made_with_a_passphrase_file_and_joined_from_standard_input() {
    let two = TwoMachines::apart();
    let file = private(two.folder.path(), "passphrase", &format!("{PASSPHRASE}\nsecond line\n"));
    let made = two
        .ana
        .csync(&init(&two, "laptop", &["--passphrase-file", &file, "--json"]))
        .ok();
    assert_eq!(
        (made.json()["new"].clone(), made.json()["passphrase"].clone()),
        (true.into(), true.into())
    );
    two.ana.write("CLAUDE.md", "Be kind.\n");
    two.ana.sync();
    let joined = with_input(
        &two.bob,
        &init(&two, "desk", &["--passphrase-file", "-", "--json"]),
        &format!("{PASSPHRASE}\n"),
    )
    .ok();
    assert_eq!(joined.json()["new"], false);
    assert_eq!(joined.json()["vault"], made.json()["vault"]);
    two.bob.sync();
    assert_eq!(two.bob.text("CLAUDE.md"), "Be kind.\n");
    // The other machine is told of the new member by name, once.
    let told = two.ana.csync(&["sync"]).ok();
    assert_eq!(
        told.stderr.matches("desk was added to this vault").count(),
        1,
        "{}",
        told.stderr
    );
    assert!(!two.ana.csync(&["sync"]).ok().stderr.contains("desk"));
    // From now on its own identity opens the vault: no passphrase is asked for.
    two.bob.csync(&["status", "--fetch"]).ok();
}

#[test]
fn a_vault_is_made_and_joined_by_a_variable_and_a_wrong_passphrase_writes_nothing() {
    let two = TwoMachines::apart();
    let arguments = init(&two, "laptop", &[]);
    let output = two
        .ana
        .command(&arguments)
        .env("CSYNC_PASSPHRASE", PASSPHRASE)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tip = two.tip();
    let arguments = init(&two, "desk", &[]);
    let wrong = two
        .bob
        .command(&arguments)
        .env("CSYNC_PASSPHRASE", "not this one")
        .output()
        .unwrap();
    assert_eq!(
        wrong.status.code(),
        Some(12),
        "{}",
        String::from_utf8_lossy(&wrong.stderr)
    );
    assert!(!String::from_utf8_lossy(&wrong.stderr).contains("not this one"));
    assert!(
        files_below(&two.bob.home).is_empty(),
        "{:?}",
        files_below(&two.bob.home).keys()
    );
    assert_eq!(two.tip(), tip);
    let right = two
        .bob
        .command(&arguments)
        .env("CSYNC_PASSPHRASE", PASSPHRASE)
        .output()
        .unwrap();
    assert!(right.status.success(), "{}", String::from_utf8_lossy(&right.stderr));
    two.bob.sync();
}

#[test]
fn without_anything_that_opens_the_vault_nothing_is_written() {
    let two = TwoMachines::apart();
    two.ana.csync(&init(&two, "laptop", &["--no-passphrase"])).ok();
    let tip = two.tip();
    let run = two.bob.csync(&init(&two, "desk", &[])).fails(12);
    assert!(run.stderr.contains("--identity"), "{}", run.stderr);
    assert!(files_below(&two.bob.home).is_empty());
    // Another person's identity opens nothing either.
    let other = TwoMachines::joined();
    let stranger = other.ana.identity();
    two.bob
        .csync(&init(&two, "desk", &["--identity", stranger.to_str().unwrap()]))
        .fails(12);
    assert!(files_below(&two.bob.home).is_empty());
    assert_eq!(two.tip(), tip);
}

#[test]
fn a_bad_identity_or_passphrase_file_is_one_clear_error() {
    let two = TwoMachines::joined();
    let carl = Machine::new("carl", two.folder.path().join("carl"));
    let garbage = private(two.folder.path(), "garbage", "AGE-SECRET-KEY-1CANARY\n");
    let run = carl.csync(&init(&two, "carl", &["--identity", &garbage])).fails(12);
    assert!(
        !run.stderr.contains("CANARY") && run.stderr.contains("hint: "),
        "{}",
        run.stderr
    );
    carl.csync(&init(&two, "carl", &["--identity", "/nowhere/identity.txt"]))
        .fails(12);
    let open = private(
        two.folder.path(),
        "open",
        &std::fs::read_to_string(two.ana.identity()).unwrap(),
    );
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o644)).unwrap();
    let run = carl.csync(&init(&two, "carl", &["--identity", &open])).fails(12);
    assert!(run.stderr.contains("chmod 600"), "{}", run.stderr);
    assert!(files_below(&carl.home).is_empty());
    // A new vault: a passphrase that is too short, and a file that is not there.
    let apart = TwoMachines::apart();
    let short = private(apart.folder.path(), "short", "1234567\n");
    apart
        .ana
        .csync(&init(&apart, "ana", &["--passphrase-file", &short]))
        .fails(2);
    apart
        .ana
        .csync(&init(&apart, "ana", &["--passphrase-file", "/nowhere/passphrase"]))
        .fails(12);
    apart.ana.csync(&init(&apart, "ana", &[])).fails(2);
    assert!(git(&apart.remote, &["for-each-ref"]).is_empty(), "nothing was pushed");
}

#[test]
fn a_machine_that_has_joined_does_not_join_again() {
    let two = TwoMachines::joined();
    let tip = two.tip();
    let before = files_below(&two.bob.home.join(".config"));
    let run = two.bob.csync(&init(&two, "again", &[])).fails(2);
    assert!(run.stderr.contains("already part of the vault"), "{}", run.stderr);
    two.bob.csync(&["init", "--local"]).fails(2);
    assert!(files_below(&two.bob.home.join(".config")) == before);
    assert_eq!(two.tip(), tip);
}

#[test]
fn a_repository_that_is_no_vault_is_refused_and_left_alone() {
    let two = TwoMachines::apart();
    let host = Host::of(&two.remote);
    let tree = git(&two.remote, &["hash-object", "-t", "tree", "-w", "/dev/null"]);
    let commit = host.commit(tree.trim(), &[], "first\n");
    host.reset(&commit);
    let run = two.ana.csync(&init(&two, "ana", &["--no-passphrase"])).fails(1);
    assert!(
        run.stderr.contains("not a csync vault") && run.stderr.contains("hint: "),
        "{}",
        run.stderr
    );
    assert_eq!(two.tip(), commit);
    assert!(files_below(&two.ana.home).is_empty());
    // No repository at all, and one with a work tree.
    two.ana
        .csync(&["init", "/nowhere/vault.git", "--device", "ana", "--no-passphrase"])
        .fails(16);
    git(two.folder.path(), &["init", "--quiet", "tree"]);
    let tree = two.folder.path().join("tree");
    two.ana
        .csync(&["init", tree.to_str().unwrap(), "--device", "ana", "--no-passphrase"])
        .fails(2);
    assert!(files_below(&two.ana.home).is_empty());
}

#[test]
fn a_local_vault_needs_no_server_and_no_answer() {
    let two = TwoMachines::apart();
    two.ana.csync(&["init", "--local", "--device", "ana"]).ok();
    two.ana.write("CLAUDE.md", "Be kind.\n");
    assert_eq!(two.ana.sync().json()["commits"], 1);
    assert!(two.ana.home.join(".local/share/csync/remote.git/objects").is_dir());
    two.ana.csync(&["init", "--local", "--device", "ana"]).fails(2);
}

#[test]
fn of_two_machines_that_found_at_once_one_founds() {
    for _ in 0..3 {
        let two = TwoMachines::apart();
        let start = |machine: &Machine, device: &str| {
            machine
                .command(&init(&two, device, &["--no-passphrase"]))
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        };
        let children = [start(&two.ana, "ana"), start(&two.bob, "bob")];
        let mut founded = 0;
        for child in children {
            let output = child.wait_with_output().unwrap();
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            match output.status.code() {
                Some(0) => founded += 1,
                // Told that another was first; or it came so late that it would have had to join.
                Some(1) => assert!(told.contains("run the same command again"), "{told}"),
                Some(12) => assert!(told.contains("--identity"), "{told}"),
                other => panic!("{other:?}: {told}"),
            }
        }
        assert_eq!(founded, 1);
        assert_eq!(two.commits(), 1);
    }
}

#[test]
fn p05_an_init_that_was_killed_is_simply_run_again() {
    for number in 0..5 {
        let two = TwoMachines::apart();
        let mut child = two
            .ana
            .command(&init(&two, "ana", &["--no-passphrase"]))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(3 + number * 9));
        let _ = child.kill();
        child.wait().unwrap();
        let again = two.ana.csync(&init(&two, "ana", &["--no-passphrase"]));
        assert!(
            again.code == 0 || again.stderr.contains("already part of the vault"),
            "after {number}: {}{}",
            again.stdout,
            again.stderr
        );
        two.ana.write("CLAUDE.md", "Be kind.\n");
        two.ana.sync();
        // Joining is killed in the same way.
        let identity = two.ana.identity();
        let join = init(&two, "bob", &["--identity", identity.to_str().unwrap()]);
        let mut child = two
            .bob
            .command(&join)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(3 + number * 9));
        let _ = child.kill();
        child.wait().unwrap();
        let again = two.bob.csync(&join);
        assert!(
            again.code == 0 || again.stderr.contains("already part"),
            "after {number}: {}",
            again.stderr
        );
        two.bob.sync();
        assert_eq!(two.bob.text("CLAUDE.md"), "Be kind.\n");
        let stray: Vec<PathBuf> = std::fs::read_dir(two.bob.home.join(".local/share/csync"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "new"))
            .collect();
        assert!(stray.is_empty(), "{stray:?}");
    }
}
