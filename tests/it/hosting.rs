//! `csync init github:NAME` and `gitlab:NAME`: the repository is looked up at its host, made private where it does not exist,
//! and refused where others can read it. The real `gh` talks to a server that answers as GitHub does.

pub mod github;
pub mod gitlab;
mod refusals;

use self::github::{GitHub, TOKEN};
use crate::conflicts::Person;
use crate::machines::{Machine, Run, files_below};

fn init(machine: &Machine, url: &str, more: &[&str]) -> Run {
    init_with(machine, url, "seven green turtles sing at noon", more)
}

fn init_with(machine: &Machine, url: &str, passphrase: &str, more: &[&str]) -> Run {
    let file = machine.home.join("passphrase");
    std::fs::write(&file, passphrase).unwrap();
    let usual = [
        "init",
        url,
        "--device",
        &machine.name,
        "--passphrase-file",
        file.to_str().unwrap(),
    ];
    machine.csync(&[&usual, more].concat())
}

/// Nothing of csync is on the machine.
#[track_caller]
fn has_nothing(machine: &Machine) {
    let files = files_below(&machine.home);
    let left: Vec<&String> = files.keys().filter(|name| name.contains("csync")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_private_repository_is_made_and_the_second_machine_joins_with_the_same_words() {
    let github = GitHub::start();
    let ana = github.machine("ana");
    let made = init(&ana, "github:me/sessions", &[]).ok();
    let place = format!("me/sessions on {}", github.host());
    assert!(
        made.stderr.contains(&format!("Made the private repository {place}.")),
        "{}",
        made.stderr
    );
    assert!(made.stdout.contains("Made a new vault in https://localhost:"));
    // What the host learns: a name, and that it is private and has nothing else in it.
    let changes = github.changes();
    let [request] = &changes[..] else { panic!("{changes:?}") };
    let body: serde_json::Value = serde_json::from_str(request.strip_prefix("POST /user/repos ").unwrap()).unwrap();
    let expected = serde_json::json!({
        "name": "sessions", "private": true, "auto_init": false,
        "has_issues": false, "has_projects": false, "has_wiki": false,
    });
    assert_eq!(body, expected);
    // The configuration has the real address and no secret.
    let config = ana.csync(&["config", "get", "remote"]).ok().stdout;
    assert_eq!(config.trim(), format!("https://{}/me/sessions.git", github.host()));

    ana.write("CLAUDE.md", "Be kind.\n");
    ana.sync();
    let bob = github.machine("bob");
    let joined = init(&bob, "github:sessions", &[]).ok();
    assert!(joined.stdout.contains("Joined the vault"), "{}", joined.stdout);
    assert!(!joined.stderr.contains("Made"), "{}", joined.stderr);
    bob.sync();
    assert_eq!(bob.text("CLAUDE.md"), "Be kind.\n");
    assert_eq!(github.changes().len(), 1);
}

#[test]
fn another_machine_that_makes_it_first_is_no_failure() {
    let github = GitHub::start();
    let ana = github.machine("ana");
    github.set("overtaken", "");
    let run = init(&ana, "github:me/sessions", &[]).ok();
    assert!(!run.stderr.contains("Made the"), "{}", run.stderr);
    assert_eq!(github.refs("me/sessions"), 1);
}

#[test]
fn a_host_that_shows_it_late_is_asked_again() {
    let github = GitHub::start();
    let ana = github.machine("ana");
    github.set("late", "2");
    init(&ana, "github:me/sessions", &[]).ok();
    assert_eq!(github.refs("me/sessions"), 1);
}

#[test]
fn an_organisation_gets_it_where_it_lets_the_person() {
    let github = GitHub::start();
    let ana = github.machine("ana");
    let run = init(&ana, "github:them/sessions", &[]).fails(16);
    let error = format!("cannot make them/sessions on {}", github.host());
    assert!(run.stderr.contains(&error), "{}", run.stderr);
    assert!(run.stderr.contains("Not Found"), "{}", run.stderr);
    has_nothing(&ana);

    github.set("orgs/them", "");
    init(&ana, "github:them/sessions", &[]).ok();
    assert_eq!(github.refs("them/sessions"), 1);
}

#[test]
fn what_was_made_before_a_failure_is_told_and_used_the_next_time() {
    let github = GitHub::start();
    let ana = github.machine("ana");
    let run = init_with(&ana, "github:me/sessions", "short", &[]).fails(2);
    assert!(run.stderr.contains("stays, and is empty"), "{}", run.stderr);
    let run = init(&ana, "github:me/sessions", &[]).ok();
    assert!(run.stdout.contains("Made a new vault"), "{}", run.stdout);
    assert_eq!(github.changes().len(), 1);
}

#[test]
fn the_address_is_of_the_protocol_that_the_tool_is_set_to() {
    let github = GitHub::start();
    let ana = github.machine("ana");
    let address = "ssh://git@localhost:1/me/sessions.git";
    github.has("me/sessions", |says| says["ssh_url"] = address.into());
    std::fs::create_dir_all(ana.home.join(".config/gh")).unwrap();
    std::fs::write(ana.home.join(".config/gh/config.yml"), "git_protocol: ssh\n").unwrap();
    // Nobody is there; that it is looked for is enough.
    let run = init(&ana, "github:me/sessions", &[]).fails(16);
    assert!(run.stderr.contains(address), "{}", run.stderr);
}

#[test]
fn at_a_terminal_it_asks_before_it_makes_one() {
    let github = GitHub::start();
    let question = "Make the private repository me/sessions";
    let arguments = ["init", "github:me/sessions", "--device", "x", "--no-passphrase"];
    let ana = github.machine("ana");
    let person = Person::runs(&ana, &arguments, &[]);
    person.waits_for(question, 1);
    person.presses("n");
    person.waits_for("[exit 2]", 1);
    assert!(github.changes().is_empty());
    has_nothing(&ana);

    let bob = github.machine("bob");
    let person = Person::runs(&bob, &arguments, &[]);
    person.waits_for(question, 1);
    person.presses("y");
    person.waits_for("[exit 0]", 1);
    assert_eq!(github.changes().len(), 1);
    assert_eq!(github.refs("me/sessions"), 1);
}

#[test]
fn who_has_no_credential_helper_is_told_how_to_get_one() {
    let github = GitHub::start();
    let ana = github.machine("ana");
    let hint = format!("run `gh auth setup-git --hostname {}`", github.host());
    let with = init(&ana, "github:me/sessions", &[]).ok();
    assert!(!with.stderr.contains(&hint), "{}", with.stderr);

    let bob = github.machine("bob");
    std::fs::remove_file(bob.home.join(".gitconfig")).unwrap();
    let without = init(&bob, "github:me/sessions", &[]).fails(16);
    assert!(without.stderr.contains(&hint), "{}", without.stderr);
}

#[test]
fn p18_tokens_are_not_shown_and_the_tool_gets_no_secret_of_csync() {
    let github = GitHub::start();
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("seen");
    let real = crate::servers::process::program("gh");
    let script = format!("#!/bin/sh\nenv >>{}\nexec {} \"$@\"\n", seen.display(), real.display());
    crate::servers::process::write_script(&folder.path().join("bin/gh"), &script);
    let path = format!(
        "{}:{}",
        folder.path().join("bin").display(),
        std::env::var("PATH").unwrap()
    );
    let ana = github
        .machine("ana")
        .with("PATH", path)
        .with("CSYNC_GIT_TOKEN", TOKEN)
        .with("CSYNC_PASSPHRASE", "seven green turtles");
    let run = init(&ana, "github:me/sessions", &["-vvv"]);
    assert!(
        !run.stdout.contains(TOKEN) && !run.stderr.contains(TOKEN),
        "{}",
        run.stderr
    );
    let seen = std::fs::read_to_string(seen).unwrap();
    assert!(
        seen.contains("GH_ENTERPRISE_TOKEN="),
        "the person's own token reaches it"
    );
    for secret in ["CSYNC_PASSPHRASE", "CSYNC_GIT_TOKEN", "turtles"] {
        assert!(!seen.contains(secret), "{secret}");
    }
}
