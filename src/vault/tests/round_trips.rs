//! What goes in comes out, whatever it is.

use proptest::prelude::*;

use super::*;
use crate::core::id::KeyId;

#[test]
fn a_small_file_sits_in_its_head() {
    let vault = vault();
    let content = b"{\"type\":\"user\"}\r\nno newline at the end \0 \xff";
    let head = head_of(&vault, &session(), content);
    let sealed = vault.seal_head(&head, Some(content)).unwrap();
    let opened = vault.open_head(vault.file_id(&session()), sealed.bytes()).unwrap();
    assert_eq!(
        opened,
        OpenHead {
            head,
            inline: Some(content.to_vec())
        }
    );
}

#[test]
fn an_empty_file_is_a_file() {
    let vault = vault();
    let head = head_of(&vault, &session(), b"");
    let sealed = vault.seal_head(&head, Some(b"")).unwrap();
    let opened = vault.open_head(vault.file_id(&session()), sealed.bytes()).unwrap();
    assert_eq!(opened.inline, Some(Vec::new()));
}

#[test]
fn a_great_file_comes_back_from_its_segments() {
    let vault = vault();
    let file = vault.file_id(&session());
    let content: Vec<u8> = (0_u64..60_000)
        .flat_map(|n| format!("{{\"line\":{n},\"text\":\"{}\"}}\n", n * n).into_bytes())
        .collect();
    let (head, blobs) = in_segments(&vault, &session(), &content);
    assert!(head.segments.len() > 1);
    let opened = vault
        .open_head(file, vault.seal_head(&head, None).unwrap().bytes())
        .unwrap();
    assert_eq!(
        opened,
        OpenHead {
            head: head.clone(),
            inline: None
        }
    );
    let mut back = Vec::new();
    for (segment, blob) in opened.head.segments.iter().zip(&blobs) {
        let piece = vault.open_segment(file, segment, blob).unwrap();
        assert!(piece.ends_with(b"\n"));
        back.extend(piece);
    }
    assert!(back == content);
    assert_eq!(
        head.verify(file, vault.hasher(&session()).update(&back).finalize()),
        Ok(())
    );
}

#[test]
fn the_metadata_line_is_compact_json_that_jq_reads() {
    let vault = vault();
    let (head, _) = in_segments(&vault, &session(), b"x\n");
    let blob = vault.seal_head(&head, None).unwrap();
    let plaintext = plaintext(&vault, blob.bytes());
    let line = plaintext.split(|&byte| byte == b'\n').next().unwrap();
    let json: serde_json::Value = serde_json::from_slice(line).unwrap();
    assert_eq!(json["path"], "claude/projects/~-code-app/0b8e.jsonl");
    assert_eq!(
        json["segments"],
        serde_json::json!([[head.segments[0].id.to_string(), 2]])
    );
    assert_eq!(json["seal"].as_str().unwrap().len(), 64);
    assert!(!line.contains(&b' '), "the line is compact");
}

#[test]
fn notes_and_members_come_back() {
    let vault = vault();
    let note = Note {
        device: DeviceName::try_from("büro".to_owned()).unwrap(),
        time: "2026-11-21T10:00:00Z".into(),
        operation: "push".into(),
        added: 1,
        changed: 2,
        deleted: 3,
    };
    assert_eq!(vault.open_note(vault.seal_note(&note).unwrap().bytes()), Ok(note));
    let members = [
        Member {
            key: KeyId([1; 16]),
            name: "laptop".into(),
            kind: MemberKind::Device,
            recipient: Some("age1…".into()),
            added: "2026-11-21T10:00:00Z".into(),
            by: "laptop".into(),
        },
        Member {
            key: KeyId([2; 16]),
            name: "passphrase".into(),
            kind: MemberKind::Passphrase,
            recipient: None,
            added: "2026-11-21T10:00:00Z".into(),
            by: "laptop".into(),
        },
    ];
    assert_eq!(
        vault.open_members(vault.seal_members(&members).unwrap().bytes()),
        Ok(members.to_vec())
    );
    assert_eq!(
        vault.open_members(vault.seal_members(&[]).unwrap().bytes()),
        Ok(Vec::new())
    );
}

