//! What goes in comes out, byte for byte.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::machines::{Machine, TwoMachines};
use crate::transcripts::{conversation, message, session};

/// A project that both machines have under their own home folders.
const PROJECT: &str = "code/app";

/// All files of a machine, under names that are the same on every machine.
fn files_by_logical_name(machine: &Machine) -> BTreeMap<String, Vec<u8>> {
    let folder = machine.project(PROJECT);
    machine
        .files()
        .into_iter()
        .map(|(path, content)| match path.strip_prefix(&folder) {
            Some(rest) => (format!("projects/~{rest}"), content),
            None => (path, content),
        })
        .collect()
}

/// Compares what two machines have, file by file.
#[track_caller]
fn assert_same_files(ana: &Machine, bob: &Machine) {
    let (here, there) = (files_by_logical_name(ana), files_by_logical_name(bob));
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&here), names(&there));
    for (path, content) in &here {
        assert!(
            content == &there[path],
            "{path}: {} bytes on {}, {} bytes on {}, not the same",
            content.len(),
            ana.name,
            there[path].len(),
            bob.name
        );
    }
}

/// A transcript of exactly `size` bytes.
fn transcript_of(size: usize) -> Vec<u8> {
    let line = message(&session(1), "u", "", 1, &"x".repeat(200)).into_bytes();
    let mut content = Vec::with_capacity(size);
    while content.len() + 3 * line.len() < size {
        content.extend_from_slice(&line);
    }
    let rest = size - content.len();
    content.extend_from_slice(format!("\"{}\"\n", "y".repeat(rest - 3)).as_bytes());
    assert_eq!(content.len(), size);
    content
}

/// Bytes that look alike nowhere.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    (0..size)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect()
}

#[test]
fn p01_awkward_contents_of_every_kind_come_back_byte_for_byte() {
    let two = TwoMachines::joined();
    let project = two.ana.project(PROJECT);
    let contents: [(&str, &[u8]); 8] = [
        ("empty", b""),
        ("crlf", b"one\r\ntwo\r\n\r\nthree\r\n"),
        ("no-final-newline", b"one\ntwo"),
        ("zeros", b"a\0b\n\0\0\0\n"),
        ("invalid-utf8", b"\xff\xfe\xc3\x28\n\xed\xa0\x80\n"),
        ("bom", b"\xef\xbb\xbfhello\n"),
        ("carriage-returns", b"a\rb\r\r\n\rc"),
        ("newlines", b"\n\n\n\n"),
    ];
    for (name, content) in contents {
        two.ana.write(&format!("agents/{name}.md"), content);
        two.ana.write(&format!("skills/pdf/{name}.bin"), content);
        two.ana.write(&format!("{project}/memory/{name}.md"), content);
        two.ana
            .write(&format!("{project}/{}/tool-results/{name}.txt", session(1)), content);
    }
    two.ana.write("CLAUDE.md", "\u{feff}# Me\r\nno end");
    // Settings keep their comments, their order and their spaces.
    two.ana.write(
        "settings.json",
        "{\r\n\t// mine\r\n  \"theme\" :\"dark\",  \"a\": [1,2 , 3],\r\n}",
    );
    two.ana.write("keybindings.json", "{}");
    two.ana
        .write("history.jsonl", b"{\"display\":\"\xff\"}\r\n\0\n{\"display\":\"b\"}\n");
    // Lines in the middle of a transcript may be anything; only the last one must be whole.
    let mut odd = conversation(&session(2), "a", "", 0, 2).into_bytes();
    odd.extend_from_slice(b"not json \0 \xff\xfe\r\n\n\r\n{\"torn\":\n");
    odd.extend_from_slice(b"{\"crlf\":true}\r\n");
    two.ana.write(&format!("{project}/{}.jsonl", session(2)), &odd);
    two.ana.write(&format!("{project}/{}.jsonl", session(3)), b"");

    two.ana.sync();
    two.bob.sync();
    assert_same_files(&two.ana, &two.bob);
    assert_eq!(two.bob.files().len(), 4 * contents.len() + 6);
}

