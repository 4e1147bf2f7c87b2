//! Pulls: commands that fetch what nobody sends, and those of `deploy/pulls`.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod crashes;
mod door;
mod examples;
#[path = "../support/nats.rs"]
mod nats;
#[path = "../support/postgres.rs"]
mod postgres;
#[path = "../support/mod.rs"]
mod support;
