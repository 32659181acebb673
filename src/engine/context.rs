//! What every use case is given from outside: places, settings, the clock, and how to tell progress and be stopped.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Local, Utc};

use crate::config::{Config, Environment, Paths};
use crate::core::progress::Progress;
use crate::core::questions::Questions;
use crate::core::stat::Timestamp;
use crate::error::{Error, Kind, Result};

/// Tells the time. A value, so that tests can fix it or set it wrong.
pub trait Clock: Sync {
    /// The present moment.
    fn now(&self) -> DateTime<Utc>;

    /// Waits. Only ever used to let another machine go first, or a file system's clock move on.
    fn wait(&self, duration: Duration);
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn wait(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

/// What a use case works with. Nothing below the command line reads the environment itself.
pub struct Context<'a> {
    /// Where csync keeps its own files.
    pub paths: Paths,
    /// The settings in force.
    pub config: Config,
    /// The variables that csync was started with, and the home folder.
    pub environment: Environment,
    /// The clock.
    pub clock: &'a dyn Clock,
    /// Told about every step that can take long.
    pub progress: &'a dyn Progress,
    /// Whom to ask on the way, such as for a key's passphrase.
    pub questions: &'a dyn Questions,
    /// Set by a signal: the use case stops at the next safe point.
    pub stop: &'a AtomicBool,
    /// How long to wait for another run before giving up.
    pub lock_wait: Duration,
}

impl Context<'_> {
    /// Fails where a signal asked to stop. Called between files: what is done stays done, nothing is half done.
    ///
    /// # Errors
    /// [`Kind::Interrupted`].
    pub fn check_stop(&self) -> Result<()> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::new(Kind::Interrupted, "interrupted")
                .hint("what was done so far is safe; run the same command again to go on"));
        }
        Ok(())
    }

    /// The present moment, in nanoseconds since 1970.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        Timestamp(self.clock.now().timestamp_nanos_opt().unwrap_or(i64::MAX))
    }

    /// The present moment as RFC 3339, to the second, in UTC.
    #[must_use]
    pub fn time_text(&self) -> String {
        self.clock.now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    }

    /// The end of a conflict file's name: `YYYYMMDD-HHMMSS` in local time, `later` seconds from now.
    #[must_use]
    pub fn conflict_suffix(&self, later: u8) -> String {
        (self.clock.now() + Duration::from_secs(later.into()))
            .with_timezone(&Local)
            .format("%Y%m%d-%H%M%S")
            .to_string()
    }
}
