//! The proof in a final receipt.
//!
//! It says: the event that recorded the file (with its digest, sender and name; its text is there to
//! read) and the event that decided its outcome (its hash only, since its text may hold what is not
//! for outsiders) are in the tree under this checkpoint, which is signed. Whoever keeps the receipt
//! can hold any later ledger against it.

use serde::{Deserialize, Serialize};

use crate::ledger::{self, Event, Ledger, Recorded, tree};
use crate::names::{ArrivalId, Digest};
use crate::signing::{self, Namespace};

use super::Checkpoint;

/// That what a receipt says is in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The text of the checkpoint: [`Checkpoint`].
    pub checkpoint: String,
    /// Its signature (SSHSIG, namespace `landfall-checkpoint`).
    pub checkpoint_signature: String,
    /// The event that recorded the file.
    pub received: Received,
    /// The event that decided its outcome.
    pub outcome: Decided,
}

/// The event that recorded a file, and its place in the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// Its number, from 1. It is leaf `event - 1`.
    pub event: u64,
    /// The bytes of the leaf.
    pub record: String,
    /// The hashes from the leaf up (RFC 6962, section 2.1.1).
    pub path: Vec<Digest>,
}

/// The event that decided an outcome, and its place in the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Its number, from 1.
    pub event: u64,
    /// The hash of its leaf.
    pub hash: Digest,
    /// The hashes from the leaf up.
    pub path: Vec<Digest>,
}

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unproven(&'static str);

/// Whether an event decides what a receipt says in the end.
pub(super) fn decides(event: &Event) -> bool {
    matches!(
        event,
        Event::Duplicate { .. }
            | Event::Converted { .. }
            | Event::TakenRaw { .. }
            | Event::Held { .. }
            | Event::Renamed { .. }
            | Event::Erasing { .. }
            | Event::Erased { .. }
    )
}

impl Proof {
    /// The proof for an arrival with this history; `None` as long as no checkpoint covers it.
    ///
    /// # Errors
    /// [`ledger::Error`].
    pub fn of(ledger: &dyn Ledger, history: &[Recorded]) -> Result<Option<Self>, ledger::Error> {
        let received = history.iter().find(|told| matches!(told.event, Event::Received { .. }));
        let decided = history.iter().rev().find(|told| decides(&told.event));
        let (Some(received), Some(decided)) = (received, decided) else { return Ok(None) };
        let (received, decided) = (received.sequence, decided.sequence);
        let covering = ledger.checkpoints(decided.max(received) - 1, 1)?;
        let Some(checkpoint) = covering.into_iter().next() else { return Ok(None) };
        let leaf = |sequence: u64| -> Result<ledger::log::Leaf, ledger::Error> {
            let missing = || ledger::Error::Missing { what: "event", id: sequence.to_string() };
            ledger.leaves(sequence - 1, 1)?.into_iter().next().ok_or_else(missing)
        };
        let record = String::from_utf8_lossy(&leaf(received)?.record).into_owned();
        Ok(Some(Self {
            received: Received {
                event: received,
                record,
                path: ledger.inclusion(received, checkpoint.size)?,
            },
            outcome: Decided {
                event: decided,
                hash: leaf(decided)?.hash,
                path: ledger.inclusion(decided, checkpoint.size)?,
            },
            checkpoint: checkpoint.text,
            checkpoint_signature: checkpoint.signature,
        }))
    }

    /// Checks it: the checkpoint is signed by this public line, both events are in its tree, and the
    /// one that is shown recorded `arrival` with the digest `sha256`. Answers the checkpoint.
    ///
    /// # Errors
    /// [`Unproven`].
    pub fn check(
        &self,
        line: &str,
        (arrival, sha256): (ArrivalId, Digest),
    ) -> Result<Checkpoint, Unproven> {
        let text = self.checkpoint.as_bytes();
        if !signing::verify(line, Namespace::Checkpoint, text, &self.checkpoint_signature) {
            return Err(Unproven("its checkpoint is not signed by the zone's key"));
        }
        let checkpoint = Checkpoint::parse(&self.checkpoint).ok();
        let checkpoint = checkpoint.ok_or(Unproven("what is signed is no checkpoint"))?;
        let record = self.received.record.as_bytes();
        let holds = |event: u64, leaf: &Digest, path: &[Digest]| {
            let index = event.checked_sub(1);
            index.is_some_and(|index| {
                tree::is_included(leaf, index, checkpoint.size, path, &checkpoint.root)
            })
        };
        if !holds(self.received.event, &tree::leaf(record), &self.received.path) {
            return Err(Unproven("the event that recorded the file is not under its checkpoint"));
        }
        if !holds(self.outcome.event, &self.outcome.hash, &self.outcome.path) {
            return Err(Unproven("the event that decided is not under its checkpoint"));
        }
        let told: Option<Recorded> = serde_json::from_slice(record).ok();
        let told = told.ok_or(Unproven("the event that recorded the file cannot be read"))?;
        let is_meant = matches!(told.event, Event::Received { digest, .. } if digest == sha256);
        match is_meant && told.arrival == Some(arrival) && told.sequence == self.received.event {
            true => Ok(checkpoint),
            false => Err(Unproven("the event that is shown recorded another file")),
        }
    }
}
