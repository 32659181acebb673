//! settings.json merges by key and keeps what belongs to the machine; what a person or the program leaves out stays out.

use crate::machines::{Machine, TwoMachines, files_below, git};

const FIRST: &str = r#"{
  // what all machines share
  "model": "opus",
  "permissions": { "allow": ["Bash(ls:*)"], "deny": [] },
  "outputStyle": "terse"
}
"#;

fn settings(machine: &Machine) -> serde_json::Value {
    serde_json::from_slice(&machine.read("settings.json")).unwrap()
}

/// Both machines have the same settings.
fn agreed(text: &str) -> TwoMachines {
    let two = TwoMachines::joined();
    two.ana.write("settings.json", text);
    two.sync_all();
    two
}

/// Every text that a vault's files hold, as a third machine with nothing of its own gets them.
fn in_the_vault(two: &TwoMachines) -> String {
    let fresh = two.third("fresh");
    fresh.sync();
    fresh
        .files()
        .into_iter()
        .map(|(name, content)| format!("{name}\n{}\n", String::from_utf8_lossy(&content)))
        .collect()
}

#[test]
fn what_runs_commands_here_is_neither_sent_nor_overwritten() {
    let two = TwoMachines::joined();
    two.ana.write(
        "settings.json",
        r#"{
  "hooks": {"Stop": [{"hooks": [{"type": "command", "command": "canary-hook"}]}]},
  "statusLine": {"type": "command", "command": "canary-line"},
  "apiKeyHelper": "/opt/canary-helper",
  "env": {"TOKEN": "canary-token"},
  "someNewAuthRefresh": "canary-refresh",
  "model": "opus"
}
"#,
    );
    let bobs = r#"{
  "statusLine": {"type": "command", "command": "bob-line"},
  "env": {"HTTP_PROXY": "bob-proxy"}
}
"#;
    two.bob.write("settings.json", bobs);
    two.sync_all();
    let ana = two.ana.text("settings.json");
    for kept in [
        "canary-hook",
        "canary-line",
        "canary-helper",
        "canary-token",
        "canary-refresh",
    ] {
        assert!(ana.contains(kept), "{kept} is gone from {ana}");
        assert!(!two.bob.text("settings.json").contains(kept), "{kept} came over");
    }
    assert_eq!(settings(&two.bob)["model"], "opus");
    assert_eq!(settings(&two.bob)["env"]["HTTP_PROXY"], "bob-proxy");
    assert!(two.bob.text("settings.json").contains("bob-line"));
    assert!(!ana.contains("bob-"), "{ana}");
    let vault = in_the_vault(&two);
    assert!(
        vault.contains("opus") && !vault.contains("canary-") && !vault.contains("bob-"),
        "{vault}"
    );
}

#[test]
fn changing_only_a_machines_own_key_sends_nothing() {
    let two = agreed(FIRST);
    let commits = two.commits();
    let with_hook = FIRST.replace("\"outputStyle\"", "\"hooks\": {},\n  \"outputStyle\"");
    two.ana.write("settings.json", &with_hook);
    let run = two.ana.sync();
    assert_eq!(run.json()["commits"], 0, "{}", run.stdout);
    assert_eq!(two.commits(), commits);
    assert_eq!(two.ana.text("settings.json"), with_hook);
}

#[test]
fn other_keys_merge_three_way_and_keep_order_and_format() {
    let two = agreed(FIRST);
    two.ana.write("settings.json", FIRST.replace("opus", "sonnet"));
    two.bob.write(
        "settings.json",
        FIRST
            .replace("\"terse\"", "\"chatty\"")
            .replace("\"deny\": []", "\"deny\": [\"Read(.env)\"]"),
    );
    two.sync_all();
    two.bob.sync();
    let expected = FIRST
        .replace("opus", "sonnet")
        .replace("\"terse\"", "\"chatty\"")
        .replace("\"deny\": []", "\"deny\": [\"Read(.env)\"]");
    assert_eq!(two.ana.text("settings.json"), expected);
    assert_eq!(two.bob.text("settings.json"), expected);
}

#[test]
fn a_key_that_was_removed_on_one_machine_goes_on_the_other() {
    let two = agreed("{\n  \"model\": \"opus\",\n  \"outputStyle\": \"terse\"\n}\n");
    two.ana.write("settings.json", "{\n  \"model\": \"opus\"\n}\n");
    two.bob.write(
        "settings.json",
        "{\n  \"model\": \"sonnet\",\n  \"outputStyle\": \"terse\"\n}\n",
    );
    two.sync_all();
    two.bob.sync();
    for machine in [&two.ana, &two.bob] {
        assert_eq!(settings(machine), serde_json::json!({"model": "sonnet"}));
    }
}

