//! A contract's judge over the taken sheets, row by row.

use super::choose::Surveyed;
use super::row::Row;
use super::value::Value;
use crate::contract::Contract;
use crate::convert::Job;
use crate::convert::contract::{Cell, Facts, Judge, Quoted, check_rows};
use crate::convert::table::{Reject, Tally};
use crate::diagnostic::Diagnostic;

/// What a judge saw of a whole workbook.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// Of the declared columns, by their place among the file's.
    pub(super) facts: Facts,
    /// Rows that are left out.
    pub(super) rejects: Tally,
    records: u64,
}

impl Judged {
    /// Counts a row that is left out, or not.
    pub(super) fn take(&mut self, reject: Option<&Reject>) {
        self.records += 1;
        if let Some(reject) = reject {
            self.rejects.take(reject);
        }
    }

    /// Holds a workbook that may not be published.
    ///
    /// # Errors
    /// C128, or the code that most rejects have.
    pub(super) fn check(&self, contract: &Contract, job: &Job) -> Result<(), Diagnostic> {
        check_rows(contract, self.records)?;
        self.rejects.too_many(self.records, &job.limits).map_or(Ok(()), Err)
    }
}

/// Judges the rows of the taken sheets in their order.
pub(super) struct Judging {
    judge: Judge,
    record: u64,
}

impl Judging {
    /// Begins; `names` are the file's published names.
    pub(super) fn new(contract: &Contract, names: &[String], job: &Job) -> Self {
        Self { judge: Judge::new(contract, names, &job.limits), record: 0 }
    }

    /// Judges a row of a sheet whose places belong to these columns of the file. `Some` when it is
    /// to be left out.
    ///
    /// # Errors
    /// C130.
    pub(super) fn row(
        &mut self,
        row: &Row<'_>,
        sheet: &Surveyed,
        columns: &[Option<usize>],
    ) -> Result<Option<Reject>, Diagnostic> {
        self.record += 1;
        for (place, value) in &row.cells {
            if let Some(at) = columns.get(*place as usize).copied().flatten() {
                self.judge.cell(at, &cell(value));
            }
        }
        let fault = self.judge.end(row.number.into()).map_err(|error| error.diagnostic())?;
        Ok(fault.map(|fault| Reject {
            record: self.record,
            line: row.number.into(),
            sheet: Some(sheet.sheet.name.clone()),
            byte_offset: 0,
            column: fault.column,
            code: fault.code,
            reason: fault.reason,
            raw: raw(row),
        }))
    }

    /// What was seen.
    pub(super) fn facts(self) -> Facts {
        self.judge.facts()
    }
}

/// A value of a workbook for a contract's rules.
pub(super) fn cell<'v>(value: &'v Value<'_>) -> Cell<'v> {
    match value {
        Value::Bool(value) => Cell::Bool(*value),
        Value::Number { value, .. } => Cell::Number(*value),
        Value::Date(days) => Cell::Date(*days),
        Value::Moment(micros) => Cell::Moment(*micros),
        Value::Text(text) => Cell::Text(text.as_ref().into(), Quoted::Yes),
    }
}

/// A row as a line of CSV, from the sheet's first column on.
fn raw(row: &Row<'_>) -> String {
    let width = row.cells.last().map_or(0, |(place, _)| *place as usize + 1);
    let mut texts = vec![String::new(); width];
    for (place, value) in &row.cells {
        if let Some(text) = texts.get_mut(*place as usize) {
            *text = value.text().into_owned();
        }
    }
    let mut line = csv::WriterBuilder::new().from_writer(Vec::new());
    // Writing to memory cannot fail.
    let written = line.write_record(&texts).ok().and_then(|()| line.into_inner().ok());
    String::from_utf8(written.unwrap_or_default()).unwrap_or_default().trim_end().to_owned()
}
