use proptest::prelude::*;

use super::*;

fn machine(home: &str) -> ProjectInputs {
    ProjectInputs {
        homes: vec![home.to_owned()],
        ..ProjectInputs::default()
    }
}

fn local(path: &str) -> LocalProject {
    LocalProject {
        folder: slug(path),
        path: Some(path.to_owned()),
        present: true,
        project: Project::default(),
    }
}

fn remote(name: &str, subfolder: &str) -> Project {
    Project {
        home_relative: None,
        git_remote: Some(name.to_owned()),
        subfolder: subfolder.to_owned(),
    }
}

fn with_remote(path: &str, name: &str) -> LocalProject {
    LocalProject {
        project: remote(name, ""),
        ..local(path)
    }
}

#[test]
fn a_project_below_the_home_folder_has_one_name_everywhere() {
    for (home, folder) in [
        ("/home/ana", "-home-ana-code-app"),
        ("/Users/ana", "-Users-ana-code-app"),
        ("/root", "-root-code-app"),
        ("C:\\Users\\ana", "C--Users-ana-code-app"),
        ("/home/ana/", "-home-ana-code-app"),
    ] {
        let map = ProjectMap::build(machine(home));
        assert_eq!(map.to_logical(folder), "~-code-app", "{home}");
        assert_eq!(map.to_local("~-code-app", None), folder, "{home}");
        assert_eq!(
            map.to_local("~", None),
            map.to_local("~-code-app", None).replace("-code-app", ""),
            "{home}"
        );
    }
}

#[test]
fn what_lies_elsewhere_keeps_its_name() {
    let map = ProjectMap::build(machine("/home/ana"));
    for folder in ["-srv-app", "-home-anabel-x", "-home", "D--work", "-"] {
        assert_eq!(map.to_logical(folder), folder);
        assert_eq!(map.to_local(folder, None), folder);
    }
    // A home that is the file system's root maps nothing, rather than everything.
    let map = ProjectMap::build(machine("/"));
    assert_eq!(map.to_logical("-srv-app"), "-srv-app");
}

#[test]
fn a_name_of_another_machine_that_looks_like_ours_stays_apart() {
    // Root works in Ana's folder, on a machine where home is /root: the vault has her absolute name.
    let map = ProjectMap::build(machine("/home/ana"));
    assert_eq!(map.to_local("-home-ana-code-app", None), "=-home-ana-code-app");
    assert_eq!(map.to_logical("=-home-ana-code-app"), "-home-ana-code-app");
    // And a folder here that looks like a logical name.
    assert_eq!(map.to_logical("~-code-app"), "=~-code-app");
    assert_eq!(map.to_local("=~-code-app", None), "~-code-app");
}

#[test]
fn both_names_of_a_home_folder_count() {
    let mut inputs = machine("/data/home/ana");
    inputs.homes.push("/home/ana".to_owned());
    inputs.local = vec![local("/home/ana/old")];
    let map = ProjectMap::build(inputs.clone());
    assert_eq!(map.to_logical("-home-ana-old"), "~-old");
    assert_eq!(
        map.to_local("~-old", None),
        "-home-ana-old",
        "the folder that is there is used"
    );
    assert_eq!(
        map.to_local("~-new", None),
        "-data-home-ana-new",
        "a new one gets the real path"
    );
    assert!(map.collisions().is_empty());

    inputs.local.push(local("/data/home/ana/old"));
    let map = ProjectMap::build(inputs);
    assert_eq!(map.to_logical("-data-home-ana-old"), "~-old");
    let [collision] = map.collisions() else {
        panic!("{:?}", map.collisions())
    };
    assert_eq!(
        (collision.folder.as_str(), collision.other.as_str()),
        ("-data-home-ana-old", "-home-ana-old")
    );
    assert_eq!(map.to_logical("-home-ana-old"), collision.other_logical);
    assert_eq!(map.to_local(&collision.other_logical, None), "-home-ana-old");
}

#[test]
fn the_configuration_maps_a_folder_and_all_below_it() {
    let mut inputs = machine("/home/bo");
    inputs.config_map = vec![
        ProjectMapping {
            local: "~/src/".into(),
            logical: "~/code".into(),
        },
        ProjectMapping {
            local: "/srv/site".into(),
            logical: "~-www".into(),
        },
        ProjectMapping {
            local: "-opt-x".into(),
            logical: "shared".into(),
        },
    ];
    let map = ProjectMap::build(inputs);
    for (folder, logical) in [
        ("-home-bo-src-app", "~-code-app"),
        ("-home-bo-src", "~-code"),
        ("-home-bo-other", "~-other"),
        ("-srv-site", "~-www"),
        ("-opt-x-y", "shared-y"),
    ] {
        assert_eq!(map.to_logical(folder), logical);
        assert_eq!(map.to_local(logical, None), folder);
    }
    // What stands where the mapping leads is not mixed with it.
    assert_ne!(map.to_logical("-home-bo-code-app"), "~-code-app");
}

