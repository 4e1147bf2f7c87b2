//! What the first pass learns of a workbook: its sheets, the one table they make, and how that meets
//! the feed.

use std::collections::HashMap;

use super::book::{Book, SheetKind};
use super::choose::{self, Surveyed};
use super::column::Seen;
use super::header::Expected;
use super::judged::{Judged, Judging};
use super::kind::Kind;
use super::package::Markup;
use super::survey::Survey;
use super::value::Epoch;
use crate::contract::Contract;
use crate::convert::sticky::{self, Found, Plan};
use crate::convert::table::TableColumn;
use crate::convert::unpack::{Parts, Seekable};
use crate::convert::{Job, contract};
use crate::diagnostic::Diagnostic;
use crate::report::{ColumnReport, Report, SheetReport};

/// A workbook that is understood.
pub(super) struct Reading {
    /// The workbook, to be read again.
    pub(super) book: Book,
    /// Its sheets, in order.
    pub(super) sheets: Vec<Surveyed>,
    /// What becomes of its columns.
    pub(super) plan: Plan,
    columns: Vec<FileColumn>,
    kind: Kind,
    contract: Option<Contract>,
    /// What the contract's judge saw, if there is one.
    judged: Judged,
    packing: Vec<(String, String)>,
    members: Vec<SheetReport>,
}

/// A column of the table that the taken sheets make together.
struct FileColumn {
    header: String,
    name: String,
    seen: Seen,
}

impl Reading {
    /// Surveys a workbook.
    ///
    /// # Errors
    /// Why it is held.
    pub(super) fn of(
        job: &Job,
        parts: &Parts,
        kind: Kind,
        raw: Seekable,
    ) -> Result<Self, Diagnostic> {
        let mut book = Book::open(kind, raw)?;
        let expected = expected(job);
        let mut sheets = survey(&mut book, job, &expected)?;
        choose::choose(&mut sheets, &expected, job.format.sheets.as_deref())?;
        let columns = unite(&sheets);
        let mut judged = Judged::default();
        if let Some(contract) = &job.contract {
            judged = judge(&mut book, contract, &sheets, (&columns, job))?;
        }
        let found = columns.iter().enumerate().map(|(at, c)| match judged.facts.column(at) {
            Some(facts) => Found { header: &c.header, name: &c.name, values: facts },
            None => Found { header: &c.header, name: &c.name, values: &c.seen },
        });
        let found: Vec<_> = found.collect();
        let plan = match &job.contract {
            Some(contract) => {
                let plan = contract::plan(contract, job.learned.as_ref(), &found)?;
                judged.check(contract, job)?;
                plan
            }
            None => sticky::plan(job.learned.as_ref(), &found, job.allowance)?,
        };
        let contract = job.contract.clone();
        let (packing, members) = (parts.findings(), parts.members());
        Ok(Self { book, sheets, plan, columns, kind, contract, judged, packing, members })
    }

    /// A judge for the second pass, where there is a contract.
    pub(super) fn judging(&self, job: &Job) -> Option<Judging> {
        let names: Vec<_> = self.columns.iter().map(|column| column.name.clone()).collect();
        self.contract.as_ref().map(|contract| Judging::new(contract, &names, job))
    }

    /// For each place of a sheet, the column of the file.
    pub(super) fn sources(&self, sheet: &Surveyed) -> Vec<Option<usize>> {
        sources(sheet, &self.columns)
    }

    /// The table's columns, for its writer.
    pub(super) fn table_columns(&self) -> Vec<TableColumn> {
        let missing = Seen::default();
        let table_column = |planned: &sticky::Planned| {
            let column = planned.source.and_then(|at| self.columns.get(at));
            let seen = column.map_or(&missing, |column| &column.seen);
            let kind = planned.column.kind;
            let facts = planned.source.and_then(|at| self.judged.facts.column(at));
            let (printer, empty) = match facts {
                Some(facts) => facts.printing(),
                None => (seen.printer(kind), seen.empty(kind)),
            };
            TableColumn {
                name: planned.column.name.clone(),
                header: column.map_or_else(String::new, |column| column.header.clone()),
                kind,
                printer,
                empty,
                nested: planned.column.nested.clone(),
            }
        };
        self.plan.columns.iter().map(table_column).collect()
    }

