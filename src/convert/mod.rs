//! A raw object becomes Parquet, without altering a value.
//!
//! [`run`] is a function of the bytes, the [`Job`] and [`VERSION`]: no clock, ledger or network. It
//! runs in a confined worker process ([`worker`]); only `landfall convert` and `inspect` call the
//! parts below directly.
//!
//! A data problem is a value, not an error: the [`Outcome`] says what was made, what was left out
//! and why. Records seen = written + rejected + skipped, always.

use std::fs::File;

use serde::{Deserialize, Serialize};

use crate::config::Format;
use crate::contract::{Allowance, Contract};
use crate::diagnostic::{Code, Diagnostic};
use crate::names::{ArrivalId, Digest, FileName};
use crate::report::Report;
use crate::schema::{Change, Column, LearnedSchema};
pub use progress::{Progress, Reached};
use unpack::{Input, TableKind};

pub mod columnar;
pub mod compare;
pub mod contract;
pub mod delimited;
pub mod detect;
pub mod excel;
pub mod headers;
pub mod infer;
pub mod json;
pub mod lines;
pub mod merge;
mod progress;
pub mod propose;
pub mod prove;
pub(crate) mod shortage;
pub mod sticky;
mod surviving;
pub mod table;
pub mod text;
pub mod unpack;
pub mod worker;

/// The converter's version: recorded with every conversion, raised with every change of output.
pub const VERSION: &str = concat!("landfall-", env!("CARGO_PKG_VERSION"), "-c3");

/// What to convert, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// The arrival, for the `_lf_arrival` column; `None` leaves the provenance columns out.
    pub arrival: Option<ArrivalId>,
    /// The file's name: a hint to its kind, never trusted over its bytes.
    pub name: FileName,
    /// Raw bytes.
    pub size_bytes: u64,
    /// SHA-256 of the raw bytes, kept in the Parquet's metadata.
    pub digest: Option<Digest>,
    /// What the feed says of its files' form.
    pub format: Format,
    /// What is known of the feed.
    pub learned: Option<LearnedSchema>,
    /// What its files must look like.
    pub contract: Option<Contract>,
    /// What a person lets it do against the rules of its feed.
    #[serde(default)]
    pub allowance: Allowance,
    /// Limits inside the worker.
    pub limits: Limits,
    /// What is counted meanwhile; takes no part in what is made.
    #[serde(skip)]
    pub progress: Progress,
}

/// Limits on what one file may ask of the converter.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of one cell; default 16 MiB.
    pub cell_bytes: u64,
    /// Bytes of one record; default 32 MiB.
    pub record_bytes: u64,
    /// Columns; default 20,000.
    pub columns: u32,
    /// Bytes of one output file; default 8 GiB.
    pub output_bytes: u64,
    /// Rejects above which a file is held: at most this share in parts per million, default 10,000
    /// (1 %) …
    pub rejects_ppm: u32,
    /// … and at most so many; default 1,000.
    pub rejects_max: u64,
    /// Values of unique keys that are compared; default 3,500,000, which take 68 MiB.
    pub unique_values: u64,
    /// Bytes that a packed file may unpack to; default 64 GiB …
    pub unpacked_bytes: u64,
    /// … and at most so many times its size, default 1,000 …
    pub unpacked_ratio: u64,
    /// … once so many bytes came out, default 64 MiB.
    pub unpacked_bytes_free: u64,
    /// Members of an archive; default 10,000.
    pub members: u32,
    /// Threads that convert one big file; default 0: one a processor, at most
    /// [`THREADS_MAX`](delimited::THREADS_MAX). The output does not depend on it.
    #[serde(default)]
    pub threads: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cell_bytes: 16 << 20,
            record_bytes: 32 << 20,
            columns: 20_000,
            output_bytes: 8 << 30,
            rejects_ppm: 10_000,
            rejects_max: 1_000,
            unique_values: 3_500_000,
            unpacked_bytes: 64 << 30,
            unpacked_ratio: 1_000,
            unpacked_bytes_free: 64 << 20,
            members: 10_000,
            threads: 0,
        }
    }
}

/// What became of a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It has Parquet.
    Converted(Box<Converted>),
    /// It is not a table that landfall converts; handed off as it is.
    Raw {
        /// Why, in a few words.
        reason: String,
    },
    /// It must wait for a person. Nothing was written that counts.
    Held(Diagnostic),
}

