//! Editing JSON in place: what does not change keeps its format, its order and its comments.

use jsonc_parser::cst::{CstArray, CstInputValue, CstNode, CstObject, CstRootNode};

use super::value::{Json, get, options, text};
use crate::core::merge::Conflict;

/// `content`, which says `now`, edited so that it says `wanted`. New keys and elements go last.
///
/// # Errors
/// [`Conflict::NotJson`] where it cannot be read.
pub(super) fn apply(content: &[u8], now: &Json, wanted: &Json) -> Result<Vec<u8>, Conflict> {
    let root = CstRootNode::parse(text(content)?, &options()).map_err(|_| Conflict::NotJson)?;
    match (root.value(), now, wanted) {
        (Some(CstNode::Container(container)), Json::Object(now), Json::Object(wanted)) => {
            edit_object(&container.as_object().ok_or(Conflict::NotJson)?, now, wanted);
        }
        (Some(CstNode::Container(container)), Json::Array(now), Json::Array(wanted)) => {
            edit_array(&container.as_array().ok_or(Conflict::NotJson)?, now, wanted);
        }
        _ => root.set_value(input(wanted)),
    }
    Ok(root.to_string().into_bytes())
}

/// The document without these top-level keys; none where it is not a JSON object. A key that stands twice goes twice.
pub(super) fn without(content: &[u8], keys: &[&str]) -> Option<Vec<u8>> {
    let root = CstRootNode::parse(text(content).ok()?, &options()).ok()?;
    let object = root.object_value()?;
    let named: Vec<_> = object
        .properties()
        .into_iter()
        .filter(|property| {
            property
                .decoded_name()
                .is_some_and(|name| keys.contains(&name.as_str()))
        })
        .collect();
    if named.is_empty() {
        return Some(content.to_vec());
    }
    for property in named {
        property.remove();
    }
    Some(root.to_string().into_bytes())
}

fn edit_object(object: &CstObject, now: &[(String, Json)], wanted: &[(String, Json)]) {
    for property in object.properties() {
        let Some(name) = property.decoded_name() else { continue };
        match (get(now, &name), get(wanted, &name)) {
            (_, None) => property.remove(),
            (Some(now), Some(wanted)) if now == wanted => {}
            (Some(Json::Object(now)), Some(Json::Object(wanted))) if property.object_value().is_some() => {
                let inner = property.object_value().expect("just seen");
                edit_object(&inner, now, wanted);
            }
            (Some(Json::Array(now)), Some(Json::Array(wanted))) if property.array_value().is_some() => {
                let inner = property.array_value().expect("just seen");
                edit_array(&inner, now, wanted);
            }
            (_, Some(wanted)) => property.set_value(input(wanted)),
        }
    }
    for (name, value) in wanted.iter().filter(|(name, _)| get(now, name).is_none()) {
        object.append(name, input(value));
    }
}

/// Removes and appends elements, where that is enough; else writes the whole list anew.
fn edit_array(array: &CstArray, now: &[Json], wanted: &[Json]) {
    let mut kept = 0;
    let keep: Vec<bool> = now
        .iter()
        .map(|value| {
            let keep = wanted.get(kept) == Some(value);
            kept += usize::from(keep);
            keep
        })
        .collect();
    for (element, keep) in array.elements().into_iter().zip(keep) {
        if !keep {
            element.remove();
        }
    }
    for value in &wanted[kept..] {
        array.append(input(value));
    }
}

/// A value in the form that the parser's editor takes.
fn input(value: &Json) -> CstInputValue {
    match value {
        Json::Null => CstInputValue::Null,
        Json::Bool(value) => CstInputValue::Bool(*value),
        Json::Number(number) => CstInputValue::Number(number.clone()),
        Json::String(text) => CstInputValue::String(text.clone()),
        Json::Array(elements) => CstInputValue::Array(elements.iter().map(input).collect()),
        Json::Object(entries) => {
            CstInputValue::Object(entries.iter().map(|(key, value)| (key.clone(), input(value))).collect())
        }
    }
}
