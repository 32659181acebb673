use std::fs;

use proptest::prelude::*;

use super::*;
use crate::mirror::Pointer;
use crate::mirror::oracle::{bench, commit, fsck, git, noise, put, remove};

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn packs(mirror: &Mirror) -> Vec<String> {
    names(&pack_folder(mirror.folder()))
}

#[test]
fn five_thousand_blobs_become_one_pack_that_git_finds_whole() {
    let bench = bench();
    let mut writer = bench.mirror.writer().unwrap();
    let mut edits = Vec::new();
    for number in 0..5_000u64 {
        let id = writer.blob(&noise(number, 1_000 + number as usize % 777)).unwrap();
        let (a, b, c) = (number % 16, number / 16 % 16, number / 256 % 16);
        edits.push(put(&format!("files/{a:x}/{b:x}/{c:x}/{number}.age"), id));
    }
    let tree = writer.tree(None, &edits).unwrap();
    let commit = writer.commit(tree, &[], "message").unwrap();
    assert!(writer.bytes() > 5_000_000);
    assert!(
        packs(&bench.mirror).iter().all(|name| name.starts_with("tmp_")),
        "something is visible before the end"
    );
    writer.finish().unwrap();

    bench.mirror.set(Pointer::Tip, None, commit).unwrap();
    let names = packs(&bench.mirror);
    assert_eq!(names.len(), 2, "{names:?}");
    fsck(bench.mirror.folder());
    let index = names.iter().find(|name| name.ends_with(".idx")).unwrap();
    git(
        bench.mirror.folder(),
        &["verify-pack", &format!("objects/pack/{index}")],
    );
    let listed = git(bench.mirror.folder(), &["ls-tree", "-r", "--name-only", "main"]);
    assert_eq!(listed.lines().count(), 5_000);
    for (number, edit) in edits.iter().enumerate().step_by(499) {
        let Some(Put::Blob(id)) = edit.entry else {
            unreachable!()
        };
        let expected = noise(number as u64, 1_000 + number % 777);
        assert_eq!(bench.mirror.blob(id, 10_000).unwrap(), expected);
    }
}

#[test]
fn empty_and_large_objects_are_kept_byte_for_byte() {
    let bench = bench();
    let sizes = [0, 1, 15, 16, 65_535, 65_536, 1 << 20, (3 << 20) + 1];
    let mut writer = bench.mirror.writer().unwrap();
    let ids: Vec<BlobId> = sizes
        .iter()
        .map(|size| writer.blob(&noise(7, *size)).unwrap())
        .collect();
    writer.finish().unwrap();
    assert!(!packs(&bench.mirror).is_empty());
    fsck(bench.mirror.folder());
    for (size, id) in sizes.iter().zip(ids) {
        assert_eq!(bench.mirror.blob(id, 1 << 30).unwrap(), noise(7, *size));
    }
}

#[test]
fn a_handful_of_small_objects_makes_no_pack() {
    let bench = bench();
    let id = commit(
        &bench.mirror,
        None,
        &[("vault.json", b"{}"), ("files/0/1/2/x.age", b"x")],
    );
    assert_eq!(packs(&bench.mirror), Vec::<String>::new());
    bench.mirror.set(Pointer::Tip, None, id).unwrap();
    fsck(bench.mirror.folder());
}

#[test]
fn p28_what_is_there_already_is_not_written_again() {
    let bench = bench();
    let first = commit(
        &bench.mirror,
        None,
        &[("a", &noise(1, 400_000)), ("b", &noise(2, 400_000))],
    );
    let before = packs(&bench.mirror);
    let mut writer = bench.mirror.writer().unwrap();
    writer.blob(&noise(1, 400_000)).unwrap();
    writer.blob(&noise(2, 400_000)).unwrap();
    let tree = bench.mirror.commit(first).unwrap().tree;
    assert_eq!(writer.tree(Some(tree), &[]).unwrap(), tree);
    assert_eq!(writer.bytes(), 0);
    let id = writer.blob(b"new").unwrap();
    assert_eq!(writer.blob(b"new").unwrap(), id);
    assert_eq!(writer.bytes(), 3);
    writer.finish().unwrap();
    assert_eq!(packs(&bench.mirror), before);
}