#[test]
fn machines_with_another_layout_do_not_send_it_back_and_forth() {
    let two = TwoMachines::joined();
    // The same settings in another order and format, with keys of each machine in between.
    two.ana.write(
        "settings.json",
        "{\n  \"model\": \"opus\",\n  \"hooks\": {\"Stop\": []},\n  \"outputStyle\": \"terse\"\n}\n",
    );
    two.bob.write(
        "settings.json",
        "{\"outputStyle\":\"terse\",\"env\":{\"A\":\"1\"},\"model\":\"opus\"}",
    );
    two.sync_all();
    two.sync_all();
    let commits = two.commits();
    let before = (two.ana.text("settings.json"), two.bob.text("settings.json"));
    for _ in 0..3 {
        for machine in [&two.ana, &two.bob] {
            let run = machine.sync();
            assert_eq!(run.json()["items"], serde_json::json!([]), "{}", run.stdout);
        }
    }
    assert_eq!(two.commits(), commits);
    assert_eq!((two.ana.text("settings.json"), two.bob.text("settings.json")), before);
    // And a real change still goes over, into each machine's own layout.
    two.ana.write("settings.json", before.0.replace("opus", "sonnet"));
    two.sync_all();
    assert_eq!(two.bob.text("settings.json"), before.1.replace("opus", "sonnet"));
}

