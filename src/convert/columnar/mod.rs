//! Parquet: checked from its footer to its last page, and written anew with provenance and the feed's
//! columns, so that a feed's files go together whatever they came as.
//!
//! # Checks
//! - What the footer declares (columns, rows, unpacked bytes) is held to the limits before a page is
//!   read: a small file may declare a thousand million rows. A page that lies meets the worker's
//!   limits on memory and time.
//! - The first pass reads every value of every page; the rows must be as many as were declared.
//! - Damaged, cut and encrypted files are held (C114), with nothing written.
//!
//! # Values
//! Types are the file's own, not guessed: whole numbers of any width are int64 (of 64 bits without a
//! sign, decimals), single precision becomes double, seconds and milliseconds become microseconds.
//! Nanoseconds do too if every value of the column allows it; else the column is text. Decimals keep
//! their scale. Nothing is rounded. A feed's type stays if every value fits it ([`super::sticky`]).
//!
//! What has a column of another kind (lists, structs, maps, bytes, times of day, decimals of more than
//! 38 digits) is handed off as it is, and the report says which column.
//!
//! `_lf_line` is the row's number, as `_lf_record` is. There is one reader, so there is no proof.
//!
//! Left out: nested columns, contracts, several files in one archive, packings but Snappy, gzip and
//! zstd.

use std::sync::Arc;

use super::infer::Printer;
use super::sticky::{self, Found, Plan, Planned};
use super::surviving::surviving;
use super::table::{ColumnBuilder, Error, Origin, Sheets, TableColumn, TableInfo, TableWriter};
use super::unpack::Parts;
use super::{Converted, Inspection, Job, Outcome, Outputs, balance, headers, unreadable};
use crate::diagnostic::Diagnostic;
use crate::report::{ColumnReport, Report};

pub(super) use source::damaged;
use source::{Source, Why};
use survey::Seen;

mod source;
mod survey;
mod value;

/// Rows that are read and written at once.
const BATCH_ROWS: usize = 4096;
/// Rows that an inspection shows.
const ROWS_SHOWN: usize = 10;

/// Converts Parquet.
pub fn run(job: &Job, parts: &Parts, outputs: Outputs) -> Outcome {
    let converted = || Examined::new(job, parts)?.convert(outputs);
    match surviving(source::damaged, converted) {
        Ok(converted) => Outcome::Converted(Box::new(converted)),
        Err(why) => why.outcome(job),
    }
}

/// Looks at Parquet and writes nothing.
pub fn inspect(job: &Job, parts: &Parts) -> Inspection {
    match surviving(source::damaged, || Examined::new(job, parts)) {
        Ok(examined) => {
            let plan = examined.plan();
            Inspection {
                report: examined.report(plan.as_ref().ok()),
                rows: examined.first_rows.clone(),
                obstacle: plan.err().map(Outcome::Held),
            }
        }
        Err(why) => Inspection::nothing(why.outcome(job)),
    }
}

/// A file after the first pass.
struct Examined<'p> {
    job: &'p Job,
    parts: &'p Parts,
    source: Source,
    /// What was seen of each column.
    seen: Vec<Seen>,
    /// The columns' published names.
    names: Vec<String>,
    rows: u64,
    first_rows: Vec<Vec<Option<String>>>,
}

impl<'p> Examined<'p> {
    fn new(job: &'p Job, parts: &'p Parts) -> Result<Self, Why> {
        let source = Source::open(job, parts)?;
        let mut seen: Vec<_> = source.columns().iter().map(|c| Seen::of(c.physical)).collect();
        let headers: Vec<_> = source.columns().iter().map(|c| c.header.as_str()).collect();
        let names = headers::published(&headers);
        let (mut rows, mut first_rows) = (0, Vec::new());
        for batch in source.read(BATCH_ROWS)? {
            let batch = batch?;
            for (seen, array) in seen.iter_mut().zip(batch.columns()) {
                seen.take(array, &job.limits)?;
            }
            let shown = 0..batch.num_rows().min(ROWS_SHOWN.saturating_sub(first_rows.len()));
            let text = |row| {
                let columns = source.columns().iter().zip(batch.columns());
                columns.map(|(c, array)| c.physical.value(array, row).text()).collect()
            };
            first_rows.extend(shown.map(text));
            rows += batch.num_rows() as u64;
        }
        source.check_rows(rows)?;
        Ok(Self { job, parts, source, seen, names, rows, first_rows })
    }

