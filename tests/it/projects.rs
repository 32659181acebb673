//! One project on machines where it stands in different places: one name in the vault, the right folder on each.

use crate::machines::{Machine, TwoMachines, git};

const SESSION: &str = "5b0e2a6c-41f3-4f0e-9d1a-8f6f2a7c1b3d";
const OTHER: &str = "0c8f6e0e-5a51-4a0e-b0a5-4b7f3b0d6a11";

/// One line of a session that was begun in the folder `cwd`.
fn session(id: &str, cwd: &str, text: &str) -> String {
    let line = serde_json::json!({
        "type": "user", "uuid": format!("{id}-{text}"), "parentUuid": null, "sessionId": id, "cwd": cwd,
        "timestamp": "2026-11-20T14:00:00.000Z", "message": {"role": "user", "content": text},
    });
    format!("{line}\n")
}

/// The absolute path of a folder below the machine's home.
fn below(machine: &Machine, folder: &str) -> String {
    machine
        .home
        .canonicalize()
        .unwrap()
        .join(folder)
        .to_str()
        .unwrap()
        .to_owned()
}

/// The folder that Claude Code keeps a project's sessions in.
fn slug(path: &str) -> String {
    let name: String = path
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    format!("projects/{name}")
}

/// All places at which a session stands on a machine.
fn places(machine: &Machine, id: &str) -> Vec<String> {
    machine
        .files()
        .into_keys()
        .filter(|name| name.ends_with(&format!("{id}.jsonl")))
        .collect()
}

#[test]
fn the_same_place_below_two_homes_is_one_project() {
    let two = TwoMachines::joined();
    let ana = format!("{}/{SESSION}.jsonl", two.ana.project("code/app"));
    let bob = format!("{}/{SESSION}.jsonl", two.bob.project("code/app"));
    assert_ne!(ana, bob);
    let text = session(SESSION, &below(&two.ana, "code/app"), "hello");
    two.ana.write(&ana, &text);
    two.ana.write(
        &format!("{}/memory/MEMORY.md", two.ana.project("code/app")),
        "remember\n",
    );
    two.ana.write(&ana.replace(".jsonl", "/tool-results/x.txt"), "output\n");
    let run = two.ana.sync();
    let paths: Vec<String> = run.actions().into_iter().map(|(_, path)| path).collect();
    assert_eq!(
        paths,
        [
            format!("claude/projects/~-code-app/{SESSION}.jsonl"),
            format!("claude/projects/~-code-app/{SESSION}/tool-results/x.txt"),
            "claude/projects/~-code-app/memory/MEMORY.md".to_owned(),
        ]
    );
    assert!(
        !run.stdout.contains(two.folder.path().to_str().unwrap()),
        "{}",
        run.stdout
    );
    two.bob.sync();
    assert_eq!(places(&two.bob, SESSION), [bob.clone()]);
    assert_eq!(two.bob.text(&bob), text, "not a byte is rewritten");
    assert_eq!(
        two.bob
            .text(&format!("{}/memory/MEMORY.md", two.bob.project("code/app"))),
        "remember\n"
    );
    // The person goes on there, and it comes back to where it was.
    two.bob
        .append(&bob, session(SESSION, &below(&two.bob, "code/app"), "again"));
    two.sync_all();
    assert_eq!(two.ana.read(&ana), two.bob.read(&bob));
    assert_eq!(places(&two.ana, SESSION), [ana]);
}

#[test]
fn a_project_outside_the_home_keeps_its_name() {
    let two = TwoMachines::joined();
    let name = format!("projects/-srv-www-shop/{SESSION}.jsonl");
    two.ana.write(&name, session(SESSION, "/srv/www/shop", "hello"));
    let run = two.ana.sync();
    assert_eq!(run.actions()[0].1, format!("claude/{name}"));
    two.bob.sync();
    assert_eq!(places(&two.bob, SESSION), [name]);
}

