//! `csync status`.

use std::fmt::Write as _;

use serde_json::json;

use crate::cli::args::StatusArgs;
use crate::cli::sanitize;
use crate::cli::shell::Shell;
use crate::cli::sizes;
use crate::cli::summary::{self, Tense};
use crate::core::stat::Timestamp;
use crate::engine::{self, Item, Status};
use crate::error::{Kind, Result};

/// Runs the command.
pub fn run(shell: &Shell, arguments: &StatusArgs) -> Result<Option<Kind>> {
    let status = engine::status(&shell.context(arguments.json), arguments.fetch)?;
    if arguments.json {
        shell.print_json(&as_json(&status))?;
    } else if !shell.quiet {
        shell.print(&as_text(shell, &status))?;
    }
    for trouble in &status.troubles {
        shell.fail(&trouble.error);
    }
    if arguments.exit_code && !status.is_clean() {
        return Ok(Some(Kind::General));
    }
    Ok(status.outcome())
}

fn as_json(status: &Status) -> serde_json::Value {
    json!({
        "version": 1,
        "remote": status.remote,
        "device": status.device,
        "vault": status.vault,
        "last_sync": status.last_sync,
        "fetched": status.fetched,
        "files": status.files,
        "evicted": status.evicted,
        "outgoing": status.outgoing,
        "incoming": status.incoming,
        "conflicts": status.conflicts,
        "held": status.held,
        "waiting": status.waiting.as_ref().map(|waiting| json!({"files": waiting.files, "since": waiting.since})),
        "troubles": summary::troubles_json(&status.troubles),
        "clean": status.is_clean(),
    })
}

fn as_text(shell: &Shell, status: &Status) -> String {
    let mut text = String::new();
    let ago = |then: &str| match chrono::DateTime::parse_from_rfc3339(then) {
        Ok(time) => shell
            .times()
            .ago(Timestamp(time.timestamp_nanos_opt().unwrap_or_default())),
        Err(_) => sanitize::line(then).into_owned(),
    };
    let last = status.last_sync.as_deref().map_or_else(|| "never".to_owned(), ago);
    let _ = writeln!(text, "Remote     {}", sanitize::line(&status.remote));
    let _ = writeln!(text, "Device     {}", sanitize::line(&status.device));
    let _ = writeln!(text, "Last sync  {last}");
    let files = sizes::count(status.files as u64, "file", "files");
    let _ = match status.evicted {
        0 => writeln!(text, "Files      {files}"),
        evicted => {
            let evicted = sizes::count(evicted as u64, "more", "more");
            writeln!(
                text,
                "Files      {files} here; {evicted} only in the vault, swept here by the agent"
            )
        }
    };
    if let Some(waiting) = &status.waiting {
        let wait = if waiting.files == 1 {
            "is sealed and waits"
        } else {
            "are sealed and wait"
        };
        let since = waiting.since.as_deref().map(|since| format!(", since {}", ago(since)));
        let _ = writeln!(
            text,
            "Sealed     {} {wait} for the network{}",
            sizes::count(waiting.files as u64, "file", "files"),
            since.unwrap_or_default()
        );
    }
    let mut section = |title: &str, items: &[Item]| {
        if !items.is_empty() {
            let _ = write!(
                text,
                "\n{title}\n{}",
                summary::lines(shell, items.iter(), Tense::Planned)
            );
        }
    };
    section("Changed here, to be sent:", &status.outgoing);
    section("Changed in the vault, to be received:", &status.incoming);
    section("In conflict (`csync conflicts` resolves them):", &status.conflicts);
    section("Waiting:", &status.held);
    if status.is_clean() {
        text.push_str("\nEverything is in sync");
        text.push_str(if status.fetched {
            ".\n"
        } else {
            ", as far as this machine has seen (--fetch asks the remote).\n"
        });
    } else if !status.conflicts.is_empty() {
        text.push_str("\nRun `csync conflicts`, then `csync sync`.\n");
    } else {
        text.push_str("\nRun `csync sync`.\n");
    }
    text
}
