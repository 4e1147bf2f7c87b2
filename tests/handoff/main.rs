//! Handing off: batches, sinks, the outbox.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

#[path = "../support/authority.rs"]
mod authority;
mod batch;
mod closing;
mod contract;
mod manifests;
mod many;
mod nats;
#[path = "../support/nats.rs"]
mod nats_server;
mod outbox;
mod postgres;
#[path = "../support/postgres.rs"]
mod postgres_server;
mod python;
#[path = "../support/receiver.rs"]
mod receiver;
mod running;
mod shop;
mod sinks;
mod tls;
