//! A Parquet file printed back, cell by cell, by the printers in its metadata.

use std::fs::File;

use arrow_array::{Array, ArrayRef, RecordBatch};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use serde::Deserialize;

use crate::convert::infer::Printer;
use crate::convert::merge::{self, Rows};
use crate::convert::unreadable;
use crate::diagnostic::{Code, Diagnostic};
use crate::schema::Nested;

/// A column as its metadata describes it.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::convert) struct PrintedColumn {
    /// The published name.
    pub(in crate::convert) name: String,
    /// The header as sent.
    pub(in crate::convert) header: String,
    /// What prints its values.
    #[serde(flatten)]
    pub(in crate::convert) printer: Printer,
    /// Its type when it is not one value.
    #[serde(default)]
    pub(in crate::convert) nested: Option<Nested>,
}

/// The rows of a Parquet file, in order.
pub(in crate::convert) struct Printed {
    reader: ParquetRecordBatchReader,
    /// The data columns.
    pub(in crate::convert) columns: Vec<PrintedColumn>,
    batch: Option<RecordBatch>,
    row: usize,
    /// Rows so far.
    pub(in crate::convert) rows: u64,
}

impl Printed {
    /// Opens a file that the converter made of one source.
    pub(in crate::convert) fn open(parquet: File) -> Result<Self, Diagnostic> {
        Self::open_part(parquet, None)
    }

    /// Opens what a merged file has of an arrival; all of a file that is not merged.
    pub(in crate::convert) fn open_part(
        parquet: File,
        part: Option<Rows>,
    ) -> Result<Self, Diagnostic> {
        let failed = |error: &(dyn std::error::Error + 'static)| unreadable(error);
        let builder =
            ParquetRecordBatchReaderBuilder::try_new(parquet).map_err(|error| failed(&error))?;
        let metadata = builder.metadata().file_metadata().key_value_metadata();
        let metadata = metadata.map_or(&[][..], Vec::as_slice);
        let arrival = part.map(|part| part.arrival);
        let recorded = merge::told(metadata, arrival, "landfall.columns").unwrap_or_default();
        let columns = serde_json::from_str(&recorded).map_err(|error| {
            Diagnostic::error(Code::C111, "the Parquet does not say how its values are printed")
                .caused_by(&error)
        })?;
        let wanted = part.map(|part| merge::selection([part]));
        let builder = match wanted {
            Some(wanted) => builder.with_row_selection(wanted),
            None => builder,
        };
        let reader = builder.build().map_err(|error| failed(&error))?;
        Ok(Self { reader, columns, batch: None, row: 0, rows: 0 })
    }

    /// Goes to the next row; whether there is one.
    pub(in crate::convert) fn advance(&mut self) -> Result<bool, Diagnostic> {
        self.row += 1;
        while self.batch.as_ref().is_none_or(|batch| self.row >= batch.num_rows()) {
            match self.reader.next() {
                None => return Ok(false),
                Some(batch) => self.batch = Some(batch.map_err(|error| unreadable(&error))?),
            }
            self.row = 0;
        }
        self.rows += 1;
        Ok(true)
    }

    /// Goes to the next row; the number of its record, or its place when the file does not say.
    pub(in crate::convert) fn next_record(&mut self) -> Result<Option<u64>, Diagnostic> {
        if !self.advance()? {
            return Ok(None);
        }
        let batch = self.batch.as_ref();
        let records = batch.and_then(|batch| batch.column_by_name("_lf_record"));
        let record = records.and_then(|records| Printer::Integer.print(records, self.row));
        Ok(Some(record.and_then(|record| record.parse().ok()).unwrap_or(self.rows)))
    }

    /// The array that holds a column of this row, and the row in it.
    pub(in crate::convert) fn cell(&self, column: usize) -> Option<(&ArrayRef, usize)> {
        let batch = self.batch.as_ref()?;
        Some((batch.columns().get(column)?, self.row))
    }

    /// The text of a column of this row; `None` for a null.
    pub(in crate::convert) fn text(&self, column: usize) -> Option<String> {
        let (array, row) = self.cell(column)?;
        self.columns.get(column)?.printer.print(array, row)
    }
}

/// All values of a text column of a small file, such as the rejects.
pub(in crate::convert) fn texts_of(batch: &RecordBatch, column: &str) -> Vec<Option<String>> {
    let Some(array) = batch.column_by_name(column) else { return vec![None; batch.num_rows()] };
    let text = |row| {
        let text = Printer::Text.print(array, row);
        text.or_else(|| Printer::Integer.print(array, row))
    };
    (0..array.len()).map(text).collect()
}
