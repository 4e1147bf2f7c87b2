//! Proof that a Parquet file holds exactly what its source does.
//!
//! The source is read again by other means than the converter's: delimited text by the plain `csv`
//! crate, JSON value by value. Every cell of the Parquet is printed by its recorded printer and
//! compared. A record that is missing, too many or different is a difference, with its place and both
//! texts.
//!
//! # What it cannot prove
//! It says so ([`Proof::Impossible`]) of what the `csv` crate cannot read: fixed width. Workbooks and
//! Parquet have one reader only. That a null was spelled as nothing or as two
//! quotes is not compared; how JSON is framed into records, and what a contract makes of a text, is
//! read by the converter's own code.

use std::fs::File;

use serde::{Deserialize, Serialize};

use super::unpack::{self, Input, TableKind};
use super::{Job, delimited, json};
use crate::diagnostic::Diagnostic;

mod declared;
mod printed;
mod rejected;

pub(super) use declared::Declared;
pub(super) use printed::{Printed, PrintedColumn, texts_of};
pub(super) use rejected::Rejected;

/// What a proof came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// Every cell is the same.
    Same {
        /// Rows compared.
        rows: u64,
        /// Cells compared.
        cells: u64,
    },
    /// The first that is not.
    Different(Difference),
    /// It cannot be proven; in words why.
    Impossible(String),
}

/// A cell, or a whole row, that is not the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The member of an archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// The line of the source, from 1; for JSON the line its record begins on.
    pub line: u64,
    /// The column; empty when it is the whole row.
    pub column: String,
    /// The source's text; `None` when it has no such row.
    pub source: Option<String>,
    /// The Parquet's text; `None` when it has no such row.
    pub parquet: Option<String>,
}

/// What is to be proven: a conversion's files.
#[derive(Debug)]
pub struct Claim {
    /// The source.
    pub raw: File,
    /// The Parquet made of it.
    pub parquet: File,
    /// Its rejects, if there are any.
    pub rejects: Option<File>,
}

/// Compares a Parquet file with its source; `progress` hears of every row.
///
/// # Errors
/// When a file cannot be read.
pub fn prove(job: &Job, claim: Claim, progress: &mut dyn FnMut(u64)) -> Result<Proof, Diagnostic> {
    let printed = Printed::open(claim.parquet)?;
    let rejected = Rejected::read(claim.rejects)?;
    match unpack::open(job, claim.raw)? {
        Input::Tables(TableKind::Text, parts) => {
            delimited::prove(job, &parts, printed, &rejected, progress)
        }
        Input::Tables(TableKind::Json, parts) => {
            json::prove(job, &parts, printed, &rejected, progress)
        }
        Input::Tables(TableKind::Workbook, _) => {
            Ok(Proof::Impossible("a workbook has no second reader to compare with".to_owned()))
        }
        Input::Tables(TableKind::Parquet, _) => {
            Ok(Proof::Impossible("Parquet has no second reader to compare with".to_owned()))
        }
        Input::Other(what) => Ok(Proof::Impossible(what)),
    }
}
