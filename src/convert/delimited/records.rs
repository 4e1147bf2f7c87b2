//! Text into records and fields, strictly.
//!
//! The grammar is RFC 4180's with the [`Syntax`]'s characters. Beyond it:
//!
//! - A quote inside a field that does not begin with one (`5" pipe`) is data: only a quote at a
//!   field's start opens quotes, so there is nothing to guess, and the text stays as it is.
//! - Text after a closing quote (`"5" pipe"`) cannot be read in one way only. The line that the
//!   record begins on becomes a reject and reading goes on at the next line, so that a quote that
//!   was never closed costs its own line and not those after it. Such a line may be the head of a
//!   broken record of several lines, whose other lines have stray quotes too: for the next
//!   [`SUSPECT_RECORDS`] records a stray quote makes a reject instead of data.
//! - A quote that is open at the end of the text is an error: no record after it can be trusted.
//! - A blank line is not a record, except in a one-column file. A line that begins as the feed says
//!   comments do is one, whatever its quotes.
//! - A last record without a record end is a record. A CR before it is part of a cut CRLF.
//!
//! Memory: one block and one record, never more than the limits allow.

#![allow(
    clippy::indexing_slicing,
    reason = "the hot loop; every index is below the window's length"
)]

use super::record::{Broken, Field, Found, Record};
use super::syntax::{Ends, Escape, Syntax};
use super::widths::{self, Widths};
use crate::convert::Limits;
use crate::convert::text::{self, Source};

/// Records after a broken one in which a stray quote makes a reject.
const SUSPECT_RECORDS: u32 = 100;
/// Text asked for at once.
const FILL_BYTES: usize = 1 << 20;

/// Why reading ended early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text could not be read; on or after this line.
    #[error("on line {line}")]
    Text {
        /// The line.
        line: u64,
        /// What the text said.
        #[source]
        source: text::Error,
    },
    /// A quoted field is not closed before the end.
    #[error("the quote on line {line} is never closed")]
    EndlessQuote {
        /// The line of the quote.
        line: u64,
    },
    /// A limit is exceeded.
    #[error("line {line} exceeds {limit} = {max}")]
    Limit {
        /// The line the record begins on.
        line: u64,
        /// The limit's name.
        limit: &'static str,
        /// Its value.
        max: u64,
        /// The line of a quote that was open then, which may be the true mistake.
        open_quote: Option<u64>,
    },
}

/// Reads records from a text.
pub struct Records<S> {
    source: S,
    syntax: Syntax,
    limits: Limits,
    window: String,
    /// Where the next record begins in the window, and its line.
    at: usize,
    line: u64,
    ended: bool,
    fields: Vec<Field>,
    /// Whether the record in `fields` has quoted fields, which alone can hold line ends.
    has_quoted: bool,
    suspect: u32,
    stops: Box<[bool; 256]>,
    /// Of fixed-width text.
    widths: Option<Widths>,
    /// Where the next record begins in the file.
    byte_offset: u64,
}

/// What one attempt to read a record came to.
enum Attempt {
    /// A record whose content ends here and whose successor begins there.
    Record { end: usize, next: usize, stray: bool },
    /// The window ends too early; a quote is open from here.
    More { open_quote: Option<usize> },
    /// Text follows a closing quote in the field that was being read.
    TextAfterQuote,
    /// Too many fields.
    TooWide,
}

/// Whether a delimiter stands at a place.
enum DelimiterAt {
    /// One of so many bytes.
    Whole(usize),
    /// The window ends within what may be one.
    Cut,
    /// None.
    No,
}

/// How the scan of one field ended.
enum FieldEnd {
    Delimiter { next: usize },
    Record { end: usize, next: usize },
    More { open_quote: Option<usize> },
    TextAfterQuote,
}

