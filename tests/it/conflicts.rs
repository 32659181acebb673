//! What cannot merge: it stands beside, waits for a person, and stops nothing else.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::machines::{Machine, TwoMachines};

const SESSION: &str = "5b0e2a6c-41f3-4f0e-9d1a-8f6f2a7c1b3d";

/// A line of a conversation. `at` is a minute of one afternoon.
fn message(uuid: &str, parent: Option<&str>, at: u32, who: &str, text: &str) -> String {
    let line = serde_json::json!({
        "type": who,
        "uuid": uuid,
        "parentUuid": parent,
        "sessionId": SESSION,
        "timestamp": format!("2026-11-20T14:{at:02}:00.000Z"),
        "message": {"role": who, "content": text},
    });
    format!("{line}\n")
}

/// `~` with one Markdown file that both machines changed in the same line.
fn clash() -> TwoMachines {
    let two = TwoMachines::joined();
    two.ana.write("CLAUDE.md", "be brief\nuse tabs\n");
    two.sync_all();
    two.ana.write("CLAUDE.md", "be brief\nuse spaces\n");
    two.bob.write("CLAUDE.md", "be brief\nuse four spaces\n");
    two.ana.sync();
    two.bob.csync(&["sync"]).fails(13);
    two
}

/// One session that both machines have, with a message that Ana's machine then changed and Bob's changed otherwise.
fn clashing_sessions() -> (TwoMachines, String, String) {
    let two = TwoMachines::joined();
    let (here, there) = (two.ana.project("code/app"), two.bob.project("code/app"));
    let (ana, bob) = (format!("{here}/{SESSION}.jsonl"), format!("{there}/{SESSION}.jsonl"));
    let first = message("u1", None, 1, "user", "please look at the parser");
    two.ana.write(
        &ana,
        format!("{first}{}", message("a1", Some("u1"), 2, "assistant", "I see it")),
    );
    two.sync_all();
    assert!(two.bob.has(&bob));
    two.ana.write(
        &ana,
        format!(
            "{first}{}",
            message("a1", Some("u1"), 2, "assistant", "I see it, said Ana's")
        ),
    );
    two.bob.write(
        &bob,
        format!(
            "{first}{}",
            message("a1", Some("u1"), 2, "assistant", "I see it, said Bob's")
        ),
    );
    two.ana.sync();
    two.bob.csync(&["sync"]).fails(13);
    (two, ana, bob)
}

/// Syncs both, with an exit code of 13 allowed while a conflict waits.
fn settle(two: &TwoMachines) {
    for machine in [&two.ana, &two.bob, &two.ana, &two.bob] {
        let run = machine.csync(&["sync"]);
        assert!(run.code == 0, "{}\n{}", run.stdout, run.stderr);
    }
}

fn listed(machine: &Machine) -> Vec<serde_json::Value> {
    let run = machine.csync(&["conflicts", "--json"]);
    let json = run.json();
    assert_eq!(json["version"], 1);
    let conflicts = json["conflicts"].as_array().unwrap().clone();
    assert_eq!(run.code, if conflicts.is_empty() { 0 } else { 13 });
    conflicts
}

#[test]
fn what_does_not_merge_stands_beside_and_the_local_file_stays() {
    let two = clash();
    assert_eq!(two.bob.text("CLAUDE.md"), "be brief\nuse four spaces\n");
    let beside = two.bob.beside("CLAUDE.md");
    assert_eq!(beside.len(), 1, "{beside:?}");
    assert_eq!(std::fs::read_to_string(&beside[0]).unwrap(), "be brief\nuse spaces\n");
    let stamp = beside[0].to_str().unwrap().rsplit('.').next().unwrap();
    let shape: String = stamp
        .chars()
        .map(|c| if c.is_ascii_digit() { '9' } else { c })
        .collect();
    assert_eq!(shape, "99999999-999999", "{stamp}");
    // Nobody else may read what the owner alone may.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = beside[0].metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
    }
}

