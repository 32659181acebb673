use std::fs;
use std::path::Path;

use super::*;
use crate::mirror::oracle::connect;
use crate::mirror::oracle::{bench, commit, fsck, git, git_output, isolated, noise};

#[test]
fn what_one_machine_pushes_another_fetches_and_git_clones() {
    let bench = bench();
    let remote = bench.bare("remote.git");
    let one = commit(
        &bench.mirror,
        None,
        &[("vault.json", b"{}"), ("files/0/1/2/a.age", &noise(1, 2 << 20))],
    );
    let two = commit(&bench.mirror, Some(one), &[("files/0/1/2/a.age", &noise(2, 300_000))]);
    let mut here = PathRemote::new(remote.clone());
    assert_eq!(here.fetch(&bench.mirror).unwrap(), None);
    assert_eq!(here.push(&bench.mirror, None, two).unwrap(), Push::Accepted);
    fsck(&remote);

    let other = bench.other("other");
    let url = format!("file://{}", remote.display());
    let mut there = connect(&url).unwrap();
    assert_eq!(there.fetch(&other).unwrap(), Some(two));
    assert_eq!(other.get(Pointer::Incoming).unwrap(), Some(two));
    assert_eq!(other.get(Pointer::Tip).unwrap(), None);
    assert_eq!(other.history(two, None).unwrap(), [one, two]);
    fsck(other.folder());

    let clone = bench.path("clone");
    git(
        bench.folder.path(),
        &["clone", "--quiet", &url, clone.to_str().unwrap()],
    );
    assert_eq!(fs::read(clone.join("files/0/1/2/a.age")).unwrap(), noise(2, 300_000));
}

#[test]
fn p28_a_small_change_moves_little() {
    let bench = bench();
    let remote = bench.bare("remote.git");
    let one = commit(&bench.mirror, None, &[("files/0/1/2/a.age", &noise(1, 4 << 20))]);
    let mut here = PathRemote::new(remote.clone());
    here.push(&bench.mirror, None, one).unwrap();
    let size = |folder: &Path| -> u64 {
        let objects = walk(&folder.join("objects"));
        objects.iter().map(|path| fs::metadata(path).unwrap().len()).sum()
    };
    let before = size(&remote);
    let two = commit(&bench.mirror, Some(one), &[("files/0/1/2/b.age", b"small")]);
    assert_eq!(here.push(&bench.mirror, Some(one), two).unwrap(), Push::Accepted);
    assert!(size(&remote) - before < 2_000);
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] })
        .collect()
}

#[test]
fn p27_fetching_nothing_writes_nothing() {
    let bench = bench();
    let remote = bench.bare("remote.git");
    let one = commit(&bench.mirror, None, &[("a", &noise(1, 400_000))]);
    let mut here = PathRemote::new(remote);
    here.push(&bench.mirror, None, one).unwrap();
    let other = bench.other("other");
    here.fetch(&other).unwrap();
    let seen = || {
        let times = walk(other.folder()).into_iter();
        times
            .map(|path| (fs::metadata(&path).unwrap().modified().unwrap(), path))
            .collect::<Vec<_>>()
    };
    let before = seen();
    assert_eq!(here.fetch(&other).unwrap(), Some(one));
    assert_eq!(seen(), before);
}

#[test]
fn p8_of_two_pushes_upon_one_tip_one_wins() {
    let bench = bench();
    let other = bench.other("other");
    let remote = bench.bare("remote.git");
    let mut here = PathRemote::new(remote.clone());
    let one = commit(&bench.mirror, None, &[("a", b"1")]);
    assert_eq!(here.push(&bench.mirror, None, one).unwrap(), Push::Accepted);
    here.fetch(&other).unwrap();
    let ours = commit(&bench.mirror, Some(one), &[("a", b"ours")]);
    let theirs = commit(&other, Some(one), &[("a", b"theirs")]);
    assert_eq!(here.push(&other, Some(one), theirs).unwrap(), Push::Accepted);
    assert_eq!(here.push(&bench.mirror, Some(one), ours).unwrap(), Push::LostRace);
    assert_eq!(here.push(&bench.mirror, None, ours).unwrap(), Push::LostRace);
    here.fetch(&bench.mirror).unwrap();
    let cut = here.push(&bench.mirror, Some(theirs), ours);
    assert!(matches!(cut, Err(MirrorError::NotAContinuation { .. })), "{cut:?}");
    assert_eq!(git(&remote, &["rev-parse", "main"]).trim(), theirs.to_string());
    let upon_theirs = commit(&bench.mirror, Some(theirs), &[("a", b"unseen")]);
    let unseen = here.push(&bench.mirror, None, upon_theirs).unwrap();
    assert_eq!(
        unseen,
        Push::LostRace,
        "it would fit, but the caller thought the remote empty"
    );
    // Fetched and built upon, it goes through.
    assert_eq!(here.fetch(&bench.mirror).unwrap(), Some(theirs));
    let merged = commit(&bench.mirror, Some(theirs), &[("a", b"both")]);
    assert_eq!(here.push(&bench.mirror, Some(theirs), merged).unwrap(), Push::Accepted);
    fsck(&remote);
}

#[test]
fn p8_a_branch_that_another_process_is_just_moving_is_a_lost_race() {
    let bench = bench();
    let remote = bench.bare("remote.git");
    let one = commit(&bench.mirror, None, &[("a", b"1")]);
    fs::write(remote.join("refs/heads/main.lock"), "").unwrap();
    let mut here = PathRemote::new(remote.clone());
    assert_eq!(here.push(&bench.mirror, None, one).unwrap(), Push::LostRace);
    fs::remove_file(remote.join("refs/heads/main.lock")).unwrap();
    assert_eq!(here.push(&bench.mirror, None, one).unwrap(), Push::Accepted);
}

