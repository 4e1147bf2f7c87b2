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
mod columnar;
mod contract;
mod contract_json;
mod dialects;
mod encodings;
mod hazards;
mod json;
mod limits;
mod many_records;
mod merging;
mod packed;
mod parquet_file;
mod pollution;
mod proofs;
mod round_trip;
mod sticky;
mod support;

#[path = "../support/workbook.rs"]
mod workbook;
mod workbooks;
mod workers;