#[test]
fn a_conflict_is_held_back_from_the_vault_and_everything_else_flows() {
    let two = clash();
    let before = two.tip();
    two.bob.csync(&["push"]).ok();
    assert_eq!(two.tip(), before, "nothing else had changed");
    two.bob.write("agents/review.md", "look twice\n");
    let run = two.bob.csync(&["sync", "--json"]).fails(13);
    let actions = run.actions();
    assert!(
        actions.contains(&("added".into(), "claude/agents/review.md".into())),
        "{actions:?}"
    );
    assert!(
        actions.contains(&("conflict".into(), "claude/CLAUDE.md".into())),
        "{actions:?}"
    );
    two.ana.write("rules/a.md", "a rule\n");
    two.ana.sync();
    two.bob.csync(&["sync"]).fails(13);
    assert_eq!(two.bob.text("rules/a.md"), "a rule\n");
    assert_eq!(two.ana.text("agents/review.md"), "look twice\n");
    assert_eq!(two.ana.text("CLAUDE.md"), "be brief\nuse spaces\n");
}

#[test]
fn while_nothing_changes_no_second_conflict_file_appears_and_nothing_is_committed() {
    let two = clash();
    let beside = two.bob.beside("CLAUDE.md");
    let tip = two.tip();
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(400));
        let run = two.bob.csync(&["sync", "--json"]).fails(13);
        assert_eq!(run.json()["commits"], 0);
    }
    assert_eq!(two.bob.beside("CLAUDE.md"), beside);
    assert_eq!(two.tip(), tip);
}

#[test]
fn editing_the_local_file_meanwhile_makes_no_second_conflict_file() {
    let two = clash();
    let beside = two.bob.beside("CLAUDE.md");
    two.bob.write("CLAUDE.md", "be brief\nuse eight spaces\n");
    two.bob.csync(&["sync"]).fails(13);
    assert_eq!(two.bob.beside("CLAUDE.md"), beside);
    assert_eq!(two.bob.text("CLAUDE.md"), "be brief\nuse eight spaces\n");
}

#[test]
fn a_newer_version_of_the_vault_replaces_an_untouched_conflict_file() {
    let two = clash();
    two.ana.write("CLAUDE.md", "be brief\nuse one space\n");
    two.ana.sync();
    two.bob.csync(&["sync"]).fails(13);
    let beside = two.bob.beside("CLAUDE.md");
    assert_eq!(beside.len(), 1, "{beside:?}");
    assert_eq!(
        std::fs::read_to_string(&beside[0]).unwrap(),
        "be brief\nuse one space\n"
    );
}

#[test]
fn a_conflict_file_that_a_person_edited_is_never_removed() {
    let two = clash();
    let edited = two.bob.beside("CLAUDE.md").remove(0);
    std::fs::write(&edited, "my notes on this\n").unwrap();
    two.ana.write("CLAUDE.md", "be brief\nuse one space\n");
    two.ana.sync();
    two.bob.csync(&["sync"]).fails(13);
    assert_eq!(std::fs::read_to_string(&edited).unwrap(), "my notes on this\n");
    let contents: Vec<String> = two
        .bob
        .beside("CLAUDE.md")
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    assert!(
        contents.contains(&"be brief\nuse one space\n".to_owned()),
        "{contents:?}"
    );
    two.bob.csync(&["conflicts", "--keep", "remote"]).ok();
    assert_eq!(std::fs::read_to_string(&edited).unwrap(), "my notes on this\n");
    settle(&two);
    assert_eq!(std::fs::read_to_string(&edited).unwrap(), "my notes on this\n");
}

