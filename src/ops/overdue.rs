//! What the calendar knows of feeds that needs a person: late, missing, extra and unusual files.

use std::collections::BTreeMap;

use crate::calendar::usual;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::diagnostic::Code;
use crate::ledger::{DateState, Error, Event, ExpectedDate, Ledger, Remark};
use crate::names::FeedName;

use super::needs::{Need, owner};

/// Dates that are named; more are counted.
const NAMED_MAX: usize = 5;

/// One need for a feed's late dates, one for its missing ones, one for its extra files and one for
/// its unusual ones.
///
/// # Errors
/// What the ledger said.
pub fn needs(
    ledger: &dyn Ledger,
    config: Option<&Config>,
    suffix: &str,
) -> Result<Vec<Need>, Error> {
    let mut dates: BTreeMap<(FeedName, Code), Vec<ExpectedDate>> = BTreeMap::new();
    for date in ledger.late_dates()? {
        let code = match date.state {
            DateState::Missing => Code::H141,
            DateState::Late | DateState::Complete | DateState::Excused => Code::H140,
        };
        dates.entry((date.feed.clone(), code)).or_default().push(date);
    }
    let mut needs = Vec::new();
    for ((feed, code), dates) in dates {
        needs.push(Need {
            code: Some(code),
            cause: overdue(&feed, code, &dates),
            owner: owner(config, &feed),
            since: dates.iter().map(|date| date.due_at).min(),
            command: format!("landfall list --feed {feed}{suffix}"),
        });
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
            code: Some(code),
            cause: format!("{words}{more}"),
            owner: owner(config, &feed),
            since: remarks.iter().map(|(remark, _)| remark.since).min(),
            command: format!("landfall show {}{suffix}", last.arrival),
        });
    }
    Ok(needs)
}

fn overdue(feed: &FeedName, code: Code, dates: &[ExpectedDate]) -> String {
    let named: Vec<String> =
        dates.iter().rev().take(NAMED_MAX).map(|date| date.date.to_string()).collect();
    let more = match dates.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} before"),
    };
    let what = if code == Code::H141 { "missing" } else { "late" };
    let came = match dates {
        [ExpectedDate { due_at, files: files @ 1.., .. }] => {
            format!("; {files} came, not all that were due {}", at(*due_at))
        }
        [ExpectedDate { due_at, .. }] => format!(", due {}", at(*due_at)),
        _ => String::new(),
    };
    format!("{feed} is {what} for {}{more}{came}", named.join(", "))
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
