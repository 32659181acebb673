//! Ways in which a line, a file or a version could have been lost: each was found by reading, and is closed.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use crate::machines::{Machine, TwoMachines};
use crate::transcripts::{conversation, message, session};

/// The transcript of a session in the project that both machines have under their homes.
fn transcript(machine: &Machine, id: &str) -> String {
    format!("{}/{id}.jsonl", machine.project("code/app"))
}

/// Whether any file of Claude Code's folder holds exactly `content`.
fn holds(machine: &Machine, content: &str) -> bool {
    machine.files().into_values().any(|bytes| bytes == content.as_bytes())
}

#[test]
fn keeping_both_twice_keeps_both_versions_of_the_vault() {
    let two = TwoMachines::joined();
    two.ana.write("CLAUDE.md", "use tabs\n");
    two.sync_all();
    for round in ["first", "second"] {
        two.ana.write("CLAUDE.md", format!("ana, {round}\n"));
        two.bob.write("CLAUDE.md", format!("bob, {round}\n"));
        two.ana.sync();
        two.bob.csync(&["sync"]).fails(13);
        two.bob.csync(&["conflicts", "--keep", "both"]).ok();
        two.bob.sync();
        two.ana.sync();
    }
    for round in ["first", "second"] {
        let version = format!("ana, {round}\n");
        assert!(holds(&two.bob, &version), "{version} is nowhere: {:?}", two.bob.files());
    }
}

#[test]
fn settings_with_keys_of_this_machine_are_not_deleted_because_another_one_deleted_its_own() {
    let two = TwoMachines::joined();
    two.ana.write("settings.json", "{\"model\": \"opus\"}\n");
    two.ana.write("CLAUDE.md", "# me\n");
    two.sync_all();
    let own = "{\"model\": \"opus\", \"apiKeyHelper\": \"/usr/local/bin/key\"}\n";
    two.bob.write("settings.json", own);
    two.bob.sync();
    two.ana.remove("settings.json");
    two.ana.sync();
    two.bob.sync();
    assert_eq!(two.bob.text("settings.json"), own, "nobody else has these keys");
    two.sync_all();
    let (tip, own_too) = (two.tip(), two.bob.text("settings.json"));
    two.sync_all();
    assert_eq!((two.tip(), two.bob.text("settings.json")), (tip, own_too), "it settles");
}

#[test]
fn an_exception_below_an_ignored_folder_is_no_deletion() {
    let two = TwoMachines::joined();
    two.ana.write("agents/kept.md", "kept\n");
    two.ana.write("CLAUDE.md", "# me\n");
    two.sync_all();
    // As with Git, the exception has no effect: the folder above is left out.
    two.ana.write(".csyncignore", "agents/\n!agents/kept.md\n");
    two.sync_all();
    assert_eq!(two.bob.text("agents/kept.md"), "kept\n");
}

#[test]
fn a_swept_session_that_has_an_older_copy_elsewhere_did_not_move() {
    let two = TwoMachines::joined();
    let id = session(1);
    let begin = conversation(&id, "s", "", 0, 3);
    let path = transcript(&two.ana, &id);
    two.ana.write(&path, &begin);
    let side = format!("{}/{id}/tool-results/t.txt", two.ana.project("code/app"));
    two.ana.write(&side, "result\n");
    two.sync_all();
    // A person copies the project; the session goes on in the first place, and is swept there.
    two.ana
        .write(&format!("{}/{id}.jsonl", two.ana.project("code/copy")), &begin);
    let whole = begin + &message(&id, "s4", "s3", 60, "goes on");
    two.ana.write(&path, &whole);
    two.sync_all();
    two.ana.remove(&path);
    two.ana.remove(&side);
    two.sync_all();
    let cleo = two.third("cleo");
    cleo.sync();
    assert!(
        holds(&cleo, &whole),
        "the vault lost the longer one: {:?}",
        cleo.files().keys()
    );
    assert!(holds(&cleo, "result\n"), "the vault lost what belongs to it");
    assert!(holds(&two.bob, &whole), "bob lost it");
}

