//! `csync conflicts`: lists them, and resolves them one by one with a person, or all in one way.

use std::fmt::Write as _;

use serde_json::json;

use super::diff::show;
use crate::cli::args::{ConflictsArgs, KeepSide, Limits};
use crate::cli::pager::{self, Pager};
use crate::cli::programs;
use crate::cli::prompts::Choice;
use crate::cli::sanitize;
use crate::cli::shell::Shell;
use crate::cli::sizes;
use crate::cli::summary;
use crate::core::stat::Timestamp;
use crate::engine::{ConflictItem, Conflicts, Context, Keep};
use crate::error::{Error, Kind, Result};

/// Runs the command.
pub fn run(shell: &Shell, arguments: ConflictsArgs) -> Result<Option<Kind>> {
    let limits = Limits {
        paths: arguments.paths.clone(),
        ..Limits::default()
    };
    let selection = super::selection(shell, &limits)?;
    let context = shell.context(arguments.json);
    let mut conflicts = Conflicts::find(&context, &selection)?;
    // What cannot be looked at is told in any case, and counts before the conflicts that are left.
    let in_part = (!conflicts.troubles().is_empty()).then_some(Kind::Partial);
    for trouble in conflicts.troubles() {
        shell.fail(&trouble.error);
    }
    if let Some(side) = arguments.keep {
        let outcome = keep_all(shell, &context, &mut conflicts, side, arguments.json)?;
        return Ok(in_part.or(outcome));
    }
    let items = conflicts.list();
    if arguments.json {
        shell.print_json(&json!({
            "version": 1,
            "conflicts": items.iter().map(as_json).collect::<Vec<_>>(),
            "troubles": summary::troubles_json(conflicts.troubles()),
        }))?;
    } else if items.is_empty() {
        if in_part.is_none() {
            shell.tell("There are no conflicts.\n");
        }
    } else if arguments.list || !shell.prompter.is_there() || !shell.terminal.stdout {
        shell.print(&listed(shell, &items))?;
    } else {
        let outcome = ask(shell, &context, &mut conflicts, &items, arguments.no_pager)?;
        return Ok(in_part.or(outcome));
    }
    Ok(in_part.or((!items.is_empty()).then_some(Kind::Conflicts)))
}

fn as_json(item: &ConflictItem) -> serde_json::Value {
    let side = |side: Option<(u64, Timestamp)>| side.map(|(size, modified)| summary::version_json(size, modified));
    let mut value = json!(item.item);
    value["file"] = json!(item.file);
    value["conflict_files"] = json!(item.beside);
    value["local"] = json!(side(item.local));
    value["remote"] = json!(side(item.remote));
    value["can_keep_both"] = json!(item.both);
    value
}

fn listed(shell: &Shell, items: &[ConflictItem]) -> String {
    let mut text = format!("{}:\n", sizes::count(items.len() as u64, "conflict", "conflicts"));
    for item in items {
        text.push_str(&described(shell, item));
    }
    text.push_str(
        "\nRun `csync conflicts` on a terminal to go through them, or `csync conflicts --keep local|remote`.\n",
    );
    text
}

/// A conflict in a few lines: its name, and both sides with size and time.
fn described(shell: &Shell, item: &ConflictItem) -> String {
    let mut text = format!("\n  {}\n", summary::name(&item.item));
    let _ = writeln!(
        text,
        "    here   {}  {}",
        side(shell, item.local),
        path(shell, &item.file)
    );
    let device = item
        .item
        .device
        .as_deref()
        .map_or_else(String::new, |d| format!("from {}", sanitize::line(d)));
    let _ = writeln!(text, "    vault  {}  {device}", side(shell, item.remote));
    for beside in &item.beside {
        let name = beside.file_name().unwrap_or_default().to_string_lossy();
        let _ = writeln!(text, "           beside it as {}", sanitize::line(&name));
    }
    text
}

/// A path as a person would write it.
fn path(shell: &Shell, path: &std::path::Path) -> String {
    let home = shell.environment.home();
    let real = home.canonicalize().unwrap_or_else(|_| home.to_owned());
    let below = path.strip_prefix(&real).or_else(|_| path.strip_prefix(home));
    let text = match below {
        Ok(below) => format!("~/{}", below.to_string_lossy()),
        Err(_) => path.to_string_lossy().into_owned(),
    };
    sanitize::line(&text).into_owned()
}

fn side(shell: &Shell, side: Option<(u64, Timestamp)>) -> String {
    match side {
        Some((size, modified)) => {
            let times = shell.times();
            format!(
                "{:>9}, {} ({})",
                sizes::size(size),
                times.moment(modified),
                times.ago(modified)
            )
        }
        None => "deleted".to_owned(),
    }
}

