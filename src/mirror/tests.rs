//! Reading, pointers, history, and what surroundings must not change.

use std::fs;
use std::path::Path;

use super::oracle::connect;
use super::oracle::{Bench, bench, commit, fsck, git, isolated, noise, put, remove};
use super::writer::pack_folder;
use super::*;
use crate::core::id::{BlobId, CommitId, TreeId};
use crate::error::Kind;

fn tree(bench: &Bench, commit: CommitId) -> TreeId {
    bench.mirror.commit(commit).unwrap().tree
}

fn paths(changes: &[TreeChange]) -> Vec<&str> {
    changes.iter().map(|change| change.path.as_str()).collect()
}

#[test]
fn pointers_move_only_from_where_they_are_expected() {
    let bench = bench();
    let mirror = &bench.mirror;
    let one = commit(mirror, None, &[("a", b"1")]);
    let two = commit(mirror, Some(one), &[("a", b"2")]);
    for pointer in Pointer::ALL {
        let moved = |expected, new| match mirror.set(pointer, expected, new) {
            Ok(()) => true,
            Err(MirrorError::Moved { .. }) => false,
            Err(error) => panic!("{error}"),
        };
        assert_eq!(mirror.get(pointer).unwrap(), None);
        assert!(!moved(Some(one), two), "there is nothing to move");
        assert!(!moved(Some(two), two), "there is nothing to keep");
        assert!(moved(None, one));
        assert!(!moved(None, two), "it is there already");
        assert!(!moved(Some(two), one), "it stands elsewhere");
        assert!(moved(Some(one), two));
        assert_eq!(mirror.get(pointer).unwrap(), Some(two));
        assert!(moved(Some(two), one), "back again");
        mirror.clear(pointer).unwrap();
        mirror.clear(pointer).unwrap();
        assert_eq!(mirror.get(pointer).unwrap(), None);
        assert!(
            mirror.set(pointer, None, CommitId([9; 20])).is_err(),
            "a commit that is not there"
        );
    }
}

#[test]
fn history_is_told_oldest_first_and_without_what_is_known() {
    let bench = bench();
    let mirror = &bench.mirror;
    let one = commit(mirror, None, &[("a", b"1")]);
    let two = commit(mirror, Some(one), &[("a", b"2")]);
    let three = commit(mirror, Some(two), &[("a", b"3")]);
    let other = commit(mirror, Some(one), &[("b", b"3")]);
    assert_eq!(mirror.history(three, None).unwrap(), [one, two, three]);
    assert_eq!(mirror.history(three, Some(one)).unwrap(), [two, three]);
    assert_eq!(mirror.history(three, Some(three)).unwrap(), []);
    assert_eq!(mirror.history(three, Some(other)).unwrap(), [two, three]);
    assert!(mirror.is_ancestor(one, three).unwrap());
    assert!(mirror.is_ancestor(three, three).unwrap());
    assert!(!mirror.is_ancestor(three, one).unwrap());
    assert!(!mirror.is_ancestor(other, three).unwrap());
    assert!(mirror.history(CommitId([9; 20]), None).is_err());
    assert_eq!(mirror.commit(two).unwrap().parents, [one]);
    assert_eq!(mirror.commit(two).unwrap().message, "csync\n");
}

