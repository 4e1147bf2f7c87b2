//! What the converter made of an arrival, and what that taught about its feed.

use serde::{Deserialize, Serialize};

use crate::names::{ArrivalId, Digest};
use crate::report::Report;
use crate::schema::{Change, Column, LearnedSchema};
use crate::zone::ZonePath;

/// A file the converter wrote, waiting below `.landfall/converted/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Where it waits.
    pub path: ZonePath,
    /// Rows.
    pub rows: u64,
    /// Bytes.
    pub size_bytes: u64,
    /// SHA-256 of the file.
    pub digest: Digest,
}

/// What the converter made of an arrival, as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conversion {
    /// The converter's version.
    pub converter: String,
    /// The schema version its Parquet conforms to.
    pub version: u32,
    /// The learned-schema revision its Parquet conforms to.
    pub revision: u32,
    /// Records seen = written + rejected + skipped.
    pub seen: u64,
    /// Records in the Parquet.
    pub written: u64,
    /// Records left out, with position and reason.
    pub rejected: u64,
    /// Records skipped by a declared rule.
    pub skipped: u64,
    /// The Parquet.
    pub parquet: Output,
    /// The rejects beside it.
    pub rejects: Option<Output>,
    /// The converter's own report, for people and receipts.
    pub report: Report,
}

/// A conversion to record, and what it taught about the feed.
#[derive(Debug, Clone)]
pub struct NewConversion {
    /// What was made.
    pub conversion: Conversion,
    /// The revision of the learned schema that the converter was given; 0 for none.
    pub given_revision: u32,
    /// The columns the feed has from now on, when they changed. The ledger gives them the next
    /// revision, and the next version when `opens_version`.
    pub learned: Option<Vec<Column>>,
    /// Whether a column left its type.
    pub opens_version: bool,
    /// How the file's columns differed from the feed's: worth an event.
    pub drift: Vec<Change>,
}

/// One revision of a feed's learned schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Revision {
    /// What was known from then on.
    #[serde(flatten)]
    pub learned: LearnedSchema,
    /// The arrival that taught it.
    pub by: ArrivalId,
}
