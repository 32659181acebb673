use std::fs;
use std::path::Path;

use super::*;
use crate::core::id::{BlobId, CommitId};
use crate::mirror::oracle::{Bench, bench, commit, fsck, git, noise};

/// Twenty-five packs and some loose objects; gives the tip and the blobs with what they hold.
fn worn() -> (Bench, CommitId, Vec<(BlobId, Vec<u8>)>) {
    let bench = bench();
    let mut tip = None;
    let mut blobs = Vec::new();
    for number in 0..25u64 {
        let (large, small) = (noise(number, 300_000), noise(number + 1_000, 100));
        let path = format!("files/{}/0/0/{number}.age", number % 4);
        let next = commit(&bench.mirror, tip, &[(&path, &large)]);
        let next = commit(&bench.mirror, Some(next), &[("note.age", &small)]);
        tip = Some(next);
        let tree = bench.mirror.commit(next).unwrap().tree;
        for (path, content) in [(path.as_str(), large), ("note.age", small)] {
            match bench.mirror.entry(tree, path).unwrap() {
                Some(crate::mirror::Entry::Blob(id)) => blobs.push((id, content)),
                other => panic!("{other:?}"),
            }
        }
    }
    let tip = tip.unwrap();
    bench.mirror.set(Pointer::Tip, None, tip).unwrap();
    let base = commit(&bench.mirror, Some(tip), &[("base", b"of its own")]);
    bench.mirror.set(Pointer::Base, None, base).unwrap();
    (bench, tip, blobs)
}

