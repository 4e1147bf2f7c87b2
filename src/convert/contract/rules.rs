//! A contract's columns, bound to those of a file.

use std::collections::HashSet;
use std::sync::Arc;

use super::read::{self, Reading, Value};
use super::{Cell, Fault};
use crate::contract::{BadValues, Contract, DeclaredColumn, Form, Literal};
use crate::convert::table::{ColumnBuilder, NotCanonical, Typed};
use crate::diagnostic::Code;

/// Allowed values that a reason lists.
const LISTED_MAX: usize = 10;

/// What holds of each column of a file; `None` for one that the contract does not declare.
#[derive(Debug, Clone)]
pub struct Rules {
    columns: Vec<Option<Arc<Rule>>>,
}

/// What holds of one declared column. Cheap to share.
#[derive(Debug)]
pub struct Rule {
    column: DeclaredColumn,
    /// The allowed values' keys.
    allowed: Option<HashSet<Vec<u8>>>,
}

impl Rules {
    /// Binds a contract to a file's published names.
    pub fn bind(contract: &Contract, names: &[String]) -> Self {
        let bound = |name: &String| {
            let folded = name.to_lowercase();
            let column = contract.columns.iter().find(|c| c.name.to_lowercase() == folded)?;
            Some(Arc::new(Rule::new(column.clone())))
        };
        Self { columns: names.iter().map(bound).collect() }
    }

    /// What holds of a column of the file, by its place.
    pub fn column(&self, at: usize) -> Option<&Arc<Rule>> {
        self.columns.get(at)?.as_ref()
    }

    /// Every column of the file.
    pub fn columns(&self) -> impl Iterator<Item = Option<&Arc<Rule>>> {
        self.columns.iter().map(Option::as_ref)
    }
}

impl Rule {
    fn new(column: DeclaredColumn) -> Self {
        let keys = |allowed: &Vec<Literal>| allowed.iter().map(|value| key(value.into())).collect();
        Self { allowed: column.allowed.as_ref().map(keys), column }
    }

    /// The column as declared.
    pub fn column(&self) -> &DeclaredColumn {
        &self.column
    }

    /// The cell's value, by the declared form and rules.
    ///
    /// # Errors
    /// C120 and C122 to C124: why it does not fit.
    pub fn value<'t>(&self, cell: &'t Cell<'_>) -> Result<Reading<'t>, Fault> {
        let Some(reading) = read::read(&self.column, cell) else {
            let what = self.expectation();
            return Err(self.fault(Code::C120, format!("{} is not {what}", cell.shown())));
        };
        if reading.value == Value::Null {
            return Ok(reading);
        }
        self.in_range(cell, &reading.value)?;
        if let Some(pattern) = &self.column.pattern {
            let text = cell.text();
            let kept = if self.column.trim { text.trim() } else { text.as_ref() };
            if !pattern.matches(kept) {
                let why = format!("{} does not match `{}`", cell.shown(), pattern.as_str());
                return Err(self.fault(Code::C123, why));
            }
        }
        match &self.allowed {
            Some(allowed) if !allowed.contains(&key((&reading.value).into())) => {
                let why = format!("{} is not one of {}", cell.shown(), self.listed());
                Err(self.fault(Code::C124, why))
            }
            Some(_) | None => Ok(reading),
        }
    }

    /// Adds a cell to a column of the declared type. What does not fit is null: its record was a
    /// reject, or the contract asks for null.
    ///
    /// # Errors
    /// When the column is of another type.
    pub fn push(&self, cell: &Cell<'_>, to: &mut ColumnBuilder) -> Result<(), NotCanonical> {
        match self.value(cell).map(|reading| reading.value) {
            Ok(Value::Text(text)) => to.push(&text, true),
            Ok(Value::Typed(value)) => to.push_typed(value),
            Ok(Value::Null) | Err(_) => {
                to.push_null();
                Ok(())
            }
        }
    }

    /// Whether a value that does not fit becomes null.
    pub fn nulls_bad_values(&self) -> bool {
        self.column.bad_values == BadValues::NullValue
    }

    /// The fault of a column that must have a value and has none.
    pub(super) fn missing(&self) -> Fault {
        self.fault(Code::C121, "it has no value".to_owned())
    }

    fn fault(&self, code: Code, why: String) -> Fault {
        let name = &self.column.name;
        Fault { code, column: Some(name.clone()), reason: format!("`{name}`: {why}") }
    }

    fn in_range(&self, cell: &Cell<'_>, value: &Value<'_>) -> Result<(), Fault> {
        let (min, max) = (&self.column.min, &self.column.max);
        if min.is_none() && max.is_none() {
            return Ok(());
        }
        let Some(value) = literal(value) else { return Ok(()) };
        let below = min.as_ref().is_some_and(|min| value < *min);
        let above = max.as_ref().is_some_and(|max| value > *max);
        match (below, above) {
            (true, _) => Err(self.fault(Code::C122, format!("{} is below `min`", cell.shown()))),
            (_, true) => Err(self.fault(Code::C122, format!("{} is above `max`", cell.shown()))),
            (false, false) => Ok(()),
        }
    }

