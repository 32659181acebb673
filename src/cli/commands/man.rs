//! `csync man`: the man pages, one for each command, from the same definitions as the help.

use std::path::Path;

use clap::CommandFactory as _;

use crate::cli::args::Cli;
use crate::error::{Error, Kind, Result};

/// Runs the command.
pub fn run(folder: &Path) -> Result<Option<Kind>> {
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
        .map_err(|source| {
            Error::new(
                Kind::General,
                format!("cannot write the man pages into {}", folder.display()),
            )
            .caused_by(source)
        })?;
    Ok(None)
}