fn all_there(folder: &Path, tip: CommitId, blobs: &[(BlobId, Vec<u8>)]) {
    fsck(folder);
    let mirror = Mirror::open(folder).unwrap();
    assert_eq!(mirror.history(tip, None).unwrap().len(), 50);
    for (id, content) in blobs {
        assert_eq!(&mirror.blob(*id, 1 << 20).unwrap(), content);
    }
    let base = mirror.get(Pointer::Base).unwrap().unwrap();
    assert!(
        mirror
            .entry(mirror.commit(base).unwrap().tree, "base")
            .unwrap()
            .is_some()
    );
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn everything_is_kept_in_one_pack() {
    let (bench, tip, blobs) = worn();
    let mirror = &bench.mirror;
    let lost = commit(mirror, None, &[("unreachable", b"x")]);
    assert!(list(mirror.folder()).unwrap().packs.len() == 25);
    mirror.consolidate().unwrap();
    let files = list(mirror.folder()).unwrap();
    assert_eq!((files.packs.len(), files.loose.len()), (1, 0));
    assert!(!mirror.folder().join("objects/pack").join("multi-pack-index").exists());
    all_there(mirror.folder(), tip, &blobs);
    // The mirror that did it goes on, too.
    for (id, content) in &blobs {
        assert_eq!(&mirror.blob(*id, 1 << 20).unwrap(), content);
    }
    assert!(Mirror::open(mirror.folder()).unwrap().commit(lost).is_err());
    let next = commit(mirror, Some(tip), &[("more", b"more")]);
    mirror.set(Pointer::Tip, Some(tip), next).unwrap();
    fsck(mirror.folder());
    let staging = fs::read_dir(mirror.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    assert!(
        staging
            .into_iter()
            .all(|name| !name.to_string_lossy().starts_with("csync-"))
    );
}

#[test]
fn p5_killed_anywhere_it_loses_nothing() {
    for everything in [true, false] {
        killed(everything);
    }
}

fn killed(everything: bool) {
    let (bench, tip, blobs) = worn();
    let before = list(bench.mirror.folder()).unwrap();
    let new = bench.mirror.gather(&before, everything).unwrap();
    let made = bench.path("made");
    copy(bench.mirror.folder(), &made);
    all_there(&made, tip, &blobs);

    // Killed between any two removals. What is removed is listed by what is gone in the end.
    bench.mirror.remove(&before, &new).unwrap();
    let mut removed: Vec<PathBuf> = before.loose.clone();
    for pack in &before.packs {
        removed.extend([pack.with_extension("idx"), pack.with_extension("pack")]);
    }
    for (count, path) in removed.iter().enumerate() {
        let name = path.strip_prefix(bench.mirror.folder()).unwrap();
        assert!(!path.exists());
        fs::remove_file(made.join(name)).unwrap();
        if count % 29 == 0 {
            all_there(&made, tip, &blobs);
        }
    }
    all_there(&made, tip, &blobs);
}

#[test]
fn a_damaged_object_stops_it_before_anything_is_removed() {
    let (bench, _, blobs) = worn();
    let pack = list(bench.mirror.folder()).unwrap().packs[7].with_extension("pack");
    // Under another name first: libgit2 shares the packs that it has open among all repositories of a process.
    let folder = bench.path("damaged");
    copy(bench.mirror.folder(), &folder);
    let pack = folder.join(pack.strip_prefix(bench.mirror.folder()).unwrap());
    let mut bytes = fs::read(&pack).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(&pack).unwrap();
    fs::write(&pack, bytes).unwrap();
    let mirror = Mirror::open(&folder).unwrap();
    let error = mirror.consolidate().unwrap_err();
    assert!(matches!(error, MirrorError::Damaged { .. }), "{error:?}");
    assert_eq!(list(mirror.folder()).unwrap().packs.len(), 25);
    let whole = blobs
        .iter()
        .filter(|(id, content)| mirror.blob(*id, 1 << 20).ok().as_ref() == Some(content));
    assert_eq!(whole.count(), blobs.len() - 1);
}

#[test]
fn few_files_are_left_alone_and_kept_packs_are_kept() {
    let (bench, tip, blobs) = worn();
    let keep = list(bench.mirror.folder()).unwrap().packs[3].clone();
    fs::write(keep.with_extension("keep"), "").unwrap();
    bench.mirror.consolidate().unwrap();
    assert_eq!(list(bench.mirror.folder()).unwrap().packs.len(), 2);
    let before = git(bench.mirror.folder(), &["count-objects", "-v"]);
    bench.mirror.consolidate().unwrap();
    assert_eq!(git(bench.mirror.folder(), &["count-objects", "-v"]), before);
    all_there(bench.mirror.folder(), tip, &blobs);
}

#[test]
fn an_empty_mirror_has_nothing_to_do() {
    let bench = bench();
    bench.mirror.consolidate().unwrap();
    let one = commit(&bench.mirror, None, &[("a", b"1")]);
    bench.mirror.set(Pointer::Tip, None, one).unwrap();
    let before = list(bench.mirror.folder()).unwrap();
    for everything in [true, false] {
        let new = bench.mirror.gather(&before, everything).unwrap();
        bench.mirror.remove(&before, &new).unwrap();
        fsck(bench.mirror.folder());
    }
}

#[test]
fn a_pack_that_comes_out_as_it_was_is_not_removed() {
    let bench = bench();
    let one = commit(
        &bench.mirror,
        None,
        &[("a", &noise(1, 400_000)), ("b", &noise(2, 400_000))],
    );
    bench.mirror.set(Pointer::Tip, None, one).unwrap();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let files = list(bench.mirror.folder()).unwrap();
        let new = bench.mirror.gather(&files, false).unwrap();
        bench.mirror.remove(&files, &new).unwrap();
        fsck(bench.mirror.folder());
        seen.push(list(bench.mirror.folder()).unwrap().packs);
    }
    assert_eq!(seen[1], seen[2], "the same objects make the same pack");
    assert_eq!(seen[2].len(), 1);
}

#[test]
fn p28_large_packs_are_not_written_again() {
    let bench = bench();
    let large = commit(&bench.mirror, None, &[("large", &noise(0, 16 << 20))]);
    let kept = list(bench.mirror.folder()).unwrap().packs;
    let mut tip = large;
    for number in 1..=22u64 {
        tip = commit(&bench.mirror, Some(tip), &[("small", &noise(number, 300_000))]);
    }
    bench.mirror.set(Pointer::Tip, None, tip).unwrap();
    let lost = commit(&bench.mirror, None, &[("unreachable", &noise(99, 300_000))]);
    bench.mirror.consolidate().unwrap();
    let packs = list(bench.mirror.folder()).unwrap().packs;
    assert_eq!(packs.len(), 2);
    assert!(packs.contains(&kept[0]));
    fsck(bench.mirror.folder());
    let mirror = Mirror::open(bench.mirror.folder()).unwrap();
    assert_eq!(mirror.history(tip, None).unwrap().len(), 23);
    // Nothing is judged unreachable unless everything is looked at.
    mirror.commit(lost).unwrap();
}

#[test]
fn many_loose_objects_become_a_pack() {
    let bench = bench();
    let mut tip = None;
    for number in 0..170u64 {
        tip = Some(commit(&bench.mirror, tip, &[("a/b", &number.to_le_bytes())]));
    }
    let tip = tip.unwrap();
    bench.mirror.set(Pointer::Tip, None, tip).unwrap();
    assert!(list(bench.mirror.folder()).unwrap().loose.len() > MANY_LOOSE);
    bench.mirror.consolidate().unwrap();
    let files = list(bench.mirror.folder()).unwrap();
    assert_eq!((files.packs.len(), files.loose.len()), (1, 0));
    fsck(bench.mirror.folder());
    assert_eq!(bench.mirror.history(tip, None).unwrap().len(), 170);
}
