//! From a staged file to a raw object and its record, and what start-up makes of a kill between.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

#[path = "../support/small_disk.rs"]
mod small_disk;

mod intake;
mod place;
mod reconcile;
mod store;
