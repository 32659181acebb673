//! What a writer adds to a file after it was replaced.
//!
//! An agent opens its transcript by path, writes, and closes. When a rename falls between its open and its write, the write
//! goes to the file that lost its name, and would be lost with it. So the old file is kept open for a while, and what it
//! gains is added to the new one.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use super::error::LocalError;
use super::faults::Operation;
use super::metadata::{set_mode, stat_of};
use super::names::temporary_in;
use super::root::Root;
use super::scan::Problem;
use crate::core::stat::Stat;

/// How many replaced files are kept open: well under the 256 that some systems allow a process.
const KEPT_OPEN: usize = 64;
/// How many bytes before the known end are compared to tell an append from a rewrite.
const COMPARED: u64 = 4096;

/// What [`Root::settle`] found.
#[derive(Debug, Default)]
pub struct Settled {
    /// The files that bytes were added to, or conflict files written beside, because of late writes. They need another look.
    pub changed: Vec<String>,
    /// What could not be saved.
    pub problems: Vec<Problem>,
}

/// What late writes did to a file that was replaced.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Late {
    /// Nothing was written.
    Nothing,
    /// Bytes were appended, and are now at the end of the new file.
    Appended,
    /// It was rewritten in place. The rewritten content is the target again, since nobody had touched the new one.
    Restored,
    /// It was rewritten in place, and the new one too: the old one's content stands beside it as a conflict file.
    Beside,
}

/// A file that was replaced: it has no name any more, but may still have writers.
pub(super) struct Displaced {
    relative: String,
    target: PathBuf,
    file: File,
    known: Stat,
    end: Vec<u8>,
}

impl Displaced {
    /// Opens the file at `target`, before it is replaced. `None` if it is not what `expected` says.
    pub(super) fn open(relative: &str, target: &Path, expected: &Stat) -> io::Result<Option<Self>> {
        let mut file = File::open(target)?;
        if stat_of(&file.metadata()?) != *expected {
            return Ok(None);
        }
        let end = end_of(&mut file, expected.size)?;
        Ok(Some(Self {
            relative: relative.to_owned(),
            target: target.to_owned(),
            file,
            known: *expected,
            end,
        }))
    }

    /// Saves what was written since the last look. `ours` is the new file's stat as long as nobody has touched it.
    pub(super) fn salvage(&mut self, root: &Root, ours: Option<&Stat>) -> Result<Late, LocalError> {
        self.try_salvage(root, ours)
            .map_err(LocalError::io("save late writes to", &self.target))
    }

    fn try_salvage(&mut self, root: &Root, ours: Option<&Stat>) -> io::Result<Late> {
        root.before(Operation::Salvage, &self.target)?;
        let now = stat_of(&self.file.metadata()?);
        // The rename itself changes `changed`, so that it cannot tell.
        if (now.size, now.modified) == (self.known.size, self.known.modified) {
            return Ok(Late::Nothing);
        }
        if now.size >= self.known.size && end_of(&mut self.file, self.known.size)? == self.end {
            let grown = now.size > self.known.size;
            if grown {
                self.append(now.size)?;
            }
            self.known = now;
            return Ok(if grown { Late::Appended } else { Late::Nothing });
        }
        let late = self.set_beside_or_restore(root, ours)?;
        self.known = now;
        self.end = end_of(&mut self.file, now.size)?;
        Ok(late)
    }

    /// Adds what stands between the known end and `size` to the file that has the name now, in one write as its agent
    /// would. What is added counts as known at once, so that a second try after an error adds nothing twice.
    fn append(&mut self, size: u64) -> io::Result<()> {
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(self.known.size))?;
        (&mut self.file).take(size - self.known.size).read_to_end(&mut bytes)?;
        let mut target = OpenOptions::new().append(true).open(&self.target)?;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            match target.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    rest = &rest[written..];
                    self.known.size += written as u64;
                    self.end = end_of(&mut self.file, self.known.size)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        target.sync_all()
    }

    /// Writes the whole old file to the target again, or beside it where the target has changed as well.
    fn set_beside_or_restore(&mut self, root: &Root, ours: Option<&Stat>) -> io::Result<Late> {
        let folder = self.target.parent().unwrap_or(root.path());
        let mut temporary = temporary_in(folder)?;
        self.file.seek(SeekFrom::Start(0))?;
        io::copy(&mut self.file, &mut temporary)?;
        set_mode(temporary.as_file(), self.known.mode & 0o777)?;
        temporary.as_file().sync_all()?;
        let current = self.target.symlink_metadata().ok().map(|metadata| stat_of(&metadata));
        if ours.is_some() && current.as_ref() == ours {
            temporary.persist(&self.target)?;
            return Ok(Late::Restored);
        }
        let modified = stat_of(&self.file.metadata()?).modified;
        let time = chrono::DateTime::from_timestamp_nanos(modified.0).format("%Y%m%d-%H%M%S");
        let mut beside = self.target.clone().into_os_string();
        beside.push(format!(".conflict.{time}"));
        temporary.persist_noclobber(PathBuf::from(beside))?;
        Ok(Late::Beside)
    }
}

/// The last bytes before `size`.
fn end_of(file: &mut File, size: u64) -> io::Result<Vec<u8>> {
    let length = size.min(COMPARED);
    let mut end = Vec::new();
    file.seek(SeekFrom::Start(size - length))?;
    file.take(length).read_to_end(&mut end)?;
    Ok(end)
}

impl Root {
    /// Keeps watching a file that was replaced. The one that was watched longest makes room, after a last look.
    pub(super) fn watch(&self, displaced: Displaced) -> Result<(), LocalError> {
        let oldest = {
            let mut watched = self.displaced().lock().unwrap_or_else(PoisonError::into_inner);
            watched.push(displaced);
            (watched.len() > KEPT_OPEN).then(|| watched.remove(0))
        };
        match oldest {
            Some(mut oldest) => oldest.salvage(self, None).map(drop),
            None => Ok(()),
        }
    }

    /// Looks a last time at the files that were replaced, saves what was written to them late, and lets them go.
    #[must_use = "late writes that could not be saved must be told"]
    pub fn settle(&self) -> Settled {
        let watched = std::mem::take(&mut *self.displaced().lock().unwrap_or_else(PoisonError::into_inner));
        let mut settled = Settled::default();
        for mut displaced in watched {
            match displaced.salvage(self, None) {
                Ok(Late::Nothing) => {}
                Ok(_) => settled.changed.push(displaced.relative),
                Err(error) => settled.problems.push(Problem {
                    relative: displaced.relative,
                    error,
                }),
            }
        }
        settled
    }
}
