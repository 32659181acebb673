use super::*;

/// A home folder with what a test writes into it.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, inside: &str) -> String {
        let home = self.0.path().canonicalize().unwrap();
        if inside.is_empty() {
            home.display().to_string()
        } else {
            home.join(inside).display().to_string()
        }
    }

    fn write(&self, inside: &str, content: &str) {
        let path = self.0.path().join(inside);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn session(&self, folder: &str, cwd: &str) {
        let lines =
            format!("{{\"type\":\"permission-mode\"}}\n{{\"type\":\"user\",\"message\":{{}},\"cwd\":{cwd:?}}}\n");
        self.write(
            &format!(".claude/projects/{folder}/0b8e7a52-9d3c-4f10-8a6e-1c2d3e4f5a6b.jsonl"),
            &lines,
        );
    }

    fn discover(&self) -> Vec<LocalProject> {
        let root = self.0.path().join(".claude");
        let state = app_state_file(self.0.path(), None);
        discover_projects(&root, &[self.path("")], &project_folders(&root), Some(&state))
    }
}

#[test]
fn a_project_is_known_by_a_line_and_its_repository() {
    let home = Home::new();
    let cwd = home.path("code/app");
    home.session(&slug(&cwd), &cwd);
    home.write(
        "code/app/.git/config",
        "[remote \"origin\"]\nurl = git@github.com:ana/app.git\n",
    );
    let found = home.discover();
    let expected = Project {
        home_relative: Some("code/app".to_owned()),
        git_remote: Some("github.com/ana/app".to_owned()),
        subfolder: String::new(),
    };
    assert_eq!(
        found,
        [LocalProject {
            folder: slug(&cwd),
            path: Some(cwd),
            present: true,
            project: expected
        }]
    );
}

#[test]
fn another_machines_path_is_not_taken_for_ours() {
    let home = Home::new();
    home.session("-somewhere-app", "/Users/bo/app");
    home.session("not-a-slug", "");
    for found in home.discover() {
        assert_eq!((found.path, found.project), (None, Project::default()));
    }
}

#[test]
fn a_folder_in_which_the_agent_was_begun_above_its_first_line_is_found() {
    let home = Home::new();
    let cwd = home.path("code/app");
    home.session(&slug(&cwd), &home.path("code/app/web"));
    assert_eq!(home.discover()[0].path.as_deref(), Some(cwd.as_str()));
}

#[test]
fn a_folder_with_memory_alone_is_the_one_above_another() {
    let home = Home::new();
    let web = home.path("code/app/web");
    home.session(&slug(&web), &web);
    home.write(
        &format!(".claude/projects/{}/memory/MEMORY.md", slug(&home.path("code/app"))),
        "x",
    );
    let found = home.discover();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].project.home_relative.as_deref(), Some("code/app"));
}

#[test]
fn the_agents_own_list_names_projects_without_sessions() {
    let home = Home::new();
    fs::create_dir_all(home.path("src/new")).unwrap();
    let state = format!(
        "{{\"oauthAccount\":{{\"x\":1}},\"projects\":{{{:?}:{{\"allowedTools\":[]}},\"/gone/away\":{{}}}}}}",
        home.path("src/new")
    );
    home.write(".claude.json", &state);
    let found = home.discover();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].project.home_relative.as_deref(), Some("src/new"));
    assert!(!found[0].present);
    home.write(".claude.json", "{\"projects\": torn");
    assert!(home.discover().is_empty());
}

#[test]
fn a_path_is_found_in_a_line_that_the_window_cuts() {
    let home = Home::new();
    let cwd = home.path("code/app");
    let line = format!("{{\"cwd\":{cwd:?},\"message\":\"{}", "x".repeat(WINDOW as usize * 2));
    home.write(&format!(".claude/projects/{}/a.jsonl", slug(&cwd)), &line);
    assert_eq!(home.discover()[0].path.as_deref(), Some(cwd.as_str()));
}

#[test]
fn a_result_can_be_kept() {
    let project = LocalProject {
        folder: "-home-ana".to_owned(),
        path: Some("/home/ana".to_owned()),
        present: true,
        project: Project {
            home_relative: Some(String::new()),
            ..Project::default()
        },
    };
    let text = serde_json::to_string(&project).unwrap();
    assert_eq!(serde_json::from_str::<LocalProject>(&text).unwrap(), project);
}

#[cfg(unix)]
#[test]
fn a_pipe_does_not_hold_it_up() {
    let home = Home::new();
    home.write(".claude/projects/x/memory/a.md", "");
    let made = std::process::Command::new("mkfifo")
        .arg(home.0.path().join(".claude/projects/x/a.jsonl"))
        .status();
    if made.is_ok_and(|status| status.success()) {
        assert_eq!(home.discover()[0].path, None);
    }
}
