//! A remote that is out of reach: what changes is sealed and waits, nothing is lost, and nothing is done twice.

mod kills;
mod portions;

use super::*;
use crate::core::id::CommitId;
use crate::error::Kind;
use crate::mirror::{Carrier, Mirror, MirrorError, Network, Outage, Pointer, Push, Tested};

/// How a remote is out of reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// It is there.
    Whole,
    /// It takes no connection.
    None,
    /// It can be read; a push does not arrive.
    NoPush,
    /// A push arrives, and its answer does not.
    NoAnswer,
}

/// A remote that is out of reach at times, and counts.
struct Away<'r> {
    inner: Box<dyn Remote + 'r>,
    reach: Reach,
    fetches: usize,
    /// What pushes moved the tip to.
    pushes: Vec<CommitId>,
}

impl Away<'_> {
    fn of(two: &Two, reach: Reach) -> Self {
        Self {
            inner: mirror::connect(two.remote.to_str().unwrap(), &Network::quiet(PathBuf::new())).unwrap(),
            reach,
            fetches: 0,
            pushes: Vec::new(),
        }
    }

    fn refuse<T>(&self) -> std::result::Result<T, MirrorError> {
        Err(MirrorError::Network {
            location: "git://git.example.org/x.git".to_owned(),
            detail: "connection refused".to_owned(),
            outage: Outage::Refused,
        })
    }
}

impl Remote for Away<'_> {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn fetch(&mut self, mirror: &Mirror) -> std::result::Result<Option<CommitId>, MirrorError> {
        self.fetches += 1;
        match self.reach {
            Reach::None => self.refuse(),
            _ => self.inner.fetch(mirror),
        }
    }

    fn push(
        &mut self,
        mirror: &Mirror,
        expected: Option<CommitId>,
        new: CommitId,
    ) -> std::result::Result<Push, MirrorError> {
        self.pushes.push(new);
        match self.reach {
            Reach::Whole => self.inner.push(mirror, expected, new),
            Reach::NoAnswer => {
                assert_eq!(self.inner.push(mirror, expected, new)?, Push::Accepted);
                self.refuse()
            }
            Reach::None | Reach::NoPush => self.refuse(),
        }
    }

    fn test(&mut self) -> std::result::Result<Tested, MirrorError> {
        self.inner.test()
    }

    fn carrier(&self) -> Carrier {
        self.inner.carrier()
    }
}

/// Syncs while the remote is as far away as `reach` says.
fn sync_away(two: &Two, home: &Home, reach: Reach) -> Report {
    home.sync_with(None, Some(&mut Away::of(two, reach))).unwrap()
}

/// Syncs while the remote is there; gives the report and the pushes.
fn sync_counted(two: &Two, home: &Home) -> (Report, Vec<CommitId>) {
    let mut remote = Away::of(two, Reach::Whole);
    let report = home.sync_with(None, Some(&mut remote)).unwrap();
    let troubles: Vec<_> = report
        .troubles
        .iter()
        .map(|trouble| trouble.error.to_string())
        .collect();
    assert!(troubles.is_empty(), "{troubles:?}");
    (report, remote.pushes)
}

/// The mirror of a machine, read aside.
fn pointer(home: &Home, pointer: Pointer) -> Option<CommitId> {
    Mirror::open(&home.context().paths.mirror())
        .unwrap()
        .get(pointer)
        .unwrap()
}

fn session(number: usize) -> String {
    format!("projects/-srv-code-app/{number:08x}-0000-4000-8000-000000000000.jsonl")
}

fn line(uuid: &str, parent: &str, second: usize) -> String {
    format!(
        "{{\"type\":\"user\",\"uuid\":\"{uuid}\",\"parentUuid\":\"{parent}\",\"timestamp\":\"2026-01-01T00:00:{second:02}Z\"}}\n"
    )
}

/// Both have a session and settings, and are in sync.
fn two_in_sync() -> Two {
    let two = Two::joined();
    two.ana.write(&session(1), line("s1", "", 0));
    two.ana.write("CLAUDE.md", "# one\n");
    two.ana.write("agents/old.md", "old\n");
    two.ana.sync();
    two.bob.sync();
    two.ana.sync();
    two
}

