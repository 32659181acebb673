//! A home of the size that people have: a thousand sessions, and one of half a gigabyte among them.

use std::collections::BTreeMap;
use std::process::Stdio;

#[path = "../support/corpus/mod.rs"]
mod corpus;

use crate::machines::{Machine, TwoMachines, files_below};
use corpus::Corpus;

/// Runs csync and gives the most memory that it had resident, in bytes, as its kernel counts it.
fn peak_memory(machine: &Machine, arguments: &[&str]) -> u64 {
    let mut child = machine.command(arguments).stdout(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    // The mark only rises, so the last look before the end counts; ten minutes at most.
    for _ in 0..60_000 {
        if let Some(exit) = child.try_wait().unwrap() {
            assert!(exit.success(), "{exit}");
            return peak;
        }
        let seen = std::fs::read_to_string(&status).unwrap_or_default();
        let line = seen
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .map(str::to_owned);
        if let Some(kilobytes) = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()) {
            peak = peak.max(kilobytes << 10);
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    child.kill().unwrap();
    panic!("csync {arguments:?} did not end");
}

/// The files of a machine by names that are the same on both, without what never leaves a machine.
fn comparable(machine: &Machine) -> BTreeMap<String, Vec<u8>> {
    let home = machine.project("");
    let home = home.trim_start_matches("projects/").trim_end_matches('-').to_owned();
    machine
        .files()
        .into_iter()
        .filter(|(path, _)| path != "settings.json")
        .map(|(path, content)| (path.replacen(&format!("projects/{home}"), "projects/~", 1), content))
        .collect()
}

fn size_of_files(folder: &std::path::Path) -> u64 {
    files_below(folder).values().map(|content| content.len() as u64).sum()
}

#[test]
fn p01_p27_p28_a_thousand_sessions_go_there_and_back() {
    let two = TwoMachines::joined();
    let summary = Corpus::new(1000, 7).within(24 << 20).write(&two.ana.home).unwrap();

    let first = two.ana.sync();
    let received = two.bob.sync();

    let sent = first.json()["items"].as_array().unwrap().len();
    assert!(sent > 1000, "{sent}");
    assert_eq!(received.json()["items"].as_array().unwrap().len(), sent);
    let (ana, bob) = (comparable(&two.ana), comparable(&two.bob));
    for (path, content) in &bob {
        assert!(ana.get(path) == Some(content), "{path} is not what it was");
    }
    // Only what never leaves a machine is missing there.
    let kept = ana.keys().filter(|path| !bob.contains_key(*path)).count();
    assert_eq!(
        kept + 1,
        summary.secrets.len(),
        "the one more is .claude.json, which lies outside"
    );
    assert_eq!(
        bob.len() + 1,
        sent,
        "the one more is settings.json, which loses its hooks on the way"
    );

    for machine in [&two.ana, &two.bob] {
        let again = machine.sync().json();
        assert_eq!(
            (&again["commits"], &again["files_read"]),
            (&0.into(), &0.into()),
            "{}",
            machine.name
        );
    }

    let grown = summary
        .transcripts
        .iter()
        .find(|path| path.metadata().unwrap().len() > 50_000)
        .unwrap();
    let before = std::fs::metadata(grown).unwrap().len() as usize;
    let stored = size_of_files(&two.remote.join("objects"));
    corpus::append_turn(grown, 3, 9).unwrap();
    let new = std::fs::read(grown).unwrap().split_off(before);
    two.ana.sync();
    let cost = size_of_files(&two.remote.join("objects")) - stored;
    let compressed = zstd::encode_all(new.as_slice(), 3).unwrap().len() as u64;
    assert!(
        cost <= compressed + 4096,
        "three lines of {compressed} bytes compressed cost {cost} bytes"
    );
}

#[test]
fn a_session_of_half_a_gigabyte_needs_no_more_memory_than_others() {
    const MOST: u64 = 200 << 20;
    let two = TwoMachines::joined();
    let mut corpus = Corpus::new(30, 3).within(8 << 20);
    corpus.big = Some(500 << 20);
    let summary = corpus.write(&two.ana.home).unwrap();
    let largest = summary
        .transcripts
        .iter()
        .map(|path| path.metadata().unwrap().len())
        .max()
        .unwrap();
    assert!(largest >= 490 << 20, "{largest}");

    for (machine, what) in [
        (&two.ana, "sending"),
        (&two.bob, "receiving"),
        (&two.bob, "nothing to do"),
    ] {
        let peak = peak_memory(machine, &["sync", "-q"]);
        assert!(peak > 1 << 20 && peak < MOST, "{what}: {} MiB", peak >> 20);
    }
    let (ana, bob) = (comparable(&two.ana), comparable(&two.bob));
    assert!(bob.iter().all(|(path, content)| ana.get(path) == Some(content)));
}