#[test]
fn a_clone_at_another_place_is_the_same_project() {
    let mut inputs = machine("/home/bo");
    inputs.vault_projects = vec![("~-code-app".to_owned(), remote("github.com/ana/app", ""))];
    inputs.local = vec![
        with_remote("/home/bo/src/app", "github.com/ana/app"),
        with_remote("/home/bo/web", "github.com/ana/web"),
    ];
    let map = ProjectMap::build(inputs.clone());
    assert_eq!(map.to_logical("-home-bo-src-app"), "~-code-app");
    assert_eq!(map.to_local("~-code-app", None), "-home-bo-src-app");
    assert_eq!(map.to_logical("-home-bo-web"), "~-web");

    // Its own name is in the vault: that is the one.
    let mut own = inputs.clone();
    own.vault_projects
        .push(("~-src-app".to_owned(), remote("github.com/ana/app", "")));
    let map = ProjectMap::build(own);
    assert_eq!(map.to_logical("-home-bo-src-app"), "~-src-app");
    assert_eq!(map.to_local("~-code-app", None), "-home-bo-code-app");

    // A clone that has no sessions yet does not take the name of one that has.
    let mut listed = inputs.clone();
    listed.local.push(LocalProject {
        present: false,
        ..with_remote("/home/bo/a", "github.com/ana/app")
    });
    assert_eq!(ProjectMap::build(listed).to_logical("-home-bo-src-app"), "~-code-app");

    // The same remote, another folder in it.
    let mut other = inputs.clone();
    other.local[0].project.subfolder = "tools".to_owned();
    assert_eq!(ProjectMap::build(other).to_logical("-home-bo-src-app"), "~-src-app");

    // A second clone here, sorted before it: the mapping stays what it was.
    inputs.local.push(with_remote("/home/bo/a", "github.com/ana/app"));
    inputs.assigned = vec![("-home-bo-src-app".to_owned(), "~-code-app".to_owned())];
    let map = ProjectMap::build(inputs);
    assert_eq!(map.to_logical("-home-bo-src-app"), "~-code-app");
    assert_eq!(map.to_logical("-home-bo-a"), "~-a");
    assert!(map.collisions().is_empty());
}

#[test]
fn a_mapping_stays_when_the_vault_learns_the_name_that_it_replaced() {
    let mut inputs = machine("/home/bo");
    inputs.vault_projects = vec![
        ("~-code-app".to_owned(), remote("x.org/app", "")),
        ("~-src-app".to_owned(), remote("x.org/app", "")),
    ];
    inputs.local = vec![with_remote("/home/bo/src/app", "x.org/app")];
    inputs.assigned = vec![("-home-bo-src-app".to_owned(), "~-code-app".to_owned())];
    let map = ProjectMap::build(inputs);
    assert_eq!(map.to_logical("-home-bo-src-app"), "~-code-app");
    let elsewhere = map.to_local("~-src-app", None);
    assert_ne!(elsewhere, "-home-bo-src-app", "one folder never holds two logical ones");
    assert_eq!(map.to_logical(&elsewhere), "~-src-app");
}

#[test]
fn a_name_that_is_too_long_for_a_folder_is_whole_in_the_vault() {
    let inside = format!("code/{}", "deep/folder/".repeat(17));
    let inside = inside.trim_end_matches('/');
    let project = Project {
        home_relative: Some(inside.to_owned()),
        ..Project::default()
    };
    let logical = format!("~-{}", uncut(inside));

    let path = format!("/home/ana/{inside}");
    let mut ana = machine("/home/ana");
    ana.local = vec![local(&path)];
    let map = ProjectMap::build(ana);
    assert_eq!(map.to_logical(&slug(&path)), logical);
    assert_eq!(map.to_local(&logical, None), slug(&path));

    // On a machine that has never seen it, and later, when only foreign lines are in the folder.
    let there = slug(&format!("/Users/roberta/{inside}"));
    let mut roberta = machine("/Users/roberta");
    roberta.vault_projects = vec![(logical.clone(), project.clone())];
    let map = ProjectMap::build(roberta.clone());
    assert_eq!(map.to_local(&logical, Some(&project)), there);
    assert_eq!(
        ProjectMap::build(machine("/Users/roberta")).to_local(&logical, Some(&project)),
        there
    );
    roberta.local = vec![LocalProject {
        folder: there.clone(),
        ..LocalProject::default()
    }];
    let map = ProjectMap::build(roberta);
    assert_eq!(map.to_logical(&there), logical);
    assert_eq!(map.to_local(&logical, None), there);
    assert!(map.collisions().is_empty());

    // Where nobody knows its path it keeps the name that it has.
    let map = ProjectMap::build(machine("/home/ana"));
    assert_eq!(map.to_logical(&slug(&path)), slug(&path));
    assert_eq!(map.to_local(&slug(&path), None), slug(&path));
}