#[test]
fn conflict_files_are_never_synced() {
    let two = clash();
    // Also not those of a name that csync did not make itself.
    two.bob.write("agents/x.md.conflict.20200101-000000", "old\n");
    two.bob.csync(&["sync"]).fails(13);
    two.bob.csync(&["conflicts", "--keep", "local"]).ok();
    settle(&two);
    let names: Vec<String> = two.ana.files().into_keys().collect();
    assert!(!names.iter().any(|name| name.contains(".conflict")), "{names:?}");
    assert!(two.bob.has("agents/x.md.conflict.20200101-000000"));
}

#[test]
fn deleting_the_conflict_file_by_hand_loses_nothing() {
    let two = clash();
    std::fs::remove_file(two.bob.beside("CLAUDE.md").remove(0)).unwrap();
    // The vault still has the other version: it is shown, comes beside again, and can be kept.
    assert_eq!(listed(&two.bob).len(), 1);
    two.bob.csync(&["sync"]).fails(13);
    assert_eq!(two.bob.beside("CLAUDE.md").len(), 1);
    std::fs::remove_file(two.bob.beside("CLAUDE.md").remove(0)).unwrap();
    two.bob.csync(&["conflicts", "--keep", "remote"]).ok();
    assert_eq!(two.bob.text("CLAUDE.md"), "be brief\nuse spaces\n");
    settle(&two);
    assert_eq!(two.ana.text("CLAUDE.md"), "be brief\nuse spaces\n");
}

#[test]
fn the_list_names_both_sides_with_sizes_and_times() {
    let two = clash();
    let conflicts = listed(&two.bob);
    assert_eq!(conflicts.len(), 1);
    let one = &conflicts[0];
    assert_eq!(one["path"], "claude/CLAUDE.md");
    assert_eq!(
        one["file"],
        two.bob.path("CLAUDE.md").canonicalize().unwrap().to_str().unwrap()
    );
    assert_eq!(one["conflict_files"].as_array().unwrap().len(), 1);
    assert_eq!(one["local"]["size"], "be brief\nuse four spaces\n".len());
    assert_eq!(one["remote"]["size"], "be brief\nuse spaces\n".len());
    assert!(one["local"]["modified"].as_str().unwrap().ends_with('Z'));
    assert_eq!(one["device"], "ana's laptop");
    assert_eq!(one["can_keep_both"], true);
    let text = two.bob.csync(&["conflicts", "--list"]).fails(13).stdout;
    assert!(text.starts_with("1 conflict:\n"), "{text}");
    assert!(
        text.contains("CLAUDE.md") && text.contains("from ana's laptop"),
        "{text}"
    );
    assert!(listed(&two.ana).is_empty());
    assert!(two.ana.csync(&["conflicts"]).ok().stdout.is_empty());
}

#[test]
fn keeping_local_sends_it_to_all() {
    let two = clash();
    let json = two.bob.csync(&["conflicts", "--keep", "local", "--json"]).ok().json();
    assert_eq!(json["version"], 1);
    assert_eq!(json["resolved"], serde_json::json!(["claude/CLAUDE.md"]));
    assert!(two.bob.beside("CLAUDE.md").is_empty());
    assert!(listed(&two.bob).is_empty());
    settle(&two);
    for machine in [&two.ana, &two.bob] {
        assert_eq!(machine.text("CLAUDE.md"), "be brief\nuse four spaces\n");
        assert!(machine.beside("CLAUDE.md").is_empty());
    }
}

#[test]
fn keeping_remote_takes_the_vaults() {
    let two = clash();
    two.bob.csync(&["conflicts", "--keep", "remote"]).ok();
    assert_eq!(two.bob.text("CLAUDE.md"), "be brief\nuse spaces\n");
    assert!(two.bob.beside("CLAUDE.md").is_empty());
    let commits = two.commits();
    settle(&two);
    assert_eq!(two.commits(), commits, "there was nothing to send");
    assert_eq!(two.ana.text("CLAUDE.md"), "be brief\nuse spaces\n");
}

