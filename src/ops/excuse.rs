//! Excusing a date of a feed because a person asks for it: a file that is expected and will not come.
//!
//! A date may be excused from the first that is asked for to a year ahead. Nobody is told of it as late
//! or missing then; what stands of that is gone. A file that comes all the same makes it complete.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::calendar;
use crate::clock::Timestamp;
use crate::config::{Config, Expect};
use crate::diagnostic::{Code, Diagnostic};
use crate::ledger::{DateState, Error, Excuse, ExpectedDate, Ledger};
use crate::names::FeedName;

use super::local::no_feed;

/// How far ahead a date may be excused.
const AHEAD_S: i64 = 366 * 24 * 3600;
/// Bytes of a reason.
const REASON_BYTES_MAX: usize = 1000;

/// What a person wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// Of which feed.
    pub feed: FeedName,
    /// Which date.
    pub date: Date,
    /// Who asks.
    pub by: String,
    /// Why, for the ledger.
    pub reason: String,
}

/// Excuses a date.
///
/// # Errors
/// [`Code::Z104`] when there is no such feed, nothing is expected of it on that date, or the date is
/// complete or excused already; [`Code::Z107`] for a reason that is none; [`Code::L101`].
pub fn apply(
    ledger: &dyn Ledger,
    config: &Config,
    now: Timestamp,
    wish: &Wish,
) -> Result<(), Diagnostic> {
    let Wish { feed, date, by, reason } = wish;
    check_reason(reason)?;
    let failed = |error: Error| {
        Diagnostic::error(Code::L101, "the excuse could not be recorded").caused_by(&error)
    };
    let expect = asked_for(ledger, config, now, wish, failed)?;
    let excuse = Excuse { by: Some(by.clone()), reason: reason.clone() };
    match ledger.excuse_date(feed, *date, expect.due(*date), excuse).map_err(failed)? {
        None => Ok(()),
        Some(known) => Err(stands(&known)),
    }
}

fn check_reason(reason: &str) -> Result<(), Diagnostic> {
    if reason.trim().is_empty() {
        let told = Diagnostic::error(Code::Z107, "an excuse needs a reason");
        return Err(told.hint("Say it with --reason; it is kept in the ledger."));
    }
    if reason.len() > REASON_BYTES_MAX {
        let summary = format!("a reason has at most {REASON_BYTES_MAX} bytes");
        return Err(Diagnostic::error(Code::Z107, summary));
    }
    Ok(())
}

/// What the feed is expected to bring, if it is on that date.
fn asked_for<'c>(
    ledger: &dyn Ledger,
    config: &'c Config,
    now: Timestamp,
    Wish { feed, date, .. }: &Wish,
    failed: impl Fn(Error) -> Diagnostic,
) -> Result<&'c Expect, Diagnostic> {
    let settings = config.feeds.get(feed).ok_or_else(|| no_feed(feed))?;
    let Some(expect) = &settings.expect else {
        let told = Diagnostic::error(Code::Z104, format!("{feed} is not expected to bring files"));
        return Err(
            told.hint(format!("[feed.{feed}.expect] in landfall.toml says when they are due."))
        );
    };
    if !expect.is_expected(*date) {
        let told = Diagnostic::error(Code::Z104, format!("no file of {feed} is due for {date}"));
        let hint = "Its weekday has no files, or the file of exceptions names it: there is nothing to excuse.";
        return Err(told.hint(hint));
    }
    if expect.opens(*date).as_second() > now.as_second().saturating_add(AHEAD_S) {
        let summary = format!("{date} is more than a year ahead");
        return Err(Diagnostic::error(Code::Z104, summary).hint("Is the year right?"));
    }
    let since = ledger.expecting().map_err(failed)?;
    let since = since.into_iter().find(|(known, _)| known == feed).map(|(_, since)| since);
    match since.and_then(|since| calendar::first_date(expect, since)) {
        Some(first) if *date < first => {
            let summary = format!("files of {feed} are expected from {first} on, not for {date}");
            let told = Diagnostic::error(Code::Z104, summary);
            Err(told.hint("Nobody asks for what may have come before: there is nothing to excuse."))
        }
        Some(_) | None => Ok(expect),
    }
}

/// Why a date cannot be excused any more.
fn stands(known: &ExpectedDate) -> Diagnostic {
    let ExpectedDate { feed, date, state, .. } = known;
    match (state, &known.excuse) {
        (DateState::Excused, Some(Excuse { by: Some(by), reason })) => {
            let summary = format!("{feed} is excused for {date} already, by {by}: {reason}");
            Diagnostic::error(Code::Z104, summary)
        }
        (DateState::Excused, _) => {
            Diagnostic::error(Code::Z104, format!("{feed} is excused for {date} already"))
        }
        (DateState::Complete | DateState::Late | DateState::Missing, _) => {
            let summary = format!("{feed} is complete for {date}: its files have come");
            let told = Diagnostic::error(Code::Z104, summary);
            told.hint(format!("`landfall list --feed {feed}` names them."))
        }
    }
}