#[test]
fn a_project_is_known_by_its_folder() {
    let mut inputs = machine("/home/bo");
    inputs.local = vec![with_remote("/home/bo/a", "x.org/a"), local("/home/bo/b")];
    let map = ProjectMap::build(inputs);
    assert_eq!(map.project("-home-bo-a"), Some(&remote("x.org/a", "")));
    assert_eq!(map.project("-home-bo-b"), None);
    assert_eq!(map.project("-home-bo-c"), None);
}

/// Names that meet the rules, each other and the mark for literal names as often as can be.
fn name() -> impl Strategy<Value = String> {
    "(=|==)?(-home-ana|-data-ana|~|-srv|x|~-src|shared)(-src|-code|-a){0,3}(=|~|-)?"
}

fn project() -> impl Strategy<Value = Project> {
    prop::option::of("r[12]").prop_map(|git_remote| Project {
        git_remote,
        ..Project::default()
    })
}

fn inputs() -> impl Strategy<Value = ProjectInputs> {
    let mappings = prop::collection::vec(
        (name(), name()).prop_map(|(local, logical)| ProjectMapping { local, logical }),
        0..3,
    );
    let homes = prop::sample::subsequence(vec!["/home/ana".to_owned(), "/data/ana".to_owned()], 1..=2);
    let local = prop::collection::vec(
        (name(), project()).prop_map(|(folder, project)| LocalProject {
            folder,
            project,
            ..LocalProject::default()
        }),
        0..6,
    );
    let vault = prop::collection::vec((name(), project()), 0..6);
    let assigned = prop::collection::vec((name(), name()), 0..3);
    (homes, mappings, assigned, vault, local).prop_map(|(homes, config_map, assigned, vault_projects, local)| {
        ProjectInputs {
            homes,
            config_map,
            assigned,
            vault_projects,
            local,
        }
    })
}

proptest! {
    /// Without anything known, any text makes the way there and back, in both directions.
    #[test]
    fn the_rules_are_a_bijection(one in inputs(), text in prop_oneof![name(), "[=~a-cA-C-]{0,12}"]) {
        let map = ProjectMap::build(ProjectInputs { local: vec![], vault_projects: vec![], assigned: vec![], ..one });
        prop_assert_eq!(map.to_local(&map.to_logical(&text), None), text.clone());
        prop_assert_eq!(map.to_logical(&map.to_local(&text, None)), text);
    }

    /// Every folder here and every name in the vault makes the way there and back, and no two of them meet.
    #[test]
    fn what_is_known_never_meets(inputs in inputs()) {
        let map = ProjectMap::build(inputs.clone());
        for one in &inputs.local {
            prop_assert_eq!(&map.to_local(&map.to_logical(&one.folder), None), &one.folder);
        }
        for (logical, project) in &inputs.vault_projects {
            prop_assert_eq!(&map.to_logical(&map.to_local(logical, Some(project))), logical);
        }
        let folders: HashSet<&str> = inputs.local.iter().map(|one| one.folder.as_str()).collect();
        let names: HashSet<String> = folders.iter().map(|folder| map.to_logical(folder)).collect();
        prop_assert_eq!(folders.len(), names.len());
    }

    /// The order of what is given does not matter.
    #[test]
    fn the_map_does_not_depend_on_order(inputs in inputs(), text in name()) {
        let mut turned = inputs.clone();
        turned.local.reverse();
        turned.assigned.reverse();
        turned.local.sort_by(|a, b| b.folder.cmp(&a.folder).then(a.project.cmp(&b.project)));
        let unique: HashSet<&str> = inputs.local.iter().map(|one| one.folder.as_str()).collect();
        let vault: HashSet<&str> = inputs.vault_projects.iter().map(|(logical, _)| logical.as_str()).collect();
        prop_assume!(unique.len() == inputs.local.len() && vault.len() == inputs.vault_projects.len());
        turned.vault_projects.reverse();
        let (one, other) = (ProjectMap::build(inputs), ProjectMap::build(turned));
        prop_assert_eq!(one.to_logical(&text), other.to_logical(&text));
        prop_assert_eq!(one.to_local(&text, None), other.to_local(&text, None));
    }
}
