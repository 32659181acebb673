//! Which lines of two sequences are one line.
//!
//! Equal lines are paired by their count (the k-th of one side is the k-th of the other), and of the pairs those are
//! kept that stand in the same order on both sides: a longest increasing subsequence, as in patience diff. That is
//! O(n log n) whatever the input, and does not depend on which side comes first.

use std::collections::HashMap;
use std::ops::Range;

use super::Conflict;
use super::line::Line;

/// Pairs of positions `(a, b)` that rise on both sides.
pub(super) type Pairs = Vec<(usize, usize)>;

/// Pairs the `wanted` lines of two stretches by bytes and count, in the order of `a`; their places in `b` may cross.
fn by_count<'a>(a: &[Line<'a>], b: &[Line<'a>], wanted: impl Fn(&Line<'a>) -> bool) -> Pairs {
    let mut places: HashMap<&[u8], (usize, Vec<usize>)> = HashMap::new();
    for (at, line) in b.iter().enumerate().filter(|(_, line)| wanted(line)) {
        places.entry(line.bytes).or_default().1.push(at);
    }
    let mut pairs = Pairs::new();
    for (at, line) in a.iter().enumerate().filter(|(_, line)| wanted(line)) {
        if let Some((used, list)) = places.get_mut(line.bytes)
            && let Some(&place) = list.get(*used)
        {
            *used += 1;
            pairs.push((at, place));
        }
    }
    pairs
}

/// The most pairs that rise on both sides; `pairs` rise in `a` already.
fn rising(pairs: &[(usize, usize)]) -> Pairs {
    // ends[k]: the pair with the smallest place in b that a rising run of k + 1 pairs can end with.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(pairs.len());
    for (index, &(_, place)) in pairs.iter().enumerate() {
        let length = ends.partition_point(|&end| pairs[end].1 < place);
        before.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        if length == ends.len() {
            ends.push(index);
        } else {
            ends[length] = index;
        }
    }
    let mut result = Pairs::new();
    let mut next = ends.last().copied();
    while let Some(index) = next {
        result.push(pairs[index]);
        next = before[index];
    }
    result.reverse();
    result
}

/// The pairs of the lines that carry a `uuid`.
///
/// # Errors
/// [`Conflict::Crossed`] where two of them stand in another order on the two sides.
pub(super) fn by_uuid<'a>(a: &[Line<'a>], b: &[Line<'a>]) -> Result<Pairs, Conflict> {
    let pairs = by_count(a, b, |line| line.uuid.is_some());
    match pairs.windows(2).find(|two| two[0].1 > two[1].1) {
        None => Ok(pairs),
        Some(crossed) => Err(Conflict::Crossed {
            uuid: a[crossed[1].0].uuid.as_deref().unwrap_or_default().to_owned(),
        }),
    }
}

/// The pairs of all lines of two stretches: what both begin and end with, and between that whatever rises on both sides.
pub(super) fn by_bytes<'a>(a: &[Line<'a>], b: &[Line<'a>]) -> Pairs {
    let same = |(a, b): &(&Line<'a>, &Line<'a>)| a.bytes == b.bytes;
    let front = a.iter().zip(b).take_while(same).count();
    let (rest_a, rest_b) = (&a[front..], &b[front..]);
    let back = rest_a.iter().rev().zip(rest_b.iter().rev()).take_while(same).count();
    let (inner_a, inner_b) = (&rest_a[..rest_a.len() - back], &rest_b[..rest_b.len() - back]);
    let mut pairs: Pairs = (0..front).map(|at| (at, at)).collect();
    let inner = rising(&by_count(inner_a, inner_b, |_| true));
    pairs.extend(inner.into_iter().map(|(at, place)| (at + front, place + front)));
    pairs.extend((0..back).map(|at| (a.len() - back + at, b.len() - back + at)));
    pairs
}

/// The pairs of an older version and a newer one: all of the older one's lines where the newer one has them in their
/// order, else first the lines with a `uuid`, then the others between them.
///
/// # Errors
/// [`Conflict::Crossed`] as [`by_uuid`].
pub(super) fn versions<'a>(old: &[Line<'a>], new: &[Line<'a>]) -> Result<Pairs, Conflict> {
    if let Some(pairs) = all_in_order(old, new) {
        return Ok(pairs);
    }
    let anchors = by_uuid(old, new)?;
    let mut pairs = Pairs::new();
    for gap in gaps(&anchors, old.len(), new.len()) {
        let (old, new) = (&old[gap.a.clone()], &new[gap.b.clone()]);
        let inner = all_in_order(old, new).unwrap_or_else(|| by_bytes(old, new));
        pairs.extend(
            inner
                .into_iter()
                .map(|(at, place)| (at + gap.a.start, place + gap.b.start)),
        );
        pairs.extend(gap.anchor);
    }
    Ok(pairs)
}

