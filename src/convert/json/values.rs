//! A JSON text cut into the values that may be records, whatever is in them.
//!
//! Only strings and brackets are looked at, without recursion, so depth costs nothing. What a value
//! is, is for its parser to say.

use crate::convert::Limits;
use crate::convert::text::{Error as TextError, Source};
use crate::convert::unreadable;
use crate::diagnostic::{Code, Diagnostic};

/// Text asked for at once.
const FILL_BYTES: usize = 1 << 20;

/// How values stand in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One a line.
    Lines,
    /// In an array.
    Array,
    /// One after the other, each over any number of lines.
    Sequence,
}

/// A value as it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'t> {
    pub(super) text: &'t str,
    /// The line it begins on, from 1.
    pub(super) line: u64,
    /// Where it begins in the file.
    pub(super) byte_offset: u64,
}

/// Where a piece lies in the window.
struct Span {
    start: usize,
    end: usize,
    /// Where reading goes on.
    next: usize,
}

/// Cuts a text.
pub(super) struct Values<S> {
    source: S,
    record_bytes: u64,
    window: String,
    at: usize,
    line: u64,
    byte_offset: u64,
    ended: bool,
    /// How the values stand.
    pub(super) form: Form,
    /// Within an array: whether a value has been there, and whether its end has.
    had_value: bool,
    is_closed: bool,
}

impl<S: Source> Values<S> {
    /// Looks how the values stand.
    pub(super) fn open(source: S, limits: &Limits) -> Result<Self, Diagnostic> {
        let mut values = Self {
            byte_offset: source.start(),
            source,
            record_bytes: limits.record_bytes,
            window: String::new(),
            at: 0,
            line: 1,
            ended: false,
            form: Form::Lines,
            had_value: false,
            is_closed: false,
        };
        values.fill(FILL_BYTES)?;
        values.form = form(&values.window);
        if values.form == Form::Array {
            values.skip_blanks()?;
            values.pass(values.at + 1);
        }
        Ok(values)
    }

