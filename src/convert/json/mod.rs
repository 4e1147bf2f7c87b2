//! JSON: one record a line (JSON lines), an array of records, or records one after the other.
//!
//! Two passes, as for delimited text: the first finds what every field's values allow over the whole
//! file, the second writes. Memory is one block, one record and one batch.
//!
//! # Records
//! - A record is an object. A line that is not valid JSON, not an object, has a key twice or is
//!   nested too deep is a reject with its line and byte offset. In an array nobody can tell where a
//!   broken record ends: it is held.
//! - UTF-8 only, with or without a byte order mark (RFC 8259 section 8.1).
//! - Blank lines are skipped and counted.
//!
//! # Values
//! - Numbers go by their exact text, with the same types as text has (`1.0` and `1` make text).
//! - Strings are text; a date or timestamp only if all of the field's are in the same canonical form.
//!   A string that looks like a number is text.
//! - Objects are structs, arrays lists. A field of values of several kinds has each as its JSON text;
//!   so have objects of more than [`shape::FIELDS_MAX`] keys and what lies deeper than
//!   [`shape::DEPTH_MAX`].
//! - An absent field is null, as `null` is.
//! - Known to a feed, nested types are sticky too: fields are added, their types only widen, and what
//!   does not go together becomes JSON text in the feed's next version.
//!
//! # Contracts
//! A contract reads the values of the records' own keys ([`super::contract`]). Numbers count by their
//! exact text with a point, whatever marks are declared; an empty string is an empty text where text
//! is declared and null elsewhere. A declared key that no record has is null throughout. Keys that are not declared are as without a contract.
//!
//! Reading is serde_json's, value by value from its raw text (`RawValue`), so that no number passes
//! through a double and no nesting takes stack.
//!
//! Left out: telling absent from null, comments, NaN, UTF-16.

use std::collections::HashSet;

use super::contract::{Facts, Rules};
use super::sticky::{self, Found, Plan, Planned};
use super::table::{Origin, RejectsWriter, Sheets, TableColumn, TableInfo, TableWriter};
use super::text::{self, Charset, TextReader};
use super::unpack::{Part, Parts};
use super::{Converted, Inspection, Job, Outcome, Outputs, balance, contract, unreadable};
use crate::contract::{Contract, DeclaredColumn};
use crate::diagnostic::{Code, Diagnostic};
pub(super) use prove::prove;

use build::Batch;
use judged::Judging;
use records::{Records, Row};
use survey::Survey;

mod accounts;
mod build;
mod judged;
mod node;
mod prove;
mod records;
pub mod shape;
mod survey;
mod values;

/// Converts JSON.
pub fn run(job: &Job, parts: &Parts, outputs: Outputs) -> Outcome {
    match Examined::new(job, parts).and_then(|examined| examined.convert(outputs)) {
        Ok(converted) => Outcome::Converted(Box::new(converted)),
        Err(told) => Outcome::Held(told),
    }
}

/// Looks at JSON and writes nothing.
pub fn inspect(job: &Job, parts: &Parts) -> Inspection {
    match Examined::new(job, parts) {
        Ok(examined) => {
            let plan = examined.plan();
            Inspection {
                report: examined.report(plan.as_ref().ok()),
                rows: examined.survey.first_rows.clone(),
                obstacle: plan.err().map(Outcome::Held),
            }
        }
        Err(told) => Inspection::nothing(Outcome::Held(told)),
    }
}

/// A file after the first pass.
struct Examined<'p> {
    job: &'p Job,
    parts: &'p Parts,
    survey: Survey,
    /// What a contract's judge saw.
    facts: Facts,
    /// The columns' published names.
    names: Vec<String>,
    /// How the records stand.
    form: &'static str,
}

impl<'p> Examined<'p> {
    fn new(job: &'p Job, parts: &'p Parts) -> Result<Self, Diagnostic> {
        let (mut survey, form) = surveyed(job, parts, Survey::default(), None)?;
        let mut names = job.published(&survey.keys());
        if names.len() > job.limits.columns as usize {
            let told = Diagnostic::error(Code::C105, "the records have too many different keys");
            return Err(told.fact("limit", "columns").fact("value", job.limits.columns));
        }
        let mut facts = Facts::default();
        // A judge must know the columns first, so a contract takes a look more.
        if let Some(contract) = &job.contract {
            let mut keys = survey.keys();
            keys.extend(absent(contract, &names));
            names = job.published(&keys);
            let mut judging = Judging::new(contract, &keys, &names, &job.limits);
            (survey, _) = surveyed(job, parts, Survey::of_keys(&keys), Some(&mut judging))?;
            facts = judging.facts();
        }
        Ok(Self { job, parts, survey, facts, names, form })
    }

    fn plan(&self) -> Result<Plan, Diagnostic> {
        let job = self.job;
        if let Some(contract) = &job.contract {
            contract::check_rows(contract, self.survey.records())?;
        }
        self.survey.check(&job.limits)?;
        let keys = self.survey.keys();
        let columns = keys.iter().zip(&self.names).zip(self.survey.shapes()).enumerate();
        let found = columns.map(|(at, ((header, name), shape))| match self.facts.column(at) {
            Some(facts) => Found { header, name, values: facts },
            None => Found { header, name, values: shape },
        });
        let found: Vec<_> = found.collect();
        match &job.contract {
            Some(contract) => contract::plan(contract, job.learned.as_ref(), &found),
            None => sticky::plan(job.learned.as_ref(), &found, job.allowance),
        }
    }

