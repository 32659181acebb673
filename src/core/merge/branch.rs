//! The conversation that loses when two went on from one line, as a session of its own.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha1::{Digest, Sha1};

use super::Side;
use super::line::lines;

/// A conversation that stands in the merged file, but that the agent will not show from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// Whose conversation it is.
    pub loser: Side,
    /// The `uuid` of its last message.
    pub leaf: String,
    /// All that the loser's side has behind the shared part.
    pub lines: Vec<u8>,
    /// How many bytes of the merged content's beginning (behind what was trimmed) come before the two went apart.
    pub shared: usize,
}

/// The namespace of [`branch_session_id`]: a random UUID, fixed for ever.
const NAMESPACE: [u8; 16] = [
    0x5e, 0x0c, 0x41, 0x9a, 0x6d, 0x37, 0x4b, 0x52, 0x91, 0x0f, 0xe8, 0x24, 0xc3, 0x76, 0x1d, 0xab,
];

/// The id of the session that holds the branch of `session` which ends at the message `leaf`.
///
/// A UUID of version 5 (RFC 9562) of both, so that every machine comes to the same and agents accept it as a session id.
#[must_use]
pub fn branch_session_id(session: &str, leaf: &str) -> String {
    let digest = Sha1::new()
        .chain_update(NAMESPACE)
        .chain_update(session)
        .chain_update([0])
        .chain_update(leaf)
        .finalize();
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x50;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut id = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            id.push('-');
        }
        write!(id, "{byte:02x}").expect("a String takes everything");
    }
    id
}

/// The one field that changes when a line moves to another session.
#[derive(Deserialize)]
struct Session<'a> {
    #[serde(borrow, default, rename = "sessionId")]
    id: Option<&'a RawValue>,
}

/// `line` with its top-level `sessionId` changed from `from` to `to`; every other byte is kept. A line that names no
/// session or another one, or that is no JSON object, stays as it is. `to` is an id: it needs no escaping in JSON.
#[must_use]
pub fn branch_line<'a>(line: &'a [u8], from: &str, to: &str) -> Cow<'a, [u8]> {
    let Ok(Session { id: Some(raw) }) = serde_json::from_slice::<Session<'a>>(line) else {
        return Cow::Borrowed(line);
    };
    let value = raw.get();
    if value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) != Some(from) {
        return Cow::Borrowed(line);
    }
    // The value is borrowed from the line, so its address says where in the line it stands.
    let start = value.as_ptr() as usize - line.as_ptr() as usize + 1;
    let mut moved = Vec::with_capacity(line.len() + to.len());
    moved.extend_from_slice(&line[..start]);
    moved.extend_from_slice(to.as_bytes());
    moved.extend_from_slice(&line[start + from.len()..]);
    Cow::Owned(moved)
}

/// The lines of `part` (a stretch of whole lines of the session `from`) as the session `to` has them: in turn for what
/// was trimmed, the shared part of the merged content, and [`Branch::lines`]; [`branch_title`] ends the file.
pub fn branch_session<'a>(part: &'a [u8], from: &'a str, to: &'a str) -> impl Iterator<Item = Cow<'a, [u8]>> {
    lines(part).map(move |line| branch_line(line, from, to))
}

/// The line that gives `session` the title `title (from device)`, with its newline.
#[must_use]
pub fn branch_title(session: &str, title: &str, device: &str) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Title<'a> {
        r#type: &'a str,
        custom_title: &'a str,
        session_id: &'a str,
    }
    let custom_title = format!("{title} (from {device})");
    let mut line = serde_json::to_vec(&Title {
        r#type: "custom-title",
        custom_title: custom_title.trim_start(),
        session_id: session,
    })
    .expect("texts are always JSON");
    line.push(b'\n');
    line
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_the_same_everywhere_and_follows_both_names() {
        let id = branch_session_id("11111111-2222-4333-8444-555555555555", "leaf");
        assert_eq!(id, branch_session_id("11111111-2222-4333-8444-555555555555", "leaf"));
        assert_ne!(id, branch_session_id("11111111-2222-4333-8444-555555555555", "leaf2"));
        assert_ne!(branch_session_id("ab", "c"), branch_session_id("a", "bc"));
        assert_eq!(id.len(), 36);
        assert_eq!(&id[14..15], "5");
        assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"));
    }

    #[test]
    fn only_the_top_level_session_id_changes() {
        let line = br#"{ "message": {"sessionId":"old"} , "sessionId" : "old", "text":"sessionId old"}"#;
        let moved = branch_line(line, "old", "newer");
        let wanted = br#"{ "message": {"sessionId":"old"} , "sessionId" : "newer", "text":"sessionId old"}"#;
        assert_eq!(moved.as_ref(), wanted);
    }

    #[test]
    fn other_lines_stay_as_they_are() {
        for line in [
            &b"{\"sessionId\":\"other\"}\n"[..],
            b"{\"sessionId\":null}\n",
            b"{\"sessionId\":7}\n",
            b"{}\n",
            b"not JSON \"sessionId\":\"old\"\n",
            b"\0\xff\n",
        ] {
            assert!(matches!(branch_line(line, "old", "new"), Cow::Borrowed(same) if same == line));
        }
    }

    #[test]
    fn the_title_names_the_device_and_is_one_line() {
        let line = branch_title("id", "a \"b\"\nc", "ana's laptop");
        assert_eq!(
            String::from_utf8(line).unwrap(),
            "{\"type\":\"custom-title\",\"customTitle\":\"a \\\"b\\\"\\nc (from ana's laptop)\",\"sessionId\":\"id\"}\n"
        );
        assert!(
            String::from_utf8(branch_title("id", "", "pc"))
                .unwrap()
                .contains("\"(from pc)\"")
        );
    }

    #[test]
    fn a_session_moves_line_by_line() {
        let moved: Vec<u8> = branch_session(b"{\"sessionId\":\"a\"}\njunk\n", "a", "b")
            .flat_map(Cow::into_owned)
            .collect();
        assert_eq!(moved, b"{\"sessionId\":\"b\"}\njunk\n");
    }
}
