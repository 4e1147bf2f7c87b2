//! What was found in a file and what was done with it, for people, receipts and the ledger.
//!
//! The converter writes it, the ledger keeps it, receipts and `result.txt` are rendered from it.

use serde::{Deserialize, Serialize};

use crate::names::Digest;
use crate::schema::Change;

/// What was found in the file and what was done with it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// `csv`, `xlsx`, ….
    pub kind: String,
    /// Records seen = written + rejected + skipped.
    pub seen: u64,
    /// Records in the Parquet.
    pub written: u64,
    /// Records in the rejects.
    pub rejected: u64,
    /// Records left out by a declared rule.
    pub skipped: u64,
    /// How the text was read: encoding, delimiter, quote, record end, header.
    pub dialect: Vec<(String, String)>,
    /// One entry a column.
    pub columns: Vec<ColumnReport>,
    /// Sheets of a workbook: taken or not, and why.
    pub sheets: Vec<SheetReport>,
    /// Members of an archive: taken or not, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<SheetReport>,
    /// Skipped records by code: blank, preamble, footer, repeated header, other sheet or member.
    pub skips: Vec<(String, u64)>,
    /// Rejects by code.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejects_by_code: Vec<(String, u64)>,
    /// The first rejects (at most 20) with position and reason.
    pub first_rejects: Vec<RejectReport>,
    /// Remarks in words.
    pub notes: Vec<String>,
    /// How its columns differ from the feed's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// The digest of the contract it was read under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<Digest>,
}

impl Report {
    /// The report without what it quotes of the file: names and numbers stay.
    pub fn without_quotes(mut self) -> Self {
        self.first_rejects.clear();
        self.notes.clear();
        self.columns.iter_mut().for_each(|column| column.why.clear());
        self
    }
}

/// What a column is and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnReport {
    /// The published name.
    pub name: String,
    /// The published type, in words: `int64`, `decimal(18,2)`, `text`, ….
    #[serde(rename = "type")]
    pub kind: String,
    /// Why it is not a narrower type, or what it was taken for.
    pub why: String,
    /// Values that are null.
    pub nulls: u64,
}

/// What became of a sheet, or of a member of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SheetReport {
    /// Its name.
    pub name: String,
    /// Its data rows.
    pub rows: u64,
    /// Whether its rows are in the Parquet.
    pub taken: bool,
    /// Why.
    pub why: String,
}

/// One record that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectReport {
    /// Its number, from 1, among all records.
    pub record: u64,
    /// The physical line it begins on, from 1.
    pub line: u64,
    /// The sheet of a workbook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// Where it begins in the raw object, in bytes; 0 in a workbook.
    #[serde(default)]
    pub byte_offset: u64,
    /// The column at fault, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The stable code of the reason.
    pub code: String,
    /// The reason in words.
    pub reason: String,
    /// The beginning of its raw text, at most 200 bytes.
    pub raw: String,
}
