use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::*;

/// Where the second process finds the folder whose lock it shall hold.
const DIR: &str = "CSYNC_TEST_LOCK_DIR";

/// Not a story of its own: what the second process of the others runs. Alone, it has nothing to do.
#[test]
fn second_process() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let _lock = Lock::acquire(Path::new(&dir), Duration::ZERO, "csync push").unwrap();
    std::io::stderr().write_all(b"\nheld\n").unwrap();
    // Until the other side closes our standard input, or kills us.
    let _ = std::io::stdin().read(&mut [0]);
}

fn spawn_holder(dir: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "state::lock::tests::second_process", "--nocapture"])
        .env(DIR, dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.as_mut().unwrap()).lines();
    assert!(
        lines.map_while(Result::ok).any(|line| line == "held"),
        "the second process took no lock"
    );
    child
}

#[test]
fn p32_a_second_process_is_named_and_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = spawn_holder(dir.path());
    let error = Lock::acquire(dir.path(), Duration::from_millis(1), "csync pull").unwrap_err();
    let StateError::Locked { holder: Some(holder) } = &error else {
        panic!("{error:?}")
    };
    assert_eq!((holder.pid, holder.command.as_str()), (child.id(), "csync push"));
    let error = crate::Error::from(error);
    assert_eq!(error.kind(), crate::Kind::Locked);
    assert!(error.to_string().contains("`csync push`, process "), "{error}");

    drop(child.stdin.take()); // it ends in its own time
    Lock::acquire(dir.path(), Duration::from_secs(60), "csync pull").unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn p32_a_killed_holder_is_never_in_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = spawn_holder(dir.path());
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    let text = std::fs::read_to_string(dir.path().join(Lock::FILE_NAME)).unwrap();
    assert!(text.contains("csync push"), "the dead holder's words are still there");
    Lock::acquire(dir.path(), Duration::ZERO, "csync pull").unwrap();
}

#[test]
fn a_lock_is_free_again_when_it_is_dropped_and_torn_words_do_not_matter() {
    let dir = tempfile::tempdir().unwrap();
    let lock = Lock::acquire(dir.path(), Duration::ZERO, "one").unwrap();
    std::fs::write(dir.path().join(Lock::FILE_NAME), "{\"pid\":").unwrap();
    let error = Lock::acquire(dir.path(), Duration::ZERO, "two").unwrap_err();
    assert!(matches!(error, StateError::Locked { holder: None }));
    drop(lock);
    Lock::acquire(dir.path(), Duration::ZERO, "two").unwrap();
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let error = Lock::acquire(Path::new("/proc/self/csync"), Duration::ZERO, "one").unwrap_err();
    assert!(error.to_string().contains("/proc/self/csync"), "{error}");
    assert!(
        crate::Error::from(error)
            .hint_text()
            .unwrap()
            .contains("CSYNC_STATE_DIR")
    );
}
