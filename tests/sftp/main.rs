//! The SFTP door, seen by real clients.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    reason = "tests"
)]

mod audit;
mod certificates;
mod clients;
mod complete;
mod crowd;
mod ends;
mod flow;
mod keys;
mod large;
mod legacy;
mod limits;
mod login;
mod messages;
mod names;
mod openssh;
mod raw;
mod scp;
#[path = "../support/mod.rs"]
mod served;
mod sidecars;
mod staging;
mod strangers;
#[path = "../support/sftp.rs"]
mod support;
mod tests_area;
