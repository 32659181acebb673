//! `csync doctor`.

use crate::cli::args::DoctorArgs;
use crate::cli::shell::Shell;
use crate::engine::{self, DoctorOptions, Finding, Level};
use crate::error::{Error, Kind, Result};

/// Runs the command. `unusable`: why the configuration cannot be read.
pub fn run(shell: &Shell, arguments: &DoctorArgs, unusable: Option<Error>) -> Result<Option<Kind>> {
    let options = DoctorOptions {
        no_network: arguments.no_network,
        unusable,
    };
    let findings: Vec<Finding> = engine::doctor(&shell.context(arguments.json), &options);
    let worst = findings.iter().map(|finding| finding.level).max();
    Ok((worst == Some(Level::Error)).then_some(Kind::General))
}