    fn convert(&self, outputs: Outputs) -> Result<Converted, Diagnostic> {
        let (job, plan) = (self.job, self.plan()?);
        let (columns, findings) = (self.table_columns(&plan), self.findings());
        let sheets = if self.parts.are_members() { Sheets::Members } else { Sheets::No };
        let info = TableInfo { job, columns: &columns, sheets, dialect: &findings };
        let failed = |error: super::table::Error| error.diagnostic();
        let mut table = TableWriter::create(outputs.parquet, &info).map_err(failed)?;
        let mut rejects = RejectsWriter::new(outputs.rejects, job, sheets);
        let (keys, contract) = (self.survey.keys(), job.contract.as_ref());
        let rules = contract.map(|contract| Rules::bind(contract, &self.names));
        let mut judging =
            contract.map(|contract| Judging::new(contract, &keys, &self.names, &job.limits));
        let mut batch = Batch::new(&plan.columns, &keys, rules.as_ref());
        let mut before = 0;
        for part in &self.parts.tables {
            rejects.of_member(part.member.as_deref()).map_err(failed)?;
            let mut records = open(job, part, before)?;
            loop {
                match records.next()? {
                    Row::Data(record) => {
                        let judged = judging.as_mut().map(|judging| judging.record(&record));
                        match judged.transpose()?.flatten() {
                            Some(reject) => rejects.push(reject).map_err(failed)?,
                            None => batch.push(&record).map_err(|error| unreadable(&error))?,
                        }
                    }
                    Row::Reject(reject) => rejects.push(reject).map_err(failed)?,
                    Row::Blank => {}
                    Row::End => break,
                }
                if batch.is_full() {
                    write(&mut batch, part, &mut table)?;
                }
            }
            write(&mut batch, part, &mut table)?;
            before = records.count();
        }
        let parquet = table.finish().map_err(failed)?;
        let rejects = rejects.finish().map_err(failed)?;
        let report = self.report(Some(&plan));
        balance(&report, &parquet, rejects.as_ref())?;
        let Plan { version, learned, opens_version, drift, .. } = plan;
        Ok(Converted { report, parquet, rejects, version, learned, opens_version, drift })
    }

    fn table_columns(&self, plan: &Plan) -> Vec<TableColumn> {
        let keys = self.survey.keys();
        let column = |planned: &Planned| {
            let column = &planned.column;
            let shape = planned.source.and_then(|source| self.survey.shapes().nth(source));
            let facts = planned.source.and_then(|source| self.facts.column(source));
            let key = planned.source.and_then(|source| keys.get(source));
            let (printer, empty) = match (facts, shape) {
                (Some(facts), _) => facts.printing(),
                (None, Some(shape)) => shape.printing(column.kind),
                (None, None) => (super::infer::Printer::Null, None),
            };
            TableColumn {
                name: column.name.clone(),
                header: key.unwrap_or(&column.header).clone(),
                kind: column.kind,
                printer,
                empty,
                nested: column.nested.clone(),
            }
        };
        plan.columns.iter().map(column).collect()
    }
}

/// The declared columns that no record has, as an absent key is null: not those that must have values,
/// and none where nothing that is declared is there at all.
fn absent(contract: &Contract, names: &[String]) -> Vec<String> {
    let names: HashSet<_> = names.iter().map(|name| name.to_lowercase()).collect();
    let is_there = |column: &&DeclaredColumn| names.contains(&column.name.to_lowercase());
    if !contract.columns.iter().any(|column| is_there(&column)) {
        return Vec::new();
    }
    let absent = contract.columns.iter().filter(|column| !is_there(column) && !column.required);
    absent.map(|column| column.name.clone()).collect()
}

/// Looks at all records of a file; tells how they stand.
fn surveyed(
    job: &Job,
    parts: &Parts,
    mut survey: Survey,
    mut judging: Option<&mut Judging>,
) -> Result<(Survey, &'static str), Diagnostic> {
    let mut form = "";
    for part in &parts.tables {
        let mut records = open(job, part, survey.records())?;
        form = records.form();
        let surveyed = survey.all(&mut records, &job.limits, judging.as_deref_mut());
        let rows = surveyed.map_err(|told| of_member(told, part))?;
        survey.members.extend(part.member.clone().map(|member| (member, rows)));
    }
    survey.settle();
    Ok((survey, form))
}

fn write(batch: &mut Batch, part: &Part, table: &mut TableWriter) -> Result<(), Diagnostic> {
    if batch.origin.records.is_empty() {
        return Ok(());
    }
    let mut origin: Origin = std::mem::take(&mut batch.origin);
    origin.sheet = part.member.clone();
    let arrays = batch.finish().map_err(|error| unreadable(&error))?;
    table.write(arrays, origin).map_err(|error| error.diagnostic())
}

/// The records of one part, counted from after so many.
fn open(job: &Job, part: &Part, after: u64) -> Result<Records, Diagnostic> {
    let charset = text::assumed(&part.content, None).map_err(|error| unreadable(&error))?;
    let name = charset.encoding.name();
    if name != "UTF-8" {
        let told = Diagnostic::error(Code::C102, format!("the JSON is {name}, not UTF-8"));
        return Err(of_member(told.hint("Send JSON as UTF-8."), part));
    }
    let source = TextReader::new(&part.content, &Charset { ..charset });
    Records::open(source, &job.limits, after).map_err(|told| of_member(told, part))
}

fn of_member(told: Diagnostic, part: &Part) -> Diagnostic {
    match &part.member {
        Some(member) => told.fact("member", member),
        None => told,
    }
}
