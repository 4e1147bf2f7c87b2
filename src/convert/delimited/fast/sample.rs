//! A look at some records, to guess what the whole text will be like.
//!
//! Records from the start of the text and from places spread over it are read by the exact reader.
//! What they allow is only a guess: the whole reading checks every value, and a wrong guess costs a
//! second reading, never a value. How a column is encoded is decided by the start alone.

use std::collections::HashSet;
use std::io;

use super::super::record::{Found, Record};
use super::super::records::Records;
use super::super::rows::beginning;
use super::super::scan::{CELL_BYTES_SHOWN, ROWS_SHOWN};
use super::super::syntax::Syntax;
use super::From;
use crate::convert::Limits;
use crate::convert::infer::{Evidence, canonical};
use crate::convert::table::Encoded;
use crate::convert::text::InMemory;
use crate::convert::unpack::{Raw, read_full};
use crate::schema::ColumnType;

/// Bytes of the look at the start, and records that are counted there.
const START_BYTES: usize = 1 << 20;
const COUNTED_ROWS: usize = 8000;
/// Bytes of each further look, and how many there are.
const LOOK_BYTES: usize = 64 << 10;
const LOOKS: u64 = 15;
/// With a larger share of distinct values a dictionary is no gain.
const DISTINCT_PERCENT: usize = 50;

/// What some records look like.
#[derive(Debug)]
pub struct Sample {
    /// What each column's values allow.
    pub evidence: Vec<Evidence>,
    /// The first rows as text; `None` for nothing between delimiters.
    pub first_rows: Vec<Vec<Option<String>>>,
    variety: Vec<Variety>,
}

/// How a column's values differ.
#[derive(Debug, Clone, Default)]
struct Variety {
    rows: usize,
    distinct: usize,
    /// Whole numbers that never fall.
    rises: bool,
}

/// What to look at.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'s> {
    /// The file.
    pub raw: &'s Raw,
    /// Its size.
    pub size_bytes: u64,
    /// Where its first record begins.
    pub start: u64,
    /// How its records are written.
    pub syntax: Syntax,
    /// How many fields they have.
    pub width: usize,
}

impl Sample {
    /// Looks at a text.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn look(subject: Subject<'_>) -> io::Result<Self> {
        let mut sample = Self {
            evidence: vec![Evidence::default(); subject.width],
            first_rows: Vec::new(),
            variety: Vec::new(),
        };
        let text_bytes = subject.size_bytes.saturating_sub(subject.start);
        let start_bytes = usize::try_from(text_bytes).unwrap_or(START_BYTES).min(START_BYTES);
        let start = read(subject.raw, subject.start, start_bytes)?;
        sample.variety = varieties(&start, subject);
        sample.take(&start, subject, ROWS_SHOWN);
        if start_bytes < START_BYTES {
            return Ok(sample);
        }
        let last = subject.size_bytes.saturating_sub(LOOK_BYTES as u64);
        for look in 1..=LOOKS {
            let text = read(subject.raw, last / LOOKS * look, LOOK_BYTES)?;
            // It begins within a record.
            let whole = text.split_once('\n').map_or("", |(_, whole)| whole);
            sample.take(whole, subject, 0);
        }
        Ok(sample)
    }

    fn take(&mut self, text: &str, subject: Subject<'_>, shown: usize) {
        each(text, subject, |record| {
            for (evidence, (value, quoted)) in self.evidence.iter_mut().zip(record.fields()) {
                evidence.observe(&value, quoted, record.line);
            }
            if self.first_rows.len() < shown {
                let cell = |(text, quoted): (std::borrow::Cow<'_, str>, bool)| {
                    let is_null = text.is_empty() && !quoted;
                    (!is_null).then(|| beginning(&text, CELL_BYTES_SHOWN))
                };
                self.first_rows.push(record.fields().map(cell).collect());
            }
        });
    }

    /// How a column that is published as `kind` is best encoded.
    pub fn encoded(&self, column: usize, kind: ColumnType) -> Encoded {
        let Some(variety) = self.variety.get(column) else { return Encoded::Dictionary };
        let delta = match kind {
            ColumnType::Int64 | ColumnType::Date | ColumnType::Timestamp { .. } => true,
            ColumnType::Decimal { precision, .. } => precision <= 18,
            ColumnType::Empty | ColumnType::Bool | ColumnType::Double | ColumnType::Text => false,
        };
        let varies = variety.distinct * 100 > variety.rows * DISTINCT_PERCENT;
        match (varies, delta) {
            (true, true) => Encoded::Delta,
            (true, false) => Encoded::Plain,
            (false, true) if variety.rises && kind == ColumnType::Int64 => Encoded::Delta,
            (false, _) => Encoded::Dictionary,
        }
    }
}

/// The text at a place of the file, as far as it is UTF-8; a place may be within a character.
fn read(raw: &Raw, at: u64, bytes: usize) -> io::Result<String> {
    let mut buffer = vec![0; bytes];
    let count = read_full(&mut From { raw, at }, &mut buffer)?;
    buffer.truncate(count);
    let cut = buffer.iter().take_while(|byte| **byte & 0xC0 == 0x80).count();
    buffer.drain(..cut);
    Ok(match String::from_utf8(buffer) {
        Ok(text) => text,
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let mut bytes = error.into_bytes();
            bytes.truncate(valid);
            String::from_utf8(bytes).unwrap_or_default()
        }
    })
}

fn each(text: &str, subject: Subject<'_>, mut take: impl FnMut(Record<'_>)) {
    let mut records = Records::new(InMemory(Some(text)), subject.syntax, &Limits::default());
    loop {
        match records.next() {
            Ok(Found::Record(record)) if record.len() == subject.width => take(record),
            // The last one may be cut short; whatever else does not fit is for the whole reading.
            Ok(Found::Record(_) | Found::Blank | Found::Comment(_) | Found::Broken(_)) => {}
            Ok(Found::End) | Err(_) => return,
        }
    }
}

fn varieties(text: &str, subject: Subject<'_>) -> Vec<Variety> {
    let mut seen = vec![HashSet::new(); subject.width];
    let mut varieties = vec![Variety { rises: true, ..Variety::default() }; subject.width];
    let mut last = vec![i64::MIN; subject.width];
    let mut rows = 0;
    each(text, subject, |record| {
        rows += 1;
        if rows > COUNTED_ROWS {
            return;
        }
        let columns = varieties.iter_mut().zip(&mut seen).zip(&mut last);
        for (((variety, seen), last), (value, _)) in columns.zip(record.fields()) {
            variety.rows += 1;
            match canonical::int(value.as_bytes()) {
                Some(int) => {
                    variety.rises &= int >= *last;
                    *last = int;
                }
                None => variety.rises &= value.is_empty(),
            }
            seen.insert(value.into_owned());
        }
    });
    for (variety, seen) in varieties.iter_mut().zip(&seen) {
        variety.distinct = seen.len();
    }
    varieties
}
