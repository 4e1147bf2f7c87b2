//! Two Parquet files that were made of the same source, compared: what another conversion changes.
//!
//! Rows are matched by the number of their record (`_lf_record`), columns by name, and cells by the
//! texts that their printers give. Columns that only one of the files has are left to the reports,
//! which name them with their types.

use std::collections::BTreeMap;
use std::fs::File;

use serde::Serialize;

use super::merge::Rows;
use super::prove::Printed;
use crate::diagnostic::Diagnostic;
use crate::names::Digest;
use crate::report::{ColumnReport, Report};

/// How two files differ.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// Rows of the older file.
    pub rows_before: u64,
    /// Rows of the newer file.
    pub rows_after: u64,
    /// Rows that only the older has.
    pub rows_gone: u64,
    /// Rows that only the newer has.
    pub rows_new: u64,
    /// Cells that differ, by column.
    pub cells: BTreeMap<String, Cells>,
}

impl Compared {
    /// Whether every row and every cell is the same.
    pub fn is_same(&self) -> bool {
        self.rows_gone == 0 && self.rows_new == 0 && self.cells.is_empty()
    }
}

/// Cells of a column that differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cells {
    /// How many.
    pub count: u64,
    /// The record of the first.
    pub record: u64,
    /// Its text in the older file; `None` is null.
    pub before: Option<String>,
    /// Its text in the newer file.
    pub after: Option<String>,
}

/// One of two conversions of the same source.
#[derive(Debug)]
pub struct Side<'r> {
    /// What the converter said of it.
    pub report: &'r Report,
    /// SHA-256 of its Parquet.
    pub digest: Digest,
    /// Its Parquet.
    pub file: File,
    /// Where its rows are, when that has those of others as well.
    pub part: Option<Rows>,
}

/// How two conversions of the same source differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Difference {
    /// Not at all: the same bytes.
    None,
    /// The same columns and values in other bytes: another converter, or columns of a later revision.
    Bytes,
    /// Other columns, values or rejects.
    Parquet {
        /// Columns that are gone, new or of another type.
        columns: Vec<Retyped>,
        /// Records rejected, before and after.
        rejected: (u64, u64),
        /// Rows and cells.
        #[serde(flatten)]
        compared: Compared,
    },
}

impl Difference {
    /// Whether columns, values and rejects are the same.
    pub fn is_none(&self) -> bool {
        match self {
            Self::None | Self::Bytes => true,
            Self::Parquet { .. } => false,
        }
    }
}

/// A column that is gone, new or of another type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retyped {
    /// Its name.
    pub name: String,
    /// Its type before; `None` when it is new.
    pub before: Option<String>,
    /// Its type after; `None` when it is gone.
    pub after: Option<String>,
}

/// How the newer of two conversions differs from the older.
///
/// # Errors
/// When one of their files cannot be read.
pub fn difference(before: Side<'_>, after: Side<'_>) -> Result<Difference, Diagnostic> {
    let rejected = (before.report.rejected, after.report.rejected);
    if before.digest == after.digest && rejected.0 == rejected.1 {
        return Ok(Difference::None);
    }
    let columns = columns(&before.report.columns, &after.report.columns);
    let compared = compare((before.file, before.part), (after.file, after.part))?;
    let same = columns.is_empty() && rejected.0 == rejected.1 && compared.is_same();
    Ok(if same { Difference::Bytes } else { Difference::Parquet { columns, rejected, compared } })
}

fn columns(before: &[ColumnReport], after: &[ColumnReport]) -> Vec<Retyped> {
    let kind = |columns: &[ColumnReport], name: &str| {
        columns.iter().find(|column| column.name == name).map(|column| column.kind.clone())
    };
    let retyped = |column: &ColumnReport| Retyped {
        name: column.name.clone(),
        before: kind(before, &column.name),
        after: kind(after, &column.name),
    };
    let known = before.iter().map(retyped).filter(|column| column.before != column.after);
    let new = after.iter().map(retyped).filter(|column| column.before.is_none());
    known.chain(new).collect()
}

/// Where the rows of a conversion are.
type Place = (File, Option<Rows>);

fn compare(before: Place, after: Place) -> Result<Compared, Diagnostic> {
    let open = |(file, part)| Printed::open_part(file, part);
    let (mut before, mut after) = (open(before)?, open(after)?);
    let pairs = in_both(&before, &after);
    let mut found = Compared::default();
    let (mut old, mut new) = (before.next_record()?, after.next_record()?);
    loop {
        match (old, new) {
            (None, None) => break,
            (Some(left), Some(right)) if left == right => {
                compare_row(&before, &after, &pairs, left, &mut found);
                (old, new) = (before.next_record()?, after.next_record()?);
            }
            (Some(left), right) if right.is_none_or(|right| left < right) => {
                found.rows_gone += 1;
                old = before.next_record()?;
            }
            (_, _) => {
                found.rows_new += 1;
                new = after.next_record()?;
            }
        }
    }
    (found.rows_before, found.rows_after) = (before.rows, after.rows);
    Ok(found)
}

/// Name and places of the columns that both have.
fn in_both(before: &Printed, after: &Printed) -> Vec<(String, usize, usize)> {
    let place = |name: &str| after.columns.iter().position(|column| column.name == name);
    let columns = before.columns.iter().enumerate();
    let both =
        columns.filter_map(|(old, column)| Some((column.name.clone(), old, place(&column.name)?)));
    both.collect()
}

fn compare_row(
    before: &Printed,
    after: &Printed,
    pairs: &[(String, usize, usize)],
    record: u64,
    found: &mut Compared,
) {
    for (name, old, new) in pairs {
        let (before, after) = (before.text(*old), after.text(*new));
        if before == after {
            continue;
        }
        match found.cells.get_mut(name) {
            Some(cells) => cells.count += 1,
            None => {
                found.cells.insert(name.clone(), Cells { count: 1, record, before, after });
            }
        }
    }
}
