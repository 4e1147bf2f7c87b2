//! The calendar as the ledger knows it: which feeds are expected to bring files, what became of each
//! date, and which arrival counted for which.
//!
//! All of it is written in the transaction of its events, so that a restart neither repeats nor
//! forgets what was told.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{Error, Event};
use crate::clock::Timestamp;
use crate::names::{ArrivalId, FeedName};

/// What became of an expected date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DateState {
    /// Its time is over and its files have not all come.
    Late,
    /// So is its day, and the next date's has begun.
    Missing,
    /// All its files have come.
    Complete,
    /// Nobody expects it any more.
    Excused,
}

/// A date of a feed whose time is over, or whose files have come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedDate {
    /// Whose.
    pub feed: FeedName,
    /// Which.
    pub date: Date,
    /// What became of it.
    pub state: DateState,
    /// When it was due.
    pub due_at: Timestamp,
    /// How many of its files have come, by their names.
    pub files: u32,
    /// Why nobody expects it, while it is excused.
    pub excuse: Option<Excuse>,
}

/// Why a date is not expected any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excuse {
    /// Who says so; `None` for the calendar itself.
    pub by: Option<String>,
    /// Why.
    pub reason: String,
}

/// What an arrival is to its feed's calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counts {
    /// One of the files of its date.
    File,
    /// One of them again, under the same name.
    Again,
    /// Nothing that was expected, which was told.
    Extra,
    /// Nothing that was expected, and nothing to tell of.
    Other,
}

/// An arrival that the calendar has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Which.
    pub arrival: ArrivalId,
    /// Of which feed.
    pub feed: FeedName,
    /// The date it is for, if it is for one.
    pub date: Option<Date>,
    /// What it is to it.
    pub counts: Counts,
}

/// What the calendar has read of history, and what it has to say.
#[derive(Debug, Clone, Default)]
pub struct CalendarPage {
    /// The newest event that it has seen.
    pub seen: u64,
    /// When it last looked which dates are over.
    pub judged: Option<Timestamp>,
    /// Arrivals, in order.
    pub counted: Vec<Counted>,
    /// Arrivals whose size was compared with that of others before.
    pub measured: Vec<(ArrivalId, Measured)>,
    /// What it says, each about the arrival that it is about. Events of the calendar change its
    /// state in the ledger.
    pub events: Vec<(Option<ArrivalId>, Event)>,
}

/// Whether an arrival's size is like that of those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measured {
    /// It is, or there are too few to say.
    Usual,
    /// It is not.
    Unusual,
}

/// How large an arrival is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Raw bytes.
    pub bytes: u64,
    /// Records that were written or rejected; `None` when it was taken as it is.
    pub rows: Option<u64>,
}

/// A number that is far from what it usually is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unlike {
    /// The number.
    pub is: u64,
    /// The median of those before.
    pub usually: u64,
    /// How many those are.
    pub of: u32,
}

/// What is told of a feed's files until the next one that is as expected.
#[derive(Debug, Clone, PartialEq)]
pub struct Remark {
    /// Since when.
    pub since: Timestamp,
    /// The arrival it is about.
    pub arrival: ArrivalId,
    /// [`Event::FeedExtra`] or [`Event::FeedUnusual`].
    pub event: Event,
}

/// The ledger's part about the calendar.
pub trait Expected {
    /// Feeds that are expected to bring files, and since when.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn expecting(&self) -> Result<Vec<(FeedName, Timestamp)>, Error>;

    /// The newest event that the calendar has seen, and when it last looked which dates are over.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn calendar(&self) -> Result<(u64, Option<Timestamp>), Error>;

    /// Keeps a page of the calendar, all of it or nothing.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn keep_calendar(&self, page: CalendarPage) -> Result<(), Error>;

    /// The dates of a feed that are late or missing, and all others from `from` on, by date.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn expected_dates(&self, feed: &FeedName, from: Date) -> Result<Vec<ExpectedDate>, Error>;

    /// Excuses a date because a person says so. What is known of it, when it is complete or excused
    /// already: then nothing is changed.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn excuse_date(
        &self,
        feed: &FeedName,
        date: Date,
        due_at: Timestamp,
        excuse: Excuse,
    ) -> Result<Option<ExpectedDate>, Error>;

    /// The dates from `from` on that a person excused, by feed and date.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn excused_dates(&self, from: Date) -> Result<Vec<ExpectedDate>, Error>;

    /// The dates of every feed that are late or missing, by feed and date.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn late_dates(&self) -> Result<Vec<ExpectedDate>, Error>;

    /// The arrivals that counted for a date as its files.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn files_of(&self, feed: &FeedName, date: Date) -> Result<Vec<ArrivalId>, Error>;

    /// What the calendar knows of an arrival.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn counted(&self, arrival: ArrivalId) -> Result<Option<(Counts, Option<Measured>)>, Error>;

    /// What stands of the calendar's remarks: an extra file until the next that counts for a date, an
    /// unusual one until the next that is usual.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn remarks(&self) -> Result<Vec<Remark>, Error>;

    /// How large the feed's arrivals before one were that were converted or taken as they are,
    /// newest first.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn sizes_before(&self, arrival: ArrivalId, limit: u32) -> Result<Vec<Size>, Error>;
}
