//! What happened, for ever.
//!
//! The ledger keeps every [`Event`], hash-chained, and beside it the state each event led to. A
//! state changes only through [`State::on`]; the change, its event and the outbox rows it causes are
//! one transaction. [`Ledger`] speaks in domain verbs so that another database can stand behind it;
//! `tests/ledger.rs` runs one contract suite over every implementation.
//!
//! Writes block until they are durable; many callers share one commit. Reads also work from other
//! processes while the server runs ([`sqlite::open_read_only`]).
//!
//! Left out so far: signed checkpoints and proofs (the chain's hashes are there), PostgreSQL.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::diagnostic::Diagnostic;
use crate::names::{
    ArrivalId, BatchId, Digest, FeedName, FileName, FolderName, PartnerName, SinkName,
};
use crate::report::Report;
use crate::schema::{Column, LearnedSchema};
use crate::zone::ZonePath;

pub mod chain;
mod event;
pub mod sqlite;
mod state;

pub use event::{Event, Recorded};
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
        /// `arrival`, `batch`, `delivery`.
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

/// Through which door a file came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// SFTP, or SCP in SFTP mode.
    Sftp,
    /// A watched folder.
    Folder,
    /// `landfall send` on the server itself.
    Local,
}

/// Who sent a file. In the ledger and in text: `partner:acme`, `folder:inbox-orders`, `local:root`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sender {
    /// An outside account.
    Partner(PartnerName),
    /// A watched folder.
    Folder(FolderName),
    /// A user of the server itself.
    Local(String),
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partner(name) => write!(f, "partner:{name}"),
            Self::Folder(name) => write!(f, "folder:{name}"),
            Self::Local(user) => write!(f, "local:{user}"),
        }
    }
}

impl std::str::FromStr for Sender {
    type Err = crate::names::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("partner", name)) => Ok(Self::Partner(name.parse()?)),
            Some(("folder", name)) => Ok(Self::Folder(name.parse()?)),
            Some(("local", user)) => Ok(Self::Local(user.to_owned())),
            Some(_) | None => {
                Err(crate::names::Error::Word { what: "sender", given: text.to_owned() })
            }
        }
    }
}

impl Serialize for Sender {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sender {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What a door and the archive know of a file when it is recorded. The raw object is durable.
#[derive(Debug, Clone)]
pub struct NewArrival {
    /// Its id, made when the archive took it.
    pub id: ArrivalId,
    /// Who sent it.
    pub sender: Sender,
    /// Through which door.
    pub door: Door,
    /// The feed it belongs to.
    pub feed: FeedName,
    /// Its exact name relative to the feed.
    pub name: FileName,
    /// Raw bytes.
    pub size_bytes: u64,
    /// SHA-256 of the raw bytes.
    pub digest: Digest,
    /// Where the raw object lies.
    pub raw: ZonePath,
    /// When the archive took it.
    pub received_at: Timestamp,
    /// The sender's modification time, Unix seconds.
    pub modified_s: Option<u32>,
    /// The sender's permission bits.
    pub mode: Option<u32>,
    /// The peer's address or the file's owner, for the record.
    pub origin: Option<String>,
    /// What tells an untouched file in a drop folder apart: device, inode, size, mtime, ctime.
    pub fingerprint: Option<String>,
    /// Set when it must wait for a person from the start (unsorted, never renamed).
    pub held: Option<Diagnostic>,
    /// Whether the same bytes under the same name are recorded only (`duplicates = "skip"`).
    pub skip_duplicate: bool,
    /// Whether an older version of the same name is to be retracted (`same_name = "replace"`).
    pub replace_same_name: bool,
    /// Set when start-up found the raw object without a ledger row.
    pub adopted: bool,
}

/// One settled file version: the ledger's subject.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Arrival {
    /// Its id.
    pub id: ArrivalId,
    /// Its place in the order of receipt; the only order that counts.
    pub sequence: u64,
    /// Who sent it.
    pub sender: Sender,
    /// Through which door.
    pub door: Door,
    /// The feed it belongs to.
    pub feed: FeedName,
    /// Its exact name relative to the feed.
    pub name: FileName,
    /// Raw bytes.
    pub size_bytes: u64,
    /// SHA-256 of the raw bytes.
    pub digest: Digest,
    /// Where the raw object lies.
    pub raw: ZonePath,
    /// When the archive took it.
    pub received_at: Timestamp,
    /// The sender's modification time, Unix seconds.
    pub modified_s: Option<u32>,
    /// The sender's permission bits.
    pub mode: Option<u32>,
    /// The peer's address or the file's owner.
    pub origin: Option<String>,
    /// What tells an untouched file in a drop folder apart: device, inode, size, mtime, ctime.
    pub fingerprint: Option<String>,
    /// Where it stands.
    pub state: State,
    /// Whether it is the current version of its name for its sender and feed.
    pub current: bool,
    /// Whether its sender removed it from the listing.
    pub hidden: bool,
    /// The arrival it is a duplicate of.
    pub duplicate_of: Option<ArrivalId>,
    /// The older version of the same name.
    pub supersedes: Option<ArrivalId>,
    /// Whether the older version is retracted when this one is published.
    pub replaces: bool,
    /// Why it is held or failed.
    pub diagnostic: Option<Diagnostic>,
    /// What the converter made of it.
    pub conversion: Option<Conversion>,
    /// The batch that it was handed off in.
    pub batch: Option<BatchId>,
    /// When it reached its present state.
    pub changed_at: Timestamp,
}

/// A file the converter wrote, waiting below `.landfall/converted/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Where it waits.
    pub path: ZonePath,
    /// Rows.
    pub rows: u64,
    /// Bytes.
    pub size_bytes: u64,
    /// SHA-256 of the file.
    pub digest: Digest,
}