impl<S: Source> Records<S> {
    /// Reads from a source with a syntax.
    pub fn new(source: S, syntax: Syntax, limits: &Limits) -> Self {
        let mut stops = Box::new([false; 256]);
        let delimiter = syntax.delimiter.map(|delimiter| delimiter.first());
        for stop in [Some(b'\n'), delimiter].into_iter().flatten() {
            stops[usize::from(stop)] = true;
        }
        stops[usize::from(syntax.quote)] = true;
        stops[usize::from(b'\r')] = syntax.ends == Ends::Any;
        Self {
            byte_offset: source.start(),
            source,
            syntax,
            limits: limits.clone(),
            window: String::new(),
            at: 0,
            line: 1,
            ended: false,
            fields: Vec::new(),
            has_quoted: false,
            suspect: 0,
            stops,
            widths: None,
        }
    }

    /// Reads columns of so many characters, if there are any, whatever the syntax says.
    pub fn in_widths(mut self, widths: Option<Widths>) -> Self {
        self.widths = widths;
        self
    }

    /// Reads the next record.
    ///
    /// # Errors
    /// When the text cannot be read, a quote is never closed, or a limit is exceeded.
    pub fn next(&mut self) -> Result<Found<'_>, Error> {
        loop {
            if self.is_at_comment() {
                return Ok(self.line()?.map_or(Found::End, Found::Comment));
            }
            if self.widths.is_some() {
                match self.line_end() {
                    Some((_, next)) if next == self.at => return Ok(Found::End),
                    Some((end, next)) => return self.fixed(end, next),
                    None => self.more(None)?,
                }
                continue;
            }
            match self.attempt() {
                Attempt::More { open_quote } => self.more(open_quote)?,
                Attempt::TooWide => {
                    return Err(self.limit("columns", self.limits.columns.into(), None));
                }
                Attempt::TextAfterQuote => match self.line_end() {
                    Some((end, next)) => {
                        let field = self.fields.len();
                        return Ok(self.broken(end, next, Some(field)));
                    }
                    None => self.more(None)?,
                },
                Attempt::Record { end, next, stray } => {
                    if next == self.at {
                        return Ok(Found::End);
                    }
                    if stray && self.suspect > 0 {
                        return Ok(self.broken(end, next, None));
                    }
                    return self.record(end, next, stray);
                }
            }
        }
    }

    /// Whether bytes that are not valid stand in the text as marks.
    pub fn marks_damage(&self) -> bool {
        self.source.marks_damage()
    }

    /// Reads the next line, whatever its delimiters and quotes; without its end. `None` at the end.
    ///
    /// # Errors
    /// When the text cannot be read or a limit is exceeded.
    pub fn line(&mut self) -> Result<Option<&str>, Error> {
        loop {
            let is_at_end = self.at == self.window.len();
            match self.line_end() {
                Some(_) if is_at_end && self.ended => return Ok(None),
                Some((end, next)) => {
                    let start = self.at;
                    self.has_quoted = false;
                    self.pass(next);
                    return Ok(self.window.get(start..end));
                }
                None => self.more(None)?,
            }
        }
    }

    fn is_at_comment(&self) -> bool {
        let first = self.window.as_bytes().get(self.at);
        self.syntax.comment.is_some() && first == self.syntax.comment.as_ref()
    }

    /// Where the next record begins: its byte in the file, and its line.
    pub fn place(&self) -> (u64, u64) {
        (self.byte_offset, self.line)
    }

    fn fixed(&mut self, end: usize, next: usize) -> Result<Found<'_>, Error> {
        self.has_quoted = false;
        let line = &self.window[self.at..end];
        if let Some(widths) = &self.widths {
            widths::divide(line, self.at, widths, &mut self.fields);
        }
        self.record(end, next, false)
    }

    fn record(&mut self, end: usize, next: usize, stray: bool) -> Result<Found<'_>, Error> {
        let (start, line, byte_offset) = (self.at, self.line, self.byte_offset);
        self.check_size(end - start)?;
        self.pass(next);
        self.suspect = self.suspect.saturating_sub(1);
        if start == end && (self.syntax.delimiter.is_some() || self.widths.is_some()) {
            return Ok(Found::Blank);
        }
        Ok(Found::Record(Record {
            text: &self.window,
            fields: &self.fields,
            span: (start, end),
            syntax: self.syntax,
            line,
            byte_offset,
            has_stray_quote: stray,
        }))
    }

    fn broken(&mut self, end: usize, next: usize, field: Option<usize>) -> Found<'_> {
        let (start, line, byte_offset) = (self.at, self.line, self.byte_offset);
        self.pass(next);
        self.suspect = SUSPECT_RECORDS;
        let raw = self.window.get(start..end).unwrap_or_default();
        Found::Broken(Broken { raw, line, byte_offset, field })
    }

    /// Goes on to the text at `next`, counting lines.
    fn pass(&mut self, next: usize) {
        let passed = self.window.get(self.at..next).unwrap_or_default();
        self.line += match self.has_quoted {
            true => line_ends(passed.as_bytes(), self.syntax.ends),
            false => 1,
        };
        self.byte_offset += self.source.source_bytes(passed);
        self.at = next;
    }

    fn check_size(&self, record_bytes: usize) -> Result<(), Error> {
        if record_bytes as u64 > self.limits.record_bytes {
            return Err(self.limit("record_bytes", self.limits.record_bytes, None));
        }
        if record_bytes as u64 <= self.limits.cell_bytes {
            return Ok(());
        }
        let largest = self.fields.iter().map(|field| field.end - field.start).max().unwrap_or(0);
        if largest as u64 > self.limits.cell_bytes {
            return Err(self.limit("cell_bytes", self.limits.cell_bytes, None));
        }
        Ok(())
    }

    fn limit(&self, limit: &'static str, max: u64, open_quote: Option<usize>) -> Error {
        let lines_before =
            |at: usize| line_ends(&self.window.as_bytes()[self.at..at], self.syntax.ends);
        let open_quote = open_quote.map(|at| self.line + lines_before(at));
        Error::Limit { line: self.line, limit, max, open_quote }
    }

    /// Gets more text, twice what the record has so far, so that reading a long record again and
    /// again stays linear.
    fn more(&mut self, open_quote: Option<usize>) -> Result<(), Error> {
        let pending = self.window.len() - self.at;
        if self.ended {
            let line = self.line;
            let before = open_quote
                .map_or(0, |at| line_ends(&self.window.as_bytes()[self.at..at], self.syntax.ends));
            return Err(Error::EndlessQuote { line: line + before });
        }
        if pending as u64 > self.limits.record_bytes {
            return Err(self.limit("record_bytes", self.limits.record_bytes, open_quote));
        }
        self.window.drain(..self.at);
        self.at = 0;
        match self.source.fill(&mut self.window, pending.max(FILL_BYTES)) {
            Ok(more) => self.ended = !more,
            Err(source) => {
                let all = line_ends(self.window.as_bytes(), self.syntax.ends);
                return Err(Error::Text { line: self.line + all, source });
            }
        }
        Ok(())
    }

    /// Reads fields from `self.at` on.
    fn attempt(&mut self) -> Attempt {
        self.fields.clear();
        self.has_quoted = false;
        let (mut at, mut stray) = (self.at, false);
        loop {
            if self.fields.len() >= self.limits.columns as usize {
                return Attempt::TooWide;
            }
            let quoted = self.window.as_bytes().get(at) == Some(&self.syntax.quote);
            let ended = if quoted { self.quoted(at) } else { self.bare(at, &mut stray) };
            match ended {
                FieldEnd::Delimiter { next } => at = next,
                FieldEnd::Record { end, next } => return Attempt::Record { end, next, stray },
                FieldEnd::More { open_quote } => return Attempt::More { open_quote },
                FieldEnd::TextAfterQuote => return Attempt::TextAfterQuote,
            }
        }
    }

    fn bare(&mut self, start: usize, stray: &mut bool) -> FieldEnd {
        let bytes = self.window.as_bytes();
        let mut at = start;
        loop {
            while at < bytes.len() && !self.stops[usize::from(bytes[at])] {
                at += 1;
            }
            match bytes.get(at) {
                Some(byte) if *byte == self.syntax.quote => *stray = true,
                // The first byte of a longer delimiter, alone.
                Some(byte) if self.is_first_alone(*byte, at) => {}
                _ => break,
            }
            at += 1;
        }
        match self.field_end(at) {
            FieldEnd::Record { end, next } => {
                // The CR of a CRLF was passed over as data.
                let crlf = at > start && self.is_crlf(at, end);
                let end = if crlf { at - 1 } else { at };
                self.fields.push(Field { start, end, quoted: false, escaped: false });
                FieldEnd::Record { end, next }
            }
            FieldEnd::Delimiter { next } => {
                self.fields.push(Field { start, end: at, quoted: false, escaped: false });
                FieldEnd::Delimiter { next }
            }
            more @ (FieldEnd::More { .. } | FieldEnd::TextAfterQuote) => more,
        }
    }

    fn is_first_alone(&self, byte: u8, at: usize) -> bool {
        let Some(delimiter) = self.syntax.delimiter else { return false };
        delimiter.single().is_none()
            && byte == delimiter.first()
            && matches!(self.delimiter_at(at), DelimiterAt::No)
    }

    fn delimiter_at(&self, at: usize) -> DelimiterAt {
        let Some(delimiter) = self.syntax.delimiter else { return DelimiterAt::No };
        let (rest, bytes) = (&self.window.as_bytes()[at..], delimiter.as_bytes());
        if rest.starts_with(bytes) {
            DelimiterAt::Whole(bytes.len())
        } else if !self.ended && bytes.starts_with(rest) {
            DelimiterAt::Cut
        } else {
            DelimiterAt::No
        }
    }

    /// Whether the record that ends at `end` has a CR before its LF or before the text's end.
    fn is_crlf(&self, at: usize, end: usize) -> bool {
        at == end && self.syntax.ends == Ends::Lf && self.window.as_bytes()[at - 1] == b'\r'
    }

    fn quoted(&mut self, open: usize) -> FieldEnd {
        let bytes = self.window.as_bytes();
        let (quote, backslash) = (self.syntax.quote, self.syntax.escape == Escape::Backslash);
        let (mut at, mut escaped) = (open + 1, false);
        self.has_quoted = true;
        loop {
            while at < bytes.len() && bytes[at] != quote && !(backslash && bytes[at] == b'\\') {
                at += 1;
            }
            match (bytes.get(at), bytes.get(at + 1)) {
                (None, _) => return FieldEnd::More { open_quote: Some(open) },
                (Some(b'\\'), None) if backslash => {
                    return FieldEnd::More { open_quote: Some(open) };
                }
                (Some(b'\\'), Some(next)) if backslash => {
                    escaped |= *next == quote;
                    at += 2;
                }
                (Some(_), Some(next)) if *next == quote => {
                    escaped = true;
                    at += 2;
                }
                (Some(_), None) if !self.ended => return FieldEnd::More { open_quote: None },
                (Some(_), _) => break,
            }
        }
        self.fields.push(Field { start: open + 1, end: at, quoted: true, escaped });
        let ended = self.field_end(at + 1);
        if matches!(ended, FieldEnd::TextAfterQuote) {
            self.fields.pop();
        }
        ended
    }

    /// What stands at the end of a field: a delimiter, a record's end, or something else.
    fn field_end(&self, at: usize) -> FieldEnd {
        let bytes = self.window.as_bytes();
        if at < bytes.len() {
            match self.delimiter_at(at) {
                DelimiterAt::Whole(length) => return FieldEnd::Delimiter { next: at + length },
                DelimiterAt::Cut => return FieldEnd::More { open_quote: None },
                DelimiterAt::No => {}
            }
        }
        match (bytes.get(at), bytes.get(at + 1)) {
            (None, _) if self.ended => FieldEnd::Record { end: at, next: at },
            (None, _) => FieldEnd::More { open_quote: None },
            (Some(b'\n'), _) => FieldEnd::Record { end: at, next: at + 1 },
            (Some(b'\r'), Some(b'\n')) => FieldEnd::Record { end: at, next: at + 2 },
            (Some(b'\r'), None) if !self.ended => FieldEnd::More { open_quote: None },
            (Some(b'\r'), next) if self.syntax.ends == Ends::Any || next.is_none() => {
                FieldEnd::Record { end: at, next: at + 1 }
            }
            (Some(_), _) => FieldEnd::TextAfterQuote,
        }
    }

    /// Where the line that begins at `self.at` ends and the next begins; `None` when that is beyond
    /// the window.
    fn line_end(&self) -> Option<(usize, usize)> {
        let bytes = &self.window.as_bytes()[self.at..];
        let ends = |byte: &u8| *byte == b'\n' || (*byte == b'\r' && self.syntax.ends == Ends::Any);
        let end = match bytes.iter().position(ends) {
            Some(end) => end,
            None if self.ended => return Some((self.window.len(), self.window.len())),
            None => return None,
        };
        let next = match (bytes[end], bytes.get(end + 1)) {
            (b'\r', Some(b'\n')) => end + 2,
            (b'\r', None) if !self.ended => return None,
            _ => end + 1,
        };
        let crlf = bytes[end] == b'\n' && end > 0 && bytes[end - 1] == b'\r';
        Some((self.at + end - usize::from(crlf), self.at + next))
    }
}

