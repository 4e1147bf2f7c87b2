//! The first pass: what every column's values allow, which records are rejects, and the accounts.

use std::collections::HashMap;

use super::record::Record;
use super::rows::{Error, Row, Rows, Skipped, beginning};
use crate::convert::Limits;
use crate::convert::contract::{Facts, Keys};
use crate::convert::infer::{Evidence, Fit};
use crate::convert::table::{Reject, Tally};
use crate::convert::text::Source;
use crate::diagnostic::Code;
use crate::schema::ColumnType;

/// Rows kept to be shown.
pub const ROWS_SHOWN: usize = 10;
/// Bytes of one of their cells.
pub const CELL_BYTES_SHOWN: usize = 200;
/// Lines of each kind kept that were skipped.
const LINES_KEPT: usize = 20;

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
    /// What was skipped.
    pub skips: Skips,
    /// Rejects.
    pub rejects: Tally,
    /// What a contract's judge saw.
    pub facts: Facts,
    /// The keys of its records, for the next text of the same table.
    pub keys: Keys,
    /// The first rows as text; `None` for nothing between delimiters.
    pub first_rows: Vec<Vec<Option<String>>>,
    /// Rows with a quote that was taken as data, and the line of the first.
    pub stray_quotes: (u64, u64),
    /// What looks like the header of another table, after a blank line.
    pub second_table: Option<SecondTable>,
    /// Whether the last that came was a blank line.
    is_after_blank: bool,
}

/// A record that looks like the header of another table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecondTable {
    /// Its line.
    pub line: u64,
    /// The beginning of its text.
    pub raw: String,
    /// What was made of it.
    pub taken_for: TakenFor,
}

/// What was made of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakenFor {
    /// A row, as it has as many fields.
    Row,
    /// A reject.
    Reject,
}

/// Lines and records that were left out by a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Skips {
    /// Blank lines.
    pub blank: u64,
    /// Lines before the header.
    pub preamble: u64,
    /// Comments, and the first of them.
    pub comments: (u64, Vec<String>),
    /// Records after the table, and the first of them.
    pub footers: (u64, Vec<String>),
    /// Repeated headers, and the line of the first.
    pub repeated_headers: (u64, u64),
    /// Lines of members of the archive that are not of the table.
    pub other_members: u64,
}

