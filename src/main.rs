//! The `landfall` binary: parse, run, exit code. Everything else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything else: a worker has no terminal, no configuration and no time to lose.
    if std::env::args_os().nth(1).is_some_and(|command| command == "worker") {
        return ExitCode::from(landfall::convert::worker::child_main());
    }
    landfall::ops::cli::main()
}
