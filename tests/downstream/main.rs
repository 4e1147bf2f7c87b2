//! The examples of `deploy/downstream`: what reads and uses what landfall hands off.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod dbt;
mod inbox;
mod readers;
mod s3;
mod shop;
mod snowflake;
mod spark;
#[path = "../support/mod.rs"]
mod support;
mod transform;
mod view;
