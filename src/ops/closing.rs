//! A person closes a batch.

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::diagnostic::{Code, Diagnostic};
use crate::ledger::{Batch, Because, Closing, Empty, Ledger, Over};
use crate::names::FeedName;

/// A person's wish to close a feed's next batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloseWish {
    /// Whose.
    pub feed: FeedName,
    /// Who asks.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// Closes the feed's next batch over what is ready, whatever its rule, or else over what came of
/// replays. A running server publishes
/// it, or the next start.
///
/// # Errors
/// [`Code::Z104`] when nothing is ready or another batch is still being published; [`Code::L101`].
pub fn close(ledger: &dyn Ledger, config: &Config, wish: CloseWish) -> Result<Batch, Diagnostic> {
    let CloseWish { feed, by, reason } = wish;
    let is_known = config.feeds.contains_key(&feed) || ledger.newest_batch(&feed).unwrap_or(0) > 0;
    if !is_known {
        return Err(super::local::no_feed(&feed));
    }
    let over = |over| {
        let closing = Closing {
            bounds: config.feed(&feed).batch.bounds,
            over,
            empty: Empty::Skip,
            because: Because::Asked { by: by.clone(), reason: reason.clone() },
        };
        ledger.close_batch_over(&feed, closing).map_err(|error| {
            Diagnostic::error(Code::L101, "the batch could not be closed").caused_by(&error)
        })
    };
    let closed = match over(Over::Ready)? {
        None => over(Over::Replays)?,
        closed => closed,
    };
    closed.ok_or_else(|| {
        let summary = format!("{feed} has nothing ready, or its last batch is being published");
        let hint = format!("`landfall batch list {feed}` shows what is ready.");
        Diagnostic::error(Code::Z104, summary).hint(hint)
    })
}
