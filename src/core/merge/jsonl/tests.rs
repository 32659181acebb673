//! The tables: each line of a file is one letter. A capital is a message (its letter is its uuid and its time), a small
//! letter a line without a uuid, a digit a line that is no JSON at all.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::core::merge::integrity_gate;

/// The lines that the letters stand for.
fn file(letters: &str) -> Vec<u8> {
    letters.chars().map(line).collect::<String>().into_bytes()
}

fn line(letter: char) -> String {
    match letter {
        'A'..='Z' => {
            let second = u32::from(letter) - u32::from('A');
            format!("{{\"type\":\"user\",\"uuid\":\"{letter}\",\"timestamp\":\"2026-01-01T00:00:{second:02}Z\"}}\n")
        }
        'a'..='z' => format!("{{\"type\":\"mode\",\"mode\":\"{letter}\"}}\n"),
        _ => format!("{letter} is no JSON\n"),
    }
}

/// The letters that the lines stand for.
fn letters(content: &[u8]) -> String {
    let known: Vec<(String, char)> = ('0'..='z').map(|letter| (line(letter), letter)).collect();
    lines(content)
        .map(|bytes| known.iter().find(|(line, _)| line.as_bytes() == bytes).unwrap().1)
        .collect()
}

fn merge_files(base: Option<&str>, ours: &str, theirs: &str, kind: FileKind) -> Result<JsonlMerge, Conflict> {
    let (base, ours, theirs) = (base.map(file), file(ours), file(theirs));
    let sides = Sides {
        base: base.as_deref(),
        ours: &ours,
        theirs: &theirs,
    };
    jsonl(sides, kind, false)
}

/// The merge in letters, checked to be the same when the sides are swapped. A branch follows behind a bar: its shared
/// part, a plus, its own lines.
fn merge(base: Option<&str>, ours: &str, theirs: &str, kind: FileKind) -> Result<String, Conflict> {
    let forth = merge_files(base, ours, theirs, kind);
    let back = merge_files(base, theirs, ours, kind);
    match (&forth, &back) {
        (Ok(forth), Ok(back)) => {
            assert_eq!(
                letters(&forth.content),
                letters(&back.content),
                "{base:?} {ours} {theirs}"
            );
            assert_eq!(forth.rewritten, back.rewritten);
            let swapped = back.branch.clone().map(|branch| Branch {
                loser: branch.loser.other(),
                ..branch
            });
            assert_eq!(forth.branch, swapped);
        }
        _ => assert_eq!(forth.is_err(), back.is_err()),
    }
    let JsonlMerge { content, branch, .. } = forth?;
    let branch = branch.map_or(String::new(), |branch| {
        let shared = letters(&content[..branch.shared]);
        format!("|{shared}+{}", letters(&branch.lines))
    });
    Ok(letters(&content) + &branch)
}

fn transcript(base: Option<&str>, ours: &str, theirs: &str) -> String {
    match merge(base, ours, theirs, FileKind::Transcript) {
        Ok(merged) => merged,
        Err(conflict) => format!("{conflict:?}"),
    }
}

fn log(base: Option<&str>, ours: &str, theirs: &str) -> String {
    merge(base, ours, theirs, FileKind::Log).unwrap()
}

#[test]
fn one_side_is_the_beginning_of_the_other() {
    for (base, ours, theirs, merged) in [
        (None, "S", "S", "S"),
        (None, "SA", "SAB", "SAB"),
        (None, "", "SA", "SA"),
        (Some("S"), "SA", "SAB", "SAB"),
        (Some("S"), "S", "SA", "SA"),
        (Some("S"), "SA", "S", "SA"),
        (Some("SAB"), "SAB", "S", "S"), // theirs was cut short by its agent, ours did not change
        (Some("SAB"), "S", "SABC", "SABC"), // cut short here, gone on there: nothing is lost
    ] {
        assert_eq!(transcript(base, ours, theirs), merged, "{base:?} {ours} {theirs}");
    }
}

#[test]
fn fast_forward_keeps_every_byte() {
    let ours = b"{ \"type\" : \"user\",\"parentUuid\":null }\r\n\0\0\xff\n\n".to_vec();
    let theirs = [&ours[..], b"{\"no\":\"time\"}\n"].concat();
    let sides = Sides {
        base: None,
        ours: &ours,
        theirs: &theirs,
    };
    assert_eq!(jsonl(sides, FileKind::Transcript, false).unwrap().content, theirs);
}

