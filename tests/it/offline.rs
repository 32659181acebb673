//! Networks that are not there, servers that are busy or refuse, and repositories that are no vault.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::machines::{Machine, Run, TwoMachines, files_below, git};
use crate::servers::{Daemon, Direction, Fault, FaultProxy, Https, Refusal, Running, hooks, wait_until};
use crate::transcripts::{assert_holds, assert_no_message_twice, conversation, last_prompt, message, session};

fn transcript(machine: &Machine, id: &str) -> String {
    format!("{}/{id}.jsonl", machine.project("code/app"))
}

/// Two machines around a server that can go away.
struct Away {
    two: TwoMachines,
    proxy: FaultProxy,
    _server: Daemon,
}

impl Away {
    /// Both have joined and are in sync.
    fn joined() -> Self {
        let mut two = TwoMachines::apart();
        let server = Daemon::serving(two.folder.path());
        let proxy = FaultProxy::start(server.port());
        let url = format!("git://127.0.0.1:{}/remote.git", proxy.port());
        join(&mut two, &url);
        two.ana.write("CLAUDE.md", "# one\n");
        two.sync_all();
        Self {
            two,
            proxy,
            _server: server,
        }
    }

    fn go(&self) {
        self.proxy.set(Fault::Refuse);
    }

    fn come_back(&self) {
        self.proxy.set(Fault::None);
    }
}

/// Both join the vault at `url`, and are quick to try again.
fn join(two: &mut TwoMachines, url: &str) {
    for machine in [&mut two.ana, &mut two.bob] {
        machine.set("CSYNC_BACKOFF", "5");
    }
    two.ana
        .csync(&["init", url, "--device", "ana's laptop", "--no-passphrase"])
        .ok();
    let identity = two.ana.identity();
    let identity = identity.to_str().unwrap();
    two.bob
        .csync(&["init", url, "--device", "bob's desk", "--identity", identity])
        .ok();
}

#[test]
fn what_changes_without_a_network_is_sealed_and_goes_with_the_next_sync() {
    let away = Away::joined();
    let two = &away.two;
    let (id, tip) = (session(1), two.tip());
    two.ana
        .write(&transcript(&two.ana, &id), conversation(&id, "a", "", 0, 3));
    two.ana.write("CLAUDE.md", "# two\n");
    away.go();

    let run = two.ana.csync(&["sync"]).fails(16);
    assert!(
        run.stdout.contains("2 files are sealed and go with the next sync."),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("refused the connection"), "{}", run.stdout);
    assert!(run.stderr.contains("trying again in"), "{}", run.stderr);
    assert!(run.stderr.contains("(5 of 5)"), "{}", run.stderr);

    two.ana.append(
        &transcript(&two.ana, &id),
        message(&id, "b1", "a3", 9, "one more, on a train"),
    );
    let json = two.ana.csync(&["push", "--json", "--offline-ok"]).ok().json();
    assert_eq!(json["offline"], true);
    assert_eq!(json["pending"], 2);
    assert!(json["why"].as_str().unwrap().contains("refused"), "{json}");
    assert_eq!(json["items"][0]["action"], "sealed");
    assert_eq!(json["commits"], 0);

    let quiet = two.ana.csync(&["sync", "--quiet"]).fails(16);
    assert!(quiet.stdout.is_empty());
    assert!(
        quiet.stderr.contains("hint:") && quiet.stderr.contains("2 files are sealed"),
        "{}",
        quiet.stderr
    );
    two.ana.csync(&["sync", "--quiet", "--offline-ok"]).ok();
    for arguments in [&["pull"][..], &["sync", "--dry-run"]] {
        let failed = two.ana.csync(arguments).fails(16);
        assert!(failed.stdout.is_empty(), "{}", failed.stdout);
        assert!(
            failed.stderr.contains("cannot talk to") && failed.stderr.contains("hint:"),
            "{}",
            failed.stderr
        );
        let told = two.ana.csync(&[arguments, &["--offline-ok"]].concat()).ok();
        assert!(told.stdout.contains("cannot be reached"), "{}", told.stdout);
    }
    let status = two.ana.csync(&["status"]).ok();
    assert!(
        status
            .stdout
            .contains("2 files are sealed and wait for the network, since"),
        "{}",
        status.stdout
    );
    assert_eq!(two.ana.csync(&["status", "--json"]).ok().json()["waiting"]["files"], 2);
    assert_eq!(two.tip(), tip);

    away.come_back();
    let sent = two.ana.sync().json();
    assert_eq!(
        (&sent["offline"], &sent["pending"], &sent["commits"]),
        (&false.into(), &0.into(), &2.into())
    );
    assert_eq!(sent["items"].as_array().unwrap().len(), 2);
    assert_eq!(two.ana.sync().json()["commits"], 0);
    two.bob.sync();
    assert_eq!(
        two.bob.read(&transcript(&two.bob, &id)),
        two.ana.read(&transcript(&two.ana, &id))
    );
    assert_eq!(two.bob.text("CLAUDE.md"), "# two\n");
    let status = two.ana.csync(&["status", "--fetch", "--exit-code"]).ok();
    assert!(!status.stdout.contains("sealed"), "{}", status.stdout);
}

