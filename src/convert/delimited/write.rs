//! The second pass: rows into the table, rejects beside it.

use std::sync::Arc;

use arrow_array::{ArrayRef, new_null_array};

use super::record::Record;
use super::rows::{Error as RowError, Row, Rows};
use crate::contract::Contract;
use crate::convert::contract::{Cell, Keys, Rules};
use crate::convert::sticky::Planned;
use crate::convert::table::{
    self, ColumnBuilder, NotCanonical, Origin, RejectsWriter, TableWriter,
};
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

/// What rows become.
#[derive(Clone, Copy)]
pub struct Target<'p> {
    /// The columns of the table.
    pub plan: &'p [Planned],
    /// How values of declared columns are read.
    pub contract: Option<&'p Contract>,
}

/// Rows on their way into the table.
struct Batch<'p> {
    plan: &'p [Planned],
    rules: Option<Rules>,
    /// One for each column of the file, in its order.
    columns: Vec<ColumnBuilder>,
    member: Option<&'p str>,
    origin: Origin,
    bytes: usize,
}

impl<'p> Batch<'p> {
    fn new(target: Target<'p>, names: &[String]) -> Self {
        let plan = target.plan;
        let mut kinds = vec![ColumnType::Text; names.len()];
        for planned in plan {
            if let Some(kind) = planned.source.and_then(|source| kinds.get_mut(source)) {
                *kind = planned.column.kind;
            }
        }
        let columns = kinds.into_iter().map(ColumnBuilder::new).collect();
        let rules = target.contract.map(|contract| Rules::bind(contract, names));
        Self { plan, rules, columns, member: None, origin: Origin::default(), bytes: 0 }
    }

    /// Adds the fields of a row that fits.
    fn push(&mut self, record: &Record<'_>) -> Result<(), NotCanonical> {
        for (at, (column, (text, quoted))) in
            self.columns.iter_mut().zip(record.fields()).enumerate()
        {
            match self.rules.as_ref().and_then(|rules| rules.column(at)) {
                Some(rule) => rule.push(&Cell::field(&text, quoted), column)?,
                None => column.push(&text, quoted)?,
            }
            self.bytes += text.len();
        }
        Ok(())
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

/// Writes all rows and rejects of one text; `member` names it when it is one of an archive. Gives the
/// keys that a contract's judge saw, for the next text.
///
/// # Errors
/// When the text changed under us, a limit is met, or a file cannot be written.
pub fn all<S: Source>(
    mut rows: Rows<S>,
    target: Target<'_>,
    member: Option<&str>,
    (table, rejects): (&mut TableWriter, &mut RejectsWriter),
) -> Result<Keys, Error> {
    let mut batch = Batch::new(target, &rows.names);
    batch.member = member;
    rejects.of_member(member)?;
    loop {
        match rows.next()? {
            Row::Data { number, record } => {
                let pushed = batch.push(&record);
                pushed.map_err(|source| Error::Value { line: record.line, source })?;
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
    Ok(rows.take_judged().1)
}
