//! `csync remote`.

mod words;

use serde_json::json;

use self::words::{commits_of, examination_json, examination_text, facts_json, facts_text, moved_text};
use crate::cli::args::RemoteCommand;
use crate::cli::prompts::Choice;
use crate::cli::shell::Shell;
use crate::engine::{self, Examination, Holds, MoveOptions};
use crate::error::{Kind, Result};

/// Runs the command.
pub fn run(shell: &Shell, command: RemoteCommand) -> Result<Option<Kind>> {
    match command {
        RemoteCommand::Show { json, .. } => {
            let facts = engine::remote_facts(&shell.context(json))?;
            if json {
                shell.print_json(&facts_json(&facts))?;
            } else {
                shell.print(&facts_text(shell, &facts))?;
            }
            Ok(None)
        }
        RemoteCommand::Test { url, json, .. } => {
            let mut context = shell.context(json);
            // What does not work now is what is asked for: nothing is waited for.
            context.config.max_retries = 0;
            let found = engine::examine_remote(&context, url.as_deref())?;
            if json {
                shell.print_json(&examination_json(&found))?;
            } else {
                shell.print(&examination_text(&found))?;
            }
            Ok(outcome(&found, url.is_some()))
        }
        RemoteCommand::SetUrl {
            url,
            push,
            no_test,
            allow_public,
            json,
            ..
        } => set_url(shell, url, push, (no_test, allow_public), json),
    }
}

/// What the whole ends with. An address that is only considered may well be behind.
fn outcome(found: &Examination, elsewhere: bool) -> Option<Kind> {
    if found.not_writable.is_some() {
        return Some(Kind::Network);
    }
    match &found.holds {
        Holds::Nothing | Holds::Older { .. } if elsewhere => None,
        Holds::Nothing | Holds::Older { .. } | Holds::Diverged => Some(Kind::Rollback),
        Holds::OtherVault(_) => Some(Kind::Key),
        Holds::NoVault => Some(Kind::General),
        Holds::Same | Holds::Newer { .. } | Holds::Something => None,
    }
}

fn set_url(
    shell: &Shell,
    url: String,
    push: bool,
    (no_test, allow_public): (bool, bool),
    as_json: bool,
) -> Result<Option<Kind>> {
    const ANSWERS: [Choice; 2] = [Choice { key: 'y', label: "yes" }, Choice { key: 'n', label: "no" }];
    let prompter = shell.prompter.as_ref();
    let mut ask = |holds: &Holds, missing: usize| {
        if push || !prompter.is_there() {
            return Ok(push);
        }
        let there = match holds {
            Holds::Nothing => "The new repository is empty",
            _ => "The new repository lags behind",
        };
        let question = format!("{there}. Send {} there?", commits_of(missing));
        prompter
            .choose(&question, &ANSWERS, "--push")
            .map(|answer| answer == 'y')
    };
    let options = MoveOptions {
        url,
        no_test,
        allow_public,
        push: &mut ask,
    };
    let moved = engine::set_url(&shell.context(as_json), options)?;
    if as_json {
        shell.print_json(&json!({
            "version": 1,
            "remote": moved.location,
            "before": moved.before,
            "sent": moved.sent,
            "tested": moved.held.is_some(),
        }))?;
    } else if !shell.quiet {
        shell.print(&moved_text(&moved))?;
    }
    if let Some(error) = &moved.old_unreachable {
        shell.warn(&format!(
            "the old address could not be asked whether it has more than this machine: {error}"
        ));
    }
    if let Some(name) = moved.overridden_by {
        shell.warn(&format!(
            "{name} is set and goes before the configuration: unset it to use the new address"
        ));
    }
    Ok(None)
}
