//! Damage: flipped, cut and lengthened bytes, in the vault, in the remote's objects and in the mirror. It is noticed, named, and
//! nothing of it reaches a file.

use std::path::{Path, PathBuf};

use crate::formats::by_hand::ByHand;
use crate::hostile_host::host::Host;
use crate::hostile_host::{beliefs, positions, transcript};
use crate::machines::{Machine, TwoMachines, files_below, git};

const SESSION: &str = "0b8e0d2c-1111-4222-8333-444455556666";
const CANARY: &str = "CANARY-from-ana";

/// Ana has sent a session in segments and a memory file that hold canaries; bob has seen neither.
fn sent() -> (TwoMachines, Host) {
    let two = TwoMachines::joined();
    two.ana.write("CLAUDE.md", format!("{CANARY}\n"));
    let session = format!("{}/{SESSION}.jsonl", two.ana.project("code/app"));
    two.ana.write(&session, transcript(460, CANARY));
    two.ana.sync();
    two.ana.append(&session, transcript(40, CANARY));
    two.ana.sync();
    let host = Host::of(&two.remote);
    assert!(host.segments().len() > 1, "the session stands in several segments");
    (two, host)
}

/// A flipped bit at the begin, in the middle and at the end; the last byte cut off; half cut off; nothing left; a byte more.
fn damages(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let flipped = |at: usize| {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 0x10;
        flipped
    };
    vec![
        ("a bit flipped at its begin", flipped(3)),
        ("a bit flipped in its middle", flipped(bytes.len() / 2)),
        ("a bit flipped at its end", flipped(bytes.len() - 1)),
        ("its last byte cut off", bytes[..bytes.len() - 1].to_vec()),
        ("half of it cut off", bytes[..bytes.len() / 2].to_vec()),
        ("nothing left of it", Vec::new()),
        ("a byte more", [bytes, b"x"].concat()),
    ]
}

/// No file of the machine holds a canary: neither the agent's folder nor csync's own.
#[track_caller]
fn no_plaintext(machine: &Machine, told: &str) {
    for (name, content) in files_below(&machine.home) {
        assert_eq!(
            positions(&content, CANARY.as_bytes()),
            0,
            "{told}: {name} holds plaintext"
        );
    }
}

#[test]
fn p11_damaged_blobs_of_every_kind_are_refused() {
    let (two, host) = sent();
    let honest = host.tip();
    let wrap = host
        .tree()
        .into_iter()
        .find(|(path, _)| path.starts_with("keys/"))
        .unwrap()
        .0;
    let kinds = [
        "vault.json".to_owned(),
        wrap,
        "members.age".to_owned(),
        "note.age".to_owned(),
        host.heads().remove(0),
        host.segments().remove(0),
    ];
    let before = beliefs(&two.bob);
    for path in kinds {
        for (told, damaged) in damages(&host.blob(&path)).into_iter().step_by(3) {
            host.reset(&honest);
            host.meddle(&[(&path, Some(damaged))]);
            let run = two.bob.csync(&["sync"]);
            assert_eq!(run.code, 15, "{path}, {told}: {}{}", run.stdout, run.stderr);
            assert!(beliefs(&two.bob) == before, "{path}, {told}");
        }
    }
    no_plaintext(&two.bob, "a damaged blob");
}

