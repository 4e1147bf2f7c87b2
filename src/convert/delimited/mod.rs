//! Delimited text: CSV, TSV and whatever else divides its lines.
//!
//! Two ways through the raw object, with one result:
//!
//! - The exact way reads it twice. The first pass reads every record strictly and finds what each
//!   column's values allow; then the feed's schema decides the types; the second writes. Both see
//!   the same [`rows`], so the accounts must agree, and are checked. Memory is one block, one record
//!   and one batch, whatever the file's size.
//! - The [`fast`] way is for the plain texts that most files are: one reading on several threads that
//!   guesses the types, writes, and knows at the end whether the guess was right.
//!
//! Left out so far: declared preambles and footers, delimiters of several characters, several tables
//! in one file.

use std::fs::File;

use super::infer::Evidence;
use super::sticky::{self, Plan};
use super::table::{RejectsWriter, Sheets, TableColumn, TableInfo, TableWriter};
use super::text::{self, Certainty, Charset, Source, TextReader};
use super::{Converted, Inspection, Job, Outcome, Outputs, balance, unreadable};
use crate::diagnostic::{Code, Diagnostic};
use crate::report::Report;
use dialect::Dialect;
use problems::Stop;
use rows::Rows;
use scan::Scan;
use trial::Sample;

pub use fast::THREADS_MAX;

mod accounts;
#[cfg(test)]
mod both_ways;
mod dialect;
mod fast;
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
    match convert(job, &raw, Way::Fast { block_bytes: fast::BLOCK_BYTES }, outputs) {
        Ok(converted) => Outcome::Converted(Box::new(converted)),
        Err(stop) => Outcome::Held(stop.diagnostic()),
    }
}

fn convert(job: &Job, raw: &File, way: Way, outputs: Outputs) -> Result<Converted, Stop> {
    Examined::new(job, raw, way, Some(&outputs.parquet))?.convert(job, outputs)
}

/// Which way a text is read.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// The exact way.
    #[cfg_attr(not(test), allow(dead_code, reason = "the reference, for tests"))]
    Exact,
    /// A plain text the fast way, in blocks of so many bytes; any other the exact way.
    Fast {
        /// Part of the output's bytes; always the same but in tests.
        block_bytes: usize,
    },
}

