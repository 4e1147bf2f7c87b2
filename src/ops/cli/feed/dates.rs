//! What became of a feed's dates, for `feed show`.

use jiff::civil::Date;
use serde::Serialize;

use crate::clock::Timestamp;
use crate::ledger::{DateState, Error, Excuse, ExpectedDate, Ledger};
use crate::names::FeedName;
use crate::ops::cli::output::{counted, table};
use crate::ops::cli::report::block;
use crate::ops::cli::words;
use crate::receive::receipt::shown;

/// Dates that are shown, the newest.
const SHOWN_MAX: usize = 10;

/// A date that was told of.
#[derive(Serialize)]
pub(super) struct Dated {
    date: Date,
    state: DateState,
    due_at: Timestamp,
    files: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    excuse: Option<Excuse>,
}

/// The newest dates of a feed.
pub(super) fn of(ledger: &dyn Ledger, feed: &FeedName) -> Result<Vec<Dated>, Error> {
    let mut known = ledger.expected_dates(feed, Date::MIN)?;
    let newest = known.split_off(known.len().saturating_sub(SHOWN_MAX));
    let dated = |ExpectedDate { date, state, due_at, files, excuse, .. }: ExpectedDate| Dated {
        date,
        state,
        due_at,
        files,
        excuse,
    };
    Ok(newest.into_iter().map(dated).collect())
}

/// A paragraph of them, newest first; nothing if there are none.
pub(super) fn text(dates: &[Dated]) -> String {
    if dates.is_empty() {
        return String::new();
    }
    let rows: Vec<_> =
        dates.iter().rev().map(|dated| [dated.date.to_string(), what(dated)]).collect();
    block("dates", &table(&rows))
}

fn what(Dated { state, due_at, files, excuse, .. }: &Dated) -> String {
    let files = counted(u64::from(*files), "file");
    match (state, excuse) {
        (DateState::Complete, _) => format!("complete, {files}"),
        (DateState::Late, _) => format!("late, {files}, due {}", words::time(*due_at)),
        (DateState::Missing, _) => format!("missing, {files}, due {}", words::time(*due_at)),
        (DateState::Excused, None) => "excused".to_owned(),
        (DateState::Excused, Some(excuse)) => in_words(excuse),
    }
}

/// `excused by ana: a holiday nobody listed`.
pub(in crate::ops::cli) fn in_words(Excuse { by, reason }: &Excuse) -> String {
    let by = by.as_ref().map_or(String::new(), |by| format!(" by {by}"));
    format!("excused{by}: {}", shown(reason))
}