#[test]
fn changes_tell_each_file_that_differs() {
    let bench = bench();
    let mirror = &bench.mirror;
    let id = "0123456789abcdef0123456789abcdef";
    let head = format!("files/0/1/2/{id}.age");
    let segment = format!("files/0/1/2/{id}/0.age");
    let one = commit(
        mirror,
        None,
        &[
            ("vault.json", b"{}"),
            (&head, b"1"),
            (&segment, b"s"),
            ("same/x", b"x"),
            ("turned", b"t"),
        ],
    );
    let two = commit(
        mirror,
        Some(one),
        &[
            (&head, b"2"),
            (&format!("files/0/1/2/{id}/1.age"), b"t"),
            ("files/f/f/f/new.age", b"n"),
            ("turned/in", b"t"),
        ],
    );
    let (old, new) = (tree(&bench, one), tree(&bench, two));
    let changes = mirror.changes(Some(old), Some(new), "").unwrap();
    assert_eq!(
        paths(&changes),
        [head.as_str(), "files/f/f/f/new.age", "turned", "turned/in"]
    );
    assert!(changes[0].old.is_some() && changes[0].new.is_some());
    assert!(changes[1].old.is_none() && changes[1].new.is_some());
    assert!(changes[2].old.is_some() && changes[2].new.is_none());
    assert_eq!(mirror.changes(Some(new), Some(new), "").unwrap(), []);
    assert_eq!(mirror.changes(None, None, "").unwrap(), []);
    assert_eq!(
        paths(&mirror.changes(Some(old), Some(new), "files/f").unwrap()),
        ["files/f/f/f/new.age"]
    );
    assert_eq!(
        paths(&mirror.changes(Some(old), Some(new), &head).unwrap()),
        [head.as_str()]
    );
    assert_eq!(mirror.changes(Some(old), Some(new), "keys").unwrap(), []);
    let all = mirror.changes(None, Some(old), "").unwrap();
    assert_eq!(paths(&all), [head.as_str(), "same/x", "turned", "vault.json"]);
    let segments = mirror
        .changes(Some(old), Some(new), &format!("files/0/1/2/{id}"))
        .unwrap();
    assert_eq!(paths(&segments), [format!("files/0/1/2/{id}/1.age")]);
    assert_eq!(mirror.changes_with_segments(None, Some(old), "").unwrap().len(), 5);
}

#[test]
fn equal_folders_are_not_even_read() {
    let bench = bench();
    let mirror = &bench.mirror;
    let one = commit(
        mirror,
        None,
        &[("files/0/0/0/a.age", b"a"), ("files/1/0/0/b.age", b"b")],
    );
    let two = commit(mirror, Some(one), &[("files/0/0/0/a.age", b"A")]);
    // With the folder that both share gone, a comparison that reads it would fail.
    let Some(Entry::Tree(shared)) = mirror.entry(tree(&bench, one), "files/1").unwrap() else {
        panic!("a folder")
    };
    let name = shared.to_string();
    fs::remove_file(mirror.folder().join("objects").join(&name[..2]).join(&name[2..])).unwrap();
    let mirror = Mirror::open(mirror.folder()).unwrap();
    let changes = mirror
        .changes(Some(tree(&bench, one)), Some(tree(&bench, two)), "")
        .unwrap();
    assert_eq!(paths(&changes), ["files/0/0/0/a.age"]);
    assert!(matches!(
        mirror.changes(None, Some(tree(&bench, two)), ""),
        Err(MirrorError::Missing { .. })
    ));
}

