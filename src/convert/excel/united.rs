//! The one table that the taken sheets make together, and how it meets the feed.

use std::collections::HashMap;

use super::choose::{self, Surveyed};
use super::column::Seen;
use super::header::Expected;
use super::judged::Judged;
use crate::convert::sticky::{self, Found, Plan};
use crate::convert::table::TableColumn;
use crate::convert::{Job, contract};
use crate::diagnostic::Diagnostic;

/// The table.
pub(super) struct United {
    /// The workbook's sheets, in order.
    pub(super) sheets: Vec<Surveyed>,
    /// Its columns.
    pub(super) columns: Vec<FileColumn>,
    /// What becomes of them.
    pub(super) plan: Plan,
    /// What a contract's judge saw, if there is one.
    pub(super) judged: Judged,
}

/// A column of the table.
pub(super) struct FileColumn {
    /// Its header as sent.
    pub(super) header: String,
    /// Its published name.
    pub(super) name: String,
    /// What it holds.
    pub(super) seen: Seen,
}

impl United {
    /// Chooses among surveyed sheets and unites those that are taken. `judge` hears a contract's
    /// judge on their rows.
    ///
    /// # Errors
    /// Why the workbook is held.
    pub(super) fn of(
        mut sheets: Vec<Surveyed>,
        (job, expected): (&Job, &Expected),
        judge: impl FnOnce(&[Surveyed], &[FileColumn]) -> Result<Judged, Diagnostic>,
    ) -> Result<Self, Diagnostic> {
        choose::choose(&mut sheets, expected, job.format.sheets.as_deref())?;
        let columns = unite(&sheets);
        let judged = judge(&sheets, &columns)?;
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
        Ok(Self { sheets, columns, plan, judged })
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

    /// For each place of a sheet, the column of the file.
    pub(super) fn sources(&self, sheet: &Surveyed) -> Vec<Option<usize>> {
        sources(sheet, &self.columns)
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

/// For each place of a sheet, the column of the file.
pub(super) fn sources(sheet: &Surveyed, columns: &[FileColumn]) -> Vec<Option<usize>> {
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