#[test]
fn what_changes_offline_waits_and_goes_in_one_push() {
    let two = two_in_sync();
    let tip = pointer(&two.ana, Pointer::Tip);
    two.ana.append(&session(1), &line("a1", "s1", 1));
    two.ana.write(&session(2), line("n1", "", 1));
    std::fs::remove_file(two.ana.claude().join("agents/old.md")).unwrap();

    let report = sync_away(&two, &two.ana, Reach::None);
    assert_eq!(report.outcome(false), Some(Kind::Network));
    assert_eq!(report.outcome(true), None);
    assert_eq!((report.pending, report.commits), (3, 0));
    assert_eq!(report.count(Action::Sealed), 3);
    assert_eq!(report.offline.unwrap().why, "git.example.org refused the connection");
    let first = pointer(&two.ana, Pointer::Outgoing).unwrap();
    assert_eq!(pointer(&two.ana, Pointer::Tip), tip, "the remote's tip is what it was");

    let report = sync_away(&two, &two.ana, Reach::None);
    assert_eq!((report.pending, report.items.len()), (3, 0));
    assert_eq!(
        pointer(&two.ana, Pointer::Outgoing),
        Some(first),
        "nothing is sealed twice"
    );
    let waiting = status(&two.ana.context(), false).unwrap();
    assert_eq!(waiting.waiting.as_ref().unwrap().files, 3);
    assert!(waiting.waiting.as_ref().unwrap().since.is_some());
    assert!(waiting.outgoing.is_empty() && !waiting.is_clean());

    two.ana.append(&session(1), &line("a2", "a1", 2));
    two.ana.write("CLAUDE.md", "# two\n");
    let report = sync_away(&two, &two.ana, Reach::None);
    assert_eq!((report.pending, report.count(Action::Sealed)), (4, 2));

    two.ana.append(&session(2), &line("n2", "n1", 2));
    let (report, pushes) = sync_counted(&two, &two.ana);
    assert_eq!((pushes.len(), report.commits, report.pending), (1, 3, 0));
    assert_eq!(report.items.len(), 4, "{:?}", report.items.keys());
    assert_eq!(pointer(&two.ana, Pointer::Outgoing), None);
    assert_eq!(sync_counted(&two, &two.ana).1, []);
    two.bob.sync();
    assert_eq!(two.bob.files(), two.ana.files());
    assert!(!two.bob.files().contains_key("agents/old.md"));
    assert!(status(&two.ana.context(), true).unwrap().is_clean());
}

#[test]
fn a_pull_offline_does_nothing_and_says_so() {
    let two = two_in_sync();
    two.ana.write("CLAUDE.md", "# two\n");
    let context = two.ana.context();
    let mut open = OpenVault::open(&context, "pull").unwrap();
    let options = SyncOptions {
        direction: Direction::Pull,
        ..Home::options()
    };
    let report = super::sync_with(&context, &mut open, &mut Away::of(&two, Reach::None), &options).unwrap();
    assert!(report.offline.is_some() && report.items.is_empty());
    drop(open);
    assert_eq!(pointer(&two.ana, Pointer::Outgoing), None);
}

#[test]
fn p06_a_push_that_arrived_is_recognised_whenever_that_becomes_known() {
    for (reach, pushes) in [(Reach::NoAnswer, 0), (Reach::NoPush, 1)] {
        let two = two_in_sync();
        two.ana.append(&session(1), &line("a1", "s1", 1));
        let report = sync_away(&two, &two.ana, reach);
        assert_eq!((report.pending, report.commits), (1, 0), "{reach:?}");
        // Offline once more, with something new on top.
        two.ana.write(&session(2), line("n1", "", 1));
        let report = sync_away(&two, &two.ana, Reach::None);
        assert_eq!(report.pending, 2);
        let (report, sent) = sync_counted(&two, &two.ana);
        assert_eq!(sent.len(), 1);
        assert_eq!(
            report.commits,
            1 + pushes,
            "{reach:?}: what had arrived is not sent again"
        );
        two.bob.sync();
        assert_eq!(two.bob.files(), two.ana.files());

        // The same with nothing new: then there is nothing to push at all.
        two.ana.append(&session(1), &line("a2", "a1", 3));
        sync_away(&two, &two.ana, reach);
        assert_eq!(sync_counted(&two, &two.ana).1.len(), pushes as usize, "{reach:?}");
        two.bob.sync();
        assert_eq!(two.bob.files(), two.ana.files());
    }
}

#[test]
fn two_machines_that_were_offline_converge() {
    let two = two_in_sync();
    two.ana.append(&session(1), &line("a1", "s1", 1));
    two.ana.write("CLAUDE.md", "# one\n\nana\n");
    two.bob
        .append(&session(1), &line("b1", "s1", 9).replace("user", "system"));
    two.bob.write(&session(3), line("m1", "", 1));
    for home in [&two.ana, &two.bob] {
        assert!(sync_away(&two, home, Reach::None).pending >= 2);
    }
    two.ana.sync();
    assert_eq!(pointer(&two.bob, Pointer::Outgoing).map(|_| ()), Some(()));
    let (report, pushes) = sync_counted(&two, &two.bob);
    assert_eq!(
        (report.pending, pushes.len()),
        (0, 1),
        "one commit of his own, on top of hers"
    );
    two.ana.sync();
    assert_eq!(two.ana.files(), two.bob.files());
    let merged = String::from_utf8(two.ana.files()[&session(1)].clone()).unwrap();
    assert!(merged.contains("a1") && merged.contains("b1"), "{merged}");
    assert_eq!(sync_counted(&two, &two.bob).1, []);
}