#[test]
fn a_writer_that_is_dropped_leaves_nothing() {
    let bench = bench();
    let mut writer = bench.mirror.writer().unwrap();
    let id = writer.blob(&noise(1, 1 << 20)).unwrap();
    assert_eq!(packs(&bench.mirror).len(), 1);
    drop(writer);
    assert_eq!(packs(&bench.mirror), Vec::<String>::new());
    assert!(matches!(
        bench.mirror.blob(id, 1 << 21),
        Err(MirrorError::Missing { .. })
    ));
}

#[test]
fn what_a_killed_run_left_is_removed_and_what_is_in_use_is_not() {
    let bench = bench();
    let folder = pack_folder(bench.mirror.folder());
    fs::write(folder.join("tmp_pack_csync_abandoned"), "x").unwrap();
    fs::create_dir(bench.mirror.folder().join("csync-staging-abandoned")).unwrap();
    let mut writer = bench.mirror.writer().unwrap();
    let id = writer.blob(&noise(1, 1 << 20)).unwrap();

    Mirror::open(bench.mirror.folder()).unwrap();

    assert!(!folder.join("tmp_pack_csync_abandoned").exists());
    assert!(!bench.mirror.folder().join("csync-staging-abandoned").exists());
    writer.finish().unwrap();
    assert_eq!(bench.mirror.blob(id, 1 << 21).unwrap(), noise(1, 1 << 20));
}

#[test]
fn the_same_pack_twice_is_one() {
    let bench = bench();
    let (one, other) = (bench.mirror.writer().unwrap(), bench.mirror.writer().unwrap());
    for mut writer in [one, other] {
        writer.blob(&noise(1, 1 << 20)).unwrap();
        writer.finish().unwrap();
    }
    assert_eq!(packs(&bench.mirror).len(), 2);
    fsck(bench.mirror.folder());
}

#[test]
fn a_commit_says_nothing_about_who_made_it() {
    let bench = bench();
    let id = commit(&bench.mirror, None, &[("a", b"a")]);
    let text = git(bench.mirror.folder(), &["cat-file", "commit", &id.to_string()]);
    let tree = bench.mirror.commit(id).unwrap().tree;
    assert_eq!(
        text,
        format!("tree {tree}\nauthor {NOBODY}\ncommitter {NOBODY}\n\ncsync\n")
    );
}

