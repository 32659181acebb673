//! Kills and faults at every instant: files are wholly old or wholly new, and the next run goes on.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::machines::{Machine, TwoMachines, files_below, git};
use crate::servers::{Running, wait_until};
use crate::transcripts::{assert_no_message_twice, conversation, last_prompt, lines, message, session};

/// How many sessions a pull brings in these stories.
const SESSIONS: usize = 40;
/// At how many instants of a run it is killed.
const INSTANTS: u32 = 8;

fn transcript(machine: &Machine, id: &str) -> String {
    format!("{}/{id}.jsonl", machine.project("code/app"))
}

/// The temporary files that csync has left in a folder.
fn temporary_files(machine: &Machine) -> Vec<String> {
    machine
        .files()
        .into_keys()
        .filter(|path| path.rsplit('/').next().unwrap().starts_with(".csync-"))
        .collect()
}

/// What a machine has, without csync's temporary files.
fn real_files(machine: &Machine) -> BTreeMap<String, Vec<u8>> {
    let mut files = machine.files();
    files.retain(|path, _| !path.rsplit('/').next().unwrap().starts_with(".csync-"));
    files
}

/// Makes `to` a copy of `from`, times included.
fn copy_folder(from: &Path, to: &Path) {
    if to.exists() {
        std::fs::remove_dir_all(to).unwrap();
    }
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}

/// A machine's home as it was at a moment, to go back to.
struct Moment<'m> {
    machine: &'m Machine,
    kept: std::path::PathBuf,
}

impl<'m> Moment<'m> {
    fn keep(machine: &'m Machine) -> Self {
        let kept = machine.home.with_extension("kept");
        copy_folder(&machine.home, &kept);
        Self { machine, kept }
    }

    fn go_back(&self) {
        copy_folder(&self.kept, &self.machine.home);
    }
}

/// How long a run takes that nobody disturbs.
fn duration_of(machine: &Machine, arguments: &[&str]) -> Duration {
    let start = Instant::now();
    machine.csync(arguments).ok();
    start.elapsed()
}

/// Starts a run and kills it `delay` after `moment` has come. Whether it was killed before it ended by itself.
fn kill_at(machine: &Machine, arguments: &[&str], mut moment: impl FnMut() -> bool, delay: Duration) -> bool {
    let mut run = Running::start(machine.command(arguments));
    wait_until("the moment", || moment() || run.0.try_wait().unwrap().is_some());
    std::thread::sleep(delay);
    run.0.kill().unwrap();
    run.code().is_none()
}

/// Lets a file look as if it had been written a while ago, where there is one.
fn make_old(path: &Path) {
    if let Ok(file) = std::fs::File::options().write(true).open(path) {
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(60))
            .unwrap();
    }
}

