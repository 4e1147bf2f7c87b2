//! What is asked of arrivals, and short answers.

use crate::clock::Timestamp;
use crate::names::{ArrivalId, Digest, FeedName, FileName};

use super::{Sender, State};

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

/// A current name in a sender's listing. Lighter than an [`super::Arrival`].
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
