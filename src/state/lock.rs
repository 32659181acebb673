//! One run at a time.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::error::StateError;
use super::folder;

/// The vault's lock, held until it is dropped.
///
/// It is the operating system's lock on a file, so that it ends with the process that holds it, however that ends: what is
/// written in the file only tells others who holds it. Whoever gets the lock looks whether the file still has its name, since
/// the holder before may have [discarded](Lock::discard) it.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

/// What the holder of a lock says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process.
    pub pid: u32,
    /// What it is doing: `csync push`.
    pub command: String,
    /// When it took the lock, as RFC 3339.
    pub since: String,
}

impl Lock {
    /// The name of the lock's file in the state folder.
    pub const FILE_NAME: &'static str = "lock";
    /// How long to wait between two tries.
    const POLL: Duration = Duration::from_millis(50);
    /// The most that is read of what a holder wrote.
    const MOST: u64 = 4096;

    /// Takes the lock of the state folder `dir`, which is made where it is missing. Waits for another holder for `wait` at most.
    /// `purpose` is what others are told that this run is doing: `csync push`, never a secret.
    ///
    /// # Errors
    /// [`StateError::Locked`] names the holder; [`StateError::Io`] where the folder cannot be written or locked.
    pub fn acquire(dir: &Path, wait: Duration, purpose: &str) -> Result<Self, StateError> {
        folder::ensure(dir)?;
        let path = dir.join(Self::FILE_NAME);
        let mut file = folder::open_private(&path)?;
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) if has_its_name(&file, &path) => break,
                Ok(()) => {
                    folder::ensure(dir)?;
                    file = folder::open_private(&path)?;
                }
                Err(TryLockError::WouldBlock) => {
                    let left = wait.saturating_sub(start.elapsed());
                    if left.is_zero() {
                        return Err(StateError::Locked {
                            holder: read_holder(&mut file),
                        });
                    }
                    std::thread::sleep(left.min(Self::POLL));
                }
                Err(TryLockError::Error(error)) => return Err(StateError::io("lock", &path)(error)),
            }
        }
        let mut lock = Self { file, path };
        // Only for others to read: the lock holds also when the disk is full.
        let _ = lock.introduce(purpose);
        Ok(lock)
    }

    /// Whether somebody holds the lock of the state folder `dir` now, and what they said of themselves. `None` where nobody does, or there is none: nothing is made or changed, and
    /// another run that comes in the meantime waits for an instant at most.
    #[must_use]
    pub fn held(dir: &Path) -> Option<Option<Holder>> {
        let mut file = File::open(dir.join(Self::FILE_NAME)).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(read_holder(&mut file)),
            Ok(()) | Err(TryLockError::Error(_)) => None,
        }
    }

    /// Removes the lock's file, and its folder where that is then empty: for a run that shall leave nothing behind.
    pub fn discard(self) {
        let _ = std::fs::remove_file(&self.path);
        if let Some(folder) = self.path.parent() {
            let _ = std::fs::remove_dir(folder);
        }
    }

    /// Writes down who holds the lock.
    fn introduce(&mut self, purpose: &str) -> std::io::Result<()> {
        let holder = Holder {
            pid: std::process::id(),
            command: purpose.to_owned(),
            since: chrono::Local::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, false),
        };
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(serde_json::to_string(&holder)?.as_bytes())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}

/// Whether the open file is still the one at `path`.
#[cfg(unix)]
fn has_its_name(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

/// Whether the open file is still the one at `path`: where an open file cannot be removed, always.
#[cfg(not(unix))]
fn has_its_name(_: &File, _: &Path) -> bool {
    true
}

/// What the holder wrote of itself. `None` where it has not written yet, or something else stands there.
fn read_holder(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(Lock::MOST).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests;
