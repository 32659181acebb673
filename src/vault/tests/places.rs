//! Names and places in the tree, and the one file in clear.

use super::*;
use crate::core::id::{FileId, KeyId, SegmentId, VaultId};

#[test]
fn a_files_place_follows_from_its_id() {
    let file: FileId = "3fa94c51d2e6780b9a1c2d3e4f506172".parse().unwrap();
    let segment = SegmentId([0xab; 16]);
    assert_eq!(
        layout::head_path(file),
        "files/3/f/a/3fa94c51d2e6780b9a1c2d3e4f506172.age"
    );
    assert_eq!(
        layout::segment_folder(file),
        "files/3/f/a/3fa94c51d2e6780b9a1c2d3e4f506172"
    );
    assert_eq!(layout::parse_head_path(&layout::head_path(file)), Some(file));
    assert_eq!(
        layout::parse_segment_path(&layout::segment_path(file, segment)),
        Some((file, segment))
    );
    assert_eq!(
        layout::parse_key_path(&layout::key_path(KeyId([1; 16]))),
        Some(KeyId([1; 16]))
    );
    let dictionary = DictionaryId(0x0102_8003);
    assert_eq!(layout::dictionary_path(dictionary), "dicts/01028003.age");
    assert_eq!(layout::parse_dictionary_path("dicts/01028003.age"), Some(dictionary));
}

#[test]
fn other_places_are_none() {
    let id = "3fa94c51d2e6780b9a1c2d3e4f506172";
    for path in [
        String::new(),
        format!("files/{id}.age"),
        format!("files/0/f/a/{id}.age"),
        format!("files/3/f/a/{id}"),
        format!("files/3/f/a/{id}.age/"),
        format!("Files/3/f/a/{id}.age"),
        format!("files/3/f/a/{}.age", id.to_uppercase()),
        format!("files/3/f/a/{id}/{id}.age"),
        format!("x/files/3/f/a/{id}.age"),
    ] {
        assert_eq!(layout::parse_head_path(&path), None, "{path}");
    }
    assert_eq!(layout::parse_segment_path(&format!("files/3/f/a/{id}.age")), None);
    assert_eq!(layout::parse_key_path(&format!("keys/x/{id}.age")), None);
    assert_eq!(layout::parse_dictionary_path("dicts/+1028003.age"), None);
    assert_eq!(layout::parse_dictionary_path("dicts/ABCDEF00.age"), None);
}

#[test]
fn p16_p17_names_say_nothing_without_the_key() {
    let (one, other) = (vault(), vault());
    assert_eq!(one.file_id(&session()), one.file_id(&session()));
    assert_ne!(one.file_id(&session()), other.file_id(&session()));
    let file = FileId([1; 16]);
    assert_ne!(one.segment_id(file, b"x"), other.segment_id(file, b"x"));
    let hash = |vault: &Vault| vault.hasher(&session()).update(b"x").finalize();
    assert_ne!(hash(&one), hash(&other));
}

#[test]
fn p16_no_blob_and_no_commit_holds_a_readable_name() {
    let vault = vault();
    let content = b"canary-content canary-content canary-content\n";
    let head = head_of(&vault, &session(), content);
    let blobs = [
        vault.seal_head(&head, Some(content)).unwrap().into_bytes(),
        vault.seal_segment(content).unwrap().into_bytes(),
        wrap_for_device(vault.key(), &DeviceIdentity::generate().recipient()).unwrap(),
        vault
            .seal_commit(crate::core::id::Generation(1), crate::core::id::TreeId([0; 20]), &[])
            .into_bytes(),
        vault_json(vault.id()),
    ];
    for blob in blobs {
        for canary in [
            "canary",
            "projects",
            "code-app",
            "laptop",
            "github",
            "age1",
            "AGE-SECRET",
        ] {
            let found = blob.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!found, "{canary}");
        }
    }
}

#[test]
fn a_content_hash_can_be_continued() {
    let vault = vault();
    let mut hasher = vault.hasher(&session());
    hasher.update(b"first\n");
    let first = hasher.finalize();
    hasher.update(b"second\n");
    assert_eq!(first, vault.hasher(&session()).update(b"first\n").finalize());
    assert_eq!(
        hasher.finalize(),
        vault.hasher(&session()).update(b"first\nsecond\n").finalize()
    );
}

#[test]
fn path_and_content_do_not_run_into_each_other() {
    let vault = vault();
    let hash = |path: &str, content: &[u8]| -> ContentHash {
        vault
            .hasher(&LogicalPath::parse(path).unwrap())
            .update(content)
            .finalize()
    };
    assert_ne!(hash("claude/ab", b"c"), hash("claude/a", b"bc"));
}

#[test]
fn p15_a_vault_of_a_later_format_is_refused_with_the_format_that_it_needs() {
    let id = VaultId([0xcd; 16]);
    let hex = "cd".repeat(16);
    assert_eq!(
        vault_json(id),
        format!("{{\"format\":1,\"vault\":\"{hex}\"}}\n").into_bytes()
    );
    assert_eq!(parse_vault_json(&vault_json(id)), Ok(id));
    let error = |text: String| parse_vault_json(text.as_bytes()).unwrap_err();
    assert_eq!(
        error(format!("{{\"format\":2,\"vault\":{{\"id\":\"{hex}\"}}}}")).to_string(),
        "`vault.json` needs vault format 2, which this version of csync does not know"
    );
    let needs = error(format!("{{\"format\":1,\"needs\":[\"deltas\"],\"vault\":\"{hex}\"}}"));
    assert!(matches!(needs, VaultError::UnknownFormat { .. }));
    for damaged in [
        "",
        "{}",
        "[]",
        "{\"format\":1}",
        "{\"format\":\"1\",\"vault\":\"x\"}",
        "{\"format\":1,\"vault\":\"x\"}",
    ] {
        assert!(
            matches!(error(damaged.to_owned()), VaultError::Damaged { .. }),
            "{damaged}"
        );
    }
    assert!(matches!(error(" ".repeat(5000)), VaultError::TooLarge { .. }));
}

#[test]
fn a_key_is_only_for_its_own_vault() {
    let (ours, theirs) = (vault(), vault());
    assert_eq!(ours.accept(&vault_json(ours.id())), Ok(()));
    assert_eq!(ours.accept(&vault_json(theirs.id())), Err(VaultError::OtherVault));
}
