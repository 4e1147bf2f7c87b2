//! What the sender gets back: receipt, problem text, result text.
//!
//! All three are rendered from the ledger's [`Arrival`] and nothing else, so that they always tell
//! the latest state and the same arrival always gives the same bytes. They go to people outside:
//! no path and no error chain of ours is in them, and no name or value of a file can drive a
//! terminal.
//!
//! A receipt tells the outcome and not the steps after it. Within a second or two of the outcome a
//! checkpoint of the ledger covers it; with the proof of that the receipt is final: its bytes stay the
//! same, and only then is it signed. A person who lets a held file go on, and a sender who
//! renames a file, make it another receipt with a signature of its own.
//!
//! Left out so far: languages.

use serde::Serialize;

use crate::clock::rfc3339_millis;
use crate::diagnostic::{Code, Diagnostic};
use crate::evidence::Proof;
use crate::ledger::{Arrival, Conversion, State, WaitsFor};
use crate::names::{ArrivalId, Digest, FeedName, FileName};
use crate::report::RejectReport;
use crate::schema::Change;

mod papers;
mod problem;
mod result;
mod words;

pub use papers::Papers;
pub use problem::problem;
pub use result::result_text;
pub use words::shown;

/// What became of a file, in the words its sender reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is in the archive; what it holds has not been looked at yet.
    Received,
    /// All of it is taken.
    Accepted,
    /// It is taken except for the records that are named.
    Partial,
    /// It waits for a person; nothing of it is handed on.
    Held,
    /// The same bytes came under the same name before; it is not handed on again.
    Duplicate,
    /// It waits because landfall failed on it: not the sender's fault.
    Failed,
    /// No copy of it is kept any more.
    Erased,
}

impl Outcome {
    /// The outcome that an arrival has reached so far.
    pub fn of(arrival: &Arrival) -> Self {
        match arrival.state {
            State::Received => Self::Received,
            State::Held => match &arrival.diagnostic {
                Some(told) if is_our_fault(told.code) => Self::Failed,
                Some(_) | None => Self::Held,
            },
            State::Duplicate => Self::Duplicate,
            State::Rejected => Self::Failed,
            State::Erasing | State::Erased => Self::Erased,
            // It may have been superseded before anybody looked at it.
            State::Superseded if arrival.conversion.is_none() => Self::Received,
            State::Converted
            | State::Raw
            | State::Batched
            | State::Published
            | State::HandedOff
            | State::Superseded
            | State::Retracted
            | State::Tested => match &arrival.conversion {
                Some(made) if made.rejected > 0 => Self::Partial,
                Some(_) | None => Self::Accepted,
            },
        }
    }

    /// Whether nothing more happens to it by itself.
    pub fn is_final(self) -> bool {
        match self {
            Self::Received => false,
            Self::Accepted
            | Self::Partial
            | Self::Held
            | Self::Duplicate
            | Self::Failed
            | Self::Erased => true,
        }
    }

    /// The outcome as text: `accepted`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Accepted => "accepted",
            Self::Partial => "partial",
            Self::Held => "held",
            Self::Duplicate => "duplicate",
            Self::Failed => "failed",
            Self::Erased => "erased",
        }
    }
}

/// Codes that say that landfall failed, not the file.
fn is_our_fault(code: Code) -> bool {
    matches!(code, Code::C111 | Code::C112)
}

#[derive(Serialize)]
struct Receipt<'a> {
    schema: &'static str,
    arrival: ArrivalId,
    feed: &'a FeedName,
    name: &'a FileName,
    size_bytes: u64,
    sha256: Digest,
    received_at: String,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<Rows>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejects: Option<Rejects<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem<'a>>,
    /// It was sent to the test area: nothing of it is handed on.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    test: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for: Option<WaitsFor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    same_bytes_as: Option<ArrivalId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate_of: Option<ArrivalId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    supersedes: Option<ArrivalId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<&'a Proof>,
}

#[derive(Serialize)]
struct Rows {
    seen: u64,
    written: u64,
    rejected: u64,
    skipped: u64,
}

/// Records that were left out.
#[derive(Serialize)]
struct Rejects<'a> {
    by_code: std::collections::BTreeMap<&'a str, u64>,
    first: Vec<RejectReport>,
}

impl<'a> Rejects<'a> {
    fn of(made: &'a Conversion) -> Option<Self> {
        let by_code = made.report.rejects_by_code.iter();
        let by_code = by_code.map(|(code, count)| (code.as_str(), *count)).collect();
        let safe = |reject: &RejectReport| RejectReport {
            reason: shown(&reject.reason),
            raw: shown(&reject.raw),
            ..reject.clone()
        };
        let first = made.report.first_rejects.iter().map(safe).collect();
        (made.rejected > 0).then_some(Self { by_code, first })
    }
}

/// The part of a [`Diagnostic`] that is meant for outsiders: causes stay inside.
#[derive(Serialize)]
struct Problem<'a> {
    code: Code,
    summary: &'a str,
    facts: &'a [(String, String)],
    hint: &'a str,
    #[serde(skip_serializing_if = "<[Change]>::is_empty")]
    changes: &'a [Change],
}

/// The receipt of an arrival as it stands: `landfall.receipt/v1`, indented JSON. `proof` makes it
/// final.
pub fn json(arrival: &Arrival, proof: Option<&Proof>) -> Vec<u8> {
    let rows = arrival.conversion.as_ref().map(|made| Rows {
        seen: made.seen,
        written: made.written,
        rejected: made.rejected,
        skipped: made.skipped,
    });
    let problem = what_is_wrong(arrival).map(|told| Problem {
        code: told.code,
        summary: &told.summary,
        facts: &told.facts,
        hint: &told.hint,
        changes: &told.changes,
    });
    let waits = arrival.waits.filter(|_| arrival.state == State::Received);
    let receipt = Receipt {
        schema: "landfall.receipt/v1",
        arrival: arrival.id,
        feed: &arrival.feed,
        name: &arrival.name,
        size_bytes: arrival.size_bytes,
        sha256: arrival.digest,
        received_at: rfc3339_millis(arrival.received_at),
        outcome: Outcome::of(arrival),
        rows,
        rejects: arrival.conversion.as_ref().and_then(Rejects::of),
        problem,
        test: arrival.sender.is_test(),
        waits_for: waits.map(|waits| waits.what),
        waits_until: waits.map(|waits| rfc3339_millis(waits.until)),
        same_bytes_as: arrival.same_bytes_as,
        duplicate_of: arrival.duplicate_of,
        supersedes: arrival.supersedes,
        proof,
    };
    // Plain data with text keys: it cannot fail to become JSON.
    let mut json = serde_json::to_vec_pretty(&receipt).unwrap_or_default();
    json.push(b'\n');
    json
}

/// Why the arrival is held. A diagnostic of the past does not count once a person let it go on.
fn what_is_wrong(arrival: &Arrival) -> Option<&Diagnostic> {
    arrival.diagnostic.as_ref().filter(|_| arrival.state == State::Held)
}
