//! Rows of a sheet, put together from its stream of cells.

use super::value::Value;
use crate::convert::Limits;
use crate::diagnostic::{Code, Diagnostic};

/// A row that holds at least one value.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Row<'a> {
    /// Its number, from 1.
    pub(super) number: u32,
    /// Its values by column, from 0, in order; cells without a value are not there.
    pub(super) cells: Vec<(u32, Value<'a>)>,
}

/// Who takes rows; an error ends the reading.
pub(super) type Take<'t> = &'t mut dyn FnMut(&Row<'_>) -> Result<(), Diagnostic>;

/// Puts cells together.
pub(super) struct Assembler<'a, 't> {
    row: Row<'a>,
    text_bytes: u64,
    in_order: bool,
    limits: &'t Limits,
    take: Take<'t>,
}

impl<'a, 't> Assembler<'a, 't> {
    /// Rows go to `take` as soon as they are whole.
    pub(super) fn new(limits: &'t Limits, take: Take<'t>) -> Self {
        Self { row: Row::default(), text_bytes: 0, in_order: true, limits, take }
    }

    /// Takes the next cell; row and column from 0.
    ///
    /// # Errors
    /// A limit is met, or a row comes twice or too late: another reader might see another table.
    pub(super) fn cell(
        &mut self,
        (row, column): (u32, u32),
        value: Value<'a>,
    ) -> Result<(), Diagnostic> {
        let number = row.saturating_add(1);
        if number < self.row.number {
            return Err(damaged(format!("row {number} comes after row {}", self.row.number)));
        }
        if number > self.row.number {
            self.flush()?;
            self.row.number = number;
        }
        self.check(column, &value)?;
        self.in_order &= self.row.cells.last().is_none_or(|(last, _)| *last < column);
        self.row.cells.push((column, value));
        Ok(())
    }

    /// Hands over the last row.
    pub(super) fn finish(mut self) -> Result<(), Diagnostic> {
        self.flush()
    }

    fn flush(&mut self) -> Result<(), Diagnostic> {
        if !std::mem::replace(&mut self.in_order, true) {
            self.row.cells.sort_by_key(|(column, _)| *column);
            let twice = self.row.cells.windows(2).any(|pair| match pair {
                [(a, _), (b, _)] => a == b,
                _ => false,
            });
            if twice {
                return Err(damaged(format!("a cell of row {} is there twice", self.row.number)));
            }
        }
        if !self.row.cells.is_empty() {
            (self.take)(&self.row)?;
        }
        self.row.cells.clear();
        self.text_bytes = 0;
        Ok(())
    }

    fn check(&mut self, column: u32, value: &Value<'_>) -> Result<(), Diagnostic> {
        let (limits, row) = (self.limits, self.row.number);
        let bytes = match value {
            Value::Text(text) => text.len() as u64,
            Value::Bool(_) | Value::Number { .. } | Value::Date(_) | Value::Moment(_) => 0,
        };
        self.text_bytes += bytes;
        if column >= limits.columns {
            Err(over("more columns than a file may have", limits.columns, row))
        } else if bytes > limits.cell_bytes {
            Err(over("a cell larger than a cell may be", limits.cell_bytes, row))
        } else if self.text_bytes > limits.record_bytes {
            Err(over("a row larger than a row may be", limits.record_bytes, row))
        } else {
            Ok(())
        }
    }
}

fn over(what: &str, limit: impl std::fmt::Display, row: u32) -> Diagnostic {
    Diagnostic::error(Code::C105, format!("the workbook has {what}"))
        .fact("row", row)
        .fact("limit", limit)
}

fn damaged(how: String) -> Diagnostic {
    Diagnostic::error(Code::C106, "the workbook is damaged").fact("found", how)
}

impl Row<'_> {
    /// The row with its own copies of its texts.
    pub(super) fn to_owned(&self) -> Row<'static> {
        let own = |(column, value): &(u32, Value<'_>)| (*column, value.clone().into_owned());
        Row { number: self.number, cells: self.cells.iter().map(own).collect() }
    }

    /// How many of its values are text that is not empty.
    pub(super) fn texts(&self) -> usize {
        let is_text =
            |value: &Value<'_>| matches!(value, Value::Text(text) if !text.trim().is_empty());
        self.cells.iter().filter(|(_, value)| is_text(value)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(cells: &[(u32, u32)]) -> Result<Vec<(u32, Vec<u32>)>, Diagnostic> {
        let mut rows = Vec::new();
        let limits = Limits { columns: 100, cell_bytes: 3, ..Limits::default() };
        let mut take = |row: &Row<'_>| {
            rows.push((row.number, row.cells.iter().map(|(column, _)| *column).collect()));
            Ok(())
        };
        let mut assembler = Assembler::new(&limits, &mut take);
        for place in cells {
            assembler.cell(*place, Value::Bool(true))?;
        }
        assembler.finish()?;
        Ok(rows)
    }

    #[test]
    fn cells_become_rows() {
        let found = rows(&[(0, 0), (0, 2), (5, 1), (5, 0)]).expect("rows");
        assert_eq!(found, [(1, vec![0, 2]), (6, vec![0, 1])]);
        assert_eq!(rows(&[]).expect("none"), []);
    }

    #[test]
    fn what_two_readers_might_see_differently_is_refused() {
        for cells in [[(1, 0), (0, 0)], [(0, 0), (0, 0)]] {
            assert_eq!(rows(&cells).expect_err("refused").code, Code::C106);
        }
    }

    #[test]
    fn limits_hold() {
        assert_eq!(rows(&[(0, 100)]).expect_err("refused").code, Code::C105);
        let limits = Limits { cell_bytes: 3, ..Limits::default() };
        let mut take = |_: &Row<'_>| Ok(());
        let mut assembler = Assembler::new(&limits, &mut take);
        assert!(assembler.cell((0, 0), Value::Text("abc".into())).is_ok());
        assert!(assembler.cell((0, 1), Value::Text("abcd".into())).is_err());
    }
}