/// Looks at delimited text and writes nothing.
pub fn inspect(job: &Job, raw: File) -> Inspection {
    let held = |stop: Stop| Some(Outcome::Held(stop.diagnostic()));
    match Examined::new(job, &raw, Way::Fast { block_bytes: fast::BLOCK_BYTES }, None) {
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

/// A text that is read up to its first row.
struct Opened<'f> {
    examined: Examined<'f>,
    rows: Rows<TextReader<'f>>,
}

impl<'f> Opened<'f> {
    fn scan(mut self, job: &'f Job, way: Way, out: Option<&File>) -> Result<Examined<'f>, Stop> {
        if let Way::Fast { block_bytes } = way
            && let Some(plain) = self.plain(job, block_bytes)?
            && self.examined.read_plain(job, plain, out)?
        {
            return Ok(self.examined);
        }
        Ok(Examined { scan: Scan::all(self.rows)?, plain: None, ..self.examined })
    }

    fn plain(&self, job: &'f Job, block_bytes: usize) -> Result<Option<fast::Plain<'f>>, Stop> {
        let Examined { raw, charset, dialect, .. } = &self.examined;
        let ((byte_offset, line), width) = (self.rows.place(), self.rows.headers.len());
        let syntax = dialect.syntax;
        let place = fast::Place { byte_offset, line, width, syntax, block_bytes };
        Ok(fast::Plain::new(raw, job, charset, place).map_err(|error| unreadable(&error))?)
    }
}

/// A text after the first pass.
struct Examined<'f> {
    raw: &'f File,
    charset: Charset,
    dialect: Dialect,
    scan: Scan,
    /// When the text is plain: how to read it again, and the table that is written already.
    plain: Option<(fast::Plain<'f>, Option<fast::Made>)>,
}

impl<'f> Examined<'f> {
    /// Examines a text; a plain one is written into `out`, when there is one, at the same time.
    fn new(job: &'f Job, raw: &'f File, way: Way, out: Option<&File>) -> Result<Self, Stop> {
        let charset = text::assumed(raw, job.format.encoding.as_deref())?;
        let examined = Self::with(job, raw, charset).and_then(|opened| opened.scan(job, way, out));
        if !matches!(examined, Err(Stop::Undecodable { .. }))
            || charset.certainty != Certainty::Valid
        {
            return examined;
        }
        match text::guessed(raw)? {
            Some(charset) => Self::with(job, raw, charset)?.scan(job, way, out),
            None => examined,
        }
    }

    /// Reads up to the first row.
    fn with(job: &Job, raw: &'f File, charset: Charset) -> Result<Opened<'f>, Stop> {
        let (mut text, mut reader) = (String::new(), TextReader::new(raw, &charset));
        let more = reader.fill(&mut text, SAMPLE_BYTES);
        let more = more.map_err(|error| Stop::from_text(lines(&text) + 1, error))?;
        let dialect = Dialect::detect(Sample { text: &text, is_whole: !more }, job);
        drop(text);
        let rows = Rows::open(TextReader::new(raw, &charset), &dialect, &job.limits)?;
        let examined = Self { raw, charset, scan: Scan::none(&rows), dialect, plain: None };
        Ok(Opened { examined, rows })
    }

    /// Reads a plain text; tells whether it was one to its end.
    fn read_plain(
        &mut self,
        job: &Job,
        plain: fast::Plain<'f>,
        out: Option<&File>,
    ) -> Result<bool, Stop> {
        // What the sample allows may be refused; then the text is only examined.
        let guess = self.plan_of(job, &plain.sample().evidence).ok();
        let aim = guess.as_ref().map(|guess| guess.columns.as_slice()).zip(out);
        match plain.read(&mut self.scan, aim) {
            Ok(made) => self.plain = Some((plain, made)),
            Err(fast::Stop::Unusual) => return Ok(false),
            Err(stop) => return Err(stop.into()),
        }
        Ok(true)
    }

    /// What the table will be, given the feed's schema, or why there is none.
    fn plan(&self, job: &Job) -> Result<Plan, Stop> {
        problems::check(&self.scan, &job.limits)?;
        self.plan_of(job, &self.scan.evidence)
    }

    fn plan_of(&self, job: &Job, evidence: &[Evidence]) -> Result<Plan, Stop> {
        let columns = self.scan.headers.iter().zip(&self.scan.names).zip(evidence);
        let found = columns.map(|((header, name), values)| sticky::Found { header, name, values });
        let found: Vec<_> = found.collect();
        let known = job.learned.as_ref();
        let headless = known.is_some_and(|known| header::had_header(&known.columns))
            && !(self.dialect.header.is_present && self.dialect.header.is_certain)
            && header::known_names(&self.scan.names, known.map_or(&[][..], |k| &k.columns)) == 0;
        match sticky::plan(known, &found) {
            Err(told) if headless && told.code == Code::C110 => Err(headerless(told).into()),
            planned => Ok(planned?),
        }
    }

    fn convert(mut self, job: &Job, outputs: Outputs) -> Result<Converted, Stop> {
        let plan = self.plan(job)?;
        let findings = self.dialect.findings(self.charset.words());
        let columns = self.table_columns(&plan);
        let info = TableInfo { job, columns: &columns, sheets: Sheets::No, dialect: &findings };
        let mut rejects = RejectsWriter::new(outputs.rejects, job);
        let parquet = match self.made(&plan, &outputs.parquet)? {
            Some(made) => made.table.finish(&info)?,
            None => {
                let out = fast::emptied(&outputs.parquet).map_err(|error| unreadable(&error))?;
                let mut table = TableWriter::create(out, &info)?;
                let source = TextReader::new(self.raw, &self.charset);
                let rows = Rows::open(source, &self.dialect, &job.limits)?;
                write::all(rows, &plan.columns, &mut table, &mut rejects)?;
                table.finish()?
            }
        };
        let rejects = rejects.finish()?;
        let report = self.report(Some(&plan));
        balance(&report, &parquet, rejects.as_ref())?;
        let Plan { version, learned, opens_version, drift, .. } = plan;
        Ok(Converted { report, parquet, rejects, version, learned, opens_version, drift })
    }

    /// The table of a plain text: the one that is written already, unless its guess was wrong.
    fn made(&mut self, plan: &Plan, out: &File) -> Result<Option<fast::Made>, Stop> {
        let Some((plain, made)) = &mut self.plain else { return Ok(None) };
        if let Some(made) = made.take().filter(|made| made.fits(&plan.columns)) {
            return Ok(Some(made));
        }
        match plain.write(&plan.columns, out) {
            Ok(made) => Ok(Some(made)),
            Err(fast::Stop::Unusual) => Ok(None),
            Err(stop) => Err(stop.into()),
        }
    }

    fn table_columns(&self, plan: &Plan) -> Vec<TableColumn> {
        let column = |planned: &sticky::Planned| {
            let kind = planned.column.kind;
            let at = |source: usize| Some((self.scan.evidence.get(source)?, source));
            let (printing, header) = match planned.source.and_then(at) {
                Some((evidence, source)) => {
                    (evidence.printing(kind), self.scan.headers.get(source).cloned())
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
    Diagnostic { facts: told.facts, ..Diagnostic::error(Code::C109, summary) }
}

fn lines(text: &str) -> u64 {
    text.bytes().filter(|byte| *byte == b'\n').count() as u64
}