#[test]
fn a_home_from_an_old_backup_is_stopped_before_it_shortens_the_sessions_in_the_vault() {
    let two = TwoMachines::joined();
    let old: Vec<String> = (0..12)
        .map(|number| conversation(&session(number), "s", "", 0, 2))
        .collect();
    for (number, content) in old.iter().enumerate() {
        two.ana.write(&transcript(&two.ana, &session(number)), content);
    }
    two.sync_all();
    for number in 0..12 {
        let id = session(number);
        two.ana
            .append(&transcript(&two.ana, &id), message(&id, "s3", "s2", 60, "more"));
    }
    two.sync_all();
    let (tip, bobs) = (two.tip(), two.bob.files());
    for (number, content) in old.iter().enumerate() {
        two.ana.write(&transcript(&two.ana, &session(number)), content);
    }
    let run = two.ana.csync(&["sync"]).fails(1);
    assert!(
        run.stderr.contains("replace 12 sessions by shorter ones"),
        "{}",
        run.stderr
    );
    assert_eq!(two.tip(), tip);
    two.bob.sync();
    assert_eq!(two.bob.files(), bobs);
}

#[test]
fn swept_sessions_do_not_make_the_breaker_blind() {
    let two = TwoMachines::joined();
    for number in 0..90 {
        let id = session(number);
        two.ana
            .write(&transcript(&two.ana, &id), conversation(&id, "s", "", 0, 1));
    }
    for number in 0..12 {
        two.ana
            .write(&format!("agents/{number}.md"), format!("agent {number}\n"));
    }
    two.ana.write("CLAUDE.md", "# me\n");
    two.sync_all();
    std::fs::remove_dir_all(two.ana.path("projects")).unwrap();
    two.ana.sync();
    let tip = two.tip();
    // Twelve of the thirteen files that are left: 11 % of all that ever were.
    std::fs::remove_dir_all(two.ana.path("agents")).unwrap();
    two.ana.csync(&["sync"]).fails(1);
    assert_eq!(two.tip(), tip);
}

#[test]
fn an_emptied_session_does_not_empty_the_vaults() {
    let two = TwoMachines::joined();
    let id = session(1);
    let path = transcript(&two.ana, &id);
    let content = conversation(&id, "s", "", 0, 3);
    two.ana.write(&path, &content);
    two.sync_all();
    // As a full disk or a power failure leaves it.
    two.ana.write(&path, "");
    two.ana.csync(&["sync"]);
    two.bob.sync();
    assert_eq!(two.bob.text(&transcript(&two.bob, &id)), content);
    let cleo = two.third("cleo");
    cleo.sync();
    assert!(holds(&cleo, &content));
}

#[test]
fn two_inits_at_once_leave_an_identity_that_opens_the_vault() {
    let two = TwoMachines::apart();
    let arguments = ["init", two.remote(), "--device", "ana", "--passphrase-file", "-"];
    let mut first = two
        .ana
        .command(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(700));
    let second = two
        .ana
        .command(&["init", two.remote(), "--device", "ana again", "--no-passphrase"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(700));
    first.stdin.take().unwrap().write_all(b"open sesame\n").unwrap();
    let (first, second) = (first.wait_with_output().unwrap(), second.wait_with_output().unwrap());
    let told = format!(
        "first: {}\nsecond: {}",
        String::from_utf8_lossy(&first.stderr),
        String::from_utf8_lossy(&second.stderr)
    );
    assert!(first.status.success(), "{told}");
    // The second is too late, or finds what the first one made.
    assert!(second.status.success() || second.status.code() == Some(11), "{told}");
    two.ana.write("CLAUDE.md", "# me\n");
    two.ana.sync();
}

#[test]
fn where_the_agent_keeps_its_data_does_not_depend_on_who_starts_csync() {
    let two = TwoMachines::apart();
    two.ana
        .csync(&["init", two.remote(), "--device", "ana", "--no-passphrase"])
        .ok();
    let elsewhere = two.folder.path().join("elsewhere");
    let mut bob = Machine::new("bob", two.folder.path().join("people/bob"));
    bob.set("CLAUDE_CONFIG_DIR", &elsewhere);
    two.join_with_identity(&bob, "bob");
    std::fs::create_dir_all(elsewhere.join("agents")).unwrap();
    std::fs::write(elsewhere.join("agents/reviewer.md"), "Review.\n").unwrap();
    bob.sync();

    // The same machine, started by something that lacks the variable.
    let from_cron = Machine::new("cron", bob.home.clone());
    let run = from_cron.sync();

    assert_eq!(run.actions(), []);
    two.ana.sync();
    assert_eq!(two.ana.text("agents/reviewer.md"), "Review.\n");
}
