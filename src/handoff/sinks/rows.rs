//! The rows of a batch, for sinks that load them: a narrow way to what reads Parquet.

use std::fs::File;

use crate::schema::ColumnType;

/// A column, and what its values are; `None` for JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowColumn {
    /// Its published name.
    pub name: String,
    /// Its type.
    pub kind: Option<ColumnType>,
}

/// The rows of a published file, in the text format of PostgreSQL's COPY; an error in words.
pub struct Rows {
    /// The columns, in order.
    pub columns: Vec<RowColumn>,
    /// The lines, some at a time.
    pub lines: Box<dyn Iterator<Item = Result<Vec<u8>, String>> + Send>,
}

/// What reads published files.
pub trait ReadsRows: Send + Sync {
    /// Opens a file of the lake; why not, in words. Blocks.
    ///
    /// # Errors
    /// Words for the operator.
    fn open(&self, parquet: File) -> Result<Rows, String>;
}
