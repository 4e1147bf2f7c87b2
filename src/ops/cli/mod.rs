//! The command line: one file a command.

use std::process::ExitCode;

/// Runs the command line; returns its exit code.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