    fn plan(&self) -> Result<Plan, Diagnostic> {
        let columns = self.source.columns().iter().zip(&self.names).zip(&self.seen);
        let found = columns.map(|((column, name), seen)| Found {
            header: &column.header,
            name,
            values: seen,
        });
        let found: Vec<_> = found.collect();
        sticky::plan(self.job.learned.as_ref(), &found, self.job.allowance)
    }

    fn convert(&self, outputs: Outputs) -> Result<Converted, Why> {
        let plan = self.plan()?;
        let (columns, dialect) = (self.table_columns(&plan), self.findings());
        let info =
            TableInfo { job: self.job, columns: &columns, sheets: Sheets::No, dialect: &dialect };
        let failed = |error: Error| error.diagnostic();
        let mut table = TableWriter::create(outputs.parquet, &info).map_err(failed)?;
        let mut record = 0;
        for batch in self.source.read(BATCH_ROWS)? {
            let batch = batch?;
            let rows = batch.num_rows();
            let mut arrays = Vec::new();
            for planned in &plan.columns {
                let mut to = ColumnBuilder::with_capacity(planned.column.kind, rows);
                let from = planned.source.and_then(|at| {
                    Some((self.source.columns().get(at)?.physical, batch.columns().get(at)?))
                });
                for row in 0..rows {
                    match from {
                        Some((physical, array)) => physical.value(array, row).push(&mut to),
                        None => {
                            to.push_null();
                            Ok(())
                        }
                    }
                    .map_err(|error| unreadable(&error))?;
                }
                arrays.push(to.finish());
            }
            let numbers: Vec<i64> = (record + 1..).take(rows).collect();
            record += i64::try_from(rows).unwrap_or(i64::MAX);
            let origin = Origin { records: numbers.clone(), lines: numbers, sheet: None };
            table.write(arrays, origin).map_err(failed)?;
        }
        let parquet = table.finish().map_err(failed)?;
        let report = self.report(Some(&plan));
        balance(&report, &parquet, None)?;
        let Plan { version, learned, opens_version, drift, .. } = plan;
        Ok(Converted { report, parquet, rejects: None, version, learned, opens_version, drift })
    }

    fn table_columns(&self, plan: &Plan) -> Vec<TableColumn> {
        let column = |planned: &Planned| {
            let column = &planned.column;
            let source = planned.source.and_then(|at| self.source.columns().get(at));
            TableColumn {
                name: column.name.clone(),
                header: source.map_or_else(String::new, |source| source.header.clone()),
                kind: column.kind,
                printer: source.map_or(Printer::Null, |_| value::printer(column.kind)),
                empty: None,
                nested: column.nested.clone(),
            }
        };
        plan.columns.iter().map(column).collect()
    }

    fn findings(&self) -> Vec<(String, String)> {
        let packed = self.parts.findings().into_iter();
        packed.chain(self.source.findings()).collect()
    }

    /// The report; without a plan the columns are as this file alone would have them.
    fn report(&self, plan: Option<&Plan>) -> Report {
        let planned = |planned: &Planned| {
            let seen = planned.source.and_then(|at| self.seen.get(at));
            let why =
                seen.map_or_else(|| "the feed has it; this file does not".to_owned(), Seen::why);
            let nulls = seen.map_or(self.rows, |seen| seen.nulls);
            let kind = planned.column.type_words();
            ColumnReport { name: planned.column.name.clone(), kind, why, nulls }
        };
        let alone = |(name, seen): (&String, &Seen)| {
            use super::infer::Fit as _;
            let kind = seen.own().published().to_string();
            ColumnReport { name: name.clone(), kind, why: seen.why(), nulls: seen.nulls }
        };
        Report {
            kind: "parquet".to_owned(),
            seen: self.rows,
            written: self.rows,
            dialect: self.findings(),
            columns: match plan {
                Some(plan) => plan.columns.iter().map(planned).collect(),
                None => self.names.iter().zip(&self.seen).map(alone).collect(),
            },
            members: self.parts.members(),
            changes: plan.map_or_else(Vec::new, |plan| plan.drift.clone()),
            ..Report::default()
        }
    }
}

/// A column of the file.
struct SourceColumn {
    /// Its name as the file has it.
    header: String,
    /// How its values lie in the file.
    physical: value::Physical,
}

impl SourceColumn {
    /// `None` when it is of a kind that is not converted.
    fn of(field: &Arc<arrow_schema::Field>) -> Option<Self> {
        let physical = value::Physical::of(field.data_type())?;
        Some(Self { header: field.name().clone(), physical })
    }
}
