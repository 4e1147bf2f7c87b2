//! Erasing a file because a person asks for it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::custody::{self, Doors, Elsewhere, Eraser, Readers};
use crate::diagnostic::{Code, Diagnostic};
use crate::handoff::batch::Publisher;
use crate::ledger::{self, Arrival, ArrivalQuery, Because, Hold, Ledger, State};
use crate::names::{ArrivalId, FileName};
use crate::receive::{folder, pull, staging};
use crate::zone::Zone;
use crate::{config, ledger::Error};

/// Other files with the same bytes that are named.
const SAME_BYTES_MAX: u32 = 20;

/// What a person wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// Which file.
    pub id: ArrivalId,
    /// Who asks.
    pub by: String,
    /// Why, for the ledger and the tombstone.
    pub reason: String,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// The file.
    pub id: ArrivalId,
    /// Its name.
    pub name: FileName,
    /// Files that were removed.
    pub removed: u64,
    /// Files that are not the zone's to remove.
    pub left: Vec<PathBuf>,
    /// Other files with the same bytes, which are not erased; at most 20.
    pub same_bytes: Vec<ArrivalId>,
    /// What is left of it.
    pub tombstone: PathBuf,
}

/// Erases a file; when it returns no copy is left in the zone.
///
/// # Errors
/// [`Code::A126`] when it is under way, [`Code::A129`] when it is on hold, [`Code::Z104`] when there is none or no reason is given,
/// [`Code::A127`].
pub fn erase(
    zone: &Zone,
    ledger: &dyn Ledger,
    eraser: &Eraser,
    wish: Wish,
) -> Result<Erased, Diagnostic> {
    let Wish { id, by, reason } = wish;
    if reason.trim().is_empty() {
        let told = Diagnostic::error(Code::Z104, "an erasure needs a reason");
        return Err(told.hint("Say it with --reason; it is kept in the ledger and the tombstone."));
    }
    let unreadable = |error: &Error| {
        Diagnostic::error(Code::L101, "the erasure could not be recorded").caused_by(error)
    };
    let arrival = ledger.arrival(id).map_err(|e| unreadable(&e))?.ok_or_else(|| {
        Diagnostic::error(Code::Z104, format!("no file has the id {id}"))
            .hint("`landfall list` shows ids.")
    })?;
    let failed = |error: &(dyn std::error::Error + 'static)| {
        let summary = format!("{} could not be erased", arrival.name);
        Diagnostic::error(Code::A127, summary).fact("id", id).caused_by(error)
    };
    if staging::is_in_progress(zone, &arrival).map_err(|error| failed(&error))? {
        let why =
            "its sender has an upload of this name in progress, which may begin with its bytes";
        let told = under_way(&arrival, why);
        return Err(told.hint("Wait for its end, or until it expires, and run it again."));
    }
    match eraser.erase(id, &by, &reason) {
        Ok(custody::Outcome::Erased(Elsewhere { removed, left })) => Ok(Erased {
            id,
            name: arrival.name.clone(),
            removed,
            left,
            same_bytes: same_bytes(ledger, &arrival).map_err(|e| unreadable(&e))?,
            tombstone: zone.tombstone(id),
        }),
        Ok(custody::Outcome::OnHold(holds)) => Err(on_hold(&arrival, &holds)),
        Ok(custody::Outcome::UnderWay(state)) => Err(of_state(&arrival, state)),
        Err(custody::Error::Ledger(error)) => Err(unreadable(&error)),
        Err(error) => Err(failed(&error)),
    }
}

fn on_hold(arrival: &Arrival, holds: &[Hold]) -> Diagnostic {
    let names: Vec<&str> = holds.iter().map(|hold| hold.name.as_str()).collect();
    let names = names.join(", ");
    let told = Diagnostic::error(Code::A129, format!("{} is on hold: {names}", arrival.name));
    holds.iter().fold(told.fact("id", arrival.id), |told, hold| {
        told.fact(hold.name.as_str(), format!("placed by {}: {}", hold.by, hold.reason))
    })
}

fn under_way(arrival: &Arrival, why: &str) -> Diagnostic {
    let summary = format!("{} cannot be erased now: {why}", arrival.name);
    Diagnostic::error(Code::A126, summary).fact("id", arrival.id)
}

fn of_state(arrival: &Arrival, state: State) -> Diagnostic {
    let id = arrival.id;
    match state {
        State::Published => under_way(arrival, "its batch is on its way to a sink").hint(format!(
            "Wait until `landfall show {id}` says handed off. Where a sink does not answer, take \
             the batch from it with `landfall sink skip`, and run it again."
        )),
        State::Received
        | State::Converted
        | State::Raw
        | State::Batched
        | State::HandedOff
        | State::Held
        | State::Duplicate
        | State::Superseded
        | State::Retracted
        | State::Tested
        | State::Rejected
        | State::Erasing
        | State::Erased => under_way(arrival, "it is being converted or published"),
    }
}

/// Other arrivals with the same bytes that are not erased.
fn same_bytes(ledger: &dyn Ledger, arrival: &Arrival) -> Result<Vec<ArrivalId>, ledger::Error> {
    let digest = Some(arrival.digest.into());
    let query = ArrivalQuery { digest, limit: SAME_BYTES_MAX + 1, ..ArrivalQuery::default() };
    let all = ledger.arrivals(&query)?.into_iter();
    let others = all.filter(|other| other.id != arrival.id && !other.state.is_erased());
    Ok(others.map(|other| other.id).take(SAME_BYTES_MAX as usize).collect())
}

/// What removes the copies that doors have: drop folders put away what they took, and a run of a pull
/// keeps its files until all of them are taken.
pub fn doors(zone: &Zone, config: &config::Live) -> Doors {
    let (zone, config) = (zone.clone(), config.clone());
    Box::new(move |arrival| {
        let now: &Config = &config.now();
        let (removed, left) = folder::take_out(&zone, now, arrival)?;
        let removed = removed + pull::take_out(&zone, arrival)?;
        Ok(Elsewhere { removed, left: left.into_iter().collect() })
    })
}

/// What tells readers at once what is erased, where rows of others are in one file with it.
pub fn readers(publisher: Publisher) -> Readers {
    Box::new(move |feed| Ok(publisher.take_back(feed, Because::Erased).map(drop)?))
}
