//! What `csync init github:NAME` refuses, and that nothing is written anywhere then.

use super::github::GitHub;
use super::{has_nothing, init};
use crate::machines::Machine;

#[test]
fn what_others_can_read_is_refused_and_nothing_is_written_anywhere() {
    let github = GitHub::start();
    let ana = github.machine("ana");
    github.has("me/open", |says| {
        says["private"] = false.into();
        says["visibility"] = "public".into();
    });
    github.has("me/company", |says| says["visibility"] = "internal".into());
    for (name, who) in [
        ("me/open", "public: everybody can read it"),
        ("me/company", "internal: everybody with an account there can read it"),
    ] {
        let run = init(&ana, &format!("github:{name}"), &[]).fails(2);
        let error = format!("error: {name} on {} is {who}", github.host());
        assert!(run.stderr.contains(&error), "{}", run.stderr);
        assert!(run.stderr.contains("--allow-public"), "{}", run.stderr);
        assert_eq!(github.refs(name), 0);
        has_nothing(&ana);
    }
    assert!(github.changes().is_empty(), "its visibility is left alone");

    init(&ana, "github:me/open", &["--allow-public"]).ok();
    assert_eq!(github.refs("me/open"), 1);
}

#[test]
fn an_answer_that_does_not_say_clearly_who_can_read_is_refused() {
    let github = GitHub::start();
    let ana = github.machine("ana");
    let described = |change: fn(&mut serde_json::Value)| {
        let mut says = serde_json::json!({
            "full_name": "me/sessions", "private": true, "visibility": "private", "archived": false,
            "clone_url": format!("https://{}/me/sessions.git", github.host()),
        });
        change(&mut says);
        says.to_string()
    };
    for answer in [
        described(|says| says["visibility"] = serde_json::Value::Null),
        described(|says| drop(says.as_object_mut().unwrap().remove("visibility"))),
        described(|says| drop(says.as_object_mut().unwrap().remove("private"))),
        described(|says| says["private"] = false.into()),
        described(|says| says["visibility"] = "public".into()),
        described(|says| says["visibility"] = "secret".into()),
        described(|says| says["private"] = "true".into()),
        "<html>Sign in to the network first</html>".to_owned(),
        "[]".to_owned(),
        String::new(),
    ] {
        github.says("me/sessions", &answer);
        let run = init(&ana, "github:me/sessions", &[]).fails(16);
        assert!(run.stderr.contains("is not understood"), "{answer}\n{}", run.stderr);
        has_nothing(&ana);
    }
    // An address that leads elsewhere is no better: Git would send the password there.
    github.says(
        "me/sessions",
        &described(|says| says["clone_url"] = "https://localhost:1/me/sessions.git".into()),
    );
    let run = init(&ana, "github:me/sessions", &[]).fails(16);
    assert!(run.stderr.contains("gives no HTTPS address"), "{}", run.stderr);
    has_nothing(&ana);
}

#[test]
fn what_cannot_be_written_is_refused() {
    let github = GitHub::start();
    let ana = github.machine("ana");
    github.has("me/old", |says| says["archived"] = true.into());
    github.has("them/theirs", |says| says["permissions"]["push"] = false.into());
    github.has("me/before", |says| says["full_name"] = "me/after".into());
    for (name, code, error) in [
        ("me/old", 2, "is archived"),
        ("them/theirs", 16, "you may read them/theirs"),
        ("me/before", 2, "is called me/after now"),
    ] {
        let run = init(&ana, &format!("github:{name}"), &[]).fails(code);
        assert!(run.stderr.contains(error), "{}", run.stderr);
        has_nothing(&ana);
    }
}

#[test]
fn who_is_not_signed_in_is_told_what_to_run() {
    let github = GitHub::start();
    let by_hand = "run `csync init git@localhost:me/sessions.git`";
    let stranger = github.stranger("stranger");
    let expired = github
        .stranger("expired")
        .with("GH_ENTERPRISE_TOKEN", "ghp_expired000000");
    for machine in [&stranger, &expired] {
        let run = init(machine, "github:me/sessions", &[]).fails(16);
        let error = format!("error: gh is not signed in to {}", github.host());
        assert!(run.stderr.contains(&error), "{}", run.stderr);
        let command = format!("gh auth login --hostname {}", github.host());
        assert!(run.stderr.contains(&command), "{}", run.stderr);
        assert!(run.stderr.contains(by_hand), "{}", run.stderr);
        has_nothing(machine);
    }
    // Without GH_HOST it is github.com, and `gh` knows by itself that nobody is signed in there.
    let nobody = Machine::new("nobody", stranger.home.join("nobody"));
    let run = init(&nobody, "github:me/sessions", &[]).fails(16);
    assert!(
        run.stderr.contains("gh is not signed in to github.com"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("run `gh auth login`"), "{}", run.stderr);
}

#[test]
fn without_the_tool_the_way_by_hand_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let ana = Machine::new("ana", folder.path().join("ana")).with("PATH", folder.path());
    for (url, tool, host) in [
        ("github:me/x", "gh", "github.com"),
        ("gitlab:me/x", "glab", "gitlab.com"),
    ] {
        let run = init(&ana, url, &[]).fails(2);
        let error = format!("error: {url} needs the program {tool}, which is not there");
        assert!(run.stderr.contains(&error), "{}", run.stderr);
        let hint = format!("install {tool} and run `{tool} auth login`");
        assert!(run.stderr.contains(&hint), "{}", run.stderr);
        assert!(run.stderr.contains(&format!("git@{host}:me/x.git")), "{}", run.stderr);
        has_nothing(&ana);
    }
}

#[test]
fn a_name_that_the_host_would_not_take_is_refused_before_anybody_is_asked() {
    let github = GitHub::start();
    let ana = github.machine("ana");
    for name in [
        "github:",
        "github:-me/x",
        "github:me/..",
        "github:a/b/c",
        "github:me/x.git",
        "github:--help",
    ] {
        let run = init(&ana, name, &[]).fails(2);
        assert!(run.stderr.contains("names no repository"), "{}", run.stderr);
    }
    assert!(github.requests().is_empty());
    has_nothing(&ana);
}

#[test]
fn a_host_that_makes_it_public_all_the_same_gets_nothing() {
    let github = GitHub::start();
    let ana = github.machine("ana");
    github.set("policy", "public");
    let run = init(&ana, "github:me/sessions", &[]).fails(2);
    assert!(run.stderr.contains("is public"), "{}", run.stderr);
    assert!(run.stderr.contains("nothing was sent there"), "{}", run.stderr);
    assert_eq!(github.refs("me/sessions"), 0);
    has_nothing(&ana);
}
