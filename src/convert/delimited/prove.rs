//! Delimited text read again by the `csv` crate and compared with its Parquet.
//!
//! The converter's dialect is taken over, its reading is not. Lines that are rejects for their
//! quotes are left out before, for the `csv` crate would read them in one of several ways; what does
//! not have the header's width is passed over, as the converter makes it a reject or skips it.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};

use csv::{ReaderBuilder, StringRecord, Terminator};

use super::dialect::{Dialect, Preamble};
use super::problems::Stop;
use super::syntax::{Ends, Escape};
use super::text::Text;
use super::{Examined, Way};
use crate::convert::prove::{Difference, Printed, Proof, Rejected};
use crate::convert::text::{Source, TextReader};
use crate::convert::unpack::Parts;
use crate::convert::{Job, unreadable};
use crate::diagnostic::{Code, Diagnostic};

/// Rows between two reports of progress.
const PROGRESS_ROWS: u64 = 4096;
/// Bytes of text read at once.
const FILL_BYTES: usize = 1 << 20;

/// Compares a text with its Parquet.
///
/// # Errors
/// When one of them cannot be read.
pub(in crate::convert) fn prove(
    job: &Job,
    parts: &Parts,
    mut printed: Printed,
    rejected: &Rejected,
    progress: &mut dyn FnMut(u64),
) -> Result<Proof, Diagnostic> {
    let examined = Examined::new(job, parts, Way::Exact, None).map_err(Stop::diagnostic)?;
    let mut cells = 0;
    for (text, _) in &examined.texts {
        if let Some(why) = obstacle(&text.dialect) {
            return Ok(Proof::Impossible(why.to_owned()));
        }
        let lines = rejected.lines(text.member());
        match of_text(text, &mut printed, lines, progress)? {
            Ok(compared) => cells += compared,
            Err(different) => return Ok(Proof::Different(*different)),
        }
    }
    if printed.advance()? {
        let parquet = Some(printed.text(0).unwrap_or_default());
        let (line, column) = (0, String::new());
        let too_many = Difference { member: None, line, column, source: None, parquet };
        return Ok(Proof::Different(too_many));
    }
    Ok(Proof::Same { rows: printed.rows, cells })
}

/// What the `csv` crate cannot read.
fn obstacle(dialect: &Dialect) -> Option<&'static str> {
    let syntax = &dialect.syntax;
    match syntax.delimiter {
        None => Some("a one-column file has no second reader to compare with"),
        Some(delimiter) if delimiter.single().is_none() => {
            Some("the csv crate knows no delimiter of several bytes")
        }
        Some(_) if syntax.escape == Escape::Backslash => {
            Some("the csv crate takes backslashes away that are data")
        }
        Some(_) => None,
    }
}

type Compared = Result<u64, Box<Difference>>;

fn of_text(
    text: &Text<'_>,
    printed: &mut Printed,
    rejected: HashSet<u64>,
    progress: &mut dyn FnMut(u64),
) -> Result<Compared, Diagnostic> {
    let syntax = text.dialect.syntax;
    let source = Lines::new(text.reader(), &text.dialect, rejected);
    let mut builder = ReaderBuilder::new();
    builder.has_headers(false).flexible(true).quote(syntax.quote).comment(syntax.comment);
    builder.delimiter(syntax.delimiter.and_then(|d| d.single()).unwrap_or(b','));
    builder.terminator(match syntax.ends {
        Ends::Lf => Terminator::Any(b'\n'),
        Ends::Any => Terminator::CRLF,
    });
    let mut reader = builder.from_reader(source);
    let places = places(text, printed)?;
    let mut record = StringRecord::new();
    let (mut header, mut cells, mut footers) = (None, 0, text.dialect.footer);
    while reader.read_record(&mut record).map_err(|error| unreadable(&error))? {
        if text.dialect.header.is_present && header.is_none() {
            header = Some(record.clone());
            continue;
        }
        let is_header = |header: &StringRecord| record.len() > 1 && is_same(header, &record);
        if record.len() != places.len() || header.as_ref().is_some_and(is_header) {
            continue;
        }
        let line = record.position().map_or(0, csv::Position::line);
        let line = reader.get_ref().original(line);
        let member = text.member().map(str::to_owned);
        if !printed.advance()? {
            if footers > 0 {
                footers -= 1;
                continue;
            }
            let source = Some(record.iter().next().unwrap_or_default().to_owned());
            let (column, parquet) = (String::new(), None);
            return Ok(Err(Box::new(Difference { member, line, column, source, parquet })));
        }
        for (at, (field, place)) in record.iter().zip(&places).enumerate() {
            let parquet = printed.text(*place);
            let text = parquet.as_deref().unwrap_or_default();
            let is_last = at + 1 == places.len();
            if text != field && !(is_last && Some(text) == field.strip_suffix('\r')) {
                let column = printed.columns.get(*place).map(|column| column.name.clone());
                let (column, source) = (column.unwrap_or_default(), Some(field.to_owned()));
                return Ok(Err(Box::new(Difference { member, line, column, source, parquet })));
            }
        }
        cells += places.len() as u64;
        if printed.rows.is_multiple_of(PROGRESS_ROWS) {
            progress(printed.rows);
        }
    }
    Ok(Ok(cells))
}

