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
    if arguments.json {
        shell.print_json(&summary::report_json(direction.name(), &report))?;
    } else if !shell.quiet {
        shell.print(&summary::report(shell, &report, !options.selection.is_everything()))?;
    }
    for name in &report.new_members {
        shell.warn(&format!(
            "{name} was added to this vault by another device; if you do not know it, see SECURITY.md"
        ));
    }
    for trouble in &report.troubles {
        shell.fail(&trouble.error);
    }
    // The summary says so too, where there is one.
    if let Some(absence) = &report.offline
        && !arguments.offline_ok
        && (arguments.json || shell.quiet)
    {
        shell.fail(&absence.as_error(report.pending));
    }
    Ok(report.outcome(arguments.offline_ok))
}