#[test]
fn both_went_on_so_the_later_conversation_goes_last_and_the_other_is_a_branch() {
    for (base, ours, theirs, merged) in [
        (Some("S"), "SA", "SB", "SAB|S+A"),
        (None, "SA", "SB", "SAB|S+A"),
        (Some("S"), "SAC", "SBD", "SACBD|S+AC"),
        (Some("S"), "SAD", "SBC", "SBCAD|S+BC"),
        (Some("S"), "SXA", "SXB", "SXAB|SX+A"), // X reached both on another way
        (Some("S"), "SmA", "SmB", "SmAB|Sm+A"),
        (Some("S"), "SAm", "SBm", "SABm|S+Am"),
    ] {
        assert_eq!(transcript(base, ours, theirs), merged, "{base:?} {ours} {theirs}");
    }
}

#[test]
fn metadata_alone_is_no_conversation() {
    for (ours, theirs, merged) in [
        ("Sm", "SA", "SmA"),
        ("SA", "Sm", "SmA"),
        ("Smn", "SAm", "SmnAm"), // the conversation stays together and goes last
        ("Sm", "SmA", "SmA"),
        ("Sm", "SAm", "SAm"),
        ("Smn", "Smo", "Smno"),
    ] {
        let got = transcript(Some("S"), ours, theirs);
        if (ours, theirs) == ("Smn", "Smo") {
            assert!(["Smno", "Smon"].contains(&got.as_str()));
        } else {
            assert_eq!(got, merged, "{ours} {theirs}");
        }
    }
}

#[test]
fn lines_of_both_are_one_line() {
    for (base, ours, theirs, merged) in [
        (None, "SXA", "SBX", "SBXA"),
        (Some("S"), "SAX", "SX", "SAX"),
        (Some("SB"), "SBC", "SAB", "SABC"), // theirs merged A in before B, ours went on from B
        (Some("S"), "SBC", "SAB", "SABC"),
        (None, "SAmBXC", "SmXD", "SAmBXCD|S+AmBXC"), // a run between two anchors that holds the other's
        (None, "SmXD", "SAmBXC", "SAmBXCD|S+AmBXC"),
        (None, "SAmX", "SAmXmX", "SAmXmX"), // lines that an agent appended again
    ] {
        assert_eq!(transcript(base, ours, theirs), merged, "{base:?} {ours} {theirs}");
    }
}

#[test]
fn a_merge_after_a_lost_race_changes_nothing_and_makes_no_branch() {
    for theirs in ["SAB", "SAmB", "SABC", "SAmBmC"] {
        for base in [None, Some("S"), Some("SA"), Some("SB")] {
            for ours in ["SA", "SB"]
                .into_iter()
                .filter(|ours| base.is_none_or(|base| ours.starts_with(base)))
            {
                assert_eq!(transcript(base, ours, theirs), theirs, "{base:?} {ours}");
            }
        }
    }
}

#[test]
fn what_an_agent_removed_stays_removed() {
    for (base, ours, theirs, merged) in [
        (Some("SAB"), "SB", "SABC", "SBC"),
        (Some("SABC"), "SBC", "SAB", "SB"),
        (Some("SAB"), "SB", "SAXB", "SXB"),
        (Some("SABC"), "SC", "SAC", "SC"),
        (Some("SAB"), "SAD", "SABC", "SACD|SA+BC"), // B is tombstoned here while C follows there
        (Some("SmA"), "SA", "SmAB", "SAB"),
        (Some("SAB"), "SAC", "SAC", "SAC"),
        (Some("SmA"), "SnA", "SA", "SnA"), // removed there, replaced here: what is there stays
        (Some("SmA"), "SnA", "SnoA", "SnoA"), // replaced alike, and one wrote more
    ] {
        assert_eq!(transcript(base, ours, theirs), merged, "{base:?} {ours} {theirs}");
    }
    assert!(
        merge_files(Some("SAB"), "SB", "SABC", FileKind::Transcript)
            .unwrap()
            .rewritten
    );
    assert!(
        !merge_files(Some("S"), "SB", "SA", FileKind::Transcript)
            .unwrap()
            .rewritten
    );
}

