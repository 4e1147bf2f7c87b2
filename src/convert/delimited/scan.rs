//! The first pass: what every column's values allow, which records are rejects, and the accounts.

use std::collections::HashMap;

use super::records::Record;
use super::rows::{Error, Row, Rows, beginning};
use crate::convert::Limits;
use crate::convert::infer::{Evidence, Fit};
use crate::convert::table::Reject;
use crate::convert::text::Source;
use crate::diagnostic::Code;
use crate::report::RejectReport;
use crate::schema::ColumnType;

/// Rejects that are told in reports.
const REJECTS_TOLD: usize = 20;
/// Rows kept to be shown.
pub const ROWS_SHOWN: usize = 10;
/// Bytes of one of their cells.
pub const CELL_BYTES_SHOWN: usize = 200;

/// What the first pass found.
#[derive(Debug)]
pub struct Scan {
    /// Headers as sent.
    pub headers: Vec<String>,
    /// Published names.
    pub names: Vec<String>,
    /// What each column's values allow.
    pub evidence: Vec<Evidence>,
    /// Lines before the header, as they stand.
    pub preamble: Vec<String>,
    /// Rows.
    pub rows: u64,
    /// Blank lines.
    pub blank: u64,
    /// Rejects.
    pub rejected: u64,
    /// Rejects by code.
    pub rejected_by_code: HashMap<Code, u64>,
    /// The first of them.
    pub first_rejects: Vec<RejectReport>,
    /// The first rows as text; `None` for nothing between delimiters.
    pub first_rows: Vec<Vec<Option<String>>>,
    /// Rows with a quote that was taken as data, and the line of the first.
    pub stray_quotes: (u64, u64),
}

impl Scan {
    /// Reads all rows.
    ///
    /// # Errors
    /// When the text cannot be read to its end.
    pub fn all<S: Source>(mut rows: Rows<S>) -> Result<Self, Error> {
        let mut scan = Self::none(&rows);
        loop {
            match rows.next()? {
                Row::Data { record, .. } => scan.take(&record),
                Row::Reject(reject) => scan.reject(reject),
                Row::Blank => scan.blank += 1,
                Row::End => return Ok(scan),
            }
        }
    }

    /// What is known before the first row.
    pub fn none<S>(rows: &Rows<S>) -> Self {
        Self {
            evidence: vec![Evidence::default(); rows.headers.len()],
            headers: rows.headers.clone(),
            names: rows.names.clone(),
            preamble: rows.preamble.clone(),
            rows: 0,
            blank: rows.blank_before,
            rejected: 0,
            rejected_by_code: HashMap::new(),
            first_rejects: Vec::new(),
            first_rows: Vec::new(),
            stray_quotes: (0, 0),
        }
    }

    fn take(&mut self, record: &Record<'_>) {
        self.rows += 1;
        for (evidence, (text, quoted)) in self.evidence.iter_mut().zip(record.fields()) {
            evidence.observe(&text, quoted, record.line);
        }
        if record.has_stray_quote {
            let (count, first) = self.stray_quotes;
            let first = if count == 0 { record.line } else { first };
            self.stray_quotes = (count + 1, first);
        }
        if self.first_rows.len() < ROWS_SHOWN {
            let is_null = |text: &str, quoted: bool| text.is_empty() && !quoted;
            let shown = record.fields().map(|(text, quoted)| {
                (!is_null(&text, quoted)).then(|| beginning(&text, CELL_BYTES_SHOWN))
            });
            self.first_rows.push(shown.collect());
        }
    }

    fn reject(&mut self, reject: Reject) {
        self.rejected += 1;
        *self.rejected_by_code.entry(reject.code).or_default() += 1;
        if self.first_rejects.len() < REJECTS_TOLD {
            self.first_rejects.push(reject.report());
        }
    }

    /// All records and lines seen, the header apart.
    pub fn seen(&self) -> u64 {
        self.rows + self.rejected + self.skipped()
    }

    /// Whether no row has any value.
    pub fn has_no_values(&self) -> bool {
        self.evidence.iter().all(|evidence| evidence.own() == ColumnType::Empty)
    }

    /// Records left out by a rule.
    pub fn skipped(&self) -> u64 {
        self.blank + self.preamble.len() as u64
    }

    /// Whether there are more rejects than may be left out of a published file.
    pub fn has_too_many_rejects(&self, limits: &Limits) -> bool {
        let records = self.rows + self.rejected;
        let share = u128::from(self.rejected) * 1_000_000;
        self.rejected > limits.rejects_max
            || share > u128::from(records) * u128::from(limits.rejects_ppm)
    }
}
