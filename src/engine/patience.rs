//! Trying again: a remote that is refused, cut off, timed out or told to wait is asked again a few times, ever more slowly.
//!
//! Only what can succeed a little later is repeated ([`Outage::may_pass`]): never a sign-in, a host that could not prove who it is,
//! a repository that is not there, a push that was refused, or damage. One exchange is tried `max_retries` times more; what
//! succeeds begins to count anew. A try that ends at a timeout has cost that timeout already, so that the longest that an
//! exchange with a silent host takes is `(max_retries + 1) * connect_timeout` and the waits between.
//!
//! The first wait is `backoff`, each further one twice as long, at most [`LONGEST_WAIT`], and each is made up to half longer or
//! shorter by chance, so that machines that failed together do not come back together. A server that says that it has too much
//! to do is given [`BUSY_FACTOR`] times as long; where it says when it wants to be asked again, that counts if it is longer.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::context::{Clock, Context};
use crate::core::id::CommitId;
use crate::core::questions::Questions;
use crate::mirror::{Carrier, Mirror, MirrorError, Outage, Push, Remote, Tested};

/// The longest wait that we choose ourselves.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The longest wait that a server may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(5 * 60);

/// How much longer a busy server is left alone than one that was only unlucky: four seconds with the usual `backoff`.
const BUSY_FACTOR: u32 = 8;

/// How much sooner a lost race is run again: the other machine is done already.
const RACE_FACTOR: u32 = 16;

/// How long to wait at a time, so that a signal ends the wait at once.
const SLICE: Duration = Duration::from_millis(50);

/// How long to wait between two tries, and how often to try.
#[derive(Clone, Copy)]
pub(super) struct Patience<'a> {
    clock: &'a dyn Clock,
    stop: &'a AtomicBool,
    /// How many new tries there are.
    retries: u32,
    /// The first wait.
    first: Duration,
}

/// A signal came while we waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stopped;

impl<'a> Patience<'a> {
    /// What the settings say.
    pub(super) fn new(context: &Context<'a>) -> Self {
        Self {
            clock: context.clock,
            stop: context.stop,
            retries: context.config.max_retries,
            first: context.config.backoff,
        }
    }

    /// How long to wait before the new try with the given number (from 0) after `outage`.
    fn before_retry(&self, number: u32, outage: Outage) -> Duration {
        match outage {
            Outage::Busy { retry_after } => {
                let ours = doubled(self.first.saturating_mul(BUSY_FACTOR), number);
                retry_after.map_or(ours, |asked| ours.max(asked.min(LONGEST_ASKED)))
            }
            _ => doubled(self.first, number),
        }
    }

    /// Lets the machine that was first go on before the race with the given number (from 0) is run again.
    pub(super) fn wait_for_race(&self, number: u32) -> Result<(), Stopped> {
        self.wait(doubled(self.first / RACE_FACTOR, number))
    }

    /// Waits, and looks for a signal all the time.
    fn wait(&self, duration: Duration) -> Result<(), Stopped> {
        let mut left = duration;
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Stopped);
            }
            if left.is_zero() {
                return Ok(());
            }
            let slice = left.min(SLICE);
            self.clock.wait(slice);
            left -= slice;
        }
    }
}

/// `first`, doubled `number` times, at most [`LONGEST_WAIT`], half of it more or less by chance.
fn doubled(first: Duration, number: u32) -> Duration {
    let whole = first
        .saturating_mul(1_u32.checked_shl(number).unwrap_or(u32::MAX))
        .min(LONGEST_WAIT);
    // Each `RandomState` is keyed anew by the standard library.
    let chance = RandomState::new().build_hasher().finish() % 1001;
    let share = u32::try_from(500 + chance).expect("it is below 1501");
    (whole.saturating_mul(share) / 1000).min(LONGEST_WAIT)
}

/// A remote that is asked again.
pub(super) struct Patient<'a> {
    inner: Box<dyn Remote + 'a>,
    patience: Patience<'a>,
    questions: &'a dyn Questions,
}

impl<'a> Patient<'a> {
    /// `inner`, asked as patiently as the settings say.
    pub(super) fn new(context: &Context<'a>, inner: Box<dyn Remote + 'a>) -> Self {
        Self {
            inner,
            patience: Patience::new(context),
            questions: context.questions,
        }
    }

