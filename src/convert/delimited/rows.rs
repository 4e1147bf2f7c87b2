//! The rows of a delimited text: what every pass over it sees, in the same way.
//!
//! Each record after the header is a row, a reject or skipped; nothing is passed over in silence.

use super::dialect::Dialect;
use super::records::{Error as ReadError, Found, Record, Records};
use crate::convert::table::Reject;
use crate::convert::text::Source;
use crate::convert::{Limits, headers};
use crate::diagnostic::Code;

/// Bytes kept of a line before the header.
const PREAMBLE_BYTES: usize = 200;

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
    /// A blank line.
    Blank,
    /// Nothing more.
    End,
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
    number: u64,
}

impl<S: Source> Rows<S> {
    /// Reads up to the first row.
    ///
    /// # Errors
    /// When the text cannot be read or the header's quotes are ambiguous.
    pub fn open(source: S, dialect: &Dialect, limits: &Limits) -> Result<Self, Error> {
        let mut rows = Self {
            records: Records::new(source, dialect.syntax, limits),
            headers: vec![String::new(); dialect.columns],
            names: Vec::new(),
            preamble: Vec::new(),
            blank_before: 0,
            number: 0,
        };
        while rows.preamble.len() < dialect.preamble {
            match rows.records.next()? {
                Found::Record(record) => {
                    rows.preamble.push(beginning(record.raw(), PREAMBLE_BYTES))
                }
                Found::Broken(broken) => rows.preamble.push(beginning(broken.raw, PREAMBLE_BYTES)),
                Found::Blank => rows.blank_before += 1,
                Found::End => break,
            }
        }
        if dialect.header.is_present {
            rows.read_header()?;
        }
        rows.names = headers::published(&rows.headers);
        Ok(rows)
    }

    /// Where the next record begins: its byte in the file, and its line.
    pub fn place(&self) -> (u64, u64) {
        self.records.place()
    }

    fn read_header(&mut self) -> Result<(), Error> {
        loop {
            match self.records.next()? {
                Found::Record(record) => {
                    self.headers = record.fields().map(|(text, _)| text.into_owned()).collect();
                    return Ok(());
                }
                Found::Broken(broken) => return Err(Error::BrokenHeader(broken.line)),
                Found::Blank => self.blank_before += 1,
                Found::End => return Ok(()),
            }
        }
    }

    /// Reads on.
    ///
    /// # Errors
    /// When the text cannot be read further.
    pub fn next(&mut self) -> Result<Row<'_>, Error> {
        let width = self.headers.len();
        let number = self.number + 1;
        Ok(match self.records.next()? {
            Found::End => Row::End,
            Found::Blank => Row::Blank,
            Found::Record(record) if record.len() == width => {
                self.number = number;
                Row::Data { number, record }
            }
            Found::Record(record) => {
                self.number = number;
                Row::Reject(Reject {
                    record: number,
                    line: record.line,
                    byte_offset: record.byte_offset,
                    column: None,
                    code: Code::C103,
                    reason: format!("it has {} fields, the header has {width}", record.len()),
                    raw: record.raw().to_owned(),
                })
            }
            Found::Broken(broken) => {
                self.number = number;
                let column = broken.field.and_then(|field| self.names.get(field));
                let reason = match broken.field {
                    Some(field) => format!("field {} has text after its closing quote", field + 1),
                    None => {
                        "it has a stray quote soon after a line with ambiguous quotes".to_owned()
                    }
                };
                Row::Reject(Reject {
                    record: number,
                    line: broken.line,
                    byte_offset: broken.byte_offset,
                    column: column.cloned(),
                    code: Code::C113,
                    reason,
                    raw: broken.raw.to_owned(),
                })
            }
        })
    }
}

/// The beginning of a text, at most so many bytes.
pub fn beginning(text: &str, bytes_max: usize) -> String {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or(text).to_owned()
}
