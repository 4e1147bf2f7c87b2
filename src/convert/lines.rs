//! Published Parquet as lines that databases load.
//!
//! The text format of PostgreSQL's COPY
//! (<https://www.postgresql.org/docs/current/sql-copy.html>, "Text Format"): columns with a tab
//! between, `\N` for null, backslashes before what would end a value. Values are those of the
//! Parquet, exactly; what is not one value is JSON. Row group by row group, so that a file of any
//! size takes the memory of one batch.

use std::fs::File;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal64Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use serde_json::Value;

use super::infer::canonical::civil_from_days;
use crate::schema::ColumnType;

/// Rows in a batch.
const ROWS: usize = 4096;
const DAY_MICROS: i64 = 86_400_000_000;

/// Why a Parquet file cannot be read as lines.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no Parquet, or a damaged one.
    #[error("the Parquet cannot be read")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// The same, while it was read.
    #[error("the Parquet cannot be read")]
    Arrow(#[from] arrow_schema::ArrowError),
    /// A column has a type that the converter does not write.
    #[error("column `{0}` has a type that is not known here")]
    Unknown(String),
}

/// A column, and what its values are; `None` for JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineColumn {
    /// Its published name.
    pub name: String,
    /// Its type.
    pub kind: Option<ColumnType>,
}

/// A Parquet file of the lake as lines.
pub struct Lines {
    reader: ParquetRecordBatchReader,
    columns: Vec<LineColumn>,
}

impl Lines {
    /// Opens a published file.
    ///
    /// # Errors
    /// [`Error`].
    pub fn open(parquet: File) -> Result<Self, Error> {
        let builder = ParquetRecordBatchReaderBuilder::try_new(parquet)?.with_batch_size(ROWS);
        let column = |field: &arrow_schema::FieldRef| {
            let kind = kind(field.data_type());
            let kind = kind.ok_or_else(|| Error::Unknown(field.name().clone()))?;
            Ok(LineColumn { name: field.name().clone(), kind })
        };
        let columns = builder.schema().fields().iter().map(column).collect::<Result<_, Error>>()?;
        Ok(Self { reader: builder.build()?, columns })
    }

    /// Its columns, in order.
    pub fn columns(&self) -> &[LineColumn] {
        &self.columns
    }
}

impl Iterator for Lines {
    type Item = Result<Vec<u8>, Error>;

    /// The lines of the next rows.
    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.reader.next()?;
        Some(batch.map(|batch| lines(&batch)).map_err(Error::from))
    }
}

/// The type of a column; `Some(None)` for what becomes JSON.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "Arrow has many types; the converter writes these"
)]
fn kind(of: &DataType) -> Option<Option<ColumnType>> {
    Some(match of {
        DataType::Boolean => Some(ColumnType::Bool),
        DataType::Int64 => Some(ColumnType::Int64),
        DataType::Float64 => Some(ColumnType::Double),
        DataType::Date32 => Some(ColumnType::Date),
        DataType::Utf8 => Some(ColumnType::Text),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            Some(ColumnType::Timestamp { utc: zone.is_some() })
        }
        DataType::Decimal64(precision, scale) | DataType::Decimal128(precision, scale) => {
            Some(ColumnType::Decimal { precision: *precision, scale: u8::try_from(*scale).ok()? })
        }
        DataType::List(_) | DataType::Struct(_) => None,
        _ => return None,
    })
}

fn lines(batch: &RecordBatch) -> Vec<u8> {
    let mut out = Vec::new();
    for row in 0..batch.num_rows() {
        for (number, column) in batch.columns().iter().enumerate() {
            if number > 0 {
                out.push(b'\t');
            }
            match value(column, row) {
                Value::Null => out.extend_from_slice(b"\\N"),
                Value::String(text) => escape(&mut out, &text),
                Value::Bool(truth) => out.push(if truth { b't' } else { b'f' }),
                json @ (Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                    escape(&mut out, &json.to_string());
                }
            }
        }
        out.push(b'\n');
    }
    out
}

/// What would end a value, or begin something else, has a backslash before it.
fn escape(out: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            byte => out.push(byte),
        }
    }
}

/// A value; a number that JSON could alter is its text.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "Arrow has many types; the converter writes these"
)]
fn value(column: &ArrayRef, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Boolean => Value::Bool(column.as_boolean().value(row)),
        DataType::Int64 => Value::from(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => double(column.as_primitive::<Float64Type>().value(row)),
        DataType::Date32 => Value::String(date(column.as_primitive::<Date32Type>().value(row))),
        DataType::Timestamp(_, zone) => {
            let micros = column.as_primitive::<TimestampMicrosecondType>().value(row);
            let zone = if zone.is_some() { "+00" } else { "" };
            Value::String(timestamp(micros, zone))
        }
        DataType::Decimal64(..) => {
            Value::String(column.as_primitive::<Decimal64Type>().value_as_string(row))
        }
        DataType::Decimal128(..) => {
            Value::String(column.as_primitive::<Decimal128Type>().value_as_string(row))
        }
        DataType::List(_) => {
            let items = column.as_list::<i32>().value(row);
            Value::Array((0..items.len()).map(|item| value(&items, item)).collect())
        }
        DataType::Struct(fields) => {
            let parts = column.as_struct().columns().iter().zip(fields);
            let parts = parts.map(|(part, field)| (field.name().clone(), value(part, row)));
            Value::Object(parts.collect())
        }
        DataType::Utf8 => Value::String(column.as_string::<i32>().value(row).to_owned()),
        // Refused when the file was opened.
        _ => Value::Null,
    }
}

fn double(number: f64) -> Value {
    if number.is_finite() {
        return Value::from(number);
    }
    let positive = if number > 0.0 { "Infinity" } else { "-Infinity" };
    Value::String(if number.is_nan() { "NaN" } else { positive }.to_owned())
}

fn date(days: i32) -> String {
    let (year, month, day) = civil_from_days(days);
    format!("{year:04}-{month:02}-{day:02}")
}

fn timestamp(micros: i64, zone: &str) -> String {
    let days = i32::try_from(micros.div_euclid(DAY_MICROS)).unwrap_or(i32::MAX);
    let of_day = micros.rem_euclid(DAY_MICROS);
    let (seconds, fraction) = (of_day / 1_000_000, of_day % 1_000_000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{} {hour:02}:{minute:02}:{second:02}.{fraction:06}{zone}", date(days))
}
