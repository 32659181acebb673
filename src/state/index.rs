//! The index: what each synced file looked like when it was last read, and what was agreed on with the vault.
//!
//! It is a cache in SQLite. One that is damaged is moved aside and begun anew, in the middle of a run as well; the files are
//! then read again.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, params};

use super::error::StateError;
use super::folder;
use crate::core::id::{BlobId, ContentHash};
use crate::core::path::LogicalPath;
use crate::core::stat::{Stat, Timestamp};

/// The version of the tables below. An index of any other version is begun anew.
const SCHEMA_VERSION: i64 = 1;

/// The tables. Times are nanoseconds; ids and hashes raw bytes; unsigned numbers are kept bit by bit as signed ones.
const SCHEMA: &str = "
    CREATE TABLE files (
        path        TEXT PRIMARY KEY NOT NULL,
        relative    TEXT NOT NULL,
        size        INTEGER NOT NULL,
        modified    INTEGER NOT NULL,
        changed     INTEGER NOT NULL,
        inode       INTEGER NOT NULL,
        mode        INTEGER NOT NULL,
        seen        INTEGER NOT NULL,
        hash        BLOB NOT NULL,
        synced      INTEGER NOT NULL,
        agreed_head BLOB,
        agreed_hash BLOB
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE heads (blob BLOB PRIMARY KEY NOT NULL, head TEXT NOT NULL) STRICT;
    CREATE TABLE meta (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
";

/// How long another process may hold the database before an error; within the vault's lock only `status` and the like meet.
const BUSY: Duration = Duration::from_secs(5);

/// The index of one vault on this machine.
pub struct Index {
    path: PathBuf,
    connection: RefCell<Connection>,
    rebuilt: Cell<bool>,
}

/// What the index knows of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The file's logical path.
    pub path: LogicalPath,
    /// Its path below its source's root on this machine, `/`-separated.
    pub relative: String,
    /// What the file system said of it when it was read.
    pub stat: Stat,
    /// When it was read, or rather: just before.
    pub seen: Timestamp,
    /// The hash of its synced part.
    pub hash: ContentHash,
    /// The length of its synced part in bytes.
    pub size: u64,
    /// What this machine and the vault last agreed on; `None` before the first time.
    pub agreed: Option<Agreed>,
}

/// A version that this machine and the vault agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreed {
    /// The blob of its head in the vault.
    pub head: BlobId,
    /// The hash of its content.
    pub hash: ContentHash,
}

impl Index {
    /// Opens the index in `file` (0600, in a folder of 0700), and makes it where it is missing. One that is damaged is renamed to
    /// `<file>.corrupt-<n>`, one of another version is deleted; either is begun anew, which [`Index::was_rebuilt`] tells.
    ///
    /// # Errors
    /// The folder cannot be written, or the database refuses for another reason than damage.
    pub fn open(file: &Path) -> Result<Self, StateError> {
        if let Some(dir) = file.parent() {
            folder::ensure(dir)?;
        }
        let mut rebuilt = false;
        let connection = match connect(file) {
            Ok(Some(connection)) => connection,
            Ok(None) => {
                remove_database(file)?;
                rebuilt = true;
                connect_anew(file)?
            }
            Err(StateError::Database { source, .. }) if is_damage(&source) => {
                move_aside(file)?;
                rebuilt = true;
                connect_anew(file)?
            }
            Err(error) => return Err(error),
        };
        Ok(Self {
            path: file.to_owned(),
            connection: RefCell::new(connection),
            rebuilt: Cell::new(rebuilt),
        })
    }