/// For each column of the text, its place in the Parquet.
fn places(text: &Text<'_>, printed: &Printed) -> Result<Vec<usize>, Diagnostic> {
    let columns = printed.columns.iter().enumerate();
    let known: HashMap<_, _> = columns.map(|(at, c)| (c.name.to_lowercase(), at)).collect();
    let place = |name: &String| {
        known.get(&name.to_lowercase()).copied().ok_or_else(|| {
            Diagnostic::error(Code::C111, format!("the Parquet has no column `{name}`"))
        })
    };
    text.names.iter().map(place).collect()
}

/// Whether two records are the same. With LF as the terminator a CR before it is still there.
fn is_same(a: &StringRecord, b: &StringRecord) -> bool {
    let trimmed = |field: &str| field.strip_suffix('\r').unwrap_or(field).to_owned();
    let last = a.len().saturating_sub(1);
    a.len() == b.len()
        && a.iter().zip(b).enumerate().all(|(at, (a, b))| match at == last {
            true => trimmed(a) == trimmed(b),
            false => a == b,
        })
}

/// The text's lines without those that are left out.
struct Lines {
    source: TextReader,
    ends: Ends,
    /// Lines up to this one are of the preamble.
    preamble: u64,
    left_out: HashSet<u64>,
    /// Those left out, in order, to tell the original line.
    passed_over: Vec<u64>,
    text: String,
    ready: Vec<u8>,
    at: usize,
    line: u64,
    /// Lines of the preamble that are still to come, not counting blank ones.
    filled: usize,
    is_blank: bool,
    after_cr: bool,
    ended: bool,
}

impl Lines {
    fn new(source: TextReader, dialect: &Dialect, left_out: HashSet<u64>) -> Self {
        let (preamble, filled) = match dialect.preamble {
            Preamble::Lines(lines) => (u64::from(lines), 0),
            Preamble::Filled(lines) => (0, lines),
        };
        Self {
            source,
            ends: dialect.syntax.ends,
            preamble,
            left_out,
            passed_over: Vec::new(),
            text: String::new(),
            ready: Vec::new(),
            at: 0,
            line: 1,
            filled,
            is_blank: true,
            after_cr: false,
            ended: false,
        }
    }

    /// The line of the source that is this line of what is left.
    fn original(&self, mut line: u64) -> u64 {
        for passed in &self.passed_over {
            line += u64::from(*passed <= line);
        }
        line
    }

    fn is_left_out(&self) -> bool {
        self.line <= self.preamble || self.filled > 0 || self.left_out.contains(&self.line)
    }

    fn end_line(&mut self) {
        if self.is_left_out() {
            self.passed_over.push(self.line);
            self.filled = self.filled.saturating_sub(usize::from(!self.is_blank));
        }
        self.line += 1;
        self.is_blank = true;
    }

    fn sift(&mut self) {
        let text = std::mem::take(&mut self.text);
        for byte in text.bytes() {
            if std::mem::replace(&mut self.after_cr, false)
                && byte != b'\n'
                && self.ends == Ends::Any
            {
                self.end_line();
            }
            if !self.is_left_out() {
                self.ready.push(byte);
            }
            match byte {
                b'\n' => self.end_line(),
                b'\r' => self.after_cr = true,
                _other => self.is_blank = false,
            }
        }
    }
}

impl Read for Lines {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.ready.len() && !self.ended {
            self.ready.clear();
            self.at = 0;
            let more = self.source.fill(&mut self.text, FILL_BYTES).map_err(io::Error::other)?;
            self.ended = !more;
            self.sift();
        }
        let count = self.ready.get(self.at..).unwrap_or_default().read(buffer)?;
        self.at += count;
        Ok(count)
    }
}
