//! The rows of a delimited text: what every pass over it sees, in the same way.
//!
//! Each record after the header is a row, a reject or skipped by a rule; nothing is passed over in
//! silence. Skipped are blank lines, lines before the header, comments and footers that the feed
//! declares, records that repeat the header, and footers that are plain (`footer`). A contract's
//! judge sees every row here, so that all passes hear the same of it.

use std::collections::VecDeque;

use super::dialect::{Dialect, Preamble};
use super::footer;
use super::record::{Broken, Found, Record};
use super::records::{Error as ReadError, Records};
use super::widths::Widths;
use crate::config::ShortLines;
use crate::convert::Job;
use crate::convert::contract::{Cell, Facts, Judge, Keys, TooMany};
use crate::convert::table::Reject;
use crate::convert::text::{Source, damage};
use crate::diagnostic::Code;

/// Bytes kept of a line that is skipped.
const SKIPPED_BYTES: usize = 200;

/// What comes next.
#[derive(Debug)]
pub enum Row<'r> {
    /// A record that fits the header.
    Data {
        /// Its number among the records after the header, from 1.
        number: u64,
        /// Its fields.
        record: Record<'r>,
    },
    /// A record that does not.
    Reject(Reject),
    /// A line or record that is not of the table.
    Skipped(Skipped),
    /// A record that may be a footer; what it is comes later.
    Aside,
    /// Nothing more.
    End,
}

/// A line or record that is left out by a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Skipped {
    /// A blank line.
    Blank,
    /// A comment: its beginning.
    Comment(String),
    /// A record after the table: its beginning.
    Footer(String),
    /// The header once more, on this line.
    RepeatedHeader(u64),
}

/// Why the rows cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Reading ended early.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The header has text after a closing quote.
    #[error("the header on line {0} has ambiguous quotes")]
    BrokenHeader(u64),
    /// The contract asks for more than can be told.
    #[error(transparent)]
    Keys(#[from] TooMany),
    /// The header has a byte that is not valid.
    #[error("the header on line {0} has a byte that is not valid")]
    DamagedHeader(u64),
}

/// The rows of a text, after its header.
pub struct Rows<S> {
    records: Records<S>,
    /// Headers as sent; all empty when there is no header.
    pub headers: Vec<String>,
    /// The columns' published names.
    pub names: Vec<String>,
    /// Lines before the header that are not of the table, each cut to 200 bytes.
    pub preamble: Vec<String>,
    /// Blank lines before the header.
    pub blank_before: u64,
    /// Comments before the header.
    pub comments_before: Vec<String>,
    has_header: bool,
    /// Characters of a line of fixed-width text; else 0.
    characters: u64,
    marks_damage: bool,
    number: u64,
    judge: Option<Judge>,
    /// The number of the last record that is no declared footer.
    last: u64,
    /// What may be footers, until something follows.
    footers: VecDeque<Reject>,
    /// Rejects that are to come before anything is read.
    due: VecDeque<Reject>,
}

impl<S: Source> Rows<S> {
    /// Reads up to the first row.
    ///
    /// # Errors
    /// When the text cannot be read or the header's quotes are ambiguous.
    pub fn open(source: S, dialect: &Dialect, job: &Job) -> Result<Self, Error> {
        let fixed = dialect.fixed.as_slice();
        let short_lines = job.format.short_lines.unwrap_or(ShortLines::Reject);
        let widths = (!fixed.is_empty()).then(|| Widths::of(fixed, short_lines));
        let records = Records::new(source, dialect.syntax, &job.limits).in_widths(widths);
        let mut rows = Self {
            marks_damage: records.marks_damage(),
            records,
            headers: match fixed {
                [] => vec![String::new(); dialect.columns],
                fixed => fixed.iter().map(|column| column.name.clone()).collect(),
            },
            characters: fixed.iter().map(|column| u64::from(column.width)).sum(),
            names: Vec::new(),
            preamble: Vec::new(),
            blank_before: 0,
            comments_before: Vec::new(),
            has_header: dialect.header.is_present,
            number: 0,
            judge: None,
            last: u64::MAX,
            footers: VecDeque::new(),
            due: VecDeque::new(),
        };
        rows.pass_preamble(dialect)?;
        if rows.has_header {
            rows.read_header()?;
        }
        rows.names = job.published(&rows.headers);
        let contract = job.contract.as_ref();
        rows.judge = contract.map(|contract| Judge::new(contract, &rows.names, &job.limits));
        Ok(rows)
    }