    /// For each place of a sheet, the column of the plan that its values go to.
    pub(super) fn targets(&self, sheet: &Surveyed) -> Vec<Option<usize>> {
        let target = |source: Option<usize>| {
            self.plan
                .columns
                .iter()
                .position(|planned| source.is_some() && planned.source == source)
        };
        self.sources(sheet).into_iter().map(target).collect()
    }

    /// How it was read, for the report and the Parquet's metadata.
    pub(super) fn dialect(&self) -> Vec<(String, String)> {
        let epoch = match self.book.epoch() {
            Epoch::Y1900 => "1900",
            Epoch::Y1904 => "1904",
        };
        let taken = self.sheets.iter().filter(|sheet| sheet.taken);
        let taken: Vec<_> = taken.map(|sheet| sheet.sheet.name.as_str()).collect();
        let found =
            [("workbook", self.kind.name()), ("dates from", epoch), ("sheets", &taken.join(", "))];
        let found = found.map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.packing.iter().cloned().chain(found).collect()
    }

    /// What was found and what becomes of it, every row accounted for.
    pub(super) fn report(&mut self) -> Report {
        let notes = self.notes();
        let taken = || self.sheets.iter().filter(|sheet| sheet.taken);
        let sum = |of: fn(&Survey) -> u64| taken().map(|sheet| of(&sheet.survey)).sum::<u64>();
        let others = self.sheets.iter().filter(|sheet| !sheet.taken);
        let skips = [
            ("preamble", sum(|survey| survey.preamble)),
            ("blank", sum(|survey| survey.blank)),
            ("repeated_header", sum(|survey| survey.repeated)),
            ("other_sheet", others.map(|sheet| sheet.survey.all_rows()).sum()),
        ];
        let skips: Vec<_> = skips.into_iter().filter(|(_, count)| *count > 0).collect();
        let rejects = &self.judged.rejects;
        let skipped = skips.iter().map(|(_, count)| count).sum::<u64>();
        let rows = sum(|survey| survey.rows);
        let written = rows.saturating_sub(rejects.count);
        Report {
            kind: self.kind.name().to_owned(),
            seen: rows + skipped,
            written,
            rejected: rejects.count,
            skipped,
            dialect: self.dialect(),
            columns: self.column_reports(written),
            sheets: self.sheets.iter().map(Surveyed::report).collect(),
            members: self.members.clone(),
            skips: skips.into_iter().map(|(code, count)| (code.to_owned(), count)).collect(),
            rejects_by_code: rejects.by_code(),
            first_rejects: rejects.first().to_vec(),
            notes,
            changes: self.plan.drift.clone(),
            contract: self.contract.as_ref().map(|contract| contract.digest),
        }
    }

    fn column_reports(&self, rows: u64) -> Vec<ColumnReport> {
        let sheets: Vec<_> = self.sheets.iter().map(|sheet| sheet.sheet.name.clone()).collect();
        let report = |planned: &sticky::Planned| {
            let kind = planned.column.kind;
            let seen = planned.source.and_then(|at| self.columns.get(at)).map(|c| &c.seen);
            let facts = planned.source.and_then(|at| self.judged.facts.column(at));
            let (why, nulls) = match (facts, seen) {
                (Some(facts), _) => (facts.why(), facts.nulls()),
                (None, Some(seen)) => (seen.why(&sheets), seen.nulls(kind)),
                (None, None) => ("not in this file".to_owned(), rows),
            };
            ColumnReport { name: planned.column.name.clone(), kind: kind.to_string(), why, nulls }
        };
        self.plan.columns.iter().map(report).collect()
    }

    /// What the cells do not tell: hidden rows, formulas without a value, merged ranges.
    fn notes(&mut self) -> Vec<String> {
        let mut notes: Vec<String> = self.judged.facts.notes().collect();
        for sheet in self.sheets.iter().filter(|sheet| sheet.taken) {
            let name = &sheet.sheet.name;
            match self.book.markup(name) {
                Some(markup) => notes.extend(remarks(name, markup)),
                None => notes.push(format!("sheet `{name}`: hidden rows, formulas and merged ranges are not told of in this kind of workbook")),
            }
        }
        notes
    }
}

