//! Merging files that agents append lines to: transcripts and histories.
//!
//! Nearly always one side is the beginning of the other, and the longer one is taken. Otherwise the lines that both
//! sides have are anchors, and in each gap between them one side's own lines (the loser's) come before the other's (the
//! winner's). Lines are bytes: none is written again in another form, sorted, or "repaired".
//!
//! Who wins a gap does not depend on which side is ours: the side that goes on with the conversation, then the side that
//! leaves a `last-prompt` for its own lines, then the later one, then the greater hash. The second rule is there because
//! Claude Code resumes from the last `last-prompt` line of the file whose `leafUuid` it finds: were a side without one
//! put last, a person would see the other side's conversation. Choosing so keeps that line last without ever adding one.
//!
//! Lines without a `uuid` that are alike on both sides are one line where they stand beside the same anchors and no
//! conversation of either side's own lies between. Two machines that each went on with a conversation write such lines
//! (mode, title) each for itself: these stay with their conversation, and only a common beginning or end of the two runs
//! is written once. Pairing more of them would interleave the conversations and could move the loser's state behind the
//! winner's.
//!
//! A side that lacks lines of the base was rewritten by its agent; what it removed stays removed, unless the other
//! side changed it too or went on from it.

use std::collections::{HashMap, HashSet};

use super::align::{self, Gap, Pairs};
use super::branch::Branch;
use super::line::{Line, common_lines, lines};
use super::{Conflict, Side, Sides};
use crate::core::kind::FileKind;

/// What comes out of merging two versions of a file of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonlMerge {
    /// The merged lines; replaces what was given, without what was trimmed in front.
    pub content: Vec<u8>,
    /// The conversation that the agent will not show, where two went on from one line.
    pub branch: Option<Branch>,
    /// Whether lines are left out because one side had removed them since the base.
    pub rewritten: bool,
}

/// Merges two versions of a file of lines.
///
/// All three sides end with a newline or are empty; the caller holds an unfinished last line back. The caller may have
/// cut off a beginning that all three share and that ends at a line end, and says so with `trimmed`: then memory is
/// needed for the ends only.
///
/// # Errors
/// The [`Conflict`] that a person has to decide: the same message with other content, messages in another order, both
/// sides rewrote the same lines, one removed what the other went on from, or the first line differs (in a transcript).
pub fn jsonl(sides: Sides<'_>, kind: FileKind, trimmed: bool) -> Result<JsonlMerge, Conflict> {
    let Sides { base, ours, theirs } = sides;
    if [ours, theirs]
        .iter()
        .any(|side| side.last().is_some_and(|&last| last != b'\n'))
    {
        return Err(Conflict::Unfinished);
    }
    if let Some(content) = sides.trivial() {
        return Ok(whole(content));
    }
    if theirs.starts_with(ours) {
        return Ok(whole(theirs));
    }
    if ours.starts_with(theirs) {
        return Ok(whole(ours));
    }
    let shared = common_lines(ours, theirs);
    let first_line_stands = kind == FileKind::Transcript && !trimmed;
    if first_line_stands && shared == 0 {
        return Err(Conflict::FirstLine);
    }
    let mut start = base.map_or(shared, |base| common_lines(base, &ours[..shared]));
    let base_rest = base.map_or(&[][..], |base| &base[start..]);
    if base_rest.is_empty() {
        start = shared;
    }
    let mut merge = Merge {
        kind,
        ours: lines(&ours[start..]).map(Line::read).collect(),
        theirs: lines(&theirs[start..]).map(Line::read).collect(),
        removed: Vec::new(),
        base_pairs: Pairs::new(),
    };
    if !base_rest.is_empty() {
        merge.leave_out_what_was_removed(&lines(base_rest).map(Line::read).collect::<Vec<_>>())?;
    }
    let (merged, apart) = merge.run()?;
    let mut content = ours[..start].to_vec();
    merged.iter().for_each(|line| content.extend_from_slice(line.bytes));
    if first_line_stands && lines(&content).next() != lines(ours).next() {
        return Err(Conflict::FirstLine);
    }
    let branch = apart.map(|(loser, leaf)| {
        let side = if loser == Side::Ours { ours } else { theirs };
        let shared = common_lines(&content, side).min(shared);
        Branch {
            loser,
            leaf,
            lines: side[shared..].to_vec(),
            shared,
        }
    });
    Ok(JsonlMerge {
        content,
        branch,
        rewritten: !merge.removed.is_empty(),
    })
}

/// One side as it is.
fn whole(content: &[u8]) -> JsonlMerge {
    JsonlMerge {
        content: content.to_vec(),
        branch: None,
        rewritten: false,
    }
}

/// Two conversations that went on from one line: the loser's side, and the `uuid` of its last line.
type Apart = Option<(Side, String)>;

