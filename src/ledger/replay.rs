//! Replays as the ledger knows them: arrivals that are converted again from the archive.
//!
//! An arrival that is replayed keeps its state and its published file until a batch publishes what
//! came of it and takes the old file back, both at once. There is one replay of an arrival at a time;
//! what is known of the last one stays.

use serde::{Deserialize, Serialize};

use super::{Arrival, BatchFile, Conversion, Error, NewConversion};
use crate::clock::Timestamp;
use crate::diagnostic::Diagnostic;
use crate::names::{ArrivalId, BatchId, FeedName};

/// A replay of an arrival.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Replay {
    /// What is replayed, as it stands.
    pub arrival: Arrival,
    /// Who asked for it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub asked_at: Timestamp,
    /// How far it has come.
    #[serde(flatten)]
    pub standing: ReplayStanding,
}

/// How far a replay has come.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "replay", rename_all = "snake_case")]
pub enum ReplayStanding {
    /// To be converted.
    Asked,
    /// Converted; it waits for a batch.
    Made {
        /// What came of it.
        conversion: Box<Conversion>,
    },
    /// It has ended.
    Ended {
        /// How.
        end: ReplayEnd,
    },
}

/// How a replay ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ReplayEnd {
    /// A batch has what came of it, and takes back what was published before.
    Published {
        /// Which.
        batch: BatchId,
        /// Its number in the feed.
        sequence: u64,
    },
    /// The same columns and values came of it: what is published stays.
    Unchanged,
    /// It would be held now: what is published stays.
    Held {
        /// Why.
        diagnostic: Diagnostic,
    },
    /// It is no table now: what is published stays.
    Raw {
        /// Why.
        reason: String,
    },
    /// What was published of it was taken back meanwhile.
    Overtaken,
}

/// What a feed has of replays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReplaysNow {
    /// To be converted.
    pub asked: u64,
    /// Waiting for a batch.
    pub made: u64,
    /// Whether the feed's newest batch was one of replays.
    pub had_the_last_turn: bool,
}

/// The ledger's part about replays.
pub trait Replays {
    /// Has an arrival that is published converted again; false when that is under way already.
    ///
    /// # Errors
    /// [`Error::Missing`]; [`Error::Refused`] when nothing of it is published, or what is published
    /// is being taken back; [`Error::Store`].
    fn replay(&self, id: ArrivalId, by: &str, reason: &str) -> Result<bool, Error>;

    /// Has an arrival whose Parquet is past its time converted and published once more, from the start;
    /// false when it is on its way already. It then counts from its publication.
    ///
    /// # Errors
    /// [`Error::Missing`]; [`Error::Refused`] when none of its Parquet is past its time, is still being
    /// taken back, or a newer version has its name; [`Error::Store`].
    fn publish_again(&self, id: ArrivalId, by: &str, reason: &str) -> Result<bool, Error>;

    /// Records what came of a replay, and what it taught about the feed.
    ///
    /// # Errors
    /// [`Error::Refused`] when it has ended meanwhile; [`Error::SchemaMovedOn`]; [`Error::Store`].
    fn replay_converted(&self, id: ArrivalId, new: NewConversion) -> Result<(), Error>;

    /// Has a replay converted once more, whose output is gone. One that has ended stays so.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn replay_again(&self, id: ArrivalId) -> Result<(), Error>;

    /// Ends a replay that comes to nothing. One that has ended stays so.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Store`].
    fn replay_ended(&self, id: ArrivalId, end: ReplayEnd) -> Result<(), Error>;

    /// The newest replay of an arrival.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn replay_of(&self, id: ArrivalId) -> Result<Option<Replay>, Error>;

    /// Replays to be converted, in order of receipt.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn replays_asked(&self, limit: u32) -> Result<Vec<Replay>, Error>;

    /// Replays that wait for a batch, in order of receipt.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn replays_made(&self) -> Result<Vec<Replay>, Error>;

    /// What a feed has of replays.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn replays_now(&self, feed: &FeedName) -> Result<ReplaysNow, Error>;

    /// What is published of an arrival, Parquet or raw; `None` once that is taken back. Of the parts of
    /// a merged file it has that of the arrival.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn published_file(&self, id: ArrivalId) -> Result<Option<BatchFile>, Error>;
}
