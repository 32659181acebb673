//! `csync sync`, `push` and `pull`.

use crate::cli::args::SyncArgs;
use crate::cli::shell::Shell;
use crate::cli::summary;
use crate::engine::{self, Direction, SyncOptions};
use crate::error::{Kind, Result};

/// Runs the command.
pub fn run(shell: &Shell, arguments: SyncArgs, direction: Direction) -> Result<Option<Kind>> {
    let options = SyncOptions {
        direction,
        selection: super::selection(shell, &arguments.limits)?,
        dry_run: arguments.dry_run,
        allow_deletions: arguments.allow_deletions,
        largest_push: engine::LARGEST_PUSH,
    };
    let report = engine::sync(&shell.context(arguments.json), &options)?;
    // A remote that cannot be reached is a failure where nothing waits for it.
    let failure = report.offline.as_ref().filter(|_| {
        let waits = report.pending > 0 && direction != Direction::Pull && !report.dry_run;
        !arguments.offline_ok && (!waits || arguments.json || shell.quiet)
    });
    if arguments.json {
        shell.print_json(&summary::report_json(direction.name(), &report))?;
    } else if !shell.quiet {
        let limited = !options.selection.is_everything();
        shell.print(&summary::report(shell, &report, limited, failure.is_none()))?;
    }
    for name in &report.new_members {
        shell.warn(&format!(
            "{name} was added to this vault by another device; if you do not know it, see SECURITY.md"
        ));
    }
    for trouble in &report.troubles {
        shell.fail(&trouble.error);
    }
    if let Some(absence) = failure {
        shell.fail(&absence.as_error(report.pending));
    }
    Ok(report.outcome(arguments.offline_ok))
}
