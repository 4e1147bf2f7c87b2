//! What happened, for ever.
//!
//! The ledger keeps every [`Event`] as a leaf of a hash tree ([`log`]), and beside it the state each event led to. A
//! state changes only through [`State::on`]; the change, its event and the outbox rows it causes are
//! one transaction. [`Ledger`] speaks in domain verbs so that another database can stand behind it;
//! `tests/ledger.rs` runs one contract suite over every implementation.
//!
//! Writes block until they are durable; many callers share one commit. Reads also work from other
//! processes while the server runs ([`sqlite::open_read_only`]).
//!
//! Left out: who signs the tree and where it is published, which is for `evidence`;
//! PostgreSQL.

use crate::clock::Timestamp;
use crate::names::{ArrivalId, BatchId, Digest, FeedName, FileName, SinkName};
use crate::schema::LearnedSchema;
use crate::zone::ZonePath;

mod alerts;
mod arrival;
mod batch;
mod closing;
mod conversion;
mod custody;
mod delivery;
mod erasure;
mod event;
mod expected;
mod hold;
pub mod log;
mod pull;
mod query;
mod replay;
mod retirement;
mod sender;
mod sidecar;
mod sinks;
pub mod sqlite;
mod state;
pub mod tree;

pub use alerts::{AlertState, Alerts, Cause, Causes, Urgency, Waiting};
pub use arrival::{Arrival, NewArrival};
pub use batch::{
    Batch, BatchBounds, BatchFile, BatchState, FileKind, LiveTotals, Merge, Piece, Retraction,
    Share,
};
pub use closing::{Because, Closing, Closings, Empty, LastWindow, Over, ReadyNow, SetFile};
pub use conversion::{Conversion, NewConversion, Output, Revision};
pub use custody::{Custody, Finding, Kept, KeptKind, Problem, Round, Verified};
pub use delivery::{Delivery, DeliveryOutcome, DeliveryState, UsedBy};
pub use erasure::{Begun, Erasure, ErasureCause, ErasureWish, Erasures, Gone};
pub use event::{Event, Recorded};
pub use expected::{
    CalendarPage, Counted, Counts, DateState, Excuse, Expected, ExpectedDate, Measured, Remark,
    Size, Unlike,
};
pub use hold::{Covered, Hold, Holds, Release, Scope};
pub use log::Log;
pub use pull::{Failing, PullFailure, PullState, Pulled, Pulls};
pub use query::{ArrivalQuery, DigestRange, Found, Holding, Listed, NamePattern, NotDigits, Usage};
pub use replay::{Replay, ReplayEnd, ReplayStanding, Replays, ReplaysNow};
pub use retirement::{Age, NotKept, Part, PastPart, Retired, Retirements, Retiring, RetiringBegun};
pub use sender::{Door, Sender};
pub use sidecar::{
    NewSidecar, Sidecar, SidecarKind, SidecarName, Sidecars, Told, Verdict, Waits, WaitsFor,
};
pub use sinks::{Paused, Sinks};
pub use state::{Refused, State};

/// A ledger call that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store under the ledger failed. The ledger must be reopened before it is trusted again.
    #[error("ledger cannot {doing}")]
    Store {
        /// What was being done.
        doing: &'static str,
        /// What the store said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is nothing of that kind with that id.
    #[error("no {what} {id}")]
    Missing {
        /// `arrival`, `sidecar`, `batch`, `delivery`.
        what: &'static str,
        /// The id as text.
        id: String,
    },
    /// The event is not allowed in the arrival's state.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The feed's learned schema moved on since the conversion began: convert again.
    #[error("feed {feed} is at schema revision {now}, the conversion was made for {made_for}")]
    SchemaMovedOn {
        /// Whose schema.
        feed: FeedName,
        /// The revision now.
        now: u32,
        /// The revision the conversion was given; 0 for none.
        made_for: u32,
    },
    /// The ledger has been closed.
    #[error("ledger is closed")]
    Closed,
    /// The ledger was opened for reading only.
    #[error("ledger is open for reading only")]
    ReadOnly,
}

impl Error {
    /// Whether the disk is full: then nothing was written, and the ledger goes on when there is
    /// space again.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Store { source, .. } => sqlite::is_disk_full(source.as_ref()),
            Self::Missing { .. }
            | Self::Refused(_)
            | Self::SchemaMovedOn { .. }
            | Self::Closed
            | Self::ReadOnly => false,
        }
    }
}

