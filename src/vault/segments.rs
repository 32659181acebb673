//! How content is cut into segments, and which of them an append leaves as they are. Pure.
//!
//! The history of a vault keeps every segment that was ever written, so each byte should be written few times; and a file of
//! many segments is slow to read, so there should be few. The classic answer is that of log-structured merge trees: segments
//! are of tiers, each four times as great as the one below, and the fourth of a tier is written together with the other three
//! as one of the next. Each byte is then written once a tier.

use super::head::SegmentRef;
use crate::core::kind::FileKind;

/// The most bytes of content that a segment holds.
pub const MAX_SEGMENT: usize = 1 << 20;

/// How many segments of a tier are too many.
const FACTOR: usize = 4;
/// The most bytes of a segment of the lowest tier. Below it a blob's own cost is greater than what merging saves.
const LOWEST_TIER: u64 = 1 << 10;
/// The tier of the greatest segments: 256 KiB to 1 MiB.
const HIGHEST_TIER: u32 = 5;

/// The most bytes of content that sit inline in a head. A head is written anew at each change: what grows by appending
/// should leave it soon, what is replaced whole may as well stay.
#[must_use]
pub const fn inline_limit(kind: FileKind) -> u64 {
    if kind.grows_by_lines() { 2 << 10 } else { 32 << 10 }
}

fn tier(size: u64) -> u32 {
    let mut tier = 0;
    let mut most = LOWEST_TIER;
    while size > most && tier < HIGHEST_TIER {
        most *= FACTOR as u64;
        tier += 1;
    }
    tier
}

/// How many of the leading segments of `existing` stay as they are when `new_bytes` are appended. The content of the rest and
/// the new bytes are [cut] again. Everything stays when nothing was appended.
#[must_use]
pub fn keep(existing: &[SegmentRef], new_bytes: u64) -> usize {
    let mut kept = existing.len();
    let mut tail = new_bytes;
    if new_bytes == 0 {
        return kept;
    }
    loop {
        let tail_tier = tier(tail);
        // How far back the segments are below the tail, or as great as the tail and fit into one segment with it.
        let mut from = kept;
        let mut sum = tail;
        let mut lower = kept;
        while let Some(segment) = from.checked_sub(1).map(|at| existing[at]) {
            if tier(segment.size) > tail_tier || sum.saturating_add(segment.size) > MAX_SEGMENT as u64 {
                break;
            }
            from -= 1;
            sum += segment.size;
            // Those that are below the tail rise by joining it, however few they are.
            if tier(segment.size) < tail_tier {
                lower = from;
            }
        }
        let take = if kept - from >= FACTOR - 1 { from } else { lower };
        if take == kept {
            return kept;
        }
        tail += existing[take..kept].iter().map(|segment| segment.size).sum::<u64>();
        kept = take;
    }
}

