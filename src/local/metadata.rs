//! From what the system says of a file to a [`Stat`], and back to permission bits and times.

use std::fs::{DirBuilder, File, Metadata};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::core::stat::{Stat, Timestamp};

/// The [`Stat`] of a file.
#[cfg(unix)]
pub(super) fn stat_of(metadata: &Metadata) -> Stat {
    use std::os::unix::fs::MetadataExt;
    let time =
        |seconds: i64, nanoseconds: i64| Timestamp(seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds));
    Stat {
        size: metadata.len(),
        modified: time(metadata.mtime(), metadata.mtime_nsec()),
        changed: time(metadata.ctime(), metadata.ctime_nsec()),
        inode: metadata.ino(),
        mode: metadata.mode() & 0o7777,
    }
}

/// The [`Stat`] of a file, where there are no inodes and permission bits.
#[cfg(not(unix))]
pub(super) fn stat_of(metadata: &Metadata) -> Stat {
    let modified = metadata.modified().map_or_else(|_| Timestamp::default(), timestamp_of);
    Stat {
        size: metadata.len(),
        modified,
        changed: modified,
        inode: 0,
        mode: 0o600,
    }
}

/// A system's time as a [`Timestamp`].
#[cfg(not(unix))]
fn timestamp_of(time: SystemTime) -> Timestamp {
    let nanoseconds = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    Timestamp(match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => nanoseconds(after),
        Err(before) => -nanoseconds(before.duration()),
    })
}

/// A [`Timestamp`] as the system's time.
pub(super) fn system_time(timestamp: Timestamp) -> SystemTime {
    let distance = Duration::from_nanos(timestamp.0.unsigned_abs());
    let time = if timestamp.0 < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    };
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Sets the permission bits of an open file; does nothing where there are none.
pub(super) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(std::fs::Permissions::from_mode(mode))
    }
    #[cfg(not(unix))]
    {
        let _ = (file, mode);
        Ok(())
    }
}

/// A maker of folders that only their owner can enter (0700).
pub(super) fn private_folder() -> DirBuilder {
    #[allow(unused_mut)] // only where folders have modes
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder
}

/// Flushes a folder, so that the names in it are on the disk. Systems that cannot do so are taken at their word.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    match File::open(folder)?.sync_all() {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        done => done,
    }
}
