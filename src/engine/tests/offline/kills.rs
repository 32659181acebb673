//! Kills and damage while something waits: between any two pointers, at any operation, in any object.

use super::*;
use crate::local::Operation;

#[test]
fn what_waits_and_is_damaged_is_sealed_anew() {
    let two = two_in_sync();
    let mirror = two.ana.context().paths.mirror();
    two.ana.append(&session(1), &line("a1", "s1", 1));
    two.ana.write(&session(2), line("n1", "", 1));
    let written = two.ana.files();
    two.keep();
    for object in 0..9 {
        two.go_back();
        let known = objects(&mirror);
        sync_away(&two, &two.ana, Reach::None);
        let new: Vec<_> = objects(&mirror)
            .into_iter()
            .filter(|object| !known.contains(object))
            .collect();
        let Some(lost) = new.get(object) else {
            assert!(object > 4, "only {object} objects");
            return;
        };
        std::fs::remove_file(lost).unwrap();
        let (_, pushes) = sync_counted(&two, &two.ana);
        assert!(!pushes.is_empty(), "object {object}");
        assert_eq!(two.ana.files(), written, "object {object}");
        two.bob.sync();
        assert_eq!(two.bob.files(), two.ana.files(), "object {object}");
        assert_eq!(sync_counted(&two, &two.ana).1, []);
    }
}

#[test]
fn p02_a_head_that_waits_and_is_damaged_costs_nothing_of_its_file() {
    let cases = [1, 2].map(|number| [false, true].map(|other| [false, true].map(|gone| (number, other, gone))));
    for (number, another_was_first, is_gone) in cases.into_iter().flatten().flatten() {
        let told = format!("session {number}, another first: {another_was_first}, gone: {is_gone}");
        let two = two_in_sync();
        two.ana.append(&session(1), &line("a1", "s1", 1));
        two.ana.write(&session(2), line("n1", "", 1));
        let written = two.ana.files();
        sync_away(&two, &two.ana, Reach::None);
        let head = head_of(&two.ana, &session(number));
        std::fs::remove_file(&head).unwrap();
        if !is_gone {
            let other = head_of(&two.ana, &session(3 - number));
            std::fs::copy(other, &head).unwrap();
        }
        if another_was_first {
            two.bob.write("CLAUDE.md", "# bob\n");
            two.bob.sync();
        }
        two.ana.sync_with(None, None).unwrap();
        for number in [1, 2] {
            let here = two.ana.files().remove(&session(number));
            assert_eq!(here.as_ref(), written.get(&session(number)), "{told}");
        }
        two.bob.sync();
        assert_eq!(two.bob.files(), two.ana.files(), "{told}");
        assert_eq!(sync_counted(&two, &two.ana).1, []);
    }
}

#[test]
fn p02_what_was_swept_outlives_damage_beside_it() {
    let two = two_in_sync();
    for number in [2, 3] {
        two.ana.write(&session(number), line(&format!("n{number}"), "", 1));
    }
    sync_away(&two, &two.ana, Reach::None);
    for number in [2, 3] {
        std::fs::remove_file(two.ana.claude().join(session(number))).unwrap();
    }
    std::fs::remove_file(head_of(&two.ana, &session(3))).unwrap();

    let report = two.ana.sync_with(None, None).unwrap();
    assert_eq!(
        report.count(Action::CameBack) + report.count(Action::Added),
        1,
        "{:?}",
        report.items
    );
    let told: Vec<_> = report
        .troubles
        .iter()
        .map(|trouble| trouble.error.to_string())
        .collect();
    assert!(told.len() == 1 && told[0].contains("00000003"), "{told:?}");
    two.bob.sync();
    assert_eq!(two.bob.files()[&session(2)], line("n2", "", 1).into_bytes());
    assert_eq!(two.ana.sync().items.len(), 0);
}

#[test]
fn a_disk_that_fails_costs_no_base() {
    let two = two_in_sync();
    two.ana.append(&session(1), &line("a1", "s1", 1));
    sync_away(&two, &two.ana, Reach::None);
    std::fs::remove_file(head_of(&two.ana, &session(1))).unwrap();
    // A folder in the place of a lock file: the pointer cannot be removed.
    let lock = two.ana.context().paths.mirror().join("refs/csync/outgoing.lock");
    std::fs::create_dir(&lock).unwrap();
    let base = pointer(&two.ana, Pointer::Base);
    assert!(base.is_some());
    assert_ne!(two.ana.sync_with(None, None).unwrap_err().kind(), Kind::Damaged);
    assert!(pointer(&two.ana, Pointer::Base).is_some());
    std::fs::remove_dir(lock).unwrap();
    std::fs::remove_file(two.ana.claude().join("agents/old.md")).unwrap();

    two.ana.sync();
    two.bob.sync();
    assert_eq!(two.bob.files(), two.ana.files());
    assert!(
        !two.bob.files().contains_key("agents/old.md"),
        "it was deleted, and did not come back"
    );
}

/// The loose object of the newest head of a file.
fn head_of(home: &Home, relative: &str) -> PathBuf {
    let context = home.context();
    let open = OpenVault::open(&context, "test").unwrap();
    let path = crate::core::path::LogicalPath::new("claude", relative).unwrap();
    let id = open.vault.file_id(&path);
    let (_, tree) = open.tip().unwrap();
    let Some(crate::mirror::Entry::Blob(blob)) = open.mirror.entry(tree, &crate::vault::layout::head_path(id)).unwrap()
    else {
        panic!("{relative} is not in the vault");
    };
    let name: String = blob.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    open.mirror.folder().join("objects").join(&name[..2]).join(&name[2..])
}