#[test]
fn p01_sizes_at_the_edges_of_heads_and_segments_come_back() {
    let two = TwoMachines::joined();
    let project = two.ana.project(PROJECT);
    let mut number = 10;
    let (inline, segment) = (2 << 10, 1 << 20);
    for size in [inline, segment, 2 * segment]
        .into_iter()
        .flat_map(|edge| edge - 1..=edge + 1)
    {
        number += 1;
        two.ana
            .write(&format!("{project}/{}.jsonl", session(number)), transcript_of(size));
    }
    // One line that is longer than a segment may be, and one that ends exactly with the segment.
    let long = message(&session(1), "long", "", 1, &"z".repeat(3 * segment + 17));
    two.ana
        .write(&format!("{project}/{}.jsonl", session(1)), long.repeat(2));
    let mut split = transcript_of(segment);
    split.extend_from_slice(b"{\"next\":1}\n");
    two.ana.write(&format!("{project}/{}.jsonl", session(2)), split);
    let inline = 32 << 10;
    for size in [inline, segment].into_iter().flat_map(|edge| edge - 1..=edge + 1) {
        two.ana.write(
            &format!("{project}/{}/tool-results/{size}.bin", session(1)),
            noise(size),
        );
    }

    two.ana.sync();
    two.bob.sync();
    assert_same_files(&two.ana, &two.bob);
}

