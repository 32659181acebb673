//! The sync itself: when it last ran, what waits for a person, and whether the clock can be right.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};

use super::finding::{Finding, count};
use super::patient::Patient;
use crate::local::conflict_base;
use crate::mirror::Pointer;
use crate::sources::{self, ClaudeSettings, Source};
use crate::vault::{Note, layout};

/// After so many days without a sync, other machines are far ahead.
const LONG: i64 = 7;
/// By how much clocks of two machines may differ before it is worth a word.
const SKEW: TimeDelta = TimeDelta::minutes(5);
/// This was written in November 2026, in seconds since 1970: no clock that is right can be before.
const WRITTEN: i64 = 1_793_491_200;

/// Looks at all of it.
pub(super) fn check(patient: &Patient<'_>) -> Vec<Finding> {
    let mut findings = vec![joined(patient)];
    if patient.joined.is_some() {
        findings.push(last(patient.last_sync, patient.now));
        let root = &patient.context.config.claude.path;
        let conflicts = conflict_files(root, &sources::claude(ClaudeSettings::default()));
        findings.push(waiting(&conflicts, unsettled(patient)));
        findings.push(outgoing(sealed(patient)));
    }
    findings.push(clock(patient.now, patient.newest_note().as_ref()));
    findings
}

fn joined(patient: &Patient<'_>) -> Finding {
    const CHECK: &str = "sync.joined";
    match &patient.joined {
        Some(joined) => Finding::ok(
            CHECK,
            format!("this machine is `{}` in vault {}", joined.device, joined.vault),
        ),
        None if patient.options.unusable.is_some() => Finding::warning(
            CHECK,
            "which vault this machine joined is not known, since the configuration cannot be read",
        )
        .mend("csync config path"),
        None => Finding::warning(CHECK, "there is no vault on this machine yet").mend("csync init"),
    }
}

