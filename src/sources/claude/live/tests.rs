use std::path::PathBuf;

use super::*;

const ID: &str = "0b8e7a52-9d3c-4f10-8a6e-1c2d3e4f5a6b";

fn root_with(entries: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("sessions")).unwrap();
    for (name, content) in entries {
        fs::write(folder.path().join("sessions").join(name), content).unwrap();
    }
    let root = folder.path().to_owned();
    (folder, root)
}

fn entry(started: &str) -> String {
    format!(
        "{{\"pid\":10,\"sessionId\":\"{ID}\",\"cwd\":\"/home/ana\",\"procStart\":\"{started}\",\"status\":\"idle\"}}"
    )
}

fn live(root: &Path, process: Process) -> Vec<String> {
    live_sessions_among(root, &|_| process.clone(), SystemTime::now())
}

#[test]
fn a_session_is_live_while_the_process_that_began_it_runs() {
    let (_folder, root) = root_with(&[("10.json", &entry("777"))]);
    assert_eq!(live(&root, Process::Started("777".to_owned())), [ID]);
    assert!(
        live(&root, Process::Started("778".to_owned())).is_empty(),
        "another process has its number"
    );
    assert!(live(&root, Process::Gone).is_empty());
    assert_eq!(live(&root, Process::Running), [ID]);
    assert_eq!(live(&root, Process::Unknown), [ID]);
}

#[test]
fn where_nothing_can_be_asked_an_old_entry_is_not_believed() {
    let (_folder, root) = root_with(&[("10.json", &entry("777"))]);
    let later = SystemTime::now() + BELIEVED + Duration::from_secs(60);
    assert!(live_sessions_among(&root, &|_| Process::Unknown, later).is_empty());
    assert_eq!(live_sessions_among(&root, &|_| Process::Running, later), [ID]);
}

#[test]
fn the_number_may_be_a_number() {
    let (_folder, root) = root_with(&[("10.json", &format!("{{\"sessionId\":\"{ID}\",\"procStart\":777}}"))]);
    assert_eq!(live(&root, Process::Started("777".to_owned())), [ID]);
    assert!(live(&root, Process::Started("1".to_owned())).is_empty());
}

#[test]
fn an_entry_that_is_being_written_counts_at_every_cut() {
    let whole = entry("777");
    let known = whole.find("\",\"cwd\"").expect("it is there");
    for end in known..=whole.len() {
        let (_folder, root) = root_with(&[("10.json", &whole[..end])]);
        assert_eq!(live(&root, Process::Started("777".to_owned())), [ID], "cut at {end}");
    }
    // Written over a longer one, and not yet cut.
    let (_folder, root) = root_with(&[("10.json", &format!("{whole}dle\",\"x\":1}}"))]);
    assert_eq!(live(&root, Process::Started("777".to_owned())), [ID]);
    assert!(live(&root, Process::Started("5".to_owned())).is_empty());
}

#[test]
fn other_files_are_passed_over() {
    let (_folder, root) = root_with(&[
        ("10.json", ""),
        ("11.json", "null"),
        ("12.json", "{\"sessionId\":\"../../x\"}"),
        ("x.json", &entry("777")),
        ("10.abc.key", &entry("777")),
    ]);
    fs::create_dir(root.join("sessions/13.json")).unwrap();
    assert!(live(&root, Process::Running).is_empty());
    assert!(live(&root.join("nothing"), Process::Running).is_empty());
}

#[test]
fn a_programs_name_does_not_shift_the_fields() {
    let fields: String = (4..=60).map(|field| format!(" {field}")).collect();
    for name in ["claude", "a b", "a) R 1 (b", ") ) )"] {
        let stat = format!("10 ({name}) S{fields}\n");
        assert_eq!(start_time(stat.as_bytes()).as_deref(), Some("22"), "{name}");
    }
    assert_eq!(start_time(b"10 (x) S 1 2"), None);
    assert_eq!(start_time(b""), None);
}

#[cfg(target_os = "linux")]
#[test]
fn this_process_is_live_and_says_so() {
    let own = std::process::id();
    let Process::Started(started) = process(own) else {
        panic!("this process runs");
    };
    let (_folder, root) = root_with(&[
        (&format!("{own}.json"), &entry(&started)),
        ("4294967294.json", &entry("1")),
    ]);
    assert_eq!(live_sessions(&root), [ID]);
}
