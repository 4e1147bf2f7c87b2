//! Converts bytes in memory-like files and prints the Parquet back by its recorded printers.

use std::fs::File;
use std::io::{Read, Seek, Write};

use arrow_array::{Array, ArrayRef, RecordBatch};
use landfall::config::Format;
use landfall::convert::infer::Printer;
use landfall::convert::prove::{Claim, Proof};
use landfall::convert::{self, Converted, Job, Limits, Outcome, Outputs};
use landfall::diagnostic::Diagnostic;
use landfall::names::FileName;
use landfall::schema::LearnedSchema;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

pub fn job() -> Job {
    Job {
        arrival: None,
        name: FileName::new("file.csv").unwrap(),
        size_bytes: 0,
        digest: None,
        format: Format::default(),
        learned: None,
        contract: None,
        allowance: landfall::contract::Allowance::default(),
        limits: Limits::default(),
        progress: landfall::convert::Progress::default(),
    }
}

pub fn feed(job: &Job, learned: &LearnedSchema) -> Job {
    Job { learned: Some(learned.clone()), ..job.clone() }
}

/// What a conversion left.
pub struct Done {
    pub outcome: Outcome,
    pub parquet: File,
    pub rejects: File,
}

pub fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

pub fn run(job: &Job, raw: File) -> Done {
    let (parquet, rejects) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    let outputs =
        Outputs { parquet: parquet.try_clone().unwrap(), rejects: rejects.try_clone().unwrap() };
    Done { outcome: convert::run(job, raw, outputs), parquet, rejects }
}

pub fn convert(text: impl AsRef<[u8]>) -> Table {
    convert_as(&job(), text)
}

/// Converts, and proves every cell.
pub fn convert_as(job: &Job, text: impl AsRef<[u8]>) -> Table {
    let table = Table::new(run(job, file(text.as_ref())));
    let proof = table.prove(job, text.as_ref());
    assert!(!matches!(proof, Proof::Different(_)), "{proof:?}");
    table
}

pub fn held(text: impl AsRef<[u8]>) -> Diagnostic {
    held_as(&job(), text)
}

pub fn held_as(job: &Job, text: impl AsRef<[u8]>) -> Diagnostic {
    match run(job, file(text.as_ref())).outcome {
        Outcome::Held(diagnostic) => diagnostic,
        other @ (Outcome::Converted(_) | Outcome::Raw { .. }) => panic!("not held: {other:?}"),
    }
}

/// A converted file, read back.
pub struct Table {
    pub converted: Converted,
    pub bytes: Vec<u8>,
    pub columns: Vec<Column>,
    pub rows: usize,
    rejects: File,
}

pub struct Column {
    pub name: String,
    pub kind: String,
    pub printer: Printer,
    batches: Vec<ArrayRef>,
}

impl Column {
    pub fn first_array(&self) -> ArrayRef {
        self.batches[0].clone()
    }

    /// The exact texts, by the recorded printer; `None` for nulls.
    pub fn texts(&self) -> Vec<Option<String>> {
        let print = |array: &ArrayRef| {
            let text = |row| {
                let text = self.printer.print(array, row);
                assert_eq!(text.is_none(), array.is_null(row), "{} prints {row}", self.name);
                text
            };
            (0..array.len()).map(text).collect::<Vec<_>>()
        };
        self.batches.iter().flat_map(print).collect()
    }
}

impl Table {
    fn new(done: Done) -> Self {
        let converted = match done.outcome {
            Outcome::Converted(converted) => *converted,
            other @ (Outcome::Raw { .. } | Outcome::Held(_)) => panic!("not converted: {other:?}"),
        };
        let report = &converted.report;
        assert_eq!(report.seen, report.written + report.rejected + report.skipped);
        assert_eq!(converted.parquet.rows, report.written);
        assert_eq!(converted.rejects.as_ref().map_or(0, |r| r.rows), report.rejected);
        let bytes = bytes_of(&done.parquet);
        assert_eq!(bytes.len() as u64, converted.parquet.size_bytes);
        assert_eq!(landfall::archive::digest::of_bytes(&bytes), converted.parquet.digest);
        let (batches, recorded) = read(&done.parquet);
        let column = |(at, recorded): (usize, &serde_json::Value)| Column {
            name: recorded["name"].as_str().unwrap().to_owned(),
            kind: converted.report.columns[at].kind.clone(),
            printer: serde_json::from_value(recorded.clone()).unwrap(),
            batches: batches.iter().map(|batch| batch.column(at).clone()).collect(),
        };
        let columns = recorded.iter().enumerate().map(column).collect();
        let rows = batches.iter().map(RecordBatch::num_rows).sum();
        Self { columns, rows, bytes, rejects: done.rejects, converted }
    }

    /// Compares it with a source.
    pub fn prove(&self, job: &Job, source: &[u8]) -> Proof {
        let rejects = self.converted.rejects.as_ref();
        let rejects = rejects.map(|_| self.rejects.try_clone().unwrap());
        let claim = Claim { raw: file(source), parquet: file(&self.bytes), rejects };
        convert::prove::prove(job, claim, &mut |_| {}).unwrap()
    }

