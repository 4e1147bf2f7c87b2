//! The second pass: rows into the table, rejects beside it.

use std::sync::Arc;

use arrow_array::{ArrayRef, new_null_array};

use super::rows::{Error as RowError, Row, Rows};
use crate::convert::sticky::Planned;
use crate::convert::table::{self, ColumnBuilder, Origin, RejectsWriter, TableWriter};
use crate::convert::text::Source;
use crate::schema::ColumnType;

/// Rows, cells and bytes of text after which a batch is written. They depend on the text alone, so
/// the same text gives the same Parquet.
const BATCH_ROWS: usize = 8192;
const BATCH_CELLS: usize = 1 << 19;
const BATCH_BYTES: usize = 8 << 20;

/// Why the table could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text could not be read a second time.
    #[error(transparent)]
    Rows(#[from] RowError),
    /// An output could not be written.
    #[error(transparent)]
    Table(#[from] table::Error),
    /// A value does not fit its column, although the first pass said so.
    #[error("line {line}: {source}")]
    Value {
        /// The line.
        line: u64,
        /// What is wrong.
        #[source]
        source: table::NotCanonical,
    },
}

/// Rows on their way into the table.
struct Batch<'p> {
    plan: &'p [Planned],
    /// One for each column of the file, in its order.
    columns: Vec<ColumnBuilder>,
    member: Option<&'p str>,
    origin: Origin,
    bytes: usize,
}

impl<'p> Batch<'p> {
    fn new(plan: &'p [Planned], width: usize) -> Self {
        let mut kinds = vec![ColumnType::Text; width];
        for planned in plan {
            if let Some(kind) = planned.source.and_then(|source| kinds.get_mut(source)) {
                *kind = planned.column.kind;
            }
        }
        let columns = kinds.into_iter().map(ColumnBuilder::new).collect();
        Self { plan, columns, member: None, origin: Origin::default(), bytes: 0 }
    }

    fn rows(&self) -> usize {
        self.origin.records.len()
    }

    fn is_full(&self) -> bool {
        let rows = self.rows();
        rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES || rows * self.plan.len() >= BATCH_CELLS
    }

    fn take(&mut self) -> (Vec<ArrayRef>, Origin) {
        let rows = self.rows();
        let arrays: Vec<_> = self.columns.iter_mut().map(ColumnBuilder::finish).collect();
        let column = |planned: &Planned| match planned.source.and_then(|at| arrays.get(at)) {
            Some(array) => Arc::clone(array),
            None => {
                let column = &planned.column;
                new_null_array(&table::column_type(column.kind, column.nested.as_ref()), rows)
            }
        };
        self.bytes = 0;
        let mut origin = std::mem::take(&mut self.origin);
        origin.sheet = self.member.map(str::to_owned);
        (self.plan.iter().map(column).collect(), origin)
    }
}

/// Writes all rows and rejects of one text; `member` names it when it is one of an archive.
///
/// # Errors
/// When the text changed under us, a limit is met, or a file cannot be written.
pub fn all<S: Source>(
    mut rows: Rows<S>,
    plan: &[Planned],
    member: Option<&str>,
    table: &mut TableWriter,
    rejects: &mut RejectsWriter,
) -> Result<(), Error> {
    let mut batch = Batch::new(plan, rows.headers.len());
    batch.member = member;
    rejects.of_member(member)?;
    loop {
        match rows.next()? {
            Row::Data { number, record } => {
                for (column, (text, quoted)) in batch.columns.iter_mut().zip(record.fields()) {
                    let pushed = column.push(&text, quoted);
                    pushed.map_err(|source| Error::Value { line: record.line, source })?;
                    batch.bytes += text.len();
                }
                batch.origin.records.push(i64::try_from(number).unwrap_or(i64::MAX));
                batch.origin.lines.push(i64::try_from(record.line).unwrap_or(i64::MAX));
            }
            Row::Reject(reject) => rejects.push(reject)?,
            Row::Skipped(_) | Row::Aside => {}
            Row::End => break,
        }
        if batch.is_full() {
            let (columns, origin) = batch.take();
            table.write(columns, origin)?;
        }
    }
    if batch.rows() > 0 {
        let (columns, origin) = batch.take();
        table.write(columns, origin)?;
    }
    Ok(())
}
