//! Temporary files and folders in a repository, and clearing away those of a run that was killed.
//!
//! Each is held under a file lock while it is in use, which the system drops with the process: what can be locked is
//! nobody's any more. (The names begin as those of the git command's own temporary packs do, so that `git gc` in a remote
//! clears them away as well.)

use std::fs::{self, File};
use std::path::Path;

use tempfile::{NamedTempFile, TempDir};

use super::error::MirrorError;

/// What the name of a temporary file in a `pack` folder begins with.
const FILE: &str = "tmp_pack_csync_";

/// What the name of a temporary folder in a repository begins with.
const FOLDER: &str = "csync-staging-";

/// The lock of a temporary folder.
const LOCK: &str = "in-use";

/// A temporary folder, removed when dropped.
pub(super) struct Staging {
    folder: TempDir,
    _lock: File,
}

impl Staging {
    /// Makes one in `repository`.
    pub(super) fn create(repository: &Path) -> Result<Self, MirrorError> {
        let failed = |error| MirrorError::io("make a folder in", repository, error);
        let folder = tempfile::Builder::new()
            .prefix(FOLDER)
            .tempdir_in(repository)
            .map_err(failed)?;
        let lock = File::create(folder.path().join(LOCK)).map_err(failed)?;
        lock.lock().map_err(failed)?;
        Ok(Self { folder, _lock: lock })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Makes a temporary file in `folder`, with the permissions that packs have. Dropped, it is removed.
pub(super) fn create(folder: &Path) -> Result<NamedTempFile, MirrorError> {
    let failed = |error| MirrorError::io("make a file in", folder, error);
    let mut builder = tempfile::Builder::new();
    builder.prefix(FILE);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As git's: read-only from the start, less what the person's umask takes away.
        builder.permissions(fs::Permissions::from_mode(0o444));
    }
    loop {
        let file = builder.tempfile_in(folder).map_err(failed)?;
        // Some network file systems have no locks: there a stale file is never cleared away, which costs only room.
        let _ = file.as_file().lock_shared();
        // Between making and locking it another process may have taken it for a stale one.
        if file.path().exists() {
            return Ok(file);
        }
    }
}

/// Removes what killed runs left in `repository`. What cannot be removed is left: it is in nobody's way.
pub(super) fn remove_stale(repository: &Path) {
    for path in named(&repository.join("objects/pack"), FILE) {
        if is_abandoned(&path) {
            let _ = fs::remove_file(&path);
        }
    }
    for path in named(repository, FOLDER) {
        let lock = path.join(LOCK);
        if !lock.exists() || is_abandoned(&lock) {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// Whether no process holds the lock on a file.
fn is_abandoned(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| file.try_lock().is_ok())
}

/// What stands in `folder` under a name that begins with `prefix`.
fn named(folder: &Path, prefix: &str) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path())
        .collect()
}

/// Removes what a killed fetch left of a pack that libgit2 or the git command was receiving. Only under the vault's lock:
/// neither says whether it is still at it.
pub(super) fn remove_partial_downloads(repository: &Path) {
    let packs = repository.join("objects/pack");
    for prefix in ["pack_git2_", "tmp_pack_", "tmp_idx_", "tmp_rev_"] {
        let ours = |path: &Path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(FILE))
        };
        for path in named(&packs, prefix).into_iter().filter(|path| !ours(path)) {
            let _ = fs::remove_file(&path);
        }
    }
    // git keeps a pack from others while no reference names what is in it.
    for path in named(&packs, "pack-") {
        if path.extension().is_some_and(|extension| extension == "keep") {
            let _ = fs::remove_file(&path);
        }
    }
}