#[test]
fn a_remote_that_lacks_an_object_is_not_taken() {
    let bench = bench();
    let remote = bench.bare("remote.git");
    let one = commit(&bench.mirror, None, &[("a", b"1"), ("b/c", b"2")]);
    let mut here = PathRemote::new(remote.clone());
    here.push(&bench.mirror, None, one).unwrap();
    let blob = git(&remote, &["rev-parse", "main:b/c"]);
    let lost = remote.join("objects").join(&blob[..2]).join(blob[2..].trim());
    let kept = fs::read(&lost).unwrap();
    fs::remove_file(&lost).unwrap();
    let other = bench.other("other");
    let error = here.fetch(&other).unwrap_err();
    assert!(
        matches!(&error, MirrorError::Missing { what, .. } if what.contains(blob.trim())),
        "{error}"
    );
    assert_eq!(other.get(Pointer::Incoming).unwrap(), None);
    assert_eq!(crate::Error::from(error).kind(), crate::Kind::Damaged);
    // Once the remote is mended, so is the fetch.
    fs::write(&lost, kept).unwrap();
    assert_eq!(here.fetch(&other).unwrap(), Some(one));
    fsck(other.folder());
}

#[test]
fn p6_a_push_mends_what_the_remote_lacks_and_never_names_what_is_missing() {
    let bench = bench();
    let remote = bench.bare("remote.git");
    let one = commit(&bench.mirror, None, &[("a", b"1")]);
    let two = commit(&bench.mirror, Some(one), &[("b", b"2")]);
    let lost = bench.mirror.commit(two).unwrap().tree.to_string();
    let lost = bench.mirror.folder().join("objects").join(&lost[..2]).join(&lost[2..]);
    fs::remove_file(lost).unwrap();
    let mirror = Mirror::open(bench.mirror.folder()).unwrap();
    let mut here = PathRemote::new(remote.clone());
    assert!(matches!(
        here.push(&mirror, None, two),
        Err(MirrorError::Missing { .. })
    ));
    assert!(!git_output(&remote, &["rev-parse", "--verify", "main"]).status.success());
}

#[test]
fn a_history_that_went_back_is_fetched_for_the_caller_to_judge() {
    let bench = bench();
    let remote = bench.bare("remote.git");
    let one = commit(&bench.mirror, None, &[("a", b"1")]);
    let two = commit(&bench.mirror, Some(one), &[("a", b"2")]);
    let mut here = PathRemote::new(remote.clone());
    here.push(&bench.mirror, None, two).unwrap();
    let other = bench.other("other");
    here.fetch(&other).unwrap();
    other.set(Pointer::Tip, None, two).unwrap();
    git(&remote, &["update-ref", "refs/heads/main", &one.to_string()]);
    assert_eq!(here.fetch(&other).unwrap(), Some(one));
    assert_eq!(other.get(Pointer::Incoming).unwrap(), Some(one));
    assert!(!other.is_ancestor(two, one).unwrap());
    assert_eq!(other.get(Pointer::Tip).unwrap(), Some(two));
}

#[test]
fn what_is_no_bare_repository_is_refused() {
    let bench = bench();
    let work = bench.path("work");
    git(bench.folder.path(), &["init", "--quiet", work.to_str().unwrap()]);
    for path in [work.clone(), work.join(".git")] {
        let error = PathRemote::new(path).test().unwrap_err();
        assert!(matches!(error, MirrorError::NotBare { .. }), "{error}");
        assert!(
            crate::Error::from(error)
                .hint_text()
                .unwrap()
                .contains("git init --bare")
        );
    }
    let below = PathRemote::new(bench.path("mirror/objects")).test();
    assert!(matches!(below, Err(MirrorError::NoRepository { .. })));
    assert!(matches!(
        PathRemote::new(bench.path("none")).test(),
        Err(MirrorError::NoRepository { .. })
    ));
    PathRemote::new(bench.bare("good.git")).test().unwrap();
}

#[test]
fn p24_hooks_and_settings_of_the_remote_are_not_executed() {
    let bench = bench();
    let remote = bench.bare("remote.git");
    let trap = bench.path("sprung");
    let script = format!("#!/bin/sh\ntouch '{}'\nexit 1\n", trap.display());
    fs::create_dir_all(remote.join("hooks")).unwrap();
    for hook in [
        "pre-receive",
        "update",
        "post-receive",
        "post-update",
        "reference-transaction",
    ] {
        let path = remote.join("hooks").join(hook);
        fs::write(&path, &script).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::PermissionsExt::set_mode(&mut fs::metadata(&path).unwrap().permissions(), 0o755);
        isolated(std::process::Command::new("chmod").arg("755").arg(&path))
            .status()
            .unwrap();
    }
    git(
        &remote,
        &["config", "core.fsmonitor", path_text(&remote.join("hooks/update"))],
    );
    let one = commit(&bench.mirror, None, &[("a", b"1")]);
    let mut here = PathRemote::new(remote);
    assert_eq!(here.push(&bench.mirror, None, one).unwrap(), Push::Accepted);
    here.fetch(&bench.other("other")).unwrap();
    assert!(!trap.exists());
}

fn path_text(path: &Path) -> &str {
    path.to_str().unwrap()
}
