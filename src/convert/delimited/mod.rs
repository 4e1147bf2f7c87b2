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
//! The texts of an archive that are one table ([`members`]) are read one after the other, each in
//! its own dialect, and typed together.

use std::collections::HashMap;
use std::fs::File;

use super::infer::Evidence;
use super::sticky::{self, Found, Plan, Planned};
use super::table::{RejectsWriter, Sheets, TableColumn, TableInfo, TableWriter, emptied};
use super::unpack::Parts;
use super::{Converted, Inspection, Job, Outcome, Outputs, balance, contract, unreadable};
use crate::contract::{Allowance, Contract};
use crate::diagnostic::{Code, Diagnostic};
use crate::names::Digest;
use crate::report::SheetReport;
use crate::schema::Change;
use contract::Keys;
use dialect::Dialect;
use members::Chosen;
use problems::Stop;
use scan::Scan;
use text::Text;

pub use fast::THREADS_MAX;

mod accounts;
#[cfg(test)]
mod both_ways;
mod dialect;
mod fast;
mod footer;
mod header;
mod members;
mod problems;
mod prove;
mod record;
mod records;
mod rows;
mod scan;
mod syntax;
mod text;
mod trial;
mod widths;
mod write;

pub(super) use prove::prove;

/// Converts delimited text.
pub fn run(job: &Job, parts: &Parts, outputs: Outputs) -> Outcome {
    match convert(job, parts, Way::Fast { block_bytes: fast::BLOCK_BYTES }, outputs) {
        Ok(converted) => Outcome::Converted(Box::new(converted)),
        Err(stop) => Outcome::Held(stop.diagnostic()),
    }
}

fn convert(job: &Job, parts: &Parts, way: Way, outputs: Outputs) -> Result<Converted, Stop> {
    Examined::new(job, parts, way, Some(&outputs.parquet))?.convert(job, outputs)
}

/// Which way a text is read.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// The exact way, the reference: for proofs and tests.
    Exact,
    /// A plain text the fast way, in blocks of so many bytes; any other the exact way.
    Fast {
        /// Part of the output's bytes; always the same but in tests.
        block_bytes: usize,
    },
}

/// Looks at delimited text and writes nothing.
pub fn inspect(job: &Job, parts: &Parts) -> Inspection {
    let held = |stop: Stop| Some(Outcome::Held(stop.diagnostic()));
    match Examined::new(job, parts, Way::Fast { block_bytes: fast::BLOCK_BYTES }, None) {
        Ok(examined) => {
            let plan = examined.plan(job);
            let report = examined.report(plan.as_ref().ok());
            Inspection {
                report,
                rows: examined.scan.first_rows,
                obstacle: plan.err().and_then(held),
            }
        }
        Err(stop) => Inspection::nothing(Outcome::Held(stop.diagnostic())),
    }
}

