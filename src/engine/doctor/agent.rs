//! The agent: Claude Code's folder, when it deletes sessions, which of its hooks run csync, and what is running now.

use std::path::Path;

use super::finding::{Finding, count, path};
use super::patient::Patient;
use crate::error::reason;
use crate::sources::{self, Cleanup};

/// So many days that hardly anybody comes back later to a session: what the doctor proposes.
const MANY_DAYS: u64 = 365;
/// Fewer days than this leave little time between two syncs.
const FEW_DAYS: u64 = 7;

/// Looks at all of it.
pub(super) fn check(patient: &Patient<'_>) -> Vec<Finding> {
    let root = &patient.context.config.claude.path;
    if !root.is_dir() {
        let message = format!(
            "Claude Code's folder {} is not there yet; a pull makes it",
            root.display()
        );
        return vec![Finding::ok("agent.folder", message)];
    }
    let mut findings = vec![Finding::ok(
        "agent.folder",
        format!("Claude Code keeps its data in {}", root.display()),
    )];
    let settings = root.join("settings.json");
    match sources::upkeep(root) {
        Err(error) => findings.push(
            Finding::error(
                "agent.settings",
                format!("{} cannot be read: {}", settings.display(), reason(&error)),
            )
            .mend(format!("\"${{EDITOR:-vi}}\" {}", path(&settings))),
        ),
        Ok(upkeep) => {
            let unsynced = patient
                .last_sync
                .map(|last| (patient.now - last).num_days().max(0).unsigned_abs());
            findings.push(cleanup(&upkeep.cleanup, &settings, patient.joined.is_some(), unsynced));
            findings.push(hooks(&upkeep.hooks));
        }
    }
    let live = sources::live_sessions(root).len() as u64;
    findings.push(Finding::ok(
        "agent.live",
        match live {
            0 => "no session is running".to_owned(),
            1 => "1 session is running; what others changed in it is merged when it ends".to_owned(),
            live => format!("{live} sessions are running; what others changed in them is merged when they end"),
        },
    ));
    findings
}

/// Whether Claude Code deletes sessions sooner than they are synced. `unsynced`: days since the last sync; none before the first.
fn cleanup(cleanup: &Cleanup, settings: &Path, joined: bool, unsynced: Option<u64>) -> Finding {
    const CHECK: &str = "agent.cleanup";
    let (days, is_set) = match cleanup {
        Cleanup::Unclear(text) => {
            return Finding::warning(
                CHECK,
                format!("cleanupPeriodDays is {text}, which is no number of days"),
            )
            .mend(keep_longer(settings));
        }
        Cleanup::After { days, is_set } => (*days, *is_set),
    };
    let after = count(days, "day");
    let why = if is_set { "cleanupPeriodDays" } else { "its default" };
    if days == 0 {
        let message = "cleanupPeriodDays is 0: Claude Code deletes transcripts at once, and there is nothing to sync";
        return Finding::error(CHECK, message).mend(keep_longer(settings));
    }
    if joined && unsynced.is_none_or(|unsynced| unsynced >= days) {
        let message = match unsynced {
            Some(unsynced) => format!(
                "Claude Code deletes sessions after {after} ({why}), and the last sync was {} ago: some may be lost",
                count(unsynced, "day")
            ),
            None => format!("Claude Code deletes sessions after {after} ({why}), and nothing was synced yet"),
        };
        return Finding::warning(CHECK, message).mend("csync sync");
    }
    if days < FEW_DAYS {
        let message = format!("Claude Code deletes sessions after {after} ({why}): what is not synced by then is lost");
        return Finding::warning(CHECK, message).mend(keep_longer(settings));
    }
    let message = format!("Claude Code deletes sessions here after {after} ({why}); the vault keeps what was synced");
    Finding::ok(CHECK, message)
}

/// The command that has Claude Code keep sessions for a year. The file keeps its mode, and stays as it is where it is not JSON.
fn keep_longer(settings: &Path) -> String {
    let file = path(settings);
    format!("kept=$(jq '.cleanupPeriodDays = {MANY_DAYS}' {file}) && printf '%s\\n' \"$kept\" > {file}")
}

fn hooks(events: &[String]) -> Finding {
    const CHECK: &str = "agent.hooks";
    if events.is_empty() {
        Finding::ok(
            CHECK,
            "no hook of Claude Code runs csync: `csync sync` is run by hand, or by a timer",
        )
    } else {
        Finding::ok(CHECK, format!("hooks of Claude Code run csync: {}", events.join(", ")))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::engine::doctor::Level;

    #[test]
    fn sessions_must_live_until_the_next_sync() {
        let settings = Path::new("/home/ana/.claude/settings.json");
        let judged = |days, unsynced| {
            let after = Cleanup::After { days, is_set: true };
            cleanup(&after, settings, true, unsynced)
        };
        for (days, unsynced, level) in [
            (0, Some(0), Level::Error),
            (1, Some(0), Level::Warning),
            (30, Some(0), Level::Ok),
            (30, Some(29), Level::Ok),
            (30, Some(30), Level::Warning),
            (30, None, Level::Warning),
            (365, Some(8), Level::Ok),
        ] {
            assert_eq!(judged(days, unsynced).level, level, "{days} {unsynced:?}");
        }
        assert_eq!(judged(30, Some(31)).mend.unwrap(), "csync sync");
        assert!(judged(1, Some(0)).mend.unwrap().starts_with("kept=$(jq "));
        let unclear = Cleanup::Unclear("\"x\"".to_owned());
        assert_eq!(cleanup(&unclear, settings, false, None).level, Level::Warning);
        let default = Cleanup::After {
            days: 30,
            is_set: false,
        };
        assert_eq!(
            cleanup(&default, settings, false, None).level,
            Level::Ok,
            "nothing is to be synced"
        );
    }
}