/// A merge under way: the lines of both sides behind what all share.
struct Merge<'a> {
    kind: FileKind,
    ours: Vec<Line<'a>>,
    theirs: Vec<Line<'a>>,
    /// Lines of one side that the other removed since the base.
    removed: Vec<Line<'a>>,
    /// Places in `ours` and `theirs` of the base's lines that both kept.
    base_pairs: Pairs,
}

impl<'a> Merge<'a> {
    /// Takes out of each side the lines of the base that the other removed.
    fn leave_out_what_was_removed(&mut self, base: &[Line<'a>]) -> Result<(), Conflict> {
        let in_ours = Kept::find(base, &self.ours)?;
        let in_theirs = Kept::find(base, &self.theirs)?;
        let mut drop_ours = vec![false; self.ours.len()];
        let mut drop_theirs = vec![false; self.theirs.len()];
        let mut both = Pairs::new();
        for places in in_ours.places.iter().zip(&in_theirs.places) {
            match places {
                (Some(ours), Some(theirs)) => both.push((*ours, *theirs)),
                (Some(ours), None) => drop_ours[*ours] = true,
                (None, Some(theirs)) => drop_theirs[*theirs] = true,
                (None, None) => {}
            }
        }
        let places_ours = take_out(&mut self.ours, &drop_ours, &mut self.removed);
        let places_theirs = take_out(&mut self.theirs, &drop_theirs, &mut self.removed);
        self.base_pairs = both
            .iter()
            .map(|pair| (places_ours[pair.0], places_theirs[pair.1]))
            .collect();
        self.same_uuid_same_bytes(&align::by_uuid(&self.ours, &self.theirs)?)?;
        // What both removed, they must not have replaced by different lines.
        let mut seen = None;
        for index in 0..base.len() {
            let hunk = (in_ours.around[index], in_theirs.around[index]);
            let removed_by_both = in_ours.places[index].is_none() && in_theirs.places[index].is_none();
            if removed_by_both && seen != Some(hunk) {
                seen = Some(hunk);
                let (ours, theirs) = (in_ours.instead_of(index), in_theirs.instead_of(index));
                if !align::contains_in_order(ours, theirs) && !align::contains_in_order(theirs, ours) {
                    return Err(Conflict::Overlap);
                }
            }
        }
        Ok(())
    }

    /// Refuses a message that has other content on each side.
    fn same_uuid_same_bytes(&self, anchors: &[(usize, usize)]) -> Result<(), Conflict> {
        let paired_ours: HashSet<usize> = anchors.iter().map(|pair| pair.0).collect();
        let paired_theirs: HashSet<usize> = anchors.iter().map(|pair| pair.1).collect();
        let mut own: HashMap<&str, &[u8]> = HashMap::new();
        for (at, line) in self.ours.iter().enumerate() {
            if let Some(uuid) = line.uuid.as_deref().filter(|_| !paired_ours.contains(&at)) {
                own.insert(uuid, line.bytes);
            }
        }
        for (at, line) in self.theirs.iter().enumerate() {
            if let Some(uuid) = line.uuid.as_deref().filter(|_| !paired_theirs.contains(&at))
                && own.get(uuid).is_some_and(|bytes| *bytes != line.bytes)
            {
                return Err(Conflict::SameUuidOtherBytes { uuid: uuid.to_owned() });
            }
        }
        Ok(())
    }

    /// The merged lines, and the conversation that lost, where there are two.
    fn run(&self) -> Result<(Vec<&Line<'a>>, Apart), Conflict> {
        let anchors = align::by_uuid(&self.ours, &self.theirs)?;
        self.same_uuid_same_bytes(&anchors)?;
        let mut merged = Vec::with_capacity(self.ours.len() + self.theirs.len());
        let mut apart = None;
        if align::contains_in_order(&self.ours, &self.theirs) {
            merged.extend(&self.ours);
        } else if align::contains_in_order(&self.theirs, &self.ours) {
            merged.extend(&self.theirs);
        } else {
            let anchors = align::with_pairs(&anchors, &self.base_pairs);
            for gap in align::gaps(&anchors, self.ours.len(), self.theirs.len()) {
                apart = self.fill(&gap, &mut merged);
                merged.extend(gap.anchor.map(|(at, _)| &self.ours[at]));
            }
        }
        self.chain_holds(&merged)?;
        Ok((merged, apart))
    }

    /// Merges what each side has between two anchors.
    fn fill<'m>(&'m self, gap: &Gap, merged: &mut Vec<&'m Line<'a>>) -> Apart {
        let (ours, theirs) = (&self.ours[gap.a.clone()], &self.theirs[gap.b.clone()]);
        if align::contains_in_order(ours, theirs) {
            merged.extend(ours);
            return None;
        }
        if align::contains_in_order(theirs, ours) {
            merged.extend(theirs);
            return None;
        }
        let (loser, winner, losing_side) = if Rank::of(ours) > Rank::of(theirs) {
            (theirs, ours, Side::Theirs)
        } else {
            (ours, theirs, Side::Ours)
        };
        let has_uuids = |lines: &[Line<'_>]| lines.iter().any(|line| line.uuid.is_some());
        if self.kind == FileKind::Transcript && (has_uuids(loser) || has_uuids(winner)) {
            let same = |(a, b): &(&Line<'_>, &Line<'_>)| a.bytes == b.bytes;
            let front = loser.iter().zip(winner).take_while(same).count();
            let (loser, winner) = (&loser[front..], &winner[front..]);
            let back = loser.iter().rev().zip(winner.iter().rev()).take_while(same).count();
            merged.extend(&self.ours[gap.a.start..gap.a.start + front]);
            merged.extend(&loser[..loser.len() - back]);
            merged.extend(winner);
        } else {
            for inner in align::gaps(&align::by_bytes(loser, winner), loser.len(), winner.len()) {
                merged.extend(&loser[inner.a.clone()]);
                merged.extend(&winner[inner.b.clone()]);
                merged.extend(inner.anchor.map(|(at, _)| &loser[at]));
            }
        }
        let is_main = self.kind == FileKind::Transcript && winner.iter().any(|line| line.conversation);
        let leaf = loser.iter().rev().find(|line| is_main && line.conversation)?;
        Some((losing_side, leaf.uuid.as_deref()?.to_owned()))
    }

    /// Refuses to leave out a message that a line of the result follows.
    fn chain_holds(&self, merged: &[&Line<'_>]) -> Result<(), Conflict> {
        let mut gone: HashSet<&str> = self.removed.iter().filter_map(|line| line.uuid.as_deref()).collect();
        if gone.is_empty() {
            return Ok(());
        }
        for line in merged {
            line.uuid.as_deref().map(|uuid| gone.remove(uuid));
        }
        match merged
            .iter()
            .find_map(|line| line.parent.as_deref().filter(|parent| gone.contains(parent)))
        {
            None => Ok(()),
            Some(uuid) => Err(Conflict::BrokenChain { uuid: uuid.to_owned() }),
        }
    }
}

/// Where a side has the lines of the base.
struct Kept<'a> {
    side: Vec<Line<'a>>,
    /// For each line of the base its place in the side.
    places: Vec<Option<usize>>,
    /// For each line of the base, where the side's own lines around that place begin and end.
    around: Vec<(usize, usize)>,
}

impl<'a> Kept<'a> {
    /// Looks for the base's lines in a side.
    fn find(base: &[Line<'a>], side: &[Line<'a>]) -> Result<Self, Conflict> {
        let mut places = vec![None; base.len()];
        for (at, place) in align::versions(base, side)? {
            places[at] = Some(place);
        }
        let mut around = vec![(0, side.len()); base.len()];
        let mut from = 0;
        for (bounds, place) in around.iter_mut().zip(&places) {
            bounds.0 = from;
            from = place.map_or(from, |place| place + 1);
        }
        let mut to = side.len();
        for (bounds, place) in around.iter_mut().zip(&places).rev() {
            bounds.1 = to;
            to = place.unwrap_or(to);
        }
        Ok(Self {
            side: side.to_vec(),
            places,
            around,
        })
    }