#[test]
fn keys_that_the_config_names_are_sent_from_machines_that_say_so() {
    let two = TwoMachines::joined();
    for machine in [&two.ana, &two.bob] {
        machine
            .csync(&["config", "set", "claude.send_keys", r#"["statusLine"]"#])
            .ok();
    }
    two.ana.write(
        "settings.json",
        r#"{"statusLine": {"command": "shared-line"}, "hooks": {"own": []}, "model": "opus"}"#,
    );
    two.sync_all();
    let bob = two.bob.text("settings.json");
    assert!(
        bob.contains("shared-line") && bob.contains("opus") && !bob.contains("hooks"),
        "{bob}"
    );
}

#[test]
fn a_machine_that_does_not_say_so_takes_no_command_from_the_vault() {
    let two = TwoMachines::joined();
    two.ana
        .csync(&["config", "set", "claude.send_keys", r#"["hooks", "statusLine"]"#])
        .ok();
    two.ana.write(
        "settings.json",
        r#"{"statusLine": {"command": "shared-line"}, "hooks": {"Stop": ["run-me"]}, "model": "opus"}"#,
    );
    two.sync_all();
    let bob = two.bob.text("settings.json");
    assert!(
        bob.contains("opus") && !bob.contains("shared-line") && !bob.contains("run-me"),
        "{bob}"
    );
    // Also not when it had a file, and not by resolving a conflict.
    two.bob.write("settings.json", r#"{"model": "bob"}"#);
    two.ana.write(
        "settings.json",
        r#"{"statusLine": {"command": "shared-line"}, "hooks": {"Stop": ["run-me"]}, "model": "ana"}"#,
    );
    two.ana.sync();
    two.bob.csync(&["sync"]).fails(13);
    two.bob.csync(&["conflicts", "--keep", "remote"]).ok();
    let bob = two.bob.text("settings.json");
    assert!(
        bob.contains("\"ana\"") && !bob.contains("run-me") && !bob.contains("shared-line"),
        "{bob}"
    );
    two.sync_all();
    assert!(
        two.ana.text("settings.json").contains("run-me"),
        "its own key stays on the machine that has it"
    );
}

#[test]
fn a_machine_that_does_not_send_a_key_does_not_take_it_from_one_that_does() {
    let two = TwoMachines::joined();
    two.ana
        .csync(&["config", "set", "claude.send_keys", r#"["hooks"]"#])
        .ok();
    two.ana
        .write("settings.json", r#"{"hooks": {"Stop": ["run-me"]}, "model": "opus"}"#);
    two.sync_all();
    two.bob
        .write("settings.json", two.bob.text("settings.json").replace("opus", "sonnet"));
    two.bob.sync();
    two.ana.sync();
    let ana = two.ana.text("settings.json");
    assert!(ana.contains("sonnet") && ana.contains("run-me"), "{ana}");
}

#[test]
fn two_values_for_one_key_are_a_conflict_and_resolve_by_key() {
    let two = agreed(FIRST);
    let bobs = FIRST
        .replace("opus", "haiku")
        .replace("\"terse\"", "\"terse\",\n  \"env\": {\"B\": \"bob\"}");
    two.ana.write("settings.json", FIRST.replace("opus", "sonnet"));
    two.bob.write("settings.json", &bobs);
    two.ana.sync();
    two.bob.csync(&["sync"]).fails(13);
    assert_eq!(two.bob.text("settings.json"), bobs);
    assert_eq!(two.bob.beside("settings.json").len(), 1);
    two.bob.csync(&["conflicts", "--keep", "remote"]).ok();
    assert_eq!(
        two.bob.text("settings.json"),
        bobs.replace("haiku", "sonnet"),
        "its own key stays"
    );
    assert!(two.bob.beside("settings.json").is_empty());
    let commits = two.commits();
    two.sync_all();
    two.bob.sync();
    assert_eq!(two.commits(), commits);
    assert_eq!(two.ana.text("settings.json"), FIRST.replace("opus", "sonnet"));
}

#[test]
fn keeping_the_local_settings_sends_them() {
    let two = agreed(FIRST);
    two.ana.write("settings.json", FIRST.replace("opus", "sonnet"));
    two.bob.write("settings.json", FIRST.replace("opus", "haiku"));
    two.ana.sync();
    two.bob.csync(&["sync"]).fails(13);
    two.bob.csync(&["conflicts", "--keep", "local"]).ok();
    two.bob.sync();
    two.ana.sync();
    for machine in [&two.ana, &two.bob] {
        assert_eq!(machine.text("settings.json"), FIRST.replace("opus", "haiku"));
    }
}

#[test]
fn settings_that_are_no_json_are_left_alone_and_told() {
    let two = agreed(FIRST);
    two.bob.write("settings.json", "{ \"model\": ");
    two.bob.write("rules/a.md", "a\n");
    two.ana.write("settings.json", FIRST.replace("opus", "sonnet"));
    two.ana.sync();
    let run = two.bob.csync(&["sync"]).fails(3);
    assert!(
        run.stderr.contains("settings.json is not valid JSON") && run.stderr.contains("hint:"),
        "{}",
        run.stderr
    );
    assert_eq!(two.bob.text("settings.json"), "{ \"model\": ");
    two.ana.sync();
    assert!(two.ana.has("rules/a.md"), "one bad file does not stop the others");
    // Mended, it goes on.
    two.bob.write("settings.json", FIRST);
    two.bob.csync(&["sync"]).ok();
    assert_eq!(two.bob.text("settings.json"), FIRST.replace("opus", "sonnet"));
}

#[test]
fn csyncignore_leaves_out_and_can_be_taken_back() {
    let two = TwoMachines::joined();
    two.ana
        .write(".csyncignore", "# mine\nagents/private-*\n/rules/\n!rules/public.md\n");
    two.ana.write("agents/private-notes.md", "canary-private\n");
    two.ana.write("agents/review.md", "review\n");
    two.ana.write("rules/r.md", "canary-rule\n");
    two.sync_all();
    assert!(two.bob.has("agents/review.md"));
    assert!(!two.bob.has("agents/private-notes.md") && !two.bob.has("rules/r.md"));
    assert!(
        !two.bob.has(".csyncignore"),
        "what one machine leaves out is its own affair"
    );
    two.ana.remove(".csyncignore");
    two.sync_all();
    assert_eq!(two.bob.text("rules/r.md"), "canary-rule\n");
    assert!(two.bob.has("agents/private-notes.md"));
}

#[test]
fn include_and_exclude_of_the_config_refine_what_is_synced() {
    let two = TwoMachines::joined();
    two.ana
        .csync(&[
            "config",
            "set",
            "claude.include",
            r#"["agents/", "CLAUDE.md", "settings.json"]"#,
        ])
        .ok();
    two.ana
        .csync(&["config", "set", "claude.exclude", "agents/own.md"])
        .ok();
    for name in ["agents/a.md", "agents/own.md", "rules/r.md", "CLAUDE.md"] {
        two.ana.write(name, name);
    }
    two.sync_all();
    let names: Vec<String> = two.bob.files().into_keys().collect();
    assert_eq!(names, ["CLAUDE.md", "agents/a.md"]);
    // What is excluded here does not come here either.
    two.bob.write("rules/bobs.md", "x\n");
    two.bob.write("agents/b.md", "x\n");
    two.sync_all();
    assert!(two.ana.has("agents/b.md") && !two.ana.has("rules/bobs.md"));
    assert_eq!(two.ana.csync(&["status", "--json"]).ok().json()["clean"], true);
}

#[test]
fn ignoring_a_synced_file_later_deletes_it_nowhere() {
    let two = TwoMachines::joined();
    two.ana.write("agents/a.md", "one\n");
    two.ana.write("agents/b.md", "one\n");
    two.sync_all();
    two.ana.write(".csyncignore", "agents/a.md\n");
    let run = two.ana.sync();
    assert_eq!(run.json()["items"], serde_json::json!([]), "{}", run.stdout);
    two.sync_all();
    assert_eq!(two.ana.text("agents/a.md"), "one\n");
    assert_eq!(two.bob.text("agents/a.md"), "one\n");
    // Deleting or changing it here stays here; changing it elsewhere stays there.
    two.ana.remove("agents/a.md");
    two.bob.write("agents/a.md", "two\n");
    two.sync_all();
    assert!(!two.ana.has("agents/a.md"));
    assert_eq!(two.bob.text("agents/a.md"), "two\n");
    assert!(in_the_vault(&two).contains("agents/a.md\ntwo\n"));
    // Taken in again, it comes back: here it was deleted, there it had changed.
    two.ana.remove(".csyncignore");
    two.ana.sync();
    assert_eq!(two.ana.text("agents/a.md"), "two\n");
}

#[test]
fn a_pattern_that_cannot_be_read_stops_before_anything_is_sent() {
    let two = TwoMachines::joined();
    two.ana.write("agents/a.md", "one\n");
    two.ana.write(".csyncignore", "secret\n[z-a]\n");
    let before = two.tip();
    let run = two.ana.csync(&["sync"]);
    assert_ne!(run.code, 0);
    assert!(
        run.stderr.contains(".csyncignore") && run.stderr.contains("[z-a]"),
        "{}",
        run.stderr
    );
    assert_eq!(two.tip(), before);
}

/// Files that are never synced, whatever the configuration says.
const NEVER: &[&str] = &[
    ".credentials.json",
    ".claude.json",
    ".claude.json.backup.1700000000000",
    "settings.local.json",
    "backups/.claude.json.backup.1700000000000",
    "backups/notes.md",
    "sessions/4711.json",
    "shell-snapshots/snapshot-bash-1.sh",
    "file-history/5b0e2a6c-41f3-4f0e-9d1a-8f6f2a7c1b3d/x@v1",
    "cache/changelog.md",
    "debug/latest.txt",
    "statsig/cached.json",
    "ide/1234.lock",
    "plugins/config.json",
    "todos/x.json",
    "paste-cache/1.txt",
    "projects/-srv-app/sessions-index.json",
    "agents/.credentials.json",
    "skills/x/.git/config",
    "skills/x/id.key",
];

#[test]
fn what_must_not_leave_never_does_whatever_the_config_says() {
    let two = TwoMachines::joined();
    for name in NEVER {
        two.ana
            .write(name, format!("{{\"canary\": \"canary-{}\"}}\n", name.replace('/', "-")));
    }
    two.ana.write("agents/a.md", "fine\n");
    two.ana.write(".csyncignore", "!.credentials.json\n!**\n");
    let everything = serde_json::to_string(&NEVER.iter().chain(&["**", "*", "agents/"]).collect::<Vec<_>>()).unwrap();
    two.ana.csync(&["config", "set", "claude.include", &everything]).ok();
    two.ana.sync();
    // Named one by one it is not sent either.
    for name in NEVER {
        let path = two.ana.path(name);
        two.ana.csync(&["push", path.to_str().unwrap()]).ok();
    }
    let vault = in_the_vault(&two);
    assert!(vault.contains("agents/a.md") && !vault.contains("canary"), "{vault}");
    let names: Vec<String> = files_below(&two.folder.path().join("people/fresh/.claude"))
        .into_keys()
        .collect();
    assert_eq!(names, ["agents/a.md"]);
    // All that the remote ever held is the heads of what may be there.
    let heads = git(&two.remote, &["ls-tree", "-r", "--name-only", "HEAD", "files/"]);
    assert_eq!(heads.lines().count(), 1, "{heads}");
}
