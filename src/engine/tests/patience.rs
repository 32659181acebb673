//! A remote that fails for a while: what is tried again, how often, and after which waits.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use chrono::{DateTime, Utc};

use super::*;
use crate::core::id::CommitId;
use crate::core::questions::Questions;
use crate::engine::patience::Patient;
use crate::mirror::{Carrier, Mirror, MirrorError, Outage, Push, Refusal, Rejection, Tested};

/// A clock on which waiting takes no time.
#[derive(Default)]
struct Script {
    waited: Mutex<Duration>,
    /// After so much waiting a signal comes.
    signal: Option<(Duration, &'static AtomicBool)>,
}

impl Clock for Script {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }

    fn wait(&self, duration: Duration) {
        let mut waited = self.waited.lock().unwrap();
        *waited += duration;
        if let Some((after, stop)) = self.signal
            && *waited >= after
        {
            stop.store(true, Ordering::Relaxed);
        }
    }
}

impl Script {
    /// How long was waited since the last look.
    fn waited(&self) -> Duration {
        std::mem::take(&mut self.waited.lock().unwrap())
    }
}

/// Somebody who writes down what is told.
#[derive(Default)]
struct Listener(Mutex<Vec<String>>);

impl Questions for Listener {
    fn is_there(&self) -> bool {
        false
    }

    fn text(&self, _: &str) -> Option<String> {
        None
    }

    fn secret(&self, _: &str) -> Option<SecretString> {
        None
    }

    fn confirm(&self, _: &str, _: &str) -> bool {
        false
    }

    fn tell(&self, message: &str) {
        self.0.lock().unwrap().push(message.to_owned());
    }
}

/// A remote whose exchanges end as was written down before; then they succeed.
struct Scripted<'s> {
    ends: VecDeque<MirrorError>,
    pushes: VecDeque<Push>,
    clock: &'s Script,
    /// How long was waited before each exchange.
    waits: &'s Mutex<Vec<Duration>>,
    tip: Option<CommitId>,
}

impl Scripted<'_> {
    fn next(&mut self) -> std::result::Result<(), MirrorError> {
        self.waits.lock().unwrap().push(self.clock.waited());
        self.ends.pop_front().map_or(Ok(()), Err)
    }
}

impl Remote for Scripted<'_> {
    fn location(&self) -> String {
        LOCATION.to_owned()
    }

    fn fetch(&mut self, _: &Mirror) -> std::result::Result<Option<CommitId>, MirrorError> {
        self.next().map(|()| self.tip)
    }

    fn push(&mut self, _: &Mirror, _: Option<CommitId>, _: CommitId) -> std::result::Result<Push, MirrorError> {
        self.next()?;
        Ok(self.pushes.pop_front().unwrap_or(Push::Accepted))
    }

    fn test(&mut self) -> std::result::Result<Tested, MirrorError> {
        self.next()?;
        Ok(Tested {
            tip: self.tip,
            not_writable: None,
        })
    }

    fn carrier(&self) -> Carrier {
        Carrier::Libgit2
    }
}

const LOCATION: &str = "https://git.example.org/me/x.git";

fn outage(outage: Outage) -> MirrorError {
    MirrorError::Network {
        location: LOCATION.to_owned(),
        detail: "words".to_owned(),
        outage,
    }
}

/// What came of an exchange, the waits before each try of it, and what was told.
struct Outcome<T> {
    result: std::result::Result<T, MirrorError>,
    waits: Vec<Duration>,
    told: Vec<String>,
}

/// Lets `exchange` meet a remote whose tries end as `ends` says.
fn meet<T>(
    clock: &Script,
    stop: Option<&'static AtomicBool>,
    (ends, pushes, tip): (Vec<MirrorError>, Vec<Push>, Option<CommitId>),
    exchange: impl Fn(&mut dyn Remote, &Mirror) -> std::result::Result<T, MirrorError>,
) -> Outcome<T> {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path().to_owned());
    let mirror = Mirror::create(&folder.path().join("mirror.git")).unwrap();
    let (waits, listener) = (Mutex::new(Vec::new()), Listener::default());
    let result = {
        let mut context = home.context();
        context.clock = clock;
        context.questions = &listener;
        context.stop = stop.unwrap_or(context.stop);
        context.config.backoff = Duration::from_millis(500);
        context.config.max_retries = 5;
        let inner = Box::new(Scripted {
            ends: ends.into(),
            pushes: pushes.into(),
            clock,
            waits: &waits,
            tip,
        });
        exchange(&mut Patient::new(&context, inner), &mirror)
    };
    Outcome {
        result,
        waits: waits.into_inner().unwrap(),
        told: listener.0.into_inner().unwrap(),
    }
}

/// A test, whose tries end as `ends` says.
fn test(ends: Vec<MirrorError>) -> Outcome<Tested> {
    meet(&Script::default(), None, (ends, Vec::new(), None), |remote, _| {
        remote.test()
    })
}

