//! Writing the configuration.

use super::context::Context;
use crate::config::{self, Config};
use crate::error::Result;
use crate::local::write_private;

/// Sets keys in the configuration file, keeping its comments and order.
///
/// # Errors
/// An unknown key, a value that does not fit, or a file that cannot be read or written.
pub fn write(context: &Context<'_>, values: &[(&str, Vec<String>)]) -> Result<()> {
    let text = edited(context, values)?;
    write_private(&context.paths.config_file(), text.as_bytes())?;
    Ok(())
}

/// The text that [`write`] would write: tells a value that does not fit before anything else is done.
///
/// # Errors
/// As [`write`], but for the writing.
pub(super) fn edited(context: &Context<'_>, values: &[(&str, Vec<String>)]) -> Result<String> {
    let file = context.paths.config_file();
    let mut text = Config::file_text(&context.paths)?.unwrap_or_default();
    for (key, values) in values {
        text = config::set(&file, &text, key, values, &context.environment)?;
    }
    Ok(text)
}
