//! Lines of a JSON-lines file: bytes that are never written again in another form, and the few fields that merging reads.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// How many bytes of `bytes` are whole lines: the length up to and with the last newline, 0 where there is none.
#[must_use]
pub fn complete_part(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1)
}

/// The lines of `bytes`, each with its newline; a last one may lack it.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|&byte| byte == b'\n')
}

/// How many bytes the whole lines take that `a` and `b` both begin with.
pub(super) fn common_lines(a: &[u8], b: &[u8]) -> usize {
    // Blocks first: comparing slices is many times faster than comparing bytes one by one.
    const BLOCK: usize = 4096;
    let blocks = a.chunks_exact(BLOCK).zip(b.chunks_exact(BLOCK));
    let start = blocks.take_while(|(a, b)| a == b).count() * BLOCK;
    let rest = a[start..].iter().zip(&b[start..]).take_while(|(a, b)| a == b).count();
    complete_part(&a[..start + rest])
}

/// The fields as they stand in the line; anything else in it is skipped without being built.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    #[serde(borrow, default)]
    uuid: Option<&'a RawValue>,
    #[serde(borrow, default)]
    parent_uuid: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    is_sidechain: Option<&'a RawValue>,
    #[serde(borrow, default)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow, default)]
    leaf_uuid: Option<&'a RawValue>,
}

/// One line and what merging needs to know of it. A line that is no JSON object has its bytes and nothing else.
#[derive(Debug, Clone, Default)]
pub(super) struct Line<'a> {
    /// The line, with its newline.
    pub bytes: &'a [u8],
    /// Its `uuid`.
    pub uuid: Option<Cow<'a, str>>,
    /// The `uuid` of the line that it follows in the conversation.
    pub parent: Option<Cow<'a, str>>,
    /// Whether a person or the model says something in it, in the main conversation.
    pub conversation: bool,
    /// For a `last-prompt` line: the `uuid` that the agent resumes from.
    pub leaf: Option<Cow<'a, str>>,
    /// Its time in microseconds since 1970, where it has one.
    pub time: Option<i64>,
}

impl<'a> Line<'a> {
    /// Reads one line. Never fails: what cannot be read is an opaque line.
    pub fn read(bytes: &'a [u8]) -> Self {
        let opaque = Self {
            bytes,
            ..Self::default()
        };
        if bytes.first() != Some(&b'{') {
            return opaque;
        }
        let Ok(fields) = serde_json::from_slice::<Fields<'a>>(bytes) else {
            return opaque;
        };
        let uuid = fields.uuid.and_then(string);
        let kind = fields.kind.and_then(string);
        let kind = kind.as_deref();
        let side = fields.is_sidechain.is_some_and(|raw| raw.get() == "true");
        Self {
            bytes,
            conversation: uuid.is_some() && matches!(kind, Some("user" | "assistant")) && !side,
            uuid,
            parent: fields.parent_uuid.and_then(string),
            leaf: fields
                .leaf_uuid
                .filter(|_| kind == Some("last-prompt"))
                .and_then(string),
            time: fields.timestamp.and_then(microseconds),
        }
    }
}

/// Only the `parentUuid` of a line, for checks that hold no line in memory.
pub(super) fn uuid_and_parent(bytes: &[u8]) -> (Option<Cow<'_, str>>, Option<Cow<'_, str>>) {
    let line = Line::read(bytes);
    (line.uuid, line.parent)
}

/// A JSON string's text; none for any other value and for an empty string.
fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    if inner.is_empty() {
        None
    } else if inner.contains('\\') {
        serde_json::from_str::<String>(raw.get()).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// A time: RFC 3339 text, or a number of milliseconds since 1970 (as in `history.jsonl`).
fn microseconds(raw: &RawValue) -> Option<i64> {
    if let Some(text) = string(raw) {
        return chrono::DateTime::parse_from_rfc3339(&text)
            .ok()
            .map(|time| time.timestamp_micros());
    }
    raw.get().parse::<i64>().ok()?.checked_mul(1000)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_complete_part_ends_with_the_last_newline() {
        for (bytes, length) in [(&b""[..], 0), (b"a", 0), (b"a\n", 2), (b"a\nb", 2), (b"\n\n", 2)] {
            assert_eq!(complete_part(bytes), length);
        }
    }

    #[test]
    fn common_lines_never_end_within_a_line() {
        assert_eq!(common_lines(b"a\nbc\n", b"a\nbd\n"), 2);
        assert_eq!(common_lines(b"a\nb\n", b"a\nb\nc\n"), 4);
        assert_eq!(common_lines(b"x\n", b"y\n"), 0);
        let long = b"0123456789abcde\n".repeat(1000);
        let mut other = long.clone();
        other[9001] = b'!';
        assert_eq!(common_lines(&long, &other), 9001 / 16 * 16);
        assert_eq!(common_lines(&long, &long), long.len());
    }

    #[test]
    fn only_top_level_fields_are_read() {
        let line = Line::read(
            br#"{"message":{"uuid":"no","type":"assistant"},"uuid":"u","parentUuid":"p","type":"user","timestamp":"2026-01-02T03:04:05.678Z"}"#,
        );
        assert_eq!(line.uuid.as_deref(), Some("u"));
        assert_eq!(line.parent.as_deref(), Some("p"));
        assert!(line.conversation);
        assert_eq!(line.time, Some(1_767_323_045_678_000));
        let line = Line::read(br#"{"type":"user","uuid":"u","isSidechain":true,"timestamp":1767323045678}"#);
        assert!(!line.conversation);
        assert_eq!(line.time, Some(1_767_323_045_678_000));
    }

    #[test]
    fn odd_fields_and_odd_lines_are_opaque_and_never_fail() {
        for bytes in [
            &b"\n"[..],
            b"\0\0\0\n",
            b"{\n",
            b"null\n",
            b"[]\r\n",
            b"\xff\xfe\n",
            b"{\"uuid\":7,\"timestamp\":{},\"type\":[]}\n",
            b"{\"uuid\":null,\"timestamp\":1e400}\n",
            b"{\"uuid\":\"\"}\n",
            b"{\"uuid\":\"a\",\"uuid\":\"b\"}\n",
        ] {
            let line = Line::read(bytes);
            assert_eq!((line.uuid, line.time, line.conversation), (None, None, false));
        }
        let deep = format!(
            "{{\"x\":{}{},\"uuid\":\"u\"}}\n",
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        let _ = Line::read(deep.as_bytes());
    }
}