/// Resolves all conflicts in one way. What does not allow it is told and left.
fn keep_all(
    shell: &Shell,
    context: &Context<'_>,
    conflicts: &mut Conflicts,
    side: KeepSide,
    as_json: bool,
) -> Result<Option<Kind>> {
    let keep = match side {
        KeepSide::Local => Keep::Local,
        KeepSide::Remote => Keep::Remote,
        KeepSide::Both => Keep::Both,
    };
    let mut resolved = Vec::new();
    let mut failed = Vec::new();
    for item in conflicts.list() {
        context.check_stop()?;
        match conflicts.resolve(context, &item.item.path, keep) {
            Ok(()) => resolved.push(item.item.path),
            Err(error) => failed.push((item.item.path, error)),
        }
    }
    if as_json {
        let left: Vec<_> = failed
            .iter()
            .map(|(path, error)| json!({"path": path, "error": error.to_string()}))
            .collect();
        shell.print_json(&json!({"version": 1, "resolved": resolved, "left": left}))?;
    } else {
        let count = sizes::count(resolved.len() as u64, "conflict", "conflicts");
        shell.tell(&format!(
            "Resolved {count}. Run `csync sync` to tell the other devices.\n"
        ));
    }
    for (_, error) in &failed {
        shell.fail(error);
    }
    Ok((!failed.is_empty()).then_some(Kind::Partial))
}

/// Goes through the conflicts with the person at the terminal.
fn ask(
    shell: &Shell,
    context: &Context<'_>,
    conflicts: &mut Conflicts,
    items: &[ConflictItem],
    no_pager: bool,
) -> Result<Option<Kind>> {
    let mut resolved = 0;
    'items: for (number, item) in items.iter().enumerate() {
        shell.tell(&format!(
            "\nConflict {} of {}:{}",
            number + 1,
            items.len(),
            described(shell, item)
        ));
        let mut choices = vec![
            Choice {
                key: 'l',
                label: "keep what is here",
            },
            Choice {
                key: 'r',
                label: "keep the vault's version",
            },
        ];
        if item.both {
            choices.push(Choice {
                key: 'b',
                label: "keep both",
            });
        }
        choices.extend([
            Choice {
                key: 'd',
                label: "show the difference",
            },
            Choice {
                key: 'e',
                label: "edit what is here",
            },
            Choice {
                key: 's',
                label: "skip",
            },
            Choice {
                key: 'q',
                label: "quit",
            },
        ]);
        let keep = loop {
            context.check_stop()?;
            match shell.prompter.choose("What now?", &choices, "--keep local|remote")? {
                'l' => break Keep::Local,
                'r' => break Keep::Remote,
                'b' => break Keep::Both,
                'd' => {
                    let difference = conflicts.difference(&item.item.path)?;
                    let pager = Pager::choose(&shell.config, &shell.environment, &shell.terminal, no_pager);
                    pager::show(pager.as_ref(), |out| show(shell, &difference, false, out))
                        .map_err(|source| Error::new(Kind::General, "cannot show the difference").caused_by(source))?;
                }
                'e' => {
                    shell.tell(match edit(shell, &item.file)? {
                        true => "Edited. `l` keeps it as it is now.\n",
                        false => "The editor ended with an error; the file counts as it is now.\n",
                    });
                }
                's' => continue 'items,
                _ => break 'items,
            }
        };
        match conflicts.resolve(context, &item.item.path, keep) {
            Ok(()) => resolved += 1,
            Err(error) => shell.fail(&error),
        }
    }
    let left = items.len() - resolved;
    let resolved = sizes::count(resolved as u64, "conflict", "conflicts");
    shell.tell(&format!(
        "\nResolved {resolved}, {left} left. Run `csync sync` to tell the other devices.\n"
    ));
    Ok((left > 0).then_some(Kind::Conflicts))
}

/// Opens a file in the person's editor. Whether the editor ended well.
fn edit(shell: &Shell, file: &std::path::Path) -> Result<bool> {
    let editor = ["VISUAL", "EDITOR"]
        .iter()
        .find_map(|name| shell.environment.variable(name))
        .and_then(|editor| editor.to_str())
        .unwrap_or("vi");
    let mut words = programs::words(editor);
    if words.is_empty() {
        words.push("vi".to_owned());
    }
    let status = programs::command(&words).arg(file).status().map_err(|source| {
        Error::new(Kind::General, format!("cannot start the editor `{}`", words[0]))
            .hint("set EDITOR to an editor that is on this machine")
            .caused_by(source)
    })?;
    Ok(status.success())
}