#[test]
fn entries_and_folders_are_found() {
    let bench = bench();
    let one = commit(&bench.mirror, None, &[("a/b", b"1"), ("a.b", b"2"), ("a/c/d", b"3")]);
    let tree = tree(&bench, one);
    let names = |folder| {
        let listed = bench.mirror.list(tree, folder).unwrap();
        listed.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(names(""), ["a.b", "a"], "a folder sorts as if it ended in a slash");
    assert_eq!(names("a"), ["b", "c"]);
    assert_eq!(names("a/b"), Vec::<String>::new());
    assert_eq!(names("none"), Vec::<String>::new());
    assert!(matches!(
        bench.mirror.entry(tree, "a/c/d").unwrap(),
        Some(Entry::Blob(_))
    ));
    assert_eq!(bench.mirror.entry(tree, "a/c/d/e").unwrap(), None);
}

#[test]
fn p22_a_blob_that_is_too_large_is_not_read() {
    let bench = bench();
    let mut writer = bench.mirror.writer().unwrap();
    let id = writer.blob(&noise(1, 100_000)).unwrap();
    writer.finish().unwrap();
    assert_eq!(bench.mirror.blob(id, 100_000).unwrap().len(), 100_000);
    let refused = bench.mirror.blob(id, 99_999);
    assert!(matches!(refused, Err(MirrorError::TooLarge { size: 100_000, .. })));
}

/// Flips one bit in the middle of a file that may be read-only.
fn flip(path: &Path, at: impl Fn(usize) -> usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = at(bytes.len());
    bytes[at] ^= 1;
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn p11_a_flipped_bit_is_damage_and_names_the_object() {
    for loose in [true, false] {
        let bench = bench();
        let mut writer = bench.mirror.writer().unwrap();
        let id = writer.blob(&noise(1, if loose { 1_000 } else { 500_000 })).unwrap();
        writer.finish().unwrap();
        if loose {
            let name = id.to_string();
            let path = bench.mirror.folder().join("objects").join(&name[..2]).join(&name[2..]);
            flip(&path, |length| length / 2);
        } else {
            let folder = pack_folder(bench.mirror.folder());
            let pack = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            let pack = pack
                .into_iter()
                .find(|path| path.extension().unwrap() == "pack")
                .unwrap();
            flip(&pack, |length| length / 2);
        }
        let mirror = Mirror::open(bench.mirror.folder()).unwrap();
        let error = mirror.blob(id, 1 << 20).unwrap_err();
        assert!(matches!(error, MirrorError::Damaged { .. }), "{error:?}");
        let error = crate::Error::from(error);
        assert_eq!(error.kind(), Kind::Damaged);
        assert!(error.to_string().contains(&id.to_string()), "{error}");
        assert!(error.hint_text().is_some());
    }
}

#[test]
fn hostile_trees_are_damage() {
    let bench = bench();
    let entry = |mode: &str, name: &[u8]| {
        let mut bytes = format!("{mode} ").into_bytes();
        bytes.extend_from_slice(name);
        bytes.push(0);
        bytes.extend_from_slice(&[1; 20]);
        bytes
    };
    let two = |one: &[u8], other: &[u8]| [entry("100644", one), entry("100644", other)].concat();
    for bytes in [
        entry("120000", b"link"),
        entry("160000", b"submodule"),
        entry("100644", b".."),
        entry("100644", b""),
        entry("100644", b"a/b"),
        entry("100644", b"\xff"),
        two(b"b", b"a"),
        two(b"a", b"a"),
        b"100644".to_vec(),
        b"100644 a".to_vec(),
        b"100644 a\0short".to_vec(),
    ] {
        let id = bench
            .mirror
            .odb()
            .unwrap()
            .write(git2::ObjectType::Tree, &bytes)
            .unwrap();
        let listed = bench.mirror.list(tree::tree_id(id), "");
        assert!(matches!(listed, Err(MirrorError::Damaged { .. })), "{bytes:?}");
    }
}

#[test]
fn a_repository_is_made_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join("there");
    fs::create_dir(&there).unwrap();
    Mirror::create(&there).unwrap();
    assert!(matches!(Mirror::create(&there), Err(MirrorError::InTheWay { .. })));
    assert!(matches!(create_bare(&there), Err(MirrorError::InTheWay { .. })));
    fs::write(folder.path().join("file"), "").unwrap();
    assert!(create_bare(&folder.path().join("file")).is_err());
    create_bare(&folder.path().join("deep/in/folders")).unwrap();
    let nothing = Mirror::open(&folder.path().join("nothing"));
    assert!(matches!(nothing, Err(MirrorError::NoRepository { .. })));
    let left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 3, "{left:?}");
}