/// What the converter made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Converted {
    /// Accounts and findings, for people and receipts.
    pub report: Report,
    /// The Parquet: rows, bytes, digest.
    pub parquet: Written,
    /// The rejects, when there are any.
    pub rejects: Option<Written>,
    /// The schema version its Parquet conforms to, given `job.learned`.
    pub version: u32,
    /// The feed's columns from now on, when this file changes them.
    pub learned: Option<Vec<Column>>,
    /// Whether a column left its type.
    pub opens_version: bool,
    /// How the file's columns differ from the feed's.
    pub drift: Vec<Change>,
}

/// A file that was written to a descriptor of the job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Rows.
    pub rows: u64,
    /// Bytes.
    pub size_bytes: u64,
    /// SHA-256 of them.
    pub digest: Digest,
}

/// Where a conversion writes: empty files, open for writing. It never syncs, reopens or names them.
#[derive(Debug)]
pub struct Outputs {
    /// The Parquet.
    pub parquet: File,
    /// The rejects; stays empty when there are none.
    pub rejects: File,
}

/// Converts a raw object, which must be seekable.
pub fn run(job: &Job, raw: File, outputs: Outputs) -> Outcome {
    if let Err(told) = contract::name_columns(job) {
        return Outcome::Held(told);
    }
    match unpack::open(job, raw) {
        Ok(Input::Tables(TableKind::Text, parts)) => delimited::run(job, &parts, outputs),
        Ok(Input::Tables(TableKind::Json, parts)) => json::run(job, &parts, outputs),
        Ok(Input::Tables(TableKind::Workbook, parts)) => excel::run(job, &parts, outputs),
        Ok(Input::Tables(TableKind::Parquet, parts)) => columnar::run(job, &parts, outputs),
        Ok(Input::Other(reason)) => contract::not_a_table(job, &reason),
        Err(told) => Outcome::Held(told),
    }
}

/// What `landfall inspect` shows of a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Inspection {
    /// What was found: dialect, columns with their types and why, accounts, notes.
    pub report: Report,
    /// The first data rows as text; `None` is a null.
    pub rows: Vec<Vec<Option<String>>>,
    /// Why it would not be converted: it is handed off raw, or held.
    pub obstacle: Option<Outcome>,
}

/// Looks at the whole file and writes nothing.
pub fn inspect(job: &Job, raw: File) -> Inspection {
    if let Err(told) = contract::name_columns(job) {
        return Inspection::nothing(Outcome::Held(told));
    }
    match unpack::open(job, raw) {
        Ok(Input::Tables(TableKind::Text, parts)) => delimited::inspect(job, &parts),
        Ok(Input::Tables(TableKind::Json, parts)) => json::inspect(job, &parts),
        Ok(Input::Tables(TableKind::Workbook, parts)) => excel::inspect(job, &parts),
        Ok(Input::Tables(TableKind::Parquet, parts)) => columnar::inspect(job, &parts),
        Ok(Input::Other(reason)) => Inspection::nothing(contract::not_a_table(job, &reason)),
        Err(told) => Inspection::nothing(Outcome::Held(told)),
    }
}

impl Inspection {
    /// Of a file that is no table.
    fn nothing(obstacle: Outcome) -> Self {
        Self { report: Report::default(), rows: Vec::new(), obstacle: Some(obstacle) }
    }
}

/// Why a raw object could not be read or an output not written: what is wrong with packed bytes,
/// what the machine is short of ([`Code::Z110`], to be tried again), or else our fault.
pub fn unreadable(error: &(dyn std::error::Error + 'static)) -> Diagnostic {
    if let Some(fault) = unpack::Fault::within(error) {
        return fault.diagnostic();
    }
    let code = if shortage::within(error) { Code::Z110 } else { Code::C111 };
    Diagnostic::error(code, "the converter could not read or write").caused_by(error)
}

/// Refuses a table unless every record seen is written, rejected or skipped, by what was counted
/// when it was read and when it was written.
fn balance(
    report: &Report,
    parquet: &Written,
    rejects: Option<&Written>,
) -> Result<(), Diagnostic> {
    let rejected = rejects.map_or(0, |rejects| rejects.rows);
    if report.seen == parquet.rows + rejected + report.skipped {
        return Ok(());
    }
    let told = Diagnostic::error(Code::C112, "the records seen are not those written");
    let told = told.fact("seen", report.seen).fact("written", parquet.rows);
    Err(told.fact("rejected", rejected).fact("skipped", report.skipped))
}
