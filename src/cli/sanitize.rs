//! Text made safe for a terminal.
//!
//! What csync shows comes from sessions, file names and servers, so from anybody. A terminal obeys some characters instead of
//! showing them, and a person is fooled by others: those that turn the direction of the text or that cannot be seen. All of
//! them come out of here as something visible. See "Trojan Source" (CVE-2021-42574) and Unicode TR36 for why.

use std::borrow::Cow;
use std::fmt::Write as _;

/// `text` with every character that could drive a terminal or hide something written out: a control character as `^[`, others as
/// `\u{202e}`. Newlines and tabs stay.
#[must_use]
pub fn text(text: &str) -> Cow<'_, str> {
    let Some(first) = first_unsafe(text) else {
        return Cow::Borrowed(text);
    };
    let mut safe = String::with_capacity(text.len() + 16);
    safe.push_str(&text[..first]);
    let mut before = safe.chars().next_back();
    let mut rest = text[first..].chars().peekable();
    while let Some(character) = rest.next() {
        if is_safe(character) || is_joined(before, character, rest.peek().copied()) {
            safe.push(character);
        } else {
            escape(character, &mut safe);
        }
        before = safe.chars().next_back();
    }
    Cow::Owned(safe)
}

/// The same of `bytes`; what is not UTF-8 is written out as `\xff`.
#[must_use]
pub fn bytes(bytes: &[u8]) -> String {
    let mut safe = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        safe.push_str(&text(chunk.valid()));
        for byte in chunk.invalid() {
            write!(safe, "\\x{byte:02x}").expect("writing to a String cannot fail");
        }
    }
    safe
}

/// The same of a text that belongs on one line, such as a name or a title: newlines and tabs become spaces.
#[must_use]
pub fn line(one: &str) -> Cow<'_, str> {
    let safe = text(one);
    if safe.contains(['\n', '\t']) {
        Cow::Owned(safe.replace(['\n', '\t'], " "))
    } else {
        safe
    }
}

/// The same of JSON: what could drive a terminal is written as `\u202e`, which is the same value to whoever reads it.
#[must_use]
pub fn json(text: &str) -> Cow<'_, str> {
    let Some(first) = first_unsafe(text) else {
        return Cow::Borrowed(text);
    };
    let mut safe = text[..first].to_owned();
    // What is not safe stands inside a string, since all else in JSON is.
    for character in text[first..].chars() {
        if is_safe(character) {
            safe.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(safe, "\\u{unit:04x}").expect("writing to a String cannot fail");
            }
        }
    }
    Cow::Owned(safe)
}

/// Where the first character that [`text`] must look at stands.
fn first_unsafe(text: &str) -> Option<usize> {
    // Most lines are printable ASCII; those are passed by their bytes.
    let ascii = text
        .bytes()
        .position(|byte| !matches!(byte, b' '..=b'~' | b'\n' | b'\t'))?;
    text[ascii..]
        .char_indices()
        .find(|&(_, character)| !is_safe(character))
        .map(|(offset, _)| ascii + offset)
}

/// Whether a character shows itself and does nothing else.
fn is_safe(character: char) -> bool {
    match character {
        '\n' | '\t' => true,
        // C0, DEL, C1.
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => false,
        // Direction: marks, embeddings, overrides, isolates.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => false,
        // Line and paragraph separators, which some terminals and editors break lines at.
        '\u{2028}' | '\u{2029}' => false,
        // Nothing to see: soft hyphen, joiners and spaces without width, fillers, deprecated format characters, annotations.
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' => false,
        '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' => false,
        '\u{206a}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' => false,
        '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' => false,
        // Variation selectors, and the tags and selectors of plane 14, in which whole texts can be hidden.
        '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}' => false,
        _ => true,
    }
}

