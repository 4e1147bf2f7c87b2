//! Hashes that tie each event to all before it.
//!
//! The hash of an event is SHA-256 over the previous event's hash (32 zero bytes before the first)
//! followed by the event's canonical bytes: the JSON of its [`Recorded`] exactly as stored. Whoever
//! changes, removes or inserts an event must change every later hash; [`verify`] names the first
//! event that does not fit.
//!
//! Left out so far: signed checkpoints. Until then somebody who may write the ledger can write
//! all hashes anew.

use sha2::Digest as _;

use crate::clock::Timestamp;
use crate::names::{ArrivalId, Digest};

use super::{Error, Ledger, Recorded};

/// Links read at once.
const PAGE: u32 = 1000;

/// An event as it is stored, with its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its place in history as the store looks it up.
    pub sequence: u64,
    /// Its time as the store looks it up.
    pub at: Timestamp,
    /// The arrival that the store finds it by.
    pub arrival: Option<ArrivalId>,
    /// The canonical bytes of the [`Recorded`] event.
    pub record: Vec<u8>,
    /// SHA-256 over the previous hash and these bytes.
    pub hash: Digest,
}

/// What a walk over the whole history found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// How many events there are.
    pub events: u64,
    /// The hash of the last: it stands for all of them.
    pub head: Digest,
}

/// The walk ended early.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// An event does not fit what stands before it.
    #[error("event {sequence} does not fit: {why}")]
    At {
        /// The first event that does not fit.
        sequence: u64,
        /// In which way.
        why: &'static str,
    },
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] Error),
}

/// The hash before the first event.
pub fn start() -> Digest {
    Digest::from_bytes([0; 32])
}

/// The hash of an event that follows one with the hash `previous`.
pub fn next(previous: &Digest, record: &[u8]) -> Digest {
    let mut hasher = sha2::Sha256::new();
    hasher.update(previous.as_bytes());
    hasher.update(record);
    Digest::from_bytes(hasher.finalize().into())
}

/// Walks the whole history.
///
/// # Errors
/// [`Broken::At`] names the first event that does not fit; [`Broken::Ledger`].
pub fn verify(ledger: &dyn Ledger) -> Result<Verified, Broken> {
    let mut so_far = Verified { events: 0, head: start() };
    loop {
        let links = ledger.chain(so_far.events, PAGE)?;
        if links.is_empty() {
            return Ok(so_far);
        }
        for link in &links {
            so_far = follow(so_far, link)?;
        }
    }
}

fn follow(so_far: Verified, link: &Link) -> Result<Verified, Broken> {
    let sequence = so_far.events + 1;
    let broken = |why| Err(Broken::At { sequence, why });
    if link.sequence != sequence {
        return broken("it is missing");
    }
    if next(&so_far.head, &link.record) != link.hash {
        return broken("its hash is not that of its bytes and the event before");
    }
    match serde_json::from_slice::<Recorded>(&link.record) {
        Ok(told) if told.sequence != sequence => broken("it tells another number"),
        Ok(told) if told.at != link.at => broken("it is filed under another time"),
        Ok(told) if told.arrival != link.arrival => broken("it is filed under another arrival"),
        Ok(_) => Ok(Verified { events: sequence, head: link.hash }),
        Err(_) => broken("it cannot be read"),
    }
}
