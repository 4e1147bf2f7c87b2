//! Several Parquet files that the converter wrote become one.
//!
//! The rows are those of the files, or of runs in them, one run after the other, with their columns of
//! provenance as they are. The new file is encoded as any other, with row groups of the usual size,
//! and is a function of what it is made from: the same runs give the same bytes.
//!
//! What leads the rows of each arrival back to its source stands in the metadata: `landfall.parts` is
//! a list of `{arrival, rows, sha256, made}`, in the order of the rows, `sha256` that of the source;
//! `made` is a place in the list `landfall.made`, whose entries are what the metadata of the single
//! files said: the converter's version, dialect, and for each column the printer that gives back the
//! text of the source. Metadata of arrivals that are left out is left out.
//!
//! The data columns must be the same, in name, type and order. A column of provenance that only some
//! of the files have is null in the rows of the others.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, new_null_array};
use arrow_schema::{ArrowError, Field, Schema, SchemaRef};
use parquet::arrow::arrow_reader::{
    ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use parquet::basic::Encoding;
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, ParquetMetaData};
use parquet::schema::types::ColumnPath;
use serde::{Deserialize, Serialize};

use super::surviving::surviving;
use super::table::{self, MergedWriter};
use super::{Limits, Written};
use crate::diagnostic::Diagnostic;
use crate::names::ArrivalId;

/// Whose rows, in the metadata of a merged file.
const PARTS: &str = "landfall.parts";
/// What they were made from, and how.
const MADE: &str = "landfall.made";
/// The source's digest in the metadata of a single file.
const SOURCE: &str = "landfall.source.sha256";
/// Rows read at a time.
const ROWS: usize = 4096;

/// Which rows of a file are one arrival's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rows {
    /// Whose they are.
    pub arrival: ArrivalId,
    /// The rows before them.
    pub first: u64,
    /// How many.
    pub count: u64,
}

impl Rows {
    fn end(&self) -> u64 {
        self.first.saturating_add(self.count)
    }
}

/// Rows, and the file that has them.
#[derive(Debug, Clone)]
pub struct Run {
    /// The file.
    pub path: PathBuf,
    /// Which of its rows.
    pub rows: Rows,
}

/// Files could not be merged.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file is not Parquet of the converter, or a damaged one.
    #[error("cannot read {}", path.display())]
    Parquet {
        /// Which.
        path: PathBuf,
        /// What the reader said.
        #[source]
        source: ParquetError,
    },
    /// A file is damaged.
    #[error("cannot read {}", path.display())]
    Arrow {
        /// Which.
        path: PathBuf,
        /// What the reader said.
        #[source]
        source: ArrowError,
    },
    /// Data columns differ, so that there cannot be one file of all.
    #[error("{} has other columns than the files before it", .0.display())]
    Columns(PathBuf),
    /// A file does not have the rows that it should.
    #[error("{} has other rows than it should", .0.display())]
    Rows(PathBuf),
    /// The new file could not be written.
    #[error("cannot write the merged file")]
    Write(#[from] table::Error),
    /// What reads a file met something impossible.
    #[error("cannot merge: {0}")]
    Impossible(Diagnostic),
}

impl From<Diagnostic> for Error {
    fn from(told: Diagnostic) -> Self {
        Self::Impossible(told)
    }
}

/// Writes these rows into an empty file. Nothing is synced.
///
/// # Errors
/// [`Error`]; with [`Error::Columns`] they may be published as they are.
pub fn merge(runs: &[Run], out: File) -> Result<Written, Error> {
    let damaged = || super::columnar::damaged().fact("files", runs.len());
    surviving(damaged, || write(runs, out))
}

fn write(runs: &[Run], out: File) -> Result<Written, Error> {
    let files: Vec<Source<'_>> = Source::of(runs);
    let (schema, metadata, encoded) = survey(&files)?;
    let told = (metadata.entries(), encoded.by_difference());
    let mut writer = MergedWriter::create(out, &schema, told, Limits::default().output_bytes)?;
    for file in &files {
        let before = writer.rows();
        for batch in file.read()? {
            let batch = batch.map_err(|source| Error::Arrow { path: file.path.into(), source })?;
            writer.write(&fitted(&batch, &schema).map_err(table::Error::from)?)?;
        }
        if writer.rows() - before != file.rows() {
            return Err(Error::Rows(file.path.into()));
        }
    }
    Ok(writer.finish()?)
}