    /// The remembered value of `key` in the index at `file`, only looked at: nothing is made, moved aside or written. `None` also where
    /// the index is missing or cannot be read.
    #[must_use]
    pub fn look(file: &Path, key: &str) -> Option<String> {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let [_, log, _] = files_of(file);
        let connection = if log.exists() {
            // Another run is at work, or was killed: what it wrote last stands in the log.
            Connection::open_with_flags(file, flags).ok()?
        } else {
            // Reading through the log would make its file.
            let path: String = url_path(file)?;
            let flags = flags | rusqlite::OpenFlags::SQLITE_OPEN_URI;
            Connection::open_with_flags(format!("file:{path}?immutable=1"), flags).ok()?
        };
        connection.busy_timeout(BUSY).ok()?;
        connection
            .query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))
            .ok()
    }

    /// A copy of this index in `file`, which must not exist: what a dry run works on, to be thrown away.
    ///
    /// # Errors
    /// The copy cannot be written.
    pub fn scratch(&self, file: &Path) -> Result<Self, StateError> {
        let copied = self
            .connection
            .borrow()
            .execute("VACUUM INTO ?1", [file.to_string_lossy()]);
        copied.map_err(|source| StateError::Database {
            path: file.to_owned(),
            source,
        })?;
        Self::open(file)
    }

    /// Whether the index was begun anew, because it was damaged or of another version, since it was opened.
    #[must_use]
    pub fn was_rebuilt(&self) -> bool {
        self.rebuilt.get()
    }

    /// All rows, sorted by logical path. A row that makes no sense is left out, as if its file had never been read.
    ///
    /// # Errors
    /// The database refuses.
    pub fn rows(&self) -> Result<Vec<Row>, StateError> {
        self.run(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT path, relative, size, modified, changed, inode, mode, seen, hash, synced, agreed_head, agreed_hash
                 FROM files ORDER BY path",
            )?;
            let mut rows = statement.query(())?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.extend(read_row(row)?);
            }
            Ok(found)
        })
    }

    /// Adds or replaces `upserts` and drops the rows of `removals`: all of it or nothing.
    ///
    /// # Errors
    /// The database refuses; a full disk is one reason.
    pub fn write(&mut self, upserts: &[Row], removals: &[LogicalPath]) -> Result<(), StateError> {
        self.change(|transaction| {
            let mut delete = transaction.prepare_cached("DELETE FROM files WHERE path = ?1")?;
            for path in removals {
                delete.execute([path.as_str()])?;
            }
            let mut insert = transaction
                .prepare_cached("INSERT OR REPLACE INTO files VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)")?;
            for row in upserts {
                insert.execute(params![
                    row.path.as_str(),
                    row.relative,
                    row.stat.size.cast_signed(),
                    row.stat.modified.0,
                    row.stat.changed.0,
                    row.stat.inode.cast_signed(),
                    row.stat.mode,
                    row.seen.0,
                    row.hash.as_bytes(),
                    row.size.cast_signed(),
                    row.agreed.map(|agreed| agreed.head.0),
                    row.agreed.map(|agreed| agreed.hash.0),
                ])?;
            }
            Ok(())
        })
    }

    /// Remembers opened heads, serialised without content, by the blob that they were opened from.
    ///
    /// # Errors
    /// The database refuses.
    pub fn put_heads(&mut self, heads: &[(BlobId, String)]) -> Result<(), StateError> {
        self.change(|transaction| {
            let mut insert = transaction.prepare_cached("INSERT OR REPLACE INTO heads VALUES (?1, ?2)")?;
            for (blob, head) in heads {
                insert.execute(params![blob.as_bytes(), head])?;
            }
            Ok(())
        })
    }

    /// The opened head of `blob`, where it is remembered.
    ///
    /// # Errors
    /// The database refuses.
    pub fn head(&self, blob: BlobId) -> Result<Option<String>, StateError> {
        self.run(|connection| {
            connection
                .prepare_cached("SELECT head FROM heads WHERE blob = ?1")?
                .query_row([blob.as_bytes()], |row| row.get(0))
                .optional()
        })
    }

    /// All opened heads that are remembered: cheaper than one by one for a whole vault.
    ///
    /// # Errors
    /// The database refuses.
    pub fn heads(&self) -> Result<Vec<(BlobId, String)>, StateError> {
        self.run(|connection| {
            let mut statement = connection.prepare_cached("SELECT blob, head FROM heads")?;
            let mut rows = statement.query(())?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                if let Some(blob) = bytes_of(row, 0)? {
                    found.push((BlobId(blob), row.get(1)?));
                }
            }
            Ok(found)
        })
    }

    /// Forgets all opened heads but those of the blobs in `keep`.
    ///
    /// # Errors
    /// The database refuses.
    pub fn forget_heads_except(&mut self, keep: &HashSet<BlobId>) -> Result<(), StateError> {
        self.change(|transaction| {
            let mut stale: Vec<Vec<u8>> = Vec::new();
            let mut select = transaction.prepare_cached("SELECT blob FROM heads")?;
            let mut rows = select.query(())?;
            while let Some(row) = rows.next()? {
                if bytes_of(row, 0)?.is_none_or(|blob| !keep.contains(&BlobId(blob))) {
                    stale.push(row.get(0)?);
                }
            }
            let mut delete = transaction.prepare_cached("DELETE FROM heads WHERE blob = ?1")?;
            for blob in stale {
                delete.execute([blob])?;
            }
            Ok(())
        })
    }

    /// The remembered value of `key`, such as the time of the last sync.
    ///
    /// # Errors
    /// The database refuses.
    pub fn meta(&self, key: &str) -> Result<Option<String>, StateError> {
        self.run(|connection| {
            connection
                .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
                .query_row([key], |row| row.get(0))
                .optional()
        })
    }

    /// Remembers `value` for `key`.
    ///
    /// # Errors
    /// The database refuses.
    pub fn set_meta(&mut self, key: &str, value: &str) -> Result<(), StateError> {
        self.change(|transaction| {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO meta VALUES (?1, ?2)")?
                .execute([key, value])
                .map(drop)
        })
    }

    /// Runs `change` in one transaction.
    fn change(&mut self, change: impl Fn(&Transaction<'_>) -> rusqlite::Result<()>) -> Result<(), StateError> {
        self.run(|connection| {
            let transaction = connection.unchecked_transaction()?;
            change(&transaction)?;
            transaction.commit()
        })
    }

    /// Runs `work`; where that finds the database damaged, begins it anew and runs `work` once more.
    fn run<T>(&self, work: impl Fn(&Connection) -> rusqlite::Result<T>) -> Result<T, StateError> {
        let database = |source| StateError::Database {
            path: self.path.clone(),
            source,
        };
        let first = work(&self.connection.borrow());
        match first {
            Err(error) if is_damage(&error) => {}
            other => return other.map_err(database),
        }
        let in_memory = Connection::open_in_memory().map_err(database)?;
        drop(self.connection.replace(in_memory)); // closed before its files are renamed
        move_aside(&self.path)?;
        self.connection.replace(connect_anew(&self.path)?);
        self.rebuilt.set(true);
        work(&self.connection.borrow()).map_err(database)
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Opens the database; `None` where it is of another version.
fn connect(file: &Path) -> Result<Option<Connection>, StateError> {
    // SQLite gives its side files the mode of this one. Made here, it is closed to others from the first instant.
    drop(folder::open_private(file)?);
    try_connect(file).map_err(|source| StateError::Database {
        path: file.to_owned(),
        source,
    })
}

fn try_connect(file: &Path) -> rusqlite::Result<Option<Connection>> {
    let mut connection = Connection::open(file)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A crash of the system may lose the last transactions, never break the database: enough for a cache.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    let version =
        |connection: &Connection| connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
    if version(&connection)? == 0 {
        // Another process may be doing the same: only the first finds it still empty.
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        if version(&transaction)? == 0 {
            transaction.execute_batch(SCHEMA)?;
            transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        }
        transaction.commit()?;
    }
    Ok((version(&connection)? == SCHEMA_VERSION).then_some(connection))
}

/// Opens the database that has just been cleared away.
fn connect_anew(file: &Path) -> Result<Connection, StateError> {
    connect(file)?.ok_or_else(|| StateError::Database {
        path: file.to_owned(),
        source: rusqlite::Error::InvalidQuery,
    })
}

/// Whether SQLite says that the database is damaged, is none, or does not have the tables that its version says.
fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, message) => {
            let text = message.as_deref().unwrap_or_default();
            matches!(failure.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
                || (failure.code == ErrorCode::Unknown
                    && [
                        "no such table",
                        "no such column",
                        "already exists",
                        "has no column",
                        "columns but",
                    ]
                    .iter()
                    .any(|sign| text.contains(sign)))
        }
        rusqlite::Error::SqlInputError { .. } => true, // our statements are right: the tables are not
        rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::Utf8Error(..) => true,
        _ => false,
    }
}

