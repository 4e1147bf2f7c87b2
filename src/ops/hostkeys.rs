//! A step of a change of host keys, by the running server or without one.

use serde::{Deserialize, Serialize};

use crate::diagnostic::{Code, Diagnostic};
use crate::ledger::{Event, Ledger};
use crate::receive::sftp::keys::{self, KeyError};
use crate::zone::Zone;

/// The steps, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Make the next key; no connection is shown it yet.
    Rotate,
    /// Show the next key to new connections.
    Activate,
    /// Remove the key that is not in use.
    Retire,
}

/// Takes a step and records it. Answers what was done, in words.
///
/// # Errors
/// [`Code::R121`] when it is not this step's turn, [`Code::Z105`], [`Code::L101`].
pub fn take(
    zone: &Zone,
    ledger: &dyn Ledger,
    step: Step,
    by: String,
) -> Result<String, Diagnostic> {
    let done = match step {
        Step::Rotate => keys::rotate(zone).map(|next| format!("{next} made, to be used next")),
        Step::Activate => keys::activate(zone)
            .map(|(new, old)| format!("{new} in use, {old} kept as the old one")),
        Step::Retire => keys::retire(zone).map(|gone| format!("{gone} removed")),
    };
    let change = done.map_err(|error| refused(&error))?;
    let event = Event::HostKeyChanged { by, change: change.clone() };
    ledger.note(event).map_err(|error| {
        Diagnostic::error(Code::L101, "the keys are changed, but not recorded in the ledger")
            .caused_by(&error)
    })?;
    Ok(change)
}

fn refused(error: &KeyError) -> Diagnostic {
    match error {
        KeyError::Order(why) => Diagnostic::error(Code::R121, *why),
        KeyError::Io { .. }
        | KeyError::Durable(_)
        | KeyError::Key { .. }
        | KeyError::Sign(_)
        | KeyError::Encrypted
        | KeyError::Kind => {
            Diagnostic::error(Code::Z105, "the host keys could not be changed").caused_by(error)
        }
    }
}