fn last(last: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Finding {
    const CHECK: &str = "sync.last";
    let Some(last) = last else {
        return Finding::warning(CHECK, "this machine has not synced yet").mend("csync sync");
    };
    let days = (now - last).num_days();
    if days >= LONG {
        let ago = count(days.unsigned_abs(), "day");
        return Finding::warning(CHECK, format!("the last sync was {ago} ago")).mend("csync sync");
    }
    let hours = (now - last).num_hours();
    let ago = match (days, hours) {
        (1.., _) => format!("{} ago", count(days.unsigned_abs(), "day")),
        (_, 1..) => format!("{} ago", count(hours.unsigned_abs(), "hour")),
        _ => "less than an hour ago".to_owned(),
    };
    Finding::ok(CHECK, format!("the last sync was {ago}"))
}

/// What waits. `unsettled`: in how many files the vault is ahead of what was settled here.
fn waiting(conflicts: &[String], unsettled: usize) -> Finding {
    const CHECK: &str = "sync.conflicts";
    match (conflicts, unsettled) {
        ([], 0) => Finding::ok(CHECK, "nothing waits for a decision"),
        ([], 1) => Finding::ok(
            CHECK,
            "1 change of the vault is not settled here yet: `csync status` says why",
        ),
        ([], many) => Finding::ok(
            CHECK,
            format!("{many} changes of the vault are not settled here yet: `csync status` says why"),
        ),
        (conflicts, _) => Finding::warning(CHECK, format!("waiting for your decision: {}", conflicts.join(", ")))
            .mend("csync conflicts"),
    }
}

/// How many commits are sealed and not known to be at the remote. None counts where it cannot be told: other checks say why.
fn sealed(patient: &Patient<'_>) -> usize {
    let count = || {
        let mirror = patient.good_mirror()?;
        let outgoing = mirror.get(Pointer::Outgoing).ok()??;
        Some(mirror.history(outgoing, Some(patient.tip()?.0)).ok()?.len())
    };
    count().unwrap_or(0)
}

fn outgoing(sealed: usize) -> Finding {
    const CHECK: &str = "sync.outgoing";
    match sealed {
        0 => Finding::ok(CHECK, "nothing that is sealed waits for the remote"),
        1 => Finding::warning(CHECK, "1 sealed commit waits for the remote").mend("csync sync"),
        many => Finding::warning(CHECK, format!("{many} sealed commits wait for the remote")).mend("csync sync"),
    }
}

/// The files in conflict below `root`, by the conflict files that lie beside them; each once, sorted.
fn conflict_files(root: &Path, source: &impl Source) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(root.join(&folder)).into_iter().flatten().flatten();
        for entry in entries {
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let relative = if folder.is_empty() {
                name
            } else {
                format!("{folder}/{name}")
            };
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && source.enter(&relative) => folders.push(relative),
                Ok(kind) if kind.is_file() => found.extend(conflict_base(&relative).map(str::to_owned)),
                _ => {}
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// In how many files the tip differs from the base. None counts where it cannot be told: other checks say why.
fn unsettled(patient: &Patient<'_>) -> usize {
    let count = || {
        let mirror = patient.good_mirror()?;
        // What is sealed and waits counts as settled: the base is built upon it.
        let newest = match mirror.get(Pointer::Outgoing).ok()? {
            Some(outgoing) => outgoing,
            None => patient.tip()?.0,
        };
        let tree = mirror.commit(newest).ok()?.tree;
        let base = mirror.commit(mirror.get(Pointer::Base).ok()??).ok()?.tree;
        let changes = mirror.changes(Some(base), Some(tree), layout::FILES).ok()?;
        let heads = changes
            .iter()
            .filter(|change| layout::parse_head_path(&change.path).is_some());
        Some(heads.count())
    };
    count().unwrap_or(0)
}

/// Whether the clock can be right: it is past the day on which this was written, and nothing in the vault comes from its future.
fn clock(now: DateTime<Utc>, newest: Option<&Note>) -> Finding {
    const CHECK: &str = "sync.clock";
    const MEND: &str = if cfg!(target_os = "macos") {
        "sudo sntp -sS time.apple.com"
    } else {
        "sudo timedatectl set-ntp true"
    };
    let shown = now.format("%Y-%m-%d %H:%M UTC");
    if now.timestamp() < WRITTEN {
        return Finding::error(CHECK, format!("the clock says {shown}, which is before csync was made")).mend(MEND);
    }
    let made = newest.and_then(|note| Some((note, DateTime::parse_from_rfc3339(&note.time).ok()?)));
    match made {
        Some((note, made)) if made.with_timezone(&Utc) > now + SKEW => {
            let made = made.with_timezone(&Utc).format("%Y-%m-%d %H:%M UTC");
            let message = format!(
                "the clock says {shown}, but {} sent something at {made}: one of the two clocks is wrong",
                note.device
            );
            Finding::warning(CHECK, message).mend(MEND)
        }
        _ => Finding::ok(
            CHECK,
            format!("the clock says {shown}, and nothing in the vault is newer"),
        ),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::engine::doctor::Level;

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc)
    }

    fn note(time: &str) -> Note {
        Note {
            device: "bob's desk".to_owned().try_into().unwrap(),
            time: time.to_owned(),
            operation: "push".to_owned(),
            added: 0,
            changed: 0,
            deleted: 0,
        }
    }

    #[test]
    fn a_clock_that_cannot_be_right_is_found() {
        let now = at("2026-11-20T12:00:00Z");
        assert_eq!(clock(now, None).level, Level::Ok);
        assert_eq!(clock(now, Some(&note("2026-11-20T12:04:00Z"))).level, Level::Ok);
        let ahead = clock(now, Some(&note("2026-11-20T13:00:00Z")));
        assert_eq!(ahead.level, Level::Warning);
        assert!(
            ahead
                .message
                .contains("bob's desk sent something at 2026-11-20 13:00 UTC")
        );
        assert_eq!(clock(at("1970-01-01T00:00:01Z"), None).level, Level::Error);
    }

    #[test]
    fn a_week_without_a_sync_is_long() {
        let now = at("2026-11-20T12:00:00Z");
        assert_eq!(last(None, now).mend.unwrap(), "csync sync");
        assert_eq!(
            last(Some(at("2026-11-13T12:00:00Z")), now).message,
            "the last sync was 7 days ago"
        );
        assert_eq!(last(Some(at("2026-11-13T12:00:01Z")), now).level, Level::Ok);
        assert_eq!(
            last(Some(at("2026-11-20T10:00:00Z")), now).message,
            "the last sync was 2 hours ago"
        );
        assert_eq!(
            last(Some(at("2026-11-20T12:10:00Z")), now).message,
            "the last sync was less than an hour ago"
        );
    }

    #[test]
    fn conflicts_wait_for_a_person() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("agents")).unwrap();
        std::fs::create_dir_all(root.path().join("cache")).unwrap();
        for name in [
            "CLAUDE.md",
            "CLAUDE.md.conflict.20261120-101500",
            "CLAUDE.md.conflict.20261120-101600",
            "agents/a.md.conflict.20261120-101500",
            "cache/b.conflict.20261120-101500",
        ] {
            std::fs::write(root.path().join(name), "x").unwrap();
        }
        let found = conflict_files(root.path(), &sources::claude(ClaudeSettings::default()));
        assert_eq!(found, ["CLAUDE.md", "agents/a.md"]);
        assert_eq!(waiting(&found, 2).mend.unwrap(), "csync conflicts");
        assert_eq!(waiting(&[], 0).level, Level::Ok);
        assert!(
            waiting(&[], 1)
                .message
                .starts_with("1 change of the vault is not settled")
        );
    }
}
