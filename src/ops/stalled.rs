//! What a person decides about a stalled or failing sink: try again now, or leave the batch out.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::diagnostic::{Code, Diagnostic};
use crate::ledger::{Delivery, DeliveryOutcome, DeliveryState, Ledger};
use crate::names::{FeedName, SinkName};

/// The decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// Send the batch again, now.
    Retry,
    /// Never send this batch to this sink; the next one goes on.
    Skip,
}

/// A decision about the batch that a sink is stalled at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Whose.
    pub sink: SinkName,
    /// Of which feed.
    pub feed: FeedName,
    /// What is to happen.
    pub choice: Choice,
    /// Who decided and why, for the ledger.
    pub reason: String,
}

/// Applies a decision; returns the delivery it was about.
///
/// # Errors
/// [`Code::Z104`] when the sink is not stalled for the feed; [`Code::L101`].
pub fn decide(ledger: &dyn Ledger, decision: Decision) -> Result<Delivery, Diagnostic> {
    let Decision { sink, feed, choice, reason } = decision;
    let failed = |error: crate::ledger::Error| {
        Diagnostic::error(Code::L101, "the decision could not be recorded").caused_by(&error)
    };
    let next = ledger.next_delivery(&sink, &feed).map_err(failed)?;
    // One that is only failing may be told again before its time, but leaves nothing out yet.
    let is_meant = |delivery: &Delivery| match choice {
        Choice::Retry => {
            let waits = delivery.state == DeliveryState::Pending && delivery.attempts > 0;
            delivery.state == DeliveryState::Stalled
                || (waits && delivery.due_at > Timestamp::now())
        }
        Choice::Skip => delivery.state == DeliveryState::Stalled,
    };
    let delivery = next.filter(is_meant).ok_or_else(|| {
        let what = match choice {
            Choice::Retry => "stalled or failing",
            Choice::Skip => "stalled",
        };
        Diagnostic::error(Code::Z104, format!("sink {sink} is not {what} for {feed}"))
            .hint("`landfall sink list` shows what waits for it, and why.")
    })?;
    let outcome = match choice {
        Choice::Retry => DeliveryOutcome::Resumed(reason),
        Choice::Skip => DeliveryOutcome::Skipped(reason),
    };
    ledger.delivered(&delivery.id, outcome).map_err(failed)
}