/// The loose objects of a repository, and its packs.
fn objects(repository: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in std::fs::read_dir(repository.join("objects")).unwrap() {
        for entry in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            found.push(entry.unwrap().path());
        }
    }
    found.sort();
    found
}

#[test]
fn p05_a_kill_between_any_two_pointers_is_mended() {
    /// What of a machine's pointers is as it was before the run.
    fn set(home: &Home, pointer: Pointer, commit: Option<CommitId>) {
        let mirror = Mirror::open(&home.context().paths.mirror()).unwrap();
        match commit {
            Some(commit) => mirror.set(pointer, mirror.get(pointer).unwrap(), commit).unwrap(),
            None => mirror.clear(pointer).unwrap(),
        }
    }
    // A copy of the mirror that was made while a run went on: what waited is upon a tip of long ago.
    let two = two_in_sync();
    two.ana.append(&session(1), &line("a1", "s1", 1));
    sync_away(&two, &two.ana, Reach::None);
    let stale = pointer(&two.ana, Pointer::Outgoing);
    two.bob.write(&session(7), line("m1", "", 1));
    two.bob.sync();
    two.ana.sync();
    set(&two.ana, Pointer::Outgoing, stale);
    two.ana.append(&session(1), &line("a2", "a1", 2));
    sync_counted(&two, &two.ana);
    assert_eq!(pointer(&two.ana, Pointer::Outgoing), None);
    two.bob.sync();
    assert_eq!(two.bob.files(), two.ana.files());

    for edit_after in [false, true] {
        let two = two_in_sync();
        let old_base = pointer(&two.ana, Pointer::Base);
        two.ana.write("CLAUDE.md", "# two\n");
        two.ana.append(&session(1), &line("a1", "s1", 1));
        sync_away(&two, &two.ana, Reach::None);
        let sealed = pointer(&two.ana, Pointer::Outgoing).unwrap();
        two.keep();

        // 2: nothing names the commit. 3: the base has not taken it up.
        for (outgoing, pushes) in [(None, 1), (Some(sealed), 1)] {
            two.go_back();
            set(&two.ana, Pointer::Outgoing, outgoing);
            set(&two.ana, Pointer::Base, old_base);
            if edit_after {
                two.ana.write("CLAUDE.md", "# three\n");
            }
            let (report, sent) = sync_counted(&two, &two.ana);
            assert_eq!((sent.len(), report.count(Action::Conflict)), (pushes, 0));
            two.bob.sync();
            assert_eq!(two.bob.files(), two.ana.files());
            assert_eq!(sync_counted(&two, &two.ana).1, []);
        }

        // 6: pushed, and the tip has not moved. 7: it has, and the commit still waits.
        for moved in [false, true] {
            two.go_back();
            let mut remote = Away::of(&two, Reach::NoAnswer);
            two.ana.sync_with(None, Some(&mut remote)).unwrap();
            assert_eq!(remote.pushes, [sealed]);
            if moved {
                set(&two.ana, Pointer::Tip, Some(sealed));
            }
            if edit_after {
                two.ana.write("CLAUDE.md", "# three\n");
            }
            let (report, sent) = sync_counted(&two, &two.ana);
            assert_eq!(
                (sent.len(), report.count(Action::Conflict)),
                (usize::from(edit_after), 0)
            );
            assert_eq!(pointer(&two.ana, Pointer::Outgoing), None);
            two.bob.sync();
            assert_eq!(two.bob.files(), two.ana.files());
        }

        // Another was first: the base has given back what the commit holds, and the commit still waits.
        two.go_back();
        two.bob.write(&session(7), line("m1", "", 1));
        two.bob.sync();
        set(&two.ana, Pointer::Base, old_base);
        if edit_after {
            two.ana.write("CLAUDE.md", "# three\n");
        }
        let (report, sent) = sync_counted(&two, &two.ana);
        assert_eq!((sent.len(), report.count(Action::Conflict)), (1, 0));
        two.bob.sync();
        assert_eq!(two.bob.files(), two.ana.files());
    }
}

/// Fails the operation with the given number.
struct FailAt {
    at: usize,
    count: std::sync::atomic::AtomicUsize,
}

impl Faults for FailAt {
    fn before(&self, _: Operation, _: &Path) -> std::io::Result<()> {
        let number = self.count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        if number == self.at {
            return Err(std::io::ErrorKind::Other.into());
        }
        Ok(())
    }
}

#[test]
fn p05_bringing_back_what_was_swept_may_fail_at_any_operation() {
    let two = swept_while_another_was_first();
    two.keep();
    for at in 0.. {
        two.go_back();
        let faults = Arc::new(FailAt { at, count: 0.into() });
        let _ = two.ana.sync_with(Some(faults.clone()), None);
        if faults.count.load(std::sync::atomic::Ordering::SeqCst) <= at {
            assert!(at > 10, "only {at} operations");
            return;
        }
        two.ana.sync_with(None, None).unwrap();
        two.bob.sync();
        let first = String::from_utf8(two.bob.files()[&session(1)].clone()).unwrap();
        assert_eq!(
            first,
            line("s1", "", 0) + &line("a1", "s1", 1),
            "after operation {at} failed"
        );
        assert_eq!(
            two.bob.files()[&session(2)],
            line("n1", "", 1).into_bytes(),
            "after operation {at} failed"
        );
    }
}
