//! What vanishes: swept sessions, deleted files, sessions that moved, the breaker.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::machines::{Machine, Run, TwoMachines, files_below};
use crate::transcripts::{conversation, last_prompt, message, session};

/// The transcript of a session in the project that both machines have under their homes.
fn transcript(machine: &Machine, id: &str) -> String {
    format!("{}/{id}.jsonl", machine.project("code/app"))
}

/// Two machines that share session 1.
fn two_with_a_session() -> (TwoMachines, String, String) {
    let two = TwoMachines::joined();
    let id = session(1);
    let content = conversation(&id, "s", "", 0, 3) + &last_prompt(&id, "s3");
    two.ana.write(&transcript(&two.ana, &id), &content);
    two.ana.write("CLAUDE.md", "# me\n");
    two.sync_all();
    (two, id, content)
}

/// Where a session's transcript stands on a machine.
fn folders_of(machine: &Machine, id: &str) -> Vec<String> {
    machine
        .files()
        .into_keys()
        .filter(|path| path.ends_with(&format!("/{id}.jsonl")))
        .collect()
}

/// What a run says of the path that ends with `end`.
#[track_caller]
fn told(run: &Run, end: &str) -> (String, String) {
    let json = run.json();
    let item = json["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["path"].as_str().unwrap().ends_with(end))
        .unwrap_or_else(|| panic!("nothing is told of {end}: {json}"));
    (
        item["action"].as_str().unwrap().to_owned(),
        item["note"].as_str().unwrap_or_default().to_owned(),
    )
}

#[test]
fn a_swept_session_stays_in_the_vault_and_comes_back_when_it_changes_there() {
    let (two, id, content) = two_with_a_session();
    let commits = two.commits();
    two.ana.remove(&transcript(&two.ana, &id));
    for _ in 0..2 {
        two.ana.sync();
        two.bob.sync();
    }
    assert!(
        !two.ana.has(&transcript(&two.ana, &id)),
        "a sync does not bring it back"
    );
    assert_eq!(
        two.bob.text(&transcript(&two.bob, &id)),
        content,
        "nobody else loses it"
    );
    assert_eq!(two.commits(), commits, "no deletion was sent");
    let cleo = two.third("cleo");
    cleo.sync();
    assert_eq!(cleo.text(&transcript(&cleo, &id)), content, "the vault has kept it");

    let more = message(&id, "b1", "s3", 60, "bob goes on");
    two.bob.append(&transcript(&two.bob, &id), &more);
    two.bob.sync();
    let run = two.ana.sync();
    assert_eq!(two.ana.text(&transcript(&two.ana, &id)), content + &more);
    let (action, note) = told(&run, &format!("{id}.jsonl"));
    assert_eq!(action, "came-back");
    assert!(note.contains("came back"), "{note}");
}

#[test]
fn a_sweep_of_all_sessions_is_no_mass_deletion() {
    let two = TwoMachines::joined();
    for number in 0..30 {
        let id = session(number);
        two.ana
            .write(&transcript(&two.ana, &id), conversation(&id, "s", "", 0, 2));
    }
    two.ana.write("CLAUDE.md", "# me\n");
    two.sync_all();
    let before = two.bob.files();
    std::fs::remove_dir_all(two.ana.path("projects")).unwrap();
    two.sync_all();
    assert_eq!(two.bob.files(), before);
    assert_eq!(two.ana.files().len(), 1);
}

#[test]
fn a_lost_index_does_not_bring_swept_sessions_back_as_deletions() {
    let (two, id, content) = two_with_a_session();
    two.ana.remove(&transcript(&two.ana, &id));
    two.ana.sync();
    std::fs::remove_file(two.ana.index()).unwrap();
    let commits = two.commits();
    two.ana.sync();
    two.bob.sync();
    assert!(!two.ana.has(&transcript(&two.ana, &id)));
    assert_eq!(two.bob.text(&transcript(&two.bob, &id)), content);
    assert_eq!(two.commits(), commits);
}

#[test]
fn a_deleted_agent_is_deleted_everywhere() {
    let two = TwoMachines::joined();
    two.ana.write("agents/old.md", "old\n");
    two.ana.write("agents/kept.md", "kept\n");
    two.sync_all();
    two.ana.remove("agents/old.md");
    let sent = two.ana.sync();
    let received = two.bob.sync();
    assert_eq!(told(&sent, "agents/old.md").0, "deleted-there");
    assert_eq!(told(&received, "agents/old.md").0, "deleted-here");
    assert!(!two.bob.has("agents/old.md"));
    assert_eq!(two.bob.text("agents/kept.md"), "kept\n");
    two.sync_all();
    assert!(!two.ana.has("agents/old.md"));
    // Written again, it is a new file.
    two.bob.write("agents/old.md", "new\n");
    two.bob.sync();
    two.ana.sync();
    assert_eq!(two.ana.text("agents/old.md"), "new\n");
}

#[test]
fn what_was_deleted_here_and_changed_there_comes_back_and_says_so() {
    let two = TwoMachines::joined();
    two.ana.write("agents/a.md", "one\n");
    two.ana.write("CLAUDE.md", "# me\n");
    two.sync_all();
    two.ana.remove("agents/a.md");
    two.bob.write("agents/a.md", "one\ntwo\n");
    two.bob.sync();
    let run = two.ana.sync();
    assert_eq!(two.ana.text("agents/a.md"), "one\ntwo\n");
    let (action, note) = told(&run, "agents/a.md");
    assert_eq!(action, "came-back");
    assert!(note.contains("changed on another device"), "{note}");
    two.sync_all();
    assert_eq!(two.bob.text("agents/a.md"), "one\ntwo\n");
}

#[test]
fn what_was_changed_here_and_deleted_there_stays_and_says_so() {
    let two = TwoMachines::joined();
    two.ana.write("agents/a.md", "one\n");
    two.ana.write("CLAUDE.md", "# me\n");
    two.sync_all();
    two.bob.remove("agents/a.md");
    two.bob.sync();
    two.ana.write("agents/a.md", "one\ntwo\n");
    let run = two.ana.sync();
    let (action, note) = told(&run, "agents/a.md");
    assert_eq!(action, "kept");
    assert!(note.contains("deleted on another device"), "{note}");
    two.bob.sync();
    for machine in [&two.ana, &two.bob] {
        assert_eq!(machine.text("agents/a.md"), "one\ntwo\n");
    }
}

#[test]
fn what_both_deleted_is_gone_without_a_word() {
    let two = TwoMachines::joined();
    two.ana.write("agents/a.md", "one\n");
    two.ana.write("CLAUDE.md", "# me\n");
    two.sync_all();
    two.ana.remove("agents/a.md");
    two.bob.remove("agents/a.md");
    two.ana.sync();
    assert!(two.bob.sync().actions().is_empty());
    two.sync_all();
    assert!(!two.ana.has("agents/a.md") && !two.bob.has("agents/a.md"));
}

#[test]
fn a_session_that_moved_to_another_project_moves_everywhere() {
    let (two, id, content) = two_with_a_session();
    let from = two.ana.project("code/app");
    two.ana.write(&format!("{from}/{id}/tool-results/t.txt"), "result\n");
    two.sync_all();
    let to = two.ana.project("code/other");
    std::fs::create_dir_all(two.ana.path(&to)).unwrap();
    for name in [format!("{id}.jsonl"), id.clone()] {
        std::fs::rename(
            two.ana.path(&format!("{from}/{name}")),
            two.ana.path(&format!("{to}/{name}")),
        )
        .unwrap();
    }
    two.sync_all();

    let there = two.bob.project("code/other");
    assert_eq!(folders_of(&two.bob, &id), [format!("{there}/{id}.jsonl")]);
    assert_eq!(two.bob.text(&format!("{there}/{id}.jsonl")), content);
    assert_eq!(two.bob.text(&format!("{there}/{id}/tool-results/t.txt")), "result\n");
    assert!(
        !two.bob
            .has(&format!("{}/{id}/tool-results/t.txt", two.bob.project("code/app")))
    );
    assert_eq!(folders_of(&two.ana, &id), [format!("{to}/{id}.jsonl")]);
    let cleo = two.third("cleo");
    cleo.sync();
    assert_eq!(folders_of(&cleo, &id).len(), 1);
}

#[test]
fn a_session_that_moved_here_and_grew_there_never_stands_under_two_folders() {
    let (two, id, content) = two_with_a_session();
    let to = format!("{}/{id}.jsonl", two.ana.project("code/other"));
    std::fs::create_dir_all(two.ana.path(&to).parent().unwrap()).unwrap();
    std::fs::rename(two.ana.path(&transcript(&two.ana, &id)), two.ana.path(&to)).unwrap();
    let more = message(&id, "b1", "s3", 60, "bob goes on");
    two.bob.append(&transcript(&two.bob, &id), &more);
    two.bob.sync();
    let cleo = two.third("cleo");
    for _ in 0..2 {
        for machine in [&two.ana, &two.bob, &cleo] {
            machine.sync();
            let folders = folders_of(machine, &id);
            assert_eq!(folders.len(), 1, "on {}: {folders:?}", machine.name);
        }
    }
    // Nobody lost what they had.
    assert_eq!(two.ana.text(&to), content);
    assert_eq!(two.bob.text(&transcript(&two.bob, &id)), content + &more);
}

/// Two machines that share thirty agents, two commands and a session.
fn two_with_many_files() -> TwoMachines {
    let (two, _, _) = two_with_a_session();
    for number in 0..30 {
        two.ana
            .write(&format!("agents/{number}.md"), format!("agent {number}\n"));
    }
    two.sync_all();
    two
}

#[test]
fn a_mass_deletion_stops_before_anything_is_changed() {
    let two = two_with_many_files();
    let (tip, bobs) = (two.tip(), two.bob.files());
    for number in 0..25 {
        two.ana.remove(&format!("agents/{number}.md"));
    }
    two.ana.write("agents/new.md", "new\n");
    let run = two.ana.csync(&["sync"]).fails(1);
    assert!(run.stderr.contains("delete 25 of"), "{}", run.stderr);
    assert!(run.stderr.contains("--allow-deletions"), "{}", run.stderr);
    assert_eq!(two.tip(), tip, "nothing was sent");

    two.ana.csync(&["sync", "--allow-deletions"]).ok();
    // The other machine is asked as well.
    let run = two.bob.csync(&["sync"]).fails(1);
    assert!(run.stderr.contains("delete 25 of"), "{}", run.stderr);
    assert_eq!(two.bob.files(), bobs, "nothing was deleted");
    two.bob.csync(&["sync", "--allow-deletions"]).ok();
    assert!(!two.bob.has("agents/0.md"));
    assert_eq!(two.bob.text("agents/29.md"), "agent 29\n");
    assert_eq!(two.bob.text("agents/new.md"), "new\n");
}

#[test]
fn tidying_up_a_few_files_needs_no_permission() {
    let two = two_with_many_files();
    for number in 0..10 {
        two.ana.remove(&format!("agents/{number}.md"));
    }
    two.sync_all();
    assert!(!two.bob.has("agents/0.md"));
}

#[test]
fn an_agents_folder_that_is_not_mounted_is_no_deletion() {
    let (two, id, content) = two_with_a_session();
    two.ana.write("agents/a.md", "one\n");
    two.sync_all();
    let (tip, here) = (two.tip(), two.ana.files());
    let away = two.ana.home.join("away");
    for emptied in [false, true] {
        std::fs::rename(two.ana.claude(), &away).unwrap();
        if emptied {
            std::fs::create_dir(two.ana.claude()).unwrap();
        }
        let run = two.ana.csync(&["sync"]).fails(1);
        assert!(
            run.stderr.contains("stopped before anything was changed"),
            "{}",
            run.stderr
        );
        assert_eq!(two.tip(), tip);
        std::fs::remove_dir_all(two.ana.claude()).unwrap();
        std::fs::rename(&away, two.ana.claude()).unwrap();
        assert!(two.ana.sync().actions().is_empty());
    }
    two.bob.sync();
    assert_eq!(two.ana.files(), here);
    assert_eq!(two.bob.text("agents/a.md"), "one\n");
    assert_eq!(two.bob.text(&transcript(&two.bob, &id)), content);
}

/// Runs csync as somebody who may not look into every folder, also where the tests run as root.
fn csync_without_privileges(machine: &Machine, arguments: &[&str]) -> Run {
    let plain = machine.command(arguments);
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|about| {
        use std::os::unix::fs::MetadataExt;
        about.uid() == 0
    });
    let mut command = if is_root {
        let mut command = Command::new("setpriv");
        command
            .arg("--bounding-set=-dac_override,-dac_read_search")
            .arg("--inh-caps=-dac_override,-dac_read_search")
            .arg(plain.get_program())
            .args(plain.get_args())
            .env_clear()
            .envs(
                plain
                    .get_envs()
                    .filter_map(|(name, value)| value.map(|value| (name, value))),
            )
            .current_dir(&machine.home);
        command
    } else {
        plain
    };
    let output = command.output().unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

#[test]
fn an_unreadable_folder_is_no_deletion() {
    let two = two_with_many_files();
    let bobs = two.bob.files();
    two.ana.write("commands/new.md", "new\n");
    chmod(&two.ana.path("agents"), 0o000);
    let run = csync_without_privileges(&two.ana, &["sync", "--json"]);
    chmod(&two.ana.path("agents"), 0o700);
    let run = run.fails(3);
    assert!(run.stderr.contains("agents"), "{}", run.stderr);

    // The others went on: nothing was deleted, and what could be read was sent.
    two.bob.sync();
    let mut expected = bobs;
    expected.insert("commands/new.md".to_owned(), b"new\n".to_vec());
    assert_eq!(two.bob.files(), expected);
    assert!(two.ana.sync().actions().is_empty());
    assert_eq!(files_below(&two.ana.path("agents")).len(), 30);
}
