//! Pulls as the ledger knows them: how far each has come, and how it fares.
//!
//! The watermark is saved in the transaction that records the last file of its run, so that a crash
//! neither loses nor repeats what was fetched. It belongs to the pull and survives its failures.

use serde::{Deserialize, Serialize};

use super::Error;
use crate::clock::Timestamp;
use crate::names::{FeedName, PullName};

/// A run of a pull that ended well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pulled {
    /// Whose.
    pub pull: PullName,
    /// The feed that its files are for.
    pub feed: FeedName,
    /// The run's id, the same after a crash.
    pub run: String,
    /// When it began.
    pub began_at: Timestamp,
    /// Files that it brought.
    pub files: u64,
    /// Where the next run goes on; `None` when the command said nothing of it.
    pub watermark: Option<String>,
}

/// A run of a pull that failed: nothing of it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullFailure {
    /// Whose.
    pub pull: PullName,
    /// The feed that its files would have been for.
    pub feed: FeedName,
    /// When it began.
    pub began_at: Timestamp,
    /// What went wrong, with the command's last words.
    pub error: String,
}

/// How a pull fares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullState {
    /// Which.
    pub pull: PullName,
    /// When its newest run began.
    pub began_at: Timestamp,
    /// When that ended.
    pub ended_at: Timestamp,
    /// When a run ended well, if one did.
    pub succeeded_at: Option<Timestamp>,
    /// The newest run that ended well.
    pub run: Option<String>,
    /// Where the next run goes on.
    pub watermark: Option<String>,
    /// Set while it fails.
    pub failing: Option<Failing>,
}

/// A pull that fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// Since when.
    pub since: Timestamp,
    /// Runs that failed since then.
    pub attempts: u32,
    /// What the newest of them said.
    pub error: String,
}

/// The ledger's part about pulls.
pub trait Pulls {
    /// Keeps a run that ended well and brought no file, or whose files are all recorded. There is an
    /// event of it only when something changed: a file, the watermark, or that it failed before.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn pulled(&self, run: Pulled) -> Result<(), Error>;

    /// Keeps a run that failed. The watermark stays.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn pull_failed(&self, failure: PullFailure) -> Result<(), Error>;

    /// How a pull fares; `None` when it never ran.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn pull(&self, pull: &PullName) -> Result<Option<PullState>, Error>;

    /// How every pull fares that ever ran, by name.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn pulls(&self) -> Result<Vec<PullState>, Error>;
}