#[test]
fn two_machines_that_both_were_away_converge() {
    let away = Away::joined();
    let two = &away.two;
    let id = session(1);
    let start = conversation(&id, "s", "", 0, 2) + &last_prompt(&id, "s2");
    two.ana.write(&transcript(&two.ana, &id), &start);
    two.sync_all();
    away.go();
    let mut own = BTreeMap::new();
    for round in 0..3 {
        for machine in [&two.ana, &two.bob] {
            let line = message(&id, &format!("{}{round}", machine.name), "s2", 10 + round, "note")
                .replace("\"type\":\"user\"", "\"type\":\"system\"");
            machine.append(&transcript(machine, &id), &line);
            *own.entry(machine.name.clone()).or_insert_with(String::new) += &line;
            let new = session(100 * round + machine.name.len() + usize::from(machine.name == "bob") + 2);
            machine.write(&transcript(machine, &new), conversation(&new, "n", "", 0, 2));
            machine.csync(&["sync", "--offline-ok"]).ok();
        }
    }
    away.come_back();
    two.sync_all();
    two.bob.sync();
    let merged = two.ana.read(&transcript(&two.ana, &id));
    assert_eq!(two.bob.read(&transcript(&two.bob, &id)), merged);
    assert_no_message_twice(&merged);
    for lines in own.values() {
        assert_holds(&merged, lines.as_bytes());
    }
    assert_eq!(two.ana.files().len(), two.bob.files().len());
    git(&two.remote, &["fsck", "--strict"]);
}

#[test]
fn a_session_that_is_swept_while_it_waits_is_not_lost() {
    let away = Away::joined();
    let two = &away.two;
    let (id, other) = (session(1), session(2));
    let content = conversation(&id, "a", "", 0, 3);
    two.ana.write(&transcript(&two.ana, &id), &content);
    away.go();
    two.ana.csync(&["sync", "--offline-ok"]).ok();
    two.ana.remove(&transcript(&two.ana, &id));
    two.ana.csync(&["sync", "--offline-ok"]).ok();
    away.come_back();
    two.bob
        .write(&transcript(&two.bob, &other), conversation(&other, "b", "", 0, 3));
    two.bob.sync();

    let run = two.ana.csync(&["sync"]).ok();
    assert!(run.stdout.contains("came back"), "{}", run.stdout);
    assert!(
        run.stdout.contains("swept it before it could be sent"),
        "{}",
        run.stdout
    );
    two.bob.sync();
    for machine in [&two.ana, &two.bob] {
        assert_eq!(machine.text(&transcript(machine, &id)), content);
        assert!(machine.has(&transcript(machine, &other)));
    }
}

