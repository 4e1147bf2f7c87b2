//! Crash harnesses: what was acknowledged outlives anything that may happen to the server.
//!
//! The README beside this file says what each harness does, what it needs and what it found.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

mod named_points;

#[cfg(target_arch = "x86_64")]
mod blocks;
mod check;
mod client;
mod disk;
#[cfg(target_arch = "x86_64")]
mod errors;
#[cfg(target_arch = "x86_64")]
mod handoffs;
#[cfg(target_arch = "x86_64")]
mod kills;
mod logged_disk;
mod machine;
#[cfg(target_arch = "x86_64")]
mod merging;
#[cfg(target_arch = "x86_64")]
mod mutants;
#[cfg(target_arch = "x86_64")]
mod order;
#[cfg(target_arch = "x86_64")]
mod power;
mod progress;
mod promises;
mod receivers;
mod senders;
#[cfg(target_arch = "x86_64")]
mod shortages;
mod site;
#[cfg(target_arch = "x86_64")]
mod tracer;
mod workload;
mod writers;

#[path = "../support/nats.rs"]
mod nats_server;
#[path = "../support/postgres.rs"]
mod postgres_server;
#[path = "../support/receiver.rs"]
mod receiver;
#[path = "../support/small_disk.rs"]
mod small_disk;
#[path = "../support/mod.rs"]
mod support;
