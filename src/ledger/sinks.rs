//! Sinks as a whole: which are paused, and how much waits for them.
//!
//! A paused sink is told nothing, for any feed; what is for it waits in its outbox, in order. It is
//! kept in the ledger, so that a restart does not resume it.

use serde::{Deserialize, Serialize};

use super::Error;
use crate::clock::Timestamp;
use crate::names::{FeedName, SinkName};

/// A sink that a person has paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// Which.
    pub sink: SinkName,
    /// Since when.
    pub since: Timestamp,
    /// Who paused it and why.
    pub reason: String,
}

/// The ledger's part about sinks.
pub trait Sinks {
    /// Pauses a sink; `false` when it was paused already, which changes nothing.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn pause_sink(&self, sink: &SinkName, reason: &str) -> Result<bool, Error>;

    /// Lets a paused sink go on; `false` when it was not paused.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn unpause_sink(&self, sink: &SinkName, reason: &str) -> Result<bool, Error>;

    /// Every paused sink, by name.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn paused_sinks(&self) -> Result<Vec<Paused>, Error>;

    /// How many deliveries of each sink and feed are not finished.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn backlog(&self) -> Result<Vec<(SinkName, FeedName, u64)>, Error>;
}
