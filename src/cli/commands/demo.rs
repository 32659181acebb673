//! `csync demo`
pub fn run(
    _: &crate::cli::shell::Shell,
    _: crate::cli::args::DemoArgs,
) -> crate::error::Result<Option<crate::error::Kind>> {
    Ok(None)
}
