//! Arrivals handed off together: what a batch publishes and what it takes back.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::names::{ArrivalId, BatchId, Digest, FeedName};
use crate::zone::ZonePath;

use super::Because;

/// How much one batch may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchBounds {
    /// Arrivals.
    pub files_max: u32,
    /// Bytes of output; one arrival may exceed it alone, since a file is never split.
    pub bytes_max: u64,
    /// Rows; one arrival may exceed them alone. `None` for any number.
    pub rows_max: Option<u64>,
    /// Parquet of fewer bytes is merged with its like into files of about so many; `None` when every
    /// arrival has a file of its own.
    #[serde(default)]
    pub merge_bytes: Option<u64>,
}

/// A file that a batch publishes: of one arrival, or merged from the rows of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchFile {
    /// The arrival; of a merged file the first of its parts.
    pub arrival: ArrivalId,
    /// Whose rows a merged file has, in this order; nothing for a file of one arrival.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Share>,
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

impl BatchFile {
    /// The arrivals whose rows it has.
    pub fn arrivals(&self) -> impl Iterator<Item = ArrivalId> {
        let own = self.parts.is_empty().then_some(self.arrival);
        own.into_iter().chain(self.parts.iter().map(|part| part.arrival))
    }

    /// The rows of one of them, when the file has those of others as well.
    pub fn part_of(&self, arrival: ArrivalId) -> Option<Share> {
        self.parts.iter().find(|part| part.arrival == arrival).copied()
    }
}

/// The rows of one arrival in a merged file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The arrival.
    pub arrival: ArrivalId,
    /// The rows before its own.
    pub first_row: u64,
    /// Its rows.
    pub rows: u64,
}

/// A merged file of a batch, and what it is written from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    /// Its published name.
    pub to: ZonePath,
    /// Where it waits once it is written.
    pub from: ZonePath,
    /// Its rows.
    pub rows: u64,
    /// What it is written from, in this order.
    pub pieces: Vec<Piece>,
    /// Size and digest, once it is written.
    pub written: Option<(u64, Digest)>,
}

/// The rows of an arrival, where they are before they are merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The arrival.
    pub arrival: ArrivalId,
    /// The file that has them: the arrival's own, or a merged one that a batch takes back.
    pub from: ZonePath,
    /// The rows before them in that file.
    pub first_row: u64,
    /// How many.
    pub rows: u64,
    /// SHA-256 of that file.
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

/// What the live Parquet of a feed comes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LiveTotals {
    /// Files.
    pub files: u64,
    /// Rows.
    pub rows: u64,
    /// Bytes.
    pub size_bytes: u64,
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
    /// The arrival that takes its place; the same when that was replayed, none when it is erased.
    pub replaced_by: Option<ArrivalId>,
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
    /// The schema version of its Parquet; `None` when it has none. A set may also hold Parquet of
    /// earlier versions.
    pub version: Option<u32>,
    /// When it closed.
    pub closed_at: Timestamp,
    /// Why; `None` for a batch of a version that did not say.
    pub because: Option<Because>,
    /// Where it stands.
    pub state: BatchState,
    /// Its members, in order of receipt.
    pub members: Vec<ArrivalId>,
    /// What it publishes, in order; merged files once they are written.
    pub files: Vec<BatchFile>,
    /// Its merged files, also those that are still to be written.
    #[serde(skip)]
    pub merges: Vec<Merge>,
    /// What it takes back.
    pub retracts: Vec<Retraction>,
    /// When its manifest was published.
    pub published_at: Option<Timestamp>,
    /// SHA-256 of its manifest.
    pub manifest_digest: Option<Digest>,
}