#[test]
fn p06_a_push_whose_answer_is_lost_is_not_done_twice() {
    let mut two = TwoMachines::apart();
    let server = Https::start();
    let remote = server.bare("vault.git");
    for machine in [&mut two.ana, &mut two.bob] {
        machine.set("SSL_CERT_FILE", server.ca());
    }
    let url = server.url(None, "open/vault.git");
    join(&mut two, &url);
    let count = || git(&remote, &["rev-list", "--count", "main"]);
    let before: usize = count().trim().parse().unwrap();
    two.ana.write("CLAUDE.md", "# one\n");

    // Tried again at once: the server says that it has it already.
    server.lose_next_push_answer();
    let run = two.ana.csync(&["sync", "--json"]).ok();
    assert!(
        run.stderr.contains("has too much to do; trying again"),
        "{}",
        run.stderr
    );
    assert_eq!(run.json()["commits"], 1);
    assert_eq!(run.json()["races"], 0);
    assert_eq!(count().trim(), (before + 1).to_string());

    // Not tried again: the next run finds it there.
    two.ana.set("CSYNC_MAX_RETRIES", "0");
    two.ana.write("CLAUDE.md", "# two\n");
    server.lose_next_push_answer();
    let json = two.ana.csync(&["sync", "--json", "--offline-ok"]).ok().json();
    assert_eq!((&json["offline"], &json["pending"]), (&true.into(), &1.into()));
    assert_eq!(count().trim(), (before + 2).to_string());
    let json = two.ana.sync().json();
    assert_eq!((&json["commits"], &json["pending"]), (&0.into(), &0.into()));
    assert_eq!(count().trim(), (before + 2).to_string());
    two.bob.sync();
    assert_eq!(two.bob.text("CLAUDE.md"), "# two\n");
}

#[test]
fn a_server_that_is_busy_twice_and_then_works_is_waited_for() {
    let mut two = TwoMachines::apart();
    let server = Https::start();
    server.bare("vault.git");
    for machine in [&mut two.ana, &mut two.bob] {
        machine.set("SSL_CERT_FILE", server.ca());
    }
    join(&mut two, &server.url(None, "open/vault.git"));
    two.ana.write("CLAUDE.md", "# one\n");
    server.busy(2);
    let run = two.ana.csync(&["sync"]).ok();
    assert!(
        run.stderr.contains("(1 of 5)") && run.stderr.contains("(2 of 5)"),
        "{}",
        run.stderr
    );
    assert!(!run.stderr.contains("(3 of 5)"), "{}", run.stderr);
    two.bob.sync();
    assert_eq!(two.bob.text("CLAUDE.md"), "# one\n");
}

#[test]
fn p05_kills_at_any_time_around_an_outage_lose_nothing_and_do_nothing_twice() {
    let away = Away::joined();
    let two = &away.two;
    let mut written = Vec::new();
    let mut killed = 0;
    for round in 0..12_usize {
        let id = session(round);
        let content = conversation(&id, "a", "", 0, 60);
        two.ana.write(&transcript(&two.ana, &id), &content);
        written.push((id, content));
        // By turns: sealed offline and killed, pushed and killed, and with another machine first.
        match round % 3 {
            0 => away.go(),
            1 => away.come_back(),
            _ => {
                away.come_back();
                let id = session(1000 + round);
                let content = conversation(&id, "b", "", 0, 3);
                two.bob.write(&transcript(&two.bob, &id), &content);
                two.bob.sync();
                written.push((id, content));
            }
        }
        let mut run = Running::start(two.ana.command(&["sync"]));
        let lock = two.ana.home.join(".local/state/csync/lock");
        wait_until("the lock", || {
            std::fs::metadata(&lock).is_ok_and(|about| about.len() > 0) || !run.runs()
        });
        std::thread::sleep(Duration::from_millis(7 * round as u64));
        run.0.kill().unwrap();
        killed += usize::from(run.code().is_none());
    }
    assert!(killed > 3, "only {killed} runs were killed");
    away.come_back();
    two.sync_all();
    for (id, content) in &written {
        for machine in [&two.ana, &two.bob] {
            assert_eq!(
                &machine.text(&transcript(machine, id)),
                content,
                "{id} on {}",
                machine.name
            );
        }
    }
    assert_eq!(
        two.ana.files().len(),
        two.bob.files().len(),
        "no branch, no conflict file"
    );
    for machine in [&two.ana, &two.bob] {
        assert_eq!(machine.sync().json()["commits"], 0);
    }
    let outgoing = git(&two.ana.mirror(), &["for-each-ref", "refs/csync/outgoing"]);
    assert_eq!(outgoing, "");
    git(&two.ana.mirror(), &["fsck", "--strict"]);
}

