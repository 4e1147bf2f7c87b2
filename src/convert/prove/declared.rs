//! What a contract makes of a text, to compare with what the Parquet holds.
//!
//! A value that is read by a format has two things to prove: that it is what the contract's rules make
//! of the source's text, and, where the column has a printer, that it prints that very text.

use arrow_array::ArrayRef;

use super::Printed;
use crate::contract::Form;
use crate::convert::Job;
use crate::convert::contract::{Cell, Rule, Rules};
use crate::convert::infer::Printer;
use crate::convert::table::ColumnBuilder;

/// The declared columns of a Parquet file.
pub(in crate::convert) struct Declared {
    rules: Option<Rules>,
}

impl Declared {
    /// Binds the job's contract to the columns of a Parquet file.
    pub(in crate::convert) fn new(job: &Job, printed: &Printed) -> Self {
        let names: Vec<_> = printed.columns.iter().map(|column| column.name.clone()).collect();
        let contract = job.contract.as_ref();
        Self { rules: contract.map(|contract| Rules::bind(contract, &names)) }
    }

    /// Whether a column of the Parquet's row holds what the contract reads there, and prints the
    /// source's text back if it prints anything; `None` for a column that is not declared.
    pub(in crate::convert) fn holds(
        &self,
        (printed, column): (&Printed, usize),
        cell: &Cell<'_>,
    ) -> Option<bool> {
        let rule = self.rules.as_ref()?.column(column)?;
        let (array, row) = printed.cell(column)?;
        let value = neutral(&rule.column().form).print(array, row);
        let is_exact = match printed.columns.get(column).map(|column| &column.printer) {
            Some(Printer::Source | Printer::Null) | None => true,
            Some(_) if value.is_none() => true,
            Some(printer) => printer.print(array, row).as_deref() == Some(&*cell.text()),
        };
        Some(is_exact && is_same(rule, cell, value.as_deref()))
    }
}

/// Whether a value is what the rule makes of a cell. An empty text may stand for a null, since not
/// every reader tells which it was.
fn is_same(rule: &Rule, cell: &Cell<'_>, value: Option<&str>) -> bool {
    let form = &rule.column().form;
    let mut column = ColumnBuilder::new(form.kind());
    if rule.push(cell, &mut column).is_err() {
        return false;
    }
    let expected: ArrayRef = column.finish();
    let expected = neutral(form).print(&expected, 0);
    expected.as_deref() == value
        || (cell.text().is_empty() && expected.unwrap_or_default() == value.unwrap_or_default())
}

/// A printer that tells any two values of a form apart.
fn neutral(form: &Form) -> Printer {
    match form {
        Form::Text => Printer::Text,
        Form::Int64(_) => Printer::Integer,
        Form::Decimal { scale, .. } => Printer::Decimal { scale: *scale },
        Form::Double(_) => Printer::Double,
        Form::Bool { .. } => Printer::Bool { yes: "true".to_owned(), no: "false".to_owned() },
        Form::Date(_) => Printer::Date,
        Form::Timestamp { .. } => {
            Printer::Timestamp { separator: 'T', fraction: 6, zone: String::new() }
        }
    }
}
