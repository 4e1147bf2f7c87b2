//! Rows into Parquet.

use super::ahead::Draft;
use super::judged::{Judging, cell};
use super::reading::Reading;
use super::row::Row;
use super::value::{self, Value};
use crate::convert::contract::Rules;
use crate::convert::infer::printer;
use crate::convert::sticky::Plan;
use crate::convert::table::{
    ColumnBuilder, Error, NotCanonical, Origin, RejectsWriter, Sheets, TableInfo, TableWriter,
    Typed, emptied,
};
use crate::convert::{Converted, Job, Outputs, Written, balance, unreadable};
use crate::diagnostic::Diagnostic;
use crate::schema::ColumnType;

/// Cells of a batch; with many columns a batch has fewer rows.
const BATCH_CELLS: usize = 1 << 18;
const BATCH_ROWS_MIN: usize = 16;
const BATCH_ROWS_MAX: usize = 8192;
/// Bytes of text after which a batch is written early.
const BATCH_TEXT_BYTES: usize = 8 << 20;

/// Writes a workbook's table, if it is not drafted already.
///
/// # Errors
/// Why it is held.
pub(super) fn write(
    (mut reading, draft): (Reading, Option<Draft>),
    job: &Job,
    outputs: Outputs,
) -> Result<Converted, Diagnostic> {
    let failed = |error: Error| error.diagnostic();
    let (columns, dialect) = (reading.table.table_columns(), reading.dialect());
    let info = TableInfo { job, columns: &columns, sheets: Sheets::Yes, dialect: &dialect };
    let (parquet, rejects) = match draft {
        Some(draft) => (draft.batches.finish(&info).map_err(failed)?, None),
        None => again(&mut reading, &info, outputs)?,
    };
    let report = reading.report();
    balance(&report, &parquet, rejects.as_ref())?;
    let plan = reading.table.plan;
    Ok(Converted {
        report,
        parquet,
        rejects,
        version: plan.version,
        learned: plan.learned,
        opens_version: plan.opens_version,
        drift: plan.drift,
    })
}

/// Reads the taken sheets once more and writes their rows.
fn again(
    reading: &mut Reading,
    info: &TableInfo<'_>,
    outputs: Outputs,
) -> Result<(Written, Option<Written>), Diagnostic> {
    let failed = |error: Error| error.diagnostic();
    let job = info.job;
    let out = emptied(&outputs.parquet).map_err(|error| unreadable(&error))?;
    let table = TableWriter::create(out, info).map_err(failed)?;
    let mut batches = Batches::new(table, &reading.table.plan, job);
    let mut rejects = RejectsWriter::new(outputs.rejects, job, Sheets::Yes);
    let mut judging = reading.judging(job);
    let Reading { book, table, .. } = reading;
    for sheet in table.sheets.iter().filter(|sheet| sheet.taken) {
        let (targets, sources) = (table.targets(sheet), table.sources(sheet));
        let mut take = |row: &Row<'_>| {
            if !sheet.survey.is_data(row) {
                return Ok(());
            }
            let judged =
                judging.as_mut().map(|judging: &mut Judging| judging.row(row, sheet, &sources));
            match judged.transpose()?.flatten() {
                Some(reject) => {
                    batches.record += 1;
                    rejects.push(reject).map_err(failed)
                }
                None => batches.row(row, &sheet.sheet.name, &targets).map_err(failed),
            }
        };
        book.rows(&sheet.sheet.name, &job.limits, &mut take)?;
        batches.flush().map_err(failed)?;
    }
    let parquet = batches.finish(info).map_err(failed)?;
    Ok((parquet, rejects.finish().map_err(failed)?))
}

/// Rows on their way, in batches that begin anew with every sheet.
pub(super) struct Batches {
    table: TableWriter,
    columns: Vec<(ColumnType, ColumnBuilder)>,
    /// How values of declared columns are read.
    rules: Option<Rules>,
    /// For each column, the rows of this batch it has a value or null for.
    filled: Vec<usize>,
    origin: Origin,
    record: i64,
    text_bytes: usize,
    rows_max: usize,
}

