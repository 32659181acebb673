//! `diff` and `conflicts` only look: what they cannot look at is told, and a reader who leaves is no error.

use std::io::Read as _;
use std::process::Stdio;

use crate::machines::Machine;

/// A machine whose vault holds a `CLAUDE.md` that has changed here since.
fn changed(folder: &tempfile::TempDir, now: &str) -> Machine {
    let ana = Machine::new("ana", folder.path().join("ana"));
    ana.csync(&["init", "--local", "--device", "laptop"]).ok();
    ana.write("CLAUDE.md", "Write plain English.\n");
    ana.sync();
    ana.write("CLAUDE.md", now);
    ana
}

#[test]
fn what_differs_is_there_for_scripts() {
    let folder = tempfile::tempdir().unwrap();
    let ana = changed(&folder, "Write plain English, please.\n");
    let json = ana.csync(&["diff", "--json", "--exit-code"]).fails(1).json();
    assert_eq!(json["version"], 1);
    let [difference] = json["differences"].as_array().unwrap().as_slice() else {
        panic!("{json:#}")
    };
    assert_eq!(difference["path"], "claude/CLAUDE.md");
    assert_eq!(difference["local"]["size"], 29);
    assert_eq!(difference["remote"]["size"], 21);
    assert_eq!(difference["remote"]["device"], "laptop");

    ana.sync();
    let json = ana.csync(&["diff", "--json", "--exit-code"]).ok().json();
    assert_eq!(json["differences"].as_array().unwrap().len(), 0);
}

#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let ana = changed(&folder, &"One more line that is different.\n".repeat(20_000));
    let mut child = ana
        .command(&["diff"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut start = [0; 16];
    child.stdout.take().unwrap().read_exact(&mut start).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
#[cfg(unix)]
fn what_cannot_be_looked_at_is_told_and_the_rest_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let ana = changed(&folder, "Write plain English, please.\n");
    std::fs::create_dir(ana.path("agents")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", ana.path("agents/elsewhere.md")).unwrap();

    let shown = ana.csync(&["diff"]).fails(3);
    assert!(shown.stdout.contains("please"), "{}", shown.stdout);
    assert!(shown.stderr.contains("agents/elsewhere.md"), "{}", shown.stderr);
    let json = ana.csync(&["diff", "--json"]).fails(3).json();
    assert_eq!(json["troubles"].as_array().unwrap().len(), 1);

    let listed = ana.csync(&["conflicts", "--list"]).fails(3);
    assert!(listed.stderr.contains("agents/elsewhere.md"), "{}", listed.stderr);
    assert!(!listed.stderr.contains("no conflicts"), "{}", listed.stderr);
}

#[test]
fn a_name_that_nothing_has_is_not_called_in_sync() {
    let folder = tempfile::tempdir().unwrap();
    let ana = changed(&folder, "Write plain English, please.\n");
    let limited = ana.csync(&["sync", "--project", "misspelt"]).ok();
    assert!(!limited.stdout.contains("Everything"), "{}", limited.stdout);
    assert!(limited.stdout.contains("nothing has that name"), "{}", limited.stdout);
    assert!(
        ana.csync(&["diff", "misspelt"])
            .ok()
            .stderr
            .contains("in what you named")
    );
}

#[test]
fn more_is_shown_where_more_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let ana = changed(&folder, "Write plain English, please.\n");
    assert_eq!(ana.csync(&["-v", "status"]).ok().stderr, "");
    let run = ana.csync(&["-vv", "sync"]).ok();
    for step in ["opened vault", "asking", "looked at 1 files", "sending commit"] {
        assert!(run.stderr.contains(step), "{step}: {}", run.stderr);
    }
    ana.write("CLAUDE.md", "Be brief.\n");
    let run = ana.csync(&["-vvv", "sync"]).ok();
    assert!(run.stderr.contains("reading CLAUDE.md"), "{}", run.stderr);
    assert!(!run.stderr.contains("Be brief"), "{}", run.stderr);
}