    /// What a value must be, in words.
    fn expectation(&self) -> String {
        let kind = self.column.form.kind();
        match &self.column.form {
            Form::Text => "text".to_owned(),
            Form::Int64(_) => kind.to_string(),
            Form::Double(marks) | Form::Decimal { marks, .. } => {
                let point = if marks.point == ',' { " with a decimal comma" } else { "" };
                format!("{kind}{point}")
            }
            Form::Date(format) => format!("a date `{}`", format.as_str()),
            Form::Timestamp { format: Some(format), .. } => {
                format!("a timestamp `{}`", format.as_str())
            }
            Form::Timestamp { format: None, utc: true } => {
                "a timestamp such as 2026-01-31T10:00:00Z".to_owned()
            }
            Form::Timestamp { format: None, utc: false } => {
                "a timestamp such as 2026-01-31T10:00:00".to_owned()
            }
            Form::Bool { yes, no } => {
                let words = yes.iter().chain(no).map(|word| format!("`{word}`"));
                words.take(LISTED_MAX).collect::<Vec<_>>().join(" or ")
            }
        }
    }

    fn listed(&self) -> String {
        let allowed = self.column.allowed.as_deref().unwrap_or_default();
        let shown = allowed.iter().take(LISTED_MAX).map(|value| match value {
            Literal::Text(text) => format!("`{}`", text.escape_debug()),
            Literal::Int64(value) => format!("`{value}`"),
            Literal::Double(value) => format!("`{value}`"),
            Literal::Bool(value) => format!("`{value}`"),
            Literal::Decimal(_) | Literal::Date(_) | Literal::Timestamp(_) => {
                "the values in the contract".to_owned()
            }
        });
        let mut shown: Vec<_> = shown.collect();
        shown.dedup();
        let more = allowed.len().saturating_sub(LISTED_MAX);
        shown.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() }
    }
}

fn literal(value: &Value<'_>) -> Option<Literal> {
    Some(match value {
        Value::Null => return None,
        Value::Text(text) => Literal::Text(text.clone().into_owned()),
        Value::Typed(Typed::Bool(value)) => Literal::Bool(*value),
        Value::Typed(Typed::Int64(value)) => Literal::Int64(*value),
        Value::Typed(Typed::Decimal(units)) => Literal::Decimal(*units),
        Value::Typed(Typed::Double(value)) => Literal::Double(*value),
        Value::Typed(Typed::Date(days)) => Literal::Date(*days),
        Value::Typed(Typed::Timestamp(micros)) => Literal::Timestamp(*micros),
    })
}

/// A value's bytes: equal for equal values of one column, whatever their spelling.
pub(super) enum Keyed<'v> {
    Text(&'v str),
    Whole(i128),
    Double(f64),
    None,
}

impl<'v> From<&'v Value<'_>> for Keyed<'v> {
    fn from(value: &'v Value<'_>) -> Self {
        match value {
            Value::Null => Self::None,
            Value::Text(text) => Self::Text(text),
            Value::Typed(Typed::Bool(value)) => Self::Whole(i128::from(*value)),
            Value::Typed(Typed::Int64(value) | Typed::Timestamp(value)) => {
                Self::Whole(i128::from(*value))
            }
            Value::Typed(Typed::Decimal(units)) => Self::Whole(*units),
            Value::Typed(Typed::Date(days)) => Self::Whole(i128::from(*days)),
            Value::Typed(Typed::Double(value)) => Self::Double(*value),
        }
    }
}

impl<'v> From<&'v Literal> for Keyed<'v> {
    fn from(value: &'v Literal) -> Self {
        match value {
            Literal::Text(text) => Self::Text(text),
            Literal::Bool(value) => Self::Whole(i128::from(*value)),
            Literal::Int64(value) | Literal::Timestamp(value) => Self::Whole(i128::from(*value)),
            Literal::Decimal(units) => Self::Whole(*units),
            Literal::Date(days) => Self::Whole(i128::from(*days)),
            Literal::Double(value) => Self::Double(*value),
        }
    }
}

pub(super) fn key(value: Keyed<'_>) -> Vec<u8> {
    match value {
        Keyed::None => Vec::new(),
        Keyed::Text(text) => text.as_bytes().to_vec(),
        Keyed::Whole(value) => value.to_le_bytes().to_vec(),
        // A negative zero is equal to zero.
        Keyed::Double(value) => (value + 0.0).to_bits().to_le_bytes().to_vec(),
    }
}