/// A file, and the runs of it that are wanted next.
struct Source<'r> {
    path: &'r Path,
    runs: &'r [Run],
}

impl<'r> Source<'r> {
    /// Runs of one file that follow each other are read at once.
    fn of(runs: &'r [Run]) -> Vec<Self> {
        let follows =
            |one: &Run, next: &Run| one.path == next.path && one.rows.end() <= next.rows.first;
        let files = runs.chunk_by(follows);
        files.filter_map(|runs| Some(Self { path: &runs.first()?.path, runs })).collect()
    }

    fn rows(&self) -> u64 {
        self.runs.iter().map(|run| run.rows.count).sum()
    }

    fn open(&self) -> Result<ParquetRecordBatchReaderBuilder<File>, Error> {
        let failed = |source| Error::Open { path: self.path.into(), source };
        let file = File::open(self.path).map_err(failed)?;
        ParquetRecordBatchReaderBuilder::try_new(file)
            .map_err(|source| Error::Parquet { path: self.path.into(), source })
    }

    fn read(&self) -> Result<ParquetRecordBatchReader, Error> {
        let wanted = selection(self.runs.iter().map(|run| run.rows));
        let reader = self.open()?.with_batch_size(ROWS).with_row_selection(wanted).build();
        reader.map_err(|source| Error::Parquet { path: self.path.into(), source })
    }
}

/// Runs of rows that follow each other.
pub(super) fn selection(runs: impl IntoIterator<Item = Rows>) -> RowSelection {
    let (mut at, mut selectors) = (0, Vec::new());
    let rows = |rows: u64| usize::try_from(rows).unwrap_or(usize::MAX);
    for run in runs {
        selectors.push(RowSelector::skip(rows(run.first.saturating_sub(at))));
        selectors.push(RowSelector::select(rows(run.count)));
        at = run.end();
    }
    RowSelection::from(selectors)
}

/// Looks at all files before anything is written: the columns of the new one, its metadata, and how the
/// values of the columns are encoded.
fn survey(files: &[Source<'_>]) -> Result<(SchemaRef, Metadata, Encoded), Error> {
    let (mut fields, mut metadata) = (Fields::default(), Metadata::default());
    let mut encoded = Encoded::default();
    for file in files {
        let opened = file.open()?;
        if !fields.take(opened.schema()) {
            return Err(Error::Columns(file.path.into()));
        }
        encoded.look_at(opened.metadata());
        let told = opened.metadata().file_metadata().key_value_metadata();
        let told = told.map_or(&[][..], Vec::as_slice);
        let rows_max = u64::try_from(opened.metadata().file_metadata().num_rows()).unwrap_or(0);
        for run in file.runs {
            if run.rows.end() > rows_max {
                return Err(Error::Rows(file.path.into()));
            }
            metadata.add(run.rows, told);
        }
    }
    Ok((Arc::new(Schema::new(fields.all())), metadata, encoded))
}

/// For each column in how many rows its values are encoded by their differences, and in how many
/// otherwise.
#[derive(Default)]
struct Encoded(BTreeMap<Vec<String>, (i64, i64)>);

impl Encoded {
    fn look_at(&mut self, metadata: &ParquetMetaData) {
        for chunk in metadata.row_groups().iter().flat_map(|group| group.columns()) {
            let (by_difference, otherwise) =
                self.0.entry(chunk.column_path().parts().to_vec()).or_default();
            if chunk.encodings().any(|encoding| encoding == Encoding::DELTA_BINARY_PACKED) {
                *by_difference += chunk.num_values();
            } else {
                *otherwise += chunk.num_values();
            }
        }
    }

    /// The columns for which it is what was chosen for most rows.
    fn by_difference(self) -> Vec<ColumnPath> {
        let most =
            self.0.into_iter().filter(|(_, (by_difference, otherwise))| by_difference > otherwise);
        most.map(|(path, _)| ColumnPath::new(path)).collect()
    }
}

/// The columns of all files so far.
#[derive(Default)]
struct Fields {
    data: Option<Vec<Arc<Field>>>,
    provenance: Vec<Arc<Field>>,
}

impl Fields {
    /// Takes those of a file; whether they fit.
    fn take(&mut self, schema: &Schema) -> bool {
        let fields = schema.fields().iter().cloned();
        let (provenance, data): (Vec<_>, Vec<_>) =
            fields.partition(|field| field.name().starts_with("_lf_"));
        if self.data.get_or_insert_with(|| data.clone()) != &data {
            return false;
        }
        for field in provenance {
            match self.provenance.iter().find(|known| known.name() == field.name()) {
                Some(known) if known.data_type() != field.data_type() => return false,
                Some(_) => {}
                None => self.provenance.push(field),
            }
        }
        true
    }

    fn all(self) -> Vec<Arc<Field>> {
        self.data.into_iter().flatten().chain(self.provenance).collect()
    }
}

/// A batch with all columns of the new file.
fn fitted(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let column = |field: &Arc<Field>| -> ArrayRef {
        let found = batch.column_by_name(field.name()).cloned();
        found.unwrap_or_else(|| new_null_array(field.data_type(), batch.num_rows()))
    };
    RecordBatch::try_new(Arc::clone(schema), schema.fields().iter().map(column).collect())
}

/// What a file was made from, and how, but for the digest of the source.
type Made = BTreeMap<String, String>;

/// What the metadata of a merged file says of one arrival.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    arrival: ArrivalId,
    rows: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    made: usize,
}

