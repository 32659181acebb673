//! Writing the configuration.

use super::context::Context;
use crate::config;
use crate::error::{Error, Kind, Result};
use crate::local::write_private;

/// Sets keys in the configuration file, keeping its comments and order.
///
/// # Errors
/// An unknown key, a value that does not fit, or a file that cannot be read or written.
pub fn write(context: &Context<'_>, values: &[(&str, String)]) -> Result<()> {
    let file = context.paths.config_file();
    let mut text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(source) => {
            return Err(Error::new(Kind::General, format!("cannot read {}", file.display())).caused_by(source));
        }
    };
    for (key, value) in values {
        text = config::set(&text, key, value)?;
    }
    write_private(&file, text.as_bytes())?;
    Ok(())
}
