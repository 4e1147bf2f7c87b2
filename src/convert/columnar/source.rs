//! A Parquet file as it is read: its footer, checked before anything else, and its rows.

use std::io::{BufReader, Seek, SeekFrom};

use arrow_array::RecordBatch;
use bytes::Bytes;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{ChunkReader, Length};

use super::SourceColumn;
use crate::convert::unpack::{Parts, Seekable};
use crate::convert::{Job, Limits, Outcome, contract, unreadable};
use crate::diagnostic::{Code, Diagnostic};

/// Bytes read ahead.
const BUFFER_BYTES: usize = 64 << 10;
/// Unpacked bytes that every value takes at least, when many rows are declared.
const VALUE_BITS_MIN: u64 = 8;

/// Why there is no table.
pub(super) enum Why {
    /// It is held.
    Held(Diagnostic),
    /// It is handed off as it is; in words why.
    Raw(String),
}

impl From<Diagnostic> for Why {
    fn from(told: Diagnostic) -> Self {
        Self::Held(told)
    }
}

impl Why {
    pub(super) fn outcome(self, job: &Job) -> Outcome {
        match self {
            Self::Held(told) => Outcome::Held(told),
            Self::Raw(what) => contract::not_a_table(job, &what),
        }
    }
}

/// An open file.
pub(super) struct Source {
    raw: Seekable,
    metadata: ArrowReaderMetadata,
    columns: Vec<SourceColumn>,
}

impl Source {
    /// Opens the file and checks what its footer declares.
    pub(super) fn open(job: &Job, parts: &Parts) -> Result<Self, Why> {
        if job.contract.is_some() {
            return Err(Why::Raw(
                "contracts read text, JSON and workbooks, and this is Parquet".to_owned(),
            ));
        }
        let part = parts.tables.first().map(|part| part.content.seekable());
        let raw = part.unwrap_or_else(|| Err(std::io::ErrorKind::NotFound.into()));
        let raw = raw.map_err(|error| unreadable(&error))?;
        // The file's own columns count, not an Arrow schema that may be in its metadata.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let metadata =
            ArrowReaderMetadata::load(&At(raw.clone()), options).map_err(|e| because(&e))?;
        check(metadata.metadata(), raw.size_bytes(), &job.limits)?;
        let mut columns = Vec::new();
        for field in metadata.schema().fields() {
            let column = SourceColumn::of(field).ok_or_else(|| {
                let (name, kind) = (field.name().escape_debug(), field.data_type());
                Why::Raw(format!("Parquet whose column `{name}` ({kind}) is not converted"))
            })?;
            columns.push(column);
        }
        if columns.is_empty() {
            return Err(Diagnostic::error(Code::C107, "the Parquet has no columns").into());
        }
        Ok(Self { raw, metadata, columns })
    }

    pub(super) fn columns(&self) -> &[SourceColumn] {
        &self.columns
    }

    /// Its rows from the first.
    pub(super) fn read(
        &self,
        rows: usize,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, Diagnostic>> + use<>, Diagnostic> {
        let (raw, metadata) = (At(self.raw.clone()), self.metadata.clone());
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(raw, metadata);
        let reader = builder.with_batch_size(rows).build().map_err(|error| because(&error))?;
        Ok(reader.map(|batch| batch.map_err(|error| because(&error))))
    }

    /// Holds a file that has other rows than it declares.
    pub(super) fn check_rows(&self, rows: u64) -> Result<(), Diagnostic> {
        let declared = self.metadata.metadata().file_metadata().num_rows();
        if u64::try_from(declared) == Ok(rows) {
            return Ok(());
        }
        let what = "the Parquet has other rows than it declares";
        Err(Diagnostic::error(Code::C114, what).fact("declared", declared).fact("rows", rows))
    }

    pub(super) fn findings(&self) -> Vec<(String, String)> {
        let metadata = self.metadata.metadata();
        let file = metadata.file_metadata();
        let by = file.created_by().map(|by| ("created by".to_owned(), by.to_owned()));
        let groups = ("row groups".to_owned(), metadata.num_row_groups().to_string());
        by.into_iter().chain([groups]).collect()
    }
}

/// Holds to the limits what a footer declares.
fn check(metadata: &ParquetMetaData, size_bytes: u64, limits: &Limits) -> Result<(), Why> {
    let file = metadata.file_metadata();
    let width = file.schema_descr().num_columns() as u64;
    if width > limits.columns.into() {
        let told = Diagnostic::error(Code::C105, "the Parquet has too many columns");
        return Err(told.fact("limit", "columns").fact("value", limits.columns).into());
    }
    let mut unpacked: u64 = 0;
    for chunk in metadata.row_groups().iter().flat_map(|group| group.columns()) {
        match chunk.compression() {
            Compression::UNCOMPRESSED
            | Compression::SNAPPY
            | Compression::GZIP(_)
            | Compression::ZSTD(_) => {}
            other @ (Compression::LZO
            | Compression::BROTLI(_)
            | Compression::LZ4
            | Compression::LZ4_RAW) => {
                return Err(Why::Raw(format!("Parquet that is packed with {other}")));
            }
        }
        let bytes = u64::try_from(chunk.uncompressed_size()).unwrap_or(u64::MAX);
        unpacked = unpacked.saturating_add(bytes);
    }
    // Values that repeat take next to nothing in the file, but time and memory here.
    let rows = u64::try_from(file.num_rows()).unwrap_or(u64::MAX);
    let values = rows.saturating_mul(width).saturating_mul(VALUE_BITS_MIN) / 8;
    let bytes = unpacked.max(values);
    let ratio_max = size_bytes.saturating_mul(limits.unpacked_ratio);
    if bytes > limits.unpacked_bytes || (bytes > limits.unpacked_bytes_free && bytes > ratio_max) {
        let what = "the Parquet declares far more than a file of its size holds";
        let told = Diagnostic::error(Code::C141, what).fact("rows", rows).fact("columns", width);
        return Err(told.fact("bytes", unpacked).into());
    }
    Ok(())
}

/// A damaged file.
pub(in crate::convert) fn damaged() -> Diagnostic {
    Diagnostic::error(Code::C114, "the Parquet cannot be read")
}

fn because(error: &(dyn std::error::Error + 'static)) -> Diagnostic {
    damaged().caused_by(error)
}

/// Bytes by place, as the reader wants them.
struct At(Seekable);

impl Length for At {
    fn len(&self) -> u64 {
        self.0.size_bytes()
    }
}

impl ChunkReader for At {
    type T = BufReader<Seekable>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        let mut raw = self.0.clone();
        raw.seek(SeekFrom::Start(start))?;
        Ok(BufReader::with_capacity(BUFFER_BYTES, raw))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let rest = self.0.size_bytes().saturating_sub(start);
        if length as u64 > rest {
            return Err(ParquetError::EOF(format!(
                "{length} bytes at {start}, of which {rest} are there"
            )));
        }
        Ok(self.0.clone().part(start, length)?.into())
    }
}
