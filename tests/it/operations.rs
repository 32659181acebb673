//! How it works as a tool: dry runs, doing nothing when nothing changed, what a push costs, selections, odd surroundings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;

use crate::machines::{Machine, TwoMachines, files_below, git};

const SESSION: &str = "5b0e2a6c-41f3-4f0e-9d1a-8f6f2a7c1b3d";
const OTHER: &str = "0c8f6e0e-5a51-4a0e-b0a5-4b7f3b0d6a11";

/// A line of a session, of some 100 bytes and no two alike.
fn line(session: &str, number: usize) -> String {
    let noise = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let value = serde_json::json!({
        "type": "user", "uuid": format!("{session}-{number}"),
        "parentUuid": number.checked_sub(1).map(|before| format!("{session}-{before}")),
        "sessionId": session, "timestamp": format!("2026-11-20T{:02}:{:02}:{:02}.000Z", number / 3600 % 24, number / 60 % 60, number % 60),
        "message": {"role": "user", "content": format!("step {number} {noise:016x}")},
    });
    format!("{value}\n")
}

fn lines(session: &str, range: std::ops::Range<usize>) -> String {
    range.map(|number| line(session, number)).collect()
}

fn transcript(machine: &Machine, session: &str) -> String {
    format!("{}/{session}.jsonl", machine.project("code/app"))
}

type Picture = BTreeMap<String, (Vec<u8>, std::time::SystemTime)>;

/// Everything below a folder with its bytes and times: what a run must not touch.
fn picture(folder: &Path) -> Picture {
    let mut all = BTreeMap::new();
    for (name, content) in files_below(folder) {
        let metadata = folder.join(&name).symlink_metadata().unwrap();
        all.insert(name, (content, metadata.modified().unwrap()));
    }
    all
}

/// The lock, which every run takes and which names its holder.
const LOCK: &str = ".local/state/csync/lock";

/// Names of the files that are not in the second picture as they are in the first.
fn changes(before: &Picture, after: &Picture) -> Vec<String> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names
        .into_iter()
        .filter(|name| *name != LOCK && before.get(*name) != after.get(*name))
        .cloned()
        .collect()
}

/// What a person's home and the remote look like.
fn both(two: &TwoMachines, machine: &Machine) -> Picture {
    let mut all = picture(&machine.home);
    all.extend(
        picture(&two.remote)
            .into_iter()
            .map(|(name, file)| (format!("remote/{name}"), file)),
    );
    all
}

/// Two machines with something of every sort to send, to receive, to merge and in conflict.
fn busy() -> TwoMachines {
    let two = TwoMachines::joined();
    let (ana, bob) = (transcript(&two.ana, SESSION), transcript(&two.bob, SESSION));
    two.ana.write(&ana, lines(SESSION, 0..5));
    for number in 0..12 {
        two.ana.write(&format!("rules/{number}.md"), format!("rule {number}\n"));
    }
    two.ana.write("CLAUDE.md", "first\nsecond\nthird\n");
    two.ana.write("agents/clash.md", "one\n");
    two.ana.write("settings.json", "{\n  \"model\": \"opus\"\n}\n");
    two.sync_all();
    // Ana's part is in the vault, Bob's waits to be looked at.
    two.ana.append(&ana, line(SESSION, 100));
    two.ana.write("CLAUDE.md", "first\nsecond\nthird, said Ana\n");
    two.ana.write("agents/clash.md", "ana\n");
    two.ana.write("agents/new.md", "new\n");
    two.ana.write(
        "settings.json",
        "{\n  \"model\": \"opus\",\n  \"outputStyle\": \"terse\"\n}\n",
    );
    two.ana.remove("rules/1.md");
    two.ana.write("rules/2.md", "rule 2, changed\n");
    two.ana.sync();
    two.bob.append(&bob, line(SESSION, 200));
    two.bob.write("CLAUDE.md", "first, said Bob\nsecond\nthird\n");
    two.bob.write("agents/clash.md", "bob\n");
    two.bob.write("agents/bobs.md", "bob's own\n");
    two.bob.remove("rules/3.md");
    two.bob.write("rules/4.md", "rule 4, changed\n");
    two.bob.write("settings.json", "{\n  \"model\": \"sonnet\"\n}\n");
    two.bob.write(&transcript(&two.bob, OTHER), lines(OTHER, 0..3));
    two
}

