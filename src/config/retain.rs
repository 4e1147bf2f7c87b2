//! `[feed.<name>.retain]`: how long the zone keeps what a feed brought.

use std::time::Duration;

use toml::de::DeValue;

use super::problem::Wrong;
use super::reader::Reader;
use super::value;

/// A day.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Days of a year here: a leap year's, so that nothing goes a day early.
const YEAR_DAYS: u32 = 366;

/// How long the zone keeps what a feed brought; for ever by default.
///
/// A time counts from the receipt of a file; `y` is 366 days. What is past `raw` is erased with every
/// copy of it, so nothing of a file can be kept longer than its bytes: Parquet or a receipt without
/// them could be proven by nobody and made again from nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retain {
    /// `raw = "7y"`: how long a file is kept, and at most all that came of it.
    pub raw: Option<Duration>,
    /// `parquet = "2y"`: how long its Parquet is; by default as long as the file.
    pub parquet: Option<Duration>,
    /// `rejects = "90d"`: how long the records that were left out of it are; by default as long as the
    /// file.
    pub rejects: Option<Duration>,
    /// `receipts = "1y"`: how long its receipt is, and what that quotes of it; by default as long as
    /// the file.
    pub receipts: Option<Duration>,
}

pub(super) fn read(table: Reader<'_, '_>) -> Retain {
    let retain = Retain {
        raw: table.get("raw", kept),
        parquet: table.get("parquet", kept),
        rejects: table.get("rejects", kept),
        receipts: table.get("receipts", kept),
    };
    let parts =
        [("parquet", retain.parquet), ("rejects", retain.rejects), ("receipts", retain.receipts)];
    for (key, time) in parts {
        if retain.raw.zip(time).is_some_and(|(raw, time)| time > raw) {
            table.problem_at(key, Wrong::new(format!("`{key}` {LONGER_THAN_RAW}")));
        }
    }
    table.finish();
    retain
}

const LONGER_THAN_RAW: &str = "is longer than `raw`, and what is past `raw` is erased with every \
    copy of it: make `raw` at least as long, or leave this out";

fn kept(value: &DeValue<'_>) -> Result<Duration, Wrong> {
    const WHAT: &str = "how long it is kept, such as \"90d\" or \"7y\"";
    let text = value::text(value)?;
    period(&text).or(Err(Wrong::new(format!("must be {WHAT}, not `{text}`"))))
}

/// `90d`, `7y`, and what other durations are written as.
///
/// # Errors
/// What it must be.
pub fn period(text: &str) -> Result<Duration, &'static str> {
    let years = text.trim().strip_suffix('y').and_then(|years| years.trim().parse::<u32>().ok());
    match years {
        Some(years) => years.checked_mul(YEAR_DAYS).and_then(|days| DAY.checked_mul(days)),
        None => value::lasting(text),
    }
    .ok_or("must be a time such as 90d or 7y")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_never_ends_early() {
        assert_eq!(period("7y"), Ok(DAY * 7 * 366));
        assert_eq!(period("90d"), Ok(DAY * 90));
        for wrong in ["", "y", "7 years", "-1y", "99999999999y"] {
            assert!(period(wrong).is_err(), "{wrong}");
        }
    }
}
