//! Parquet for everyone: the types, encodings and metadata that Spark, DuckDB, Iceberg, Delta and
//! pyarrow all read, the same bytes for the same input.
//!
//! Deterministic: no clock, no random, a fixed `created_by`; zstd level 3, statistics and page index
//! on. Row groups end at a number of rows, of bytes and of memory, so that memory stays flat whatever
//! the file's size.
//!
//! In the metadata are the converter's version, the source's digest, its dialect, and for each column
//! the [`Printer`] that gives back the exact text of the source.

use std::fs::File;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;
use serde::Serialize;

use super::contract::{NameColumn, name_columns};
use super::infer::{Empty, Printer};
use super::{Job, Progress, VERSION, Written, unreadable};
use crate::contract::Literal;
use crate::diagnostic::{Code, Diagnostic};
use crate::schema::{ColumnType, Nested, NestedField};
use output::Output;
pub use output::emptied;

mod column;
mod extremes;
mod groups;
mod output;
mod rejects;
mod tally;

pub use column::{ColumnBuilder, NotCanonical, Typed, Values};
pub use extremes::{Extremes, extremes};
pub use groups::{Encoded, GroupedColumn, GroupedTable, RowGroup, grouped_type};
pub use rejects::{Reject, RejectsWriter};
pub use tally::Tally;

/// `created_by` of every file, in the form that parquet-java can parse.
const CREATED_BY: &str = concat!("landfall version ", env!("CARGO_PKG_VERSION"), " (build c2)");
/// Encoded bytes of a row group.
const ROW_GROUP_BYTES: usize = 32 << 20;
/// Rows of a row group.
const ROW_GROUP_ROWS: usize = 1 << 20;
/// Memory the writer may hold before the row group ends.
const MEMORY_BYTES: usize = 64 << 20;
const ZSTD_LEVEL: i32 = 3;

/// A column as published, with what prints its values back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableColumn {
    /// The published name.
    pub name: String,
    /// The header as sent; empty when there is none or the file lacks the column.
    pub header: String,
    /// The published type.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// How its values' text is printed back.
    #[serde(flatten)]
    pub printer: Printer,
    /// How its nulls are spelled, when it has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub empty: Option<Empty>,
    /// Its type when it is not one value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nested: Option<Nested>,
}

/// The Arrow type that arrays of a column must have, nested or not.
pub fn column_type(kind: ColumnType, nested: Option<&Nested>) -> DataType {
    nested.map_or_else(|| arrow_type(kind), nested_type)
}

/// The Arrow type of a nested type.
pub fn nested_type(nested: &Nested) -> DataType {
    match nested {
        Nested::Value(kind) => arrow_type(*kind),
        Nested::Json => DataType::Utf8,
        Nested::List(item) => DataType::List(item_field(item)),
        Nested::Struct(fields) => DataType::Struct(struct_fields(fields)),
    }
}

/// The field of a list's items, as Parquet names it.
pub fn item_field(item: &Nested) -> Arc<Field> {
    Arc::new(Field::new("element", nested_type(item), true))
}

/// The fields of a struct.
pub fn struct_fields(fields: &[NestedField]) -> Fields {
    fields.iter().map(|field| Field::new(&field.name, nested_type(&field.kind), true)).collect()
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
    /// Whether there is a column that names the sheet or member.
    pub sheets: Sheets,
    /// Dialect and encoding, for the metadata.
    pub dialect: &'a [(String, String)],
}

impl TableInfo<'_> {
    /// Metadata that leads back to the source and its texts.
    fn metadata(&self) -> Vec<KeyValue> {
        let columns = serde_json::to_string(self.columns).unwrap_or_default();
        let dialect: serde_json::Map<_, _> =
            self.dialect.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
        let mut metadata = source_metadata(self.job);
        metadata.push(entry("landfall.columns", columns));
        metadata.push(entry("landfall.dialect", serde_json::Value::from(dialect).to_string()));
        metadata
    }
}

/// Whether rows come from parts of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sheets {
    /// From a workbook: there is a `_lf_sheet` column.
    Yes,
    /// From an archive: there is a `_lf_member` column.
    Members,
    /// From one text.
    No,
}

impl Sheets {
    /// The column that names the part.
    fn column(self) -> Option<&'static str> {
        match self {
            Self::Yes => Some("_lf_sheet"),
            Self::Members => Some("_lf_member"),
            Self::No => None,
        }
    }
}

/// Where the rows of a batch come from. Not used when the job has no arrival.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// `_lf_record`, one a row.
    pub records: Vec<i64>,
    /// `_lf_line`, one a row: the physical line, or the row of the sheet.
    pub lines: Vec<i64>,
    /// `_lf_sheet` or `_lf_member`, the same for all rows of the batch.
    pub sheet: Option<String>,
}