#[test]
fn p11_a_damaged_file_is_named_and_the_others_arrive() {
    let (two, host) = sent();
    let member = ByHand::open(&host, &two.ana.identity());
    let path = format!("claude/projects/~-code-app/{SESSION}.jsonl");
    let session = format!("{}/{SESSION}.jsonl", two.bob.project("code/app"));
    let segments = host.segments();
    let whole: Vec<Vec<u8>> = segments.iter().map(|segment| host.blob(segment)).collect();
    // The commit is sealed as if a member's machine had a bad disk.
    let mut number = 0;
    for (segment, blob) in segments.iter().zip(&whole) {
        for (told, damaged) in damages(blob).into_iter().step_by(2) {
            number += 1;
            let other = member.put(&format!("claude/skills/n{number}/SKILL.md"), b"whole\n");
            member.commit(&host, &[(segment.clone(), Some(damaged)), other]);
            let run = two.bob.csync(&["sync", "--json"]).fails(3);
            let troubles = run.json()["troubles"].clone();
            assert_eq!(troubles.as_array().unwrap().len(), 1, "{told}: {}", run.stdout);
            assert_eq!(troubles[0]["path"], path.as_str(), "{told}");
            assert_eq!(troubles[0]["exit_code"], 15, "{told}: {}", run.stdout);
            assert_eq!(two.bob.text(&format!("skills/n{number}/SKILL.md")), "whole\n", "{told}");
            assert!(!two.bob.has(&session), "{told}");
            two.bob.remove("CLAUDE.md");
            no_plaintext(&two.bob, told);
            two.bob.write("CLAUDE.md", format!("{CANARY}\n"));
        }
        member.commit(&host, &[(segment.clone(), Some(blob.clone()))]);
    }
    // A segment that is not there at all.
    member.commit(&host, &[(segments[0].clone(), None)]);
    let run = two.bob.csync(&["sync"]).fails(3);
    assert!(
        run.stderr.contains(&path) && run.stderr.contains("missing"),
        "{}",
        run.stderr
    );
    // Mended, it arrives.
    member.commit(&host, &[(segments[0].clone(), Some(whole[0].clone()))]);
    two.bob.sync();
    assert_eq!(two.bob.text(&session).lines().count(), 500);
}

#[test]
fn p11_a_damaged_head_is_named_and_the_local_file_stays() {
    let (two, host) = sent();
    two.bob.sync();
    let member = ByHand::open(&host, &two.ana.identity());
    let head = member.head_path("claude/CLAUDE.md");
    let whole = host.blob(&head);
    for (told, damaged) in damages(&whole) {
        member.commit(&host, &[(head.clone(), Some(damaged))]);
        let run = two.bob.csync(&["sync", "--json"]).fails(3);
        assert_eq!(run.json()["troubles"][0]["path"], "claude/CLAUDE.md", "{told}");
        assert_eq!(run.json()["troubles"][0]["exit_code"], 15, "{told}: {}", run.stdout);
        assert_eq!(two.bob.text("CLAUDE.md"), format!("{CANARY}\n"), "{told}");
        // What is written here meanwhile waits; it neither overwrites the damaged one nor is lost.
        assert_eq!(run.json()["commits"], 0, "{told}");
    }
    two.bob.append("CLAUDE.md", "and more\n");
    two.bob.csync(&["sync"]).fails(3);
    member.commit(&host, &[(head, Some(whole))]);
    two.bob.sync();
    two.ana.sync();
    assert_eq!(two.ana.text("CLAUDE.md"), format!("{CANARY}\nand more\n"));
}

/// The files of an object database that hold objects.
fn object_files(repository: &Path) -> Vec<PathBuf> {
    files_below(&repository.join("objects"))
        .into_keys()
        .filter(|name| !name.starts_with("info") && !name.ends_with(".idx") && !name.ends_with(".rev"))
        .map(|name| repository.join("objects").join(name))
        .collect()
}

/// The files of the remote's objects that bob does not have yet.
fn new_object_files(two: &TwoMachines) -> Vec<PathBuf> {
    let seen = git(&two.bob.mirror(), &["rev-parse", "refs/heads/main"]);
    let range = format!("{}..refs/heads/main", seen.trim());
    let listed = git(&two.remote, &["rev-list", "--objects", &range]);
    let new: Vec<&str> = listed.lines().map(|line| &line[..40]).collect();
    let mut files = object_files(&two.remote);
    files.retain(|file| {
        let name = file.file_name().unwrap().to_str().unwrap();
        let folder = file.parent().unwrap().file_name().unwrap().to_str().unwrap();
        folder == "pack" || new.contains(&format!("{folder}{name}").as_str())
    });
    assert!(files.len() > 3);
    files
}

/// Flips one bit in a file, which may be read-only.
fn flip(file: &Path, at: usize) {
    let mut bytes = std::fs::read(file).unwrap();
    bytes[at] ^= 0x04;
    std::fs::remove_file(file).unwrap();
    std::fs::write(file, bytes).unwrap();
}

