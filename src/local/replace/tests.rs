use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::local::Faults;
use crate::local::names::is_temporary_name;

/// A root in a folder of its own, beside a folder that nothing may touch.
struct Home {
    _folder: tempfile::TempDir,
    inside: PathBuf,
    outside: PathBuf,
}

fn home() -> Home {
    let folder = tempfile::tempdir().unwrap();
    let (inside, outside) = (folder.path().join("root"), folder.path().join("outside"));
    fs::create_dir(&inside).unwrap();
    fs::create_dir(&outside).unwrap();
    Home {
        _folder: folder,
        inside,
        outside,
    }
}

impl Home {
    fn root(&self) -> Root {
        Root::open(&self.inside).unwrap()
    }

    fn root_with(&self, faults: impl Faults + 'static) -> Root {
        self.root().with_faults(Arc::new(faults))
    }

    fn write(&self, relative: &str, content: &str) {
        let path = self.inside.join(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn read(&self, relative: &str) -> String {
        fs::read_to_string(self.inside.join(relative)).unwrap()
    }

    /// The temporary files anywhere in the root.
    fn leftovers(&self) -> Vec<PathBuf> {
        let walk = ignore::WalkBuilder::new(&self.inside).standard_filters(false).build();
        walk.map(|entry| entry.unwrap().into_path())
            .filter(|path| is_temporary_name(&path.file_name().unwrap().to_string_lossy()))
            .collect()
    }
}

fn fill(content: &str) -> impl FnMut(&mut dyn Write) -> Result<(), Error> {
    let content = content.to_owned();
    move |writer| {
        content
            .as_bytes()
            .chunks(50_000)
            .try_for_each(|chunk| writer.write_all(chunk))
            .map_err(|error| Error::new(crate::Kind::General, "the writer failed").caused_by(error))
    }
}

fn put(root: &Root, relative: &str, content: &str) -> Result<Written, Error> {
    let expected = match root.stat(relative)? {
        None => Expected::Absent,
        Some(stat) => Expected::File(stat),
    };
    root.replace(relative, &expected, 0o600, None, &mut fill(content))
}

/// Does something at the instant before an operation.
struct At<F>(Operation, F);

impl<F: Fn(&Path) -> io::Result<()> + Send + Sync> Faults for At<F> {
    fn before(&self, operation: Operation, path: &Path) -> io::Result<()> {
        if operation == self.0 { (self.1)(path) } else { Ok(()) }
    }
}

/// Fails the n-th operation, and counts them.
#[derive(Clone, Default)]
struct FailNth {
    nth: usize,
    count: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<Operation>>>,
}

impl Faults for FailNth {
    fn before(&self, operation: Operation, _: &Path) -> io::Result<()> {
        self.seen.lock().unwrap().push(operation);
        if self.count.fetch_add(1, Ordering::SeqCst) == self.nth {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

#[test]
fn a_file_is_made_and_replaced_with_its_mode_and_time() {
    let home = home();
    let root = home.root();
    let time = Timestamp(1_600_000_000_123_456_789);
    let made = root.replace(
        "projects/a/b.jsonl",
        &Expected::Absent,
        0o4755,
        Some(time),
        &mut fill("one\n"),
    );
    let Written::Done(stat) = made.unwrap() else {
        panic!("nothing was in the way")
    };
    assert_eq!((stat.mode, stat.modified, stat.size), (0o755, time, 4));
    assert_eq!(
        root.stat("projects/a/b.jsonl").unwrap(),
        Some(stat),
        "the stat is that of the file as it stands"
    );
    let folder = fs::metadata(home.inside.join("projects/a")).unwrap();
    assert_eq!(folder.permissions().mode() & 0o777, 0o700);

    let again = root.replace(
        "projects/a/b.jsonl",
        &Expected::File(stat),
        0o600,
        None,
        &mut fill("one\ntwo\n"),
    );
    assert!(matches!(again, Ok(Written::Done(new)) if new.inode != stat.inode && new.mode == 0o600));
    assert_eq!(home.read("projects/a/b.jsonl"), "one\ntwo\n");
    assert!(home.leftovers().is_empty());
}

#[test]
fn times_before_1970_are_kept() {
    let home = home();
    let time = Timestamp(-1_500_000_000);
    let made = home
        .root()
        .replace("old", &Expected::Absent, 0o600, Some(time), &mut fill("x"));
    assert!(matches!(made, Ok(Written::Done(stat)) if stat.modified == time));
}

#[test]
fn what_is_not_expected_any_more_is_not_touched() {
    let home = home();
    let root = home.root();
    home.write("a", "old");
    let stat = root.stat("a").unwrap().unwrap();
    home.write("a", "grown by its agent");
    let replaced = |expected| root.replace("a", &expected, 0o600, None, &mut fill("new")).unwrap();
    assert_eq!(replaced(Expected::File(stat)), Written::Moved);
    assert_eq!(replaced(Expected::Absent), Written::Moved);
    assert_eq!(root.remove("a", stat).unwrap(), Written::Moved);
    assert_eq!(home.read("a"), "grown by its agent");
    let absent = root
        .replace("none/b", &Expected::File(stat), 0o600, None, &mut fill("new"))
        .unwrap();
    assert_eq!(absent, Written::Moved);
    assert!(!home.inside.join("none").exists());
}

#[test]
fn p07_a_change_while_the_new_file_is_written_is_seen() {
    let home = home();
    home.write("a", "old");
    let root = home.root_with(At(Operation::Sync, |path: &Path| fs::write(path, "edited")));
    assert_eq!(put(&root, "a", "new").unwrap(), Written::Moved);
    assert_eq!(home.read("a"), "edited");

    // The same by a rename, which leaves the file that was read as it is.
    let root = home.root_with(At(Operation::Sync, |path: &Path| {
        let own = path.with_file_name("own");
        fs::write(&own, "renamed")?;
        fs::rename(own, path)
    }));
    assert_eq!(put(&root, "a", "new").unwrap(), Written::Moved);
    assert_eq!(home.read("a"), "renamed");

    // The same for a file that should be new, at the last instant.
    let root = home.root_with(At(Operation::Rename, |path: &Path| fs::write(path, "first")));
    assert_eq!(put(&root, "b", "new").unwrap(), Written::Moved);
    assert_eq!(home.read("b"), "first");
    assert!(home.leftovers().is_empty());
}

#[test]
fn p07_lines_appended_between_the_look_and_the_rename_are_kept() {
    let home = home();
    home.write("a", "one\n");
    let root = home.root_with(At(Operation::Rename, |path: &Path| {
        OpenOptions::new().append(true).open(path)?.write_all(b"late\n")
    }));
    let Written::Done(stat) = put(&root, "a", "one\nremote\n").unwrap() else {
        panic!("an append does not stop a replacement")
    };
    assert_eq!(home.read("a"), "one\nremote\nlate\n");
    assert_ne!(
        root.stat("a").unwrap(),
        Some(stat),
        "the next scan must look at the file again"
    );
    assert_eq!(stat.size, "one\nremote\n".len() as u64);
}

#[test]
fn p07_lines_written_long_after_the_rename_are_kept_by_settling() {
    let home = home();
    home.write("a", "one\n");
    let root = home.root();
    let mut agent = OpenOptions::new().append(true).open(home.inside.join("a")).unwrap();
    put(&root, "a", "one\nremote\n").unwrap();
    put(&root, "a", "one\nremote\nmore\n").unwrap();
    agent.write_all(b"late\n").unwrap();
    assert_eq!(root.settle().changed, ["a"]);
    assert_eq!(home.read("a"), "one\nremote\nmore\nlate\n");
    assert!(root.settle().changed.is_empty());
    assert_eq!(home.read("a"), "one\nremote\nmore\nlate\n");
}

#[test]
fn p07_a_file_rewritten_in_place_at_the_last_instant_is_put_back() {
    let home = home();
    home.write("settings.json", r#"{"a":1}"#);
    let root = home.root_with(At(Operation::Rename, |path: &Path| {
        fs::write(path, r#"{"mine":"quite another"}"#)
    }));
    assert_eq!(put(&root, "settings.json", r#"{"a":2}"#).unwrap(), Written::Moved);
    assert_eq!(home.read("settings.json"), r#"{"mine":"quite another"}"#);
    assert!(home.leftovers().is_empty());
}

#[test]
fn p07_a_file_rewritten_in_place_long_after_is_saved_beside() {
    let home = home();
    home.write("settings.json", r#"{"a":1}"#);
    let root = home.root();
    let agent = OpenOptions::new()
        .write(true)
        .open(home.inside.join("settings.json"))
        .unwrap();
    put(&root, "settings.json", r#"{"a":2}"#).unwrap();
    agent.set_len(0).unwrap();
    (&agent).write_all(br#"{"mine":"quite another"}"#).unwrap();
    let time = Timestamp(1_763_633_700_000_000_000);
    agent
        .set_times(fs::FileTimes::new().set_modified(system_time(time)))
        .unwrap();
    assert_eq!(root.settle().changed, ["settings.json"]);
    assert_eq!(home.read("settings.json"), r#"{"a":2}"#);
    assert_eq!(
        home.read("settings.json.conflict.20251120-101500"),
        r#"{"mine":"quite another"}"#
    );
}

/// The writer opens by path, writes one line and closes, as Claude Code does, each time let go at the instant of a rename;
/// the replacing side reads, adds a line of its own, and replaces.
#[test]
fn p07_every_line_of_a_concurrent_writer_is_in_the_final_file() {
    const ROUNDS: usize = 50;
    let home = home();
    home.write("a.jsonl", "first\n");
    let (tickets, waiting) = std::sync::mpsc::channel();
    let tickets = Mutex::new(tickets);
    let root = home.root_with(At(Operation::Rename, move |_: &Path| {
        tickets.lock().unwrap().send(()).unwrap();
        Ok(())
    }));
    let (written, replaced) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let path = home.inside.join("a.jsonl");
            let mut lines = 0;
            for () in waiting {
                let mut file = OpenOptions::new().append(true).open(&path).unwrap();
                std::thread::yield_now();
                file.write_all(format!("local {lines}\n").as_bytes()).unwrap();
                lines += 1;
            }
            lines
        });
        let mut replaced = 0;
        for round in 0..ROUNDS {
            let open = root.reader("a.jsonl").unwrap();
            let mut content = String::new();
            open.file.take(open.stat.size).read_to_string(&mut content).unwrap();
            content.push_str(&format!("remote {round}\n"));
            let expected = Expected::File(open.stat);
            match root
                .replace("a.jsonl", &expected, 0o600, None, &mut fill(&content))
                .unwrap()
            {
                Written::Done(_) => replaced += 1,
                Written::Moved => {}
            }
        }
        let root = root.with_faults(Arc::new(crate::local::NoFaults)); // ends the writer
        let written = writer.join().unwrap();
        assert!(root.settle().problems.is_empty());
        (written, replaced)
    });
    assert!(replaced > 0 && written > 0, "nothing was tested");
    let content = home.read("a.jsonl");
    let count = |line: &str| content.lines().filter(|other| *other == line).count();
    for line in 0..written {
        assert_eq!(
            count(&format!("local {line}")),
            1,
            "line {line} of {written}, {replaced} replacements"
        );
    }
    assert_eq!(
        content.lines().filter(|line| line.starts_with("remote ")).count(),
        replaced
    );
}

#[test]
fn p05_a_fault_at_any_operation_leaves_the_file_wholly_old_or_wholly_new() {
    for is_new in [false, true] {
        let mut operations = None;
        for nth in 0.. {
            let home = home();
            if !is_new {
                home.write("deep/er/a.jsonl", "old\n");
            }
            let faults = FailNth {
                nth,
                ..FailNth::default()
            };
            let root = home.root_with(faults.clone());
            let long = "new\n".repeat(100_000);
            let time = Some(Timestamp(5_000_000_000));
            let expected = root
                .stat("deep/er/a.jsonl")
                .unwrap()
                .map_or(Expected::Absent, Expected::File);
            let result = root.replace("deep/er/a.jsonl", &expected, 0o640, time, &mut fill(&long));
            let content = fs::read_to_string(home.inside.join("deep/er/a.jsonl")).ok();
            let old = if is_new { None } else { Some("old\n") };
            assert!(
                content.as_deref() == old || content.as_ref() == Some(&long),
                "torn at operation {nth}"
            );
            assert!(
                home.leftovers().is_empty(),
                "a temporary file stayed after operation {nth}"
            );
            if let Ok(written) = result {
                assert!(matches!(written, Written::Done(_)));
                assert_eq!(content.as_ref(), Some(&long));
                operations = Some(faults.seen.lock().unwrap().clone());
                break;
            }
            let error = result.unwrap_err().to_string();
            assert!(error.contains("no space is left on the disk"), "{error}");
            // The next run recovers unaided.
            assert!(matches!(
                put(&home.root(), "deep/er/a.jsonl", "next\n"),
                Ok(Written::Done(_))
            ));
        }
        let operations = operations.unwrap();
        let count = |operation| operations.iter().filter(|other| **other == operation).count();
        use Operation::*;
        assert_eq!(count(CreateFolder), if is_new { 2 } else { 0 });
        assert!(count(Write) > 1, "several writes");
        for each in [CreateTemporary, SetMode, SetTimes, Sync, Rename] {
            assert_eq!(count(each), 1, "{each:?}");
        }
        assert_eq!(count(Salvage), usize::from(!is_new));
    }
}

#[test]
fn p05_a_fault_while_removing_leaves_the_file_or_nothing() {
    for nth in 0.. {
        let home = home();
        home.write("a", "old");
        let stat = home.root().stat("a").unwrap().unwrap();
        let root = home.root_with(FailNth {
            nth,
            ..FailNth::default()
        });
        let result = root.remove("a", stat);
        assert!(home.leftovers().is_empty());
        if let Ok(written) = result {
            assert_eq!(written, Written::Done(stat));
            assert!(!home.inside.join("a").exists());
            assert_eq!(nth, 4);
            break;
        }
        let last = nth == 3; // saving the folder, after the removal
        assert_eq!(home.inside.join("a").exists(), !last);
    }
}

#[test]
fn p07_a_file_that_changes_while_it_is_removed_is_put_back() {
    let home = home();
    home.write("a", "old");
    let root = home.root_with(At(Operation::Rename, |path: &Path| fs::write(path, "edited")));
    let stat = root.stat("a").unwrap().unwrap();
    assert_eq!(root.remove("a", stat).unwrap(), Written::Moved);
    assert_eq!(home.read("a"), "edited");
    assert!(home.leftovers().is_empty());
}

#[test]
fn p20_an_error_or_a_panic_of_the_filler_leaves_nothing() {
    let home = home();
    home.write("a", "old");
    let root = home.root();
    let stat = root.stat("a").unwrap().unwrap();
    let failed = root.replace("a", &Expected::File(stat), 0o600, None, &mut |writer| {
        writer.write_all(b"half a secret").unwrap();
        Err(Error::new(crate::Kind::Damaged, "the segment is damaged"))
    });
    assert_eq!(failed.unwrap_err().kind(), crate::Kind::Damaged);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        root.replace("a", &Expected::File(stat), 0o600, None, &mut |writer| {
            writer.write_all(&vec![b'x'; BUFFER * 2]).unwrap();
            panic!("a defect")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(home.read("a"), "old");
    assert!(home.leftovers().is_empty());
}

#[test]
fn p20_the_temporary_file_stands_beside_the_target_closed_to_others() {
    let home = home();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (inside, list) = (home.inside.clone(), Arc::clone(&seen));
    let root = home.root_with(At(Operation::Write, move |_: &Path| {
        for entry in fs::read_dir(inside.join("projects"))? {
            let entry = entry?;
            let mode = entry.metadata()?.permissions().mode() & 0o777;
            list.lock()
                .unwrap()
                .push((entry.file_name().into_string().unwrap(), mode));
        }
        Ok(())
    }));
    root.replace("projects/a", &Expected::Absent, 0o644, None, &mut fill("secret"))
        .unwrap();
    let seen = seen.lock().unwrap();
    assert!(
        seen.iter()
            .all(|(name, mode)| is_temporary_name(name) && *mode == 0o600),
        "{seen:?}"
    );
    assert!(!seen.is_empty());
}

#[test]
fn p21_no_path_leads_out_of_the_root() {
    let home = home();
    fs::write(home.outside.join("victim"), "untouched").unwrap();
    home.write("file", "a file");
    fs::create_dir(home.inside.join("folder")).unwrap();
    let link = |target: &str, name: &str| symlink(target, home.inside.join(name)).unwrap();
    link("../outside", "way-out");
    link("../outside/victim", "victim");
    link("../outside/new", "new");
    link("/", "slash");
    link("../..", "folder/up");
    link("nowhere", "dangling");
    link("circle", "circle");
    let root = home.root();
    let table = [
        "../outside/victim",
        "/etc/csync-test",
        "folder/../../outside/victim",
        "./file",
        "folder//x",
        "",
        "C:/x",
        "a\\..\\b",
        "nul",
        "x\0y",
        "way-out/victim",
        "way-out/new",
        "way-out/new-folder/new",
        "victim",
        "new",
        "slash/csync-test",
        "folder/up/outside/x",
        "dangling",
        "dangling/x",
        "circle",
        "circle/x",
        "folder",
        "file/x",
        ".csync-0123456789ab.tmp",
    ];
    let stat = root.stat("file").unwrap().unwrap();
    for relative in table {
        for expected in [Expected::Absent, Expected::File(stat)] {
            let result = root.replace(relative, &expected, 0o600, None, &mut fill("evil"));
            assert!(result.is_err(), "{relative:?}: {result:?}");
            assert!(result.unwrap_err().hint_text().is_some(), "{relative:?}");
        }
        assert!(root.reader(relative).is_err(), "{relative:?}");
        assert!(root.remove(relative, stat).is_err(), "{relative:?}");
    }
    assert_eq!(fs::read_to_string(home.outside.join("victim")).unwrap(), "untouched");
    assert_eq!(fs::read_dir(&home.outside).unwrap().count(), 1);
    assert_eq!(home.read("file"), "a file");
    assert!(!Path::new("/csync-test").exists() && !Path::new("/etc/csync-test").exists());
    assert!(home.leftovers().is_empty());
}

#[test]
fn p21_links_within_the_root_lead_to_the_real_file() {
    let home = home();
    home.write("real/a.md", "old");
    symlink("real", home.inside.join("alias")).unwrap();
    symlink("../real/a.md", home.inside.join("real/b.md")).unwrap();
    let root = home.root();
    put(&root, "alias/a.md", "through the folder").unwrap();
    assert_eq!(home.read("real/a.md"), "through the folder");
    put(&root, "real/b.md", "through the file").unwrap();
    assert_eq!(home.read("real/a.md"), "through the file");
    assert!(home.inside.join("real/b.md").is_symlink());

    let stat = root.stat("real/b.md").unwrap().unwrap();
    assert!(matches!(root.remove("real/b.md", stat), Ok(Written::Done(_))));
    assert!(!home.inside.join("real/b.md").is_symlink());
    assert_eq!(
        home.read("real/a.md"),
        "through the file",
        "the link goes, not what it points to"
    );
    put(&root, "alias/new.md", "new").unwrap();
    assert_eq!(home.read("real/new.md"), "new");
}

#[test]
fn p21_names_that_differ_only_in_case_are_refused() {
    let home = home();
    home.write("agents/Review.md", "mine");
    home.write("skills/Über/SKILL.md", "mine");
    let root = home.root();
    for relative in ["agents/review.md", "Agents/x.md", "skills/über/SKILL.md"] {
        let error = put(&root, relative, "evil").unwrap_err().to_string();
        assert!(error.contains("differ only in case"), "{relative}: {error}");
    }
    // Two new ones in one run.
    put(&root, "agents/new.md", "one").unwrap();
    assert!(put(&root, "agents/NEW.md", "two").is_err());
    // The other may go, and then the name is free.
    let stat = root.stat("agents/Review.md").unwrap().unwrap();
    root.remove("agents/Review.md", stat).unwrap();
    put(&root, "agents/review.md", "fine now").unwrap();
    assert_eq!(fs::read_dir(home.inside.join("agents")).unwrap().count(), 2);
}

#[test]
fn sweeping_removes_only_temporary_files_in_the_root() {
    let home = home();
    home.write("a/.csync-0123456789ab.tmp", "torn");
    home.write("a/.csync-0123456789cd.tmp/x", "a folder");
    home.write("keep.md", "mine");
    fs::write(home.outside.join(".csync-0123456789ab.tmp"), "not ours").unwrap();
    symlink("../outside", home.inside.join("way-out")).unwrap();
    let list = [
        "a/.csync-0123456789ab.tmp",
        "a/.csync-0123456789cd.tmp",
        "keep.md",
        "../outside/.csync-0123456789ab.tmp",
        "way-out/.csync-0123456789ab.tmp",
        "gone/.csync-0123456789ab.tmp",
    ];
    home.root().sweep(&list.map(str::to_owned)).unwrap();
    assert!(!home.inside.join(list[0]).exists());
    assert!(home.inside.join("keep.md").exists() && home.inside.join(list[1]).exists());
    assert!(home.outside.join(".csync-0123456789ab.tmp").exists());
}

#[test]
fn a_system_that_refuses_is_told_with_the_file() {
    // Nothing can be made in /proc, whoever runs this.
    let root = Root::open(Path::new("/proc/self")).unwrap();
    let error = put(&root, "csync.md", "x").unwrap_err();
    assert!(error.to_string().starts_with("cannot write `/proc/"), "{error}");
    assert!(Root::open(Path::new("/proc/version")).is_err(), "a file is no root");
    assert!(Root::open(Path::new("/nowhere")).is_err());
}
