//! Rows on their way from the thread that reads them to the one that takes them: packed, so that
//! handing them over costs no allocation a cell.

use std::borrow::Cow;
use std::ops::Range;

use super::row::Row;
use super::value::Value;

/// Some rows of a sheet, in order.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// Each row's number, and where its cells end.
    rows: Vec<(u32, usize)>,
    cells: Vec<(u32, Packed)>,
    text: String,
}

#[derive(Debug, Clone)]
enum Packed {
    Plain(Value<'static>),
    Text(Range<usize>),
}

impl Block {
    /// Adds a row.
    pub(super) fn push(&mut self, row: &Row<'_>) {
        for (place, value) in &row.cells {
            let packed = match value {
                Value::Text(text) => {
                    let begin = self.text.len();
                    self.text.push_str(text);
                    Packed::Text(begin..self.text.len())
                }
                Value::Bool(value) => Packed::Plain(Value::Bool(*value)),
                Value::Number { value, decimals } => {
                    Packed::Plain(Value::Number { value: *value, decimals: *decimals })
                }
                Value::Date(days) => Packed::Plain(Value::Date(*days)),
                Value::Moment(micros) => Packed::Plain(Value::Moment(*micros)),
            };
            self.cells.push((*place, packed));
        }
        self.rows.push((row.number, self.cells.len()));
    }

    /// How much it holds: cells, and bytes of text.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.cells.len(), self.text.len())
    }

    /// Hands its rows over, in order.
    pub(super) fn for_each(&self, mut take: impl FnMut(&Row<'_>)) {
        let mut row = Row::default();
        let mut cells = self.cells.iter();
        let mut begin = 0;
        for (number, end) in &self.rows {
            row.number = *number;
            row.cells.clear();
            row.cells.extend(cells.by_ref().take(end - begin).map(|(place, packed)| {
                let value = match packed {
                    Packed::Plain(value) => value.clone(),
                    Packed::Text(range) => {
                        Value::Text(Cow::Borrowed(self.text.get(range.clone()).unwrap_or_default()))
                    }
                };
                (*place, value)
            }));
            begin = *end;
            take(&row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_out_as_they_went_in() {
        let number = Value::Number { value: 0.5, decimals: true };
        let rows = [
            Row { number: 2, cells: vec![(0, Value::Text("é".into())), (3, number)] },
            Row { number: 7, cells: vec![(1, Value::Text("".into())), (2, Value::Date(9))] },
            Row { number: 8, cells: vec![(0, Value::Moment(1)), (1, Value::Bool(true))] },
        ];
        let mut block = Block::default();
        rows.iter().for_each(|row| block.push(row));
        assert_eq!(block.size(), (6, 2));
        let mut found = Vec::new();
        block.for_each(|row| found.push(row.to_owned()));
        assert_eq!(found, rows);
    }
}