    pub fn column(&self, name: &str) -> &Column {
        self.columns.iter().find(|column| column.name == name).unwrap()
    }

    pub fn texts(&self, name: &str) -> Vec<Option<String>> {
        self.column(name).texts()
    }

    pub fn names(&self) -> Vec<&str> {
        self.columns.iter().map(|column| column.name.as_str()).collect()
    }

    pub fn kinds(&self) -> Vec<&str> {
        self.columns.iter().map(|column| column.kind.as_str()).collect()
    }

    pub fn dialect(&self, name: &str) -> &str {
        let found = self.converted.report.dialect.iter().find(|(known, _)| known == name);
        &found.unwrap().1
    }

    /// The rejects' `line`, `code` and `raw`.
    pub fn rejects(&self) -> Vec<(i64, String, String)> {
        let (batches, _) = read(&self.rejects);
        let mut rejects = Vec::new();
        for batch in &batches {
            for row in 0..batch.num_rows() {
                let text = |name: &str| {
                    Printer::Text.print(batch.column_by_name(name).unwrap(), row).unwrap()
                };
                let line = Printer::Integer.print(batch.column_by_name("line").unwrap(), row);
                rejects.push((line.unwrap().parse().unwrap(), text("code"), text("raw")));
            }
        }
        rejects
    }

    /// Any text column of the rejects by name.
    pub fn rejects_column(&self, name: &str) -> Vec<Option<String>> {
        let (batches, _) = read(&self.rejects);
        let print = |batch: &RecordBatch| {
            let array = batch.column_by_name(name).unwrap();
            (0..array.len()).map(|row| Printer::Text.print(array, row)).collect::<Vec<_>>()
        };
        batches.iter().flat_map(print).collect()
    }

    /// Any column of the Parquet by name, provenance included.
    pub fn raw_column(&self, name: &str) -> Vec<Option<String>> {
        let (batches, _) = read(&file(&self.bytes));
        let print = |batch: &RecordBatch| {
            let array = batch.column_by_name(name).unwrap();
            let text = |row| {
                Printer::Text.print(array, row).or_else(|| Printer::Integer.print(array, row))
            };
            (0..array.len()).map(text).collect::<Vec<_>>()
        };
        batches.iter().flat_map(print).collect()
    }

    /// A text column of the rejects.
    pub fn reject_column(&self, name: &str) -> Vec<Option<String>> {
        let (batches, _) = read(&self.rejects);
        let texts = |batch: &RecordBatch| {
            let array = batch.column_by_name(name).unwrap().clone();
            (0..array.len()).map(move |row| Printer::Text.print(&array, row)).collect::<Vec<_>>()
        };
        batches.iter().flat_map(texts).collect()
    }

    /// The first array of any column of the Parquet.
    pub fn array(&self, name: &str) -> ArrayRef {
        let (batches, _) = read(&file(&self.bytes));
        batches[0].column_by_name(name).unwrap().clone()
    }

    /// A value of the Parquet's metadata.
    pub fn metadata(&self, key: &str) -> String {
        let builder = ParquetRecordBatchReaderBuilder::try_new(file(&self.bytes)).unwrap();
        let metadata = builder.metadata().file_metadata().key_value_metadata().unwrap();
        metadata.iter().find(|entry| entry.key == key).unwrap().value.clone().unwrap()
    }

    pub fn offsets(&self) -> Vec<i64> {
        let (batches, _) = read(&self.rejects);
        let offsets = |batch: &RecordBatch| {
            let array = batch.column_by_name("byte_offset").unwrap().clone();
            (0..array.len())
                .map(move |row| Printer::Integer.print(&array, row).unwrap().parse().unwrap())
                .collect::<Vec<_>>()
        };
        batches.iter().flat_map(offsets).collect()
    }

    /// The feed after this file.
    pub fn feed(&self, before: Option<&LearnedSchema>) -> LearnedSchema {
        match (&self.converted.learned, before) {
            (None, Some(before)) => before.clone(),
            (Some(columns), before) => LearnedSchema {
                revision: before.map_or(1, |before| before.revision + 1),
                version: self.converted.version,
                columns: columns.clone(),
            },
            (None, None) => panic!("a first file teaches its columns"),
        }
    }
}

pub fn bytes_of(file: &File) -> Vec<u8> {
    let (mut file, mut bytes) = (file, Vec::new());
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

fn read(file: &File) -> (Vec<RecordBatch>, Vec<serde_json::Value>) {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file.try_clone().unwrap()).unwrap();
    let metadata = builder.metadata().file_metadata().key_value_metadata().unwrap().clone();
    let recorded = metadata.into_iter().find(|entry| entry.key == "landfall.columns");
    let recorded = recorded.map(|entry| serde_json::from_str(&entry.value.unwrap()).unwrap());
    let batches = builder.build().unwrap().map(Result::unwrap).collect();
    (batches, recorded.unwrap_or_default())
}

pub fn some(texts: &[&str]) -> Vec<Option<String>> {
    texts.iter().map(|text| Some((*text).to_owned())).collect()
}
