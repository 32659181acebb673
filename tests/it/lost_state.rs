//! Whatever csync keeps on a machine can be lost: all of it is derived, but for the identity, which the passphrase replaces.

use crate::machines::{TwoMachines, files_below};

/// Both machines have a session; then ana works on, and has not synced yet.
fn at_work() -> TwoMachines {
    let two = TwoMachines::joined();
    two.ana.write("CLAUDE.md", "Be kind.\n");
    two.ana.write("skills/one/SKILL.md", "Count.\n");
    two.sync_all();
    two.ana.write("CLAUDE.md", "Be kind. Always.\n");
    two.bob.write("skills/two/SKILL.md", "Measure.\n");
    two.bob.sync();
    two
}

fn nothing_is_lost(two: &TwoMachines) {
    two.sync_all();
    assert_eq!(two.bob.text("CLAUDE.md"), "Be kind. Always.\n");
    assert_eq!(two.ana.text("skills/two/SKILL.md"), "Measure.\n");
    assert_eq!(files_below(&two.ana.claude()), files_below(&two.bob.claude()));
}

#[test]
fn a_lost_index_is_made_anew() {
    let two = at_work();
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", two.ana.index().display()));
    }
    nothing_is_lost(&two);
}

#[test]
fn a_lost_mirror_says_what_to_do_and_is_fetched_anew() {
    let two = at_work();
    std::fs::remove_dir_all(two.ana.mirror()).unwrap();
    let run = two.ana.csync(&["sync"]).fails(10);
    assert!(run.stderr.contains("run `csync init` again"), "{}", run.stderr);
    two.ana.csync(&["init", two.remote(), "--device", "ana's laptop"]).ok();
    // Without a base, two versions of a text are a conflict: a person decides, and neither is overwritten.
    two.ana.csync(&["sync"]).fails(13);
    assert_eq!(two.ana.text("CLAUDE.md"), "Be kind. Always.\n");
    two.ana.csync(&["conflicts", "--keep", "local"]).ok();
    nothing_is_lost(&two);
}

#[test]
fn who_lost_the_identity_joins_again_with_the_passphrase() {
    let mut two = TwoMachines::apart();
    two.ana.set("CSYNC_PASSPHRASE", "four random words here");
    two.ana.csync(&["init", two.remote(), "--device", "ana"]).ok();
    two.ana.write("CLAUDE.md", "Be kind.\n");
    two.ana.sync();
    std::fs::remove_file(two.ana.identity()).unwrap();
    let run = two.ana.csync(&["sync"]).fails(12);
    assert!(run.stderr.contains("run `csync init` again"), "{}", run.stderr);

    two.ana.csync(&["init", two.remote(), "--device", "ana again"]).ok();

    two.ana.write("CLAUDE.md", "Be kind. Always.\n");
    two.ana.csync(&["sync"]).fails(13);
    two.ana.csync(&["conflicts", "--keep", "local"]).ok();
    two.ana.sync();
    assert_eq!(two.ana.text("CLAUDE.md"), "Be kind. Always.\n");
    assert_eq!(two.ana.csync(&["status", "--exit-code"]).code, 0);
}

#[test]
fn a_machine_with_everything_is_not_initialised_twice() {
    let two = at_work();
    let run = two.ana.csync(&["init", two.remote()]).fails(2);
    assert!(run.stderr.contains("already part of the vault"), "{}", run.stderr);
}
