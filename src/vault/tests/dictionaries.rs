//! Dictionaries: nothing writes frames with them yet, but every reader of format 1 takes them.

use super::*;

/// A dictionary of boilerplate, as `zstd --train` makes them.
fn trained() -> Vec<u8> {
    let samples: Vec<Vec<u8>> = (0..2000).map(boilerplate).collect();
    zstd::dict::from_samples(&samples, 8 << 10).unwrap()
}

fn boilerplate(n: u32) -> Vec<u8> {
    format!(
        "{{\"uuid\":\"{n:08x}\",\"tools\":[\"Read\",\"Write\",\"Bash\"],\"instructions\":\"be {} and careful\"}}\n",
        n % 7
    )
    .into_bytes()
}

/// The id and the plaintext frame of `content` compressed with `dictionary` as the vault named it.
fn with_dictionary(vault: &Vault, id: DictionaryId, dictionary: &[u8], content: &[u8]) -> Vec<u8> {
    let mut named = dictionary.to_vec();
    named[4..8].copy_from_slice(&id.0.to_le_bytes());
    let frame = zstd::bulk::Compressor::with_dictionary(3, &named)
        .unwrap()
        .compress(content)
        .unwrap();
    as_outsider(vault, &frame)
}

#[test]
fn a_segment_made_with_a_dictionary_opens_where_it_is_known() {
    let vault = vault();
    let file = vault.file_id(&session());
    let trained = trained();
    let (id, sealed) = vault.seal_dictionary(&trained).unwrap();
    assert!((0x8000..0x8000_0000).contains(&id.0));
    let content = boilerplate(77);
    let segment = SegmentRef {
        id: vault.segment_id(file, &content),
        size: content.len() as u64,
    };
    let blob = with_dictionary(&vault, id, &trained, &content);
    assert_eq!(
        vault.open_segment(file, &segment, &blob),
        Err(VaultError::MissingDictionary { id })
    );
    let knowing = vault.with_dictionaries([vault.open_dictionary(id, sealed.bytes()).unwrap()]);
    assert_eq!(knowing.open_segment(file, &segment, &blob), Ok(content));
    // What was made without one still opens.
    let plain = vault.seal_segment(b"plain").unwrap();
    let segment = SegmentRef {
        id: vault.segment_id(file, b"plain"),
        size: 5,
    };
    assert_eq!(
        knowing.open_segment(file, &segment, plain.bytes()),
        Ok(b"plain".to_vec())
    );
}

#[test]
fn a_head_made_with_a_dictionary_opens_where_it_is_known() {
    let vault = vault();
    let file = vault.file_id(&session());
    let trained = trained();
    let (id, sealed) = vault.seal_dictionary(&trained).unwrap();
    let content = boilerplate(78);
    let head = Head {
        dictionary: Some(id),
        ..head_of(&vault, &session(), &content)
    };
    let line = vault.head_place(&file).write_line(&head).unwrap();
    let frame = plaintext(&vault, &with_dictionary(&vault, id, &trained, &content));
    let blob = as_outsider(&vault, &[line, frame].concat());
    assert_eq!(vault.open_head(file, &blob), Err(VaultError::MissingDictionary { id }));
    let knowing = vault.with_dictionaries([vault.open_dictionary(id, sealed.bytes()).unwrap()]);
    assert_eq!(
        knowing.open_head(file, &blob),
        Ok(OpenHead {
            head,
            inline: Some(content)
        })
    );
}

#[test]
fn a_dictionary_in_another_place_or_by_an_outsider_is_refused() {
    let (ours, theirs) = (vault(), vault());
    let trained = trained();
    let (id, sealed) = ours.seal_dictionary(&trained).unwrap();
    let other = DictionaryId(id.0 ^ 0x10);
    assert!(matches!(
        ours.open_dictionary(other, sealed.bytes()),
        Err(VaultError::Forged { .. })
    ));
    let (their_id, theirs_sealed) = theirs.seal_dictionary(&trained).unwrap();
    assert_ne!(id, their_id);
    let forged = as_outsider(&ours, &plaintext(&theirs, theirs_sealed.bytes()));
    assert!(matches!(
        ours.open_dictionary(their_id, &forged),
        Err(VaultError::Forged { .. })
    ));
    // The sealed line, but other content behind it.
    let ours_plain = plaintext(&ours, sealed.bytes());
    let line = ours_plain.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    let mut changed = trained.clone();
    changed[4..8].copy_from_slice(&id.0.to_le_bytes());
    let last = changed.len() - 1;
    changed[last] ^= 1;
    let spliced = [&ours_plain[..line], &zstd::bulk::compress(&changed, 3).unwrap()].concat();
    let spliced = as_outsider(&ours, &spliced);
    assert!(matches!(
        ours.open_dictionary(id, &spliced),
        Err(VaultError::Forged { .. })
    ));
}

#[test]
fn only_real_dictionaries_of_a_sane_size_are_sealed() {
    let vault = vault();
    let great = [&trained()[..], &vec![b'x'; limits::DICTIONARY]].concat();
    for bad in [&b""[..], b"some text that is no dictionary", &great] {
        assert!(vault.seal_dictionary(bad).is_err());
    }
}
