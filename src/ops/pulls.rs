//! A pull that a person asks for.

use crate::diagnostic::{Code, Diagnostic};
use crate::names::PullName;
use crate::receive::pull::{Door, NotRun, Outcome};

/// Runs it and waits for its end.
///
/// # Errors
/// [`Code::Z104`] when there is none, [`Code::Z105`] when it runs already, [`Code::L101`].
pub fn run(door: &Door, pull: &PullName, by: String) -> Result<Outcome, Diagnostic> {
    door.run_now(pull, Some(by)).map_err(|error| {
        let summary = error.to_string();
        match error {
            NotRun::Unknown(_) => Diagnostic::error(Code::Z104, summary).hint(
                "`landfall pull list` shows every pull; `landfall reload` takes a new one over.",
            ),
            NotRun::Busy(_) => Diagnostic::error(Code::Z105, summary).hint("Wait for its end."),
            NotRun::Ledger(_) => Diagnostic::error(Code::L101, summary),
        }
    })
}
