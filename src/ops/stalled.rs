//! What a person decides about a stalled sink: try again, or leave the batch out.

use serde::{Deserialize, Serialize};

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
    let stalled = next.filter(|delivery| delivery.state == DeliveryState::Stalled);
    let delivery = stalled.ok_or_else(|| {
        Diagnostic::error(Code::Z104, format!("sink {sink} is not stalled for {feed}"))
            .hint("`landfall status` names what is stalled.")
    })?;
    let outcome = match choice {
        Choice::Retry => DeliveryOutcome::Resumed(reason),
        Choice::Skip => DeliveryOutcome::Skipped(reason),
    };
    ledger.delivered(&delivery.id, outcome).map_err(failed)
}