impl Surveyed {
    fn report(&self) -> SheetReport {
        let rows = if self.taken { self.survey.rows } else { self.survey.all_rows() };
        SheetReport {
            name: self.sheet.name.clone(),
            rows,
            taken: self.taken,
            why: self.why.clone(),
        }
    }
}

fn remarks(sheet: &str, markup: Markup) -> impl Iterator<Item = String> {
    let remark =
        |count: u64, what: &str| (count > 0).then(|| format!("sheet `{sheet}`: {count} {what}"));
    [
        remark(markup.hidden_rows, "hidden rows, taken like the others"),
        remark(markup.formulas_without_value, "formulas without a stored value, taken as missing"),
        remark(markup.merged_ranges, "merged ranges; each has its value in its first cell only"),
    ]
    .into_iter()
    .flatten()
}

fn expected(job: &Job) -> Expected {
    let names = job.known_columns().into_iter();
    Expected {
        names: names.map(|column| column.name.to_lowercase()).collect(),
        header: job.format.header,
        contract: job.contract.clone(),
    }
}

/// Every sheet with cells is read, also those that will not be taken: their rows are counted.
fn survey(book: &mut Book, job: &Job, expected: &Expected) -> Result<Vec<Surveyed>, Diagnostic> {
    let listed = book.sheets.clone();
    let mut sheets = Vec::new();
    for (at, sheet) in listed.into_iter().enumerate() {
        let mut survey = Survey::new(at);
        match sheet.kind {
            SheetKind::NoCells => {}
            SheetKind::Visible | SheetKind::Hidden => {
                book.rows(&sheet.name, &job.limits, &mut |row| {
                    survey.row(row, expected);
                    Ok(())
                })?;
            }
        }
        let columns = survey.finish(expected);
        sheets.push(Surveyed { sheet, survey, columns, taken: false, why: String::new() });
    }
    Ok(sheets)
}

/// The columns of the taken sheets together, by name; a sheet that lacks one misses it in all rows.
fn unite(sheets: &[Surveyed]) -> Vec<FileColumn> {
    let mut columns: Vec<FileColumn> = Vec::new();
    let mut places = HashMap::new();
    for sheet in sheets.iter().filter(|sheet| sheet.taken) {
        for column in &sheet.columns {
            let at = *places.entry(column.name.to_lowercase()).or_insert(columns.len());
            match columns.get_mut(at) {
                Some(known) => known.seen.join(&column.seen),
                None => columns.push(FileColumn {
                    header: column.header.clone(),
                    name: column.name.clone(),
                    seen: column.seen.clone(),
                }),
            }
        }
    }
    for column in &mut columns {
        let lacks =
            |sheet: &&Surveyed| !sheet.columns.iter().any(|c| is_same(&c.name, &column.name));
        let missed = sheets.iter().filter(|sheet| sheet.taken).filter(lacks);
        column.seen.miss(missed.map(|sheet| sheet.survey.rows).sum());
    }
    columns
}

/// Hears a contract's judge on every row of the taken sheets.
fn judge(
    book: &mut Book,
    contract: &Contract,
    sheets: &[Surveyed],
    (columns, job): (&[FileColumn], &Job),
) -> Result<Judged, Diagnostic> {
    let names: Vec<_> = columns.iter().map(|column| column.name.clone()).collect();
    let (mut judging, mut judged) = (Judging::new(contract, &names, job), Judged::default());
    for sheet in sheets.iter().filter(|sheet| sheet.taken) {
        let sources = sources(sheet, columns);
        book.rows(&sheet.sheet.name, &job.limits, &mut |row| {
            if sheet.survey.is_data(row) {
                judged.take(judging.row(row, sheet, &sources)?.as_ref());
            }
            Ok(())
        })?;
    }
    judged.facts = judging.facts();
    Ok(judged)
}

/// For each place of a sheet, the column of the file.
fn sources(sheet: &Surveyed, columns: &[FileColumn]) -> Vec<Option<usize>> {
    let width = sheet.columns.last().map_or(0, |column| column.place as usize + 1);
    let mut sources = vec![None; width];
    for column in &sheet.columns {
        if let Some(source) = sources.get_mut(column.place as usize) {
            *source = columns.iter().position(|c| is_same(&c.name, &column.name));
        }
    }
    sources
}

fn is_same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}