#[test]
fn p01_names_modes_and_times_are_kept() {
    let two = TwoMachines::joined();
    let long = format!("agents/{}.md", "n".repeat(200));
    let names = [
        ("agents/ünïcode 名前 🎉.md", 0o600, 1),
        ("agents/with space.md", 0o644, 86_400),
        ("commands/deep/er/and/deeper/go.sh", 0o755, 981_173_106),
        ("skills/pdf/read-only.md", 0o444, 1_700_000_000),
        ("rules/quotes'\"&$(x)`;.md", 0o640, 1_234_567_890),
        (long.as_str(), 0o600, 4_000_000_000),
    ];
    for (name, mode, second) in names {
        two.ana.write(name, name);
        let file = File::options().write(true).open(two.ana.path(name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::new(second, 123_456_789))
            .unwrap();
        file.set_permissions(PermissionsExt::from_mode(mode)).unwrap();
    }
    two.ana.sync();
    two.bob.sync();

    for (name, mode, second) in names {
        let metadata = two.bob.path(name).metadata().unwrap();
        assert_eq!(two.bob.text(name), name);
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{name}");
        assert_eq!(
            metadata.modified().unwrap(),
            SystemTime::UNIX_EPOCH + Duration::new(second, 123_456_789),
            "{name}"
        );
    }
}

#[test]
fn p01_subagents_and_tool_results_come_along() {
    let two = TwoMachines::joined();
    let (id, project) = (session(1), two.ana.project(PROJECT));
    two.ana
        .write(&format!("{project}/{id}.jsonl"), conversation(&id, "a", "", 0, 3));
    for side in [
        "subagents/agent-a1b2.jsonl",
        "subagents/agent-a1b2.meta.json",
        "tool-results/toolu_01.txt",
        "tool-results/toolu_02.json",
    ] {
        two.ana
            .write(&format!("{project}/{id}/{side}"), format!("{{\"side\":\"{side}\"}}\n"));
    }
    two.ana.write(&format!("{project}/memory/MEMORY.md"), "remember\n");
    two.ana
        .write(&format!("{project}/agent-old.jsonl"), "{\"isSidechain\":true}\n");

    two.ana.sync();
    two.bob.sync();
    assert_same_files(&two.ana, &two.bob);
    assert_eq!(two.bob.files().len(), 7);
}

#[test]
fn an_unfinished_last_line_stays_here_until_it_is_whole() {
    let two = TwoMachines::joined();
    let id = session(1);
    let file = format!("{}/{id}.jsonl", two.ana.project(PROJECT));
    let there = format!("{}/{id}.jsonl", two.bob.project(PROJECT));
    let whole = conversation(&id, "a", "", 0, 3);
    two.ana.write(&file, format!("{whole}{{\"type\":\"us"));

    two.sync_all();
    assert_eq!(two.bob.text(&there), whole, "only whole lines travel");
    assert_eq!(two.ana.text(&file), format!("{whole}{{\"type\":\"us"));

    // What comes from the other machine goes before the line that is still being written.
    let more = message(&id, "b1", "a3", 10, "bob goes on");
    two.bob.append(&there, &more);
    two.bob.sync();
    two.ana.sync();
    assert_eq!(two.ana.text(&file), format!("{whole}{more}{{\"type\":\"us"));
    two.ana.append(&file, "er\"}\n");
    two.sync_all();
    assert_eq!(two.bob.text(&there), format!("{whole}{more}{{\"type\":\"user\"}}\n"));
    assert_same_files(&two.ana, &two.bob);
}

#[test]
fn p27_a_second_sync_makes_no_commit_and_reads_no_file() {
    let two = TwoMachines::joined();
    let project = two.ana.project(PROJECT);
    for number in 0..20 {
        let id = session(number);
        two.ana
            .write(&format!("{project}/{id}.jsonl"), conversation(&id, "a", "", 0, 30));
    }
    two.ana.write("settings.json", "{\"theme\":\"dark\",\"hooks\":{}}");
    two.ana.write("CLAUDE.md", "# me\n");
    // A file that was written in the same instant as it was read may have changed since: nobody can tell by its stat.
    std::thread::sleep(Duration::from_millis(50));
    two.ana.sync();
    two.bob.sync();
    let (tip, commits) = (two.tip(), two.commits());

    for machine in [&two.ana, &two.bob] {
        let again = machine.sync().json();
        assert_eq!(again["files_read"], 0, "on {}", machine.name);
        assert_eq!(again["commits"], 0, "on {}", machine.name);
        assert_eq!(again["bytes_sent"], 0, "on {}", machine.name);
        assert_eq!(again["items"].as_array().unwrap().len(), 0, "on {}", machine.name);
    }
    assert_eq!((two.tip(), two.commits()), (tip, commits));
}

/// What a random file is: where, and how its content must end to be whole.
fn random_file() -> impl Strategy<Value = (String, Vec<u8>)> {
    let line = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..60),
        Just(b"{\"type\":\"mode\"}".to_vec()),
        Just(b"same\r".to_vec()),
        proptest::collection::vec(any::<u8>(), 3000..5000),
    ];
    let content = (
        proptest::collection::vec(line, 0..40),
        prop_oneof![Just(&b"\n"[..]), Just(&b"\r\n"[..]), Just(&b"\0"[..])],
    )
        .prop_map(|(lines, end)| lines.join(end));
    (0..6_usize, 0..6_usize, content).prop_map(|(kind, number, mut content)| match kind {
        0 => (format!("agents/{number}.md"), content),
        1 => (format!("skills/{number}/x.bin"), content),
        2 => (format!("PROJECT/memory/{number}.md"), content),
        3 => (format!("PROJECT/{}/tool-results/{number}", session(number)), content),
        other => {
            content.extend_from_slice(b"\n{}\n");
            let name = if other == 4 {
                format!("PROJECT/{}.jsonl", session(number))
            } else {
                "history.jsonl".to_owned()
            };
            (name, content)
        }
    })
}

#[test]
fn p01_whatever_is_written_here_is_the_same_there() {
    let two = TwoMachines::joined();
    let project = two.ana.project(PROJECT);
    let config = Config {
        cases: 8,
        failure_persistence: None,
        max_shrink_iters: 40,
        ..Config::default()
    };
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(config, random)
        .run(&proptest::collection::vec(random_file(), 1..25), |files| {
            for (name, content) in files {
                two.ana.write(&name.replace("PROJECT", &project), content);
            }
            two.ana.sync();
            two.bob.sync();
            assert_same_files(&two.ana, &two.bob);
            Ok(())
        })
        .unwrap();
}
