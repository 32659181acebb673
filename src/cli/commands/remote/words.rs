//! What `csync remote` says.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::sanitize;
use crate::cli::shell::Shell;
use crate::cli::sizes;
use crate::core::id::CommitId;
use crate::engine::{Carrier, Examination, Holds, Moved, RemoteFacts};

/// What `show` prints as JSON.
pub(super) fn facts_json(facts: &RemoteFacts) -> Value {
    json!({
        "version": 1,
        "remote": facts.location,
        "road": facts.road.name(),
        "host": facts.road.host(),
        "origin": facts.origin.to_string(),
        "transport": facts.transport.name(),
        "transport_origin": facts.transport_origin.to_string(),
        "switched": facts.switched.as_ref().map(|switched| json!({
            "because": switched.because,
            "since": switched.since,
        })),
        "vault": facts.vault,
        "device": facts.device.as_str(),
        "tip": facts.tip,
        "last_sync": facts.last_sync,
        "max_retries": facts.max_retries,
        "backoff_milliseconds": milliseconds(facts.backoff),
        "connect_timeout_seconds": facts.timeouts.connect.as_secs(),
        "idle_timeout_seconds": facts.timeouts.idle.as_secs(),
    })
}

/// What `show` prints.
pub(super) fn facts_text(shell: &Shell, facts: &RemoteFacts) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<10} {}", sanitize::line(value));
    };
    line("Remote", &format!("{} ({})", facts.location, facts.origin));
    line(
        "Road",
        &match facts.road.host() {
            Some(host) => format!("{}, to {host}", facts.road.name()),
            None => "a folder of this machine".to_owned(),
        },
    );
    line(
        "Transport",
        &format!("{} ({})", facts.transport.name(), facts.transport_origin),
    );
    if let Some(switched) = &facts.switched {
        let since = shell.times().moment_of_text(&switched.since);
        let since = since.unwrap_or_else(|| switched.since.clone());
        line("", &format!("the git command since {since}: {}", switched.because));
    }
    line("Vault", &facts.vault.to_string());
    line("Device", facts.device.as_str());
    line("Tip", &facts.tip.map_or_else(|| "not known here".to_owned(), short));
    line(
        "Last sync",
        &facts.last_sync.as_deref().map_or_else(
            || "never".to_owned(),
            |last| shell.times().ago_of_text(last).unwrap_or_else(|| last.to_owned()),
        ),
    );
    line(
        "Retries",
        &match facts.max_retries {
            0 => "none".to_owned(),
            retries => format!("{retries}, the first after {} ms", milliseconds(facts.backoff)),
        },
    );
    line(
        "Timeouts",
        &format!(
            "{} s to connect, {} s of silence",
            facts.timeouts.connect.as_secs(),
            facts.timeouts.idle.as_secs()
        ),
    );
    text
}

/// What `test` prints as JSON.
pub(super) fn examination_json(found: &Examination) -> Value {
    let (holds, detail) = match &found.holds {
        Holds::Nothing => ("nothing", Value::Null),
        Holds::Same => ("this vault", Value::Null),
        Holds::Newer { commits } => ("this vault, newer", json!(commits)),
        Holds::Older { commits } => ("this vault, older", json!(commits)),
        Holds::Diverged => ("this vault, with another history", Value::Null),
        Holds::OtherVault(id) => ("another vault", json!(id)),
        Holds::NoVault => ("no vault", Value::Null),
        Holds::Something => ("something", Value::Null),
    };
    json!({
        "version": 1,
        "remote": found.location,
        "road": found.road.name(),
        "carrier": carrier_name(&found.carrier),
        "tip": found.tip,
        "writable": found.not_writable.is_none(),
        "not_writable": found.not_writable,
        "holds": holds,
        "detail": detail,
        "milliseconds": milliseconds(found.took),
        "fetch_milliseconds": found.fetched_in.map(milliseconds),
        "not_compared": found.not_compared.as_ref().map(ToString::to_string),
    })
}

/// What `test` prints.
pub(super) fn examination_text(found: &Examination) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<10} {}", sanitize::line(value));
    };
    line("Remote", &found.location);
    line(
        "Reached",
        &format!("in {} ms, {}", milliseconds(found.took), carried_by(&found.carrier)),
    );
    line(
        "Writing",
        &match &found.not_writable {
            None => "allowed, as far as can be told without writing".to_owned(),
            Some(why) => format!("not allowed: {why}"),
        },
    );
    line("Holds", &holds_text(found));
    if let Some(error) = &found.not_compared {
        line("", &format!("(not compared with the vault here: {error})"));
    }
    text
}

fn holds_text(found: &Examination) -> String {
    let tip = found.tip.map_or_else(String::new, short);
    let fetched = found.fetched_in.map_or_else(String::new, |time| {
        format!(", fetched in {} ms and verified", milliseconds(time))
    });
    match &found.holds {
        Holds::Nothing => "nothing: an empty repository".to_owned(),
        Holds::Same => format!("this vault, at {tip} as this machine last saw it"),
        Holds::Newer { commits } => format!(
            "this vault, at {tip}, with {} that this machine has not seen{fetched}",
            commits_of(*commits)
        ),
        Holds::Older { commits } => format!(
            "this vault, at {tip}: it lacks {} that this machine has",
            commits_of(*commits)
        ),
        Holds::Diverged => format!("this vault, at {tip}, with another history than the one seen here"),
        Holds::OtherVault(id) => format!("another vault, {id}"),
        Holds::NoVault => "a repository that is not a csync vault".to_owned(),
        Holds::Something if found.not_compared.is_some() => format!("something, at {tip}"),
        Holds::Something => format!("something, at {tip}; `csync init` finds out what"),
    }
}

/// What `set-url` prints.
pub(super) fn moved_text(moved: &Moved) -> String {
    let mut text = match moved.sent {
        0 => String::new(),
        sent => format!("Sent {}. ", commits_of(sent)),
    };
    let _ = writeln!(text, "The vault is now at {}.", sanitize::line(&moved.location));
    if moved.held.is_none() {
        text.push_str("It was not looked at: `csync remote test` does that.\n");
    }
    let _ = writeln!(
        text,
        "It was at {}; `csync remote set-url` brings that back.\n\
         Run the same command on every other device: a device that keeps the old address is no longer in step.",
        sanitize::line(&moved.before)
    );
    text
}

fn carried_by(carrier: &Carrier) -> String {
    match carrier {
        Carrier::Folder => "as a folder of this machine".to_owned(),
        Carrier::Libgit2 => "through libgit2".to_owned(),
        Carrier::Git { because: None } => "through the git command".to_owned(),
        Carrier::Git { because: Some(because) } => format!("through the git command, since libgit2 cannot: {because}"),
    }
}

const fn carrier_name(carrier: &Carrier) -> &'static str {
    match carrier {
        Carrier::Folder => "folder",
        Carrier::Libgit2 => "libgit2",
        Carrier::Git { .. } => "git",
    }
}

/// So many commits.
pub(super) fn commits_of(commits: usize) -> String {
    sizes::count(commits as u64, "commit", "commits")
}

/// The beginning of a commit's id, as `git log --oneline` shows it.
fn short(id: CommitId) -> String {
    id.to_string()[..12].to_owned()
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