/// Whether an invisible character does its honest work here: a joiner between two visible characters of a script
/// that has joiners, or in an emoji, or the choice between the text and the picture of a character.
fn is_joined(before: Option<char>, character: char, after: Option<char>) -> bool {
    let visible = |neighbour: Option<char>| neighbour.is_some_and(|c| !c.is_ascii() && is_safe(c));
    match character {
        // A picture's selector may stand before the joiner: the heart on fire is U+2764 U+FE0F U+200D U+1F525.
        '\u{200c}' | '\u{200d}' => (visible(before) || before == Some('\u{fe0f}')) && visible(after),
        '\u{fe0e}' | '\u{fe0f}' => {
            visible(before) || before.is_some_and(|c| matches!(c, '0'..='9' | '#' | '*')) && after == Some('\u{20e3}')
        }
        _ => false,
    }
}

fn escape(character: char, safe: &mut String) {
    match character {
        '\0'..='\u{1f}' => {
            safe.push('^');
            safe.push(char::from(character as u8 + b'@'));
        }
        '\u{7f}' => safe.push_str("^?"),
        _ => write!(safe, "\\u{{{:x}}}", u32::from(character)).expect("writing to a String cannot fail"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What must never reach a terminal, said again and independently.
    fn drives_a_terminal(character: char) -> bool {
        (character.is_control() && character != '\n' && character != '\t')
            || "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}"
                .contains(character)
            || ('\u{e0000}'..='\u{e007f}').contains(&character)
    }

    /// Texts in which the dangerous characters are as frequent as the others.
    fn hostile_text() -> impl Strategy<Value = String> {
        let character = prop_oneof![
            any::<char>(),
            (0u32..0xa0).prop_filter_map("a character", char::from_u32),
            (0x2000u32..0x2070).prop_filter_map("a character", char::from_u32),
            (0xe0000u32..0xe0080).prop_filter_map("a character", char::from_u32),
            Just('\u{200d}'),
            Just('\u{fe0f}'),
            Just('👩'),
        ];
        proptest::collection::vec(character, 0..40).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn p23_no_json_drives_the_terminal(hostile in hostile_text()) {
            let value = serde_json::json!({ &hostile: [&hostile] });
            let plain = format!("{value:#}");
            let safe = json(&plain);
            prop_assert!(!safe.chars().any(drives_a_terminal), "{safe}");
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).ok(), Some(value));
        }
    }

    proptest! {
        #[test]
        fn p23_no_text_drives_the_terminal(hostile in hostile_text()) {
            let safe = text(&hostile);
            prop_assert!(!safe.chars().any(drives_a_terminal), "{:?}", safe);
            prop_assert!(!line(&hostile).contains(['\n', '\t']));
        }

        #[test]
        fn p23_no_bytes_drive_the_terminal(hostile in proptest::collection::vec(any::<u8>(), 0..80)) {
            let safe = bytes(&hostile);
            prop_assert!(!safe.chars().any(drives_a_terminal), "{:?}", safe);
        }

        #[test]
        fn what_is_safe_stays_as_it_is(hostile in hostile_text()) {
            let safe = text(&hostile).into_owned();
            prop_assert_eq!(text(&safe).into_owned(), safe);
        }
    }

    #[test]
    fn each_danger_becomes_visible() {
        for (hostile, shown) in [
            ("\u{1b}[2J\u{1b}]0;gotcha\u{7}", "^[[2J^[]0;gotcha^G"),
            ("one\rtwo\u{8}\u{7f}", "one^Mtwo^H^?"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("a\u{202e}cod.exe", "a\\u{202e}cod.exe"),
            ("pay\u{200b}pal", "pay\\u{200b}pal"),
            ("hi\u{e0041}", "hi\\u{e0041}"),
            ("a\u{fe0f}b", "a\\u{fe0f}b"),
            ("👩\u{200d}\u{200d}👩", "👩\\u{200d}\\u{200d}👩"),
        ] {
            assert_eq!(text(hostile), shown);
        }
        assert_eq!(bytes(b"caf\xe9\n"), "caf\\xe9\n");
    }

    #[test]
    fn honest_text_is_untouched() {
        for honest in [
            "fn main() {}\n\tlet x;",
            "żółw, 你好, שלום",
            "👩\u{200d}💻 ❤\u{fe0f}\u{200d}🔥 1\u{fe0f}\u{20e3}",
            "می\u{200c}خواهم",
        ] {
            assert!(matches!(text(honest), Cow::Borrowed(same) if same == honest) || text(honest) == honest);
        }
    }
}
