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

mod check;
mod client;
#[cfg(target_arch = "x86_64")]
mod errors;
#[cfg(target_arch = "x86_64")]
mod kills;
mod machine;
mod promises;
mod site;
#[cfg(target_arch = "x86_64")]
mod tracer;
mod workload;

#[path = "../support/mod.rs"]
mod support;
