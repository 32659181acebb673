//! The vault's promises, told as stories of one vault and of those who try to cheat it.

mod adversary;
mod dictionaries;
mod keys;
mod places;
mod round_trips;
mod specification;

use crate::core::device::DeviceName;
use crate::core::id::ContentHash;
use crate::core::kind::{FileKind, Retention};
use crate::core::origin::{Origin, Project};
use crate::core::path::LogicalPath;
use crate::core::stat::Timestamp;

use super::*;

/// A new vault.
fn vault() -> Vault {
    Vault::new(VaultKey::generate())
}

/// The path of a session.
fn session() -> LogicalPath {
    LogicalPath::parse("claude/projects/~-code-app/0b8e.jsonl").unwrap()
}

/// A head for `content` at `path`, inline.
fn head_of(vault: &Vault, path: &LogicalPath, content: &[u8]) -> Head {
    Head {
        path: path.clone(),
        kind: FileKind::Transcript,
        retention: Retention::Evict,
        mode: 0o600,
        modified: Timestamp(1_763_000_000_123_456_789),
        size: content.len() as u64,
        hash: vault.hasher(path).update(content).finalize(),
        segments: Vec::new(),
        dictionary: None,
        origin: Origin {
            device: DeviceName::try_from("laptop".to_owned()).unwrap(),
            project: Some(Project {
                home_relative: Some("code/app".into()),
                git_remote: Some("github.com/ana/app".into()),
                subfolder: String::new(),
            }),
        },
    }
}

/// A head for `content` at `path`, in the segments that it is cut into, and their ciphertexts.
fn in_segments(vault: &Vault, path: &LogicalPath, content: &[u8]) -> (Head, Vec<Vec<u8>>) {
    let file = vault.file_id(path);
    let mut head = head_of(vault, path, content);
    let mut sealed = Vec::new();
    let mut rest = content;
    while !rest.is_empty() {
        let (segment, after) = rest.split_at(segments::cut(rest, true).clamp(1, rest.len()));
        head.segments.push(SegmentRef {
            id: vault.segment_id(file, segment),
            size: segment.len() as u64,
        });
        sealed.push(vault.seal_segment(segment).unwrap().into_bytes());
        rest = after;
    }
    (head, sealed)
}

/// The plaintext of a blob of `vault`.
fn plaintext(vault: &Vault, blob: &[u8]) -> Vec<u8> {
    vault.key().open(blob, u64::MAX, Thing::Note).unwrap()
}

/// What someone who knows the vault's recipient, and no more, can make of a plaintext.
fn as_outsider(vault: &Vault, plaintext: &[u8]) -> Vec<u8> {
    vault.key().seal(plaintext, Thing::Note).unwrap()
}
