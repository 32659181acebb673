use super::*;

#[test]
fn every_way_to_reach_a_remote_has_one_form() {
    for url in [
        "git@github.com:ana/app.git",
        "github.com:ana/app",
        "ssh://git@github.com/ana/app.git",
        "ssh://git@github.com:22/ana/app.git",
        "https://github.com/ana/app",
        "https://ana:gho_token@GitHub.com:443/ana/app.git/",
        "git://github.com/ana/app.git",
        "https://github.com/ana/app.git?x=1",
        "git@github.com:/ana/app.git",
    ] {
        assert_eq!(normal_remote(url).as_deref(), Some("github.com/ana/app"), "{url}");
    }
    assert_eq!(normal_remote("ssh://git@[::1]:2222/a.git").as_deref(), Some("[::1]/a"));
}

#[test]
fn what_means_nothing_elsewhere_is_no_remote() {
    for url in [
        "",
        "/srv/git/app.git",
        "../app",
        "file:///srv/app.git",
        "C:\\code\\app",
        "C:/code/app",
        "ext::sh -c evil",
        "https://host",
        "https://host/",
        "a b:c",
        "host:a\nb",
    ] {
        assert_eq!(normal_remote(url), None, "{url}");
    }
}

#[test]
fn origin_comes_before_other_remotes() {
    let config = "[core]\n\turl = no\n[remote \"fork\"]\n\turl = git@x.org:bo/app\n[remote \"origin\"]\n\tURL = \"https://x.org/ana/app.git\"\n\tfetch = +refs\n[branch \"main\"]\n\tremote = origin\n";
    assert_eq!(remote_in(config).as_deref(), Some("x.org/ana/app"));
    assert_eq!(
        remote_in("[remote \"fork\"]\nurl=git@x.org:bo/app\n").as_deref(),
        Some("x.org/bo/app")
    );
    let two = "[remote \"fork\"]\nurl=git@x.org:bo/app\n[remote \"mirror\"]\nurl=git@y.org:bo/app\n";
    assert_eq!(
        remote_in(two).as_deref(),
        Some("x.org/bo/app"),
        "the first, where none is origin"
    );
    assert_eq!(remote_in("[core]\nbare = false\n"), None);
}

#[test]
fn work_trees_submodules_and_subfolders_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    let write = |path: &str, text: &str| {
        fs::create_dir_all(at(path).parent().unwrap()).unwrap();
        fs::write(at(path), text).unwrap();
    };
    write("app/.git/config", "[remote \"origin\"]\nurl = git@x.org:ana/app.git\n");
    write("app/.git/worktrees/wt/commondir", "../..\n");
    write(
        "app/.git/modules/lib/config",
        "[remote \"origin\"]\nurl = git@x.org:ana/lib.git\n",
    );
    write(
        "wt/.git",
        &format!("gitdir: {}\n", at("app/.git/worktrees/wt").display()),
    );
    write("app/lib/.git", "gitdir: ../.git/modules/lib\n");
    write("app/web/src/a.ts", "");
    write("plain/a", "");
    fs::create_dir_all(at("wt/web")).unwrap();

    let table = [
        ("app", Some(("x.org/ana/app", ""))),
        ("app/web/src", Some(("x.org/ana/app", "web/src"))),
        ("wt/web", Some(("x.org/ana/app", "web"))),
        ("app/lib", Some(("x.org/ana/lib", ""))),
    ];
    for (path, expected) in table {
        let found = repository_of(&at(path)).expect("it lies in a repository");
        assert_eq!(
            Some((found.remote.as_deref().unwrap(), found.subfolder.as_str())),
            expected,
            "{path}"
        );
    }
}
