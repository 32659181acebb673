//! `csync diff`: how files here differ from the vault.

use std::io::Write;

use serde_json::json;

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
    let context = shell.context(true);
    let mut any = false;
    let troubles = if arguments.json {
        let mut differences = Vec::new();
        let troubles = engine::diff(&context, &selection, &mut |difference| {
            differences.push(as_json(&difference));
            Ok(())
        })?;
        any = !differences.is_empty();
        shell.print_json(&json!({
            "version": 1,
            "differences": differences,
            "troubles": summary::troubles_json(&troubles),
        }))?;
        troubles
    } else {
        let pager = Pager::choose(&shell.config, &shell.environment, &shell.terminal, arguments.no_pager);
        let mut found = Ok(Vec::new());
        let mut reader_left = false;
        pager::show(pager.as_ref(), |out| {
            found = engine::diff(&context, &selection, &mut |difference| {
                any = true;
                show(shell, &difference, arguments.raw, out).map_err(|source| {
                    reader_left = source.kind() == std::io::ErrorKind::BrokenPipe;
                    cannot_show(source)
                })
            });
            Ok(())
        })
        .map_err(cannot_show)?;
        // Who quits the pager has seen enough: that is no error.
        let troubles = if reader_left { Vec::new() } else { found? };
        if !any && troubles.is_empty() {
            shell.tell(match selection.is_everything() {
                true => "No differences, as far as this machine has seen.\n",
                false => "No differences in what you named, as far as this machine has seen.\n",
            });
        }
        troubles
    };
    for trouble in &troubles {
        shell.fail(&trouble.error);
    }
    if !troubles.is_empty() {
        return Ok(Some(Kind::Partial));
    }
    Ok((any && arguments.exit_code).then_some(Kind::General))
}

/// What differs, and both sides of it. The lines themselves are for people: `csync diff` without `--json`.
fn as_json(difference: &Difference) -> serde_json::Value {
    let local = difference.local.as_ref();
    let remote = difference.remote.as_ref();
    json!({
        "path": difference.item.path,
        "session": difference.item.session,
        "title": difference.item.title,
        "project": difference.item.project,
        "local": local.map(|(bytes, modified)| summary::version_json(bytes.len() as u64, *modified)),
        "remote": remote.map(|(bytes, modified, device)| {
            let mut version = summary::version_json(bytes.len() as u64, *modified);
            version["device"] = json!(device);
            version
        }),
    })
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
    match difference.item.title.get() {
        Some(_) => format!("{}  {path}", summary::name(&difference.item)),
        None => path,
    }
}

fn cannot_show(source: std::io::Error) -> Error {
    Error::new(Kind::General, "cannot show the difference").caused_by(source)
}