#[test]
fn edits_replace_files_by_folders_and_folders_vanish_when_empty() {
    let bench = bench();
    let mirror = &bench.mirror;
    let base = commit(
        mirror,
        None,
        &[("a/b/c", b"1"), ("d", b"2"), ("a.age", b"3"), ("a/x", b"4")],
    );
    let base = mirror.commit(base).unwrap().tree;
    let mut writer = mirror.writer().unwrap();
    let blob = writer.blob(b"new").unwrap();
    let edit = |writer: &mut Writer<'_>, edits: &[TreeEdit]| writer.tree(Some(base), edits).unwrap();
    let gone = edit(&mut writer, &[remove("a/b/c"), remove("a/x"), remove("not/there")]);
    let folder = edit(&mut writer, &[put("d/e/f", blob), put("a", blob)]);
    let empty = edit(&mut writer, &[remove("a"), remove("d"), remove("a.age")]);
    let last = edit(
        &mut writer,
        &[put("z", blob), remove("z"), remove("a"), put("a/b/new", blob)],
    );
    let whole = edit(
        &mut writer,
        &[TreeEdit {
            path: "copy".into(),
            entry: Some(Put::Tree(folder)),
        }],
    );
    let below_a_file = edit(&mut writer, &[remove("d/e")]);
    writer.finish().unwrap();
    let list = |tree: TreeId| {
        let listed = git(mirror.folder(), &["ls-tree", "-r", "--name-only", &tree.to_string()]);
        listed.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(list(gone), ["a.age", "d"]);
    assert_eq!(list(folder), ["a", "a.age", "d/e/f"]);
    assert_eq!(list(empty), Vec::<String>::new());
    assert_eq!(list(last), ["a.age", "a/b/new", "d"]);
    assert!(list(whole).contains(&"copy/d/e/f".to_owned()));
    assert_eq!(below_a_file, base);
}

#[test]
fn what_cannot_be_in_a_vault_is_refused() {
    let bench = bench();
    let mut writer = bench.mirror.writer().unwrap();
    let blob = writer.blob(b"x").unwrap();
    for path in [
        "",
        "/a",
        "a/",
        "a//b",
        "..",
        "a/../b",
        "a/./b",
        ".git/hooks",
        "a/.GIT",
        "a\0b",
    ] {
        let refused = writer.tree(None, &[put(path, blob)]);
        assert!(matches!(refused, Err(MirrorError::BadPath { .. })), "{path:?}");
    }
    assert!(writer.tree(None, &[put(&"a/".repeat(40), blob)]).is_err());
    let nowhere = BlobId([7; 20]);
    assert!(matches!(
        writer.tree(None, &[put("a", nowhere)]),
        Err(MirrorError::Missing { .. })
    ));
    assert!(matches!(
        writer.commit(TreeId([7; 20]), &[], ""),
        Err(MirrorError::Missing { .. })
    ));
}

#[test]
fn ten_thousand_edits_write_each_folder_once() {
    let bench = bench();
    let mut writer = bench.mirror.writer().unwrap();
    let blob = writer.blob(b"x").unwrap();
    let path = |number: u32| {
        format!(
            "files/{:x}/{:x}/{:x}/{number}.age",
            number % 16,
            number / 16 % 16,
            number / 256 % 16
        )
    };
    let edits: Vec<TreeEdit> = (0..10_000).map(|number| put(&path(number), blob)).collect();
    let tree = writer.tree(None, &edits).unwrap();
    assert_eq!(writer.trees.len(), 1 + 1 + 16 + 256 + 4096);
    writer
        .tree(Some(tree), &[put(&path(5), blob), remove(&path(6))])
        .unwrap();
    assert_eq!(writer.trees.len(), 1 + 1 + 16 + 256 + 4096 + 5);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever is put and removed in whatever steps, the tree holds what a map of paths would.
    #[test]
    fn trees_agree_with_a_map_of_paths_and_with_git(
        steps in prop::collection::vec(
            prop::collection::vec(("[a-c.]{1,2}(/[a-c0]{1,2}){0,3}", prop::option::weighted(0.7, 0u8..4)), 0..12),
            1..4,
        )
    ) {
        let bench = bench();
        let mut writer = bench.mirror.writer().unwrap();
        let blobs: Vec<BlobId> = (0..4u8).map(|byte| writer.blob(&[byte]).unwrap()).collect();
        let mut expected: std::collections::BTreeMap<String, BlobId> = std::collections::BTreeMap::new();
        let mut tree = None;
        for step in steps {
            let mut edits = Vec::new();
            for (path, content) in step {
                if path.split('/').any(|name| matches!(name, "." | "..")) {
                    continue;
                }
                // One at a time, so that the order among them is the map's.
                let below = format!("{path}/");
                match content {
                    Some(content) => {
                        let above = |other: &str| path.starts_with(&format!("{other}/"));
                        expected.retain(|other, _| *other != path && !other.starts_with(&below) && !above(other));
                        expected.insert(path.clone(), blobs[usize::from(content)]);
                        edits.push(put(&path, blobs[usize::from(content)]));
                    }
                    None => {
                        expected.retain(|other, _| *other != path && !other.starts_with(&below));
                        edits.push(remove(&path));
                    }
                }
                tree = Some(writer.tree(tree, &edits).unwrap());
                edits.clear();
            }
        }
        let Some(tree) = tree else { return Ok(()) };
        writer.finish().unwrap();
        let listed = git(bench.mirror.folder(), &["ls-tree", "-r", &tree.to_string()]);
        let mut listed: Vec<String> = listed.lines().map(|line| line.split_once("blob ").unwrap().1.to_owned()).collect();
        listed.sort_by(|one, other| one.split_once('\t').cmp(&other.split_once('\t')));
        let mut wanted: Vec<String> = expected.iter().map(|(path, id)| format!("{id}\t{path}")).collect();
        wanted.sort_by(|one, other| one.split_once('\t').cmp(&other.split_once('\t')));
        prop_assert_eq!(listed, wanted);
        prop_assert!(crate::mirror::oracle::git_output(bench.mirror.folder(), &["fsck", "--strict"]).status.success());
    }
}