#[test]
fn p26_a_dry_run_writes_nothing_and_says_what_the_next_run_does() {
    for command in ["push", "pull", "sync"] {
        let two = busy();
        let before = both(&two, &two.bob);
        let dry = two.bob.csync(&[command, "--dry-run", "--json"]);
        assert_eq!(
            changes(&before, &both(&two, &two.bob)),
            [""; 0],
            "{command} --dry-run wrote"
        );
        assert_eq!(dry.json()["dry_run"], true);
        let wet = two.bob.csync(&[command, "--json"]);
        assert_eq!(dry.code, wet.code, "{command}: {}\n{}", dry.stderr, wet.stderr);
        assert!(dry.actions().len() >= 5, "{command}: {:?}", dry.actions());
        let (mut planned, mut done) = (dry.actions(), wet.actions());
        planned.sort();
        done.sort();
        assert_eq!(planned, done, "{command}");
        assert!(!changes(&before, &both(&two, &two.bob)).is_empty());
    }
}

#[test]
fn p26_a_dry_run_of_a_first_sync_writes_nothing() {
    let two = TwoMachines::joined();
    two.ana.write("CLAUDE.md", "x\n");
    two.ana.write(&transcript(&two.ana, SESSION), lines(SESSION, 0..3));
    for (machine, settle) in [(&two.ana, true), (&two.bob, false)] {
        // Asking for the status makes the index, a cache that is not there before the first run.
        machine.csync(&["status", "-q"]).ok();
        let before = both(&two, machine);
        let dry = machine.csync(&["sync", "-n", "--json"]).ok();
        assert_eq!(changes(&before, &both(&two, machine)), [""; 0]);
        assert_eq!(dry.actions().len(), 2, "{}", dry.stdout);
        if settle {
            machine.sync();
        }
    }
}

#[test]
fn p26_a_dry_run_needs_no_place_that_can_be_written() {
    let two = busy();
    let text = two.bob.csync(&["sync", "--dry-run"]).fails(13).stdout;
    assert!(
        text.contains("Would be:") && text.contains("Nothing was changed."),
        "{text}"
    );
    let nothing = two.ana.csync(&["sync", "--dry-run"]).ok().stdout;
    assert_eq!(nothing, "Nothing would change.\n");
}

#[test]
fn p27_when_nothing_changed_nothing_is_read_made_or_sent() {
    let two = busy();
    two.bob.csync(&["sync"]).fails(13);
    two.bob.csync(&["conflicts", "--keep", "local"]).ok();
    two.sync_all();
    two.bob.sync();
    // A file that was written within the last tick of the clock may be read once more.
    for machine in [&two.ana, &two.bob] {
        machine.sync();
    }
    for machine in [&two.ana, &two.bob] {
        let remote = picture(&two.remote);
        let mirror = files_below(&machine.mirror());
        let claude = picture(&machine.claude());
        for command in ["sync", "push", "pull"] {
            let json = machine.csync(&[command, "--json"]).ok().json();
            assert_eq!(json["items"], serde_json::json!([]), "{command}");
            assert_eq!(json["commits"], 0, "{command}");
            assert_eq!(json["bytes_sent"], 0, "{command}");
            assert_eq!(json["files_read"], 0, "{command}");
        }
        assert_eq!(
            changes(&remote, &picture(&two.remote)),
            [""; 0],
            "written to the remote"
        );
        assert_eq!(
            names(&files_below(&machine.mirror())),
            names(&mirror),
            "no new object in the mirror"
        );
        assert_eq!(changes(&claude, &picture(&machine.claude())), [""; 0]);
    }
}

fn names(files: &BTreeMap<String, Vec<u8>>) -> Vec<&String> {
    files.keys().collect()
}

/// How many bytes the remote's objects have on disk.
fn weight(remote: &Path) -> u64 {
    files_below(&remote.join("objects"))
        .values()
        .map(|content| content.len() as u64)
        .sum()
}

/// How many segments stand in the vault's tree.
fn segments(remote: &Path) -> usize {
    git(remote, &["ls-tree", "-r", "--name-only", "HEAD", "files/"])
        .lines()
        .filter(|path| path.split('/').count() == 6)
        .count()
}