#[test]
fn the_settings_are_mended_at_each_opening() {
    let bench = bench();
    let config = bench.mirror.folder().join("config");
    git(bench.mirror.folder(), &["config", "pack.deltaCacheSize", "256m"]);
    git(bench.mirror.folder(), &["config", "core.logAllRefUpdates", "true"]);
    Mirror::open(bench.mirror.folder()).unwrap();
    let get = |key| git(bench.mirror.folder(), &["config", key]);
    assert_eq!(get("pack.deltaCacheSize"), "1\n");
    assert_eq!(get("core.bigFileThreshold"), "1k\n");
    assert_eq!(get("pack.window"), "0\n");
    assert_eq!(get("core.fsyncObjectFiles"), "true\n");
    assert_eq!(get("core.logAllRefUpdates"), "false\n");
    let before = fs::metadata(&config).unwrap().modified().unwrap();
    Mirror::open(bench.mirror.folder()).unwrap();
    assert_eq!(
        fs::metadata(&config).unwrap().modified().unwrap(),
        before,
        "written for nothing"
    );
}

#[test]
fn p16_no_name_of_a_person_or_host_is_noted() {
    let bench = bench();
    let one = commit(&bench.mirror, None, &[("a", b"1")]);
    bench.mirror.set(Pointer::Tip, None, one).unwrap();
    assert!(!bench.mirror.folder().join("logs").exists(), "a reflog");
}

/// In a process of its own, since libgit2 reads its surroundings once: the environment is hostile there, and the
/// objects must come out the same.
#[test]
fn p35_surroundings_change_nothing() {
    const INNER: &str = "CSYNC_TEST_MIRROR_IN_HOSTILE_SURROUNDINGS";
    let content = b"one\r\ntwo\r\n$Id$\n";
    if let Some(folder) = std::env::var_os(INNER) {
        let folder = Path::new(&folder);
        let mirror = Mirror::open(&folder.join("mirror")).unwrap();
        let tip = commit(
            &mirror,
            None,
            &[
                ("a.age", content),
                (".gitattributes", b"* text=auto filter=evil ident\n"),
            ],
        );
        mirror.set(Pointer::Tip, None, tip).unwrap();
        let mut remote = connect(folder.join("remote").to_str().unwrap()).unwrap();
        assert_eq!(remote.push(&mirror, None, tip).unwrap(), Push::Accepted);
        return;
    }
    let bench = bench();
    bench.bare("remote");
    let home = bench.path("home");
    fs::create_dir(&home).unwrap();
    fs::write(
        home.join(".gitconfig"),
        "[core]\n autocrlf = true\n eol = crlf\n logAllRefUpdates = always\n[init]\n templateDir = /nowhere\n[filter \"evil\"]\n clean = false\n required = true\n\
         [user]\n name = Ana\n email = ana@example.org\n[url \"/nowhere\"]\n insteadOf = /\n",
    )
    .unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&home, fs::Permissions::from_mode(0o500)).unwrap();
        // A repository of another user, which the git command refuses without `safe.directory`. Only root can make one.
        for name in ["mirror", "remote"] {
            let _ = std::os::unix::fs::chown(bench.path(name), Some(12_345), Some(12_345));
        }
    }
    let output = isolated(&mut std::process::Command::new(std::env::current_exe().unwrap()))
        .args(["--exact", "mirror::tests::p35_surroundings_change_nothing"])
        .env(INNER, bench.folder.path())
        .env("HOME", &home)
        .env("XDG_CONFIG_HOME", home.join("none"))
        .env("LC_ALL", "tr_TR.ISO-8859-9")
        .env("LANG", "tr_TR.ISO-8859-9")
        .env_remove("GIT_CONFIG_GLOBAL")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    #[cfg(unix)]
    for name in ["mirror", "remote"] {
        let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(&home).unwrap());
        let _ = std::os::unix::fs::chown(bench.path(name), Some(owner), None);
    }
    let seen = git(&bench.path("remote"), &["cat-file", "blob", "main:a.age"]);
    assert_eq!(seen.as_bytes(), content);
    fsck(&bench.path("remote"));
    assert!(!bench.path("mirror").join("logs").exists());
    assert!(!bench.path("remote").join("logs").exists());
}

