//! A raw object becomes Parquet, without altering a value.
//!
//! [`run`] is a function of the bytes, the [`Job`] and [`VERSION`]: no clock, ledger or network. It
//! runs in a confined worker process ([`worker`]); only `landfall convert` and `inspect` call the
//! parts below directly.
//!
//! A data problem is a value, not an error: the [`Outcome`] says what was made, what was left out
//! and why. Records seen = written + rejected + skipped, always.
//!
//! Left out so far: contracts, JSON, archives, fixed width.

use std::fs::File;

use serde::{Deserialize, Serialize};

use crate::config::Format;
use crate::diagnostic::{Code, Diagnostic};
use crate::names::{ArrivalId, Digest, FileName};
use crate::report::Report;
use crate::schema::{Column, LearnedSchema};

pub mod delimited;
pub mod detect;
pub mod excel;
pub mod headers;
pub mod infer;
pub mod sticky;
pub mod table;
pub mod text;
pub mod worker;

/// The converter's version: recorded with every conversion, raised with every change of output.
pub const VERSION: &str = concat!("landfall-", env!("CARGO_PKG_VERSION"), "-c2");

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
    /// Limits inside the worker.
    pub limits: Limits,
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
    /// Drift worth an event, in words.
    pub drift: Vec<String>,
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
    match detect::kind(&raw) {
        Ok(detect::Kind::Text) => delimited::run(job, raw, outputs),
        Ok(detect::Kind::Workbook) => excel::run(job, raw, outputs),
        Ok(detect::Kind::Other(what)) => Outcome::Raw { reason: what.to_owned() },
        Err(error) => Outcome::Held(unreadable(&error)),
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
    let nothing = |obstacle| Inspection {
        report: Report::default(),
        rows: Vec::new(),
        obstacle: Some(obstacle),
    };
    match detect::kind(&raw) {
        Ok(detect::Kind::Text) => delimited::inspect(job, raw),
        Ok(detect::Kind::Workbook) => excel::inspect(job, raw),
        Ok(detect::Kind::Other(what)) => nothing(Outcome::Raw { reason: what.to_owned() }),
        Err(error) => nothing(Outcome::Held(unreadable(&error))),
    }
}

/// The raw object could not be read, or an output not written: our fault.
pub fn unreadable(error: &(dyn std::error::Error + 'static)) -> Diagnostic {
    Diagnostic::error(Code::C111, "the converter could not read or write").caused_by(error)
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
