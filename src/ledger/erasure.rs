//! Erasures: which arrivals are to have no copy left, who decided it, and how far it has come.
//!
//! The order is that of receiving, turned round: the ledger says that an arrival is being erased,
//! then the copies go, then the ledger says that they are gone. What a crash left in between is
//! found by [`Erasures::erasures_open`].
//!
//! With the first step the ledger forgets what it quotes of the bytes (reports, diagnostics, the
//! bytes of sidecars) and the name is hidden from its sender. What it keeps is who sent what when:
//! name, size, digest, and the events, which cannot be altered.

use serde::Serialize;

use super::{Arrival, BatchFile, Because, Error, Hold, State};
use crate::clock::Timestamp;
use crate::names::{ArrivalId, Digest, FeedName};

/// An arrival that is being erased, or is.
#[derive(Debug, Clone)]
pub struct Erasure {
    /// The arrival.
    pub arrival: Arrival,
    /// The files that batches published of it, but for the raw object. Those that are merged have its
    /// part alone.
    pub files: Vec<BatchFile>,
    /// Who decided it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Why, in one of two words.
    pub cause: ErasureCause,
    /// When it was decided.
    pub began_at: Timestamp,
    /// When every copy was gone.
    pub erased_at: Option<Timestamp>,
}

/// Why an arrival is erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErasureCause {
    /// A person asked for it.
    Asked,
    /// It is past the time that its feed keeps it.
    Retention,
}

/// A wish to erase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureWish {
    /// Who decides it.
    pub by: String,
    /// Why, for the ledger.
    pub reason: String,
    /// Why, in one of two words.
    pub cause: ErasureCause,
}

/// An arrival whose every copy is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone {
    /// Which.
    pub id: ArrivalId,
    /// Its tombstone, if it has one.
    pub tombstone: Option<Digest>,
    /// Files that were removed.
    pub files: u64,
}

/// What came of a wish to erase.
#[derive(Debug, Clone)]
pub enum Begun {
    /// It is being erased from now on.
    Erasing(Box<Erasure>),
    /// It is under way, and must come to an end first.
    UnderWay(State),
    /// These holds stand on it.
    OnHold(Vec<Hold>),
}

/// The ledger's part about erasures.
pub trait Erasures {
    /// Decides that an arrival is erased; one that is being erased already stays so. One that was
    /// erased before is erased again, for a copy that came back.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Store`].
    fn begin_erasure(&self, id: ArrivalId, wish: ErasureWish) -> Result<Begun, Error>;

    /// Records that every copy of these was gone at a time.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Refused`], [`Error::Store`].
    fn erased(&self, gone: Vec<Gone>, at: Timestamp) -> Result<(), Error>;

    /// Whether a file of the lake has rows of one of these arrivals beside those of others: it may not
    /// be removed before a batch has published those of the others again.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn shares_file(&self, ids: &[ArrivalId]) -> Result<bool, Error>;

    /// Erasures that have not come to their end, oldest arrival first.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn erasures_open(&self, limit: u32) -> Result<Vec<Erasure>, Error>;

    /// Erasures that came to their end from a time on and before another, in that order.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn erased_within(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Erasure>, Error>;

    /// Arrivals of a feed received before a time and not erased, in order of receipt; at most `limit`
    /// with a sequence above `after`.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn received_before(
        &self,
        feed: &FeedName,
        time: Timestamp,
        page: (u64, u32),
    ) -> Result<Vec<Arrival>, Error>;

    /// The time of the last event before the erasure of an arrival that was about it, or about one of
    /// the same name that is its duplicate or takes its place.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn spoken_of_until(&self, erasure: &Erasure) -> Result<Timestamp, Error>;

    /// How the erasure of an arrival stands; `None` when nobody wished for one.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn erasure(&self, id: ArrivalId) -> Result<Option<Erasure>, Error>;

    /// Feeds of which a batch has to take something back because it is erased, or its Parquet is past its
    /// time.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn feeds_to_retract(&self) -> Result<Vec<(FeedName, Because)>, Error>;
}
