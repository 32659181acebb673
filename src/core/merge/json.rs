//! Merging settings: three-way by key, in the order and format of our side.
//!
//! What the merge comes to is decided over plain values ([`value`]); our text is then edited until it says just that
//! ([`edit`]), and read again to be sure that it does.

mod edit;
mod value;

use std::collections::HashSet;

use super::{Conflict, Sides};
use value::Json;

/// Merges two versions of a JSON document by key. Objects merge key by key at every depth. Of an array that both changed,
/// and that holds only texts, numbers and the like, the additions and removals of both count (`permissions.allow`).
/// Without a base every key is an addition. Comments and commas at the end of a list are kept.
///
/// # Errors
/// [`Conflict::SameKey`] where both changed one value in different ways or one removed what the other changed,
/// [`Conflict::NotJson`] for a version that cannot be read.
pub fn json(sides: Sides<'_>) -> Result<Vec<u8>, Conflict> {
    if let Some(content) = sides.trivial() {
        return Ok(content.to_vec());
    }
    let blank = |side: &[u8]| side.trim_ascii().is_empty();
    if sides.base.is_none_or(blank) && blank(sides.ours) {
        return Ok(sides.theirs.to_vec());
    }
    if sides.base.is_none_or(blank) && blank(sides.theirs) {
        return Ok(sides.ours.to_vec());
    }
    let base = match sides.base {
        Some(base) if !blank(base) => Some(Json::read(base)?),
        _ => None,
    };
    let ours = Json::read(sides.ours)?;
    let theirs = Json::read(sides.theirs)?;
    let merged = merge(base.as_ref(), Some(&ours), Some(&theirs), &mut Vec::new())?.ok_or(Conflict::NotJson)?;
    if merged == ours {
        return Ok(sides.ours.to_vec());
    }
    let text = edit::apply(sides.ours, &ours, &merged)?;
    if Json::read(&text)? == merged {
        Ok(text)
    } else {
        Err(Conflict::NotJson)
    }
}

/// Whether two documents say the same: equal bytes, or JSON that differs in spaces, comments and the order of keys only.
#[must_use]
pub fn json_same(a: &[u8], b: &[u8]) -> bool {
    a == b || matches!((Json::read(a), Json::read(b)), (Ok(a), Ok(b)) if a == b)
}

/// The document without these top-level keys, its format kept; none where it is not a JSON object.
#[must_use]
pub fn json_without(content: &[u8], keys: &[&str]) -> Option<Vec<u8>> {
    edit::without(content, keys)
}

/// The merged value; none where it is removed. `path` leads to it, for the name in a conflict.
fn merge(
    base: Option<&Json>,
    ours: Option<&Json>,
    theirs: Option<&Json>,
    path: &mut Vec<String>,
) -> Result<Option<Json>, Conflict> {
    if ours == theirs || base == theirs {
        return Ok(ours.cloned());
    }
    if base == ours {
        return Ok(theirs.cloned());
    }
    match (ours, theirs) {
        (Some(Json::Object(ours)), Some(Json::Object(theirs))) => {
            let base = base.and_then(Json::as_object).unwrap_or(&[]);
            let mut merged = Vec::new();
            let added = theirs.iter().filter(|(key, _)| value::get(ours, key).is_none());
            for (key, _) in ours.iter().chain(added) {
                path.push(key.clone());
                let value = merge(
                    value::get(base, key),
                    value::get(ours, key),
                    value::get(theirs, key),
                    path,
                )?;
                path.pop();
                merged.extend(value.map(|value| (key.clone(), value)));
            }
            Ok(Some(Json::Object(merged)))
        }
        (Some(Json::Array(ours)), Some(Json::Array(theirs))) => {
            let base = match base {
                None => &[][..],
                Some(Json::Array(base)) => base,
                Some(_) => return Err(same_key(path)),
            };
            if [base, ours, theirs].into_iter().flatten().all(Json::is_scalar) {
                Ok(Some(Json::Array(merge_set(base, ours, theirs))))
            } else {
                Err(same_key(path))
            }
        }
        _ => Err(same_key(path)),
    }
}

/// The additions and removals of both sides, in the order of ours, what theirs added last.
fn merge_set(base: &[Json], ours: &[Json], theirs: &[Json]) -> Vec<Json> {
    let names = |list: &[Json]| list.iter().map(Json::name).collect::<HashSet<_>>();
    let (in_base, in_ours, in_theirs) = (names(base), names(ours), names(theirs));
    let kept = ours
        .iter()
        .filter(|value| in_theirs.contains(&value.name()) || !in_base.contains(&value.name()));
    let added = theirs
        .iter()
        .filter(|value| !in_base.contains(&value.name()) && !in_ours.contains(&value.name()));
    kept.chain(added).cloned().collect()
}

fn same_key(path: &[String]) -> Conflict {
    if path.is_empty() {
        Conflict::Overlap
    } else {
        Conflict::SameKey { key: path.join(".") }
    }
}

#[cfg(test)]
mod tests;