#[test]
fn keeping_both_of_a_text_gives_the_vaults_a_name_of_its_own() {
    let two = clash();
    two.bob.csync(&["conflicts", "--keep", "both"]).ok();
    settle(&two);
    assert_eq!(two.bob.text("CLAUDE.md"), "be brief\nuse four spaces\n");
    assert_eq!(two.ana.text("CLAUDE.md"), "be brief\nuse four spaces\n");
    let all: Vec<Vec<u8>> = two.bob.files().into_values().collect();
    assert!(
        all.contains(&b"be brief\nuse spaces\n".to_vec()),
        "the vault's version is nowhere"
    );
}

#[test]
fn one_of_several_conflicts_can_be_chosen() {
    let two = TwoMachines::joined();
    for name in ["agents/a.md", "agents/b.md"] {
        two.ana.write(name, "one\n");
    }
    two.sync_all();
    for name in ["agents/a.md", "agents/b.md"] {
        two.ana.write(name, "ana\n");
        two.bob.write(name, "bob\n");
    }
    two.ana.sync();
    two.bob.csync(&["sync"]).fails(13);
    two.bob.csync(&["conflicts", "--keep", "remote", "agents/a.md"]).ok();
    assert_eq!(two.bob.text("agents/a.md"), "ana\n");
    assert_eq!(two.bob.text("agents/b.md"), "bob\n");
    assert_eq!(listed(&two.bob).len(), 1);
    two.bob.csync(&["sync"]).fails(13);
    two.bob.csync(&["conflicts", "--keep", "local"]).ok();
    settle(&two);
    assert_eq!(two.ana.text("agents/b.md"), "bob\n");
    assert_eq!(two.ana.text("agents/a.md"), "ana\n");
}

#[test]
fn a_conflict_that_the_other_machine_resolves_goes_away() {
    let two = clash();
    // Bob takes over by hand what Ana has.
    two.bob.write("CLAUDE.md", "be brief\nuse spaces\n");
    two.bob.csync(&["sync"]).ok();
    assert!(listed(&two.bob).is_empty());
    // The copy of what the vault had says nothing any more; nobody needs to clean it up.
    assert!(
        two.bob.beside("CLAUDE.md").is_empty(),
        "{:?}",
        two.bob.beside("CLAUDE.md")
    );
}

#[test]
fn a_message_with_other_bytes_is_a_conflict() {
    let (two, ana, bob) = clashing_sessions();
    assert!(two.bob.text(&bob).contains("said Bob's"));
    let beside = two.bob.beside(&bob);
    assert_eq!(beside.len(), 1);
    assert!(std::fs::read_to_string(&beside[0]).unwrap().contains("said Ana's"));
    assert_eq!(listed(&two.bob)[0]["session"], SESSION);
    two.bob.csync(&["conflicts", "--keep", "local"]).ok();
    settle(&two);
    assert_eq!(two.ana.read(&ana), two.bob.read(&bob));
    assert!(two.ana.text(&ana).contains("said Bob's"));
}

#[test]
fn keeping_both_of_a_session_makes_one_of_its_own() {
    let (two, ana, bob) = clashing_sessions();
    two.bob.csync(&["conflicts", "--keep", "both"]).ok();
    settle(&two);
    assert!(two.ana.text(&ana).contains("said Bob's"));
    let folder = two.ana.project("code/app");
    let others: Vec<String> = two
        .ana
        .files()
        .into_keys()
        .filter(|name| name.starts_with(&folder) && *name != ana)
        .collect();
    assert_eq!(others.len(), 1, "{others:?}");
    let other = two.ana.text(&others[0]);
    let id = Path::new(&others[0]).file_stem().unwrap().to_str().unwrap();
    assert!(
        other.contains("said Ana's") && other.contains("please look at the parser"),
        "{other}"
    );
    assert!(!other.contains(SESSION), "{other}");
    assert!(other.lines().all(|line| line.contains(id)), "{other}");
    assert!(other.contains("ana's laptop"), "its title names the device: {other}");
    let same = others[0].replace(&folder, &two.bob.project("code/app"));
    assert_eq!(two.bob.text(&same), other);
    assert!(two.bob.beside(&bob).is_empty());
}