impl Batches {
    /// Of a table whose rows are these columns.
    pub(super) fn new(table: TableWriter, plan: &Plan, job: &Job) -> Self {
        let kinds: Vec<_> = plan.columns.iter().map(|planned| planned.column.kind).collect();
        let names: Vec<_> = plan.columns.iter().map(|p| p.column.name.clone()).collect();
        let rows_max = BATCH_CELLS / kinds.len().max(1);
        Self {
            table,
            columns: kinds.iter().map(|kind| (*kind, ColumnBuilder::new(*kind))).collect(),
            rules: job.contract.as_ref().map(|contract| Rules::bind(contract, &names)),
            filled: vec![0; kinds.len()],
            origin: Origin::default(),
            record: 0,
            text_bytes: 0,
            rows_max: rows_max.clamp(BATCH_ROWS_MIN, BATCH_ROWS_MAX),
        }
    }

    /// Takes a row of a sheet whose places go to these columns.
    ///
    /// # Errors
    /// A value does not fit its column, or the table cannot be written.
    pub(super) fn row(
        &mut self,
        row: &Row<'_>,
        sheet: &str,
        targets: &[Option<usize>],
    ) -> Result<(), Error> {
        if self.origin.sheet.as_deref() != Some(sheet) {
            self.origin.sheet = Some(sheet.to_owned());
        }
        self.record += 1;
        self.origin.records.push(self.record);
        self.origin.lines.push(row.number.into());
        let rows = self.origin.records.len();
        for (place, value) in &row.cells {
            let target = targets.get(*place as usize).copied().flatten();
            self.value(target, value)?;
        }
        self.fill(rows);
        if rows >= self.rows_max || self.text_bytes >= BATCH_TEXT_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn value(&mut self, target: Option<usize>, value: &Value<'_>) -> Result<(), NotCanonical> {
        let at = target.ok_or(NotCanonical)?;
        let (kind, column) = self.columns.get_mut(at).ok_or(NotCanonical)?;
        match self.rules.as_ref().and_then(|rules| rules.column(at)) {
            Some(rule) => rule.push(&cell(value), column)?,
            None => push(column, *kind, value)?,
        }
        if let Value::Text(text) = value {
            self.text_bytes += text.len();
        }
        *self.filled.get_mut(at).ok_or(NotCanonical)? += 1;
        Ok(())
    }

    /// Gives every column that the row did not have a null.
    fn fill(&mut self, rows: usize) {
        for ((_, column), filled) in self.columns.iter_mut().zip(&mut self.filled) {
            if *filled < rows {
                column.push_null();
                *filled += 1;
            }
        }
    }

    /// Writes what there is.
    fn flush(&mut self) -> Result<(), Error> {
        if self.origin.records.is_empty() {
            return Ok(());
        }
        let origin = std::mem::take(&mut self.origin);
        self.filled.fill(0);
        self.text_bytes = 0;
        let arrays = self.columns.iter_mut().map(|(_, column)| column.finish()).collect();
        self.table.write(arrays, origin)
    }

    /// Writes the rest and ends the table; what it is made from is known by now.
    ///
    /// # Errors
    /// The table cannot be written.
    pub(super) fn finish(mut self, info: &TableInfo<'_>) -> Result<Written, Error> {
        self.flush()?;
        self.table.describe(info);
        self.table.finish()
    }
}

/// Adds a value to a column of a type that it fits.
fn push(
    column: &mut ColumnBuilder,
    kind: ColumnType,
    value: &Value<'_>,
) -> Result<(), NotCanonical> {
    let typed = match (kind, value) {
        (ColumnType::Text | ColumnType::Empty, Value::Text(text)) => {
            return column.push(text, true);
        }
        (ColumnType::Text | ColumnType::Empty, value) => return column.push(&value.text(), true),
        (_, Value::Text(text)) if text.is_empty() => {
            column.push_null();
            return Ok(());
        }
        (ColumnType::Decimal { .. }, Value::Number { value, .. }) => {
            return column.push(&printer::number_text(*value), false);
        }
        (ColumnType::Int64, Value::Number { value, .. }) => {
            Typed::Int64(value::whole(*value).ok_or(NotCanonical)?)
        }
        (_, Value::Number { value, .. }) => Typed::Double(*value),
        (_, Value::Bool(value)) => Typed::Bool(*value),
        (ColumnType::Timestamp { .. }, Value::Date(days)) => {
            Typed::Timestamp(i64::from(*days) * value::DAY_MICROS)
        }
        (_, Value::Date(days)) => Typed::Date(*days),
        (_, Value::Moment(micros)) => Typed::Timestamp(*micros),
        (_, Value::Text(_)) => return Err(NotCanonical),
    };
    column.push_typed(typed)
}
