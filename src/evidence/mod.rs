//! The ledger as evidence: what happened can be proven to somebody who does not trust the server.
//!
//! Every event is a leaf of one hash tree ([`crate::ledger::tree`], RFC 6962). The [`Notary`] signs
//! its root: at most 60 s or 1,000 events after the last time, at the stop, and within a second when
//! the outcome of a file is new, since its receipt waits for the proof. What is signed is a
//! [`Checkpoint`], text in the shape of C2SP's tlog-checkpoint, with an SSHSIG signature in the
//! namespace `landfall-checkpoint`, so that `ssh-keygen -Y verify` checks it.
//!
//! ```text
//! archive/_events/<log id>/2026-11-25.jsonl              events, a line each, exactly as hashed
//! archive/_events/<log id>/2026-11-25.rows.jsonl         what the ledger knew of arrivals and batches then
//! archive/_events/<log id>/2026-11-25.checkpoints.jsonl  {"text": …, "signature": …} a line
//! archive/SHA256SUMS-2026-11-25(.sig)                    the day sealed, once it has ended
//! ```
//!
//! Promises:
//! - **Two heads that do not continue each other are never signed** under one log id. A new head is
//!   proven to begin with the last signed one that is on the disk, or nothing is signed. A ledger that
//!   is older than its newest checkpoint, or another, is noticed at the start ([`Notary::open`]).
//! - **Events are in the archive before their checkpoint is**, synced; a checkpoint is on the disk
//!   before anybody is told of it.
//! - **A final receipt carries a [`Proof`]**: that its file's receipt and its outcome are in the tree
//!   of the first checkpoint that covers both, so that the same receipt has the same bytes for ever.
//! - **The ledger can be made again** from the archive alone ([`rebuild()`]), up to the newest checkpoint;
//!   what came after it says itself who it is.
//!
//! Left out: who keeps checkpoints elsewhere. `[audit] publish_to` copies them to a second folder,
//! `publish_url` posts them (`ops`); a history that is written anew with the stolen key shows only
//! against such a copy, or a receipt.

use std::path::PathBuf;

use crate::{durable, ledger, signing};

pub mod audit;
pub mod checkpoint;
mod notary;
mod proof;
mod rebuild;
mod seal;
mod segments;

pub use checkpoint::Checkpoint;
pub use notary::{Duty, Failing, Keeping, Notary};
pub use proof::{Proof, Unproven};
pub use rebuild::{Rebuilt, rebuild};
pub use segments::{Days, Line, Segments};

/// Evidence that could not be made or kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// A durable step failed.
    #[error(transparent)]
    Durable(#[from] durable::Error),
    /// The key cannot sign.
    #[error(transparent)]
    Key(#[from] signing::key_file::KeyError),
    /// A file of the archive could not be used.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file of the archive does not hold what it should.
    #[error("{} is damaged: {why}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The ledger ends before its newest checkpoint.
    #[error("the ledger has {has} events; a checkpoint over {signed} was signed at {at}")]
    Older {
        /// Events in the ledger.
        has: u64,
        /// Events under the checkpoint.
        signed: u64,
        /// Its time.
        at: String,
    },
    /// The ledger is another than the one whose events are in the archive.
    #[error("the ledger is new; the archive has the events of log {0}")]
    Another(String),
    /// The ledger's history is not the one that was signed.
    #[error("the first {0} events are not those that were signed")]
    Differs(u64),
}
