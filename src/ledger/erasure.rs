//! Erasures: which arrivals are to have no copy left, who decided it, and how far it has come.
//!
//! The order is that of receiving, turned round: the ledger says that an arrival is being erased,
//! then the copies go, then the ledger says that they are gone. What a crash left in between is
//! found by [`Erasures::erasures_open`].
//!
//! With the first step the ledger forgets what it quotes of the bytes (reports, diagnostics, the
//! bytes of sidecars) and the name is hidden from its sender. What it keeps is who sent what when:
//! name, size, digest, and the events, which cannot be altered.

use super::{Arrival, BatchFile, Error, Hold, State};
use crate::clock::Timestamp;
use crate::names::{ArrivalId, Digest, FeedName};

/// An arrival that is being erased, or is.
#[derive(Debug, Clone)]
pub struct Erasure {
    /// The arrival.
    pub arrival: Arrival,
    /// The files that batches published of it, but for the raw object.
    pub files: Vec<BatchFile>,
    /// Who decided it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it was decided.
    pub began_at: Timestamp,
    /// When every copy was gone.
    pub erased_at: Option<Timestamp>,
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
    fn begin_erasure(&self, id: ArrivalId, by: &str, reason: &str) -> Result<Begun, Error>;

    /// Records that every copy was gone at a time: its tombstone, and how many files were removed.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Refused`], [`Error::Store`].
    fn erased(&self, id: ArrivalId, at: Timestamp, gone: (Digest, u64)) -> Result<(), Error>;

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

    /// How the erasure of an arrival stands; `None` when nobody wished for one.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn erasure(&self, id: ArrivalId) -> Result<Option<Erasure>, Error>;

    /// Feeds of which a batch has to take something back because it is erased.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn feeds_to_retract(&self) -> Result<Vec<FeedName>, Error>;
}