#[test]
fn p11_damaged_objects_of_the_remote_are_refused() {
    let (two, _) = sent();
    let before = beliefs(&two.bob);
    for file in new_object_files(&two) {
        let whole = std::fs::read(&file).unwrap();
        let flips = (12..whole.len().saturating_sub(20)).step_by((whole.len() / 3).max(1));
        for at in flips.take(3) {
            flip(&file, at);
            let run = two.bob.csync(&["sync"]);
            let place = file.display();
            assert_eq!(run.code, 15, "{place} at {at}: {}{}", run.stdout, run.stderr);
            assert!(run.stderr.contains("hint: "), "{}", run.stderr);
            assert!(beliefs(&two.bob) == before, "{place} at {at}: something changed");
            no_plaintext(&two.bob, "a damaged object");
            std::fs::remove_file(&file).unwrap();
            std::fs::write(&file, &whole).unwrap();
        }
    }
    two.bob.sync();
    assert_eq!(two.bob.text("CLAUDE.md"), format!("{CANARY}\n"));
}

#[test]
fn p11_a_damaged_mirror_is_noticed_and_loses_nothing() {
    let (two, _) = sent();
    two.bob.sync();
    two.bob.append("CLAUDE.md", "from bob\n");
    let files = two.bob.files();
    for file in object_files(&two.bob.mirror()) {
        let whole = std::fs::read(&file).unwrap();
        for at in [whole.len() / 3, whole.len() / 2] {
            flip(&file, at);
            let run = two.bob.csync(&["status", "--json"]);
            let place = file.display();
            assert!(
                matches!(run.code, 0 | 3 | 15),
                "{place} at {at}: {}{}",
                run.stdout,
                run.stderr
            );
            assert!(two.bob.files() == files, "{place} at {at}: a file changed");
            std::fs::remove_file(&file).unwrap();
            std::fs::write(&file, &whole).unwrap();
        }
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, &whole).unwrap();
        // Cut off, as a power cut leaves it, and empty.
        for length in [whole.len() / 2, 0] {
            std::fs::remove_file(&file).unwrap();
            std::fs::write(&file, &whole[..length]).unwrap();
            let run = two.bob.csync(&["status", "--json"]);
            let place = file.display();
            assert!(
                matches!(run.code, 0 | 3 | 15),
                "{place} cut: {}{}",
                run.stdout,
                run.stderr
            );
            assert!(two.bob.files() == files, "{place} cut: a file changed");
        }
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, &whole).unwrap();
    }
    two.bob.sync();
    two.ana.sync();
    assert_eq!(two.ana.text("CLAUDE.md"), format!("{CANARY}\nfrom bob\n"));
}

#[test]
fn p11_a_mirror_whose_tip_is_damaged_says_so() {
    let (two, _) = sent();
    two.bob.sync();
    let mirror = two.bob.mirror();
    let tip = git(&mirror, &["rev-parse", "refs/heads/main"]).trim().to_owned();
    let files = two.bob.files();
    for file in object_files(&mirror) {
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, b"garbage").unwrap();
    }
    let run = two.bob.csync(&["sync"]).fails(15);
    assert!(
        run.stderr.contains(&tip) && run.stderr.contains("hint: "),
        "{}",
        run.stderr
    );
    assert!(two.bob.files() == files);
}

#[test]
fn p11_a_remote_that_lacks_an_object_is_refused() {
    let (two, _) = sent();
    let before = beliefs(&two.bob);
    for file in new_object_files(&two) {
        let aside = file.with_extension("aside");
        std::fs::rename(&file, &aside).unwrap();
        let run = two.bob.csync(&["sync"]);
        assert!(
            matches!(run.code, 14 | 15),
            "{}: {}{}",
            file.display(),
            run.stdout,
            run.stderr
        );
        assert!(beliefs(&two.bob) == before, "{}", file.display());
        let whole = std::fs::read(&aside).unwrap();
        std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        let run = two.bob.csync(&["sync"]).fails(15);
        assert!(run.stderr.contains("hint: "), "{}: {}", file.display(), run.stderr);
        assert!(beliefs(&two.bob) == before, "{}", file.display());
        std::fs::rename(&aside, &file).unwrap();
    }
    two.bob.sync();
}