/// Git reads addresses from files of this kind as well, of old.
#[test]
fn p24_a_file_in_the_mirror_leads_to_no_other_remote() {
    let bench = bench();
    let mirror = bench.mirror.folder();
    let other = bench.bare("other");
    fs::create_dir_all(mirror.join("remotes")).unwrap();
    fs::write(mirror.join("remotes/work:v.git"), format!("URL: {}\n", other.display())).unwrap();
    let reached = || {
        let arguments = ["-c", "core.sshCommand=false", "ls-remote", "--", "work:v.git"];
        super::oracle::git_output(mirror, &arguments).status.success()
    };
    assert!(reached());
    Mirror::open(mirror).unwrap();
    assert!(!reached());
}

#[test]
fn a_mirror_takes_what_git_wrote() {
    let bench = bench();
    let one = commit(&bench.mirror, None, &[("a", &noise(1, 300_000)), ("b/c", b"2")]);
    bench.mirror.set(Pointer::Tip, None, one).unwrap();
    git(bench.mirror.folder(), &["gc", "--quiet", "--prune=now"]);
    git(bench.mirror.folder(), &["pack-refs", "--all"]);
    let mirror = Mirror::open(bench.mirror.folder()).unwrap();
    assert_eq!(mirror.get(Pointer::Tip).unwrap(), Some(one));
    let two = commit(&mirror, Some(one), &[("a", b"3")]);
    mirror.set(Pointer::Tip, Some(one), two).unwrap();
    assert_eq!(mirror.get(Pointer::Tip).unwrap(), Some(two));
    let mut writer = mirror.writer().unwrap();
    let tree = writer.tree(
        Some(mirror.commit(two).unwrap().tree),
        &[remove("a"), put("z", blob_of(&mirror, two))],
    );
    tree.unwrap();
    writer.finish().unwrap();
    fsck(mirror.folder());
}

fn blob_of(mirror: &Mirror, commit: CommitId) -> BlobId {
    match mirror.entry(mirror.commit(commit).unwrap().tree, "a").unwrap() {
        Some(Entry::Blob(id)) => id,
        other => panic!("{other:?}"),
    }
}

/// In a process of its own, so that what it takes is its alone.
#[test]
#[cfg(target_os = "linux")]
fn memory_does_not_grow_with_what_passes_through() {
    const INNER: &str = "CSYNC_TEST_MIRROR_MEMORY";
    const BLOBS: u64 = 160;
    if let Some(folder) = std::env::var_os(INNER) {
        let folder = Path::new(&folder);
        let mirror = Mirror::open(&folder.join("mirror")).unwrap();
        let mut writer = mirror.writer().unwrap();
        let mut edits = Vec::new();
        for number in 0..BLOBS {
            edits.push(put(
                &format!("files/0/0/{:x}/{number}.age", number % 16),
                writer.blob(&noise(number, 1 << 20)).unwrap(),
            ));
        }
        let tree = writer.tree(None, &edits).unwrap();
        let tip = writer.commit(tree, &[], "").unwrap();
        writer.finish().unwrap();
        let mut remote = connect(folder.join("remote").to_str().unwrap()).unwrap();
        assert_eq!(remote.push(&mirror, None, tip).unwrap(), Push::Accepted);
        let other = Mirror::create(&folder.join("other")).unwrap();
        assert_eq!(remote.fetch(&other).unwrap(), Some(tip));
        for edit in &edits {
            let Some(Put::Blob(id)) = edit.entry else {
                unreachable!()
            };
            assert_eq!(other.blob(id, 1 << 20).unwrap().len(), 1 << 20);
        }
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(peak < 110 * 1024, "{peak} KiB");
        return;
    }
    let bench = bench();
    bench.bare("remote");
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "mirror::tests::memory_does_not_grow_with_what_passes_through",
        ])
        .env(INNER, bench.folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
