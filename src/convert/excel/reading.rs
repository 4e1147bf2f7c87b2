//! What the first pass learns of a workbook: its sheets, the one table they make, and how that meets
//! the feed.

use std::fs::File;

use super::ahead::{self, Draft};
use super::book::{Book, SheetKind};
use super::choose::Surveyed;
use super::header::Expected;
use super::judged::{Judged, Judging};
use super::kind::Kind;
use super::package::Markup;
use super::survey::Survey;
use super::united::{FileColumn, United, sources};
use super::value::Epoch;
use crate::contract::Contract;
use crate::convert::unpack::{Parts, Seekable};
use crate::convert::{Job, sticky};
use crate::diagnostic::Diagnostic;
use crate::report::{ColumnReport, Report, SheetReport};

/// A workbook that is understood.
pub(super) struct Reading {
    /// The workbook, to be read again.
    pub(super) book: Book,
    /// Its table.
    pub(super) table: United,
    kind: Kind,
    contract: Option<Contract>,
    packing: Vec<(String, String)>,
    members: Vec<SheetReport>,
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
        let sheets = survey(&mut book, job, &expected)?;
        Self::with(book, sheets, (job, &expected), (parts, kind))
    }

    /// Surveys a workbook, and writes its rows into `out` meanwhile as far as they can be foreseen.
    ///
    /// # Errors
    /// Why it is held.
    pub(super) fn and_draft(
        job: &Job,
        (parts, kind): (&Parts, Kind),
        raw: Seekable,
        out: &File,
    ) -> Result<(Self, Option<Draft>), Diagnostic> {
        let mut book = Book::open(kind, raw)?;
        let expected = expected(job);
        let (sheets, draft) = match ahead::only_sheet(&book, job) {
            Some(at) => {
                let (survey, draft) = ahead::survey(&mut book, at, (job, &expected), out)?;
                (ahead::surveyed(&book.sheets, (at, survey), &expected), draft)
            }
            None => (survey(&mut book, job, &expected)?, None),
        };
        let reading = Self::with(book, sheets, (job, &expected), (parts, kind))?;
        let draft = draft.filter(|draft| draft.stands_for(&reading.table));
        Ok((reading, draft))
    }

    fn with(
        mut book: Book,
        sheets: Vec<Surveyed>,
        (job, expected): (&Job, &Expected),
        (parts, kind): (&Parts, Kind),
    ) -> Result<Self, Diagnostic> {
        let judged = |sheets: &[Surveyed], columns: &[FileColumn]| match &job.contract {
            Some(contract) => judge(&mut book, contract, sheets, (columns, job)),
            None => Ok(Judged::default()),
        };
        let table = United::of(sheets, (job, expected), judged)?;
        let contract = job.contract.clone();
        let (packing, members) = (parts.findings(), parts.members());
        Ok(Self { book, table, kind, contract, packing, members })
    }

    /// A judge for the second pass, where there is a contract.
    pub(super) fn judging(&self, job: &Job) -> Option<Judging> {
        let names: Vec<_> = self.table.columns.iter().map(|column| column.name.clone()).collect();
        self.contract.as_ref().map(|contract| Judging::new(contract, &names, job))
    }

    /// How it was read, for the report and the Parquet's metadata.
    pub(super) fn dialect(&self) -> Vec<(String, String)> {
        let epoch = match self.book.epoch() {
            Epoch::Y1900 => "1900",
            Epoch::Y1904 => "1904",
        };
        let taken = self.table.sheets.iter().filter(|sheet| sheet.taken);
        let taken: Vec<_> = taken.map(|sheet| sheet.sheet.name.as_str()).collect();
        let found =
            [("workbook", self.kind.name()), ("dates from", epoch), ("sheets", &taken.join(", "))];
        let found = found.map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.packing.iter().cloned().chain(found).collect()
    }

    /// What was found and what becomes of it, every row accounted for.
    pub(super) fn report(&mut self) -> Report {
        let notes = self.notes();
        let taken = || self.table.sheets.iter().filter(|sheet| sheet.taken);
        let sum = |of: fn(&Survey) -> u64| taken().map(|sheet| of(&sheet.survey)).sum::<u64>();
        let others = self.table.sheets.iter().filter(|sheet| !sheet.taken);
        let skips = [
            ("preamble", sum(|survey| survey.preamble)),
            ("blank", sum(|survey| survey.blank)),
            ("repeated_header", sum(|survey| survey.repeated)),
            ("other_sheet", others.map(|sheet| sheet.survey.all_rows()).sum()),
        ];
        let skips: Vec<_> = skips.into_iter().filter(|(_, count)| *count > 0).collect();
        let rejects = &self.table.judged.rejects;
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
            sheets: self.table.sheets.iter().map(Surveyed::report).collect(),
            members: self.members.clone(),
            skips: skips.into_iter().map(|(code, count)| (code.to_owned(), count)).collect(),
            rejects_by_code: rejects.by_code(),
            first_rejects: rejects.first().to_vec(),
            notes,
            changes: self.table.plan.drift.clone(),
            contract: self.contract.as_ref().map(|contract| contract.digest),
        }
    }

    fn column_reports(&self, rows: u64) -> Vec<ColumnReport> {
        let sheets: Vec<_> =
            self.table.sheets.iter().map(|sheet| sheet.sheet.name.clone()).collect();
        let report = |planned: &sticky::Planned| {
            let kind = planned.column.kind;
            let seen = planned.source.and_then(|at| self.table.columns.get(at)).map(|c| &c.seen);
            let facts = planned.source.and_then(|at| self.table.judged.facts.column(at));
            let (why, nulls) = match (facts, seen) {
                (Some(facts), _) => (facts.why(), facts.nulls()),
                (None, Some(seen)) => (seen.why(&sheets), seen.nulls(kind)),
                (None, None) => ("not in this file".to_owned(), rows),
            };
            ColumnReport { name: planned.column.name.clone(), kind: kind.to_string(), why, nulls }
        };
        self.table.plan.columns.iter().map(report).collect()
    }

    /// What the cells do not tell: hidden rows, formulas without a value, merged ranges.
    fn notes(&mut self) -> Vec<String> {
        let mut notes: Vec<String> = self.table.judged.facts.notes().collect();
        for sheet in self.table.sheets.iter().filter(|sheet| sheet.taken) {
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
