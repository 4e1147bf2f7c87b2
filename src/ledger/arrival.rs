//! The ledger's subject: one settled file version.

use serde::Serialize;

use crate::clock::Timestamp;
use crate::contract::Allowance;
use crate::diagnostic::Diagnostic;
use crate::names::{ArrivalId, BatchId, Digest, FeedName, FileName};
use crate::zone::ZonePath;

use super::{Conversion, Door, Pulled, Sender, State, Waits};

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
    /// What it waits for before it goes on, and until when at the latest.
    pub waits: Option<Waits>,
    /// Whether the same bytes under the same name are recorded only (`duplicates = "skip"`).
    pub skip_duplicate: bool,
    /// Whether an older version of the same name is to be retracted (`same_name = "replace"`).
    pub replace_same_name: bool,
    /// Set when start-up found the raw object without a ledger row.
    pub adopted: bool,
    /// The run of a pull that ends with it, which is kept in the same transaction.
    pub ends: Option<Pulled>,
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
    /// What it waits for before it goes on, or is held for want of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits: Option<Waits>,
    /// An earlier arrival of its sender in the feed with the same bytes under another name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_bytes_as: Option<ArrivalId>,
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
    /// Which rules of its feed do not hold for it.
    #[serde(skip_serializing_if = "Allowance::is_none")]
    pub allowance: Allowance,
}
