//! The examples of `docs/format.md` are what this code computes.

use secrecy::{ExposeSecret, SecretSlice};

use super::*;
use crate::core::id::{CommitId, Generation, TreeId};

const SPECIFICATION: &str = include_str!("../../../docs/format.md");

/// The key file that the specification shows. Its secrets are public.
const KEY_FILE: &str = "\
# csync vault key, format 1
# vault: 000102030405060708090a0b0c0d0e0f
# name key: 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
# seal key: 202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f
# epoch 1
AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33
";

/// Asserts that the specification shows `example`, line by line, whatever its indentation.
fn shown(example: &str) {
    let lines: Vec<&str> = SPECIFICATION.lines().map(str::trim).collect();
    let wanted: Vec<&str> = example.lines().map(str::trim).collect();
    assert!(
        lines.windows(wanted.len()).any(|window| window == wanted),
        "docs/format.md does not show:\n{example}"
    );
}

fn specified() -> Vault {
    Vault::new(VaultKey::parse_file(&SecretSlice::from(KEY_FILE.as_bytes().to_vec())).unwrap())
}

#[test]
fn the_key_file_and_the_description_are_as_shown() {
    shown(KEY_FILE);
    let vault = specified();
    shown(std::str::from_utf8(&vault_json(vault.id())).unwrap());
    assert_eq!(vault.key().to_file().expose_secret(), KEY_FILE.as_bytes());
}

#[test]
fn ids_hashes_and_places_are_as_shown() {
    let vault = specified();
    let path = LogicalPath::parse("claude/CLAUDE.md").unwrap();
    let file = vault.file_id(&path);
    shown(&format!("file id      = {file}"));
    shown(&format!(
        "content hash = {}",
        vault.hasher(&path).update(b"Be kind.\n").finalize()
    ));
    let segment = vault.segment_id(file, b"Be kind.\n");
    shown(&format!("segment id   = {segment}"));
    shown(&layout::head_path(file));
    shown(&layout::segment_path(file, segment));
}

#[test]
fn the_head_is_as_shown() {
    let vault = specified();
    let path = LogicalPath::parse("claude/CLAUDE.md").unwrap();
    let content = b"Be kind.\n";
    let head = Head {
        kind: FileKind::Text,
        retention: Retention::Propagate,
        mode: 0o644,
        origin: Origin {
            project: None,
            ..head_of(&vault, &path, content).origin
        },
        ..head_of(&vault, &path, content)
    };
    let blob = vault.seal_head(&head, Some(content)).unwrap();
    let plaintext = plaintext(&vault, blob.bytes());
    let line = plaintext.split(|&byte| byte == b'\n').next().unwrap();
    shown(std::str::from_utf8(line).unwrap());
}

#[test]
fn the_commit_is_as_shown() {
    let vault = specified();
    let message = vault.seal_commit(Generation(2), TreeId([0x11; 20]), &[CommitId([0x22; 20])]);
    shown(&message);
}

#[test]
fn the_padding_is_as_shown() {
    for length in [100, 500, 513, 1_000_000] {
        let mut plaintext = vec![0; length];
        padding::pad(&mut plaintext);
        let frame = plaintext.len() - length;
        let told = if frame == 0 {
            "none".to_owned()
        } else {
            frame.to_string()
        };
        shown(&format!("| {length} | {} | {told} |", plaintext.len()));
    }
}
