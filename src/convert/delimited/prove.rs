//! Delimited text read again by the `csv` crate and compared with its Parquet.
//!
//! The converter's dialect is taken over, its reading is not. For what the crate does not know a byte
//! stands that does not occur in the text ([`stand_ins`]). What a contract declares
//! is read once more by its rules, and printed back where there is a printer. Lines that are rejects for their
//! quotes are left out before, for the `csv` crate would read them in one of several ways; what does
//! not have the header's width is passed over, as the converter makes it a reject or skips it.

use std::borrow::Cow;
use std::collections::HashMap;

use csv::{ReaderBuilder, StringRecord, Terminator};

use super::dialect::Dialect;
use super::problems::Stop;
use super::syntax::Ends;
use super::text::Text;
use super::{Examined, Way};
use crate::convert::contract::Cell;
use crate::convert::prove::{Declared, Difference, Printed, Proof, Rejected};
use crate::convert::unpack::Parts;
use crate::convert::{Job, unreadable};
use crate::diagnostic::{Code, Diagnostic};

use lines::Lines;
use stand_ins::StandIns;

mod lines;
mod stand_ins;

/// Bytes of text read at once.
const FILL_BYTES: usize = 1 << 20;

/// Rows between two reports of progress.
const PROGRESS_ROWS: u64 = 4096;

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
    let declared = Declared::new(job, &printed);
    let mut cells = 0;
    for (text, _) in &examined.texts {
        if let Some(why) = obstacle(&text.dialect) {
            return Ok(Proof::Impossible(why.to_owned()));
        }
        let mut claimed = Claimed { printed: &mut printed, declared: &declared, rejected };
        match of_text(text, &mut claimed, progress)? {
            Ok(compared) => cells += compared,
            Err(proof) => return Ok(proof),
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
    (!dialect.fixed.is_empty()).then_some("the csv crate knows no fixed width")
}

/// What a text is compared with.
struct Claimed<'p> {
    printed: &'p mut Printed,
    declared: &'p Declared,
    rejected: &'p Rejected,
}

/// Compares one text; tells how many cells are the same.
fn of_text(
    text: &Text<'_>,
    claimed: &mut Claimed<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<Result<u64, Proof>, Diagnostic> {
    let Some(mut reader) = reader(text, claimed.rejected)? else {
        return Ok(Err(Proof::Impossible(NO_FREE_BYTE.to_owned())));
    };
    let places = places(text, claimed.printed)?;
    let judged = claimed.rejected.judged_lines(text.member());
    let mut record = StringRecord::new();
    let (mut header, mut cells, mut footers) = (None, 0, text.dialect.footer);
    while reader.read_record(&mut record).map_err(|error| unreadable(&error))? {
        if text.dialect.header.is_present && header.is_none() {
            header = Some(record.clone());
            continue;
        }
        let line = record.position().map_or(0, csv::Position::line);
        let line = reader.get_ref().original(line);
        let is_header = |header: &StringRecord| record.len() > 1 && is_same(header, &record);
        if record.len() != places.len()
            || header.as_ref().is_some_and(is_header)
            || judged.contains(&line)
        {
            continue;
        }
        if !judged.is_empty() && reader.get_ref().has_lone_cr {
            return Ok(Err(Proof::Impossible(LONE_CR.to_owned())));
        }
        let member = text.member().map(str::to_owned);
        if !claimed.printed.advance()? {
            if footers > 0 {
                footers -= 1;
                continue;
            }
            let source = Some(record.iter().next().unwrap_or_default().to_owned());
            let (column, parquet) = (String::new(), None);
            let surplus = Difference { member, line, column, source, parquet };
            return Ok(Err(Proof::Different(surplus)));
        }
        if let Some((place, field)) = claimed.differing(&record, &places, reader.get_ref()) {
            let printed = &claimed.printed;
            let column = printed.columns.get(place).map(|column| column.name.clone());
            let (column, source) = (column.unwrap_or_default(), Some(field));
            let parquet = printed.text(place);
            let different = Difference { member, line, column, source, parquet };
            return Ok(Err(Proof::Different(different)));
        }
        cells += places.len() as u64;
        if claimed.printed.rows.is_multiple_of(PROGRESS_ROWS) {
            progress(claimed.printed.rows);
        }
    }
    Ok(Ok(cells))
}

impl Claimed<'_> {
    /// The first field of a record that is not what the row holds: its place in the Parquet, and its
    /// text.
    fn differing(
        &self,
        record: &StringRecord,
        places: &[usize],
        lines: &Lines,
    ) -> Option<(usize, String)> {
        let fields = record.iter().zip(places).enumerate();
        fields.into_iter().find_map(|(at, (field, place))| {
            let [first, second] = lines.originals(field);
            let is_same = |field: &Cow<'_, str>| {
                // With LF as the terminator a CR before it is still there.
                let bare = field.strip_suffix('\r').filter(|_| at + 1 == places.len());
                self.holds(*place, field) || bare.is_some_and(|bare| self.holds(*place, bare))
            };
            let is_known = first.iter().chain(&second).any(is_same);
            (!is_known).then(|| (*place, first.unwrap_or_default().into_owned()))
        })
    }

    fn holds(&self, place: usize, field: &str) -> bool {
        let cell = Cell::field(field, false);
        let declared = self.declared.holds((&*self.printed, place), &cell);
        declared.unwrap_or_else(|| self.printed.text(place).as_deref().unwrap_or_default() == field)
    }
}

/// Why nothing could stand for what the crate does not know.
const NO_FREE_BYTE: &str =
    "the csv crate does not know this dialect, and no byte is free to stand for what it lacks";
/// Why rejects could not be told from rows.
const LONE_CR: &str =
    "the csv crate does not count lines that end in CR, by which rejects are known";

type Reader = csv::Reader<Lines>;

/// The text as the `csv` crate reads it; `None` if no byte is free to stand for what it lacks.
fn reader(text: &Text<'_>, rejected: &Rejected) -> Result<Option<Reader>, Diagnostic> {
    let syntax = text.dialect.syntax;
    let found = StandIns::find(&syntax, || text.reader()).map_err(|error| unreadable(&error))?;
    let Some((stand_ins, delimiter)) = found else { return Ok(None) };
    let lines = rejected.lines(text.member());
    let source = Lines::new(text.reader(), &text.dialect, lines, stand_ins);
    let mut builder = ReaderBuilder::new();
    builder.has_headers(false).flexible(true).quote(syntax.quote).comment(syntax.comment);
    builder.delimiter(delimiter).terminator(match syntax.ends {
        Ends::Lf => Terminator::Any(b'\n'),
        Ends::Any => Terminator::CRLF,
    });
    Ok(Some(builder.from_reader(source)))
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
