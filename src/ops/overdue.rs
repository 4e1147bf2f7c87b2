//! What the calendar knows of feeds that needs a person: late, missing, extra and unusual files.

use std::collections::BTreeMap;

use crate::calendar::usual;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::diagnostic::Code;
use crate::ledger::{DateState, Error, Event, ExpectedDate, Ledger, Remark};
use crate::names::FeedName;

use super::needs::{Need, owner};

/// Dates of a feed that are named; what is older is counted.
const NAMED_MAX: usize = 5;

/// One need for each date that is late or missing, one for a feed's extra files and one for its
/// unusual ones.
///
/// # Errors
/// What the ledger said.
pub fn needs(
    ledger: &dyn Ledger,
    config: Option<&Config>,
    suffix: &str,
) -> Result<Vec<Need>, Error> {
    let mut dates: BTreeMap<FeedName, Vec<ExpectedDate>> = BTreeMap::new();
    for date in ledger.late_dates()? {
        dates.entry(date.feed.clone()).or_default().push(date);
    }
    let mut needs = Vec::new();
    for (feed, mut dates) in dates {
        let named = dates.split_off(dates.len().saturating_sub(NAMED_MAX));
        let need = |key: String, code, cause, since| Need {
            key,
            code: Some(code),
            cause,
            owner: owner(config, &feed),
            since,
            command: format!("landfall list --feed {feed}{suffix}"),
        };
        if let (Some(first), Some(last)) = (dates.first(), dates.last()) {
            let (count, until) = (dates.len(), last.date);
            let cause = format!("{feed} is missing for {count} earlier dates until {until}");
            needs.push(need(format!("earlier {feed}"), Code::H141, cause, Some(first.due_at)));
        }
        needs.extend(named.into_iter().map(|date| {
            // The same while it goes from late to missing.
            let key = format!("due {feed} {}", date.date);
            let (code, cause) = overdue(&date);
            need(key, code, cause, Some(date.due_at))
        }));
    }
    let mut told: BTreeMap<(FeedName, Code), Vec<(Remark, String)>> = BTreeMap::new();
    for remark in ledger.remarks()? {
        if let Some((feed, code, words)) = remark_in_words(&remark.event) {
            told.entry((feed, code)).or_default().push((remark, words));
        }
    }
    for ((feed, code), remarks) in told {
        let Some((last, words)) = remarks.last() else { continue };
        let more = match remarks.len() {
            1 => String::new(),
            count => format!(" (and {} more before it)", count - 1),
        };
        needs.push(Need {
            key: format!("{code} {feed}"),
            code: Some(code),
            cause: format!("{words}{more}"),
            owner: owner(config, &feed),
            since: remarks.iter().map(|(remark, _)| remark.since).min(),
            command: format!("landfall show {}{suffix}", last.arrival),
        });
    }
    Ok(needs)
}

fn overdue(date: &ExpectedDate) -> (Code, String) {
    let ExpectedDate { feed, date, state, due_at, files, .. } = date;
    let (code, what) = match state {
        DateState::Missing => (Code::H141, "missing"),
        DateState::Late | DateState::Complete | DateState::Excused => (Code::H140, "late"),
    };
    let due = at(*due_at);
    let came = match files {
        0 => format!(", due {due}"),
        files => format!("; {files} came, not all that were due {due}"),
    };
    (code, format!("{feed} is {what} for {date}{came}"))
}

fn at(time: Timestamp) -> String {
    format!("{time:.0}")
}

#[allow(clippy::wildcard_enum_match_arm, reason = "remarks are one of two events")]
fn remark_in_words(event: &Event) -> Option<(FeedName, Code, String)> {
    match event {
        Event::FeedExtra { feed, name, reason, .. } => {
            let words = format!("{name} of {feed} was not expected: {reason}");
            Some((feed.clone(), Code::H142, words))
        }
        Event::FeedUnusual { feed, name, rows, bytes } => {
            let how = usual::in_words(rows.as_ref(), bytes.as_ref());
            Some((feed.clone(), Code::H143, format!("{name} of {feed} is unusual: {how}")))
        }
        _ => None,
    }
}