#[test]
fn both_rewrote_the_same_lines() {
    for (base, ours, theirs) in [("Sm", "Sn", "So"), ("SAB", "SC", "SD"), ("SmA", "SnA", "SoA")] {
        assert_eq!(
            transcript(Some(base), ours, theirs),
            "Overlap",
            "{base} {ours} {theirs}"
        );
    }
}

#[test]
fn messages_in_another_order_are_a_conflict() {
    for (base, ours, theirs) in [
        (None, "SAB", "SBA"),
        (Some("S"), "SAXB", "SBA"),
        (Some("SAB"), "SBA", "SABC"),
    ] {
        assert!(
            transcript(base, ours, theirs).starts_with("Crossed"),
            "{base:?} {ours} {theirs}"
        );
    }
}

#[test]
fn lines_without_uuid_that_cross_are_kept_on_both_sides() {
    assert_eq!(
        letters(&merge_files(None, "Sab", "Sba", FileKind::Transcript).unwrap().content).len(),
        4
    );
    assert_eq!(log(None, "ab", "ba").len(), 3);
}

#[test]
fn another_first_line_is_another_session() {
    assert_eq!(transcript(None, "SA", "TA"), "FirstLine");
    assert_eq!(transcript(Some("S"), "A", "SB"), "FirstLine");
    assert_eq!(transcript(None, "SA", "A"), "FirstLine");
    // With the beginning trimmed off, the first line is in what was trimmed.
    let (ours, theirs) = (file("A"), file("B"));
    let sides = Sides {
        base: Some(b""),
        ours: &ours,
        theirs: &theirs,
    };
    let merged = jsonl(sides, FileKind::Transcript, true).unwrap();
    assert_eq!(letters(&merged.content), "AB");
    assert_eq!(merged.branch.unwrap().shared, 0);
}

#[test]
fn a_history_is_the_union_of_both() {
    assert_eq!(log(None, "ABD", "ACD"), "ABCD");
    assert_eq!(log(None, "A", "B"), "AB");
    assert_eq!(log(None, "B", "A"), "AB");
    assert_eq!(log(Some("A"), "AC", "AB"), "ABC");
    let history = |time: u32| format!("{{\"display\":\"x\",\"timestamp\":{time}}}\n").into_bytes();
    let (ours, theirs) = (history(1_767_323_045), history(1_767_323_044));
    let sides = Sides {
        base: None,
        ours: &ours,
        theirs: &theirs,
    };
    assert_eq!(
        jsonl(sides, FileKind::Log, false).unwrap().content,
        [theirs.clone(), ours.clone()].concat()
    );
}

#[test]
fn one_message_with_two_contents_is_a_conflict() {
    let ours = [file("S"), b"{\"uuid\":\"A\",\"text\":\"x\"}\n".to_vec()].concat();
    let theirs = [file("S"), b"{\"uuid\":\"A\",\"text\":\"y\"}\n".to_vec()].concat();
    for base in [None, Some(file("S")), Some(file("SA"))] {
        let sides = Sides {
            base: base.as_deref(),
            ours: &ours,
            theirs: &theirs,
        };
        let conflict = jsonl(sides, FileKind::Transcript, false).unwrap_err();
        assert_eq!(conflict, Conflict::SameUuidOtherBytes { uuid: "A".into() });
        assert_eq!(conflict.to_string(), "the message A differs on the two sides");
    }
    // Changed on one side only: that is a new version of it.
    let (base, theirs) = (file("SA"), file("SAB"));
    let sides = Sides {
        base: Some(&base),
        ours: &ours,
        theirs: &theirs,
    };
    let merged = jsonl(sides, FileKind::Transcript, false).unwrap();
    assert_eq!(merged.content, [&ours[..], &file("B")].concat());
}

#[test]
fn a_removed_message_that_the_other_side_follows_is_a_conflict() {
    let follows = "{\"type\":\"user\",\"uuid\":\"C\",\"parentUuid\":\"B\"}\n";
    let (base, ours) = (file("SAB"), file("SAD"));
    let theirs = [file("SAB"), follows.into()].concat();
    let sides = Sides {
        base: Some(&base),
        ours: &ours,
        theirs: &theirs,
    };
    let conflict = jsonl(sides, FileKind::Transcript, false).unwrap_err();
    assert_eq!(conflict, Conflict::BrokenChain { uuid: "B".into() });
}