/// Whether `wait` is `whole` milliseconds, half of it more or less.
#[track_caller]
fn assert_about(wait: Duration, whole: u64) {
    let (least, most) = (whole / 2, whole * 3 / 2);
    assert!(
        (least..=most).contains(&u64::try_from(wait.as_millis()).unwrap()),
        "{wait:?} is not about {whole} ms"
    );
}

#[test]
fn what_may_pass_is_tried_again_ever_more_slowly() {
    for (passing, first) in [
        (Outage::Refused, 500),
        (Outage::Cut, 500),
        (Outage::TimedOut, 500),
        (Outage::Busy { retry_after: None }, 4000),
    ] {
        let outcome = test((0..5).map(|_| outage(passing)).collect());
        outcome.result.unwrap();
        assert_eq!(outcome.waits.len(), 6);
        assert_eq!(outcome.waits[0], Duration::ZERO);
        for (number, wait) in outcome.waits[1..].iter().enumerate() {
            let whole = (first << number).min(30_000);
            assert_about(*wait, whole);
            assert!(*wait <= Duration::from_secs(30));
        }
        assert_eq!(outcome.told.len(), 5, "one line for each new try");
    }
    let outcome = test(vec![outage(Outage::Refused)]);
    assert!(
        outcome.told[0].starts_with("git.example.org refused the connection; trying again in "),
        "{}",
        outcome.told[0]
    );
    assert!(outcome.told[0].ends_with("(1 of 5)…"), "{}", outcome.told[0]);
}

#[test]
fn patience_ends() {
    let outcome = test((0..20).map(|_| outage(Outage::Refused)).collect());
    assert!(matches!(
        outcome.result,
        Err(MirrorError::Network {
            outage: Outage::Refused,
            ..
        })
    ));
    assert_eq!(outcome.waits.len(), 6, "the first try and five more");
}

#[test]
fn a_server_says_when_it_wants_to_be_asked_again() {
    let busy = |seconds| {
        outage(Outage::Busy {
            retry_after: Some(Duration::from_secs(seconds)),
        })
    };
    let outcome = test(vec![busy(90), busy(0), busy(4000)]);
    outcome.result.unwrap();
    assert_eq!(outcome.waits[1], Duration::from_secs(90), "longer than ours");
    assert_about(outcome.waits[2], 8000);
    assert_eq!(outcome.waits[3], Duration::from_secs(300), "but not for ever");
}

#[test]
fn what_will_not_pass_is_never_tried_again() {
    let (location, detail) = (LOCATION.to_owned(), "words".to_owned());
    for error in [
        outage(Outage::Offline),
        outage(Outage::Other),
        MirrorError::Authentication {
            location: location.clone(),
            detail: detail.clone(),
        },
        MirrorError::HostIdentity {
            location: location.clone(),
            detail: detail.clone(),
        },
        MirrorError::NotFound {
            location: location.clone(),
            detail,
        },
        MirrorError::NotAVault {
            location: location.clone(),
            found: "a tag".to_owned(),
        },
        MirrorError::NotSent {
            what: "a blob".to_owned(),
            location,
        },
    ] {
        let told = error.to_string();
        let outcome = test(vec![error]);
        assert_eq!(outcome.result.unwrap_err().to_string(), told);
        assert_eq!(outcome.waits.len(), 1, "{told}");
        assert!(outcome.told.is_empty(), "{told}");
    }
    let rejected = Push::Rejected(Rejection {
        cause: Refusal::Hook,
        said: "no".to_owned(),
    });
    for push in [rejected, Push::LostRace] {
        let outcome = meet(
            &Script::default(),
            None,
            (Vec::new(), vec![push.clone()], None),
            |remote, mirror| remote.push(mirror, None, CommitId([1; 20])),
        );
        assert_eq!(outcome.result.unwrap(), push);
        assert_eq!(outcome.waits.len(), 1);
    }
}

#[test]
fn a_signal_ends_the_wait_at_once() {
    let stop: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
    let clock = Script {
        signal: Some((Duration::from_secs(7), stop)),
        ..Script::default()
    };
    let busy = outage(Outage::Busy {
        retry_after: Some(Duration::from_secs(200)),
    });
    let outcome = meet(&clock, Some(stop), (vec![busy], Vec::new(), None), |remote, _| {
        remote.test()
    });
    assert!(matches!(outcome.result, Err(MirrorError::Interrupted { .. })));
    assert_eq!(outcome.waits.len(), 1, "it is not tried again");
    let waited = clock.waited();
    assert!(
        waited >= Duration::from_secs(7) && waited <= Duration::from_millis(7100),
        "{waited:?}"
    );
}

#[test]
fn a_push_that_was_cut_and_had_arrived_is_no_lost_race() {
    let new = CommitId([7; 20]);
    for (tip, expected) in [(new, Push::Accepted), (CommitId([8; 20]), Push::LostRace)] {
        let outcome = meet(
            &Script::default(),
            None,
            (vec![outage(Outage::Cut)], vec![Push::LostRace], Some(tip)),
            |remote, mirror| remote.push(mirror, Some(CommitId([1; 20])), new),
        );
        assert_eq!(outcome.result.unwrap(), expected);
        assert_eq!(outcome.waits.len(), 3, "a push, a push, a look");
    }
}
