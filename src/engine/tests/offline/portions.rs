//! Pushes that are cut into portions, and the states of the vault in between.

use super::*;

/// Bytes that do not compress, as lines.
fn noise(seed: u64, bytes: usize) -> String {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut text = String::with_capacity(bytes + 200);
    let mut number = 0;
    while text.len() < bytes {
        let mut filling = String::new();
        for _ in 0..64 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            filling.push_str(&format!("{state:016x}"));
        }
        text.push_str(&format!(
            "{{\"type\":\"user\",\"uuid\":\"{seed}-{number}\",\"filling\":\"{filling}\"}}\n"
        ));
        number += 1;
    }
    text
}

#[test]
fn a_push_carries_no_more_than_its_limit() {
    const LIMIT: u64 = 1 << 20;
    let two = two_in_sync();
    // Larger than a push, and many that are together.
    let large = noise(1, 9 << 20);
    two.ana.write(&session(10), &large);
    for number in 11..20 {
        two.ana.write(&session(number), noise(number as u64, 400_000));
    }
    let tip = pointer(&two.ana, Pointer::Tip).unwrap();
    let context = two.ana.context();
    let options = || SyncOptions {
        largest_push: LIMIT,
        ..Home::options()
    };
    let run = |reach| {
        let mut open = OpenVault::open(&context, "test").unwrap();
        let mut remote = Away::of(&two, reach);
        let report = super::sync_with(&context, &mut open, &mut remote, &options()).unwrap();
        (report, remote.pushes)
    };
    // Once sealed while offline, so that what waits is pushed in portions as well.
    assert_eq!(run(Reach::None).0.pending, 10);
    two.keep();
    let (report, pushes) = run(Reach::Whole);
    assert_eq!(pushes.len(), report.commits as usize);
    assert!(pushes.len() > 5, "{} pushes", pushes.len());

    let mirror = Mirror::open(&context.paths.mirror()).unwrap();
    let mut before = tip;
    for push in &pushes {
        let weight = mirror.weight(*push, before).unwrap();
        // A piece and the trees on top.
        assert!(weight < LIMIT + (3 << 19), "{weight} bytes");
        before = *push;
    }
    drop(mirror);
    two.bob.sync();
    assert_eq!(two.bob.files(), two.ana.files());

    // Each state in between is a vault that another machine can work with.
    for number in [0, pushes.len() / 2, pushes.len() - 2] {
        two.go_back();
        let open = OpenVault::open(&context, "test").unwrap();
        let mut remote = Away::of(&two, Reach::Whole);
        for push in &pushes[..=number] {
            let seen = open.seen().unwrap();
            assert_eq!(remote.push(&open.mirror, Some(seen), *push).unwrap(), Push::Accepted);
            open.mirror.set(Pointer::Tip, Some(seen), *push).unwrap();
        }
        drop(open);
        let received = two.bob.sync();
        assert!(received.count(Action::Created) < 10);
        two.bob.append(&session(1), &line("b1", "s1", 4));
        assert_eq!(two.bob.sync().commits, 1);
        // And the rest goes on top of what the other one did; segments that are there already are not sent again.
        let (report, sent) = run(Reach::Whole);
        assert_eq!((report.races, report.pending), (0, 0));
        assert!(
            sent.len() <= pushes.len() - number,
            "{} of {} pushes after {number}",
            sent.len(),
            pushes.len()
        );
        two.bob.sync();
        assert_eq!(two.bob.files(), two.ana.files());
    }
}

#[test]
fn folders_stay_small_in_a_vault_of_many_files() {
    const FILES: u32 = 200_000;
    let mut folders: BTreeMap<String, usize> = BTreeMap::new();
    for number in 0..FILES {
        // Ids are keyed hashes, as good as this one.
        let id = blake3::hash(&number.to_le_bytes());
        let id = crate::core::id::FileId(id.as_bytes()[..16].try_into().unwrap());
        let path = crate::vault::layout::head_path(id);
        let (folder, _) = path.rsplit_once('/').unwrap();
        // A head, and a folder of segments.
        *folders.entry(folder.to_owned()).or_default() += 2;
    }
    let most = *folders.values().max().unwrap();
    assert!(folders.len() <= 4096 && most < 300, "{most} entries in one folder");
    assert!(u64::from(FILES) * 2 / 4096 < 3000);
}
