//! Delimited text: CSV, TSV and whatever else divides its lines.
//!
//! Two passes over the raw object. The first reads every record strictly and finds what each
//! column's values allow; then the feed's schema decides the types; the second writes. Both see the
//! same [`rows`], so the accounts must agree, and are checked. Memory is one block, one record and
//! one batch, whatever the file's size.
//!
//! Left out so far: declared preambles and footers, delimiters of several characters, several tables
//! in one file, the parallel fast path.

use std::fs::File;

use super::sticky::{self, Found, Plan};
use super::table::{RejectsWriter, Sheets, TableColumn, TableInfo, TableWriter};
use super::text::{self, Certainty, Charset, Source, TextReader};
use super::{Converted, Inspection, Job, Outcome, Outputs, balance, contract};
use crate::diagnostic::{Code, Diagnostic};
use crate::names::Digest;
use crate::report::Report;
use crate::schema::Change;
use dialect::Dialect;
use problems::Stop;
use rows::Rows;
use scan::Scan;
use trial::Sample;

mod accounts;
mod dialect;
mod header;
mod problems;
mod records;
mod rows;
mod scan;
mod syntax;
mod trial;
mod write;

/// Text that the dialect is found from.
const SAMPLE_BYTES: usize = 1 << 20;

/// Converts delimited text.
pub fn run(job: &Job, raw: File, outputs: Outputs) -> Outcome {
    let converted = Examined::new(job, &raw).and_then(|examined| examined.convert(job, outputs));
    match converted {
        Ok(converted) => Outcome::Converted(Box::new(converted)),
        Err(stop) => Outcome::Held(stop.diagnostic()),
    }
}

/// Looks at delimited text and writes nothing.
pub fn inspect(job: &Job, raw: File) -> Inspection {
    let held = |stop: Stop| Some(Outcome::Held(stop.diagnostic()));
    match Examined::new(job, &raw) {
        Ok(examined) => {
            let plan = examined.plan(job);
            let report = examined.report(plan.as_ref().ok());
            Inspection {
                report,
                rows: examined.scan.first_rows,
                obstacle: plan.err().and_then(held),
            }
        }
        Err(stop) => {
            Inspection { report: Report::default(), rows: Vec::new(), obstacle: held(stop) }
        }
    }
}

/// A text after the first pass.
struct Examined<'f> {
    raw: &'f File,
    charset: Charset,
    dialect: Dialect,
    scan: Scan,
    contract: Option<Digest>,
}

impl<'f> Examined<'f> {
    fn new(job: &Job, raw: &'f File) -> Result<Self, Stop> {
        let charset = text::assumed(raw, job.format.encoding.as_deref())?;
        let examined = Self::with(job, raw, charset);
        if !matches!(examined, Err(Stop::Undecodable { .. }))
            || charset.certainty != Certainty::Valid
        {
            return examined;
        }
        match text::guessed(raw)? {
            Some(charset) => Self::with(job, raw, charset),
            None => examined,
        }
    }

    fn with(job: &Job, raw: &'f File, charset: Charset) -> Result<Self, Stop> {
        let (mut text, mut reader) = (String::new(), TextReader::new(raw, &charset));
        let more = reader.fill(&mut text, SAMPLE_BYTES);
        let more = more.map_err(|error| Stop::from_text(lines(&text) + 1, error))?;
        let dialect = Dialect::detect(Sample { text: &text, is_whole: !more }, job);
        drop(text);
        let rows = Rows::open(TextReader::new(raw, &charset), &dialect, job)?;
        let contract = job.contract.as_ref().map(|contract| contract.digest);
        Ok(Self { raw, charset, scan: Scan::all(rows)?, dialect, contract })
    }

    /// What the table will be, given the feed's schema, or why there is none.
    fn plan(&self, job: &Job) -> Result<Plan, Stop> {
        problems::check(&self.scan, job)?;
        let found = self.found();
        if let Some(contract) = &job.contract {
            return Ok(contract::plan(contract, job.learned.as_ref(), &found)?);
        }
        let known = job.learned.as_ref();
        let headless = known.is_some_and(|known| header::had_header(&known.columns))
            && !(self.dialect.header.is_present && self.dialect.header.is_certain)
            && header::known_names(&self.scan.names, known.map_or(&[][..], |k| &k.columns)) == 0;
        match sticky::plan(known, &found) {
            Err(told) if headless && told.code == Code::C110 => Err(headerless(told).into()),
            planned => Ok(planned?),
        }
    }

    /// The columns of the file; one that a contract declares allows its declared type.
    fn found(&self) -> Vec<Found<'_>> {
        let scan = &self.scan;
        let columns = scan.headers.iter().zip(&scan.names).zip(&scan.evidence).enumerate();
        let found = columns.map(|(at, ((header, name), evidence))| match scan.facts.column(at) {
            Some(facts) => Found { header, name, values: facts },
            None => Found { header, name, values: evidence },
        });
        found.collect()
    }

    fn convert(&self, job: &Job, outputs: Outputs) -> Result<Converted, Stop> {
        let plan = self.plan(job)?;
        let findings = self.dialect.findings(self.charset.words());
        let columns = self.table_columns(&plan);
        let info = TableInfo { job, columns: &columns, sheets: Sheets::No, dialect: &findings };
        let mut table = TableWriter::create(outputs.parquet, &info)?;
        let mut rejects = RejectsWriter::new(outputs.rejects, job);
        let source = TextReader::new(self.raw, &self.charset);
        let rows = Rows::open(source, &self.dialect, job)?;
        let target = write::Target { plan: &plan.columns, contract: job.contract.as_ref() };
        write::all(rows, target, &mut table, &mut rejects)?;
        let (parquet, rejects) = (table.finish()?, rejects.finish()?);
        let report = self.report(Some(&plan));
        balance(&report, &parquet, rejects.as_ref())?;
        let Plan { version, learned, opens_version, drift, .. } = plan;
        Ok(Converted { report, parquet, rejects, version, learned, opens_version, drift })
    }

    fn table_columns(&self, plan: &Plan) -> Vec<TableColumn> {
        let column = |planned: &sticky::Planned| {
            let kind = planned.column.kind;
            let at = |source: usize| Some((self.scan.evidence.get(source)?, source));
            let (printing, header) = match planned.source.and_then(at) {
                Some((evidence, source)) => {
                    let facts = self.scan.facts.column(source);
                    let printing =
                        facts.map_or_else(|| evidence.printing(kind), |facts| facts.printing());
                    (printing, self.scan.headers.get(source).cloned())
                }
                None => ((super::infer::Printer::Null, None), None),
            };
            TableColumn {
                name: planned.column.name.clone(),
                header: header.unwrap_or_default(),
                kind,
                printer: printing.0,
                empty: printing.1,
            }
        };
        plan.columns.iter().map(column).collect()
    }
}

/// Says that a known header is missing, where the first row is no header at all.
fn headerless(told: Diagnostic) -> Diagnostic {
    let summary = "the first row does not look like the header this feed has had so far";
    let changes = std::iter::once(Change::HeaderMissing).chain(told.changes);
    let headerless = Diagnostic::error(Code::C109, summary).changes(changes);
    Diagnostic { facts: told.facts, ..headerless }
}

fn lines(text: &str) -> u64 {
    text.bytes().filter(|byte| *byte == b'\n').count() as u64
}
