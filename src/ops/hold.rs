//! Placing and releasing legal holds because a person asks for it.

use serde::{Deserialize, Serialize};

use crate::diagnostic::{Code, Diagnostic};
use crate::ledger::{self, Ledger, Scope};
use crate::names::HoldName;

/// Holds that stand at a time; each removal looks at all of them.
const STANDING_MAX: usize = 1000;
/// Files that one hold names.
pub const FILES_MAX: usize = 1000;

/// What a person wants of a hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// Which.
    pub name: HoldName,
    /// What is to become of it.
    pub change: Change,
    /// Who asks.
    pub by: String,
    /// Why, for the ledger.
    pub reason: String,
}

/// What becomes of a hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is placed.
    Place(Scope),
    /// It is released.
    Release,
}

/// Places or releases a hold.
///
/// # Errors
/// [`Code::Z104`] when there is one of the name already, or none, or no reason or scope is given;
/// [`Code::Z105`] when there are too many; [`Code::L101`].
pub fn apply(ledger: &dyn Ledger, wish: &Wish) -> Result<(), Diagnostic> {
    let Wish { name, change, by, reason } = wish;
    if reason.trim().is_empty() {
        let told = Diagnostic::error(Code::Z104, "a hold needs a reason");
        return Err(told.hint("Say it with --reason; it is kept in the ledger."));
    }
    let failed = |error: ledger::Error| {
        Diagnostic::error(Code::L101, "the hold could not be recorded").caused_by(&error)
    };
    let (done, otherwise) = match change {
        Change::Place(scope) => {
            check(scope, &ledger.holds().map_err(failed)?)?;
            (ledger.place_hold(name, scope.clone(), by, reason), "stands already")
        }
        Change::Release => (ledger.release_hold(name, by, reason), "does not stand"),
    };
    if done.map_err(failed)? {
        return Ok(());
    }
    let told = Diagnostic::error(Code::Z104, format!("hold {name} {otherwise}"));
    Err(told.hint("`landfall hold list` shows every hold."))
}

fn check(scope: &Scope, all: &[ledger::Hold]) -> Result<(), Diagnostic> {
    if scope.is_everything() {
        let told = Diagnostic::error(Code::Z104, "a hold needs to say what it covers");
        return Err(told.hint("Give --feed, --from, --file, --since or --until."));
    }
    let standing = all.iter().filter(|hold| hold.released.is_none()).count();
    let (what, most) = match (scope.arrivals.len(), standing) {
        (files, _) if files > FILES_MAX => ("files in a hold", FILES_MAX),
        (_, standing) if standing >= STANDING_MAX => ("holds that stand", STANDING_MAX),
        (_, _) => return Ok(()),
    };
    let told = Diagnostic::error(Code::Z105, format!("there are at most {most} {what}"));
    Err(told.hint("Cover more with one hold: a feed, a sender, a period."))
}
