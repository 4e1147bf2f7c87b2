//! A person has files converted and handed off again.

use serde::{Deserialize, Serialize};

use crate::diagnostic::{Code, Diagnostic};
use crate::ledger::{self, Ledger, Part, State};
use crate::names::ArrivalId;

/// Files of one wish; a longer list is several.
pub const FILES_MAX: usize = 500;

/// A person's wish to have files replayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayWish {
    /// Which, at most [`FILES_MAX`].
    pub ids: Vec<ArrivalId>,
    /// Who asks.
    pub by: String,
    /// Why.
    pub reason: String,
    /// What is meant to be replayed.
    #[serde(default)]
    pub of: Of,
}

/// What may be replayed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// What is published.
    #[default]
    Live,
    /// What was taken back because it was past its time: it is published again.
    Retired,
}

/// Records the wish; returns those whose replay is under way already. The server does the work.
///
/// # Errors
/// [`Code::Z104`] when one of them cannot be replayed, with the way out: then none before it is taken
/// back; [`Code::L101`].
pub fn ask(ledger: &dyn Ledger, wish: &ReplayWish) -> Result<Vec<ArrivalId>, Diagnostic> {
    if wish.reason.trim().is_empty() {
        let told = Diagnostic::error(Code::Z104, "a replay needs a reason");
        return Err(told.hint("Say it with --reason; it is kept in the ledger."));
    }
    let failed = |error: &ledger::Error| {
        Diagnostic::error(Code::L101, "the replay could not be recorded").caused_by(error)
    };
    let mut under_way = Vec::new();
    for id in wish.ids.iter().take(FILES_MAX) {
        let asked = match wish.of {
            Of::Live => ledger.replay(*id, &wish.by, &wish.reason),
            Of::Retired => ledger.publish_again(*id, &wish.by, &wish.reason),
        };
        match asked {
            Ok(true) => {}
            Ok(false) => under_way.push(*id),
            Err(ledger::Error::Refused(_) | ledger::Error::Missing { .. }) => {
                return Err(refused(ledger, *id, wish.of).map_err(|error| failed(&error))?);
            }
            Err(error) => return Err(failed(&error)),
        }
    }
    Ok(under_way)
}

fn refused(ledger: &dyn Ledger, id: ArrivalId, of: Of) -> Result<Diagnostic, ledger::Error> {
    let Some(arrival) = ledger.arrival(id)? else {
        return Ok(Diagnostic::error(Code::Z104, format!("no file has the id {id}")));
    };
    let is_past = ledger.retired_of(id)?.iter().any(|went| went.part == Part::Parquet);
    let summary = match of {
        Of::Live => format!("nothing of {} is published that could be replayed", arrival.name),
        Of::Retired => format!("{} has no Parquet that could be published again", arrival.name),
    };
    let told = Diagnostic::error(Code::Z104, summary).fact("id", id);
    Ok(told.hint(match (arrival.state, of) {
        (State::Retracted, Of::Live) if is_past => {
            "Its Parquet is past the time that its feed keeps it. --retired publishes it again, for as \
             long from then."
        }
        (State::Published | State::HandedOff, _) if is_past => {
            "Its Parquet is past its time and is being taken back: try it again in a moment."
        }
        (State::Published | State::HandedOff, Of::Retired) => {
            "It is published: replay it without --retired."
        }
        (state, _) => way_out(state),
    }))
}

fn way_out(state: State) -> &'static str {
    match state {
        State::Received | State::Converted | State::Raw | State::Batched => {
            "It is still on its way: `landfall show` tells how far."
        }
        State::Held => "It is held: `landfall quarantine release` converts it again.",
        State::Duplicate => "It is a duplicate: replay the file that it is one of.",
        State::Superseded | State::Retracted => {
            "A newer version took its place: replay that, or send these bytes again."
        }
        State::Tested => "It was a test: nothing of it is handed on.",
        State::Rejected => "It was rejected: send it again if it is wanted after all.",
        State::Erasing | State::Erased => "It is erased: send it again if it is wanted after all.",
        // What is published of it is being taken back.
        State::Published | State::HandedOff => "A newer version takes its place just now.",
    }
}