/// How many files stand directly in a folder, also while others make and remove some there.
fn count_files(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

/// Sessions of ana's; of the even ones bob has an older part.
fn two_with_many_sessions() -> TwoMachines {
    let two = TwoMachines::joined();
    for number in (0..SESSIONS).step_by(2) {
        let id = session(number);
        two.ana
            .write(&transcript(&two.ana, &id), conversation(&id, "s", "", 0, 20));
    }
    two.ana.write("CLAUDE.md", "# one\n");
    two.sync_all();
    for number in 0..SESSIONS {
        let id = session(number);
        let parent = if number % 2 == 0 { "s20" } else { "" };
        two.ana.append(
            &transcript(&two.ana, &id),
            conversation(&id, "t", parent, 100, 20 + 40 * (number % 5)) + &last_prompt(&id, "t20"),
        );
    }
    two.ana.write("CLAUDE.md", "# one\n\n# two\n");
    two
}

#[test]
fn p05_a_kill_during_a_pull_leaves_each_file_old_or_new_and_the_next_run_goes_on() {
    let two = two_with_many_sessions();
    two.ana.sync();
    let moment = Moment::keep(&two.bob);
    let old = two.bob.files();
    let whole = duration_of(&two.bob, &["pull"]);
    let new = two.bob.files();
    assert_eq!(new.len(), SESSIONS + 1);

    let project = two.bob.path(&two.bob.project("code/app"));
    let (mut killed, mut in_between) = (0, 0);
    for instant in 0..INSTANTS {
        moment.go_back();
        // First at some instants before anything is written, then when more and more of the new files are there.
        let files = SESSIONS / 2 + 3 * instant.saturating_sub(3) as usize;
        let delay = if instant < 3 {
            whole * instant / 8
        } else {
            Duration::ZERO
        };
        let moment = || instant < 3 || count_files(&project) > files;
        killed += u32::from(kill_at(&two.bob, &["pull"], moment, delay));
        let found = real_files(&two.bob);
        let mut news = 0;
        for (path, content) in &new {
            match found.get(path) {
                Some(now) if now == content => news += 1,
                now => assert!(
                    now == old.get(path),
                    "{path} is neither old nor new at instant {instant}"
                ),
            }
        }
        assert!(
            found.keys().all(|path| new.contains_key(path)),
            "something else came to be"
        );
        in_between += u32::from(news > 0 && news < new.len());

        two.bob.csync(&["pull"]).ok();
        assert_eq!(two.bob.files(), new, "after instant {instant}");
        let again = two.bob.sync();
        assert!(again.actions().is_empty(), "{:?}", again.actions());
    }
    assert!(killed > 0, "every run ended before it was killed");
    assert!(
        in_between > 0,
        "no kill fell between two files: this test shows nothing"
    );
}

#[test]
fn p05_a_kill_during_a_sync_that_merges_loses_no_line_and_makes_no_second_branch() {
    let two = TwoMachines::joined();
    let count = 12;
    for number in 0..count {
        let id = session(number);
        two.ana.write(
            &transcript(&two.ana, &id),
            conversation(&id, "s", "", 0, 10) + &last_prompt(&id, "s10"),
        );
    }
    two.sync_all();
    for number in 0..count {
        let id = session(number);
        for (machine, second) in [(&two.ana, 100), (&two.bob, 200)] {
            let prefix = &machine.name;
            machine.append(
                &transcript(machine, &id),
                conversation(&id, prefix, "s10", second, 20) + &last_prompt(&id, &format!("{prefix}20")),
            );
        }
    }
    two.ana.sync();
    let moment = Moment::keep(&two.bob);
    let remote = two.remote.with_extension("kept");
    copy_folder(&two.remote, &remote);
    let old = two.bob.files();
    let whole = duration_of(&two.bob, &["sync"]);
    let new = two.bob.files();
    assert_eq!(new.len(), 2 * count, "each has its branch");

    let project = two.bob.path(&two.bob.project("code/app"));
    let mut killed = 0;
    for instant in 0..INSTANTS {
        moment.go_back();
        copy_folder(&remote, &two.remote);
        // First when more and more of the branches are there, then while the merged sessions are sent.
        let files = (count + 2 * instant as usize).min(2 * count - 1);
        let delay = whole * instant.saturating_sub(6) / 20;
        killed += u32::from(kill_at(&two.bob, &["sync"], || count_files(&project) > files, delay));
        for (path, now) in real_files(&two.bob) {
            assert!(
                new.get(&path) == Some(&now) || old.get(&path) == Some(&now),
                "{path} is neither old nor new at instant {instant}"
            );
        }
        git(&two.remote, &["fsck", "--connectivity-only", "--strict"]);
        make_old(&two.remote.join("refs/heads/main.lock"));
        two.bob.sync();
        assert_eq!(two.bob.files(), new, "after instant {instant}");
        assert!(two.bob.sync().actions().is_empty());
    }
    assert!(killed > 0, "every run ended before it was killed");
    two.ana.sync();
    assert_eq!(two.ana.files().len(), 2 * count);
    for number in 0..count {
        let id = session(number);
        assert_eq!(
            two.ana.read(&transcript(&two.ana, &id)),
            two.bob.read(&transcript(&two.bob, &id))
        );
    }
}

#[test]
fn p06_a_kill_during_a_push_leaves_the_remote_old_or_new_and_whole() {
    let two = two_with_many_sessions();
    let moment = Moment::keep(&two.ana);
    let remote = two.remote.with_extension("kept");
    copy_folder(&two.remote, &remote);
    let bobs = Moment::keep(&two.bob);
    let packs = two.remote.join("objects/pack");
    let packed = count_files(&packs);
    let old = two.tip();
    let whole = duration_of(&two.ana, &["push"]);
    let (mut killed, mut arrived) = (0, 0);
    for instant in 0..INSTANTS {
        moment.go_back();
        copy_folder(&remote, &two.remote);
        bobs.go_back();
        // Half of the instants lie anywhere; the others shortly after the first byte came to the remote.
        let late = instant >= INSTANTS / 2;
        let delay = if late {
            whole * (instant - INSTANTS / 2) / 30
        } else {
            whole * instant * 2 / INSTANTS
        };
        let moment = || !late || count_files(&packs) > packed;
        killed += u32::from(kill_at(&two.ana, &["push"], moment, delay));
        git(&two.remote, &["fsck", "--connectivity-only", "--strict"]);
        let tip = two.tip();
        if tip != old {
            arrived += 1;
            assert_eq!(
                git(&two.remote, &["rev-parse", &format!("{tip}^")]).trim(),
                old,
                "one new commit"
            );
        }
        // The other machine is not disturbed, whatever came.
        two.bob.sync();
        let there = two.bob.read(&transcript(&two.bob, &session(0)));
        let here = two.ana.read(&transcript(&two.ana, &session(0)));
        assert_eq!(there == here, tip != old, "bob has it exactly when it arrived");
        // A lock of Git's that it left is in the way of pushes for some seconds.
        make_old(&two.remote.join("refs/heads/main.lock"));
        two.ana.csync(&["push"]).ok();
        two.bob.sync();
        for number in 0..SESSIONS {
            let id = session(number);
            assert_eq!(
                two.ana.read(&transcript(&two.ana, &id)),
                two.bob.read(&transcript(&two.bob, &id))
            );
        }
        assert!(
            two.ana.sync().actions().is_empty(),
            "what arrived is known to have arrived"
        );
        git(&two.remote, &["fsck", "--strict"]);
    }
    assert!(killed > 0, "every run ended before it was killed");
    assert!(arrived < INSTANTS, "every push arrived: this test shows nothing");
}

#[test]
fn p05_lock_files_of_git_that_a_killed_run_left_are_not_in_the_way() {
    let two = two_with_many_sessions();
    for name in [
        "refs/heads/main",
        "refs/csync/base",
        "refs/csync/incoming",
        "config",
        "packed-refs",
    ] {
        std::fs::write(two.ana.mirror().join(format!("{name}.lock")), "").unwrap();
    }
    two.ana.sync();
    two.bob.sync();
    let id = session(0);
    assert_eq!(
        two.ana.read(&transcript(&two.ana, &id)),
        two.bob.read(&transcript(&two.bob, &id))
    );
}

#[test]
fn p06_the_lock_file_of_a_killed_push_is_respected_while_it_is_young() {
    let two = TwoMachines::joined();
    two.ana.write("CLAUDE.md", "# me\n");
    let lock = two.remote.join("refs/heads/main.lock");
    std::fs::write(&lock, "").unwrap();
    // Another machine may be at work under it: this is a race, and it is lost.
    let run = two.ana.csync(&["sync"]).fails(16);
    assert!(run.stderr.contains("did not move its branch"), "{}", run.stderr);
    assert!(lock.exists());

    make_old(&lock);
    two.ana.sync();
    two.bob.sync();
    assert_eq!(two.bob.text("CLAUDE.md"), "# me\n");
}

#[test]
fn p07_an_agent_that_keeps_writing_loses_no_line_to_pulls() {
    let two = TwoMachines::joined();
    let id = session(1);
    // Notes of the agent, which are no conversation: nothing branches, and each line counts.
    let note = |uuid: &str, second: usize| {
        message(&id, uuid, "s2", second, &format!("{uuid} {}", "x".repeat(300)))
            .replace("\"type\":\"user\"", "\"type\":\"system\"")
    };
    two.ana
        .write(&transcript(&two.ana, &id), conversation(&id, "s", "", 0, 2));
    two.sync_all();

    let (rounds, done) = (12, AtomicBool::new(false));
    let mut merged_meanwhile = 0;
    let mut from_ana = String::new();
    let from_agent = std::thread::scope(|scope| {
        let agent = scope.spawn(|| {
            // As Claude Code does: it opens the file by its path for each line, and only then writes.
            let path = two.bob.path(&transcript(&two.bob, &id));
            let mut said = String::new();
            let mut number = 0;
            while !done.load(Ordering::Relaxed) {
                let line = note(&format!("agent{number}"), number);
                let mut file = std::fs::File::options().append(true).open(&path).unwrap();
                // Long enough that many a replacement falls in between, and shorter than csync looks after a replaced file.
                std::thread::sleep(Duration::from_millis(8));
                file.write_all(line.as_bytes()).unwrap();
                drop(file);
                said.push_str(&line);
                number += 1;
                std::thread::sleep(Duration::from_millis(12));
            }
            said
        });
        for round in 0..rounds {
            let line = note(&format!("ana{round}"), round);
            two.ana.append(&transcript(&two.ana, &id), &line);
            from_ana.push_str(&line);
            two.ana.sync();
            let run = two.bob.csync(&[if round % 2 == 0 { "pull" } else { "sync" }, "--json"]);
            assert_eq!(run.code, 0, "{}", run.stderr);
            merged_meanwhile += run
                .actions()
                .iter()
                .filter(|(action, _)| action == "merged" || action == "received")
                .count();
        }
        done.store(true, Ordering::Relaxed);
        agent.join().unwrap()
    });
    assert!(
        merged_meanwhile > 0,
        "no file was replaced under the agent: this test shows nothing"
    );
    // A line that was written to the replaced file is added to the new one, behind what came there meanwhile.
    let holds = |whole: &[u8], part: &str| {
        let whole: std::collections::BTreeSet<&[u8]> = lines(whole).into_iter().collect();
        for line in lines(part.as_bytes()) {
            assert!(whole.contains(line), "lost: {}", String::from_utf8_lossy(&line[..100]));
        }
    };
    let written = two.bob.read(&transcript(&two.bob, &id));
    holds(&written, &from_agent);
    assert_no_message_twice(&written);
    two.bob.sync();
    two.ana.sync();
    two.bob.sync();
    let merged = two.bob.read(&transcript(&two.bob, &id));
    assert_eq!(merged, two.ana.read(&transcript(&two.ana, &id)));
    holds(&merged, &from_agent);
    holds(&merged, &from_ana);
    assert_no_message_twice(&merged);
    assert_eq!(
        lines(&merged).len(),
        2 + lines(from_agent.as_bytes()).len() + rounds,
        "and nothing else"
    );
    assert!(two.bob.beside(&transcript(&two.bob, &id)).is_empty());
    assert!(temporary_files(&two.bob).is_empty());
}

#[test]
fn p20_a_signal_stops_a_pull_between_files_and_leaves_no_temporary_file() {
    let two = TwoMachines::joined();
    for number in 0..150 {
        let id = session(number);
        two.ana
            .write(&transcript(&two.ana, &id), conversation(&id, "s", "", 0, 60));
    }
    two.ana.sync();
    let moment = Moment::keep(&two.bob);
    let all = {
        two.bob.sync();
        two.bob.files()
    };
    for signal in ["INT", "TERM"] {
        moment.go_back();
        let project = two.bob.path("projects");
        let mut run = Running::start(two.bob.command(&["pull"]));
        wait_until("the first file", || {
            !files_below(&project).is_empty() || run.0.try_wait().unwrap().is_some()
        });
        run.signal(signal);
        assert_eq!(run.code(), Some(130), "SIG{signal}");
        assert!(temporary_files(&two.bob).is_empty(), "{:?}", temporary_files(&two.bob));
        let found = two.bob.files();
        assert!(found.len() < all.len(), "it went on to the end");
        assert!(found.iter().all(|(path, content)| all.get(path) == Some(content)));

        two.bob.csync(&["pull"]).ok();
        assert_eq!(two.bob.files(), all);
    }
}

#[test]
fn p20_plaintext_is_nowhere_but_beside_its_place() {
    let two = two_with_many_sessions();
    two.ana.sync();
    // A folder for temporary files of its own shows what is put there.
    let temporary = two.bob.home.join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let mut command = two.bob.command(&["pull"]);
    command.env("TMPDIR", &temporary);
    let mut run = Running::start(command);
    let mut seen = Vec::new();
    while run.0.try_wait().unwrap().is_none() {
        seen.extend(files_below(&temporary).into_keys());
    }
    assert_eq!(run.code(), Some(0));
    assert!(seen.is_empty(), "{seen:?}");
    assert!(temporary_files(&two.bob).is_empty());
}
