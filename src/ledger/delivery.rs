//! A batch on its way to one sink.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::names::{BatchId, FeedName, SinkName};

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
