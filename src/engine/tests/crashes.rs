//! A disk that fails at each single operation of a run, and a remote that breaks off: afterwards nothing is lost.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::core::id::CommitId;
use crate::error::{Error, Kind};
use crate::local::Operation;
use crate::mirror::{Carrier, Mirror, MirrorError, Network, Push, Tested};

/// Fails the operation with the given number, or that one and all behind it.
struct Failing {
    at: usize,
    for_ever: bool,
    kind: io::ErrorKind,
    count: AtomicUsize,
}

impl Failing {
    fn new(at: usize, for_ever: bool, kind: io::ErrorKind) -> Arc<Self> {
        Arc::new(Self {
            at,
            for_ever,
            kind,
            count: AtomicUsize::new(0),
        })
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

impl Faults for Failing {
    fn before(&self, _: Operation, _: &Path) -> io::Result<()> {
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        if number == self.at || self.for_ever && number > self.at {
            return Err(self.kind.into());
        }
        Ok(())
    }
}

fn session(number: usize) -> String {
    format!("projects/-srv-code-app/{number:08x}-0000-4000-8000-000000000000.jsonl")
}

fn talk(prefix: &str, parent: &str, second: usize) -> String {
    format!(
        "{{\"type\":\"user\",\"uuid\":\"{prefix}1\",\"parentUuid\":\"{parent}\",\"timestamp\":\"2026-01-01T00:00:{second:02}Z\"}}\n\
         {{\"type\":\"last-prompt\",\"leafUuid\":\"{prefix}1\"}}\n"
    )
}

/// Bob has of everything that a sync can do to a file: new, longer, merged, branched, deleted, in conflict.
fn two_with_everything() -> Two {
    let two = Two::joined();
    let base = talk("s", "", 0);
    for number in 1..=3 {
        two.ana.write(&session(number), &base);
    }
    let text = "# one\n\na\nb\nc\n\n# two\n";
    two.ana.write("CLAUDE.md", text);
    two.ana.write("agents/old.md", "old\n");
    two.ana.write("agents/kept.md", "kept\n");
    two.ana.write("skills/x/tool.bin", b"\0base");
    two.ana.write("settings.json", "{\"theme\":\"dark\"}");
    two.ana.write("history.jsonl", "{\"display\":\"s\",\"timestamp\":1}\n");
    two.ana.sync();
    two.bob.sync();

    std::fs::remove_file(two.ana.claude().join("agents/old.md")).unwrap();
    two.ana.append(&session(1), &talk("a", "s1", 10));
    two.ana.append(&session(2), &talk("a", "s1", 10));
    two.ana.append(&session(3), "{\"type\":\"mode\",\"mode\":\"plan\"}\n");
    two.ana.write(&session(4), talk("n", "", 5));
    two.ana.write("CLAUDE.md", text.replace("a\n", "a!\n"));
    two.ana.write("skills/x/tool.bin", b"\0ana");
    two.ana
        .write("settings.json", "{\"theme\":\"dark\",\"model\":\"opus\"}");
    two.ana.append("history.jsonl", "{\"display\":\"a\",\"timestamp\":2}\n");
    two.ana.sync();

    two.bob.append(&session(2), &talk("b", "s1", 20));
    two.bob.append(&session(3), &talk("b", "s1", 20));
    two.bob.write(&session(5), talk("m", "", 5));
    two.bob.write("CLAUDE.md", text.replace("two", "three"));
    two.bob.write("skills/x/tool.bin", b"\0bob");
    two.bob.write("settings.json", "{\"theme\":\"light\"}");
    two.bob.append("history.jsonl", "{\"display\":\"b\",\"timestamp\":3}\n");
    two.keep();
    two
}

/// Goes through all operations of bob's sync, failing at each; `step` is the distance between two.
fn fail_at_every_operation(for_ever: bool, kind: io::ErrorKind, step: usize) {
    let two = two_with_everything();
    let old = two.bob.files();
    let counting = Failing::new(usize::MAX, false, kind);
    two.bob.sync_with(Some(counting.clone()), None).unwrap();
    let new = two.bob.files();
    two.ana.sync_with(None, None).unwrap();
    let anas = two.ana.files();
    let operations = counting.count();
    assert!(operations > 40, "only {operations} operations: this test shows little");
    assert_eq!(
        new.len(),
        old.len() + 2,
        "a new session, a branch and a conflict file came, one file went"
    );

    for at in (0..operations).step_by(step) {
        two.go_back();
        let failing = Failing::new(at, for_ever, kind);
        let outcome = two.bob.sync_with(Some(failing.clone()), None);
        assert!(failing.count() > at, "operation {at} was never reached");
        for (path, content) in &two.bob.files() {
            // One temporary file may be left where removing it is what failed.
            let temporary = path.rsplit('/').next().unwrap().starts_with(".csync-");
            assert!(
                temporary || old.get(path) == Some(content) || new.get(path) == Some(content),
                "{path} is neither old nor new after operation {at} failed: {}",
                String::from_utf8_lossy(content)
            );
        }
        for path in old.keys().filter(|path| *path != "agents/old.md") {
            assert!(
                two.bob.files().contains_key(path),
                "{path} is gone after operation {at} failed"
            );
        }
        if let Ok(report) = &outcome {
            let silent = report.troubles.is_empty();
            assert!(
                !silent || two.bob.files() == new,
                "operation {at} failed and nobody was told"
            );
        }

        two.bob.sync();
        assert_eq!(
            two.bob.files(),
            new,
            "after operation {at} failed, the next run does not get there"
        );
        if at % 8 == 0 {
            two.ana.sync();
            assert_eq!(two.ana.files(), anas, "the other machine, after operation {at} failed");
        }
    }
}

#[test]
fn p05_each_single_operation_may_fail() {
    fail_at_every_operation(false, io::ErrorKind::Other, 1);
}

#[test]
fn p05_the_disk_may_be_full_from_any_operation_on() {
    fail_at_every_operation(true, io::ErrorKind::StorageFull, 4);
}

/// A remote whose connection breaks off.
struct Broken<'r> {
    inner: &'r mut dyn Remote,
    /// Pushes arrive, and the answer does not.
    delivers: bool,
    pushes: usize,
}

impl Remote for Broken<'_> {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn fetch(&mut self, mirror: &Mirror) -> std::result::Result<Option<CommitId>, MirrorError> {
        self.inner.fetch(mirror)
    }

    fn push(
        &mut self,
        mirror: &Mirror,
        expected: Option<CommitId>,
        new: CommitId,
    ) -> std::result::Result<Push, MirrorError> {
        self.pushes += 1;
        if self.delivers {
            assert_eq!(self.inner.push(mirror, expected, new)?, Push::Accepted);
        }
        Err(MirrorError::Missing {
            what: "the answer".into(),
            place: PathBuf::new(),
        })
    }

    fn test(&mut self) -> std::result::Result<Tested, MirrorError> {
        self.inner.test()
    }

    fn carrier(&self) -> Carrier {
        self.inner.carrier()
    }
}

