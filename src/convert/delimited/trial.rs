//! A sample of the text read with one syntax, and how table-like that looks.

use std::collections::HashMap;

use super::record::Found;
use super::records::Records;
use super::syntax::Syntax;
use crate::convert::Limits;
use crate::convert::text::InMemory;

/// Records looked at.
const RECORDS_MAX: usize = 1000;
/// Lines before the header that may be a preamble.
pub const PREAMBLE_MAX: usize = 20;
/// Characters that delimit fields somewhere; a cell that holds one may have been cut wrongly.
pub const DELIMITERS: [u8; 8] = [b',', b';', b'\t', b'|', b'^', b'~', 0x01, 0x1f];

/// The beginning of a text.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'t> {
    /// Its text.
    pub text: &'t str,
    /// Whether it is the whole text; otherwise its last record is cut.
    pub is_whole: bool,
}

/// A sample read with one syntax.
#[derive(Debug)]
pub struct Trial {
    /// The syntax.
    pub syntax: Syntax,
    /// The records that could be read, blank lines left out.
    pub rows: Vec<Vec<String>>,
    /// Lines whose quotes are ambiguous.
    pub broken: usize,
    cells: usize,
    plain_cells: usize,
}

impl Trial {
    /// Reads the sample.
    pub fn new(sample: Sample<'_>, syntax: Syntax) -> Self {
        // The sample is bounded; the job's limits are for the whole reading to meet.
        let limits = Limits { columns: u32::MAX, ..Limits::default() };
        let mut trial = Self { syntax, rows: Vec::new(), broken: 0, cells: 0, plain_cells: 0 };
        let mut records = Records::new(InMemory(Some(sample.text)), syntax, &limits);
        while trial.rows.len() < RECORDS_MAX {
            match records.next() {
                Ok(Found::Record(record)) => {
                    let cells = record.fields().map(|(text, _)| text.into_owned());
                    trial.rows.push(cells.collect());
                }
                Ok(Found::Broken(_)) => trial.broken += 1,
                Ok(Found::Blank | Found::Comment(_)) => {}
                Ok(Found::End) if sample.is_whole => break,
                Ok(Found::End) => {
                    // The last one is cut, unless it is all there is.
                    trial.rows.truncate(trial.rows.len().saturating_sub(1).max(1));
                    break;
                }
                // A quote that is open where the sample ends, or a record beyond the limits: what
                // follows is for the whole reading to judge.
                Err(_) => break,
            }
        }
        let cells = trial.rows.iter().flatten();
        let (cells, plain) = cells
            .fold((0, 0), |(cells, plain), cell| (cells + 1, plain + usize::from(is_plain(cell))));
        (trial.cells, trial.plain_cells) = (cells, plain);
        trial
    }

    /// How many fields most records have; among equals, as many as the first.
    pub fn width(&self) -> usize {
        let mut counts: HashMap<usize, usize> = HashMap::new();
        for row in &self.rows {
            *counts.entry(row.len()).or_default() += 1;
        }
        let first = self.rows.first().map_or(0, Vec::len);
        let most =
            counts.into_iter().max_by_key(|(width, count)| (*count, *width == first, *width));
        most.map_or(0, |(width, _)| width)
    }

    /// The share of records that have the usual width.
    pub fn consistency(&self) -> f64 {
        let width = self.width();
        self.share(|row| row.len() == width)
    }

    /// The share of records that have more than one field.
    pub fn divided(&self) -> f64 {
        self.share(|row| row.len() > 1)
    }

    fn share(&self, of: impl Fn(&Vec<String>) -> bool) -> f64 {
        let count = self.rows.iter().filter(|row| of(row)).count();
        ratio(count, self.rows.len() + self.broken)
    }

    /// How table-like it is, for comparison with other trials, 0 to 1: even records (first of all)
    /// of cells that look like values and not like pieces of records.
    pub fn score(&self) -> f64 {
        self.consistency() * (0.5 + 0.5 * ratio(self.plain_cells, self.cells))
    }

    /// How many single-field lines stand before the first record of the usual width.
    pub fn preamble(&self) -> usize {
        let width = self.width();
        let lines = self.rows.iter().take_while(|row| row.len() == 1).count();
        let follows = self.rows.get(lines).is_some_and(|row| row.len() == width);
        if width > 1 && lines <= PREAMBLE_MAX && follows { lines } else { 0 }
    }
}

fn ratio(part: usize, whole: usize) -> f64 {
    let [part, whole] =
        [part, whole].map(|count| f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// Whether a cell looks like one value: a number (decimal comma included), or words without any
/// delimiter.
fn is_plain(cell: &str) -> bool {
    let is_delimiter = |byte: u8| DELIMITERS.contains(&byte);
    !cell.bytes().any(is_delimiter) || is_comma_number(cell)
}

fn is_comma_number(cell: &str) -> bool {
    let Some((whole, fraction)) = cell.split_once(',') else { return false };
    let whole = whole.strip_prefix('-').unwrap_or(whole);
    let grouped = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    !whole.is_empty() && grouped(whole) && fraction.bytes().all(|byte| byte.is_ascii_digit())
}
