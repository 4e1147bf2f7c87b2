//! The desk for held files: what a person decides about one, and what may be decided.
//!
//! Bytes are never changed and stay in the archive either way. A released file is converted again
//! under the configuration in force then, so that settings are changed where they belong, in the
//! feed or its contract, and hold for the files to come as well. What only this one file is let do
//! is its [`Allowance`].

use serde::{Deserialize, Serialize};

use crate::contract::Allowance;
use crate::diagnostic::{Code, Diagnostic};
use crate::ledger::{self, Arrival, Event, Ledger, State};
use crate::names::ArrivalId;

/// What is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It goes on.
    Release {
        /// Which rules of its feed do not hold for it.
        allowance: Allowance,
    },
    /// It goes nowhere.
    Reject,
}

/// A decision about a held file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// Which file.
    pub id: ArrivalId,
    /// What is decided.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Who decides.
    pub by: String,
    /// Why, for the ledger.
    pub reason: String,
}

/// Records a decision; returns the arrival after it.
///
/// # Errors
/// [`Code::Z104`] when the file is not held, or is held for want of a name that a feed takes, or no
/// reason is given; [`Code::L101`].
pub fn judge(ledger: &dyn Ledger, judgement: Judgement) -> Result<Arrival, Diagnostic> {
    let Judgement { id, verdict, by, reason } = judgement;
    if reason.trim().is_empty() {
        let told = Diagnostic::error(Code::Z104, "a decision needs a reason");
        return Err(told.hint("Say it with --reason; it is kept in the ledger."));
    }
    let failed = |error: ledger::Error| {
        Diagnostic::error(Code::L101, "the decision could not be recorded").caused_by(&error)
    };
    let arrival = ledger.arrival(id).map_err(failed)?;
    let held = arrival.as_ref().filter(|arrival| arrival.state == State::Held);
    let held = held.ok_or_else(|| not_held(id, arrival.as_ref()))?;
    let event = match verdict {
        Verdict::Release { allowance } => {
            check_named(held)?;
            Event::Released { by, reason, allowance }
        }
        Verdict::Reject => Event::Rejected { by, reason },
    };
    match ledger.advance(id, event) {
        Err(ledger::Error::Refused(_)) => {
            Err(not_held(id, ledger.arrival(id).ok().flatten().as_ref()))
        }
        done => done.map_err(failed),
    }
}

fn not_held(id: ArrivalId, arrival: Option<&Arrival>) -> Diagnostic {
    let told = match arrival {
        Some(arrival) => {
            let told = Diagnostic::error(Code::Z104, format!("{} is not held", arrival.name));
            told.fact("id", id)
        }
        None => Diagnostic::error(Code::Z104, format!("no file has the id {id}")),
    };
    told.hint("`landfall quarantine list` names what is held.")
}

/// No feed takes it under its name, so that releasing it would make it a file of none.
fn check_named(held: &Arrival) -> Result<(), Diagnostic> {
    let code = held.diagnostic.as_ref().map(|told| told.code);
    if !matches!(code, Some(Code::R101 | Code::R102)) {
        return Ok(());
    }
    let told = Diagnostic::error(Code::Z104, format!("no feed takes the name {}", held.name));
    Err(told.hint(
        "Its sender renames it, and it goes on. Or get it with `landfall get`, send it to its feed \
         with `landfall send`, and reject this one.",
    ))
}
