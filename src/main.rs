//! The program: reports panics well, runs the command line, ends with its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    csync::cli::main()
}