#[test]
fn p28_a_push_costs_what_is_new_and_not_what_is_there() {
    let two = TwoMachines::joined();
    let path = transcript(&two.ana, SESSION);
    two.ana.write(&path, lines(SESSION, 0..2000));
    two.ana.csync(&["push", "-q"]).ok();
    let mut costs = Vec::new();
    let mut before = weight(&two.remote);
    for round in 0..40 {
        two.ana
            .append(&path, lines(SESSION, 2000 + round * 3..2003 + round * 3));
        two.ana.csync(&["push", "-q"]).ok();
        let now = weight(&two.remote);
        costs.push(now - before);
        before = now;
    }
    // Rewriting the whole session each time would cost its 90 KB compressed size each time.
    let worst = *costs.iter().max().unwrap();
    let mean = |costs: &[u64]| costs.iter().sum::<u64>() / costs.len() as u64;
    let (early, late) = (mean(&costs[..20]), mean(&costs[20..]));
    assert!(worst < 16 << 10, "{costs:?}");
    assert!(
        late < early + early / 2 && late < 6 << 10,
        "early {early}, late {late}: {costs:?}"
    );
    let segments = segments(&two.remote);
    assert!((1..=16).contains(&segments), "{segments} segments");
    two.bob.csync(&["pull", "-q"]).ok();
    assert_eq!(two.bob.read(&transcript(&two.bob, SESSION)), two.ana.read(&path));
}

#[test]
fn p28_three_more_lines_of_a_long_session_cost_little_more_than_themselves() {
    let two = TwoMachines::joined();
    let path = transcript(&two.ana, SESSION);
    // Three segments of up to 1 MiB.
    two.ana.write(&path, lines(SESSION, 0..10_000));
    assert!(two.ana.read(&path).len() > 5 << 19);
    two.ana.write("CLAUDE.md", "x\n");
    two.ana.csync(&["push", "-q"]).ok();
    assert!(segments(&two.remote) >= 3);
    let before = weight(&two.remote);
    let new = lines(SESSION, 10_000..10_003);
    two.ana.append(&path, &new);
    let json = two.ana.csync(&["push", "--json"]).ok().json();
    let cost = weight(&two.remote) - before;
    let compressed = compressed_size(&new);
    assert!(cost <= compressed + 4096, "{cost} bytes for {compressed}");
    assert!(json["bytes_sent"].as_u64().unwrap() <= compressed + 4096, "{json}");
    let repositorys = git(&two.remote, &["rev-list", "--objects", "HEAD~1..HEAD"]);
    assert!(repositorys.lines().count() <= 12, "{repositorys}");
}

