//! The SFTP door, seen by real clients.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    reason = "tests"
)]

mod audit;
mod certificates;
mod complete;
mod ends;
mod flow;
mod legacy;
mod limits;
mod login;
mod messages;
mod names;
mod openssh;
mod raw;
mod scp;
mod sidecars;
mod staging;
#[path = "../support/sftp.rs"]
mod support;
mod tests_area;
