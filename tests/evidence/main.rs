//! The ledger as evidence: checkpoints that `ssh-keygen` checks, proofs in receipts, and what happens
//! when somebody meddles.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

#[path = "../support/small_disk.rs"]
mod small_disk;
#[path = "../support/mod.rs"]
mod support;

mod bundle;
mod checkpoints;
mod mutations;
mod rebuild;