/// A remote at which another machine is always first.
struct Beaten<'r> {
    inner: &'r mut dyn Remote,
    pushes: usize,
}

impl Remote for Beaten<'_> {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn fetch(&mut self, mirror: &Mirror) -> std::result::Result<Option<CommitId>, MirrorError> {
        self.inner.fetch(mirror)
    }

    fn push(&mut self, _: &Mirror, _: Option<CommitId>, _: CommitId) -> std::result::Result<Push, MirrorError> {
        self.pushes += 1;
        Ok(Push::LostRace)
    }

    fn test(&mut self) -> std::result::Result<Tested, MirrorError> {
        self.inner.test()
    }

    fn carrier(&self) -> Carrier {
        self.inner.carrier()
    }
}

#[test]
fn p06_a_push_whose_answer_is_lost_is_sent_once() {
    for delivers in [true, false] {
        let two = two_with_everything();
        let mut inner = mirror::connect(two.remote.to_str().unwrap(), &Network::quiet(PathBuf::new())).unwrap();
        let mut broken = Broken {
            inner: inner.as_mut(),
            delivers,
            pushes: 0,
        };
        let error = two.bob.sync_with(None, Some(&mut broken)).unwrap_err();
        assert_eq!(broken.pushes, 1, "an error is no lost race: {error}");
        let merged = two.bob.files();

        let report = two.bob.sync();
        assert_eq!(report.commits, u32::from(!delivers), "delivered: {delivers}");
        assert_eq!(two.bob.files(), merged, "what was merged is not merged again");
        two.ana.sync();
        assert_eq!(two.bob.sync().commits, 0);
        assert_eq!(
            two.ana.files().get(&session(2)),
            merged.get(&session(2)),
            "delivered: {delivers}"
        );
    }
}

#[test]
fn p08_a_race_that_is_always_lost_ends_and_loses_nothing() {
    let two = two_with_everything();
    let mut inner = mirror::connect(two.remote.to_str().unwrap(), &Network::quiet(PathBuf::new())).unwrap();
    let mut beaten = Beaten {
        inner: inner.as_mut(),
        pushes: 0,
    };
    let error: Error = two.bob.sync_with(None, Some(&mut beaten)).unwrap_err();
    assert_eq!(error.kind(), Kind::Network);
    assert_eq!(beaten.pushes as u32, two.bob.context().config.max_retries + 1);
    let merged = two.bob.files();
    assert_eq!(two.bob.sync().commits, 1);
    assert_eq!(two.bob.files(), merged, "merging again and again changed nothing");
}
