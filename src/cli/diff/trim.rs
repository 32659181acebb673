//! What two contents have in common at both ends, cut off at line ends: two long transcripts mostly differ in their last lines.

/// Lines that are left besides the context, since lines of a file can show nothing.
pub(super) const SPARE_LINES: usize = 16;

/// What is left of two contents.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trimmed<'a> {
    /// Of the left one.
    pub(super) left: &'a [u8],
    /// Of the right one.
    pub(super) right: &'a [u8],
    /// The number, counted from 1, of the first line that is left.
    pub(super) first_line: usize,
}

/// Cuts whole equal lines off both ends but for `keep` of them at either.
pub(super) fn trim<'a>(left: &'a [u8], right: &'a [u8], keep: usize) -> Trimmed<'a> {
    let equal = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    let start = back(&left[..equal], keep);
    let first_line = 1 + left[..start].iter().filter(|&&byte| byte == b'\n').count();
    let (left, right) = (&left[start..], &right[start..]);
    let equal = left
        .iter()
        .rev()
        .zip(right.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let end = equal - forward(&left[left.len() - equal..], keep);
    Trimmed {
        left: &left[..left.len() - end],
        right: &right[..right.len() - end],
        first_line,
    }
}

/// Where the last `keep` whole lines of `equal` begin, and with them the unfinished one behind them.
fn back(equal: &[u8], keep: usize) -> usize {
    let ends = equal.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    ends.map(|(offset, _)| offset + 1).nth(keep).unwrap_or(0)
}

/// Where the first `keep` whole lines of `equal` end, and with them the rest of a line in front of them.
fn forward(equal: &[u8], keep: usize) -> usize {
    let ends = equal.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    ends.map(|(offset, _)| offset + 1).nth(keep).unwrap_or(equal.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_lines_at_both_ends_are_cut_off() {
        let trimmed = trim(b"a\nb\nc\nd\ne\nf\n", b"a\nb\nc\nX\ne\nf\n", 1);
        assert_eq!(trimmed.left, b"c\nd\ne\n");
        assert_eq!(trimmed.right, b"c\nX\ne\n");
        assert_eq!(trimmed.first_line, 3);
    }

    #[test]
    fn a_line_that_grew_is_left_whole() {
        let trimmed = trim(b"one\ntwo\n", b"one\ntwo and a half\n", 0);
        assert_eq!((trimmed.left, trimmed.right), (&b"two\n"[..], &b"two and a half\n"[..]));
    }

    proptest! {
        #[test]
        fn what_is_cut_off_is_whole_and_equal(left in "[ab\n]{0,24}", right in "[ab\n]{0,24}", keep in 0usize..3) {
            let (left, right) = (left.as_bytes(), right.as_bytes());
            let trimmed = trim(left, right, keep);
            let start = trimmed.left.as_ptr() as usize - left.as_ptr() as usize;
            prop_assert_eq!(&left[..start], &right[..start]);
            prop_assert!(start == 0 || left[start - 1] == b'\n');
            prop_assert_eq!(trimmed.first_line, 1 + left[..start].iter().filter(|&&byte| byte == b'\n').count());
            let (left_rest, right_rest) = (&left[start + trimmed.left.len()..], &right[start + trimmed.right.len()..]);
            prop_assert_eq!(left_rest, right_rest);
            for cut in [trimmed.left, trimmed.right] {
                prop_assert!(left_rest.is_empty() || cut.is_empty() || cut.ends_with(b"\n"));
            }
        }
    }
}