/// What the metadata of a merged file says.
#[derive(Default)]
struct Metadata {
    parts: Vec<Told>,
    made: Vec<Made>,
}

impl Metadata {
    /// That of a merged file; `None` for a file of one arrival.
    fn of(told: &[KeyValue]) -> Option<Self> {
        let parts = serde_json::from_str(value(told, PARTS)?).ok()?;
        let made = serde_json::from_str(value(told, MADE)?).ok()?;
        Some(Self { parts, made })
    }

    /// Adds what the metadata of a file says of a run in it.
    fn add(&mut self, run: Rows, told: &[KeyValue]) {
        let (sha256, made) = match Self::of(told) {
            Some(merged) => merged.about(run.arrival).unwrap_or_default(),
            None => {
                let own = told.iter().filter(|entry| entry.key.starts_with("landfall."));
                let own = own.filter_map(|entry| Some((entry.key.clone(), entry.value.clone()?)));
                let mut made: Made = own.collect();
                (made.remove(SOURCE), made)
            }
        };
        let made = self.made.iter().position(|known| *known == made).unwrap_or_else(|| {
            self.made.push(made);
            self.made.len() - 1
        });
        self.parts.push(Told { arrival: run.arrival, rows: run.count, sha256, made });
    }

    /// What it says of an arrival.
    fn about(&self, arrival: ArrivalId) -> Option<(Option<String>, Made)> {
        let part = self.parts.iter().find(|part| part.arrival == arrival)?;
        Some((part.sha256.clone(), self.made.get(part.made)?.clone()))
    }

    fn entries(&self) -> Vec<KeyValue> {
        // Plain data with text keys: it cannot fail to become JSON.
        let parts = serde_json::to_string(&self.parts).unwrap_or_default();
        let made = serde_json::to_string(&self.made).unwrap_or_default();
        [(PARTS, parts), (MADE, made)]
            .map(|(key, value)| KeyValue::new(key.to_owned(), value))
            .into()
    }
}

/// What a file's metadata says about how one arrival's rows were made, under this key.
pub(super) fn told(told: &[KeyValue], arrival: Option<ArrivalId>, key: &str) -> Option<String> {
    match arrival {
        Some(arrival) => Metadata::of(told)?.about(arrival)?.1.remove(key),
        None => value(told, key).map(str::to_owned),
    }
}

fn value<'t>(told: &'t [KeyValue], key: &str) -> Option<&'t str> {
    told.iter().find(|entry| entry.key == key)?.value.as_deref()
}
