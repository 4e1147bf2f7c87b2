//! The ledger as evidence: checkpoints that `ssh-keygen` checks, proofs in receipts, and what happens
//! when somebody meddles.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

#[path = "../support/mod.rs"]
mod support;

mod bundle;
mod checkpoints;
mod mutations;
