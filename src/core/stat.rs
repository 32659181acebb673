//! What a file system says of a file without reading it.

use std::time::Duration;

/// A point in time as nanoseconds since 1970-01-01 UTC; negative before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// What a file system says of a file. Two equal stats, neither of them [racy](Stat::is_racy), mean unchanged content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stat {
    /// Length in bytes.
    pub size: u64,
    /// When the content was last written, as the file system tells it. Anyone can set it.
    pub modified: Timestamp,
    /// When anything of the file last changed (Unix `ctime`); nobody can set it. Equal to `modified` where there is none.
    pub changed: Timestamp,
    /// The file's number in its file system, 0 where there is none.
    pub inode: u64,
    /// Unix permission bits (`0o7777` at most); `0o600` where there are none.
    pub mode: u32,
}

impl Stat {
    /// Whether the file may have changed after `seen` without its stat showing it: it changed so shortly before that a later
    /// write could carry the same time. File systems without fractions of a second get two seconds, others 20 ms,
    /// which is over the tick of every kernel's coarse clock. The same problem in Git: Documentation/technical/racy-git.
    #[must_use]
    pub fn is_racy(&self, seen: Timestamp) -> bool {
        const SECOND: i64 = 1_000_000_000;
        let latest = self.modified.0.max(self.changed.0);
        let coarse = self.changed.0 % SECOND == 0;
        let window = if coarse {
            2 * SECOND
        } else {
            Self::TICK.as_nanos() as i64
        };
        seen.0 < latest.saturating_add(window)
    }

    /// How long after a write a stat becomes trustworthy on file systems that keep fractions of a second.
    pub const TICK: Duration = Duration::from_millis(20);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed_at(nanoseconds: i64) -> Stat {
        let at = Timestamp(nanoseconds);
        Stat {
            size: 1,
            modified: at,
            changed: at,
            inode: 1,
            mode: 0o600,
        }
    }

    #[test]
    fn a_stat_is_trusted_once_the_clock_has_moved_on() {
        let file = changed_at(1_500_000_001);
        assert!(file.is_racy(Timestamp(1_500_000_001)));
        assert!(file.is_racy(Timestamp(1_519_000_000)));
        assert!(!file.is_racy(Timestamp(1_521_000_000)));
    }

    #[test]
    fn whole_seconds_wait_longer() {
        let file = changed_at(3_000_000_000);
        assert!(file.is_racy(Timestamp(4_900_000_000)));
        assert!(!file.is_racy(Timestamp(5_100_000_000)));
    }
}
