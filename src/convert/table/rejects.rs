//! Records that were left out, kept beside the table with position, reason and raw text.

use std::fs::File;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;

use super::super::{Job, Written};
use super::{
    Error, Output, Sheets, finish, parquet, properties, repeated, source_metadata, write_bounded,
};
use crate::diagnostic::Code;
use crate::report::RejectReport;

/// Bytes of raw text gathered before they are written.
const BATCH_BYTES: usize = 4 << 20;
/// Bytes of raw text in a report.
const REPORT_BYTES_MAX: usize = 200;

/// A record that is left out of the Parquet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Its number among the data records, from 1.
    pub record: u64,
    /// The physical line it begins on, from 1; the row of a sheet.
    pub line: u64,
    /// The sheet of a workbook.
    pub sheet: Option<String>,
    /// Where it begins in the raw object; 0 in a workbook.
    pub byte_offset: u64,
    /// The published name of the column at fault, if one is.
    pub column: Option<String>,
    /// The stable code of the reason.
    pub code: Code,
    /// The reason in words.
    pub reason: String,
    /// The raw text.
    pub raw: String,
}

impl Reject {
    /// The same for a report, its raw text cut to 200 bytes.
    pub fn report(&self) -> RejectReport {
        let cut = self.raw.floor_char_boundary(REPORT_BYTES_MAX.min(self.raw.len()));
        RejectReport {
            record: self.record,
            line: self.line,
            sheet: self.sheet.clone(),
            byte_offset: self.byte_offset,
            column: self.column.clone(),
            code: self.code.to_string(),
            reason: self.reason.clone(),
            raw: self.raw.get(..cut).unwrap_or_default().to_owned(),
        }
    }
}

/// Writes rejects; makes a file only when there are any.
///
/// Columns: `_lf_arrival`, `record`, `line`, `sheet`, `byte_offset`, `column`, `code`, `reason`, `raw`; of
/// an archive also `_lf_member`, and places are within the member.
pub struct RejectsWriter {
    out: Option<Output>,
    writer: Option<ArrowWriter<Output>>,
    arrival: Option<String>,
    job: Job,
    sheets: Sheets,
    /// The member that what comes is of.
    member: Option<String>,
    waiting: Vec<Reject>,
    waiting_bytes: usize,
    rows: u64,
}

impl RejectsWriter {
    /// Prepares rejects in an empty file.
    pub fn new(out: File, job: &Job, sheets: Sheets) -> Self {
        Self {
            out: Some(Output::new(out, job.limits.output_bytes)),
            writer: None,
            arrival: job.arrival.map(|arrival| arrival.to_string()),
            job: job.clone(),
            sheets,
            member: None,
            waiting: Vec::new(),
            waiting_bytes: 0,
            rows: 0,
        }
    }

    /// Adds one.
    ///
    /// # Errors
    /// When the limit is met or the file cannot be written.
    pub fn push(&mut self, reject: Reject) -> Result<(), Error> {
        self.waiting_bytes += reject.raw.len();
        self.waiting.push(reject);
        if self.waiting_bytes > BATCH_BYTES { self.write_waiting() } else { Ok(()) }
    }

    /// What comes from now on is of this member.
    ///
    /// # Errors
    /// The same.
    pub fn of_member(&mut self, member: Option<&str>) -> Result<(), Error> {
        if !self.waiting.is_empty() {
            self.write_waiting()?;
        }
        self.member = member.map(str::to_owned);
        Ok(())
    }

    fn write_waiting(&mut self) -> Result<(), Error> {
        let schema = schema(self.sheets);
        if let Some(out) = self.out.take() {
            self.writer = Some(parquet(out, &schema, properties()?)?);
        }
        let rejects = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        self.rows += rejects.len() as u64;
        let mut columns = columns(self.arrival.as_deref(), &rejects);
        if self.sheets == Sheets::Members {
            columns.push(repeated(self.member.as_deref(), rejects.len()));
        }
        let batch = RecordBatch::try_new(schema, columns)?;
        self.writer.as_mut().map_or(Ok(()), |writer| write_bounded(writer, &batch))
    }

    /// Ends the file; `None` when there were no rejects.
    ///
    /// # Errors
    /// The same.
    pub fn finish(mut self) -> Result<Option<Written>, Error> {
        if !self.waiting.is_empty() {
            self.write_waiting()?;
        }
        let Some(mut writer) = self.writer else { return Ok(None) };
        source_metadata(&self.job).into_iter().for_each(|e| writer.append_key_value_metadata(e));
        finish(writer, self.rows).map(Some)
    }
}

fn schema(sheets: Sheets) -> SchemaRef {
    let text = |name| Field::new(name, DataType::Utf8, true);
    let number = |name| Field::new(name, DataType::Int64, true);
    let mut fields = vec![
        text("_lf_arrival"),
        number("record"),
        number("line"),
        text("sheet"),
        number("byte_offset"),
        text("column"),
        text("code"),
        text("reason"),
        text("raw"),
    ];
    if sheets == Sheets::Members {
        fields.push(text("_lf_member"));
    }
    Arc::new(Schema::new(fields))
}

fn columns(arrival: Option<&str>, rejects: &[Reject]) -> Vec<ArrayRef> {
    let number = |of: fn(&Reject) -> u64| -> ArrayRef {
        let number = |reject| i64::try_from(of(reject)).unwrap_or(i64::MAX);
        Arc::new(Int64Array::from_iter_values(rejects.iter().map(number)))
    };
    let text = |of: fn(&Reject) -> Option<&str>| -> ArrayRef {
        Arc::new(StringArray::from_iter(rejects.iter().map(of)))
    };
    vec![
        repeated(arrival, rejects.len()),
        number(|reject| reject.record),
        number(|reject| reject.line),
        text(|reject| reject.sheet.as_deref()),
        number(|reject| reject.byte_offset),
        text(|reject| reject.column.as_deref()),
        text(|reject| Some(reject.code.as_str())),
        text(|reject| Some(&reject.reason)),
        text(|reject| Some(&reject.raw)),
    ]
}
