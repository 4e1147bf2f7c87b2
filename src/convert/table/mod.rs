//! Parquet for everyone: the types, encodings and metadata that Spark, DuckDB, Iceberg, Delta and
//! pyarrow all read, the same bytes for the same input.

use std::fs::File;

use arrow_array::ArrayRef;
use arrow_schema::{DataType, TimeUnit};

use super::infer::{Empty, Printer};
use super::{Job, Written};
use crate::schema::ColumnType;

/// A column as published, with what prints its values back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableColumn {
    /// The published name.
    pub name: String,
    /// The header as sent; empty when there is none or the file lacks the column.
    pub header: String,
    /// The published type.
    pub kind: ColumnType,
    /// How its values' text is printed back.
    pub printer: Printer,
    /// How its nulls are spelled, when it has any.
    pub empty: Option<Empty>,
}

/// The Arrow type that arrays of a column must have.
pub fn arrow_type(kind: ColumnType) -> DataType {
    match kind {
        ColumnType::Empty | ColumnType::Text => DataType::Utf8,
        ColumnType::Bool => DataType::Boolean,
        ColumnType::Int64 => DataType::Int64,
        ColumnType::Decimal { precision, scale } => {
            let scale = i8::try_from(scale).unwrap_or(0);
            if precision <= 18 {
                DataType::Decimal64(precision, scale)
            } else {
                DataType::Decimal128(precision, scale)
            }
        }
        ColumnType::Double => DataType::Float64,
        ColumnType::Date => DataType::Date32,
        ColumnType::Timestamp { utc } => {
            DataType::Timestamp(TimeUnit::Microsecond, utc.then(|| "UTC".into()))
        }
    }
}

/// What a table is made from.
#[derive(Debug, Clone)]
pub struct TableInfo<'a> {
    /// The job: arrival, digest, limits.
    pub job: &'a Job,
    /// The data columns, in order.
    pub columns: &'a [TableColumn],
    /// Whether there is a `_lf_sheet` column: a workbook.
    pub sheets: Sheets,
    /// Dialect and encoding, for the metadata.
    pub dialect: &'a [(String, String)],
}

/// Whether rows come from sheets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sheets {
    /// From a workbook: there is a `_lf_sheet` column.
    Yes,
    /// From text.
    No,
}

/// Where the rows of a batch come from.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// `_lf_record`, one a row.
    pub records: Vec<i64>,
    /// `_lf_line`, one a row: the physical line, or the row of the sheet.
    pub lines: Vec<i64>,
    /// `_lf_sheet`, the same for all rows of the batch.
    pub sheet: Option<String>,
}

/// A table could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The output would exceed `limits.output_bytes`.
    #[error("the output exceeds {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// Arrow refused the arrays: they do not fit the columns.
    #[error("the columns do not fit the table")]
    Arrow(#[from] arrow_schema::ArrowError),
    /// Parquet refused to write.
    #[error("the Parquet could not be written")]
    Parquet(#[from] parquet::errors::ParquetError),
}

/// Writes a table batch by batch.
pub struct TableWriter {
    _out: File,
}

impl TableWriter {
    /// Starts a table in an empty file.
    ///
    /// # Errors
    /// When Parquet refuses the columns.
    pub fn create(_out: File, _info: &TableInfo<'_>) -> Result<Self, Error> {
        Ok(Self { _out })
    }

    /// Writes a batch: one array per data column, of the type [`arrow_type`] says. Batches of a few
    /// thousand rows are best; where they are cut is part of the output's determinism.
    ///
    /// # Errors
    /// When the arrays do not fit, the limit is met, or the file cannot be written.
    pub fn write(&mut self, _columns: Vec<ArrayRef>, _origin: Origin) -> Result<(), Error> {
        Ok(())
    }

    /// Ends the table.
    ///
    /// # Errors
    /// The same.
    pub fn finish(self) -> Result<Written, Error> {
        Err(Error::TooLarge { limit: 0 })
    }
}

/// A record that is left out of the Parquet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Its number among the data records, from 1.
    pub record: u64,
    /// The physical line it begins on, from 1; the row of a sheet.
    pub line: u64,
    /// Where it begins in the raw object; 0 in a workbook.
    pub byte_offset: u64,
    /// The published name of the column at fault, if one is.
    pub column: Option<String>,
    /// The stable code of the reason.
    pub code: crate::diagnostic::Code,
    /// The reason in words.
    pub reason: String,
    /// The raw text.
    pub raw: String,
}

/// Writes rejects; makes a file only when there are any.
pub struct RejectsWriter {
    _out: File,
}

impl RejectsWriter {
    /// Prepares rejects in an empty file.
    pub fn new(_out: File, _job: &Job) -> Self {
        Self { _out }
    }

    /// Adds one.
    ///
    /// # Errors
    /// When the limit is met or the file cannot be written.
    pub fn push(&mut self, _reject: Reject) -> Result<(), Error> {
        Ok(())
    }

    /// Ends the file; `None` when there were no rejects.
    ///
    /// # Errors
    /// The same.
    pub fn finish(self) -> Result<Option<Written>, Error> {
        Ok(None)
    }
}