#[test]
fn the_config_says_where_a_project_is_here() {
    let two = TwoMachines::joined();
    // On Bob's machine Ana's ~/code is /srv/src.
    let config = two.bob.home.join(".config/csync/config.toml");
    let mut text = std::fs::read_to_string(&config).unwrap();
    text.push_str("\n[claude.projects]\n\"/srv/src\" = \"~/code\"\n");
    std::fs::write(&config, text).unwrap();
    let ana = format!("{}/{SESSION}.jsonl", two.ana.project("code/app"));
    two.ana
        .write(&ana, session(SESSION, &below(&two.ana, "code/app"), "hello"));
    two.sync_all();
    let bob = format!("projects/-srv-src-app/{SESSION}.jsonl");
    assert_eq!(places(&two.bob, SESSION), [bob.clone()]);
    let own = format!("projects/-srv-src-tool/{OTHER}.jsonl");
    two.bob.write(&own, session(OTHER, "/srv/src/tool", "from bob"));
    two.bob.append(&bob, session(SESSION, "/srv/src/app", "again"));
    two.sync_all();
    assert_eq!(
        places(&two.ana, OTHER),
        [format!("{}/{OTHER}.jsonl", two.ana.project("code/tool"))]
    );
    assert_eq!(two.ana.read(&ana), two.bob.read(&bob));
}

/// A clone of `url` at `path`, as far as anybody looks: a folder with a Git configuration as text.
fn clone_of(url: &str, path: &str) {
    let git = std::path::Path::new(path).join(".git");
    std::fs::create_dir_all(&git).unwrap();
    std::fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    let config = format!(
        "[core]\n\trepositoryformatversion = 0\n\tbare = false\n[remote \"origin\"]\n\turl = {url}\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n"
    );
    std::fs::write(git.join("config"), config).unwrap();
}

#[test]
fn the_same_git_remote_in_another_place_is_the_same_project() {
    let two = TwoMachines::joined();
    let (here, there) = (below(&two.ana, "code/app"), below(&two.bob, "work/clients/app"));
    clone_of("git@git.example:team/app.git", &here);
    clone_of("https://git.example/team/app", &there);
    let ana = format!("{}/{SESSION}.jsonl", slug(&here));
    two.ana.write(&ana, session(SESSION, &here, "hello"));
    two.ana.sync();
    // Bob has worked in his clone before he ever synced.
    let bobs = format!("{}/{OTHER}.jsonl", slug(&there));
    two.bob.write(&bobs, session(OTHER, &there, "from bob"));
    two.bob.sync();
    two.sync_all();
    let here_both: Vec<String> = [OTHER, SESSION].iter().flat_map(|id| places(&two.ana, id)).collect();
    let there_both: Vec<String> = [OTHER, SESSION].iter().flat_map(|id| places(&two.bob, id)).collect();
    assert_eq!(here_both, [format!("{}/{OTHER}.jsonl", slug(&here)), ana.clone()]);
    assert_eq!(there_both, [bobs, format!("{}/{SESSION}.jsonl", slug(&there))]);
}

#[test]
fn names_of_more_than_200_characters_match_although_their_hashes_differ() {
    let two = TwoMachines::joined();
    let deep = format!("code/{}", ["a-rather-long-folder-name"; 9].join("/"));
    let (here, there) = (below(&two.ana, &deep), below(&two.bob, &deep));
    // What the agent makes of it: cut at 200, and a hash of the whole path, here some of its own.
    let cut = |path: &str, hash: &str| format!("projects/{}-{hash}", &slug(path)["projects/".len()..][..200]);
    let (ana, bob) = (cut_by_agent(&here), cut_by_agent(&there));
    assert_ne!(ana, cut(&here, "x"));
    assert!(ana.len() > 200 && bob.len() > 200 && ana != bob);
    two.ana
        .write(&format!("{ana}/{SESSION}.jsonl"), session(SESSION, &here, "hello"));
    two.bob
        .write(&format!("{bob}/{OTHER}.jsonl"), session(OTHER, &there, "from bob"));
    two.sync_all();
    two.bob.sync();
    assert_eq!(places(&two.bob, SESSION), [format!("{bob}/{SESSION}.jsonl")]);
    assert_eq!(places(&two.ana, OTHER), [format!("{ana}/{OTHER}.jsonl")]);
}

