//! A whole zone, served by the real binary: its doors, its feeds and what becomes of their files.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    reason = "tests"
)]

mod alerts;
mod batches;
#[path = "../support/zoo.rs"]
mod bombs;
mod calendar;
mod contracts;
mod folder;
#[path = "../support/many.rs"]
mod many_arrivals;
#[path = "../support/moved.rs"]
mod moved;
mod quarantine;
mod receipts;
#[path = "../support/receiver.rs"]
mod receiver;
mod reload;
mod reserve;
mod restart;
mod served;
#[path = "../support/small_disk.rs"]
mod small_disk;
mod storm;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/workbook.rs"]
mod workbook;
mod zoo;
