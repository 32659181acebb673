//! Where the whole lines of a growing JSON-lines file end.

use serde::de::IgnoredAny;

/// How many bytes of `window`, the end of a file, belong to whole lines. A last line without a newline, or one that is not
/// JSON, is not whole yet: its agent may still be writing it, or was killed while it did.
///
/// `from_start` says that the window is the whole file. `None`: the window does not hold the last line's beginning, so look at more.
#[must_use]
pub fn whole_lines(window: &[u8], from_start: bool) -> Option<usize> {
    let newline_before = |end: usize| window[..end].iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
    let Some(end) = newline_before(window.len()) else {
        return from_start.then_some(0);
    };
    let begin = match newline_before(end - 1) {
        Some(begin) => begin,
        None if from_start => 0,
        None => return None,
    };
    let line = window[begin..end].trim_ascii();
    let whole = line.is_empty() || serde_json::from_slice::<IgnoredAny>(line).is_ok();
    Some(if whole { end } else { begin })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_count() {
        let table: [(&[u8], usize); 9] = [
            (b"", 0),
            (b"{\"a\":1}", 0),
            (b"{\"a\":1}\n", 8),
            (b"{\"a\":1}\n{\"b\"", 8),
            (b"{\"a\":1}\n{\"b\"\n", 8),
            (b"{\"a\":1}\n{\"b\"\n{}\n", 16),
            (b"{\"a\":1}\r\n", 9),
            (b"{}\n\n", 4),
            (b"{}\n\0\0\0\n", 3),
        ];
        for (bytes, length) in table {
            assert_eq!(
                whole_lines(bytes, true),
                Some(length),
                "{:?}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    #[test]
    fn a_window_without_the_last_lines_beginning_is_too_small() {
        assert_eq!(whole_lines(b"\":1}\n", false), None);
        assert_eq!(whole_lines(b"no newline", false), None);
        assert_eq!(whole_lines(b"x\n{}\n", false), Some(5));
    }
}
