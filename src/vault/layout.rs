//! Where things stand in the vault's tree.

use super::dictionary::DictionaryId;
use crate::core::id::{FileId, KeyId, SegmentId};

/// The vault's description.
pub const VAULT_JSON: &str = "vault.json";
/// The list of who holds the vault key.
pub const MEMBERS: &str = "members.age";
/// The commit's note.
pub const NOTE: &str = "note.age";
/// The folder of the wraps of the vault key.
pub const KEYS: &str = "keys";
/// The folder of dictionaries.
pub const DICTIONARIES: &str = "dicts";
/// The folder of heads and segments.
pub const FILES: &str = "files";

const EXTENSION: &str = ".age";

/// Three levels of sixteen folders keep each tree small: one of 256 entries takes 8 KB that does not compress, anew at each push.
fn file_stem(file: FileId) -> String {
    let id = file.to_string();
    format!("{FILES}/{}/{}/{}/{id}", &id[..1], &id[1..2], &id[2..3])
}

/// The path of a file's head, `files/a/b/c/<id>.age`.
#[must_use]
pub fn head_path(file: FileId) -> String {
    file_stem(file) + EXTENSION
}

/// The path of the folder of a file's segments, `files/a/b/c/<id>`.
#[must_use]
pub fn segment_folder(file: FileId) -> String {
    file_stem(file)
}

/// The path of a segment, `files/a/b/c/<id>/<segment>.age`.
#[must_use]
pub fn segment_path(file: FileId, segment: SegmentId) -> String {
    format!("{}/{segment}{EXTENSION}", file_stem(file))
}

/// The file that `path` is the head of; `None` for every other path.
#[must_use]
pub fn parse_head_path(path: &str) -> Option<FileId> {
    let (_, name) = path.rsplit_once('/')?;
    let file = name.strip_suffix(EXTENSION)?.parse().ok()?;
    (head_path(file) == path).then_some(file)
}

/// The file and segment that `path` is the segment of; `None` for every other path.
#[must_use]
pub fn parse_segment_path(path: &str) -> Option<(FileId, SegmentId)> {
    let (folder, name) = path.rsplit_once('/')?;
    let (_, file) = folder.rsplit_once('/')?;
    let ids = (file.parse().ok()?, name.strip_suffix(EXTENSION)?.parse().ok()?);
    (segment_path(ids.0, ids.1) == path).then_some(ids)
}

/// The path of a wrap of the vault key, `keys/<id>.age`.
#[must_use]
pub fn key_path(key: KeyId) -> String {
    format!("{KEYS}/{key}{EXTENSION}")
}

/// The wrap that `path` is; `None` for every other path.
#[must_use]
pub fn parse_key_path(path: &str) -> Option<KeyId> {
    path.strip_prefix(KEYS)?
        .strip_prefix('/')?
        .strip_suffix(EXTENSION)?
        .parse()
        .ok()
}

/// The path of a dictionary, `dicts/<id>.age`.
#[must_use]
pub fn dictionary_path(dictionary: DictionaryId) -> String {
    format!("{DICTIONARIES}/{dictionary}{EXTENSION}")
}

/// The dictionary that `path` is; `None` for every other path.
#[must_use]
pub fn parse_dictionary_path(path: &str) -> Option<DictionaryId> {
    let name = path.strip_prefix(DICTIONARIES)?.strip_prefix('/')?;
    name.strip_suffix(EXTENSION)?.parse().ok()
}