/// A path as it stands in a `file:` URL of SQLite; none for one that is not UTF-8.
fn url_path(file: &Path) -> Option<String> {
    let special = |c: char| matches!(c, '%' | '?' | '#');
    let mut path = String::new();
    for character in file.to_str()?.chars() {
        if special(character) {
            path.push_str(&format!("%{:02x}", u32::from(character)));
        } else {
            path.push(character);
        }
    }
    Some(path)
}

/// The database's file and those beside it.
fn files_of(file: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|suffix| {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    })
}

/// Renames a damaged database to `<file>.corrupt-<n>`, with the first free number up to 9; after that the ninth is replaced.
fn move_aside(file: &Path) -> Result<(), StateError> {
    let aside = |number: u8| {
        let mut name = file.as_os_str().to_owned();
        name.push(format!(".corrupt-{number}"));
        PathBuf::from(name)
    };
    let number = (1..9).find(|number| !aside(*number).exists()).unwrap_or(9);
    match fs::rename(file, aside(number)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(StateError::io("move aside", file)(error));
        }
        _ => {}
    }
    remove_database(file)
}

/// Removes the database and the files beside it.
fn remove_database(file: &Path) -> Result<(), StateError> {
    for path in files_of(file) {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StateError::io("remove", &path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The bytes of a column, where they have the right length.
fn bytes_of<const N: usize>(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Option<[u8; N]>> {
    Ok(row
        .get_ref(column)?
        .as_blob_or_null()?
        .and_then(|bytes| bytes.try_into().ok()))
}

/// One row; `None` where it makes no sense.
fn read_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<Row>> {
    let (Ok(path), Some(hash)) = (LogicalPath::parse(row.get::<_, String>(0)?), bytes_of(row, 8)?) else {
        return Ok(None);
    };
    let agreed = match (bytes_of(row, 10)?, bytes_of(row, 11)?) {
        (Some(head), Some(hash)) => Some(Agreed {
            head: BlobId(head),
            hash: ContentHash(hash),
        }),
        _ => None,
    };
    Ok(Some(Row {
        path,
        relative: row.get(1)?,
        stat: Stat {
            size: row.get::<_, i64>(2)?.cast_unsigned(),
            modified: Timestamp(row.get(3)?),
            changed: Timestamp(row.get(4)?),
            inode: row.get::<_, i64>(5)?.cast_unsigned(),
            mode: row.get(6)?,
        },
        seen: Timestamp(row.get(7)?),
        hash: ContentHash(hash),
        size: row.get::<_, i64>(9)?.cast_unsigned(),
        agreed,
    }))
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests;