    /// What the side has in the place of the base's line `index`, which it does not have.
    fn instead_of(&self, index: usize) -> &[Line<'a>] {
        let (from, to) = self.around[index];
        &self.side[from..to]
    }
}

/// Moves the marked lines to `removed`. Gives each line's new place (of a moved one: the place where it stood).
fn take_out<'a>(side: &mut Vec<Line<'a>>, marked: &[bool], removed: &mut Vec<Line<'a>>) -> Vec<usize> {
    let mut places = Vec::with_capacity(side.len());
    let mut left = Vec::with_capacity(side.len());
    for (line, &marked) in std::mem::take(side).into_iter().zip(marked) {
        places.push(left.len());
        if marked { removed.push(line) } else { left.push(line) }
    }
    *side = left;
    places
}

/// What decides which of two runs goes last: the greater wins. Fields in the order in which they count.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    converses: bool,
    resumable: bool,
    latest: Option<i64>,
    hash: [u8; 32],
}

impl Rank {
    fn of(run: &[Line<'_>]) -> Self {
        let uuids: HashSet<&str> = run.iter().filter_map(|line| line.uuid.as_deref()).collect();
        let mut hasher = blake3::Hasher::new();
        run.iter().for_each(|line| {
            hasher.update(line.bytes);
        });
        Self {
            converses: run.iter().any(|line| line.conversation),
            resumable: run
                .iter()
                .filter_map(|line| line.leaf.as_deref())
                .any(|leaf| uuids.contains(leaf)),
            latest: run.iter().filter_map(|line| line.time).max(),
            hash: hasher.finalize().into(),
        }
    }
}

#[cfg(test)]
mod stories;
#[cfg(test)]
mod tests;