/// What the converter made of an arrival, as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conversion {
    /// The converter's version.
    pub converter: String,
    /// The schema version its Parquet conforms to.
    pub version: u32,
    /// The learned-schema revision its Parquet conforms to.
    pub revision: u32,
    /// Records seen = written + rejected + skipped.
    pub seen: u64,
    /// Records in the Parquet.
    pub written: u64,
    /// Records left out, with position and reason.
    pub rejected: u64,
    /// Records skipped by a declared rule.
    pub skipped: u64,
    /// The Parquet.
    pub parquet: Output,
    /// The rejects beside it.
    pub rejects: Option<Output>,
    /// The converter's own report, for people and receipts.
    pub report: Report,
}

/// A conversion to record, and what it taught about the feed.
#[derive(Debug, Clone)]
pub struct NewConversion {
    /// What was made.
    pub conversion: Conversion,
    /// The revision of the learned schema that the converter was given; 0 for none.
    pub given_revision: u32,
    /// The columns the feed has from now on, when they changed. The ledger gives them the next
    /// revision, and the next version when `opens_version`.
    pub learned: Option<Vec<Column>>,
    /// Whether a column left its type.
    pub opens_version: bool,
    /// Drift worth an event, in words: added, missing, widened columns.
    pub drift: Vec<String>,
}

/// How much one batch may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchBounds {
    /// Arrivals.
    pub files_max: u32,
    /// Bytes of output; one arrival may exceed it alone, since a file is never split.
    pub bytes_max: u64,
}

/// What a batch publishes for one arrival.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchFile {
    /// The arrival.
    pub arrival: ArrivalId,
    /// Where the file waits (converted), or the raw object itself.
    pub from: ZonePath,
    /// Its published name; for a raw object the same as `from`.
    pub to: ZonePath,
    /// What it is.
    pub kind: FileKind,
    /// Rows; 0 for a raw object.
    pub rows: u64,
    /// Bytes.
    pub size_bytes: u64,
    /// SHA-256 of the file.
    pub digest: Digest,
}

/// What kind of file a batch publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// Parquet of the dataset.
    Parquet,
    /// Rejects beside the dataset.
    Rejects,
    /// The raw object, handed off where it lies.
    Raw,
}

/// A published file that a batch takes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retraction {
    /// The arrival taken back.
    pub arrival: ArrivalId,
    /// The batch that had published it.
    pub batch: BatchId,
    /// Its published name in the lake.
    pub path: ZonePath,
    /// The arrival that takes its place.
    pub replaced_by: ArrivalId,
}

/// Where a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchState {
    /// Its content is fixed; its files are being published.
    Closed,
    /// Its manifest is published and every sink has it in its outbox.
    Published,
}

/// The arrivals handed off together. Everything in it is fixed when it closes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Batch {
    /// Its id.
    pub id: BatchId,
    /// Whose.
    pub feed: FeedName,
    /// Its number in the feed, from 1, without gaps.
    pub sequence: u64,
    /// The batch before it.
    pub previous: Option<BatchId>,
    /// The schema version of its Parquet; `None` when it holds raw objects only.
    pub version: Option<u32>,
    /// When it closed.
    pub closed_at: Timestamp,
    /// Where it stands.
    pub state: BatchState,
    /// Its members, in order of receipt.
    pub members: Vec<ArrivalId>,
    /// What it publishes, in order.
    pub files: Vec<BatchFile>,
    /// What it takes back.
    pub retracts: Vec<Retraction>,
    /// When its manifest was published.
    pub published_at: Option<Timestamp>,
    /// SHA-256 of its manifest.
    pub manifest_digest: Option<Digest>,
}

