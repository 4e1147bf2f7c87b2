//! What the first pass learns of a workbook: its sheets, the one table they make, and how that meets
//! the feed.

use std::collections::HashMap;

use super::book::{Book, SheetKind};
use super::choose::{self, Surveyed};
use super::column::Seen;
use super::header::Expected;
use super::kind::Kind;
use super::package::Markup;
use super::survey::Survey;
use super::value::Epoch;
use crate::convert::Job;
use crate::convert::sticky::{self, Found, Plan};
use crate::convert::table::TableColumn;
use crate::convert::unpack::{Parts, Seekable};
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
        let found: Vec<_> = columns
            .iter()
            .map(|c| Found { header: &c.header, name: &c.name, values: &c.seen })
            .collect();
        let plan = sticky::plan(job.learned.as_ref(), &found)?;
        let (packing, members) = (parts.findings(), parts.members());
        Ok(Self { book, sheets, plan, columns, kind, packing, members })
    }

    /// The table's columns, for its writer.
    pub(super) fn table_columns(&self) -> Vec<TableColumn> {
        let missing = Seen::default();
        let table_column = |planned: &sticky::Planned| {
            let column = planned.source.and_then(|at| self.columns.get(at));
            let seen = column.map_or(&missing, |column| &column.seen);
            TableColumn {
                name: planned.column.name.clone(),
                header: column.map_or_else(String::new, |column| column.header.clone()),
                kind: planned.column.kind,
                printer: seen.printer(planned.column.kind),
                empty: seen.empty(planned.column.kind),
                nested: planned.column.nested.clone(),
            }
        };
        self.plan.columns.iter().map(table_column).collect()
    }

    /// For each place of a sheet, the column of the plan that its values go to.
    pub(super) fn targets(&self, sheet: &Surveyed) -> Vec<Option<usize>> {
        let of_name = |name: &str| {
            let source = self.columns.iter().position(|c| is_same(&c.name, name))?;
            self.plan.columns.iter().position(|planned| planned.source == Some(source))
        };
        let width = sheet.columns.last().map_or(0, |column| column.place as usize + 1);
        let mut targets = vec![None; width];
        for column in &sheet.columns {
            if let Some(target) = targets.get_mut(column.place as usize) {
                *target = of_name(&column.name);
            }
        }
        targets
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
        let (written, skipped) =
            (sum(|survey| survey.rows), skips.iter().map(|(_, count)| count).sum::<u64>());
        Report {
            kind: self.kind.name().to_owned(),
            seen: written + skipped,
            written,
            rejected: 0,
            skipped,
            dialect: self.dialect(),
            columns: self.column_reports(written),
            sheets: self.sheets.iter().map(Surveyed::report).collect(),
            members: self.members.clone(),
            skips: skips.into_iter().map(|(code, count)| (code.to_owned(), count)).collect(),
            first_rejects: Vec::new(),
            notes,
        }
    }

    fn column_reports(&self, rows: u64) -> Vec<ColumnReport> {
        let sheets: Vec<_> = self.sheets.iter().map(|sheet| sheet.sheet.name.clone()).collect();
        let report = |planned: &sticky::Planned| {
            let kind = planned.column.kind;
            let seen = planned.source.and_then(|at| self.columns.get(at)).map(|c| &c.seen);
            ColumnReport {
                name: planned.column.name.clone(),
                kind: kind.to_string(),
                why: seen.map_or_else(|| "not in this file".to_owned(), |s| s.why(&sheets)),
                nulls: seen.map_or(rows, |seen| seen.nulls(kind)),
            }
        };
        self.plan.columns.iter().map(report).collect()
    }

    /// What the cells do not tell: hidden rows, formulas without a value, merged ranges.
    fn notes(&mut self) -> Vec<String> {
        let mut notes = Vec::new();
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
    let names = job.learned.iter().flat_map(|learned| &learned.columns);
    Expected {
        names: names.map(|column| column.name.to_lowercase()).collect(),
        header: job.format.header,
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

fn is_same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}
