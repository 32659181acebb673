use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use super::*;

/// Takes everything but what is in `private`, and secrets.
struct Most;

impl Rules for Most {
    fn enter(&self, folder: &str) -> bool {
        folder != "private"
    }

    fn take(&self, file: &str) -> bool {
        !self.is_secret(file)
    }

    fn is_secret(&self, file: &str) -> bool {
        file.ends_with(".credentials.json")
    }
}

fn root() -> (tempfile::TempDir, Root) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    fs::create_dir(&root).unwrap();
    let root = Root::open(&root).unwrap();
    (folder, root)
}

fn write(root: &Root, relative: impl AsRef<Path>) {
    let path = root.path().join(relative);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "x").unwrap();
}

fn look(root: &Root) -> Scan {
    scan(root, &Most, &UserIgnores::load(root, &[], &[]).unwrap())
}

fn names(scan: &Scan) -> Vec<&str> {
    scan.files.iter().map(|found| found.relative.as_str()).collect()
}

#[test]
fn files_are_found_sorted_with_their_stats() {
    let (_folder, root) = root();
    for file in ["b", "a/z", "a.md", "private/no", ".credentials.json", "ignored/x"] {
        write(&root, file);
    }
    fs::write(root.path().join(".csyncignore"), "ignored/\n.csyncignore\n").unwrap();
    let scan = look(&root);
    assert_eq!(names(&scan), ["a.md", "a/z", "b"]);
    assert_eq!(Some(scan.files[1].stat), root.stat("a/z").unwrap());
    assert!(scan.problems.is_empty());
}

#[test]
fn our_own_files_are_listed_apart() {
    let (_folder, root) = root();
    for file in ["s.json", "s.json.conflict.20261120-101500", "a/.csync-0123456789ab.tmp"] {
        write(&root, file);
    }
    write(&root, ".credentials.json.conflict.20261120-101500");
    let scan = look(&root);
    assert_eq!(names(&scan), ["s.json"]);
    assert_eq!(scan.conflict_files, ["s.json.conflict.20261120-101500"]);
    assert_eq!(scan.leftovers, ["a/.csync-0123456789ab.tmp"]);
}

#[test]
fn a_real_file_appears_once_under_its_own_name_and_circles_end() {
    let (_folder, root) = root();
    write(&root, "real/a");
    write(&root, "private/b");
    let link = |target: &str, name: &str| symlink(target, root.path().join(name)).unwrap();
    link("real", "alias");
    link("a", "real/same");
    link("..", "real/up");
    link(".", "self");
    link("private", "shared");
    link("private", "shared-again");
    link("../private", "private/round");
    let scan = look(&root);
    assert_eq!(names(&scan), ["real/a", "shared/b"]);
    assert!(scan.problems.is_empty(), "{:?}", scan.problems);
}

#[test]
fn p21_links_out_of_the_root_are_problems_and_never_read() {
    let (folder, root) = root();
    fs::create_dir(folder.path().join("outside")).unwrap();
    fs::write(folder.path().join("outside/secret"), "x").unwrap();
    symlink("../outside", root.path().join("out")).unwrap();
    symlink("../outside/secret", root.path().join("secret")).unwrap();
    symlink("nowhere", root.path().join("dangling")).unwrap();
    let scan = look(&root);
    assert!(scan.files.is_empty());
    let problems: Vec<_> = scan.problems.iter().map(|problem| problem.relative.as_str()).collect();
    assert_eq!(problems, ["dangling", "out", "secret"]);
    assert!(matches!(scan.problems[1].error, LocalError::Escapes { .. }));
    assert!(scan.is_blind_to("out/secret") && scan.is_blind_to("secret") && !scan.is_blind_to("secrets"));
}

#[test]
fn a_link_does_not_give_a_secret_another_name() {
    let (_folder, root) = root();
    write(&root, "private/.credentials.json");
    symlink("private/.credentials.json", root.path().join("innocent.md")).unwrap();
    symlink("private", root.path().join("folder")).unwrap();
    assert!(look(&root).files.is_empty());
}

#[test]
fn names_that_other_systems_cannot_hold_are_problems_of_their_own() {
    let (_folder, root) = root();
    write(&root, "fine");
    write(&root, "Note.md");
    write(&root, "note.md");
    write(&root, "aux.md");
    write(&root, "a:b");
    write(&root, Path::new(OsStr::from_bytes(b"bad-\xff")));
    let scan = look(&root);
    assert_eq!(names(&scan), ["Note.md", "fine"]);
    let problems: Vec<_> = scan.problems.iter().map(|problem| problem.relative.as_str()).collect();
    assert_eq!(problems, ["a:b", "aux.md", "bad-\u{fffd}", "note.md"]);
}

#[test]
fn what_is_no_regular_file_is_passed_over() {
    let (_folder, root) = root();
    let _socket = std::os::unix::net::UnixListener::bind(root.path().join("socket")).unwrap();
    symlink("socket", root.path().join("link")).unwrap();
    let scan = look(&root);
    assert!(scan.files.is_empty() && scan.problems.is_empty());
}

#[test]
fn a_root_that_vanished_is_a_problem_and_hides_every_file() {
    let (_folder, root) = root();
    fs::remove_dir(root.path()).unwrap();
    let scan = look(&root);
    assert_eq!(scan.problems.len(), 1);
    assert!(scan.is_blind_to("anything/at/all"));
}