/// The texts of a table after the first pass.
struct Examined<'p> {
    parts: &'p Parts,
    /// The texts, each with the records that come before its own.
    texts: Vec<(Text<'p>, u64)>,
    /// What is in them together.
    scan: Scan,
    contract: Option<Digest>,
    /// What became of an archive's members.
    members: Vec<SheetReport>,
    /// When the text is plain: how to read it again, and the table that is written already.
    plain: Option<(fast::Plain<'p>, Option<fast::Made>)>,
}

impl<'p> Examined<'p> {
    /// Examines the texts; a plain one is written into `out`, when there is one, at the same time.
    fn new(job: &'p Job, parts: &'p Parts, way: Way, out: Option<&File>) -> Result<Self, Stop> {
        let chosen = Chosen::of(parts, job)?;
        match (chosen.texts.as_slice(), way) {
            ([text], Way::Fast { block_bytes }) => {
                match Self::plainly(job, (parts, text), block_bytes, out)? {
                    Some(examined) => Ok(examined),
                    None => Self::exactly(job, parts, chosen),
                }
            }
            (_, Way::Fast { .. } | Way::Exact) => Self::exactly(job, parts, chosen),
        }
    }

    /// Reads a plain text; `None` when it is not one to its end.
    fn plainly(
        job: &'p Job,
        (parts, text): (&'p Parts, &Text<'p>),
        block_bytes: usize,
        out: Option<&File>,
    ) -> Result<Option<Self>, Stop> {
        let rows = text.rows(job, 0)?;
        let Some(plain) = text.plain(job, &rows, block_bytes)? else { return Ok(None) };
        let (texts, scan) = (vec![(text.clone(), 0)], Scan::none(&rows));
        let (contract, members) = (None, Vec::new());
        let mut examined = Self { parts, texts, scan, contract, members, plain: None };
        // What the sample allows may be refused; then the text is only examined.
        let guess = examined.plan_with(job, &plain.sample().evidence).ok();
        let aim = guess.as_ref().map(|guess| guess.columns.as_slice()).zip(out);
        match plain.read(&mut examined.scan, aim) {
            Ok(made) => examined.plain = Some((plain, made)),
            Err(fast::Stop::Unusual) => return Ok(None),
            Err(stop) => return Err(stop.into()),
        }
        Ok(Some(examined))
    }

    fn exactly(job: &Job, parts: &'p Parts, chosen: Chosen<'p>) -> Result<Self, Stop> {
        let (mut texts, mut members, mut all) = (Vec::new(), Vec::new(), None::<Scan>);
        let is_one = chosen.texts.len() == 1;
        for mut text in chosen.texts {
            let before = all.as_ref().map_or(0, Scan::records);
            let keys = all.as_mut().map(|all| std::mem::take(&mut all.keys)).unwrap_or_default();
            let scan = text.scan(job, &chosen.known, (before, keys));
            let mut scan = scan.map_err(|stop| stop.of_member(text.member()))?;
            match &job.contract {
                Some(contract) if !is_one => check_member(contract, &text)?,
                Some(_) | None => scan.keys = Keys::default(),
            }
            members.extend(text.member().map(|name| SheetReport {
                name: name.to_owned(),
                rows: scan.rows,
                taken: true,
                why: "its header is that of the table".to_owned(),
            }));
            all = Some(match all {
                Some(all) => all.join(scan),
                None => scan,
            });
            texts.push((text, before));
        }
        let Some(mut scan) = all else {
            return Err(Diagnostic::error(Code::C107, "no text of the archive is a table").into());
        };
        scan.skips.other_members = chosen.others.iter().map(|other| other.rows).sum();
        members.extend(chosen.others);
        let contract = job.contract.as_ref().map(|contract| contract.digest);
        Ok(Self { parts, texts, scan, contract, members, plain: None })
    }

    fn dialect(&self) -> Option<&Dialect> {
        self.texts.first().map(|(text, _)| &text.dialect)
    }

    /// How the first text was read, for the report and the Parquet's metadata.
    fn findings(&self) -> Vec<(String, String)> {
        let first = self.texts.first();
        let findings = first.map(|(text, _)| text.dialect.findings(text.charset.words()));
        self.parts.findings().into_iter().chain(findings.unwrap_or_default()).collect()
    }

    /// What the table will be, given the feed's schema, or why there is none.
    fn plan(&self, job: &Job) -> Result<Plan, Stop> {
        problems::check(&self.scan, job)?;
        self.plan_with(job, &self.scan.evidence)
    }

    /// What the table would be if its values were like this.
    fn plan_with(&self, job: &Job, evidence: &[Evidence]) -> Result<Plan, Stop> {
        let found = self.found(evidence);
        if let Some(contract) = &job.contract {
            return Ok(contract::plan(contract, job.learned.as_ref(), &found)?);
        }
        let known = job.learned.as_ref();
        let headless = known.is_some_and(|known| header::had_header(&known.columns))
            && !self.dialect().is_some_and(|d| d.header.is_present && d.header.is_certain)
            && header::known_names(&self.scan.names, known.map_or(&[][..], |k| &k.columns)) == 0;
        // Where the header is missing, a value would become a column's name.
        let allowance = if headless { Allowance::default() } else { job.allowance };
        match sticky::plan(known, &found, allowance) {
            Err(told) if headless && told.code == Code::C110 => Err(headerless(told).into()),
            planned => Ok(planned?),
        }
    }

    /// The columns of the file; one that a contract declares allows its declared type.
    fn found<'e>(&'e self, evidence: &'e [Evidence]) -> Vec<Found<'e>> {
        let scan = &self.scan;
        let columns = scan.headers.iter().zip(&scan.names).zip(evidence).enumerate();
        let found = columns.map(|(at, ((header, name), evidence))| match scan.facts.column(at) {
            Some(facts) => Found { header, name, values: facts },
            None => Found { header, name, values: evidence },
        });
        found.collect()
    }

    fn convert(mut self, job: &Job, outputs: Outputs) -> Result<Converted, Stop> {
        let plan = self.plan(job)?;
        let (findings, columns) = (self.findings(), self.table_columns(&plan));
        let sheets = if self.parts.are_members() { Sheets::Members } else { Sheets::No };
        let info = TableInfo { job, columns: &columns, sheets, dialect: &findings };
        let mut rejects = RejectsWriter::new(outputs.rejects, job, sheets);
        let parquet = match self.made(&plan, &outputs.parquet)? {
            Some(made) => made.table.finish(&info)?,
            None => {
                let out = emptied(&outputs.parquet).map_err(|error| unreadable(&error))?;
                let mut table = TableWriter::create(out, &info)?;
                let mut keys = Keys::default();
                for (text, before) in &self.texts {
                    let rows = text.rows(job, *before)?.after_keys(keys);
                    let plan = self.plan_of(text, &plan.columns);
                    let target = write::Target { plan: &plan, contract: job.contract.as_ref() };
                    keys = write::all(rows, target, text.member(), (&mut table, &mut rejects))?;
                }
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

    /// The plan for one text: its own columns in the place of those of all texts together.
    fn plan_of(&self, text: &Text<'_>, plan: &[Planned]) -> Vec<Planned> {
        if self.texts.len() == 1 {
            return plan.to_vec();
        }
        let places = text.names.iter().enumerate().map(|(at, name)| (name.to_lowercase(), at));
        let places: HashMap<_, _> = places.collect();
        let of_all = |at: usize| self.scan.names.get(at).map(|name| name.to_lowercase());
        let own = |planned: &Planned| Planned {
            source: planned.source.and_then(of_all).and_then(|name| places.get(&name).copied()),
            ..planned.clone()
        };
        plan.iter().map(own).collect()
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
                nested: planned.column.nested.clone(),
            }
        };
        plan.columns.iter().map(column).collect()
    }
}

/// Every member has the columns that a contract asks for.
fn check_member(contract: &Contract, text: &Text<'_>) -> Result<(), Stop> {
    let names: Vec<_> = text.names.iter().map(String::as_str).collect();
    let checked = contract::check_columns(contract, &names).map_err(Stop::from);
    checked.map_err(|stop| stop.of_member(text.member()))
}

/// Says that a known header is missing, where the first row is no header at all.
fn headerless(told: Diagnostic) -> Diagnostic {
    let summary = "the first row does not look like the header this feed has had so far";
    let changes = std::iter::once(Change::HeaderMissing).chain(told.changes);
    let headerless = Diagnostic::error(Code::C109, summary).changes(changes);
    Diagnostic { facts: told.facts, ..headerless }
}
