//! The first pass over a sheet: where its table is and what its columns hold.

use super::column::{Place, Seen};
use super::header::{Expected, Header, ROWS_LOOKED_AT};
use super::row::Row;

/// Tables with a bounding box of fewer cells are never too sparse.
const SPARSE_CELLS_MIN: u64 = 1_000_000;
/// A larger table has at least one value in so many cells.
const SPARSE_RATIO_MAX: u64 = 200;

/// What was found in a sheet.
#[derive(Debug, Clone)]
pub(super) struct Survey {
    sheet: usize,
    /// The first rows, until the header is known.
    head: Option<Vec<Row<'static>>>,
    /// Where the table's rows begin and what its header says.
    pub(super) header: Header,
    /// The header's row, from 1; 0 where there is none.
    pub(super) header_row: u32,
    /// Rows with values above the header.
    pub(super) preamble: u64,
    /// Rows with values below the header, without repeated headers.
    pub(super) rows: u64,
    /// Rows without a value between those with values.
    pub(super) blank: u64,
    /// Rows that repeat the header.
    pub(super) repeated: u64,
    /// What each column holds, by its place in the sheet.
    seen: Vec<Option<Seen>>,
    last_row: u32,
    values: u64,
}

/// A column of a sheet's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SheetColumn {
    /// Its place in the sheet, from 0.
    pub(super) place: u32,
    /// Its header as sent; empty when it has none.
    pub(super) header: String,
    /// Its published name.
    pub(super) name: String,
    /// What it holds.
    pub(super) seen: Seen,
}

impl Survey {
    /// Of the sheet that has this number in the workbook.
    pub(super) fn new(sheet: usize) -> Self {
        Self {
            sheet,
            head: Some(Vec::new()),
            header: Header::NotFound,
            header_row: 0,
            preamble: 0,
            rows: 0,
            blank: 0,
            repeated: 0,
            seen: Vec::new(),
            last_row: 0,
            values: 0,
        }
    }

    /// Takes the next row.
    pub(super) fn row(&mut self, row: &Row<'_>, expected: &Expected) {
        match &mut self.head {
            Some(head) if head.len() < ROWS_LOOKED_AT => head.push(row.to_owned()),
            Some(_) => {
                self.begin(expected);
                self.data(row);
            }
            None => self.data(row),
        }
    }

    /// Ends the sheet; gives its table's columns.
    pub(super) fn finish(&mut self, expected: &Expected) -> Vec<SheetColumn> {
        self.begin(expected);
        let named: &[(u32, String)] = match &self.header {
            Header::Row(_, named) => named,
            Header::Absent | Header::NotFound => &[],
        };
        let mut columns: Vec<_> = named
            .iter()
            .filter(|(place, _)| !self.has_values(*place))
            .map(|(place, header)| (*place, header.clone(), Seen::default()))
            .collect();
        for (place, seen) in (0..).zip(&mut self.seen) {
            if let Some(seen) = seen.take() {
                let header = named.iter().find(|(of, _)| *of == place);
                columns.push((place, header.map_or_else(String::new, |(_, h)| h.clone()), seen));
            }
        }
        columns.sort_by_key(|(place, ..)| *place);
        let rows = self.rows;
        let texts: Vec<_> = columns.iter().map(|(_, header, _)| header.as_str()).collect();
        let names = expected.published(&texts);
        let named = columns.into_iter().zip(names).map(|((place, header, mut seen), name)| {
            seen.miss(rows - seen.cells());
            SheetColumn { place, header, name, seen }
        });
        named.collect()
    }

    /// Whether the table's bounding box is large and nearly empty, which no table is.
    pub(super) fn is_sparse(&self, columns: &[SheetColumn]) -> bool {
        let places = columns.iter().map(|column| column.place);
        let width = places.clone().max().unwrap_or(0) - places.min().unwrap_or(0);
        let height = self.last_row.saturating_sub(self.header_row);
        let box_cells = u64::from(height).saturating_mul(u64::from(width) + 1);
        box_cells >= SPARSE_CELLS_MIN && self.values.saturating_mul(SPARSE_RATIO_MAX) < box_cells
    }

    /// All rows of the sheet that hold values.
    pub(super) fn all_rows(&self) -> u64 {
        self.preamble + self.rows + self.repeated + u64::from(self.header_row > 0)
    }

    /// Whether a row of the table is to be taken; those above it and repeated headers are not.
    pub(super) fn is_data(&self, row: &Row<'_>) -> bool {
        match &self.header {
            Header::Row(_, header) => row.number > self.header_row && !repeats(row, header),
            Header::Absent | Header::NotFound => true,
        }
    }

    fn has_values(&self, place: u32) -> bool {
        self.seen.get(place as usize).is_some_and(Option::is_some)
    }

    fn begin(&mut self, expected: &Expected) {
        let Some(head) = self.head.take() else { return };
        self.header = expected.find(&head);
        let above = match &self.header {
            Header::Row(at, _) => at + 1,
            Header::Absent | Header::NotFound => 0,
        };
        if let Some(header) = above.checked_sub(1) {
            self.preamble = header as u64;
            self.header_row = head.get(header).map_or(0, |row| row.number);
            self.last_row = self.header_row;
        }
        for row in head.iter().skip(above) {
            self.data(row);
        }
    }

    fn data(&mut self, row: &Row<'_>) {
        let gap = u64::from(row.number.saturating_sub(self.last_row).saturating_sub(1));
        self.blank += if self.last_row == 0 { 0 } else { gap };
        self.last_row = row.number;
        self.values += row.cells.len() as u64;
        if !self.is_data(row) {
            self.repeated += 1;
            return;
        }
        self.rows += 1;
        let place = Place { sheet: self.sheet, row: row.number };
        for (column, value) in &row.cells {
            let column = *column as usize;
            if self.seen.len() <= column {
                self.seen.resize(column + 1, None);
            }
            if let Some(seen) = self.seen.get_mut(column) {
                seen.get_or_insert_default().take(value, place);
            }
        }
    }
}

fn repeats(row: &Row<'_>, header: &[(u32, String)]) -> bool {
    row.cells.len() == header.len()
        && row
            .cells
            .iter()
            .zip(header)
            .all(|((at, value), (of, text))| at == of && value.text() == text.as_str())
}
