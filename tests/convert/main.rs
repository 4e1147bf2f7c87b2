//! Delimited text through the converter and back: no value altered, no record dropped in silence.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod accounts;
mod dialects;
mod encodings;
mod hazards;
mod limits;
mod many_records;
mod parquet_file;
mod round_trip;
mod sticky;
mod support;