#[test]
fn both_cannot_be_kept_where_the_agent_reads_one_file() {
    let two = TwoMachines::joined();
    two.ana.write("settings.json", "{\n  \"model\": \"a\"\n}\n");
    two.sync_all();
    two.ana.write("settings.json", "{\n  \"model\": \"b\"\n}\n");
    two.bob.write("settings.json", "{\n  \"model\": \"c\"\n}\n");
    two.ana.sync();
    two.bob.csync(&["sync"]).fails(13);
    let run = two.bob.csync(&["conflicts", "--keep", "both"]).fails(3);
    assert!(
        run.stderr.contains("cannot be kept") && run.stderr.contains("hint:"),
        "{}",
        run.stderr
    );
    assert_eq!(listed(&two.bob).len(), 1);
    assert_eq!(two.bob.text("settings.json"), "{\n  \"model\": \"c\"\n}\n");
}

#[test]
fn without_a_terminal_the_conflicts_are_listed_and_nobody_is_asked() {
    let two = clash();
    let run = two.bob.csync(&["conflicts"]).fails(13);
    assert!(run.stdout.contains("--keep local|remote"), "{}", run.stdout);
    assert_eq!(two.bob.beside("CLAUDE.md").len(), 1);
}

/// A person at a terminal: keys go in, a screen comes out. A tmux server of its own, ended with the person.
pub struct Person {
    socket: std::path::PathBuf,
}