/// A table could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The output would exceed `limits.output_bytes`.
    #[error("the output exceeds its limit")]
    TooLarge,
    /// The file refused to be written.
    #[error("the output could not be written")]
    Io(#[source] std::io::Error),
    /// Arrow refused the arrays: they do not fit the columns.
    #[error("the columns do not fit the table")]
    Arrow(#[from] arrow_schema::ArrowError),
    /// Parquet refused to write.
    #[error("the Parquet could not be written")]
    Parquet(#[source] ParquetError),
    /// A value does not fit its column.
    #[error(transparent)]
    Value(#[from] NotCanonical),
}

impl Error {
    /// What a person reads of the file whose table this is.
    pub fn diagnostic(&self) -> Diagnostic {
        match self {
            Self::TooLarge => {
                let summary = "the output exceeds the limit output_bytes";
                Diagnostic::error(Code::C105, summary).fact("limit", "output_bytes")
            }
            Self::Io(_) | Self::Arrow(_) | Self::Parquet(_) | Self::Value(_) => unreadable(self),
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::FileTooLarge {
            Self::TooLarge
        } else {
            Self::Io(error)
        }
    }
}

impl From<ParquetError> for Error {
    fn from(error: ParquetError) -> Self {
        let too_large = |source: &(dyn std::error::Error + 'static)| {
            let io = source.downcast_ref::<std::io::Error>();
            io.is_some_and(|io| io.kind() == std::io::ErrorKind::FileTooLarge)
        };
        let first = std::error::Error::source(&error);
        if std::iter::successors(first, |e| e.source()).any(too_large) {
            Self::TooLarge
        } else {
            Self::Parquet(error)
        }
    }
}

/// Writes a table batch by batch.
pub struct TableWriter {
    writer: ArrowWriter<Output>,
    schema: SchemaRef,
    provenance: Option<Provenance>,
    /// Columns from the file's name.
    named: Vec<NameColumn>,
    rows: u64,
    progress: Progress,
    metadata: Vec<KeyValue>,
}

/// The columns that lead a row back to its source.
struct Provenance {
    arrival: String,
    sheets: Sheets,
}

impl Provenance {
    fn fields(&self) -> Vec<Field> {
        let mut fields = vec![
            Field::new("_lf_arrival", DataType::Utf8, true),
            Field::new("_lf_record", DataType::Int64, true),
            Field::new("_lf_line", DataType::Int64, true),
        ];
        let part = self.sheets.column();
        fields.extend(part.map(|name| Field::new(name, DataType::Utf8, true)));
        fields
    }

    fn columns(&self, origin: Origin) -> Vec<ArrayRef> {
        let rows = origin.records.len();
        let mut columns: Vec<ArrayRef> = vec![
            repeated(Some(&self.arrival), rows),
            Arc::new(Int64Array::from(origin.records)),
            Arc::new(Int64Array::from(origin.lines)),
        ];
        if self.sheets.column().is_some() {
            columns.push(repeated(origin.sheet.as_deref(), rows));
        }
        columns
    }
}

/// A column with the same value in every row.
fn constant(named: &NameColumn, rows: usize) -> Result<ArrayRef, NotCanonical> {
    let mut column = ColumnBuilder::new(named.kind);
    for _ in 0..rows {
        match &named.value {
            Literal::Text(text) => column.push(text, true)?,
            Literal::Date(days) => column.push_typed(Typed::Date(*days))?,
            Literal::Timestamp(micros) => column.push_typed(Typed::Timestamp(*micros))?,
            Literal::Int64(_) | Literal::Decimal(_) | Literal::Double(_) | Literal::Bool(_) => {
                return Err(NotCanonical);
            }
        }
    }
    Ok(column.finish())
}

fn repeated(text: Option<&str>, rows: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter(std::iter::repeat_n(text, rows)))
}

impl TableWriter {
    /// Starts a table in an empty file.
    ///
    /// # Errors
    /// When Parquet refuses the columns.
    pub fn create(out: File, info: &TableInfo<'_>) -> Result<Self, Error> {
        let arrival = info.job.arrival.map(|arrival| arrival.to_string());
        let provenance = arrival.map(|arrival| Provenance { arrival, sheets: info.sheets });
        let data = info.columns.iter();
        let data = data.map(|c| Field::new(&c.name, column_type(c.kind, c.nested.as_ref()), true));
        let origin = provenance.iter().flat_map(Provenance::fields);
        // A name that does not fit was refused before.
        let named = name_columns(info.job).unwrap_or_default();
        let from_name = named.iter().map(|c| Field::new(&c.name, arrow_type(c.kind), true));
        let fields = data.chain(origin).chain(from_name);
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let output = Output::new(out, info.job.limits.output_bytes);
        let (writer, metadata) = (parquet(output, &schema, properties()?)?, info.metadata());
        let progress = info.job.progress.clone();
        progress.begin_rows();
        Ok(Self { writer, schema, provenance, named, rows: 0, progress, metadata })
    }

    /// Tells it anew what it is made from, which its footer says. The columns are the same, but for
    /// what prints their values.
    pub fn describe(&mut self, info: &TableInfo<'_>) {
        self.metadata = info.metadata();
    }

    /// Writes a batch: one array per data column, of the type [`arrow_type`] says. Batches of a few
    /// thousand rows are best; where they are cut is part of the output's determinism.
    ///
    /// # Errors
    /// When the arrays do not fit, the limit is met, or the file cannot be written.
    pub fn write(&mut self, mut columns: Vec<ArrayRef>, origin: Origin) -> Result<(), Error> {
        let rows = columns.first().map_or(0, |column| column.len());
        if let Some(provenance) = &self.provenance {
            columns.extend(provenance.columns(origin));
        }
        for named in &self.named {
            columns.push(constant(named, rows)?);
        }
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        self.rows += batch.num_rows() as u64;
        self.progress.wrote(batch.num_rows() as u64);
        write_bounded(&mut self.writer, &batch)
    }

    /// Ends the table.
    ///
    /// # Errors
    /// The same.
    pub fn finish(mut self) -> Result<Written, Error> {
        self.metadata.into_iter().for_each(|entry| self.writer.append_key_value_metadata(entry));
        finish(self.writer, self.rows)
    }
}

/// Writes a table of rows that are in tables already.
pub struct MergedWriter {
    writer: ArrowWriter<Output>,
    rows: u64,
}

impl MergedWriter {
    /// Starts a table in an empty file of at most `bytes_max` bytes, whose columns `by_difference` are
    /// encoded by their differences.
    ///
    /// # Errors
    /// When Parquet refuses the columns.
    pub fn create(
        out: File,
        schema: &SchemaRef,
        (metadata, by_difference): (Vec<KeyValue>, Vec<ColumnPath>),
        bytes_max: u64,
    ) -> Result<Self, Error> {
        let properties = by_difference.into_iter().fold(properties()?, by_differences);
        let mut writer = parquet(Output::new(out, bytes_max), schema, properties)?;
        writer.append_key_value_metadata(entry("landfall.version", VERSION.to_owned()));
        metadata.into_iter().for_each(|entry| writer.append_key_value_metadata(entry));
        Ok(Self { writer, rows: 0 })
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Writes a batch.
    ///
    /// # Errors
    /// When the limit is met or the file cannot be written.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        self.rows += batch.num_rows() as u64;
        write_bounded(&mut self.writer, batch)
    }

    /// Ends the table.
    ///
    /// # Errors
    /// The same.
    pub fn finish(self) -> Result<Written, Error> {
        finish(self.writer, self.rows)
    }
}

/// Metadata that leads back to the source.
fn source_metadata(job: &Job) -> Vec<KeyValue> {
    let mut metadata = vec![entry("landfall.version", VERSION.to_owned())];
    metadata.extend(job.digest.map(|digest| entry("landfall.source.sha256", digest.to_string())));
    let contract = job.contract.as_ref();
    let contract = contract.map(|c| entry("landfall.contract.sha256", c.digest.to_string()));
    metadata.extend(contract);
    metadata
}

fn entry(key: &str, value: String) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(value) }
}

fn parquet(
    output: Output,
    schema: &SchemaRef,
    properties: WriterPropertiesBuilder,
) -> Result<ArrowWriter<Output>, Error> {
    let properties = properties
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES));
    // The Arrow schema in the metadata would repeat what the Parquet schema says already.
    let options = ArrowWriterOptions::new()
        .with_properties(properties.build())
        .with_skip_arrow_metadata(true);
    Ok(ArrowWriter::try_new_with_options(output, Arc::clone(schema), options)?)
}

/// What holds for every table, however it is written.
fn properties() -> Result<WriterPropertiesBuilder, ParquetError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_created_by(CREATED_BY.to_owned())
        .set_statistics_enabled(EnabledStatistics::Page);
    let counting = ["_lf_record", "_lf_line"].into_iter().map(ColumnPath::from);
    Ok(counting.fold(properties, by_differences))
}

/// Has the whole numbers of a column encoded by their differences.
fn by_differences(
    properties: WriterPropertiesBuilder,
    column: ColumnPath,
) -> WriterPropertiesBuilder {
    properties
        .set_column_dictionary_enabled(column.clone(), false)
        .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED)
}

/// Writes the footer and tells what was written. `ArrowWriter::into_inner` would lose the reason of
/// a write that fails only here.
fn finish(mut writer: ArrowWriter<Output>, rows: u64) -> Result<Written, Error> {
    writer.finish()?;
    writer.sync()?;
    writer.inner_mut().finish(rows)
}

fn write_bounded(writer: &mut ArrowWriter<Output>, batch: &RecordBatch) -> Result<(), Error> {
    writer.write(batch)?;
    if writer.memory_size() > MEMORY_BYTES {
        writer.flush()?;
    }
    Ok(())
}