/// Ana sealed things offline; meanwhile bob changed the vault, and her agent swept a session.
fn swept_while_another_was_first() -> Two {
    let two = two_in_sync();
    two.ana.append(&session(1), &line("a1", "s1", 1));
    two.ana.write(&session(2), line("n1", "", 1));
    two.ana.write("agents/new.md", "new\n");
    two.ana.write("CLAUDE.md", "# two\n");
    sync_away(&two, &two.ana, Reach::None);
    two.bob.write(&session(3), line("m1", "", 1));
    two.bob.sync();
    for number in [1, 2] {
        std::fs::remove_file(two.ana.claude().join(session(number))).unwrap();
    }
    std::fs::remove_file(two.ana.claude().join("agents/new.md")).unwrap();
    two.ana.write("CLAUDE.md", "# three\n");
    two
}

#[test]
fn what_was_swept_while_it_waited_is_never_lost() {
    // Nobody else pushed: what waits is sent as it is.
    let two = two_in_sync();
    two.ana.write(&session(2), line("n1", "", 1));
    sync_away(&two, &two.ana, Reach::None);
    std::fs::remove_file(two.ana.claude().join(session(2))).unwrap();
    sync_away(&two, &two.ana, Reach::None);
    let told = status(&two.ana.context(), false).unwrap();
    assert_eq!(told.evicted, 0, "the vault does not keep what only waits");
    assert_eq!(sync_counted(&two, &two.ana).0.commits, 1);
    two.bob.sync();
    assert_eq!(two.bob.files()[&session(2)], line("n1", "", 1).into_bytes());
    assert!(!two.ana.files().contains_key(&session(2)), "it stays swept");
    assert_eq!(status(&two.ana.context(), false).unwrap().evicted, 1);

    // Somebody did: it comes back, and is sent from here.
    let two = swept_while_another_was_first();
    let (report, _) = sync_counted(&two, &two.ana);
    assert_eq!(report.count(Action::CameBack), 2, "{:?}", report.items);
    two.bob.sync();
    assert_eq!(two.bob.files(), two.ana.files());
    let first = String::from_utf8(two.bob.files()[&session(1)].clone()).unwrap();
    assert_eq!(first, line("s1", "", 0) + &line("a1", "s1", 1));
    assert_eq!(two.bob.files()[&session(2)], line("n1", "", 1).into_bytes());
    assert!(
        !two.bob.files().contains_key("agents/new.md"),
        "what a person deleted stays deleted"
    );
    assert_eq!(two.bob.files()["CLAUDE.md"], b"# three\n");
}

#[test]
fn p26_looking_ahead_changes_nothing_of_what_waits() {
    let two = swept_while_another_was_first();
    let before = (pointer(&two.ana, Pointer::Outgoing), pointer(&two.ana, Pointer::Base));
    let context = two.ana.context();
    let options = SyncOptions {
        dry_run: true,
        ..Home::options()
    };
    let report = super::sync(&context, &options).unwrap();
    assert!(report.count(Action::Created) == 1, "{:?}", report.items);
    let told = status(&context, true).unwrap();
    assert_eq!(told.waiting.unwrap().files, 4);
    assert_eq!(told.incoming.len(), 1);
    assert_eq!(
        (pointer(&two.ana, Pointer::Outgoing), pointer(&two.ana, Pointer::Base)),
        before
    );
    assert!(!two.ana.files().contains_key(&session(2)));
    let (report, _) = sync_counted(&two, &two.ana);
    assert_eq!(report.count(Action::CameBack), 2);
}

#[test]
fn a_refusal_leaves_nothing_that_waits() {
    let two = two_in_sync();
    two.ana.append(&session(1), &line("a1", "s1", 1));
    let before = (pointer(&two.ana, Pointer::Tip), pointer(&two.ana, Pointer::Base));
    let mut remote = Refusing(Away::of(&two, Reach::Whole));
    let error = two.ana.sync_with(None, Some(&mut remote)).unwrap_err();
    assert_eq!(error.kind(), Kind::Network);
    assert!(error.hint_text().unwrap().contains("csync remote test"));
    assert_eq!(
        (pointer(&two.ana, Pointer::Tip), pointer(&two.ana, Pointer::Base)),
        before
    );
    assert_eq!(pointer(&two.ana, Pointer::Outgoing), None);
    assert_eq!(sync_counted(&two, &two.ana).0.commits, 1);
}

/// A remote that may only be read.
struct Refusing<'r>(Away<'r>);

impl Remote for Refusing<'_> {
    fn location(&self) -> String {
        self.0.location()
    }

    fn fetch(&mut self, mirror: &Mirror) -> std::result::Result<Option<CommitId>, MirrorError> {
        self.0.fetch(mirror)
    }

    fn push(&mut self, _: &Mirror, _: Option<CommitId>, _: CommitId) -> std::result::Result<Push, MirrorError> {
        Ok(Push::Rejected(crate::mirror::Rejection {
            cause: crate::mirror::Refusal::ReadOnly,
            said: "this key is read-only".to_owned(),
        }))
    }

    fn test(&mut self) -> std::result::Result<Tested, MirrorError> {
        self.0.test()
    }

    fn carrier(&self) -> Carrier {
        self.0.carrier()
    }
}
