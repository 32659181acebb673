//! Reading single values out of a line of a transcript without building the whole of it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// The values of a line that the source looks at, still as raw JSON: a line of another shape than expected stays readable
/// in its other values. Unknown keys are skipped without being kept.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Line<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<&'a RawValue>,
    #[serde(borrow)]
    pub cwd: Option<&'a RawValue>,
    #[serde(borrow, rename = "customTitle")]
    pub custom_title: Option<&'a RawValue>,
    #[serde(borrow, rename = "aiTitle")]
    pub ai_title: Option<&'a RawValue>,
    #[serde(borrow)]
    pub summary: Option<&'a RawValue>,
    #[serde(borrow, rename = "lastPrompt")]
    pub last_prompt: Option<&'a RawValue>,
    #[serde(borrow, rename = "isMeta")]
    pub is_meta: Option<&'a RawValue>,
    #[serde(borrow, rename = "isCompactSummary")]
    pub is_compact_summary: Option<&'a RawValue>,
    #[serde(borrow)]
    pub message: Option<&'a RawValue>,
}

/// What the `message` of a line holds.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    pub content: Option<&'a RawValue>,
}

/// One block of a message's content.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Block<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<&'a RawValue>,
    #[serde(borrow)]
    pub text: Option<&'a RawValue>,
}

impl<'a> Line<'a> {
    /// The line's values; `None` for what is not a JSON object, such as a line that a window cut in two.
    pub fn read(line: &'a [u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.first() != Some(&b'{') {
            return None;
        }
        serde_json::from_slice(line).ok()
    }
}

/// The text of a JSON string; `None` for any other value. Borrowed where it holds no escape.
pub(super) fn text(value: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let raw = value?.get();
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(raw).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// Whether the value is `true`.
pub(super) fn is_true(value: Option<&RawValue>) -> bool {
    value.is_some_and(|value| value.get() == "true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_an_unexpected_shape_is_still_read() {
        let line = Line::read(br#"{"type":"user","cwd":7,"summary":{"a":[1]},"aiTitle":"a \"b\"","new":{}}"#);
        let line = line.expect("it is an object");
        assert_eq!(text(line.kind).as_deref(), Some("user"));
        assert_eq!(text(line.cwd), None);
        assert_eq!(text(line.ai_title).as_deref(), Some("a \"b\""));
    }

    #[test]
    fn what_is_no_object_is_no_line() {
        for bytes in [&b""[..], b"null", b"[]", b"{\"type\":\"us", b"\0\0\0", b"\xff{}"] {
            assert!(Line::read(bytes).is_none());
        }
    }
}