impl Person {
    /// `machine`'s person runs csync with `arguments`, in a terminal of 110 columns.
    pub fn runs(machine: &Machine, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let socket = machine.home.join("tmux.socket");
        let mut shell = String::from("exec env -i");
        let command = machine.command(arguments);
        for (name, value) in command.get_envs() {
            let _ = write!(
                shell,
                " {}={}",
                name.to_str().unwrap(),
                quoted(value.unwrap().to_str().unwrap())
            );
        }
        for (name, value) in variables {
            let _ = write!(shell, " {name}={}", quoted(value));
        }
        let _ = write!(
            shell,
            " TERM=screen-256color {}",
            quoted(command.get_program().to_str().unwrap())
        );
        for argument in command.get_args() {
            let _ = write!(shell, " {}", quoted(argument.to_str().unwrap()));
        }
        // The screen stays after the end, with the exit code on it.
        // A signal is for csync alone.
        let shell = format!("trap : INT; ({shell}); echo \"[exit $?]\"; sleep 60");
        let person = Self { socket };
        person.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "110", "-y", "50", &shell]);
        person
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = Command::new("tmux")
            .arg("-S")
            .arg(&self.socket)
            .args(arguments)
            .env("LC_ALL", "C.UTF-8")
            .env("SHELL", "/bin/sh")
            .env_remove("TMUX")
            .output()
            .expect("tmux is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Presses a key.
    pub fn presses(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    /// What is on the screen and what has scrolled off it.
    pub fn sees(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-S", "-200"])
    }

    /// The same with its colours.
    pub fn sees_in_colour(&self) -> String {
        self.tmux(&["capture-pane", "-e", "-p", "-S", "-200"])
    }

    /// Waits until `text` stands on the screen `times` times.
    #[track_caller]
    pub fn waits_for(&self, text: &str, times: usize) -> String {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let screen = self.sees();
            if screen.matches(text).count() >= times {
                return screen;
            }
            assert!(Instant::now() < end, "`{text}` never came {times} times:\n{screen}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = Command::new("tmux")
            .arg("-S")
            .arg(&self.socket)
            .arg("kill-server")
            .output();
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[test]
fn a_person_goes_through_the_conflicts_key_by_key() {
    let two = TwoMachines::joined();
    let names = [
        "agents/a.md",
        "agents/b.md",
        "agents/c.md",
        "agents/d.md",
        "agents/e.md",
    ];
    for name in names {
        two.ana.write(name, "first\nsecond\n");
    }
    two.sync_all();
    for name in names {
        two.ana.write(name, "first\nsecond, said Ana\n");
        two.bob.write(name, "first\nsecond, said Bob\n");
    }
    two.ana.sync();
    two.bob.csync(&["sync"]).fails(13);
    let editor = two.folder.path().join("editor.sh");
    std::fs::write(&editor, "#!/bin/sh\necho 'and a third, by hand' >> \"$1\"\n").unwrap();
    let editor = format!("sh {}", editor.to_str().unwrap());

    let person = Person::runs(&two.bob, &["conflicts", "--no-pager"], &[("EDITOR", &editor)]);
    person.waits_for("What now? [l,r,b,d,e,s,q,?]", 1);
    person.presses("x");
    person.waits_for("keep the vault's version", 1);
    person.presses("d");
    let screen = person.waits_for("What now?", 3);
    assert!(
        screen.contains("second, said Ana") && screen.contains("second, said Bob"),
        "{screen}"
    );
    person.presses("s");
    person.waits_for("Conflict 2 of 5", 1);
    person.presses("l");
    person.waits_for("Conflict 3 of 5", 1);
    person.presses("R");
    person.waits_for("Conflict 4 of 5", 1);
    person.presses("e");
    person.waits_for("Edited.", 1);
    person.presses("l");
    person.waits_for("Conflict 5 of 5", 1);
    person.presses("b");
    let screen = person.waits_for("[exit", 1);
    assert!(screen.contains("Resolved 4 conflicts, 1 left."), "{screen}");
    assert!(screen.contains("[exit 13]"), "{screen}");
    drop(person);

    assert_eq!(two.bob.text("agents/a.md"), "first\nsecond, said Bob\n");
    assert_eq!(two.bob.text("agents/b.md"), "first\nsecond, said Bob\n");
    assert_eq!(two.bob.text("agents/c.md"), "first\nsecond, said Ana\n");
    assert_eq!(
        two.bob.text("agents/d.md"),
        "first\nsecond, said Bob\nand a third, by hand\n"
    );
    assert_eq!(listed(&two.bob).len(), 1);

    let person = Person::runs(&two.bob, &["conflicts"], &[]);
    person.waits_for("Conflict 1 of 1", 1);
    person.presses("q");
    let screen = person.waits_for("[exit", 1);
    assert!(
        screen.contains("Resolved 0 conflicts, 1 left.") && screen.contains("[exit 13]"),
        "{screen}"
    );
    drop(person);

    two.bob.csync(&["conflicts", "--keep", "local"]).ok();
    settle(&two);
    assert_eq!(
        two.ana.text("agents/d.md"),
        "first\nsecond, said Bob\nand a third, by hand\n"
    );
    assert_eq!(two.ana.text("agents/e.md"), "first\nsecond, said Bob\n");
    assert_eq!(two.bob.files().len(), two.ana.files().len());
}

#[test]
fn ctrl_c_at_the_question_resolves_nothing() {
    let two = clash();
    let person = Person::runs(&two.bob, &["conflicts"], &[]);
    person.waits_for("What now?", 1);
    person.presses("C-c");
    let screen = person.waits_for("[exit", 1);
    assert!(screen.contains("[exit 130]"), "{screen}");
    drop(person);
    assert_eq!(listed(&two.bob).len(), 1);
    assert_eq!(two.bob.text("CLAUDE.md"), "be brief\nuse four spaces\n");
}

/// Text that would drive a terminal or fool a person, with a word at its end that must be seen.
const HOSTILE: &str =
    "\u{1b}[2J\u{1b}]0;owned\u{7}\u{1b}[31mred\u{9b}31m\u{202e}txt.exe\u{2066}\u{200b}\rover \u{8}said";

#[test]
fn p23_what_a_session_holds_cannot_drive_the_terminal() {
    let (two, ana, bob) = {
        let two = TwoMachines::joined();
        let ana = format!("{}/{SESSION}.jsonl", two.ana.project("code/app"));
        let bob = format!("{}/{SESSION}.jsonl", two.bob.project("code/app"));
        let title = format!(
            "{{\"type\":\"custom-title\",\"customTitle\":{},\"sessionId\":\"{SESSION}\"}}\n",
            serde_json::json!(format!("{HOSTILE} the title"))
        );
        let first = format!("{}{title}", message("u1", None, 1, "user", "look"));
        two.ana.write(
            &ana,
            format!("{first}{}", message("a1", Some("u1"), 2, "assistant", "yes")),
        );
        two.ana.write("CLAUDE.md", "x\n");
        two.sync_all();
        two.ana.write(
            &ana,
            format!(
                "{first}{}",
                message("a1", Some("u1"), 2, "assistant", &format!("{HOSTILE} Ana"))
            ),
        );
        two.bob.write(
            &bob,
            format!(
                "{first}{}",
                message("a1", Some("u1"), 2, "assistant", &format!("{HOSTILE} Bob"))
            ),
        );
        two.ana.write("CLAUDE.md", format!("{HOSTILE} from Ana\n"));
        two.bob.write("CLAUDE.md", format!("{HOSTILE} from Bob\n"));
        two.ana.sync();
        (two, ana, bob)
    };
    let mut printed = String::new();
    for arguments in [
        &["sync"][..],
        &["status"],
        &["conflicts", "--list"],
        &["diff", "--no-pager", "--color", "never"],
        &["diff", "--no-pager", "--raw", "--color", "never"],
        &["sync", "--dry-run"],
    ] {
        let run = two.bob.csync(arguments);
        printed.push_str(&run.stdout);
        printed.push_str(&run.stderr);
    }
    let bad: Vec<char> = printed
        .chars()
        .filter(|c| {
            c.is_control() && !matches!(c, '\n' | '\t')
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}')
        })
        .collect();
    assert!(bad.is_empty(), "{bad:?} in:\n{printed}");
    for seen in ["the title", "said Ana", "said Bob", "said from Ana", "^["] {
        assert!(printed.contains(seen), "{seen} is not in:\n{printed}");
    }
    // With colours only csync's own sequences are there: once those are taken away, none is left.
    let coloured = two.bob.csync(&["diff", "--no-pager", "--color", "always"]).ok().stdout;
    assert!(coloured.contains("\u{1b}["));
    let plain = without_colours(&coloured);
    assert!(!plain.contains('\u{1b}') && !coloured.contains("\u{1b}[2J"), "{plain}");
    drop((ana, bob));
}

/// `text` without sequences that set colours; others stay.
fn without_colours(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("\u{1b}[") {
        plain.push_str(&rest[..at]);
        let after = &rest[at + 2..];
        let length = after.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap();
        if after[length..].starts_with('m') {
            rest = &after[length + 1..];
        } else {
            plain.push_str("\u{1b}[");
            rest = after;
        }
    }
    plain + rest
}

#[test]
fn the_difference_of_a_session_shows_what_was_said_and_no_json() {
    let (two, ..) = clashing_sessions();
    let shown = two.bob.csync(&["diff", "--no-pager"]).ok().stdout;
    assert!(
        shown.contains("I see it, said Ana's") && shown.contains("I see it, said Bob's"),
        "{shown}"
    );
    for json in ["\"uuid\"", "parentUuid", "{\"", "sessionId"] {
        assert!(!shown.contains(json), "{shown}");
    }
    let raw = two.bob.csync(&["diff", "--no-pager", "--raw"]).ok().stdout;
    assert!(raw.contains("parentUuid"), "{raw}");
}
