//! A disk that is full, read-only or not ours: one clear error, nothing half done, and the next run goes on.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::error::Kind;
use crate::local::Operation;

/// Refuses one operation, each time, with one error.
struct Refuse(Operation, io::ErrorKind);

impl Faults for Refuse {
    fn before(&self, operation: Operation, _: &Path) -> io::Result<()> {
        if operation == self.0 {
            return Err(self.1.into());
        }
        Ok(())
    }
}

/// Ana has sent three files that bob lacks.
fn three_to_come() -> Two {
    let two = Two::joined();
    for name in ["CLAUDE.md", "skills/one/SKILL.md", "skills/two/SKILL.md"] {
        two.ana.write(name, format!("{name}\n").repeat(100));
    }
    two.ana.sync();
    two
}

#[test]
fn p05_a_full_or_read_only_disk_is_one_error_and_nothing_is_half_written() {
    let cases = [
        (
            Operation::Write,
            io::ErrorKind::StorageFull,
            "no space is left on the disk",
        ),
        (
            Operation::Sync,
            io::ErrorKind::StorageFull,
            "no space is left on the disk",
        ),
        (Operation::Write, io::ErrorKind::QuotaExceeded, "quota"),
        (
            Operation::CreateTemporary,
            io::ErrorKind::ReadOnlyFilesystem,
            "the file system is read-only",
        ),
    ];
    for (operation, kind, told) in cases {
        let two = three_to_come();
        let error = two
            .bob
            .sync_with(Some(Arc::new(Refuse(operation, kind))), None)
            .unwrap_err();
        assert_eq!(error.kind(), Kind::General, "{told}: {error}");
        assert!(error.to_string().contains(told), "{told}: {error}");
        assert!(error.hint_text().is_some(), "{told}: {error}");
        assert!(two.bob.files().is_empty(), "{told}: {:?}", two.bob.files().keys());
        two.bob.sync();
        assert_eq!(two.bob.files(), two.ana.files(), "{told}");
    }
}

#[test]
fn a_folder_that_may_not_be_written_to_is_told_for_each_file_and_the_others_arrive() {
    /// Refuses to make files in one folder.
    struct NotOurs;

    impl Faults for NotOurs {
        fn before(&self, operation: Operation, path: &Path) -> io::Result<()> {
            if operation == Operation::CreateTemporary && path.to_string_lossy().contains("skills/one") {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            Ok(())
        }
    }
    let two = three_to_come();
    let report = two.bob.sync_with(Some(Arc::new(NotOurs)), None).unwrap();
    assert_eq!(report.outcome(false), Some(Kind::Partial));
    let [trouble] = report.troubles.as_slice() else {
        panic!("{:?}", report.troubles)
    };
    assert!(
        trouble.error.to_string().contains("permission denied"),
        "{}",
        trouble.error
    );
    assert!(trouble.error.hint_text().is_some());
    assert_eq!(two.bob.files().len(), 2);
    two.bob.sync();
    assert_eq!(two.bob.files(), two.ana.files());
}
