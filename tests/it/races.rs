//! Two at once: on one machine, and from two machines.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::machines::{Machine, TwoMachines, git};
use crate::servers::{Daemon, Running, wait_until};
use crate::transcripts::{assert_holds, assert_no_message_twice, conversation, last_prompt, lines, message, session};

fn transcript(machine: &Machine, id: &str) -> String {
    format!("{}/{id}.jsonl", machine.project("code/app"))
}

/// Where csync keeps its lock.
fn lock(machine: &Machine) -> PathBuf {
    machine.home.join(".local/state/csync/lock")
}

/// The process that says that it holds the lock.
fn holder(machine: &Machine) -> Option<u32> {
    let text = std::fs::read(lock(machine)).ok()?;
    let said: serde_json::Value = serde_json::from_slice(&text).ok()?;
    u32::try_from(said["pid"].as_u64()?).ok()
}

/// A sync that was stopped while it holds the lock.
fn stopped_in_the_middle(machine: &Machine) -> Running {
    // A busy machine may let a run end before the signal comes: then there is another to stop.
    for attempt in 0..20 {
        for number in 0..40 {
            let id = session(1000 * (attempt + 1) + number);
            machine.write(&transcript(machine, &id), conversation(&id, "x", "", 0, 200));
        }
        let mut run = Running::start(machine.command(&["sync"]));
        wait_until("the lock", || {
            holder(machine) == Some(run.0.id()) || run.0.try_wait().unwrap().is_some()
        });
        if run.0.try_wait().unwrap().is_some() {
            continue;
        }
        run.signal("STOP");
        let stat = format!("/proc/{}/stat", run.0.id());
        wait_until("the stop", || {
            let stat = std::fs::read_to_string(&stat).unwrap_or_default();
            stat.rsplit(')')
                .next()
                .is_some_and(|rest| rest.trim_start().starts_with(['T', 'Z']))
        });
        if holder(machine) == Some(run.0.id()) {
            return run;
        }
    }
    panic!("no run could be stopped in the middle");
}

#[test]
fn p08_three_machines_that_push_at_once_come_to_the_same() {
    let two = TwoMachines::joined();
    let cleo = two.third("cleo");
    let machines = [&two.ana, &two.bob, &cleo];
    let shared = session(1);
    two.ana.write(
        &transcript(&two.ana, &shared),
        conversation(&shared, "s", "", 0, 2) + &last_prompt(&shared, "s2"),
    );
    for machine in machines {
        machine.sync();
    }
    let mut own: [String; 3] = Default::default();
    let mut races = 0;
    for round in 0..4 {
        for (number, machine) in machines.into_iter().enumerate() {
            // Lines that are no conversation, so that nothing branches and each line counts.
            let line = message(
                &shared,
                &format!("{}{round}", machine.name),
                "s2",
                10 * round + number,
                "note",
            )
            .replace("\"type\":\"user\"", "\"type\":\"system\"");
            machine.append(&transcript(machine, &shared), &line);
            own[number].push_str(&line);
            let id = session(100 * (number + 1) + round);
            machine.write(&transcript(machine, &id), conversation(&id, "x", "", 0, 5));
        }
        let runs: Vec<Child> = machines
            .into_iter()
            .map(|machine| {
                machine
                    .command(&["sync", "--json"])
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        for run in runs {
            let output = run.wait_with_output().unwrap();
            let told = String::from_utf8_lossy(&output.stderr);
            match output.status.code() {
                Some(0) => {
                    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
                    races += report["races"].as_u64().unwrap();
                }
                // Beaten every time: it says so, and nothing is lost.
                Some(16) => assert!(told.contains("pushed first"), "{told}"),
                code => panic!("{code:?}: {told}"),
            }
        }
    }
    assert!(races > 0, "nobody was ever beaten: this test shows nothing");
    for machine in [&two.ana, &two.bob, &cleo, &two.ana, &two.bob] {
        machine.sync();
    }

    let merged = two.ana.read(&transcript(&two.ana, &shared));
    assert_eq!(lines(&merged).len(), 3 + 3 * 4);
    assert_no_message_twice(&merged);
    for (number, machine) in machines.into_iter().enumerate() {
        assert_eq!(machine.read(&transcript(machine, &shared)), merged);
        assert_holds(&merged, own[number].as_bytes());
        for id in (0..3).flat_map(|other| (0..4).map(move |round| session(100 * (other + 1) + round))) {
            assert!(machine.has(&transcript(machine, &id)), "{id} on {}", machine.name);
        }
    }
    // No push ever threw away another's: history is one line that only grew.
    git(&two.remote, &["fsck", "--strict"]);
    let merges = git(&two.remote, &["rev-list", "--merges", "--count", "main"]);
    assert_eq!(merges.trim(), "0");
}

/// What the mirror knows of the vault: all its refs.
fn refs(machine: &Machine) -> String {
    git(&machine.mirror(), &["for-each-ref"])
}

#[test]
fn p08b_a_server_that_refuses_the_push_is_no_success() {
    let two = TwoMachines::apart();
    let daemon = Daemon::serving(two.folder.path());
    let url = daemon.url("remote.git");
    two.ana
        .csync(&["init", &url, "--device", "ana", "--no-passphrase"])
        .ok();
    let identity = two.ana.identity();
    two.bob
        .csync(&[
            "init",
            &url,
            "--device",
            "bob",
            "--identity",
            identity.to_str().unwrap(),
        ])
        .ok();
    two.ana.sync();
    let hook = two.remote.join("hooks/pre-receive");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, "#!/bin/sh\necho 'closed on sundays' >&2\nexit 1\n").unwrap();
    std::fs::set_permissions(&hook, PermissionsExt::from_mode(0o755)).unwrap();
    let id = session(1);
    let content = conversation(&id, "a", "", 0, 3);
    two.ana.write(&transcript(&two.ana, &id), &content);
    two.ana.write("CLAUDE.md", "# me\n");

    let (tip, before) = (two.tip(), refs(&two.ana));
    for command in ["push", "sync"] {
        let run = two.ana.csync(&[command, "--json"]);
        assert_eq!(run.code, 16, "{}", run.stderr);
        assert!(run.stderr.contains("closed on sundays"), "{}", run.stderr);
        assert!(run.stderr.contains("hint:"), "{}", run.stderr);
        assert!(run.stdout.is_empty(), "it says that something was done: {}", run.stdout);
        assert_eq!(two.tip(), tip);
        assert_eq!(refs(&two.ana), before, "nothing says here that it was pushed");
    }
    let waiting = two.ana.csync(&["sync", "--dry-run", "--json"]).ok().actions();
    assert_eq!(waiting.len(), 2, "{waiting:?}");
    assert!(waiting.iter().all(|(action, _)| action == "added"));

    std::fs::remove_file(&hook).unwrap();
    assert_eq!(two.ana.sync().actions().len(), 2);
    two.bob.sync();
    assert_eq!(two.bob.text(&transcript(&two.bob, &id)), content);
    assert_eq!(two.bob.text("CLAUDE.md"), "# me\n");
}

#[test]
fn p08b_what_merged_before_the_refusal_is_delivered_afterwards() {
    let two = TwoMachines::apart();
    let daemon = Daemon::serving(two.folder.path());
    let url = daemon.url("remote.git");
    two.ana
        .csync(&["init", &url, "--device", "ana", "--no-passphrase"])
        .ok();
    let identity = two.ana.identity();
    two.bob
        .csync(&[
            "init",
            &url,
            "--device",
            "bob",
            "--identity",
            identity.to_str().unwrap(),
        ])
        .ok();
    let id = session(1);
    let start = conversation(&id, "s", "", 0, 2) + &last_prompt(&id, "s2");
    two.ana.write(&transcript(&two.ana, &id), &start);
    two.sync_all();
    let early = conversation(&id, "a", "s2", 10, 2) + &last_prompt(&id, "a2");
    let late = conversation(&id, "b", "s2", 50, 2) + &last_prompt(&id, "b2");
    two.ana.append(&transcript(&two.ana, &id), &early);
    two.bob.append(&transcript(&two.bob, &id), &late);
    two.ana.sync();
    // Packs may come in, but the branch may not move: an `update` hook speaks after the objects have been unpacked.
    let hook = two.remote.join("hooks/update");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, "#!/bin/sh\nexit 1\n").unwrap();
    std::fs::set_permissions(&hook, PermissionsExt::from_mode(0o755)).unwrap();
    let tip = two.tip();
    two.bob.csync(&["sync"]).fails(16);
    two.bob.csync(&["sync"]).fails(16);
    assert_eq!(two.tip(), tip);
    std::fs::remove_file(&hook).unwrap();
    two.bob.sync();
    two.ana.sync();

    let all = format!("{start}{early}{late}");
    for machine in [&two.ana, &two.bob] {
        assert_eq!(machine.text(&transcript(machine, &id)), all);
        assert_eq!(machine.files().len(), 2, "the session and its one branch");
    }
}

