//! The last look before a transcript is written: nothing that is there now may be missing afterwards.

use std::collections::{HashMap, HashSet};

use super::line::{common_lines, lines, uuid_and_parent};

/// What writing would lose. Nothing is written then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// The new content does not end with a newline: the agent would glue its next line to the last one.
    #[error("the new content ends with an unfinished line")]
    Newline,
    /// A line of the file would be missing.
    #[error("line {number} of the file would be lost")]
    Line {
        /// Its number in the file as it is now, from 1.
        number: usize,
    },
    /// A message would lose the one that it follows, and with it the agent everything before.
    #[error("the message {parent} would be lost, and {uuid} follows it")]
    Parent {
        /// The message that would stand alone.
        uuid: String,
        /// The message that would be missing.
        parent: String,
    },
}

impl From<Lost> for crate::Error {
    fn from(lost: Lost) -> Self {
        Self::new(crate::Kind::General, lost.to_string())
            .hint("nothing was written: run `csync sync` again; if it stays, the session needs `csync conflicts`")
            .caused_by(lost)
    }
}

/// Checks that a transcript may be replaced: `after` ends with a newline, holds every line of `before` as often as it is
/// there, and every message that was found by its follower is still found.
///
/// `rewritten` says that the other side removed lines on purpose: then lines may be missing, but no message that a line
/// of `after` follows. Memory grows with what differs, not with the files.
///
/// # Errors
/// The first thing that would be lost.
pub fn integrity_gate(before: &[u8], after: &[u8], rewritten: bool) -> Result<(), Lost> {
    if after.last().is_some_and(|&last| last != b'\n') {
        return Err(Lost::Newline);
    }
    if after.starts_with(before) {
        return Ok(());
    }
    let shared = common_lines(before, after);
    let mut counts: HashMap<[u8; 16], usize> = HashMap::new();
    for line in lines(&after[shared..]) {
        *counts.entry(key(line)).or_default() += 1;
    }
    let mut missing: Vec<&[u8]> = Vec::new();
    for (index, line) in lines(&before[shared..]).enumerate() {
        match counts.get_mut(&key(line)).filter(|count| **count > 0) {
            Some(count) => *count -= 1,
            None if rewritten => missing.push(line),
            None => {
                return Err(Lost::Line {
                    number: lines(&before[..shared]).count() + index + 1,
                });
            }
        }
    }
    // Where no line is missing, no message is.
    let mut gone: HashSet<String> = missing
        .into_iter()
        .filter_map(|line| uuid_and_parent(line).0.map(std::borrow::Cow::into_owned))
        .collect();
    if gone.is_empty() {
        return Ok(());
    }
    for line in lines(after) {
        if let (Some(uuid), _) = uuid_and_parent(line) {
            gone.remove(uuid.as_ref());
        }
    }
    for line in lines(after) {
        if let (uuid, Some(parent)) = uuid_and_parent(line)
            && gone.contains(parent.as_ref())
        {
            return Err(Lost::Parent {
                uuid: uuid.unwrap_or_default().into_owned(),
                parent: parent.into_owned(),
            });
        }
    }
    Ok(())
}

/// Stands for a line's bytes: two lines do not share one by chance.
fn key(line: &[u8]) -> [u8; 16] {
    let mut key = [0; 16];
    key.copy_from_slice(&blake3::hash(line).as_bytes()[..16]);
    key
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn message(uuid: &str, parent: &str) -> String {
        format!("{{\"uuid\":\"{uuid}\",\"parentUuid\":\"{parent}\"}}\n")
    }

    #[test]
    fn growing_passes() {
        assert_eq!(integrity_gate(b"", b"a\n", false), Ok(()));
        assert_eq!(integrity_gate(b"a\n", b"a\nb\n", false), Ok(()));
        assert_eq!(integrity_gate(b"a\nb\n", b"a\nx\nb\n", false), Ok(()));
        assert_eq!(integrity_gate(b"", b"", false), Ok(()));
    }

    #[test]
    fn an_unfinished_end_is_refused() {
        assert_eq!(integrity_gate(b"a\n", b"a\nb", false), Err(Lost::Newline));
        assert_eq!(integrity_gate(b"a", b"a", true), Err(Lost::Newline));
    }

    #[test]
    fn a_lost_line_is_named() {
        assert_eq!(
            integrity_gate(b"a\nb\nc\n", b"a\nc\n", false),
            Err(Lost::Line { number: 2 })
        );
        assert_eq!(integrity_gate(b"a\nb\n", b"", false), Err(Lost::Line { number: 1 }));
        assert_eq!(
            integrity_gate(b"a\ntorn", b"a\nx\n", false),
            Err(Lost::Line { number: 2 })
        );
    }

    #[test]
    fn repeated_lines_keep_their_count() {
        assert_eq!(
            integrity_gate(b"s\nm\nm\n", b"s\nx\nm\n", false),
            Err(Lost::Line { number: 3 })
        );
        assert_eq!(integrity_gate(b"s\nm\nm\n", b"s\nm\nx\nm\n", false), Ok(()));
    }

    #[test]
    fn a_rewrite_may_drop_a_line_but_no_message_that_another_follows() {
        let before = [message("a", ""), message("b", "a"), message("c", "b")].concat();
        let leaf_dropped = [message("a", ""), message("b", "a"), message("d", "b")].concat();
        assert_eq!(integrity_gate(before.as_bytes(), leaf_dropped.as_bytes(), true), Ok(()));
        let middle_dropped = [message("a", ""), message("c", "b")].concat();
        assert_eq!(
            integrity_gate(before.as_bytes(), middle_dropped.as_bytes(), true),
            Err(Lost::Parent {
                uuid: "c".into(),
                parent: "b".into()
            })
        );
        let said_again = [message("a", ""), message("c", "b"), "{\"uuid\":\"b\"}\n".into()].concat();
        assert_eq!(integrity_gate(before.as_bytes(), said_again.as_bytes(), true), Ok(()));
    }
}
