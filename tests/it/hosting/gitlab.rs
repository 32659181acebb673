//! `csync init gitlab:NAME`. The tool is a stand-in, see `glab-stand-in.sh`; the repositories are real ones behind HTTPS.

use super::github::{GitHub, TOKEN};
use super::{has_nothing, init};
use crate::machines::Machine;
use crate::servers::process::write_script;

/// A machine with the stand-in, signed in at a host whose repositories `server` has.
pub fn machine(server: &GitHub, name: &str) -> Machine {
    let state = server.folder();
    std::fs::create_dir_all(state.join("groups")).unwrap();
    let script = include_str!("glab-stand-in.sh")
        .replace("@STATE@", state.to_str().unwrap())
        .replace("@TOKEN@", TOKEN);
    write_script(&state.join("bin/glab"), &script);
    let path = format!("{}:{}", state.join("bin").display(), std::env::var("PATH").unwrap());
    server
        .machine(name)
        .with("PATH", path)
        .with("GITLAB_HOST", format!("https://{}/", server.host()))
        .with("GITLAB_TOKEN", TOKEN)
}

/// What the stand-in was called with.
fn calls(server: &GitHub) -> String {
    std::fs::read_to_string(server.folder().join("glab.log")).unwrap_or_default()
}

/// What the host says of a project.
fn says(server: &GitHub, path: &str, change: impl FnOnce(&mut serde_json::Value)) {
    let mut described = serde_json::json!({
        "path_with_namespace": path, "visibility": "private", "archived": false,
        "http_url_to_repo": format!("https://{}/{path}.git", server.host()),
        "permissions": {"project_access": {"access_level": 30}, "group_access": null},
    });
    change(&mut described);
    let file = server.folder().join("described").join(path.replace('/', "%2F"));
    std::fs::write(file, described.to_string()).unwrap();
}

#[test]
fn a_private_project_is_made_and_the_second_machine_joins_with_the_same_words() {
    let server = GitHub::start();
    let ana = machine(&server, "ana");
    let made = init(&ana, "gitlab:me/sessions", &[]).ok();
    assert!(
        made.stderr
            .contains("Made the private repository me/sessions on localhost:"),
        "{}",
        made.stderr
    );
    let calls_so_far = calls(&server);
    let creation = calls_so_far.lines().find(|call| call.contains("POST")).unwrap();
    for part in ["visibility=private", "initialize_with_readme=false", "path=sessions"] {
        assert!(creation.contains(part), "{creation}");
    }
    assert!(
        !creation.contains("namespace_id") && !creation.contains("csync"),
        "{creation}"
    );
    assert_eq!(server.refs("me/sessions"), 1);

    let bob = machine(&server, "bob");
    let joined = init(&bob, "gitlab:sessions", &[]).ok();
    assert!(joined.stdout.contains("Joined the vault"), "{}", joined.stdout);
}

#[test]
fn a_group_within_a_group_gets_it() {
    let server = GitHub::start();
    let ana = machine(&server, "ana");
    let run = init(&ana, "gitlab:them/team/sessions", &[]).fails(2);
    assert!(run.stderr.contains("there is no group them/team"), "{}", run.stderr);

    server.set("groups/them%2Fteam", "42\n");
    init(&ana, "gitlab:them/team/sessions", &[]).ok();
    assert!(calls(&server).contains("namespace_id=42"));
    assert_eq!(server.refs("them/team/sessions"), 1);
}

#[test]
fn another_machine_that_makes_the_project_first_is_no_failure() {
    let server = GitHub::start();
    let ana = machine(&server, "ana");
    server.set("overtaken", "");
    let run = init(&ana, "gitlab:me/sessions", &[]).ok();
    assert!(!run.stderr.contains("Made the"), "{}", run.stderr);
    assert_eq!(server.refs("me/sessions"), 1);
}

#[test]
fn a_project_that_others_can_read_or_that_cannot_be_written_is_refused() {
    let server = GitHub::start();
    let ana = machine(&server, "ana");
    says(&server, "me/open", |says| says["visibility"] = "public".into());
    says(&server, "me/company", |says| says["visibility"] = "internal".into());
    says(&server, "me/unclear", |says| {
        drop(says.as_object_mut().unwrap().remove("visibility"))
    });
    says(&server, "me/strange", |says| says["visibility"] = "friends".into());
    says(&server, "me/old", |says| says["archived"] = true.into());
    says(&server, "me/read", |says| {
        says["permissions"]["project_access"]["access_level"] = 20.into();
    });
    for (name, code, error) in [
        ("open", 2, "is public: everybody can read it"),
        ("company", 2, "is internal: everybody with an account there"),
        ("unclear", 16, "is not understood"),
        ("strange", 16, "is not understood"),
        ("old", 2, "is archived"),
        ("read", 16, "and not write there"),
    ] {
        let run = init(&ana, &format!("gitlab:me/{name}"), &[]).fails(code);
        assert!(run.stderr.contains(error), "{}", run.stderr);
        has_nothing(&ana);
    }
    assert!(!calls(&server).contains("POST"));
}

#[test]
fn who_is_not_signed_in_to_gitlab_is_told_what_to_run() {
    let server = GitHub::start();
    let ana = machine(&server, "ana").with("GITLAB_TOKEN", "glpat-expired");
    let run = init(&ana, "gitlab:me/sessions", &[]).fails(16);
    let error = format!("error: glab is not signed in to {}", server.host());
    assert!(run.stderr.contains(&error), "{}", run.stderr);
    // At the usual host, it is named to the tool: else that takes the one of the repository that somebody works in.
    let bob = machine(&server, "bob")
        .with("GITLAB_HOST", "")
        .with("GITLAB_TOKEN", "glpat-expired");
    let run = init(&bob, "gitlab:me/sessions", &[]).fails(16);
    assert!(run.stderr.contains("run `glab auth login`"), "{}", run.stderr);
    assert!(calls(&server).contains("gitlab.com api --include --hostname gitlab.com --method GET user"));
}