    /// Counts records from after this one: those of other texts of the same table.
    pub fn after(mut self, number: u64) -> Self {
        self.number = number;
        self
    }

    /// Takes records after so many for footers.
    pub fn ending_after(mut self, records: u64) -> Self {
        self.last = self.number.saturating_add(records);
        self
    }

    fn pass_preamble(&mut self, dialect: &Dialect) -> Result<(), Error> {
        let comment = dialect.syntax.comment.map(char::from);
        let mut lines = 0;
        let is_to_pass = |lines: u32, filled: usize| match dialect.preamble {
            Preamble::Lines(count) => lines < count,
            Preamble::Filled(count) => filled < count,
        };
        while is_to_pass(lines, self.preamble.len()) {
            let Some(line) = self.records.line()? else { break };
            lines += 1;
            match line {
                "" => self.blank_before += 1,
                raw if comment.is_some_and(|c| raw.starts_with(c)) => {
                    self.comments_before.push(beginning(raw, SKIPPED_BYTES));
                }
                raw => self.preamble.push(beginning(raw, SKIPPED_BYTES)),
            }
        }
        Ok(())
    }

    /// Where the next record begins: its byte in the file, and its line.
    pub fn place(&self) -> (u64, u64) {
        self.records.place()
    }

    fn read_header(&mut self) -> Result<(), Error> {
        loop {
            match self.records.next()? {
                Found::Record(record) if self.marks_damage && damage::is_in(record.raw()) => {
                    return Err(Error::DamagedHeader(record.line));
                }
                Found::Record(record) => {
                    self.headers = record.fields().map(|(text, _)| text.into_owned()).collect();
                    return Ok(());
                }
                Found::Broken(broken) => return Err(Error::BrokenHeader(broken.line)),
                Found::Comment(line) => {
                    self.comments_before.push(beginning(line, SKIPPED_BYTES));
                }
                Found::Blank => self.blank_before += 1,
                Found::End => return Ok(()),
            }
        }
    }

    /// Lets a contract's judge know the keys of other texts of the same table.
    pub fn after_keys(mut self, keys: Keys) -> Self {
        self.judge = self.judge.map(|judge| judge.after(keys));
        self
    }

    /// What a contract's judge saw of the declared columns, and the keys; nothing without a contract.
    pub fn take_judged(&mut self) -> (Facts, Keys) {
        self.judge.take().map(Judge::end_of_part).unwrap_or_default()
    }