    /// Does `exchange` until it succeeds, fails for good, or was tried often enough. `exchange` is told how often it failed.
    fn repeat<T>(
        &mut self,
        mut exchange: impl FnMut(&mut dyn Remote, u32) -> Result<T, MirrorError>,
    ) -> Result<T, MirrorError> {
        let mut failed = 0;
        loop {
            let error = match exchange(self.inner.as_mut(), failed) {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            let MirrorError::Network { location, outage, .. } = &error else {
                return Err(error);
            };
            if !outage.may_pass() || failed == self.patience.retries {
                return Err(error);
            }
            let wait = self.patience.before_retry(failed, *outage);
            failed += 1;
            tracing::debug!("{error}");
            self.questions.tell(&format!(
                "{}; trying again in {} ({failed} of {})…",
                what_happened(error.proxy(), location, *outage),
                seconds(wait),
                self.patience.retries
            ));
            if self.patience.wait(wait).is_err() {
                return Err(MirrorError::Interrupted {
                    location: location.clone(),
                });
            }
        }
    }
}

impl Remote for Patient<'_> {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn fetch(&mut self, mirror: &Mirror) -> Result<Option<CommitId>, MirrorError> {
        self.repeat(|remote, _| remote.fetch(mirror))
    }

    fn push(&mut self, mirror: &Mirror, expected: Option<CommitId>, new: CommitId) -> Result<Push, MirrorError> {
        self.repeat(|remote, failed| {
            let pushed = remote.push(mirror, expected, new)?;
            // The push that was cut may have arrived, and then it was ourselves who were first.
            if failed > 0 && pushed == Push::LostRace && remote.fetch(mirror)? == Some(new) {
                tracing::debug!("commit {new} had arrived before the connection broke off");
                return Ok(Push::Accepted);
            }
            Ok(pushed)
        })
    }

    fn test(&mut self) -> Result<Tested, MirrorError> {
        self.repeat(|remote, _| remote.test())
    }

    fn carrier(&self) -> Carrier {
        self.inner.carrier()
    }
}

/// What kept the remote at `location` from being talked to, as the beginning of a sentence. `proxy` stood in the way, if any.
pub(super) fn what_happened(proxy: Option<&str>, location: &str, outage: Outage) -> String {
    let host = proxy.map_or_else(|| host(location).to_owned(), |proxy| format!("the proxy {proxy}"));
    match outage {
        Outage::Offline => format!("no way leads to {host}"),
        Outage::Refused => format!("{host} refused the connection"),
        Outage::Cut => format!("the connection to {host} broke off"),
        Outage::TimedOut => format!("{host} does not answer"),
        Outage::Busy { .. } => format!("{host} has too much to do"),
        Outage::Other => format!("{host} cannot be talked to"),
    }
}

/// The host in an address that is shown: `git.example.org` of `https://me@git.example.org/x.git` and of `git@git.example.org:x.git`.
/// A port stays; a path is itself.
fn host(location: &str) -> &str {
    let (authority, ends_at_colon) = match location.split_once("://") {
        Some((_, rest)) => (rest.split('/').next().unwrap_or(rest), false),
        None => (location, true),
    };
    let host = match authority.rsplit_once('@') {
        Some((_, host)) => host,
        None => authority,
    };
    match host.split_once(':') {
        Some((name, _)) if ends_at_colon && !name.contains('/') => name,
        _ => host,
    }
}

/// A wait in words.
fn seconds(wait: Duration) -> String {
    match wait.as_secs_f64().round() as u64 {
        0 => "a moment".to_owned(),
        seconds @ 1..120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_found_in_every_address() {
        for (location, expected) in [
            ("https://git.example.org/me/x.git", "git.example.org"),
            ("https://me@git.example.org:8443/x.git", "git.example.org:8443"),
            ("git://[::1]:9418/x.git", "[::1]:9418"),
            ("git@git.example.org:me/x.git", "git.example.org"),
            ("work:sessions", "work"),
            ("/srv/vault.git", "/srv/vault.git"),
            ("/srv/a:b.git", "/srv/a:b.git"),
        ] {
            assert_eq!(host(location), expected, "{location}");
        }
    }

    #[test]
    fn waits_are_told_in_words() {
        for (milliseconds, expected) in [(20, "a moment"), (900, "1 s"), (30_000, "30 s"), (130_000, "3 min")] {
            assert_eq!(seconds(Duration::from_millis(milliseconds)), expected);
        }
    }

    #[test]
    fn waits_grow_within_their_bounds() {
        for number in 0..40 {
            let whole = Duration::from_millis(500)
                .saturating_mul(1 << number.min(20))
                .min(LONGEST_WAIT);
            for _ in 0..50 {
                let wait = doubled(Duration::from_millis(500), number);
                assert!(
                    wait >= whole / 2 && wait <= (whole * 3 / 2).min(LONGEST_WAIT),
                    "{wait:?}"
                );
            }
        }
    }
}