/// The folder's name as Claude Code cuts it: 200 characters, then a hash of the path (`h = 31 h + unit`, its magnitude in base 36).
fn cut_by_agent(path: &str) -> String {
    let hash = path
        .encode_utf16()
        .fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    let mut number = hash.unsigned_abs();
    let mut digits = String::new();
    while number > 0 {
        digits.insert(0, char::from_digit(number % 36, 36).unwrap());
        number /= 36;
    }
    format!("{}-{digits}", &slug(path)[.."projects/".len() + 200])
}

#[test]
fn one_session_never_stands_under_two_folders() {
    let two = TwoMachines::joined();
    let ana = format!("{}/{SESSION}.jsonl", two.ana.project("code/app"));
    let text = session(SESSION, &below(&two.ana, "code/app"), "hello");
    two.ana.write(&ana, &text);
    two.ana.sync();
    // Bob has the session already, copied by hand into another project's folder.
    let bob = format!("{}/{SESSION}.jsonl", two.bob.project("elsewhere"));
    two.bob.write(&bob, &text);
    let run = two.bob.csync(&["sync", "--json"]).ok();
    assert_eq!(places(&two.bob, SESSION), [bob.clone()]);
    let json = run.json();
    let held: Vec<&serde_json::Value> = json["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| item["action"] == "held")
        .collect();
    assert_eq!(held.len(), 1, "{}", run.stdout);
    assert!(held[0]["note"].as_str().unwrap().contains("elsewhere"), "{}", held[0]);
    // It stays so, on both machines, and says why.
    two.ana.csync(&["sync"]);
    two.bob.csync(&["sync"]);
    assert_eq!(places(&two.bob, SESSION), [bob]);
    assert_eq!(
        places(&two.ana, SESSION),
        [ana],
        "nor does it stand twice on the first machine"
    );
    let status = two.bob.csync(&["status", "--json"]).json();
    assert!(!status["held"].as_array().unwrap().is_empty(), "{status}");
}

#[test]
fn a_session_that_moves_to_another_project_moves_on_every_machine() {
    let two = TwoMachines::joined();
    let ana = format!("{}/{SESSION}.jsonl", two.ana.project("code/app"));
    two.ana
        .write(&ana, session(SESSION, &below(&two.ana, "code/app"), "hello"));
    two.ana.write(
        &format!("{}/{OTHER}.jsonl", two.ana.project("code/app")),
        session(OTHER, "", "stays"),
    );
    two.sync_all();
    let moved = format!("{}/{SESSION}.jsonl", two.ana.project("code/new"));
    two.ana.write(&moved, two.ana.read(&ana));
    two.ana.remove(&ana);
    two.ana.csync(&["sync", "--allow-deletions"]).ok();
    two.bob.csync(&["sync", "--allow-deletions"]).ok();
    assert_eq!(
        places(&two.bob, SESSION),
        [format!("{}/{SESSION}.jsonl", two.bob.project("code/new"))]
    );
    assert_eq!(places(&two.ana, SESSION), [moved]);
}

#[test]
fn a_projects_name_does_not_change_once_it_has_one() {
    let two = TwoMachines::joined();
    let here = below(&two.ana, "code/app");
    let ana = format!("{}/{SESSION}.jsonl", slug(&here));
    two.ana.write(&ana, session(SESSION, &here, "hello"));
    two.sync_all();
    // The folder becomes a clone of something later on; another clone of it comes to be on the other machine.
    clone_of("git@git.example:team/app.git", &here);
    let there = below(&two.bob, "other/app");
    clone_of("git@git.example:team/app.git", &there);
    two.bob.write(
        &format!("{}/{OTHER}.jsonl", slug(&there)),
        session(OTHER, &there, "bob"),
    );
    for _ in 0..2 {
        two.sync_all();
    }
    assert_eq!(places(&two.ana, SESSION), [ana]);
    assert_eq!(places(&two.bob, SESSION).len(), 1);
    let commits = two.commits();
    two.sync_all();
    assert_eq!(
        two.commits(),
        commits,
        "names that flicker would be sent again and again"
    );
    // Each session stands at one place in the vault as well.
    let heads = git(&two.remote, &["ls-tree", "-r", "--name-only", "HEAD", "files/"]);
    assert_eq!(heads.lines().count(), 2, "{heads}");
}