/// The length of the next segment of the content that `window` begins with; `last` says that the content ends with it.
/// 0 when more of the content is needed to tell: [`MAX_SEGMENT`] bytes always suffice.
///
/// A segment ends at a line end where there is one in the latter three quarters of what it could hold.
#[must_use]
pub fn cut(window: &[u8], last: bool) -> usize {
    if last && window.len() <= MAX_SEGMENT {
        return window.len();
    }
    let Some(most) = window.get(..MAX_SEGMENT) else {
        return 0;
    };
    let least = MAX_SEGMENT / FACTOR;
    let line_end = most[least..].iter().rposition(|&byte| byte == b'\n');
    line_end.map_or(MAX_SEGMENT, |at| least + at + 1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::id::SegmentId;

    fn segment(size: u64) -> SegmentRef {
        SegmentRef {
            id: SegmentId([0; 16]),
            size,
        }
    }

    /// Appends `bytes` as the engine does; how many bytes were written.
    fn append(segments: &mut Vec<SegmentRef>, bytes: u64) -> u64 {
        let kept = keep(segments, bytes);
        let mut rest = bytes + segments.drain(kept..).map(|segment| segment.size).sum::<u64>();
        let written = rest;
        while rest > 0 {
            let size = rest.min(MAX_SEGMENT as u64);
            segments.push(segment(size));
            rest -= size;
        }
        written
    }

    #[test]
    fn an_append_writes_the_new_bytes_alone_and_every_fourth_joins_its_like() {
        let mut segments = Vec::new();
        let written: Vec<u64> = (0..8).map(|_| append(&mut segments, 10_000)).collect();
        assert_eq!(
            written,
            [10_000, 10_000, 10_000, 40_000, 10_000, 10_000, 10_000, 40_000]
        );
        assert_eq!(
            segments.iter().map(|segment| segment.size).collect::<Vec<_>>(),
            [40_000, 40_000]
        );
    }

    #[test]
    fn small_ones_join_a_greater_one_that_comes_after_them() {
        let mut segments = vec![segment(500_000), segment(900), segment(900)];
        assert_eq!(append(&mut segments, 100_000), 101_800);
        assert_eq!(segments.len(), 2);
    }

    #[test]
    fn full_segments_are_never_touched() {
        let full = segment(MAX_SEGMENT as u64);
        assert_eq!(keep(&[full; 5], 1), 5);
        assert_eq!(keep(&[full; 5], 1 << 30), 5);
        assert_eq!(keep(&[full, segment(7)], 0), 2);
        assert_eq!(keep(&[], 5), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn segments_stay_few_and_bytes_are_written_few_times(appends in proptest::collection::vec(1_u64..200_000, 1..400)) {
            let mut segments = Vec::new();
            let mut written = 0;
            for &bytes in &appends {
                written += append(&mut segments, bytes);
            }
            let total: u64 = appends.iter().sum();
            prop_assert_eq!(segments.iter().map(|segment| segment.size).sum::<u64>(), total);
            let few = 3 * u64::from(HIGHEST_TIER + 1) + 4 * total.div_ceil(MAX_SEGMENT as u64);
            prop_assert!(segments.len() as u64 <= few, "{} segments for {total} bytes", segments.len());
            prop_assert!(written <= total * u64::from(HIGHEST_TIER + 1), "{written} written for {total}");
        }

        #[test]
        fn small_appends_too(appends in proptest::collection::vec(1_u64..3_000, 1..2000)) {
            let mut segments = Vec::new();
            let written: u64 = appends.iter().map(|&bytes| append(&mut segments, bytes)).sum();
            let total: u64 = appends.iter().sum();
            prop_assert!(segments.len() <= 3 * (HIGHEST_TIER as usize + 1) + 4 * total.div_ceil(MAX_SEGMENT as u64) as usize);
            // A blob costs some 600 bytes by itself; below a kibibyte bytes may be written more often.
            prop_assert!(written <= total * 6 + 1500 * appends.len() as u64, "{written} written for {total}");
        }

        #[test]
        fn cuts_cover_the_content_and_end_at_lines(lines in proptest::collection::vec(1_usize..700_000, 1..12), torn in any::<bool>()) {
            let mut content: Vec<u8> = lines.iter().flat_map(|&length| [vec![b'x'; length - 1], vec![b'\n']].concat()).collect();
            if torn {
                content.pop();
            }
            let mut rest = &content[..];
            while !rest.is_empty() {
                let length = cut(rest, true);
                prop_assert!(length > 0 && length <= MAX_SEGMENT && length <= rest.len());
                let by_window = cut(&rest[..rest.len().min(MAX_SEGMENT)], rest.len() <= MAX_SEGMENT);
                prop_assert_eq!(length, by_window, "one window of the greatest size suffices");
                let (piece, after) = rest.split_at(length);
                let line_end = piece.ends_with(b"\n") || after.is_empty();
                prop_assert!(line_end || !piece[MAX_SEGMENT / 4..].contains(&b'\n'));
                rest = after;
            }
        }
    }

    #[test]
    fn a_cut_waits_for_enough_of_the_content() {
        assert_eq!(cut(b"", true), 0);
        assert_eq!(cut(b"some\nlines\n", false), 0);
        assert_eq!(cut(b"some\nlines", true), 10);
        assert_eq!(cut(&vec![b'x'; MAX_SEGMENT], false), MAX_SEGMENT);
        assert_eq!(cut(&vec![b'x'; MAX_SEGMENT + 1], true), MAX_SEGMENT);
    }

    #[test]
    fn what_grows_leaves_its_head_soon() {
        assert_eq!(
            FileKind::ALL.map(inline_limit),
            [2 << 10, 2 << 10, 32 << 10, 32 << 10, 32 << 10]
        );
    }
}