    /// The next piece; `None` at the end. A blank line is an empty piece.
    pub(super) fn next(&mut self) -> Result<Option<Piece<'_>>, Diagnostic> {
        let span = match self.form {
            Form::Lines => self.next_line()?,
            Form::Array => self.next_item()?,
            Form::Sequence => self.next_value()?,
        };
        let Some(Span { start, end, next }) = span else { return Ok(None) };
        let (line, byte_offset) = (self.line, self.byte_offset);
        self.pass(next);
        let text = self.window.get(start..end).unwrap_or_default();
        Ok(Some(Piece { text, line, byte_offset }))
    }

    fn next_line(&mut self) -> Result<Option<Span>, Diagnostic> {
        loop {
            let rest = self.rest();
            let end = rest.iter().position(|byte| *byte == b'\n');
            match end {
                None if !self.ended => self.more()?,
                None if rest.is_empty() => return Ok(None),
                end => {
                    let length = end.unwrap_or(rest.len());
                    let start = self.at;
                    let next = start + length + usize::from(end.is_some());
                    return Ok(Some(Span { start, end: start + length, next }));
                }
            }
        }
    }

    fn next_item(&mut self) -> Result<Option<Span>, Diagnostic> {
        self.skip_blanks()?;
        if !self.is_closed {
            match self.rest().first() {
                Some(b']') => {
                    self.pass(self.at + 1);
                    self.is_closed = true;
                    self.skip_blanks()?;
                }
                Some(b',') if self.had_value => {
                    self.pass(self.at + 1);
                    self.skip_blanks()?;
                    match self.rest().first() {
                        Some(b']') => {
                            return Err(self.broken("a comma stands before the end of the array"));
                        }
                        Some(_) => {}
                        None => return Err(self.broken("the array is never closed")),
                    }
                }
                Some(_) if self.had_value => {
                    return Err(self.broken("a comma is missing between two records"));
                }
                Some(_) => {}
                None => return Err(self.broken("the array is never closed")),
            }
        }
        if self.is_closed {
            return match self.rest().is_empty() {
                true => Ok(None),
                false => Err(self.broken("something follows the array")),
            };
        }
        self.had_value = true;
        self.next_value()
    }

    fn next_value(&mut self) -> Result<Option<Span>, Diagnostic> {
        self.skip_blanks()?;
        loop {
            if self.rest().is_empty() && self.ended {
                return Ok(None);
            }
            match value_end(self.rest()) {
                Some(0) => return Err(self.broken("a record is expected")),
                Some(length) if length < self.rest().len() || self.ended => {
                    let (start, end) = (self.at, self.at + length);
                    return Ok(Some(Span { start, end, next: end }));
                }
                Some(_) | None if !self.ended => self.more()?,
                Some(_) | None => return Err(self.broken("a record is never closed")),
            }
        }
    }

    fn rest(&self) -> &[u8] {
        self.window.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn skip_blanks(&mut self) -> Result<(), Diagnostic> {
        loop {
            let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
            let blanks = self.rest().iter().take_while(is_blank).count();
            self.pass(self.at + blanks);
            if !self.rest().is_empty() || self.ended {
                return Ok(());
            }
            self.more()?;
        }
    }

    fn pass(&mut self, next: usize) {
        let passed = self.window.get(self.at..next).unwrap_or_default();
        self.line += passed.bytes().filter(|byte| *byte == b'\n').count() as u64;
        self.byte_offset += passed.len() as u64;
        self.at = next;
    }

    /// Gets more text, twice what the record has so far, so that looking at a long record again and
    /// again stays linear.
    fn more(&mut self) -> Result<(), Diagnostic> {
        let pending = self.rest().len();
        if pending as u64 > self.record_bytes {
            let what = format!("the record on line {} exceeds record_bytes", self.line);
            let told = Diagnostic::error(Code::C105, what).fact("line", self.line);
            return Err(told.fact("limit", "record_bytes").fact("value", self.record_bytes));
        }
        self.window.drain(..self.at);
        self.at = 0;
        self.fill(pending.max(FILL_BYTES))
    }

    fn fill(&mut self, bytes: usize) -> Result<(), Diagnostic> {
        match self.source.fill(&mut self.window, bytes) {
            Ok(more) => self.ended = !more,
            Err(TextError::Undecodable { byte_offset, encoding }) => {
                let lines = self.rest().iter().filter(|byte| **byte == b'\n').count() as u64;
                let line = self.line + lines;
                let what = format!("line {line} has a byte that is not valid {encoding}");
                let told = Diagnostic::error(Code::C102, what).fact("line", line);
                return Err(told.fact("byte offset", byte_offset));
            }
            Err(error @ TextError::Io(_)) => return Err(unreadable(&error)),
        }
        Ok(())
    }

    /// What is wrong with the text as a whole, here.
    pub(super) fn broken(&self, what: &str) -> Diagnostic {
        let told = Diagnostic::error(Code::C146, format!("on line {} {what}", self.line));
        told.fact("line", self.line).fact("byte offset", self.byte_offset)
    }
}

/// An array, or values: one a line if the first line holds a whole one.
fn form(text: &str) -> Form {
    let text = text.trim_start();
    if text.starts_with('[') {
        return Form::Array;
    }
    let Some((first, _)) = text.split_once('\n') else { return Form::Lines };
    let is_whole = value_end(first.as_bytes()).is_some();
    if is_whole { Form::Lines } else { Form::Sequence }
}

/// Where the value that begins here ends; `None` when that is not in sight.
fn value_end(text: &[u8]) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0_u64, false, false);
    for (at, byte) in text.iter().enumerate() {
        if in_string {
            match byte {
                _any if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _other => {}
            }
            if !in_string && depth == 0 {
                return Some(at + 1);
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 1 => depth -= 1,
            b'}' | b']' if depth == 1 => return Some(at + 1),
            b'}' | b']' | b',' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => return Some(at),
            _other => {}
        }
    }
    (depth == 0 && !in_string && !text.is_empty()).then_some(text.len())
}
