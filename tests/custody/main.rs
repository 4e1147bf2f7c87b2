//! What is kept: checked, copied, converted again and erased.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "tests"
)]

mod again;
mod backup;
mod erase;
mod merging;
#[path = "../support/postgres.rs"]
mod postgres_server;
mod replay;
mod retain;
#[path = "../support/mod.rs"]
mod support;
mod verify;
