//! `csync git-credential`, which git starts and nobody else: hands git the token that another run of csync holds.

use std::io::{stdin, stdout};
use std::path::Path;

use crate::engine;
use crate::error::{Error, Kind, Result};

/// Passes git's question on to the run that waits at `socket`, and its answer back to git.
pub fn run(socket: &Path, operation: &str) -> Result<Option<Kind>> {
    engine::relay_credential(socket, operation, &mut stdin(), &mut stdout()).map_err(|source| {
        Error::new(Kind::General, "the run of csync that started git does not answer").caused_by(source)
    })?;
    Ok(None)
}