/// A batch on its way to one sink.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// Stable over retries: what downstream tells a repeat by.
    pub id: String,
    /// To whom.
    pub sink: SinkName,
    /// Of which feed.
    pub feed: FeedName,
    /// What.
    pub batch: BatchId,
    /// The batch's number in the feed; deliveries to one sink follow it.
    pub sequence: u64,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts that ended.
    pub attempts: u32,
    /// When it is due.
    pub due_at: Timestamp,
    /// What the last failure said.
    pub last_error: Option<String>,
    /// What the receiver answered.
    pub acknowledgement: Option<String>,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Waiting for its turn or its next attempt.
    Pending,
    /// The receiver acknowledged it.
    Acknowledged,
    /// Its retries have ended; the sink and feed wait for a person.
    Stalled,
    /// A person decided that it is not to be sent.
    Skipped,
}

/// Which arrivals to list, newest first. Empty fields do not narrow.
#[derive(Debug, Clone, Default)]
pub struct ArrivalQuery {
    /// From whom.
    pub sender: Option<Sender>,
    /// Of which feed.
    pub feed: Option<FeedName>,
    /// In which states.
    pub states: Vec<State>,
    /// Whose name contains these bytes.
    pub name_contains: Option<Vec<u8>>,
    /// With this digest.
    pub digest: Option<Digest>,
    /// Received at or after.
    pub since: Option<Timestamp>,
    /// Received before.
    pub until: Option<Timestamp>,
    /// At most so many; 0 means the default of 100.
    pub limit: u32,
}

/// What a partner sent in a period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Files.
    pub files: u64,
    /// Bytes.
    pub bytes: u64,
}

/// A current name in a sender's listing. Lighter than an [`Arrival`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The arrival.
    pub id: ArrivalId,
    /// Its exact name relative to the feed.
    pub name: FileName,
    /// Raw bytes.
    pub size_bytes: u64,
    /// The sender's modification time if set, else the time of receipt; Unix seconds.
    pub modified_s: u32,
    /// When it was received.
    pub received_at: Timestamp,
    /// Where it stands.
    pub state: State,
}

/// The interface in domain verbs. All calls block; write calls return when the commit is durable.
pub trait Ledger: Send + Sync {
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

    // ---- handing off ----

    /// Closes the feed's next batch over what is ready, oldest first, one schema version to a
    /// batch: one transaction fixes id, sequence, members, file names and retractions. `None` when
    /// nothing is ready or a closed batch is not yet published. A batch has no members when an
    /// arrival that was published before took the name of another: then it only takes that back.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn close_batch(&self, feed: &FeedName, bounds: BatchBounds) -> Result<Option<Batch>, Error>;

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
    fn retraction_done(&self, arrival: ArrivalId) -> Result<(), Error>;

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

    /// Arrivals, newest first.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn arrivals(&self, query: &ArrivalQuery) -> Result<Vec<Arrival>, Error>;

    /// The oldest arrivals in `Received` with a sequence above `after`, oldest first.
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

    /// What the sender sent at or after `since`.
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

    /// Retractions that are published and whose files still stand in the lake, with the time of
    /// publication.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn retractions_due(&self) -> Result<Vec<(Retraction, Timestamp)>, Error>;

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

    /// Whether a first attempt to deliver a batch of this feed is still to end: the next batch of
    /// an adaptive feed waits for it.
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

    /// Events with a sequence above `after` as they are stored, with their hashes, oldest first.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn chain(&self, after: u64, limit: u32) -> Result<Vec<chain::Link>, Error>;

    /// How many arrivals of each feed are in each state.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn counts(&self) -> Result<Vec<(FeedName, State, u64)>, Error>;

    /// The sequence of the newest event; 0 for none. Waits for nothing.
    fn head(&self) -> u64;

    /// Blocks until the newest event's sequence is above `after`, or the timeout ends. Returns the
    /// newest sequence. Only the writing process is woken at once.
    fn wait_beyond(&self, after: u64, timeout: std::time::Duration) -> u64;
}

/// How an attempt to deliver ended, or what a person decided.
#[derive(Debug, Clone, PartialEq)]
pub enum DeliveryOutcome {
    /// The receiver acknowledged, with what it said (kept up to 64 KiB).
    Acknowledged(Option<String>),
    /// It failed and is due again at this time.
    RetryAt(Timestamp, String),
    /// It failed and its retries have ended.
    Stalled(String),
    /// A person asks for another attempt now.
    Resumed(String),
    /// A person decided that it is not to be sent, for this reason.
    Skipped(String),
}
