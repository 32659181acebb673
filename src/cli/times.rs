//! Points in time in a person's words. The present and the time zone are values, so that tests can fix them.

#[cfg(test)]
use chrono::FixedOffset;
use chrono::{DateTime, Local, TimeZone as _, Utc};

use crate::core::stat::Timestamp;

/// The present, and the zone that times are shown in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    now: Timestamp,
    zone: Zone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zone {
    /// This machine's, with its summer times.
    Local,
    /// One offset for all times.
    #[cfg(test)]
    Fixed(FixedOffset),
}

impl Clock {
    /// A clock that stands at `now`, in this machine's time zone.
    #[must_use]
    pub const fn local(now: Timestamp) -> Self {
        Self { now, zone: Zone::Local }
    }

    /// A clock that stands at `now`, in an offset from UTC.
    #[cfg(test)]
    #[must_use]
    pub const fn fixed(now: Timestamp, offset: FixedOffset) -> Self {
        Self {
            now,
            zone: Zone::Fixed(offset),
        }
    }

    /// A point in time to the second: `2026-11-20 14:02:11`.
    #[must_use]
    pub fn moment(&self, at: Timestamp) -> String {
        self.format(Utc.timestamp_nanos(at.0))
    }

    /// An RFC 3339 time, as transcripts and notes have it, shown as [`moment`](Self::moment) does; `None` when it is none.
    #[must_use]
    pub fn moment_of_text(&self, rfc3339: &str) -> Option<String> {
        let at = DateTime::parse_from_rfc3339(rfc3339).ok()?;
        Some(self.format(at.with_timezone(&Utc)))
    }

    /// An RFC 3339 time, shown as [`ago`](Self::ago) does; `None` when it is none.
    #[must_use]
    pub fn ago_of_text(&self, rfc3339: &str) -> Option<String> {
        let at = DateTime::parse_from_rfc3339(rfc3339).ok()?;
        Some(self.ago(Timestamp(at.timestamp_nanos_opt()?)))
    }

    fn format(&self, at: DateTime<Utc>) -> String {
        const FORM: &str = "%Y-%m-%d %H:%M:%S";
        match self.zone {
            Zone::Local => at.with_timezone(&Local).format(FORM).to_string(),
            #[cfg(test)]
            Zone::Fixed(offset) => at.with_timezone(&offset).format(FORM).to_string(),
        }
    }

    /// How long ago it was: `just now`, `3 minutes ago`, `2 days ago`; what is further back than four weeks by its date, and
    /// what lies ahead by `in 5 minutes`.
    #[must_use]
    pub fn ago(&self, at: Timestamp) -> String {
        let seconds = (self.now.0.saturating_sub(at.0)) / 1_000_000_000;
        let (amount, one, many) = match seconds.unsigned_abs() {
            0..5 => return "just now".to_owned(),
            seconds @ 5..60 => (seconds, "second", "seconds"),
            seconds @ 60..3_600 => (seconds / 60, "minute", "minutes"),
            seconds @ 3_600..86_400 => (seconds / 3_600, "hour", "hours"),
            seconds @ 86_400..2_419_200 => (seconds / 86_400, "day", "days"),
            _ => return self.moment(at)[..10].to_owned(),
        };
        let amount = super::sizes::count(amount, one, many);
        if seconds > 0 {
            format!("{amount} ago")
        } else {
            format!("in {amount}")
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn clock() -> Clock {
        // 2026-11-20 12:00:00 UTC, seen from two hours east.
        Clock::fixed(Timestamp(1_795_176_000 * SECOND), FixedOffset::east_opt(7_200).unwrap())
    }

    #[test]
    fn the_past_is_told_by_its_distance() {
        for (seconds, shown) in [
            (0, "just now"),
            (59, "59 seconds ago"),
            (60, "1 minute ago"),
            (185, "3 minutes ago"),
            (7_200, "2 hours ago"),
            (86_400, "1 day ago"),
            (60 * 86_400, "2026-09-21"),
            (-300, "in 5 minutes"),
        ] {
            assert_eq!(clock().ago(Timestamp(clock().now.0 - seconds * SECOND)), shown);
        }
    }

    #[test]
    fn moments_are_shown_in_the_zone() {
        assert_eq!(clock().moment(clock().now), "2026-11-20 14:00:00");
        assert_eq!(
            clock().moment_of_text("2026-11-20T12:00:00.123Z").unwrap(),
            "2026-11-20 14:00:00"
        );
        assert_eq!(clock().moment_of_text("yesterday"), None);
    }
}
