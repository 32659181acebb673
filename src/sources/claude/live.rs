//! Which sessions a running Claude Code holds.
//!
//! Each process keeps `sessions/<pid>.json` with its session's id and its own start time; a killed process leaves it behind. It is rewritten in
//! place, written first and cut afterwards, so that a reader may find an old end behind the new text, or half of it.
//!
//! A mistake in one direction lets a pull's write wait for nothing; in the other it can cost a conversation. So whatever cannot
//! be told counts as live.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::line::text;
use super::paths::is_session_id;

/// How large a session's entry may be; real ones have less than 2 KiB.
const LARGEST_ENTRY: u64 = 64 * 1024;

/// For how long an entry counts as live where processes cannot be asked. The entry is written at each turn.
const BELIEVED: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// What is known of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Process {
    /// It does not run.
    Gone,
    /// It runs, and started at this time, in the words of the system (field 22 of `/proc/<pid>/stat` on Linux).
    Started(String),
    /// It runs; when it started is not known in the words that Claude Code uses here.
    Running,
    /// The system gives no answer.
    Unknown,
}

/// The ids of the sessions that a running agent holds in the source at `root`, sorted. A missing or unreadable folder holds none.
#[must_use]
pub fn live_sessions(root: &Path) -> Vec<String> {
    live_sessions_among(root, &process, SystemTime::now())
}

/// [`live_sessions`] by a process table and a clock that are given.
pub fn live_sessions_among(root: &Path, process: &dyn Fn(u32) -> Process, now: SystemTime) -> Vec<String> {
    let mut live = Vec::new();
    for file in fs::read_dir(root.join("sessions")).into_iter().flatten().flatten() {
        let name = file.file_name();
        let pid = name
            .to_str()
            .and_then(|name| name.strip_suffix(".json"))
            .and_then(|pid| pid.parse().ok());
        let (Some(pid), Ok(about)) = (pid, fs::metadata(file.path())) else {
            continue;
        };
        // Opening anything but a regular file could wait for ever.
        if !about.is_file() || about.len() > LARGEST_ENTRY {
            continue;
        }
        let Ok(content) = fs::read(file.path()) else {
            continue;
        };
        let entry = read_entry(&content);
        let young = || {
            let age = about
                .modified()
                .ok()
                .and_then(|written| now.duration_since(written).ok());
            age.is_none_or(|age| age < BELIEVED)
        };
        let runs = match (process(pid), &entry.started) {
            (Process::Gone, _) => false,
            (Process::Started(actual), Some(recorded)) => actual == *recorded,
            (Process::Started(_) | Process::Running, _) => true,
            (Process::Unknown, _) => young(),
        };
        if runs {
            live.extend(entry.session);
        }
    }
    live.sort();
    live.dedup();
    live
}

/// What an entry says, as far as it can be read.
#[derive(Debug, Default, PartialEq, Eq)]
struct Entry {
    session: Option<String>,
    started: Option<String>,
}

#[derive(Deserialize)]
struct Whole<'a> {
    #[serde(borrow, rename = "sessionId")]
    session: Option<&'a RawValue>,
    #[serde(borrow, rename = "procStart")]
    started: Option<&'a RawValue>,
}

fn read_entry(content: &[u8]) -> Entry {
    // The first value alone: what follows it may be the end of an older, longer entry.
    let whole = serde_json::Deserializer::from_slice(content)
        .into_iter::<Whole<'_>>()
        .next();
    if let Some(Ok(whole)) = whole {
        let started = whole.started.filter(|value| value.get() != "null");
        return Entry {
            session: text(whole.session).map(String::from).filter(|id| is_session_id(id)),
            started: started.map(|value| value.get().trim_matches('"').to_owned()),
        };
    }
    // Half an entry: its session can mostly still be told. Its start time is not trusted: it may be cut within the number.
    let content = String::from_utf8_lossy(content);
    let session = content.split_once("\"sessionId\"").and_then(|(_, rest)| {
        let value = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
        value.get(..36).filter(|id| is_session_id(id)).map(str::to_owned)
    });
    Entry { session, started: None }
}

/// Asks the system for a process.
fn process(pid: u32) -> Process {
    match fs::read(format!("/proc/{pid}/stat")) {
        Ok(stat) => start_time(&stat).map_or(Process::Running, Process::Started),
        Err(_) if Path::new("/proc/self/stat").exists() => Process::Gone,
        Err(_) if cfg!(unix) => ask_ps(pid),
        Err(_) => Process::Unknown,
    }
}

/// Field 22 of a `stat` file: proc(5). The second field is the program's name in parentheses and may hold spaces and parentheses
/// itself, so the fields are counted from the last one.
fn start_time(stat: &[u8]) -> Option<String> {
    let name_ends = stat.iter().rposition(|byte| *byte == b')')?;
    let after = std::str::from_utf8(&stat[name_ends + 1..]).ok()?;
    let started = after.split_ascii_whitespace().nth(22 - 3)?;
    started
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| started.to_owned())
}

/// Where there is no `/proc` (macOS and the BSDs), `ps` tells whether a process runs: POSIX, `ps -p`.
fn ask_ps(pid: u32) -> Process {
    let status = Command::new("/bin/ps")
        .args(["-o", "pid=", "-p", &pid.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .env_clear()
        .status();
    match status {
        Ok(status) if status.success() => Process::Running,
        Ok(status) if status.code() == Some(1) => Process::Gone,
        _ => Process::Unknown,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
