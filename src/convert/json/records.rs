//! The records of a JSON text: what both passes see, in the same way.

use super::node::{self, Object};
use super::values::{Form, Values};
use crate::convert::Limits;
use crate::convert::contract::Fault;
use crate::convert::table::Reject;
use crate::convert::text::TextReader;
use crate::diagnostic::{Code, Diagnostic};

/// What comes next.
pub(super) enum Row<'r> {
    /// A record.
    Data(Record<'r>),
    /// What stands where a record should.
    Reject(Reject),
    /// A blank line.
    Blank,
    /// Nothing more.
    End,
}

/// A record and where it stands.
pub(super) struct Record<'r> {
    /// Its number, from 1.
    pub(super) number: u64,
    /// The line it begins on, from 1.
    pub(super) line: u64,
    /// Where it begins in the file.
    pub(super) byte_offset: u64,
    /// Its text.
    pub(super) raw: &'r str,
    /// Its keys and values.
    pub(super) object: Object<'r>,
}

impl Record<'_> {
    /// It is left out, for this fault.
    pub(super) fn rejected(&self, fault: Fault) -> Reject {
        Reject {
            record: self.number,
            line: self.line,
            sheet: None,
            byte_offset: self.byte_offset,
            column: fault.column,
            code: fault.code,
            reason: fault.reason,
            raw: self.raw.to_owned(),
        }
    }
}

/// Reads records.
pub(super) struct Records {
    values: Values<TextReader>,
    number: u64,
    cell_bytes: u64,
}

impl Records {
    /// Reads from the start, counting from after so many.
    pub(super) fn open(
        source: TextReader,
        limits: &Limits,
        after: u64,
    ) -> Result<Self, Diagnostic> {
        let values = Values::open(source, limits)?;
        Ok(Self { values, number: after, cell_bytes: limits.cell_bytes })
    }

    /// How many there were, with those of before.
    pub(super) fn count(&self) -> u64 {
        self.number
    }

    /// How the records stand, in words.
    pub(super) fn form(&self) -> &'static str {
        match self.values.form {
            Form::Lines => "one a line",
            Form::Array => "in an array",
            Form::Sequence => "one after the other",
        }
    }

    /// Reads on.
    ///
    /// # Errors
    /// The text cannot be read further, or nobody can tell where its records are.
    pub(super) fn next(&mut self) -> Result<Row<'_>, Diagnostic> {
        let is_lines = self.values.form == Form::Lines;
        let Some(piece) = self.values.next()? else { return Ok(Row::End) };
        let text = piece.text.trim_matches([' ', '\t', '\r']);
        if text.is_empty() {
            return Ok(Row::Blank);
        }
        self.number += 1;
        let (number, line, byte_offset) = (self.number, piece.line, piece.byte_offset);
        let mut record = Record { number, line, byte_offset, raw: text, object: Object::new() };
        let wrong = match node::record(text) {
            Ok(object) => {
                check_cells(&object, self.cell_bytes, line)?;
                record.object = object;
                return Ok(Row::Data(record));
            }
            Err(wrong) => wrong,
        };
        if wrong.code == Code::C146 && !is_lines {
            let told =
                Diagnostic::error(Code::C146, format!("the record on line {line} is broken"));
            let told = told.fact("line", line).fact("byte offset", piece.byte_offset);
            return Err(told.fact("found", wrong.reason));
        }
        let fault = Fault { code: wrong.code, column: wrong.key, reason: wrong.reason };
        Ok(Row::Reject(record.rejected(fault)))
    }
}

fn check_cells(record: &Object<'_>, max: u64, line: u64) -> Result<(), Diagnostic> {
    match record.iter().find(|(_, node)| node.raw.len() as u64 > max) {
        None => Ok(()),
        Some((key, _)) => {
            let what = format!("a value on line {line} exceeds cell_bytes = {max}");
            let told = Diagnostic::error(Code::C105, what).fact("line", line);
            Err(told.fact("limit", "cell_bytes").fact("key", key))
        }
    }
}
