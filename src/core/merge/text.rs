//! Merging texts that people edit: three-way by line, over bytes.

use similar::TextMerge;

use super::{Conflict, Sides};

/// Merges two versions of a text by line. Line ends (LF, CRLF), a missing last newline and bytes that are not UTF-8 are
/// kept as they are. Without a base, equal texts agree and a text that the other one continues gives way to it.
///
/// # Errors
/// [`Conflict::Overlap`] where both changed the same lines or lines that touch, [`Conflict::NoBase`],
/// [`Conflict::NotText`] for a version that holds a NUL.
pub fn text(sides: Sides<'_>) -> Result<Vec<u8>, Conflict> {
    let Sides { base, ours, theirs } = sides;
    if let Some(content) = sides.trivial() {
        return Ok(content.to_vec());
    }
    if [ours, theirs, base.unwrap_or_default()]
        .iter()
        .any(|side| side.contains(&0))
    {
        return Err(Conflict::NotText);
    }
    let Some(base) = base else {
        return if continues(theirs, ours) {
            Ok(theirs.to_vec())
        } else if continues(ours, theirs) {
            Ok(ours.to_vec())
        } else {
            Err(Conflict::NoBase)
        };
    };
    let merge = TextMerge::configure().merge_lines(base, ours, theirs);
    if merge.is_conflicted() {
        return Err(Conflict::Overlap);
    }
    let mut merged = Vec::with_capacity(ours.len().max(theirs.len()));
    merge.to_writer(&mut merged).expect("a Vec takes everything");
    Ok(merged)
}

/// Whether `long` is `short` and further whole lines.
fn continues(long: &[u8], short: &[u8]) -> bool {
    long.strip_prefix(short).is_some_and(|rest| {
        short.is_empty() || short.ends_with(b"\n") || rest.starts_with(b"\n") || rest.starts_with(b"\r\n")
    })
}

#[cfg(test)]
mod tests;
