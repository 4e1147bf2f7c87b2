//! The command line as people and scripts meet it: its words, its JSON, its exit codes.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod accounts;
mod alone;
mod demo;
mod events;
mod exits;
mod reads;
mod serving;
mod sinks;
#[path = "../support/mod.rs"]
mod support;
mod zone;
