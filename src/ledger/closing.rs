//! When and over what a batch closes.
//!
//! A boundary is decided once: what a batch was closed over, and why, is stored with it, and a retry
//! finds it as it is.

use serde::{Deserialize, Serialize};

use super::{Batch, BatchBounds, Error};
use crate::clock::Timestamp;
use crate::names::{ArrivalId, FeedName, FileName};

/// What a batch is to be closed over, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// How much it may hold. A set is never split.
    pub bounds: BatchBounds,
    /// What it takes of that which is ready.
    pub over: Over,
    /// Whether there may be nothing in it.
    pub empty: Empty,
    /// Why, as it is stored.
    pub because: Because,
}

impl Closing {
    /// Over what is ready, because it is.
    pub fn of_ready(bounds: BatchBounds) -> Self {
        Self { bounds, over: Over::Ready, empty: Empty::Skip, because: Because::Ready }
    }
}

/// Which of the arrivals that are ready a batch takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Over {
    /// The oldest, as far as they fit.
    Ready,
    /// The oldest of those received before this time, as far as they fit.
    ReceivedBefore(Timestamp),
    /// What came of replays, the oldest arrivals first, as far as they fit.
    Replays,
    /// Just these, whatever their size and version; all of them or none.
    These(Vec<ArrivalId>),
}

/// What becomes of a batch that nothing is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Empty {
    /// It is not made.
    Skip,
    /// It is published, so that downstream knows that nothing came.
    Publish,
}

/// Why a batch closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Because {
    /// Something was ready and nothing in flight.
    Ready,
    /// As much was ready as a batch may hold.
    Full,
    /// The oldest had waited as long as it may.
    Waited,
    /// A window of time ended.
    Window {
        /// When; the arrivals in it were received before.
        ends: Timestamp,
    },
    /// A person asked for it.
    Asked {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// What came of replays was made.
    Replay,
    /// Its set was complete.
    Set {
        /// The control file that said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        control: Option<ArrivalId>,
    },
    /// What it takes back is erased, and its readers are told at once.
    Erased,
    /// What it takes back is past the time that its feed keeps Parquet.
    Retired,
}

/// What is ready for a feed's next batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadyNow {
    /// Arrivals.
    pub files: u64,
    /// Bytes of output.
    pub bytes: u64,
    /// Rows.
    pub rows: u64,
    /// When the oldest was received.
    pub oldest: Option<Timestamp>,
}

/// A file of a feed that may belong to a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetFile {
    /// Its arrival.
    pub id: ArrivalId,
    /// Its name.
    pub name: FileName,
}

/// A window of time that closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastWindow {
    /// When it ended.
    pub ends: Timestamp,
    /// Whether something is ready that was so when it closed: more than one batch may hold.
    pub left_over: bool,
}

/// The ledger's part about closing batches.
pub trait Closings {
    /// Closes the feed's next batch, as [`super::Ledger::close_batch`] does. `None` when there is
    /// nothing for it, a set is not whole any more, or a closed batch is not yet published.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn close_batch_over(&self, feed: &FeedName, closing: Closing) -> Result<Option<Batch>, Error>;

    /// The last window that closed for the feed.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn last_window(&self, feed: &FeedName) -> Result<Option<LastWindow>, Error>;

    /// What is ready for the feed's next batch.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn ready_now(&self, feed: &FeedName) -> Result<ReadyNow, Error>;

    /// The feed's files that are ready, in order of receipt; or those that are held.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn set_files(&self, feed: &FeedName, held: bool) -> Result<Vec<SetFile>, Error>;

    /// When the oldest of what is ready was received.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn oldest_ready(&self, feed: &FeedName) -> Result<Option<Timestamp>, Error>;

    /// Whether a file of the feed that was received before `time` is still on its way to be ready.
    /// One that waits for something, or for a person, is not.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn under_way(&self, feed: &FeedName, time: Timestamp) -> Result<bool, Error>;

    /// The sequence of the feed's newest batch; 0 when it has none.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn newest_batch(&self, feed: &FeedName) -> Result<u64, Error>;
}
