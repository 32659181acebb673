//! The corpus generator keeps its word: what it makes has the shape of real homes, and the same seed makes the same bytes.

#![allow(clippy::unwrap_used)]

#[path = "support/corpus/mod.rs"]
mod corpus;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use corpus::{CANARY, Corpus};
use serde_json::Value;

/// Every file below `folder` with its content, by its path in there.
fn files(folder: &Path) -> HashMap<PathBuf, Vec<u8>> {
    let (mut found, mut left) = (HashMap::new(), vec![folder.to_owned()]);
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), fs::read(path).unwrap());
            }
        }
    }
    found
}

fn lines(content: &[u8]) -> Vec<Value> {
    assert!(content.ends_with(b"\n"));
    content[..content.len() - 1]
        .split(|byte| *byte == b'\n')
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

/// Checks that each line follows one before it, and gives the newest line's uuid.
fn check_chain(lines: &[Value]) -> String {
    let (mut seen, mut newest) = (HashSet::new(), String::new());
    for line in lines {
        let Some(uuid) = line.get("uuid").and_then(Value::as_str) else {
            continue;
        };
        match line.get("parentUuid").unwrap() {
            Value::Null => {}
            parent => assert!(seen.contains(parent.as_str().unwrap()), "{line}"),
        }
        assert!(seen.insert(uuid.to_owned()), "{uuid} twice");
        newest = uuid.to_owned();
    }
    newest
}

#[test]
fn a_seed_makes_the_same_home_again() {
    let (one, other, third) = (
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    let mut plan = Corpus::new(12, 7).within(400_000);
    plan.recorded_home = Some("/home/ana".to_owned());
    plan.write(one.path()).unwrap();
    plan.write(other.path()).unwrap();
    assert!(files(one.path()) == files(other.path()));
    plan.seed = 8;
    plan.write(third.path()).unwrap();
    assert!(files(one.path()) != files(third.path()));
}

#[test]
fn a_home_has_the_measured_shape() {
    let home = tempfile::tempdir().unwrap();
    let summary = Corpus::new(60, 7).within(12_000_000).write(home.path()).unwrap();
    assert_eq!(summary.transcripts.len(), 60);
    assert!((8_000_000..20_000_000).contains(&summary.bytes), "{}", summary.bytes);
    let (mut all, mut without_uuid, mut repeated, mut timed, mut late) = (0, 0, 0, 0, 0);
    for transcript in &summary.transcripts {
        let content = fs::read(transcript).unwrap();
        let lines = lines(&content);
        check_chain(&lines);
        let (mut seen, mut latest) = (HashSet::new(), String::new());
        for line in &lines {
            all += 1;
            without_uuid += usize::from(line.get("uuid").is_none());
            repeated += usize::from(!seen.insert(line.to_string()));
            if let Some(time) = line.get("timestamp").and_then(Value::as_str) {
                timed += 1;
                late += usize::from(time < latest.as_str());
                latest = latest.max(time.to_owned());
            }
        }
    }
    let share = |part: usize, whole: usize| part as f64 / whole as f64;
    assert!(
        (0.15..0.30).contains(&share(without_uuid, all)),
        "{}",
        share(without_uuid, all)
    );
    assert!((0.07..0.17).contains(&share(repeated, all)), "{}", share(repeated, all));
    assert!((0.06..0.11).contains(&share(late, timed)), "{}", share(late, timed));
    for secret in &summary.secrets {
        assert!(fs::read_to_string(secret).unwrap().contains(CANARY));
    }
    let told = files(home.path());
    let canaries = told
        .values()
        .filter(|content| String::from_utf8_lossy(content).contains(CANARY))
        .count();
    assert_eq!(canaries, summary.secrets.len(), "no file that is synced has the canary");
    assert_eq!(told.len(), summary.files);
}

#[test]
fn a_turn_follows_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.jsonl");
    let before = corpus::session(3, 40_000);
    fs::write(&path, &before).unwrap();
    let mut count = lines(&before).len();
    for more in 1..30 {
        let added = corpus::append_turn(&path, more, more as u64).unwrap();
        let content = fs::read(&path).unwrap();
        assert!(content.starts_with(&before) && added > 0);
        let lines = lines(&content);
        count += more;
        assert_eq!(lines.len(), count);
        let newest = check_chain(&lines);
        let last = lines.last().unwrap();
        if more >= 2 {
            assert_eq!(last["type"], "last-prompt");
            assert_eq!(last["leafUuid"], newest.as_str());
        }
    }
    let roots = lines(&fs::read(&path).unwrap())
        .iter()
        .filter(|line| line.get("parentUuid") == Some(&Value::Null))
        .count();
    assert_eq!(roots, 1, "every turn follows one before");
}

#[test]
fn one_huge_session_is_among_them() {
    let home = tempfile::tempdir().unwrap();
    let mut plan = Corpus::new(3, 7).within(30_000);
    plan.big = Some(3_000_000);
    let summary = plan.write(home.path()).unwrap();
    assert!(summary.transcripts.last().unwrap().metadata().unwrap().len() >= 3_000_000);
}

#[test]
fn the_times_are_those_of_the_calendar() {
    for (text, time) in [
        ("1970-01-01T00:00:00.000Z", 0),
        ("2024-02-29T23:59:59.999Z", 1_709_251_199_999),
        ("2026-01-05T09:00:00.000Z", 1_767_603_600_000),
    ] {
        assert_eq!(corpus::session::timestamp(time), text);
        assert_eq!(corpus::session::milliseconds(text), Some(time));
    }
}

/// The sample home for the demo is what `cargo run --example corpus -- --compact --sessions 3 --seed 5 --home /home/ana` makes.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn the_sample_home_is_the_generators() {
    let home = tempfile::tempdir().unwrap();
    let mut plan = Corpus::new(3, 5);
    plan.compact = true;
    plan.recorded_home = Some("/home/ana".to_owned());
    let summary = plan.write(home.path()).unwrap();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sample-home");
    assert_eq!(summary.transcripts.len(), 3);
    assert!(summary.bytes < 30_000 && summary.secrets.is_empty());
    assert!(
        files(&sample) == files(home.path()),
        "made by the generator, and committed"
    );
}
