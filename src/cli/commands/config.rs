//! `csync config`.

use std::fmt::Write as _;

use serde_json::json;

use crate::cli::args::ConfigCommand;
use crate::cli::sanitize;
use crate::cli::shell::Shell;
use crate::config::{Shape, setting};
use crate::engine::write_settings;
use crate::error::{Error, Kind, Result};

/// Runs the command.
pub fn run(shell: &Shell, command: ConfigCommand) -> Result<Option<Kind>> {
    match command {
        ConfigCommand::Show { origin, json } => show(shell, origin, json),
        ConfigCommand::Get { key } => {
            let entry = shell.config.entry(&key)?;
            match &entry.value {
                Some(value) => shell.print(&format!("{}\n", sanitize::line(&value.to_string())))?,
                None => {
                    return Err(Error::new(Kind::General, format!("{key} is not set"))
                        .hint(format!("set it with `csync config set {key} VALUE`")));
                }
            }
            Ok(None)
        }
        ConfigCommand::Set { key, value } => {
            let texts = match setting(&key).map(|setting| setting.shape) {
                Some(Shape::List) => list(&value)?,
                _ => vec![value],
            };
            write_settings(&shell.context(true), &[(&key, texts)])?;
            shell.tell(&format!("Set {key} in {}.\n", shell.paths.config_file().display()));
            Ok(None)
        }
        ConfigCommand::Path { json } => path(shell, json),
    }
}

/// A list as TOML writes it, or one plain text.
fn list(value: &str) -> Result<Vec<String>> {
    if !value.trim_start().starts_with('[') {
        return Ok(vec![value.to_owned()]);
    }
    serde_json::from_str(value).map_err(|source| {
        Error::new(Kind::Usage, format!("`{value}` is not a list of texts"))
            .hint(r#"write it as ["one", "two"]"#)
            .caused_by(source)
    })
}

fn show(shell: &Shell, origin: bool, as_json: bool) -> Result<Option<Kind>> {
    let entries = shell.config.entries();
    if as_json {
        let settings: Vec<_> = entries
            .iter()
            .map(|entry| {
                json!({
                    "key": entry.setting.key,
                    "value": entry.value.as_ref().map(crate::config::Value::to_json),
                    "origin": entry.origin.to_string(),
                    "about": entry.setting.about,
                })
            })
            .collect();
        shell.print_json(&json!({"version": 1, "settings": settings}))?;
        return Ok(None);
    }
    let mut text = String::new();
    for entry in entries {
        let value = entry
            .value
            .as_ref()
            .map_or_else(|| "(not set)".to_owned(), ToString::to_string);
        let _ = write!(text, "{:<18} {}", entry.setting.key, sanitize::line(&value));
        if origin {
            let _ = write!(text, "  ({})", sanitize::line(&entry.origin.to_string()));
        }
        text.push('\n');
    }
    shell.print(&text)?;
    Ok(None)
}

fn path(shell: &Shell, as_json: bool) -> Result<Option<Kind>> {
    let paths = [
        ("configuration", shell.paths.config_file()),
        ("identity", shell.paths.identity_file()),
        ("mirror", shell.paths.mirror()),
        ("index", shell.paths.index_file()),
    ];
    if as_json {
        let mut object = serde_json::Map::new();
        object.insert("version".to_owned(), 1.into());
        for (name, path) in paths {
            object.insert(name.to_owned(), path.to_string_lossy().into_owned().into());
        }
        shell.print_json(&object.into())?;
    } else {
        let lines = paths.map(|(name, path)| format!("{name:<14} {}\n", sanitize::line(&path.to_string_lossy())));
        shell.print(&lines.concat())?;
    }
    Ok(None)
}
