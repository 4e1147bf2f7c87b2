//! Parts of what is kept of an arrival that are past a time of their own, while its raw object stays.
//!
//! The order is that of erasures: the ledger says first that a part goes, and claims it no more; then
//! its files go; then the ledger says that they are gone. What a crash left in between is found by
//! [`Retirements::retiring`]. Parquet that is live goes only after a batch has taken it back.
//!
//! With the first step the ledger forgets what receipts quote of the bytes; it keeps the numbers.
//!
//! Left out: the raw object, whose end is an erasure ([`super::Erasures`]); names and sizes of what went,
//! which stay.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Error, FileKind};
use crate::clock::Timestamp;
use crate::names::{ArrivalId, BatchId, Digest, FeedName};
use crate::zone::ZonePath;

/// A part of what is kept of an arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Its Parquet, live and retracted.
    Parquet,
    /// Its rejects beside the dataset.
    Rejects,
    /// Its receipt, and what that quotes of it.
    Receipts,
}

impl Part {
    /// Every part.
    pub const ALL: [Self; 3] = [Self::Parquet, Self::Rejects, Self::Receipts];

    /// As the configuration names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Rejects => "rejects",
            Self::Receipts => "receipts",
        }
    }

    /// As a person reads it: `receipt`.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Parquet => "Parquet",
            Self::Rejects => "rejects",
            Self::Receipts => "receipt",
        }
    }

    /// The kind of its files in a batch; receipts have none.
    pub fn kind(self) -> Option<FileKind> {
        match self {
            Self::Parquet => Some(FileKind::Parquet),
            Self::Rejects => Some(FileKind::Rejects),
            Self::Receipts => None,
        }
    }
}

/// How old a part must be to be past its time.
///
/// It counts from the receipt of its arrival, so that a replay does not begin it anew. What a person
/// had published when its time was over already, by a release or a replay, counts from then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age {
    /// How long it is kept.
    pub keep: Duration,
    /// That long ago.
    pub before: Timestamp,
}

/// An arrival of which a part is past its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PastPart {
    /// Which.
    pub arrival: ArrivalId,
    /// Files of the part; a receipt counts as one.
    pub files: u64,
    /// Their bytes; none of a receipt.
    pub bytes: u64,
}

/// What became of a wish to retire a part of some arrivals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RetiringBegun {
    /// Arrivals of which it goes.
    pub begun: u64,
    /// Arrivals that a legal hold covers.
    pub on_hold: u64,
    /// Arrivals that are being converted or handed off.
    pub under_way: u64,
}

/// A part of an arrival that the ledger says goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retiring {
    /// Whose.
    pub arrival: ArrivalId,
    /// Of which feed.
    pub feed: FeedName,
    /// Which part.
    pub part: Part,
    /// Its file; none of a receipt.
    pub file: Option<(ZonePath, Digest)>,
    /// When the batch that takes Parquet back was published; none for what no reader is told of.
    pub told_at: Option<Timestamp>,
    /// Between these times the events may quote it.
    pub spoken_of: (Timestamp, Timestamp),
}

/// A part of an arrival that went, or goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retired {
    /// Which.
    pub part: Part,
    /// Its file; none of a receipt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<ZonePath>,
    /// When that was decided.
    pub retired_at: Timestamp,
    /// When nothing was left of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gone_at: Option<Timestamp>,
}

/// How much is there no more, as people or times wanted it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NotKept {
    /// Arrivals that were erased.
    pub erased: u64,
    /// Files of Parquet and rejects that are past their time.
    pub retired: u64,
}

/// The ledger's part about parts that are past their time.
pub trait Retirements {
    /// Arrivals of a feed with a sequence above `after` of which a part is there and so old, in order
    /// of receipt, also those on hold or under way; and where to go on.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn past(
        &self,
        feed: &FeedName,
        what: (Part, Age),
        after: u64,
    ) -> Result<(Vec<PastPart>, Option<u64>), Error>;

    /// Decides that a part of these goes, as far as it is so old, for a reason that is kept.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Store`].
    fn begin_retiring(
        &self,
        ids: &[ArrivalId],
        what: (Part, Age),
        reason: &str,
    ) -> Result<RetiringBegun, Error>;

    /// What goes and may be removed: no batch has yet to take it back.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn retiring(&self, limit: u32) -> Result<Vec<Retiring>, Error>;

    /// Records that nothing was left of these at a time.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn retired(&self, gone: Vec<Retiring>, at: Timestamp) -> Result<(), Error>;

    /// What was gone from a time on and before another.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn gone_within(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Retiring>, Error>;

    /// What of an arrival is past its time, Parquet first.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn retired_of(&self, id: ArrivalId) -> Result<Vec<Retired>, Error>;

    /// The files of a batch that are not kept any more: retired, or of arrivals that are erased.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn not_kept_of(&self, batch: BatchId) -> Result<Vec<ZonePath>, Error>;

    /// How much is there no more, in all.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn not_kept(&self) -> Result<NotKept, Error>;
}
