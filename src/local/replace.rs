//! Replacing a file: wholly old or wholly new at every instant, and never over anything that was not expected.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use super::error::LocalError;
use super::faults::Operation;
use super::late::{Displaced, Late};
use super::metadata::{set_mode, stat_of, sync_folder, system_time};
use super::names::temporary_in;
use super::root::Root;
use super::sandbox::Place;
use crate::Error;
use crate::core::stat::{Stat, Timestamp};

/// What is believed to stand at a path that is about to be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Nothing.
    Absent,
    /// The file with this stat, as it was read.
    File(Stat),
}

/// How a change of a file went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// Done. The stat is that of exactly the bytes that were written (of the removed file, after a removal); if the file
    /// already grew again, it no longer fits, so that the next scan sees the file as changed.
    Done(Stat),
    /// What stands there is not what was expected any more; nothing was changed. Read it and decide again.
    Moved,
}

/// The bytes that are gathered before they are written.
const BUFFER: usize = 128 * 1024;

impl Root {
    /// Writes what `fill` gives to a temporary file beside `relative`, flushes it, and renames it into place if what
    /// `expected` says is still there.
    ///
    /// - Missing folders are made (0700) for a file that is new. A link at the end is followed within the root: the real
    ///   file is replaced. `mode` is cut to `0o777`; `modified` is the time that the file shall carry, or else now.
    /// - Killed at any instant, the file is wholly old or wholly new; at worst a temporary file (0600) stays, which
    ///   [`scan`](super::scan()) lists. Any error, and a panic in `fill`, removes it.
    /// - A new file never overwrites another that came to be meanwhile. Bytes that a writer appends to the old file between the
    ///   look and the rename are added to the new one, also later until [`Root::settle`]; if it is rewritten in place
    ///   instead, it is put back, and the answer is [`Written::Moved`].
    ///
    /// # Errors
    /// What `fill` returns, a path that the sandbox or the case rule refuses, or the system's refusal. After an error in the
    /// last step, saving the folder, the file may be the new one already.
    pub fn replace(
        &self,
        relative: &str,
        expected: &Expected,
        mode: u32,
        modified: Option<Timestamp>,
        fill: &mut dyn FnMut(&mut dyn Write) -> Result<(), Error>,
    ) -> Result<Written, Error> {
        let is_new = *expected == Expected::Absent;
        let Some(place) = self.place(relative, is_new)? else {
            return Ok(Written::Moved);
        };
        let old = match expected {
            Expected::Absent if place.metadata.is_some() => {
                self.check_spelling(&place, relative)?;
                return Ok(Written::Moved);
            }
            Expected::Absent => {
                let name = relative.rsplit_once('/').map_or(relative, |(_, name)| name);
                self.check_new_name(&place.folder, name, relative)?;
                None
            }
            Expected::File(stat) => {
                if place.metadata.as_ref().map(stat_of) != Some(*stat) {
                    return Ok(Written::Moved);
                }
                match Displaced::open(relative, &place.path, stat) {
                    Ok(Some(old)) => Some((old, *stat)),
                    Ok(None) => return Ok(Written::Moved),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Written::Moved),
                    Err(error) => return Err(LocalError::io("read", &place.path)(error).into()),
                }
            }
        };
        let temporary = self.fill_temporary(&place, mode, modified, fill)?;
        Ok(self.put(&place, temporary, old)?)
    }

    /// Refuses a new file whose name the file system takes for that of another one.
    fn check_spelling(&self, place: &Place, relative: &str) -> Result<(), LocalError> {
        let name = relative.rsplit_once('/').map_or(relative, |(_, name)| name);
        match self.check_exact_name(&place.folder, name, relative) {
            // A link that was followed to another folder, or a file that has just gone: not a matter of spelling.
            Err(LocalError::Collision { .. }) if !place.path.ends_with(name) || !place.path.exists() => Ok(()),
            checked => checked,
        }
    }

    /// The temporary file with the new content, flushed to the disk.
    fn fill_temporary(
        &self,
        place: &Place,
        mode: u32,
        modified: Option<Timestamp>,
        fill: &mut dyn FnMut(&mut dyn Write) -> Result<(), Error>,
    ) -> Result<NamedTempFile, Error> {
        let path = &place.path;
        let failed = |error| Error::from(LocalError::io("write", path)(error));
        self.before(Operation::CreateTemporary, path).map_err(failed)?;
        let temporary = temporary_in(&place.folder).map_err(failed)?;

        let mut target = Target {
            root: self,
            path,
            temporary: &temporary,
            error: None,
        };
        let mut writer = BufWriter::with_capacity(BUFFER, &mut target);
        let filled = fill(&mut writer);
        let flushed = writer.flush();
        // A full disk reaches `fill` as an error of its writer, and comes back in other words: tell the first.
        drop(writer.into_parts());
        if let Some(error) = target.error.take() {
            return Err(failed(error));
        }
        filled?;
        flushed.map_err(failed)?;

        let file = temporary.as_file();
        self.before(Operation::SetMode, path).map_err(failed)?;
        set_mode(file, mode & 0o777).map_err(failed)?;
        if let Some(modified) = modified {
            self.before(Operation::SetTimes, path).map_err(failed)?;
            let times = std::fs::FileTimes::new().set_modified(system_time(modified));
            file.set_times(times).map_err(failed)?;
        }
        self.before(Operation::Sync, path).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        Ok(temporary)
    }

    /// Renames the temporary file into its place, and looks after the file that stood there.
    fn put(
        &self,
        place: &Place,
        temporary: NamedTempFile,
        old: Option<(Displaced, Stat)>,
    ) -> Result<Written, LocalError> {
        let path = &place.path;
        let failed = |error| LocalError::io("replace", path)(error);
        let before = stat_of(&temporary.as_file().metadata().map_err(failed)?);
        let file = match &old {
            None => {
                self.before(Operation::Rename, path).map_err(failed)?;
                match temporary.persist_noclobber(path) {
                    Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => return Ok(Written::Moved),
                    placed => placed.map_err(|refused| failed(refused.error))?,
                }
            }
            Some((_, expected)) => {
                match path.symlink_metadata() {
                    Ok(now) if stat_of(&now) == *expected => {}
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
                    _ => return Ok(Written::Moved),
                }
                self.before(Operation::Rename, path).map_err(failed)?;
                temporary.persist(path).map_err(|refused| failed(refused.error))?
            }
        };
        // The rename changes `changed`. Anything else that differs was done by others since: then the stat from before is
        // given, which fits nothing and makes the next scan look.
        let after = stat_of(&file.metadata().map_err(failed)?);
        let untouched = (after.size, after.modified) == (before.size, before.modified);
        let stat = if untouched { after } else { before };

        if let Some((mut displaced, _)) = old {
            // Whatever comes of the first look, there is another.
            let late = displaced.salvage(self, Some(&stat));
            self.watch(displaced)?;
            if late? == Late::Restored {
                return Ok(Written::Moved);
            }
        }
        self.before(Operation::SyncFolder, &place.folder)
            .and_then(|()| sync_folder(&place.folder))
            .map_err(LocalError::io("save the folder", &place.folder))?;
        Ok(Written::Done(stat))
    }
}

/// The writer under the buffer: asks the faults, and remembers the first error.
struct Target<'a> {
    root: &'a Root,
    path: &'a Path,
    temporary: &'a NamedTempFile,
    error: Option<io::Error>,
}

impl Write for Target<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self
            .root
            .before(Operation::Write, self.path)
            .and_then(|()| self.temporary.as_file().write(bytes));
        written.map_err(|error| {
            let kind = error.kind();
            if kind != io::ErrorKind::Interrupted {
                self.error.get_or_insert(error);
            }
            kind.into()
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests;
