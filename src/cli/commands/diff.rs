//! `csync diff`: how files here differ from the vault.

use std::io::Write;

use crate::cli::args::DiffArgs;
use crate::cli::diff::{self, DiffRequest, DiffStyle, Version};
use crate::cli::pager::{self, Pager};
use crate::cli::shell::Shell;
use crate::cli::summary;
use crate::core::kind::FileKind;
use crate::engine::{self, Difference};
use crate::error::{Error, Kind, Result};

/// How many equal lines are shown around a change.
const CONTEXT: usize = 3;

/// Runs the command.
pub fn run(shell: &Shell, arguments: &DiffArgs) -> Result<Option<Kind>> {
    let selection = super::selection(shell, &arguments.limits)?;
    let pager = Pager::choose(&shell.config, &shell.environment, &shell.terminal, arguments.no_pager);
    let mut any = false;
    let mut failed = None;
    let shown = pager::show(pager.as_ref(), |out| {
        let context = shell.context(true);
        let result = engine::diff(&context, &selection, &mut |difference| {
            any = true;
            show(shell, &difference, arguments.raw, out).map_err(cannot_show)
        });
        if let Err(error) = result {
            failed = Some(error);
        }
        Ok(())
    });
    match failed {
        Some(error) => return Err(error),
        None => shown.map_err(cannot_show)?,
    }
    if !any {
        shell.tell("No differences, as far as this machine has seen.\n");
    }
    Ok((any && arguments.exit_code).then_some(Kind::General))
}

/// Writes one difference.
pub fn show(shell: &Shell, difference: &Difference, raw: bool, out: &mut dyn Write) -> std::io::Result<()> {
    let style = DiffStyle {
        color: shell.terminal.color,
        width: shell.terminal.width,
        context: CONTEXT,
        line_numbers: false,
        clock: shell.times(),
    };
    let label = difference
        .remote
        .as_ref()
        .map_or_else(|| "vault".to_owned(), |(_, _, device)| format!("vault, from {device}"));
    let request = DiffRequest {
        title: &title(difference),
        kind: if raw { FileKind::Text } else { difference.kind },
        left: Version {
            label: &label,
            content: difference.remote.as_ref().map(|(bytes, _, _)| bytes.as_slice()),
            modified: difference.remote.as_ref().map(|(_, modified, _)| *modified),
        },
        right: Version {
            label: "here",
            content: difference.local.as_ref().map(|(bytes, _)| bytes.as_slice()),
            modified: difference.local.as_ref().map(|(_, modified)| *modified),
        },
    };
    diff::write(&request, &style, out)?;
    writeln!(out)
}

fn title(difference: &Difference) -> String {
    let path = difference.item.path.to_string();
    match &difference.item.title {
        Some(_) => format!("{}  {path}", summary::name(&difference.item)),
        None => path,
    }
}

fn cannot_show(source: std::io::Error) -> Error {
    Error::new(Kind::General, "cannot show the difference").caused_by(source)
}