/// The interface in domain verbs. All calls block; write calls return when the commit is durable.
pub trait Ledger:
    Sidecars
    + Sinks
    + Pulls
    + Closings
    + Replays
    + Custody
    + Erasures
    + Retirements
    + Holds
    + Expected
    + Alerts
    + Log
    + Send
    + Sync
{
    // ---- receiving ----

    /// Records a file that the archive holds. In one transaction it finds the current version of
    /// the same name (same sender, feed and name): the same digest makes a duplicate, which lists
    /// the name again if it was hidden; another makes this the current version. Calling it again
    /// with the same id returns the arrival as it is.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn receive(&self, new: NewArrival) -> Result<Arrival, Error>;

    /// Applies an event about one arrival through [`State::on`] and keeps it. A rename takes the
    /// new name from whatever had it. Events that come with more than a state (receipt, duplicate,
    /// conversion, batch, publication, hand-off, retraction) belong to their own verbs.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Refused`], [`Error::Store`].
    fn advance(&self, id: ArrivalId, event: Event) -> Result<Arrival, Error>;

    /// Keeps an event that is not about an arrival's state (logins, aborted uploads, …).
    ///
    /// # Errors
    /// [`Error::Store`].
    fn note(&self, event: Event) -> Result<(), Error>;

    // ---- converting ----

    /// Records a conversion and what it taught about the feed.
    ///
    /// # Errors
    /// [`Error::SchemaMovedOn`] when it changes the schema and was made for an older revision.
    fn converted(&self, id: ArrivalId, new: NewConversion) -> Result<Arrival, Error>;

    /// The feed's learned schema, if it has one.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn learned(&self, feed: &FeedName) -> Result<Option<LearnedSchema>, Error>;

    /// Every revision of the feed's learned schema, oldest first.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn revisions(&self, feed: &FeedName) -> Result<Vec<Revision>, Error>;

    // ---- handing off ----

    /// Closes the feed's next batch over what is ready, oldest first, one schema version to a
    /// batch: one transaction fixes id, sequence, members, file names and retractions. `None` when
    /// nothing is ready or a closed batch is not yet published. A batch has no members when an
    /// arrival that was published before took the name of another: then it only takes that back.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn close_batch(&self, feed: &FeedName, bounds: BatchBounds) -> Result<Option<Batch>, Error> {
        self.close_batch_over(feed, Closing::of_ready(bounds))
    }

    /// Marks a closed batch published and puts it into each sink's outbox, in one transaction.
    /// Without sinks its members are handed off at once. Calling it again changes nothing.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Store`].
    fn published(
        &self,
        batch: BatchId,
        manifest: Digest,
        sinks: &[SinkName],
    ) -> Result<Batch, Error>;

    /// Records that merged files of a closed batch are written and durable, with their sizes and
    /// digests. Calling it again changes nothing.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Store`].
    fn merged(&self, batch: BatchId, written: Vec<Merge>) -> Result<Batch, Error>;

    /// Has the arrivals of a merged file that is not yet written published in files of their own.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Store`].
    fn keep_apart(&self, batch: BatchId, merge: &Merge) -> Result<Batch, Error>;

    /// Records the outcome of an attempt to deliver; the last acknowledgement of a batch hands its
    /// members off. Also resumes or skips a stalled delivery.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Store`].
    fn delivered(&self, delivery: &str, outcome: DeliveryOutcome) -> Result<Delivery, Error>;

    /// Marks that a retracted file was moved out of the lake.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn retraction_done(&self, retraction: &Retraction) -> Result<(), Error>;

    // ---- reading ----

    /// One arrival.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn arrival(&self, id: ArrivalId) -> Result<Option<Arrival>, Error>;

    /// Arrivals whose id starts with these hexadecimal digits (dashes allowed), at most 10.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn arrivals_by_prefix(&self, prefix: &str) -> Result<Vec<Arrival>, Error>;

    /// Arrivals, newest first. One search looks at a bounded number of them; the answer says where
    /// to go on.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn find(&self, query: &ArrivalQuery) -> Result<Found, Error>;

    /// [`Self::find`], for queries that one search answers: those whose fields all narrow it much,
    /// or not at all.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn arrivals(&self, query: &ArrivalQuery) -> Result<Vec<Arrival>, Error> {
        self.find(query).map(|found| found.arrivals)
    }

    /// The oldest arrivals in `Received` that wait for nothing, with a sequence above `after`, oldest
    /// first.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn to_convert(&self, after: u64, limit: u32) -> Result<Vec<Arrival>, Error>;

    /// Feeds that have something ready for a batch, be it to publish or to take back.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn feeds_ready(&self) -> Result<Vec<FeedName>, Error>;

    /// The current version of a name, hidden or not.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn current(
        &self,
        sender: &Sender,
        feed: &FeedName,
        name: &FileName,
    ) -> Result<Option<Arrival>, Error>;

    /// The sender's visible current names in a feed, received at or after `since`, or sent again
    /// since then, by name.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn listing(
        &self,
        sender: &Sender,
        feed: &FeedName,
        since: Timestamp,
    ) -> Result<Vec<Listed>, Error>;

    /// What the sender sent at or after `since`: files, and the bytes of these and of sidecars.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn usage(&self, sender: &Sender, since: Timestamp) -> Result<Usage, Error>;

    /// One batch.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn batch(&self, id: BatchId) -> Result<Option<Batch>, Error>;

    /// A feed's batches with a sequence above `after`, in order.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn batches(&self, feed: &FeedName, after: u64, limit: u32) -> Result<Vec<Batch>, Error>;

    /// Batches that are closed and not yet published, of all feeds.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn closed_batches(&self) -> Result<Vec<Batch>, Error>;

    /// What is live in a feed's dataset after batch `as_of` (the newest when `None`).
    ///
    /// # Errors
    /// [`Error::Store`].
    fn live_files(&self, feed: &FeedName, as_of: Option<u64>) -> Result<Vec<BatchFile>, Error>;

    /// What the Parquet that is live in a feed's dataset comes to.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn live_totals(&self, feed: &FeedName) -> Result<LiveTotals, Error>;

    /// Retractions that are published and whose files still stand in the lake, with the time of
    /// publication.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn retractions_due(&self) -> Result<Vec<(Retraction, Timestamp)>, Error>;

    /// The rejects that were published beside a retracted file.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn rejects_beside(&self, retraction: &Retraction) -> Result<Option<ZonePath>, Error>;

    /// The delivery whose turn it is at this sink and feed: the lowest sequence that is not
    /// finished. It may be not yet due, or stalled.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn next_delivery(&self, sink: &SinkName, feed: &FeedName) -> Result<Option<Delivery>, Error>;

    /// Sink and feed pairs with unfinished deliveries.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn outbox(&self) -> Result<Vec<(SinkName, FeedName)>, Error>;

    /// All deliveries of a batch.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn deliveries(&self, batch: BatchId) -> Result<Vec<Delivery>, Error>;

    /// Whether the feed's newest batches are still on their first way to every sink: the next batch
    /// of an adaptive feed waits until one sink has taken them, so that a sink that hangs holds only
    /// itself. Sinks that failed before, or are paused, are not waited for.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn in_flight(&self, feed: &FeedName) -> Result<bool, Error>;

    /// The events about one arrival, oldest first.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn history(&self, id: ArrivalId) -> Result<Vec<Recorded>, Error>;

    /// Events with a sequence above `after`, oldest first.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn events(&self, after: u64, limit: u32) -> Result<Vec<Recorded>, Error>;

    /// Every load of a configuration and of this feed's contract, oldest first.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn loads(&self, feed: &FeedName) -> Result<Vec<Recorded>, Error>;

    /// How many arrivals of each feed are in each state.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn counts(&self) -> Result<Vec<(FeedName, State, u64)>, Error>;

    /// What the archive has of each feed that ever had a file, by feed.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn holdings(&self) -> Result<Vec<Holding>, Error>;

    /// The sequence of the newest event; 0 for none. Waits for nothing.
    fn head(&self) -> u64;

    /// Blocks until the newest event's sequence is above `after`, or the timeout ends. Returns the
    /// newest sequence. Only the writing process is woken at once.
    fn wait_beyond(&self, after: u64, timeout: std::time::Duration) -> u64;
}
