//! The converter's reading of Parquet, for sinks that load rows.

use std::fs::File;

use crate::convert::lines::{LineColumn, Lines};
use crate::diagnostic::on_one_line;
use crate::handoff::sinks::rows::{ReadsRows, RowColumn, Rows};

/// Reads the Parquet that the converter wrote.
pub struct ParquetRows;

impl ReadsRows for ParquetRows {
    fn open(&self, parquet: File) -> Result<Rows, String> {
        let lines = Lines::open(parquet).map_err(|error| on_one_line(&error))?;
        let columns = lines.columns().iter();
        let columns =
            columns.map(|LineColumn { name, kind }| RowColumn { name: name.clone(), kind: *kind });
        Ok(Rows {
            columns: columns.collect(),
            lines: Box::new(lines.map(|some| some.map_err(|error| on_one_line(&error)))),
        })
    }
}