impl Skips {
    /// How many by the code of their kind.
    pub fn by_code(&self) -> [(&'static str, u64); 6] {
        [
            ("blank", self.blank),
            ("preamble", self.preamble),
            ("comment", self.comments.0),
            ("footer", self.footers.0),
            ("repeated_header", self.repeated_headers.0),
            ("other_member", self.other_members),
        ]
    }

    fn take(&mut self, skipped: Skipped) {
        match skipped {
            Skipped::Blank => self.blank += 1,
            Skipped::Comment(raw) => keep(&mut self.comments, raw),
            Skipped::Footer(raw) => keep(&mut self.footers, raw),
            Skipped::RepeatedHeader(line) => {
                let (count, first) = self.repeated_headers;
                self.repeated_headers = (count + 1, if count == 0 { line } else { first });
            }
        }
    }

    fn join(&mut self, other: Self) {
        self.blank += other.blank;
        self.preamble += other.preamble;
        join_kept(&mut self.comments, other.comments);
        join_kept(&mut self.footers, other.footers);
        let ((count, first), (more, theirs)) = (self.repeated_headers, other.repeated_headers);
        self.repeated_headers = (count + more, if count == 0 { theirs } else { first });
        self.other_members += other.other_members;
    }
}

fn keep((count, lines): &mut (u64, Vec<String>), raw: String) {
    *count += 1;
    if lines.len() < LINES_KEPT {
        lines.push(raw);
    }
}

fn join_kept(ours: &mut (u64, Vec<String>), theirs: (u64, Vec<String>)) {
    ours.0 += theirs.0;
    ours.1.extend(theirs.1);
    ours.1.truncate(LINES_KEPT);
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
                Row::Reject(reject) => scan.reject(&reject),
                Row::Aside => continue,
                Row::Skipped(skipped) => {
                    scan.is_after_blank = skipped == Skipped::Blank;
                    scan.skips.take(skipped);
                    continue;
                }
                Row::End => {
                    (scan.facts, scan.keys) = rows.take_judged();
                    return Ok(scan);
                }
            }
            scan.is_after_blank = false;
        }
    }

    /// What is known before the first row.
    pub fn none<S>(rows: &Rows<S>) -> Self {
        let mut scan = Self {
            evidence: vec![Evidence::default(); rows.headers.len()],
            headers: rows.headers.clone(),
            names: rows.names.clone(),
            preamble: rows.preamble.clone(),
            rows: 0,
            skips: Skips { blank: rows.blank_before, ..Skips::default() },
            rejects: Tally::default(),
            facts: Facts::default(),
            keys: Keys::default(),
            first_rows: Vec::new(),
            stray_quotes: (0, 0),
            second_table: None,
            is_after_blank: false,
        };
        scan.skips.preamble = scan.preamble.len() as u64;
        for comment in &rows.comments_before {
            keep(&mut scan.skips.comments, comment.clone());
        }
        scan
    }

    /// The same of several texts of one table, one after the other. Columns are one by their
    /// published names, without regard to case.
    pub fn join(mut self, other: Self) -> Self {
        let places = self.names.iter().enumerate().map(|(at, name)| (name.to_lowercase(), at));
        let places: HashMap<_, _> = places.collect();
        let mut missing = vec![true; self.names.len()];
        let mut their_places = Vec::new();
        let columns = other.headers.into_iter().zip(other.names).zip(other.evidence);
        for ((header, name), mut evidence) in columns {
            let place = places.get(&name.to_lowercase()).copied();
            their_places.push(place.unwrap_or(self.names.len()));
            match place.and_then(|at| Some((at, self.evidence.get_mut(at)?))) {
                Some((at, ours)) => {
                    *ours = std::mem::take(ours).join(evidence);
                    missing.get_mut(at).map(|missing| *missing = false).unwrap_or_default();
                }
                None => {
                    evidence.miss(self.rows);
                    self.headers.push(header);
                    self.names.push(name);
                    self.evidence.push(evidence);
                }
            }
        }
        for (evidence, _) in self.evidence.iter_mut().zip(missing).filter(|(_, missing)| *missing) {
            evidence.miss(other.rows);
        }
        self.keys = other.keys;
        self.facts.join(other.facts, &their_places, (self.rows, other.rows));
        self.preamble.extend(other.preamble);
        self.preamble.truncate(LINES_KEPT);
        self.rows += other.rows;
        self.skips.join(other.skips);
        self.rejects.join(other.rejects);
        let ((count, first), (more, theirs)) = (self.stray_quotes, other.stray_quotes);
        self.stray_quotes = (count + more, if count == 0 { theirs } else { first });
        self.second_table = self.second_table.or(other.second_table);
        self
    }

    fn take(&mut self, record: &Record<'_>) {
        if self.is_after_blank && self.second_table.is_none() && self.looks_like_header(record) {
            let raw = beginning(record.raw(), CELL_BYTES_SHOWN);
            let (line, taken_for) = (record.line, TakenFor::Row);
            self.second_table = Some(SecondTable { line, raw, taken_for });
        }
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

    /// Rows and rejects.
    pub fn records(&self) -> u64 {
        self.rows + self.rejects.count
    }

    /// Whether a record stands out from those above it as a header does: words in all columns,
    /// numbers or dates above them in some.
    fn looks_like_header(&self, record: &Record<'_>) -> bool {
        let is_word = |text: &str| text.chars().next().is_some_and(char::is_alphabetic);
        let is_typed = |evidence: &Evidence| {
            !matches!(evidence.own(), ColumnType::Text | ColumnType::Bool | ColumnType::Empty)
        };
        self.rows > 0
            && record.len() > 1
            && record.fields().all(|(text, _)| is_word(&text))
            && self.evidence.iter().any(is_typed)
    }

    fn reject(&mut self, reject: &Reject) {
        if self.is_after_blank && self.second_table.is_none() && reject.code == Code::C103 {
            let raw = beginning(&reject.raw, CELL_BYTES_SHOWN);
            let (line, taken_for) = (reject.line, TakenFor::Reject);
            self.second_table = Some(SecondTable { line, raw, taken_for });
        }
        self.rejects.take(reject);
    }

    /// All records and lines seen, the header apart.
    pub fn seen(&self) -> u64 {
        self.records() + self.skipped()
    }

    /// Whether no row has any value.
    pub fn has_no_values(&self) -> bool {
        self.evidence.iter().all(|evidence| evidence.own() == ColumnType::Empty)
    }

    /// Records left out by a rule.
    pub fn skipped(&self) -> u64 {
        self.skips.by_code().iter().map(|(_, count)| count).sum()
    }

    /// Whether another table seems to follow: its header stands where values of the table were, or
    /// its records are too many rejects.
    pub fn holds_second_table(&self, limits: &Limits) -> bool {
        match self.second_table.as_ref().map(|second| second.taken_for) {
            Some(TakenFor::Row) => true,
            Some(TakenFor::Reject) => self.rejects.too_many(self.records(), limits).is_some(),
            None => false,
        }
    }
}