#[test]
fn an_unfinished_line_is_the_callers_to_hold_back() {
    let sides = Sides {
        base: None,
        ours: b"a\nb",
        theirs: b"a\n",
    };
    assert_eq!(jsonl(sides, FileKind::Transcript, false), Err(Conflict::Unfinished));
}

#[test]
fn opaque_lines_stay_with_their_neighbours() {
    assert_eq!(transcript(Some("S"), "S1A2", "S1B3"), "S1A2B3|S1+A2");
}

#[test]
fn repeated_lines_without_uuid_keep_their_count() {
    let count = |text: &str| text.split('|').next().unwrap().matches('m').count();
    assert_eq!(count(&transcript(Some("S"), "SmmAmm", "SmB")), 4);
    assert_eq!(count(&transcript(None, "SmAmXm", "SmAmXmm")), 4);
    assert_eq!(count(&log(None, "mmAm", "mBm")), 3);
}

/// Every pair of short files behind one line, with every base: nothing lost, each side's order kept, the same from both
/// sides, and merging again changes nothing.
#[test]
fn every_short_pair() {
    let mut tails = vec![String::new()];
    for length in 1..=3 {
        let longer: Vec<String> = tails
            .iter()
            .filter(|tail| tail.len() == length - 1)
            .flat_map(|tail| "ABmn".chars().map(move |letter| format!("{tail}{letter}")))
            .collect();
        tails.extend(longer);
    }
    let mut merged = 0;
    for ours in &tails {
        for theirs in &tails {
            for base in [None, Some(""), Some("A"), Some("m"), Some("AB"), Some("mA")] {
                let base = base.map(|base| format!("S{base}"));
                let (ours, theirs) = (format!("S{ours}"), format!("S{theirs}"));
                merged += usize::from(holds(base.as_deref(), &ours, &theirs));
            }
        }
    }
    assert!(merged > 30_000, "{merged} of {} merged", tails.len() * tails.len() * 6);
}

/// Checks what holds of every merge; gives whether there was no conflict.
fn holds(base: Option<&str>, ours: &str, theirs: &str) -> bool {
    let what = format!("{base:?} {ours} {theirs}");
    let Ok(text) = merge(base, ours, theirs, FileKind::Transcript) else {
        let both_grew = base.is_none_or(|base| ours.starts_with(base) && theirs.starts_with(base));
        let crosses = |a: &str, b: &str| a.contains('A') && b.contains('B');
        assert!(
            !both_grew || (crosses(ours, ours) && crosses(theirs, theirs)),
            "{what}: a conflict"
        );
        return false;
    };
    let result = merge_files(base, ours, theirs, FileKind::Transcript).unwrap();
    let content = text.split('|').next().unwrap();
    let count = |text: &str, letter| text.chars().filter(|&other| other == letter).count();
    for letter in "SABmn".chars() {
        let (here, there) = (count(ours, letter), count(theirs, letter));
        let most = if letter.is_uppercase() {
            here.max(there)
        } else {
            here + there
        };
        assert!(count(content, letter) <= most, "{what}: {content} has more {letter}");
    }
    let in_order = |whole: &str, part: &str| {
        let mut rest = whole.chars();
        part.chars().all(|letter| rest.any(|other| other == letter))
    };
    if base.is_none_or(|base| in_order(ours, base) && in_order(theirs, base)) {
        assert!(!result.rewritten, "{what}");
        for side in [ours, theirs] {
            assert!(in_order(content, side), "{what}: {content} lost of {side}");
            integrity_gate(&file(side), &result.content, false).unwrap();
            let again = merge_files(base, side, content, FileKind::Transcript).unwrap();
            assert_eq!(
                (letters(&again.content).as_str(), again.branch),
                (content, None),
                "{what}"
            );
        }
    }
    if let Some(branch) = result.branch {
        let side = if branch.loser == Side::Ours { ours } else { theirs };
        assert_eq!(
            [&result.content[..branch.shared], &branch.lines].concat(),
            file(side),
            "{what}"
        );
        assert!(side.contains(&branch.leaf));
    }
    true
}