#[test]
fn what_could_not_be_opened_again_is_not_sealed() {
    let vault = vault();
    let good = head_of(&vault, &session(), b"content");
    let unsealable = |head: &Head, inline: Option<&[u8]>| {
        matches!(
            vault.seal_head(head, inline),
            Err(VaultError::Unsealable { .. } | VaultError::TooLarge { .. })
        )
    };
    assert!(unsealable(&good, None));
    assert!(unsealable(&good, Some(b"other")));
    assert!(unsealable(&good, Some(b"CONTENT")));
    assert!(unsealable(
        &Head {
            mode: 0o100_644,
            ..good.clone()
        },
        Some(b"content")
    ));
    let (segmented, _) = in_segments(&vault, &session(), b"content");
    assert!(unsealable(&segmented, Some(b"content")));
    assert!(unsealable(
        &Head {
            size: 8,
            ..segmented.clone()
        },
        None
    ));
    let empty = SegmentRef {
        size: 0,
        ..segmented.segments[0]
    };
    assert!(unsealable(
        &Head {
            segments: vec![segmented.segments[0], empty],
            ..segmented.clone()
        },
        None
    ));
    let many = vec![SegmentRef { size: 1, ..empty }; limits::SEGMENTS + 1];
    assert!(unsealable(
        &Head {
            size: many.len() as u64,
            segments: many,
            ..segmented
        },
        None
    ));
    assert!(vault.seal_segment(b"").is_err());
    assert!(vault.seal_segment(&vec![0; segments::MAX_SEGMENT + 1]).is_err());
}

#[test]
fn as_many_segments_as_are_allowed_fit_into_a_head() {
    let vault = vault();
    let (one, _) = in_segments(&vault, &session(), b"x");
    let segments: Vec<_> = (0..limits::SEGMENTS as u64)
        .map(|n| {
            let mut segment = SegmentRef {
                size: segments::MAX_SEGMENT as u64,
                ..one.segments[0]
            };
            segment.id.0[..8].copy_from_slice(&n.to_le_bytes());
            segment
        })
        .collect();
    let size = segments.iter().map(|segment| segment.size).sum();
    let head = Head { segments, size, ..one };
    let sealed = vault.seal_head(&head, None).unwrap();
    assert!(sealed.bytes().len() as u64 <= limits::HEAD_BLOB);
    assert_eq!(
        vault.open_head(vault.file_id(&session()), sealed.bytes()).unwrap().head,
        head
    );
}

#[test]
fn what_does_not_compress_stays_within_the_limits_of_its_blob() {
    let vault = vault();
    let mut noise = vec![0; segments::MAX_SEGMENT];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    let segment = vault.seal_segment(&noise).unwrap();
    assert!(segment.bytes().len() as u64 <= limits::SEGMENT_BLOB);
    let head = head_of(&vault, &session(), &noise);
    let head = vault.seal_head(&head, Some(&noise)).unwrap();
    assert!(head.bytes().len() as u64 <= limits::HEAD_BLOB);
    assert_eq!(
        vault.open_head(vault.file_id(&session()), head.bytes()).unwrap().inline,
        Some(noise)
    );
}

#[test]
fn one_vault_seals_on_many_threads() {
    let vault = vault();
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let vault = vault.clone();
            scope.spawn(move || {
                for n in 0..20_u8 {
                    let content = vec![thread ^ n; 10_000 + usize::from(n)];
                    let file = vault.file_id(&session());
                    let segment = SegmentRef {
                        id: vault.segment_id(file, &content),
                        size: content.len() as u64,
                    };
                    let sealed = vault.seal_segment(&content).unwrap();
                    assert!(vault.open_segment(file, &segment, sealed.bytes()).unwrap() == content);
                }
            });
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn p01_any_content_comes_back_inline_and_in_segments(content in proptest::collection::vec(any::<u8>(), 1..5000)) {
        let vault = vault();
        let file = vault.file_id(&session());
        let head = head_of(&vault, &session(), &content);
        let sealed = vault.seal_head(&head, Some(&content)).unwrap();
        prop_assert_eq!(vault.open_head(file, sealed.bytes()).unwrap().inline.unwrap(), content.clone());
        let (head, blobs) = in_segments(&vault, &session(), &content);
        prop_assert_eq!(vault.open_segment(file, &head.segments[0], &blobs[0]).unwrap(), content);
    }

    #[test]
    fn p17_every_plaintext_has_the_size_of_a_padme_class(content in proptest::collection::vec(any::<u8>(), 1..9000)) {
        let vault = vault();
        let head = head_of(&vault, &session(), &content);
        for blob in [
            vault.seal_head(&head, Some(&content)).unwrap().into_bytes(),
            vault.seal_head(&in_segments(&vault, &session(), &content).0, None).unwrap().into_bytes(),
            vault.seal_segment(&content).unwrap().into_bytes(),
        ] {
            prop_assert!(padding::is_class(plaintext(&vault, &blob).len()));
        }
    }
}