/// The pairs of all lines of `part` with `whole`, where it has them in the same order; each with the first that fits.
fn all_in_order(part: &[Line<'_>], whole: &[Line<'_>]) -> Option<Pairs> {
    let mut rest = whole.iter().enumerate();
    part.iter()
        .enumerate()
        .map(|(at, line)| {
            rest.find(|(_, other)| other.bytes == line.bytes)
                .map(|(place, _)| (at, place))
        })
        .collect()
}

/// A stretch between two paired lines, and the pair that ends it (none at the end of the sequences).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gap {
    /// The stretch in `a`.
    pub a: Range<usize>,
    /// The stretch in `b`.
    pub b: Range<usize>,
    /// The pair after it.
    pub anchor: Option<(usize, usize)>,
}

/// The stretches before, between and after `pairs`; empty ones too.
pub(super) fn gaps(pairs: &[(usize, usize)], a: usize, b: usize) -> Vec<Gap> {
    let mut result = Vec::with_capacity(pairs.len() + 1);
    let mut from = (0, 0);
    for &pair in pairs {
        result.push(Gap {
            a: from.0..pair.0,
            b: from.1..pair.1,
            anchor: Some(pair),
        });
        from = (pair.0 + 1, pair.1 + 1);
    }
    result.push(Gap {
        a: from.0..a,
        b: from.1..b,
        anchor: None,
    });
    result
}

/// Whether all of `part` stand in `whole`, in the same order.
pub(super) fn contains_in_order(whole: &[Line<'_>], part: &[Line<'_>]) -> bool {
    let mut rest = whole.iter();
    part.len() <= whole.len() && part.iter().all(|line| rest.any(|other| other.bytes == line.bytes))
}

/// Adds to `anchors` those of `more` that cross none of them. Both rise on both sides.
pub(super) fn with_pairs(anchors: &[(usize, usize)], more: &[(usize, usize)]) -> Pairs {
    let mut result = Pairs::with_capacity(anchors.len() + more.len());
    let mut anchors = anchors.iter().copied().peekable();
    for &pair in more {
        while let Some(anchor) = anchors.next_if(|anchor| anchor.0 < pair.0 && anchor.1 < pair.1) {
            result.push(anchor);
        }
        let after_last = result
            .last()
            .is_none_or(|last: &(usize, usize)| last.0 < pair.0 && last.1 < pair.1);
        let before_next = anchors.peek().is_none_or(|next| pair.0 < next.0 && pair.1 < next.1);
        if after_last && before_next {
            result.push(pair);
        }
    }
    result.extend(anchors);
    result
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn plain<'a>(texts: &[&'a str]) -> Vec<Line<'a>> {
        texts.iter().map(|text| Line::read(text.as_bytes())).collect()
    }

    #[test]
    fn repeated_lines_pair_by_their_count() {
        let (a, b) = (plain(&["x", "x", "y", "x"]), plain(&["x", "y", "x"]));
        assert_eq!(by_count(&a, &b, |_| true), [(0, 0), (1, 2), (2, 1)]);
    }

    #[test]
    fn of_crossing_pairs_the_longest_rising_run_is_kept() {
        assert_eq!(rising(&[(0, 3), (1, 0), (2, 1), (3, 2)]), [(1, 0), (2, 1), (3, 2)]);
        assert_eq!(rising(&[]), []);
        assert_eq!(rising(&[(0, 1), (1, 0)]).len(), 1);
    }

    #[test]
    fn the_front_and_the_back_are_paired_first() {
        let (a, b) = (plain(&["m", "m", "x", "m"]), plain(&["m", "x", "m"]));
        assert_eq!(by_bytes(&a, &b), [(0, 0), (2, 1), (3, 2)]);
    }

    #[test]
    fn gaps_cover_everything() {
        let found = gaps(&[(1, 0)], 3, 2);
        assert_eq!(
            (found[0].a.clone(), found[0].b.clone(), found[0].anchor),
            (0..1, 0..0, Some((1, 0)))
        );
        assert_eq!(
            (found[1].a.clone(), found[1].b.clone(), found[1].anchor),
            (2..3, 1..2, None)
        );
    }

    #[test]
    fn added_pairs_never_cross_an_anchor() {
        assert_eq!(
            with_pairs(&[(2, 2)], &[(0, 0), (1, 3), (2, 2), (4, 4)]),
            [(0, 0), (2, 2), (4, 4)]
        );
        assert_eq!(with_pairs(&[(1, 5)], &[(2, 3), (6, 6)]), [(1, 5), (6, 6)]);
        assert_eq!(with_pairs(&[], &[(0, 1)]), [(0, 1)]);
    }

    #[test]
    fn containing_means_in_order() {
        let whole = plain(&["a", "b", "a"]);
        assert!(contains_in_order(&whole, &plain(&["a", "a"])));
        assert!(contains_in_order(&whole, &[]));
        assert!(!contains_in_order(&whole, &plain(&["b", "b"])));
        assert!(!contains_in_order(&whole, &plain(&["a", "a", "b"])));
    }
}