#[test]
fn p32_runs_on_one_machine_wait_for_each_other() {
    let two = TwoMachines::joined();
    for number in 0..10 {
        let id = session(number);
        two.ana
            .write(&transcript(&two.ana, &id), conversation(&id, "x", "", 0, 20));
    }
    let commits = two.commits();
    let runs: Vec<Running> = (0..4)
        .map(|_| Running::start(two.ana.command(&["sync", "--json"])))
        .collect();
    for mut run in runs {
        assert_eq!(run.code(), Some(0));
    }
    assert_eq!(two.commits(), commits + 1, "the first one did it all");
    two.bob.sync();
    assert_eq!(two.bob.files().len(), 10);
}

#[test]
fn p32_the_lock_of_a_killed_run_is_not_in_the_way() {
    let two = TwoMachines::joined();
    let mut killed = stopped_in_the_middle(&two.ana);
    killed.0.kill().unwrap();
    killed.0.wait().unwrap();
    assert_eq!(holder(&two.ana), Some(killed.0.id()), "its name still stands there");
    let start = Instant::now();
    two.ana.sync();
    assert!(start.elapsed() < Duration::from_secs(9), "it waited for a dead process");
    two.bob.sync();
    assert!(two.bob.files().len() >= 40);
}

#[test]
fn p32_a_run_that_finds_the_vault_locked_names_the_holder() {
    let two = TwoMachines::joined();
    let mut stopped = stopped_in_the_middle(&two.ana);
    // Three at a time: each waits its while.
    let waiting: Vec<Child> = ["sync", "pull", "status"]
        .into_iter()
        .map(|command| {
            two.ana
                .command(&[command])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut run in waiting {
        assert_eq!(run.wait().unwrap().code(), Some(11));
        let mut told = String::new();
        run.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert!(told.contains(&stopped.0.id().to_string()), "{told}");
        assert!(told.contains("sync"), "{told}");
        assert!(told.contains("hint:"), "{told}");
    }
    stopped.signal("CONT");
    assert_eq!(stopped.code(), Some(0), "the holder goes on as if nothing had been");
    two.bob.sync();
    assert!(two.bob.files().len() >= 40);
}
