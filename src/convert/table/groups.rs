//! A table whose row groups are encoded by several threads at once and written in order.
//!
//! Which rows make a group is the caller's choice, and with the rows it alone decides the bytes:
//! neither the number of threads nor their pace does. An encoded group waits in memory for its turn,
//! and whoever is too far ahead waits with it. What leads back to the source is recorded last,
//! because only the whole file tells it.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use arrow_array::ArrayRef;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;

use super::output::Output;
use super::{
    Error, Job, Origin, Provenance, Sheets, TableInfo, Written, arrow_type, by_differences,
    properties,
};
use crate::schema::ColumnType;

/// Encoded groups that may wait for an earlier one, beside those whose threads wait with them.
const AHEAD_MAX: usize = 1;

/// How a column's values are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoded {
    /// By a dictionary, as long as it is small.
    Dictionary,
    /// One after the other.
    Plain,
    /// By their differences: numbers of at most 64 bits, dates and timestamps.
    Delta,
}

/// A column of such a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupedColumn {
    /// The published name.
    pub name: String,
    /// The published type.
    pub kind: ColumnType,
    /// How it is encoded.
    pub encoded: Encoded,
}

/// A table that is being written.
pub struct GroupedTable {
    factory: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    /// Columns before the provenance's.
    width: usize,
    provenance: Option<Provenance>,
    progress: super::Progress,
    written: Mutex<InOrder>,
    turn: Condvar,
}

struct InOrder {
    writer: SerializedFileWriter<Output>,
    waiting: BTreeMap<usize, (Vec<ArrowColumnChunk>, u64)>,
    next: usize,
    rows: u64,
    is_stopped: bool,
}

/// A row group that is being encoded.
pub struct RowGroup {
    index: usize,
    columns: Vec<ArrowColumnWriter>,
    rows: u64,
}

/// The Arrow type that arrays of such a table's column must have: text comes as views.
pub fn grouped_type(kind: ColumnType) -> DataType {
    let plain = arrow_type(kind);
    if plain == DataType::Utf8 { DataType::Utf8View } else { plain }
}

impl GroupedTable {
    /// Starts a table in an empty file.
    ///
    /// # Errors
    /// When Parquet refuses the columns.
    pub fn create(out: File, job: &Job, columns: &[GroupedColumn]) -> Result<Self, Error> {
        let arrival = job.arrival.map(|arrival| arrival.to_string());
        let provenance = arrival.map(|arrival| Provenance { arrival, sheets: Sheets::No });
        let field =
            |column: &GroupedColumn| Field::new(&column.name, grouped_type(column.kind), true);
        let fields =
            columns.iter().map(field).chain(provenance.iter().flat_map(Provenance::fields));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let properties = columns.iter().fold(properties()?, |properties, column| {
            let path = ColumnPath::from(column.name.as_str());
            match column.encoded {
                Encoded::Dictionary => properties,
                Encoded::Plain => properties.set_column_dictionary_enabled(path, false),
                Encoded::Delta => by_differences(properties, path),
            }
        });
        job.progress.begin_rows();
        let root = ArrowSchemaConverter::new().convert(&schema)?.root_schema_ptr();
        let output = Output::new(out, job.limits.output_bytes);
        let writer = SerializedFileWriter::new(output, root, Arc::new(properties.build()))?;
        Ok(Self {
            factory: ArrowRowGroupWriterFactory::new(&writer, Arc::clone(&schema)),
            schema,
            width: columns.len(),
            provenance,
            progress: job.progress.clone(),
            written: Mutex::new(InOrder {
                writer,
                waiting: BTreeMap::new(),
                next: 0,
                rows: 0,
                is_stopped: false,
            }),
            turn: Condvar::new(),
        })
    }

    /// Whether there are provenance columns.
    pub fn has_provenance(&self) -> bool {
        self.provenance.is_some()
    }

    /// Starts a row group; every index from 0 on must be appended.
    ///
    /// # Errors
    /// When Parquet refuses.
    pub fn group(&self, index: usize) -> Result<RowGroup, Error> {
        Ok(RowGroup { index, columns: self.factory.create_column_writers(index)?, rows: 0 })
    }

    /// Encodes values of one column; every column of a group takes the same rows.
    ///
    /// # Errors
    /// When the array is not of the column's [`grouped_type`].
    pub fn encode(&self, group: &mut RowGroup, at: usize, array: &ArrayRef) -> Result<(), Error> {
        let (field, column) = (self.schema.fields().get(at), group.columns.get_mut(at));
        if let (Some(field), Some(column)) = (field, column) {
            for leaf in compute_leaves(field, array)? {
                column.write(&leaf)?;
            }
        }
        Ok(())
    }

    /// Ends some rows of a group, whose columns have been encoded: adds their provenance.
    ///
    /// # Errors
    /// When Parquet refuses.
    pub fn end_rows(&self, group: &mut RowGroup, rows: u64, origin: Origin) -> Result<(), Error> {
        group.rows += rows;
        let columns = self.provenance.as_ref().map(|provenance| provenance.columns(origin));
        for (at, array) in columns.into_iter().flatten().enumerate() {
            self.encode(group, self.width + at, &array)?;
        }
        Ok(())
    }

    /// Writes a row group when all before it are written; waits when it is too far ahead.
    ///
    /// # Errors
    /// When the limit is met or the file cannot be written.
    pub fn append(&self, group: RowGroup) -> Result<(), Error> {
        let chunks = group.columns.into_iter().map(ArrowColumnWriter::close);
        let chunks = chunks.collect::<Result<Vec<_>, _>>()?;
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let too_far =
            |written: &mut InOrder| !written.is_stopped && group.index > written.next + AHEAD_MAX;
        let written = self.turn.wait_while(written, too_far);
        let mut written = written.unwrap_or_else(PoisonError::into_inner);
        if written.is_stopped {
            return Ok(());
        }
        self.progress.wrote(group.rows);
        written.waiting.insert(group.index, (chunks, group.rows));
        let appended = written.write_waiting();
        written.is_stopped |= appended.is_err();
        self.turn.notify_all();
        appended
    }

    /// Lets nobody wait any longer: the table will not be whole.
    pub fn stop(&self) {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).is_stopped = true;
        self.turn.notify_all();
    }

    /// Ends the table.
    ///
    /// # Errors
    /// When the limit is met or the file cannot be written.
    pub fn finish(self, info: &TableInfo<'_>) -> Result<Written, Error> {
        let InOrder { mut writer, rows, .. } =
            self.written.into_inner().unwrap_or_else(PoisonError::into_inner);
        for entry in info.metadata() {
            writer.append_key_value_metadata(entry);
        }
        writer.finish()?;
        writer.flush()?;
        writer.inner_mut().finish(rows)
    }
}

impl InOrder {
    fn write_waiting(&mut self) -> Result<(), Error> {
        while let Some((chunks, rows)) = self.waiting.remove(&self.next) {
            if rows > 0 {
                let mut group = self.writer.next_row_group()?;
                for chunk in chunks {
                    chunk.append_to_row_group(&mut group)?;
                }
                group.close()?;
            }
            self.rows += rows;
            self.next += 1;
        }
        Ok(())
    }
}
