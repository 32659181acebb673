//! A host that the person accepted is written into `known_hosts`, as ssh writes it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::wire::key_type;
use super::HostName;
use super::line::{HASH_LENGTH, hashed_name};

/// Adds one line to `file`: `host` has `key`. With `hashed`, the name is hidden, as `HashKnownHosts yes` wants it.
///
/// Makes the file (0600) and its folder (0700) when they are missing. What stands in the file stays as it is; a last line
/// that has no end gets one. The line is appended in one write, so that a parallel ssh cannot come between, and is on disk
/// when this returns.
///
/// # Errors
///
/// The system's error when the folder or the file cannot be made or written; [`io::ErrorKind::InvalidInput`] when the name
/// or the key could not stand in such a file.
pub fn remember(file: &Path, host: &HostName, key: &[u8], hashed: bool) -> io::Result<()> {
    let refused = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
    let kind = key_type(key).ok_or_else(|| refused("the host's key names no type"))?;
    // Else it could be a pattern, several hosts, or a line of its own.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:%[]".contains(&byte);
    if host.as_str().is_empty() || !host.as_str().bytes().all(plain) {
        return Err(refused(
            "the host's name has characters that no known_hosts file can hold",
        ));
    }
    let name = if hashed {
        let mut salt = [0; HASH_LENGTH];
        getrandom::fill(&mut salt).map_err(io::Error::other)?;
        hashed_name(&salt, host.as_str())
    } else {
        host.as_str().to_owned()
    };
    let line = format!("{name} {kind} {}\n", STANDARD.encode(key));

    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        make_folder(folder)?;
    }
    let is_new = !file.exists();
    let mut target = open(file)?;
    let text = if ends_with_newline(&mut target)? {
        line
    } else {
        format!("\n{line}")
    };
    target.write_all(text.as_bytes())?;
    target.sync_all()?;
    if is_new && let Some(folder) = folder {
        sync_folder(folder)?;
    }
    Ok(())
}

/// Makes a folder that only its owner may enter; what is there already stays as it is.
fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Opens a file to append to it; makes it, for its owner alone, when it is missing. A link is followed, as ssh does.
fn open(file: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}

/// Whether the file's last line is complete. An empty file has none that is not.
fn ends_with_newline(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// Makes a new entry of a folder durable, where the system can.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