#[test]
fn a_push_that_breaks_off_at_any_byte_arrives_whole_or_waits() {
    let away = Away::joined();
    let two = &away.two;
    two.ana.write("CLAUDE.md", "# before\n");
    two.ana.csync(&["sync"]).ok();
    let tip = two.tip();
    two.ana.write("CLAUDE.md", "# measured\n");
    let sent = away.proxy.bytes(Direction::ToServer);
    two.ana.csync(&["sync"]).ok();
    let whole = away.proxy.bytes(Direction::ToServer) - sent;
    assert_ne!(two.tip(), tip);
    for (number, share) in [1, 3, 6, 8, 9].into_iter().enumerate() {
        let text = format!("# {number}\n");
        two.ana.write("CLAUDE.md", &text);
        // A cut in each connection, so that no new try gets through either.
        away.proxy.set(Fault::CutAfter {
            direction: Direction::ToServer,
            bytes: whole * share / 10,
        });
        let json = two.ana.csync(&["sync", "--json", "--offline-ok"]).ok().json();
        assert_eq!(json["offline"], true, "{json}");
        away.come_back();
        let json = two.ana.sync().json();
        assert_eq!(json["offline"], false);
        two.bob.sync();
        assert_eq!(two.bob.text("CLAUDE.md"), text);
    }
}

/// A run that must have been refused with `code`, told plainly, and with what to do.
#[track_caller]
fn refused(run: Run, code: i32, told: &[&str]) {
    let run = run.fails(code);
    assert!(run.stderr.contains("hint:"), "{}", run.stderr);
    for words in told {
        assert!(run.stderr.contains(words), "{words} in:\n{}", run.stderr);
    }
}

#[test]
fn p08b_each_refusal_says_what_it_is_and_what_to_do() {
    let away = Away::joined();
    let two = &away.two;
    two.ana.write("CLAUDE.md", "# two\n");
    let refs = || git(&two.ana.mirror(), &["for-each-ref"]);
    let (tip, before) = (two.tip(), refs());
    for (refusal, told) in [
        (Refusal::ProtectedBranch, ["is protected", "csync remote set-url"]),
        (Refusal::Rules, ["is protected", "csync remote set-url"]),
        (Refusal::GitLabProtectedBranch, ["protected", "csync remote set-url"]),
        (Refusal::Quota, ["no room left", "quota"]),
        (
            Refusal::Hook("closed on sundays"),
            ["closed on sundays", "whoever runs the server"],
        ),
    ] {
        hooks::refuse(&two.remote, refusal);
        refused(
            two.ana.csync(&["sync"]),
            16,
            &[&told[..], &["nothing is lost"]].concat(),
        );
        assert_eq!(two.tip(), tip);
        assert_eq!(refs(), before, "nothing says here that it was pushed");
    }
    hooks::allow(&two.remote);
    assert_eq!(two.ana.sync().json()["commits"], 1);
}

/// Everything that a repository is, byte for byte.
fn everything(repository: &Path) -> BTreeMap<String, Vec<u8>> {
    files_below(repository)
}