/// Line ends in a passage.
fn line_ends(bytes: &[u8], ends: Ends) -> u64 {
    let count = |byte: u8| bytes.iter().filter(|b| **b == byte).count();
    let lines = match ends {
        Ends::Lf => count(b'\n'),
        Ends::Any => {
            let pairs = bytes.windows(2).filter(|pair| *pair == b"\r\n").count();
            count(b'\n') + count(b'\r') - pairs
        }
    };
    lines as u64
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::super::syntax::Delimiter;
    use super::*;
    use crate::convert::text::InMemory;

    /// Delivers a text in pieces of one character, so that every cut is tried.
    struct Drops<'t>(std::str::Chars<'t>);

    impl Source for Drops<'_> {
        fn fill(&mut self, window: &mut String, _bytes: usize) -> Result<bool, text::Error> {
            window.extend(self.0.next());
            Ok(!self.0.as_str().is_empty())
        }
    }

    fn drain<S: Source>(mut records: Records<S>) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = match records.next() {
                Ok(Found::Record(record)) => {
                    let field = |(text, quoted): (Cow<'_, str>, bool)| {
                        if quoted { format!("<{text}>") } else { text.into_owned() }
                    };
                    let fields: Vec<_> = record.fields().map(field).collect();
                    format!("{}: {}", record.line, fields.join("|"))
                }
                Ok(Found::Blank) => "blank".to_owned(),
                Ok(Found::Broken(broken)) => format!("{}! {}", broken.line, broken.raw),
                Ok(Found::Comment(raw)) => format!("comment {raw}"),
                Ok(Found::End) => return lines,
                Err(error) => error.to_string(),
            };
            let is_error = line.contains("is never") || line.contains("exceeds");
            lines.push(line);
            if is_error {
                return lines;
            }
        }
    }

    fn read_as(text: &str, syntax: Syntax, limits: &Limits) -> Vec<String> {
        let whole = drain(Records::new(InMemory(Some(text)), syntax, limits));
        let drops = drain(Records::new(Drops(text.chars()), syntax, limits));
        assert_eq!(whole, drops, "the cuts must not matter");
        whole
    }

    fn read(text: &str) -> Vec<String> {
        read_as(text, Syntax::default(), &Limits::default())
    }

    #[test]
    fn records_and_fields() {
        assert_eq!(read("a,b\n1,2\r\n3,4"), ["1: a|b", "2: 1|2", "3: 3|4"]);
        assert_eq!(read("a,\n,b\r\n\n\r\n,"), ["1: a|", "2: |b", "blank", "blank", "5: |"]);
        assert_eq!(read("\"a,\"\"b\"\"\nc\",\"\"\r\nx,y\r"), ["1: <a,\"b\"\nc>|<>", "3: x|y"]);
        assert_eq!(read(""), Vec::<String>::new());
        assert_eq!(read("#a,b\n"), ["1: #a|b"]);
    }

    #[test]
    fn a_stray_quote_is_data_and_text_after_a_quote_is_not() {
        assert_eq!(read("5\" pipe,1\n \"x\",2\n"), ["1: 5\" pipe|1", "2:  \"x\"|2"]);
        let lines = read("a,b\n\"5\" pipe\",1\n7,8\n");
        assert_eq!(lines, ["1: a|b", "2! \"5\" pipe\",1", "3: 7|8"]);
    }

    #[test]
    fn a_quote_that_was_not_closed_costs_its_own_line() {
        let lines = read("1,\"open\n2,\"b\"\n3,c\n");
        assert_eq!(lines, ["1! 1,\"open", "2: 2|<b>", "3: 3|c"]);
        let lines = read("1,\"he said \"hi\"\nand left\",x\n2,b\n");
        assert_eq!(lines, ["1! 1,\"he said \"hi\"", "2! and left\",x", "3: 2|b"]);
    }

    #[test]
    fn an_endless_quote_names_its_line() {
        assert_eq!(read("a\nb,\"c\nd\n"), ["1: a", "the quote on line 2 is never closed"]);
        assert_eq!(read("\"a\n\",\"c"), ["the quote on line 2 is never closed"]);
    }

    #[test]
    fn a_lone_cr_ends_a_record_only_where_it_is_said_to() {
        assert_eq!(read("a\rb,c\n"), ["1: a\rb|c"]);
        let any = Syntax { ends: Ends::Any, ..Syntax::default() };
        let lines = read_as("a,\"b\r\nc\"\r1,2\r\n3,4\n\r5,6", any, &Limits::default());
        assert_eq!(lines, ["1: a|<b\r\nc>", "3: 1|2", "4: 3|4", "blank", "6: 5|6"]);
    }

    #[test]
    fn backslashes_escape_quotes_and_nothing_else() {
        let syntax = Syntax { escape: Escape::Backslash, ..Syntax::default() };
        let text = r#""a \"b\" "" c","c\\","d\n",e\"#;
        let lines = read_as(text, syntax, &Limits::default());
        assert_eq!(lines, [r#"1: <a "b" " c>|<c\\>|<d\n>|e\"#]);
    }

    #[test]
    fn delimiters_may_have_several_characters() {
        for delimiter in ["||", "|;|", "¦", "::"] {
            let syntax = Syntax { delimiter: Delimiter::new(delimiter), ..Syntax::default() };
            let text = "a,b|c:\n\"x,y\",\n,:x,|\n".replace(',', delimiter);
            let lines = read_as(&text, syntax, &Limits::default());
            let quoted = format!("2: <x{delimiter}y>|");
            assert_eq!(lines, ["1: a|b|c:", &quoted, "3: |:x||"], "{delimiter}");
        }
    }

    #[test]
    fn comments_are_lines_whatever_their_quotes() {
        let syntax = Syntax { comment: Some(b'#'), ..Syntax::default() };
        let lines = read_as("#a,\"b\n1,#2\n\"#3\",4\n#end", syntax, &Limits::default());
        assert_eq!(lines, ["comment #a,\"b", "2: 1|#2", "3: <#3>|4", "comment #end"]);
    }

    #[test]
    fn in_a_one_column_file_every_line_is_a_record() {
        let syntax = Syntax { delimiter: None, ..Syntax::default() };
        let lines = read_as("a,b\n\n\"\"\nc\n", syntax, &Limits::default());
        assert_eq!(lines, ["1: a,b", "2: ", "3: <>", "4: c"]);
    }

    #[test]
    fn limits_stop_the_reading() {
        let limits = Limits { record_bytes: 20, cell_bytes: 10, columns: 4, ..Limits::default() };
        let read = |text: &str| read_as(text, Syntax::default(), &limits);
        assert_eq!(read("a,b\n12345678901,2\n"), ["1: a|b", "line 2 exceeds cell_bytes = 10"]);
        assert_eq!(read(&"1,2,".repeat(9)), ["line 1 exceeds columns = 4"]);
        assert_eq!(
            read("1,2\n1234567890,123456789,123456789"),
            ["1: 1|2", "line 2 exceeds record_bytes = 20"]
        );
    }
}
