//! What the zone keeps on disk, and what was found when it was read again.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::names::{ArrivalId, Digest};
use crate::zone::ZonePath;

use super::Error;

/// What a kept file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptKind {
    /// A raw object of the archive.
    Raw,
    /// Parquet of a dataset, live or retracted.
    Parquet,
    /// Rejects beside a dataset.
    Rejects,
    /// The manifest of a batch.
    Manifest,
}

/// A file that the ledger says is there, with the digest it was recorded with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What it is.
    pub kind: KeptKind,
    /// The arrival that it belongs to; none for a manifest.
    pub arrival: Option<ArrivalId>,
    /// Where it was put. What was retracted lies at [`crate::zone::Zone::retracted_path`].
    pub path: ZonePath,
    /// SHA-256 of its bytes.
    pub digest: Digest,
}

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// Its bytes are not those that were recorded.
    Damaged,
    /// It is not there.
    Missing,
    /// It cannot be read.
    Unreadable,
    /// It is there, and the ledger does not know it.
    Unknown,
}

/// A file that is not as the ledger says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Where it is, or should be.
    pub path: ZonePath,
    /// What is wrong.
    pub problem: Problem,
    /// The arrival that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrival: Option<ArrivalId>,
    /// The digest it was recorded with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Digest>,
    /// The digest it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Digest>,
}

/// What a reading of kept files came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Files read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that are damaged, missing or unreadable.
    pub problems: u64,
    /// Files that the ledger does not know.
    pub unknown: u64,
}

/// How far the reading that goes on by itself has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// When it began.
    pub began_at: Timestamp,
    /// The sequence of the newest arrival whose files were read.
    pub sequence: u64,
    /// What it came to so far.
    pub verified: Verified,
}

/// Reading kept files again.
pub trait Custody {
    /// The files of at most `limit` arrivals with a sequence above `after`, in order of receipt, and
    /// the sequence of the last of these; `None` when there is no such arrival. What no manifest has
    /// published yet, and what is erased, is left out. A merged file comes once, with the last of its
    /// arrivals.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn kept(&self, after: u64, limit: u32) -> Result<Option<(u64, Vec<Kept>)>, Error>;

    /// The arrivals whose rows are in a merged file, in the order of their rows; nothing for any other
    /// file.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn merged_in(&self, path: &ZonePath) -> Result<Vec<ArrivalId>, Error>;

    /// A sequence before which nothing was received at or after `since`.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn sequence_at(&self, since: Timestamp) -> Result<u64, Error>;

    /// Keeps what was found. What is known already is no new event.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn found(&self, findings: Vec<Finding>) -> Result<(), Error>;

    /// Forgets findings about files that are whole again, or that are gone and were never known.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn mended(&self, paths: Vec<ZonePath>, how: &str) -> Result<(), Error>;

    /// Keeps an event of a reading that came to its end.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn verified(&self, verified: Verified, by: &str) -> Result<(), Error>;

    /// What was found and is not mended, with the time of its finding, by path.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn findings(&self, limit: u32) -> Result<Vec<(Finding, Timestamp)>, Error>;

    /// The round that goes on by itself.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn round(&self) -> Result<Option<Round>, Error>;

    /// Keeps how far that round has come.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn keep_round(&self, round: Round) -> Result<(), Error>;
}