#[test]
fn a_repository_that_is_no_vault_is_never_written_to() {
    let two = TwoMachines::joined();
    two.ana.write("CLAUDE.md", "# one\n");
    two.sync_all();
    let folder = two.folder.path();
    let work = folder.join("work");
    git(folder, &["init", "--quiet", "--initial-branch=main", "work"]);
    std::fs::write(work.join("README.md"), "# A project\n").unwrap();
    git(&work, &["add", "."]);
    git(&work, &["commit", "--quiet", "-m", "first"]);
    git(&work, &["tag", "v1"]);
    for (name, pushed) in [
        ("readme.git", "main:main"),
        ("master.git", "main:master"),
        ("tags.git", "v1"),
    ] {
        git(folder, &["init", "--quiet", "--bare", "--initial-branch=main", name]);
        let remote = folder.join(name);
        let url = remote.to_str().unwrap();
        git(&work, &["push", "--quiet", url, pushed]);
        let before = everything(&remote);

        let new = Machine::new("cleo", folder.join("people").join(name));
        refused(
            new.csync(&["init", url, "--device", "cleo", "--no-passphrase"]),
            1,
            &["not a csync vault", "empty"],
        );
        // A machine that has a vault elsewhere, and changes to send.
        two.ana.write("CLAUDE.md", format!("# {name}\n"));
        for command in ["sync", "push", "pull"] {
            let mut command = two.ana.command(&[command]);
            let output = command.env("CSYNC_REMOTE", url).output().unwrap();
            let run = Run {
                code: output.status.code().unwrap(),
                stdout: String::from_utf8(output.stdout).unwrap(),
                stderr: String::from_utf8(output.stderr).unwrap(),
            };
            refused(run, 1, &["not a csync vault", "csync remote show"]);
        }
        assert_eq!(everything(&remote), before, "{name}");
    }
    two.sync_all();
    assert_eq!(two.bob.text("CLAUDE.md"), "# tags.git\n");
}

#[test]
fn another_vault_and_a_repository_that_is_gone_are_told_apart() {
    let away = Away::joined();
    let other = TwoMachines::joined();
    other.ana.write("CLAUDE.md", "# other\n");
    other.ana.sync();
    let two = &away.two;
    let theirs = everything(&other.remote);
    let elsewhere = two
        .ana
        .command(&["sync"])
        .env("CSYNC_REMOTE", other.remote())
        .output()
        .unwrap();
    assert_eq!(elsewhere.status.code(), Some(12));
    let told = String::from_utf8(elsewhere.stderr).unwrap();
    assert!(told.contains("csync remote show"), "{told}");
    assert_eq!(everything(&other.remote), theirs);

    std::fs::rename(&two.remote, two.folder.path().join("renamed.git")).unwrap();
    refused(
        two.ana.csync(&["sync"]),
        16,
        &["there is no repository at", "csync remote set-url"],
    );
}

#[test]
fn no_object_at_the_host_is_larger_than_a_segment_and_what_is_around_it() {
    // A mebibyte, an eighth for padding, and what age and zstd put around it.
    const MOST: u64 = (1 << 20) + (1 << 17) + (64 << 10);
    let two = TwoMachines::joined();
    let id = session(1);
    // More than the 100 MiB that hosts take of one file, of which no byte compresses away in the tool result.
    let line = message(&id, "a", "", 0, &"so it goes on and on and on ".repeat(40));
    let mut large = line.repeat((104 << 20) / line.len());
    large.push_str(&last_prompt(&id, "a"));
    two.ana.write(&transcript(&two.ana, &id), &large);
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .take((20 << 20) / 8)
    .flatten()
    .collect();
    two.ana.write("skills/x/tool.bin", &noise);
    two.ana.sync();

    let objects = git(
        &two.remote,
        &[
            "cat-file",
            "--batch-all-objects",
            "--batch-check=%(objecttype) %(objectsize) %(objectname)",
        ],
    );
    let mut largest = 0;
    for object in objects.lines() {
        let mut words = object.split(' ');
        let (kind, size, name) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        let size: u64 = size.parse().unwrap();
        assert!(size <= MOST, "{object}");
        largest = largest.max(size);
        if kind == "tree" {
            let entries = git(&two.remote, &["ls-tree", "--name-only", name]).lines().count();
            assert!(entries < 3000, "{entries} entries in one folder");
        }
    }
    assert!(largest > 1 << 20, "there is no full segment: this test shows nothing");
    two.bob.sync();
    assert_eq!(two.bob.read("skills/x/tool.bin"), noise);
    assert!(two.bob.read(&transcript(&two.bob, &id)) == large.as_bytes());
}