    /// Reads on.
    ///
    /// # Errors
    /// When the text cannot be read further.
    pub fn next(&mut self) -> Result<Row<'_>, Error> {
        if let Some(reject) = self.due.pop_front() {
            return Ok(Row::Reject(reject));
        }
        let number = self.number + 1;
        let reject = match self.records.next()? {
            Found::End => {
                let footer = self.footers.pop_front();
                let skipped = footer.map(|f| Skipped::Footer(beginning(&f.raw, SKIPPED_BYTES)));
                return Ok(skipped.map_or(Row::End, Row::Skipped));
            }
            Found::Blank => return Ok(Row::Skipped(Skipped::Blank)),
            Found::Comment(line) => {
                let raw = beginning(line, SKIPPED_BYTES);
                return Ok(Row::Skipped(Skipped::Comment(raw)));
            }
            Found::Record(record) if number > self.last => {
                self.number = number;
                let raw = beginning(record.raw(), SKIPPED_BYTES);
                return Ok(Row::Skipped(Skipped::Footer(raw)));
            }
            Found::Broken(broken) if number > self.last => {
                self.number = number;
                let raw = beginning(broken.raw, SKIPPED_BYTES);
                return Ok(Row::Skipped(Skipped::Footer(raw)));
            }
            Found::Record(record) if self.marks_damage && damage::is_in(record.raw()) => {
                damaged(&record, number)
            }
            Found::Record(record) if record.len() == self.headers.len() => {
                // What looked like footers was followed by more of the table.
                self.due.append(&mut self.footers);
                if self.has_header && repeats(&record, &self.headers) {
                    return Ok(Row::Skipped(Skipped::RepeatedHeader(record.line)));
                }
                self.number = number;
                return Ok(match judged(self.judge.as_mut(), number, &record)? {
                    Some(reject) => Row::Reject(reject),
                    None => Row::Data { number, record },
                });
            }
            Found::Record(record) if self.characters > 0 => {
                let reason = format!(
                    "it has {} characters, its columns take {}",
                    record.raw().chars().count(),
                    self.characters
                );
                ragged(&record, number, reason)
            }
            Found::Record(record) => {
                let (fields, width) = (record.len(), self.headers.len());
                let reason = format!("it has {fields} fields, the header has {width}");
                let reject = ragged(&record, number, reason);
                let may_be_footer = footer::is_plain(record.raw(), record.len());
                if may_be_footer && self.footers.len() < footer::RECORDS_MAX {
                    self.number = number;
                    self.footers.push_back(reject);
                    return Ok(Row::Aside);
                }
                reject
            }
            Found::Broken(broken) => ambiguous(&broken, number, &self.names),
        };
        self.number = number;
        self.due.append(&mut self.footers);
        self.due.push_back(reject);
        Ok(self.due.pop_front().map_or(Row::End, Row::Reject))
    }
}

/// Whether a record of several fields is the header once more.
fn repeats(record: &Record<'_>, headers: &[String]) -> bool {
    record.len() > 1 && record.fields().zip(headers).all(|((text, _), header)| text == *header)
}

fn ragged(record: &Record<'_>, number: u64, reason: String) -> Reject {
    Reject {
        record: number,
        line: record.line,
        sheet: None,
        byte_offset: record.byte_offset,
        column: None,
        code: Code::C103,
        reason,
        raw: record.raw().to_owned(),
    }
}

fn damaged(record: &Record<'_>, number: u64) -> Reject {
    Reject {
        record: number,
        line: record.line,
        sheet: None,
        byte_offset: record.byte_offset,
        column: None,
        code: Code::C102,
        reason: "it has a byte that is not valid UTF-8".to_owned(),
        raw: damage::shown(record.raw()),
    }
}

fn ambiguous(broken: &Broken<'_>, number: u64, names: &[String]) -> Reject {
    let column = broken.field.and_then(|field| names.get(field));
    let reason = match broken.field {
        Some(field) => format!("field {} has text after its closing quote", field + 1),
        None => "it has a stray quote soon after a line with ambiguous quotes".to_owned(),
    };
    Reject {
        record: number,
        line: broken.line,
        sheet: None,
        byte_offset: broken.byte_offset,
        column: column.cloned(),
        code: Code::C113,
        reason,
        raw: damage::shown(broken.raw),
    }
}

/// What a contract's judge says of a record; `None` when it fits.
fn judged(
    judge: Option<&mut Judge>,
    number: u64,
    record: &Record<'_>,
) -> Result<Option<Reject>, TooMany> {
    let Some(judge) = judge else { return Ok(None) };
    for (at, (text, quoted)) in record.fields().enumerate() {
        judge.cell(at, &Cell::field(&text, quoted));
    }
    let fault = judge.end(record.line)?;
    Ok(fault.map(|fault| Reject {
        record: number,
        line: record.line,
        sheet: None,
        byte_offset: record.byte_offset,
        column: fault.column,
        code: fault.code,
        reason: fault.reason,
        raw: record.raw().to_owned(),
    }))
}

/// The beginning of a text, at most so many bytes.
pub fn beginning(text: &str, bytes_max: usize) -> String {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or(text).to_owned()
}