fn compressed_size(text: &str) -> u64 {
    use std::io::Write;
    let mut child = std::process::Command::new("zstd")
        .args(["-q", "-3", "-c"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("zstd is installed");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap().stdout.len() as u64
}

/// Sends something over and back with this machine as it is set up.
#[track_caller]
fn works(two: &TwoMachines, machine: &Machine) {
    let bytes: Vec<u8> = (0..=255).chain(*b"\r\nline\nlast\r\n").collect();
    machine.write("skills/s/data.bin", &bytes);
    machine.write("rules/crlf.md", "one\r\ntwo\r\n");
    let session = transcript(machine, SESSION);
    machine.write(&session, lines(SESSION, 0..3));
    machine.sync();
    two.ana.sync();
    assert_eq!(two.ana.read("skills/s/data.bin"), bytes);
    assert_eq!(two.ana.text("rules/crlf.md"), "one\r\ntwo\r\n");
    two.ana.append(&transcript(&two.ana, SESSION), line(SESSION, 3));
    two.ana.sync();
    machine.sync();
    assert_eq!(machine.text(&session), lines(SESSION, 0..4));
    machine.csync(&["status", "--fetch", "--exit-code"]).ok();
}

#[test]
fn p35_a_persons_git_configuration_changes_nothing() {
    let two = TwoMachines::apart();
    for machine in [&two.ana, &two.bob] {
        std::fs::write(
            machine.home.join(".gitconfig"),
            "[core]\n\tautocrlf = true\n\teol = crlf\n\tsafecrlf = true\n\tattributesFile = ~/.attributes\n\thooksPath = ~/hooks\n\
             [filter \"lfs\"]\n\tclean = false\n\tsmudge = false\n\trequired = true\n[commit]\n\tgpgsign = true\n\
             [user]\n\tname = Canary Person\n\temail = canary@localhost\n[init]\n\ttemplateDir = ~/template\n[transfer]\n\tfsckObjects = true\n",
        )
        .unwrap();
        std::fs::write(
            machine.home.join(".attributes"),
            "* filter=lfs text=auto eol=crlf ident\n",
        )
        .unwrap();
        std::fs::create_dir_all(machine.home.join("template/hooks")).unwrap();
        std::fs::write(machine.home.join("template/hooks/pre-commit"), "#!/bin/sh\nexit 1\n").unwrap();
    }
    two.join();
    works(&two, &two.bob);
    let log = git(&two.remote, &["log", "--format=%an %ae %cn %ce"]);
    assert!(!log.contains("Canary") && !log.contains("canary"), "{log}");
    assert!(!two.bob.mirror().join("hooks/pre-commit").exists());
}

#[cfg(unix)]
#[test]
fn p35_a_repository_that_somebody_else_owns_is_used() {
    // Only root can give a repository away; elsewhere the other half of the story still runs: no safe.directory is set.
    let two = TwoMachines::joined();
    two.ana.sync();
    give_away(&two.remote);
    works(&two, &two.bob);
    give_away(&two.bob.mirror());
    works(&two, &two.bob);
}

#[cfg(unix)]
fn give_away(folder: &Path) {
    let mut all = vec![folder.to_owned()];
    while let Some(next) = all.pop() {
        let _ = std::os::unix::fs::chown(&next, Some(12_345), Some(12_345));
        if next.is_dir() {
            all.extend(std::fs::read_dir(&next).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
}

#[test]
fn p35_an_odd_locale_changes_nothing() {
    for locale in ["tr_TR.UTF-8", "de_DE.ISO-8859-1", "C", "zz_ZZ.nonsense"] {
        let two = TwoMachines::joined();
        let bob = Machine::new("third", two.folder.path().join("people/ı"))
            .with("LC_ALL", locale)
            .with("LANG", locale);
        two.join_with_identity(&bob, "ISTANBUL İiIı");
        works(&two, &bob);
        let status = bob.csync(&["status"]).ok().stdout;
        assert!(status.contains("ISTANBUL İiIı"), "{status}");
    }
}

/// Takes every right to write below a folder, or gives it back.
#[cfg(unix)]
fn set_writable(folder: &Path, writable: bool) {
    use std::os::unix::fs::PermissionsExt;
    let mode = if writable { 0o755 } else { 0o555 };
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(unix)]
#[test]
fn p35_a_home_that_cannot_be_written_is_left_alone() {
    let two = TwoMachines::joined();
    let elsewhere = two.folder.path().join("elsewhere");
    let claude = elsewhere.join("claude");
    std::fs::create_dir_all(&claude).unwrap();
    let mut third = Machine::new("third", two.folder.path().join("people/third"));
    std::fs::remove_dir(third.claude()).unwrap();
    third.set("CSYNC_CONFIG_DIR", elsewhere.join("config"));
    third.set("CSYNC_STATE_DIR", elsewhere.join("state"));
    third.set("CLAUDE_CONFIG_DIR", &claude);
    set_writable(&third.home, false);
    two.join_with_identity(&third, "third");
    two.ana.write("rules/a.md", "a\n");
    two.ana.sync();
    third.sync();
    assert_eq!(std::fs::read_to_string(claude.join("rules/a.md")).unwrap(), "a\n");
    std::fs::write(claude.join("rules/b.md"), "b\n").unwrap();
    third.sync();
    two.ana.sync();
    assert_eq!(two.ana.text("rules/b.md"), "b\n");
    let paths = third.csync(&["config", "path"]).ok().stdout;
    assert!(!paths.contains(third.home.to_str().unwrap()), "{paths}");
    // Root writes where it may not: what counts is that nothing came to be there.
    assert_eq!(std::fs::read_dir(&third.home).unwrap().count(), 0);
    set_writable(&third.home, true);
}

#[test]
fn two_variables_move_all_that_csync_keeps() {
    let two = TwoMachines::joined();
    let mut third = Machine::new("third", two.folder.path().join("people/third"));
    third.set("CSYNC_CONFIG_DIR", two.folder.path().join("c"));
    third.set("CSYNC_STATE_DIR", two.folder.path().join("s"));
    two.join_with_identity(&third, "third");
    third.sync();
    let left: Vec<_> = std::fs::read_dir(&third.home)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, [".claude"]);
    assert!(two.folder.path().join("c/config.toml").exists() && two.folder.path().join("s/index.sqlite").exists());
}

/// A machine with files of every sort that nobody has sent yet.
fn unsent() -> TwoMachines {
    let two = TwoMachines::joined();
    let ana = &two.ana;
    ana.write(&transcript(ana, SESSION), lines(SESSION, 0..2));
    ana.write(
        &transcript(ana, SESSION).replace(".jsonl", "/subagents/agent-1.jsonl"),
        lines(SESSION, 0..1),
    );
    ana.write(&transcript(ana, OTHER), lines(OTHER, 0..2));
    ana.write(&format!("{}/memory/MEMORY.md", ana.project("code/tool")), "m\n");
    ana.write("agents/a.md", "a\n");
    ana.write("agents/b.md", "b\n");
    ana.write("CLAUDE.md", "c\n");
    two
}

#[test]
fn a_selection_limits_a_push_to_what_it_names() {
    let app = "claude/projects/~-code-app";
    let session = [
        format!("{app}/{SESSION}.jsonl"),
        format!("{app}/{SESSION}/subagents/agent-1.jsonl"),
    ];
    let other = format!("{app}/{OTHER}.jsonl");
    let table: Vec<(Vec<&str>, Vec<String>)> = vec![
        (vec!["--session", "5b0e2a6c"], session.to_vec()),
        (
            vec!["--session", "5b0e2a6c", "--session", OTHER],
            [&session[..], &[other.clone()]].concat(),
        ),
        (vec!["--project", "app"], [&session[..], &[other.clone()]].concat()),
        (
            vec!["--project", "code/tool"],
            vec!["claude/projects/~-code-tool/memory/MEMORY.md".into()],
        ),
        (
            vec!["agents/"],
            vec!["claude/agents/a.md".into(), "claude/agents/b.md".into()],
        ),
        (
            vec!["agents/b.md", "CLAUDE.md"],
            vec!["claude/CLAUDE.md".into(), "claude/agents/b.md".into()],
        ),
        (
            vec!["*.md"],
            vec![
                "claude/CLAUDE.md".into(),
                "claude/agents/a.md".into(),
                "claude/agents/b.md".into(),
                "claude/projects/~-code-tool/memory/MEMORY.md".into(),
            ],
        ),
        (
            vec!["projects/*/memory/"],
            vec!["claude/projects/~-code-tool/memory/MEMORY.md".into()],
        ),
        (vec![".claude/agents/a.md"], vec!["claude/agents/a.md".into()]),
        (vec!["nothing-like-it"], vec![]),
    ];
    let two = unsent();
    for (arguments, expected) in &table {
        let dry: Vec<&str> = ["push", "--json", "--dry-run"]
            .iter()
            .chain(arguments)
            .copied()
            .collect();
        let mut paths: Vec<String> = two
            .ana
            .csync(&dry)
            .ok()
            .actions()
            .into_iter()
            .map(|(_, path)| path)
            .collect();
        paths.sort();
        let mut expected = expected.clone();
        expected.sort();
        assert_eq!(paths, expected, "{arguments:?}");
    }
    // And what is left out stays exactly as it is, to be sent by the next run.
    two.ana.csync(&["push", "--session", "5b0e"]).ok();
    two.bob.csync(&["pull"]).ok();
    let names: Vec<String> = two.bob.files().into_keys().collect();
    assert_eq!(names.len(), 2, "{names:?}");
    two.sync_all();
    assert_eq!(two.bob.files().len(), 7);
}

#[test]
fn a_selection_limits_a_pull_and_the_rest_comes_later() {
    let two = unsent();
    two.ana.sync();
    two.bob.csync(&["pull", "agents/a.md"]).ok();
    assert_eq!(two.bob.files().into_keys().collect::<Vec<_>>(), ["agents/a.md"]);
    two.bob.write("agents/bobs.md", "b\n");
    two.bob.csync(&["sync", "--project", "tool"]).ok();
    assert_eq!(two.bob.files().len(), 3);
    let status = two.bob.csync(&["status", "--json"]).ok().json();
    assert_eq!(status["outgoing"].as_array().unwrap().len(), 1, "{status}");
    assert_eq!(status["incoming"].as_array().unwrap().len(), 5, "{status}");
    two.bob.sync();
    two.ana.sync();
    assert_eq!(two.bob.files().len(), 8);
    assert_eq!(two.ana.files().len(), 8);
    // A change in the rest is not taken for a deletion or for something new.
    assert_eq!(two.bob.sync().json()["items"], serde_json::json!([]));
}

#[test]
fn a_session_id_that_is_too_short_is_wrong_usage() {
    let two = unsent();
    let run = two.ana.csync(&["push", "--session", "5b0"]).fails(2);
    assert!(
        run.stderr.contains("too short") && run.stderr.contains("hint:"),
        "{}",
        run.stderr
    );
}

#[test]
fn push_holds_back_what_also_changed_elsewhere_and_sends_the_rest() {
    let two = busy();
    let before = two.bob.files();
    let run = two.bob.csync(&["push", "--json"]).ok();
    assert_eq!(two.bob.files(), before, "push writes nothing here");
    let held: Vec<String> = run
        .actions()
        .into_iter()
        .filter(|(action, _)| action == "held")
        .map(|(_, path)| path)
        .collect();
    assert_eq!(
        held,
        [
            "claude/CLAUDE.md",
            "claude/agents/clash.md",
            &format!("claude/projects/~-code-app/{SESSION}.jsonl"),
            "claude/settings.json",
        ]
    );
    let json = run.json();
    let items = json["items"].as_array().unwrap();
    let note = items.iter().find(|item| item["action"] == "held").unwrap()["note"]
        .as_str()
        .unwrap();
    assert!(note.contains("csync sync"), "{note}");
    assert!(
        run.actions()
            .contains(&("added".into(), "claude/agents/bobs.md".into()))
    );
    two.ana.sync();
    assert!(two.ana.has("agents/bobs.md"));
    assert_eq!(two.ana.text("agents/clash.md"), "ana\n");
}

#[test]
fn pull_only_receives() {
    let two = busy();
    let tip = two.tip();
    let own = two.bob.read("agents/bobs.md");
    let json = two.bob.csync(&["pull", "--json"]).fails(13).json();
    assert_eq!(two.tip(), tip);
    assert_eq!(json["commits"], 0);
    assert_eq!(two.bob.read("agents/bobs.md"), own);
    assert_eq!(two.bob.text("agents/new.md"), "new\n");
    assert_eq!(two.bob.text("CLAUDE.md"), "first, said Bob\nsecond\nthird, said Ana\n");
    assert!(!two.bob.has("rules/1.md"));
    assert_eq!(two.bob.text("rules/4.md"), "rule 4, changed\n");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let two = busy();
    for arguments in [
        &["status"][..],
        &["diff", "--no-pager"],
        &["config", "show"],
        &["sync", "-n"],
        &["status", "--json"],
        &["help"],
        &["--help"],
        &["completions", "bash"],
        &["reference"],
    ] {
        let mut command = two.bob.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.is_empty(), "{arguments:?}: {told}");
        let code = output.status.code();
        assert!(matches!(code, Some(0 | 13)), "{arguments:?}: {:?}", output.status);
    }
}

#[test]
fn status_is_offline_unless_asked_and_tells_by_its_code() {
    let two = TwoMachines::joined();
    two.ana.write("CLAUDE.md", "x\n");
    two.sync_all();
    two.ana.write("CLAUDE.md", "y\n");
    two.ana.csync(&["status", "--exit-code"]).fails(1);
    two.ana.csync(&["status"]).ok();
    two.ana.sync();
    two.ana.csync(&["status", "--exit-code"]).ok();
    // Bob has not heard of it yet.
    let json = two.bob.csync(&["status", "--json", "--exit-code"]).ok().json();
    assert_eq!(json["clean"], true);
    assert_eq!(json["fetched"], false);
    let json = two
        .bob
        .csync(&["status", "--fetch", "--json", "--exit-code"])
        .fails(1)
        .json();
    assert_eq!(json["incoming"][0]["path"], "claude/CLAUDE.md");
    assert_eq!(json["fetched"], true);
    // What was fetched is known from now on, also offline.
    std::fs::rename(&two.remote, two.folder.path().join("gone.git")).unwrap();
    two.bob.csync(&["status", "--exit-code"]).fails(1);
    two.bob.csync(&["conflicts"]).ok();
    two.bob.csync(&["diff", "--no-pager"]).ok();
    two.bob.csync(&["status", "--fetch"]).fails(16);
    assert_eq!(two.bob.text("CLAUDE.md"), "x\n");
}
