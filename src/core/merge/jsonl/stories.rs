//! Whole transcripts: parents, times, `last-prompt` lines, and what other tools lose when they merge.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::core::merge::{branch_session_id, integrity_gate};

/// A message with a parent, and the `last-prompt` line that lets the agent resume from it.
fn turn(uuid: &str, parent: &str, second: u32) -> String {
    format!(
        "{{\"type\":\"assistant\",\"uuid\":\"{uuid}\",\"parentUuid\":\"{parent}\",\"timestamp\":\"2026-01-01T00:00:{second:02}Z\"}}\n"
    )
}

fn last_prompt(leaf: &str) -> String {
    format!("{{\"type\":\"last-prompt\",\"leafUuid\":\"{leaf}\"}}\n")
}

fn merge_texts(base: &str, ours: &str, theirs: &str) -> JsonlMerge {
    let sides = Sides {
        base: Some(base.as_bytes()),
        ours: ours.as_bytes(),
        theirs: theirs.as_bytes(),
    };
    jsonl(sides, FileKind::Transcript, false).unwrap()
}

#[test]
fn the_winners_last_prompt_is_the_last_one() {
    let base = turn("s", "", 0) + &last_prompt("s");
    let ours = base.clone() + &turn("a", "s", 5) + &last_prompt("a") + &turn("a2", "a", 6) + &last_prompt("a2");
    let theirs = base.clone() + &turn("b", "s", 1) + &last_prompt("b");
    let merged = merge_texts(&base, &ours, &theirs);
    assert!(merged.content.ends_with(last_prompt("a2").as_bytes()));
    let branch = merged.branch.unwrap();
    assert_eq!((branch.loser, branch.leaf.as_str()), (Side::Theirs, "b"));
    assert_eq!(
        [&merged.content[..branch.shared], &branch.lines].concat(),
        theirs.as_bytes()
    );
    assert_ne!(branch_session_id("id", &branch.leaf), "id");
}

#[test]
fn a_side_without_a_last_prompt_of_its_own_goes_first() {
    let base = turn("s", "", 0) + &last_prompt("s");
    let with = base.clone() + &turn("a", "s", 1) + &last_prompt("a");
    for without in [
        base.clone() + &turn("b", "s", 9),
        base.clone() + &turn("b", "s", 9) + &last_prompt("s"),
        base.clone() + &turn("b", "s", 9) + &last_prompt("unknown"),
    ] {
        let merged = merge_texts(&base, &without, &with);
        assert!(merged.content.ends_with(last_prompt("a").as_bytes()));
        let branch = merged.branch.unwrap();
        assert_eq!((branch.loser, branch.leaf.as_str()), (Side::Ours, "b"));
    }
}

#[test]
fn a_conversation_goes_last_even_when_the_metadata_is_newer() {
    let queued = "{\"type\":\"queue-operation\",\"timestamp\":\"2026-01-01T00:00:50Z\"}\n";
    let base = turn("s", "", 0);
    let (ours, theirs) = (base.clone() + &turn("a", "s", 1), base.clone() + queued);
    let merged = merge_texts(&base, &ours, &theirs);
    assert_eq!(merged.content, (base + queued + &turn("a", "s", 1)).into_bytes());
    assert_eq!(merged.branch, None);
}

#[test]
fn subagents_have_no_branches() {
    let side = |uuid: &str| format!("{{\"type\":\"user\",\"uuid\":\"{uuid}\",\"isSidechain\":true}}\n");
    let merged = merge_texts(&side("s"), &(side("s") + &side("a")), &(side("s") + &side("b")));
    assert_eq!(merged.branch, None);
    assert_eq!(lines(&merged.content).count(), 3);
}

#[test]
fn messages_whose_parent_is_in_no_file_are_kept() {
    let base = turn("s", "", 0);
    let ours = base.clone() + &turn("orphan", "nowhere", 1) + &turn("child", "orphan", 2);
    let theirs = base.clone() + &turn("loop", "loop", 3);
    let merged = merge_texts(&base, &ours, &theirs);
    assert_eq!(merged.content, (ours + &turn("loop", "loop", 3)).into_bytes());
}

#[test]
fn lines_without_a_time_are_never_moved_to_the_front() {
    let untimed = "{\"type\":\"user\",\"uuid\":\"x\"}\n{\"type\":\"ai-title\"}\n";
    let base = turn("s", "", 0);
    let ours = base.clone() + &turn("a", "s", 1) + untimed;
    let theirs = base.clone() + &turn("b", "s", 2);
    assert_eq!(
        merge_texts(&base, &ours, &theirs).content,
        (ours + &turn("b", "s", 2)).into_bytes()
    );
}

#[test]
fn times_out_of_order_and_equal_times_decide_nothing_within_a_side() {
    let base = turn("s", "", 9);
    let ours = base.clone() + &turn("a", "s", 7) + &turn("a2", "a", 3) + &turn("a3", "a2", 5);
    let theirs = base.clone() + &turn("b", "s", 7) + &turn("b2", "b", 7);
    let forth = merge_texts(&base, &ours, &theirs);
    assert_eq!(forth.content, merge_texts(&base, &theirs, &ours).content);
    integrity_gate(ours.as_bytes(), &forth.content, false).unwrap();
    let forth = String::from_utf8(forth.content).unwrap();
    assert!(forth.contains(&ours[base.len()..]) && forth.contains(&theirs[base.len()..]));
}

#[test]
fn lines_that_are_no_json_stay_where_they_are() {
    let junk = "{\"torn\n\0\0\0\n\nnull\n[]\n\u{feff}{}\r\n";
    let base = turn("s", "", 0);
    let ours = base.clone() + junk + &turn("a", "s", 1) + junk;
    let theirs = base.clone() + &turn("b", "s", 2);
    let merged = merge_texts(&base, &ours, &theirs).content;
    assert_eq!(merged, (ours + &turn("b", "s", 2)).into_bytes());
}

/// Not a measure of speed, but it would not end in time were any step quadratic.
#[test]
fn long_runs_merge() {
    let run = |side: &str, second: u32| -> String {
        (0..20_001)
            .map(|at| match at % 3 {
                0 => last_prompt(&format!("{side}{}", at - at % 3)),
                1 => format!("{{\"type\":\"mode\",\"mode\":{}}}\n", at % 5),
                _ => turn(&format!("{side}{at}"), "", second),
            })
            .collect()
    };
    let base = turn("s", "", 0);
    let (ours, theirs) = (base.clone() + &run("a", 1), base.clone() + &run("b", 2));
    let merged = merge_texts(&base, &ours, &theirs).content;
    assert_eq!(merged, (ours.clone() + &run("b", 2)).into_bytes());
    // The same lines in another order, as a history without a base may have them.
    let reversed: String = base.clone() + &ours[base.len()..].split_inclusive('\n').rev().collect::<String>();
    let (ours, reversed) = (ours.replace("uuid", "id"), reversed.replace("uuid", "id"));
    let sides = Sides {
        base: None,
        ours: ours.as_bytes(),
        theirs: reversed.as_bytes(),
    };
    let log = jsonl(sides, FileKind::Log, false).unwrap();
    integrity_gate(ours.as_bytes(), &log.content, false).unwrap();
}
