//! Workbooks: XLSX, XLSM, XLSB, ODS and XLS.
//!
//! Two passes. The first surveys every sheet: where its table is, what its columns hold, how many
//! rows it has. The second writes the rows of the taken sheets; where they can be foreseen they are
//! written while they are surveyed (see `ahead`), and there is none. XLSX and XLSB are streamed
//! both times; no cell is kept. What unpacks, spans or holds far more than a table does is refused.
//!
//! # Which rows
//! - **Sheets**: see `choose`. Those not taken are named in the report with their rows as skipped
//!   (`other_sheet`), hidden ones too; chart sheets are named.
//! - **The header** is found below title rows (see `header`), which are skipped and counted
//!   (`preamble`), as are rows that repeat the header (`repeated_header`). A column without a header
//!   that holds values is taken as `column_N`; one that has neither is not there.
//! - **Rows** without any value are no records; those between rows with values are counted
//!   (`blank`). Hidden rows and columns are taken; hidden rows are mentioned in the report of an XLSX.
//! - `_lf_line` is the row's number in its sheet, `_lf_record` counts over all taken sheets.
//!
//! # Which values
//! - **Numbers** are the stored IEEE doubles, whatever a format rounds them to. A column is int64
//!   only if all are whole, below 2^53 and shown without decimals; else double. In text they are the
//!   shortest text that gives the same double, whole ones without `.0`.
//! - **Zero-padded formats** (`00000`, `000-00`) give text as displayed (XLSX only: the others do
//!   not tell their formats).
//! - **Dates** go by the number format: a date column is `date`, one with a time anywhere
//!   `timestamp` without zone, to the nearest microsecond. The epoch, 1900 or 1904, is the
//!   workbook's. Days that do not exist (1900-02-29, before the epoch) stay numbers.
//! - **Times of day and durations** are text: `06:30:00`, `36:00:00`.
//! - **Text** is text, also where it looks like a number. An empty text is null in a typed column if
//!   no cell is missing; with both the column is text.
//! - **Formulas** count as their stored value. Without one the cell is missing and the report says
//!   how many there are (XLSX).
//! - **Errors** are their text: `#N/A`.
//! - **Merged ranges** have their value in the first cell, as stored; the others are missing.
//! - Mixed columns are text, each value by its own exact text.
//! - A column that a contract declares takes cells of its type as they are, and the text of others
//!   by its declared form; what does not fit is judged as in text, with the row as a line of CSV.
//!
//! # What cannot be read
//! Encrypted and damaged workbooks are held (C106), those that calamine panics on included: it
//! counts columns and rows without a limit, and is compiled to stop rather than to count on from 0; also those with error values that calamine does
//! not know, such as `#SPILL!`. No table: C107; a table spread over far more cells than it has
//! values: C108.

use super::surviving::surviving;
use super::unpack::{Parts, Seekable};
use super::{Inspection, Job, Outcome, Outputs, unreadable};
use crate::diagnostic::{Code, Diagnostic};

mod ahead;
mod block;
mod book;
mod choose;
mod column;
mod format;
mod header;
mod judged;
mod kind;
mod package;
mod reading;
mod row;
mod survey;
mod united;
mod value;
mod write;

#[cfg(test)]
#[path = "../../../tests/support/workbook.rs"]
#[allow(clippy::expect_used, missing_docs, reason = "the tests' own")]
mod workbook;

use kind::Kind;
use reading::Reading;
use row::Row;

/// Rows that an inspection shows.
const INSPECTED_ROWS: usize = 20;

/// Converts a workbook.
pub fn run(job: &Job, parts: &Parts, outputs: Outputs) -> Outcome {
    let written = || {
        let (kind, raw) = open(parts)?;
        let read = Reading::and_draft(job, (parts, kind), raw, &outputs.parquet)?;
        write::write(read, job, outputs)
    };
    match surviving(unread, written) {
        Ok(converted) => Outcome::Converted(Box::new(converted)),
        Err(told) => Outcome::Held(told),
    }
}

/// Looks at a workbook and writes nothing.
pub fn inspect(job: &Job, parts: &Parts) -> Inspection {
    let inspected = || {
        let (kind, raw) = open(parts)?;
        let mut reading = Reading::of(job, parts, kind, raw)?;
        let rows = first_rows(&mut reading, job)?;
        Ok(Inspection { report: reading.report(), rows, obstacle: None })
    };
    surviving(unread, inspected).unwrap_or_else(|told| Inspection::nothing(Outcome::Held(told)))
}

fn open(parts: &Parts) -> Result<(Kind, Seekable), Diagnostic> {
    let book = parts.tables.first().map(|part| part.content.seekable());
    let raw = book.unwrap_or_else(|| Err(std::io::ErrorKind::NotFound.into()));
    let raw = raw.map_err(|e| unreadable(&e))?;
    Ok((Kind::of(raw.clone())?, raw))
}

fn first_rows(reading: &mut Reading, job: &Job) -> Result<Vec<Vec<Option<String>>>, Diagnostic> {
    let mut rows = Vec::new();
    let Reading { book, table, .. } = reading;
    for sheet in table.sheets.iter().filter(|sheet| sheet.taken) {
        let targets = table.targets(sheet);
        let width = table.plan.columns.len();
        book.rows(&sheet.sheet.name, &job.limits, &mut |row: &Row<'_>| {
            if rows.len() < INSPECTED_ROWS && sheet.survey.is_data(row) {
                let mut texts = vec![None; width];
                for (place, value) in &row.cells {
                    let target = targets.get(*place as usize).copied().flatten();
                    if let Some(text) = target.and_then(|at| texts.get_mut(at)) {
                        *text = Some(value.text().into_owned());
                    }
                }
                rows.push(texts);
            }
            Ok(())
        })?;
    }
    Ok(rows)
}

/// A workbook whose reader panics: calamine does, on numbers that its counters do not hold.
fn unread() -> Diagnostic {
    let told = Diagnostic::error(Code::C106, "the workbook could not be read");
    told.hint("Save it anew with Excel or LibreOffice.")
}

fn damaged(error: &(dyn std::error::Error + 'static)) -> Diagnostic {
    Diagnostic::error(Code::C106, "the workbook could not be read").caused_by(error)
}
