//! The fast way through a plain text: UTF-8, one-byte delimiter, doubled quotes, LF or CRLF.
//!
//! It reads the text once, on several threads, and what it finds and writes is what the exact
//! reader ([`records`](super::records), the reference) would find and write:
//!
//! - Types are guessed from a [`sample`] and checked by the parse of every value. A clean reading is
//!   also the proof; when it shows another type, a second reading writes the table.
//! - A text in blocks of whole records ([`blocks`]); a block in windows of fields ([`fields`]); a
//!   column of a window judged and parsed in one go ([`mod@column`], [`parse`]); a block a row group.
//! - Whatever is unusual (a record of another width, a stray quote, bytes that are not UTF-8, a blank
//!   line, a limit) ends it with [`Stop::Unusual`] and the exact reader takes the whole text.
//!
//! Memory is a few blocks and row groups, whatever the file's size. The output does not depend on the
//! number of threads or the processor. Small files are read on the caller's thread.

use std::fs::File;
use std::io::{self, Read};

use encoding_rs::UTF_8;

use super::scan::Scan;
use super::syntax::{Delimiter, Ends, Escape, Syntax};
use crate::convert::Job;
use crate::convert::sticky::Planned;
use crate::convert::table::{self, GroupedColumn, GroupedTable};
use crate::convert::text::Charset;
use crate::convert::unpack::Raw;
use pass::{Aimed, Form};
use sample::{Sample, Subject};
use unchecked::Divider;

pub use blocks::BLOCK_BYTES;
pub use pass::THREADS_MAX;

mod blocks;
mod column;
mod fields;
mod parse;
mod pass;
mod sample;
mod unchecked;

/// With more columns a few thousand records have no room in the processor's cache, and every column
/// of every row group takes memory: such texts are read the exact way.
const WIDTH_MAX: usize = 1000;

/// Why the fast way ends early.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// The text is not in the plain form: the exact reader is to take it.
    #[error("the text is not plain")]
    Unusual,
    /// The source could not be read or the output not be emptied.
    #[error("the source could not be read")]
    Io(#[from] io::Error),
    /// The output could not be written.
    #[error(transparent)]
    Table(#[from] table::Error),
}

/// A text that may be read the fast way.
pub struct Plain<'a> {
    raw: &'a Raw,
    job: &'a Job,
    form: Form<'a>,
    /// See [`Place::header`].
    header: Option<String>,
    start: u64,
    sample: Sample,
}

/// A table that was written under a plan.
pub struct Made {
    /// The table, but for its footer.
    pub table: GroupedTable,
    plan: Vec<Planned>,
}

impl Made {
    /// Whether another plan would write the same rows.
    pub fn fits(&self, plan: &[Planned]) -> bool {
        let same = |(a, b): (&Planned, &Planned)| {
            let kinds = (a.column.kind.published(), b.column.kind.published());
            a.column.name == b.column.name && a.source == b.source && kinds.0 == kinds.1
        };
        self.plan.len() == plan.len() && self.plan.iter().zip(plan).all(same)
    }
}

/// Where a text's records begin, and how they are written.
#[derive(Debug, Clone)]
pub struct Place {
    /// The first record's first byte.
    pub byte_offset: u64,
    /// Its line.
    pub line: u64,
    /// Fields of the header.
    pub width: usize,
    /// How records are written.
    pub syntax: Syntax,
    /// Bytes of a block.
    pub block_bytes: usize,
    /// The first column's header, if there is one: a record that begins so may repeat the header.
    pub header: Option<String>,
}

impl<'a> Plain<'a> {
    /// Looks at a text; `None` when it is not of the plain kind.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn new(
        raw: &'a Raw,
        job: &'a Job,
        charset: &Charset,
        place: Place,
    ) -> io::Result<Option<Self>> {
        let Syntax { delimiter, quote, escape, ends, .. } = place.syntax;
        let is_plain = charset.encoding == UTF_8
            && escape == Escape::Doubled
            && ends == Ends::Lf
            && (2..=WIDTH_MAX).contains(&place.width)
            && quote.is_ascii();
        let delimiter = delimiter.as_ref().and_then(Delimiter::single);
        let delimiter = delimiter.filter(|d| d.is_ascii() && ![quote, b'\n', b'\r'].contains(d));
        let Some(delimiter) = delimiter.filter(|_| is_plain) else { return Ok(None) };
        let Place { byte_offset: start, width, line, syntax, block_bytes, header } = place;
        let size_bytes = raw.size_bytes()?;
        let sample = Sample::look(Subject { raw, size_bytes, start, syntax, width })?;
        let divider = Divider { delimiter, quote };
        let likely_bytes = size_bytes.saturating_sub(start);
        let form = Form { divider, width, line, block_bytes, likely_bytes, limits: &job.limits };
        Ok(Some(Self { raw, job, form, header, start, sample }))
    }

    /// What a sample of the text allows.
    pub fn sample(&self) -> &Sample {
        &self.sample
    }

    /// Reads the whole text into `scan`, and into a table when there is a plan that may turn out to
    /// be right; the table is there when its types did.
    ///
    /// # Errors
    /// [`Stop`]; the scan and the output are then to be begun again.
    pub fn read(
        &self,
        scan: &mut Scan,
        aim: Option<(&[Planned], &File)>,
    ) -> Result<Option<Made>, Stop> {
        let made = match aim {
            Some((plan, out)) => Some(Made { table: self.table(plan, out)?, plan: plan.to_vec() }),
            None => None,
        };
        let (seen, is_whole) = self.pass(made.as_ref())?;
        scan.evidence = seen.evidence;
        scan.rows = seen.rows;
        scan.skips.blank += seen.blank;
        scan.first_rows.clone_from(&self.sample.first_rows);
        Ok(made.filter(|_| is_whole))
    }

    /// Reads the text once more, now that its types are known.
    ///
    /// # Errors
    /// [`Stop`]; also when the text changed under us.
    pub fn write(&self, plan: &[Planned], out: &File) -> Result<Made, Stop> {
        let made = Made { table: self.table(plan, out)?, plan: plan.to_vec() };
        let (_, is_whole) = self.pass(Some(&made))?;
        if is_whole { Ok(made) } else { Err(Stop::Unusual) }
    }

    fn pass(&self, made: Option<&Made>) -> Result<(pass::Seen, bool), Stop> {
        let aimed = made.map(|made| Aimed::new(&made.table, &made.plan, self.form.width));
        let source = From { raw: self.raw, at: self.start };
        pass::read(source, self.form, aimed.as_ref(), self.header.as_deref())
    }

    /// A table in the emptied output.
    fn table(&self, plan: &[Planned], out: &File) -> Result<GroupedTable, Stop> {
        let column = |planned: &Planned| {
            let kind = planned.column.kind;
            let encoded = planned.source.map(|source| self.sample.encoded(source, kind));
            let encoded = encoded.unwrap_or(table::Encoded::Dictionary);
            GroupedColumn { name: planned.column.name.clone(), kind, encoded }
        };
        let columns: Vec<_> = plan.iter().map(column).collect();
        Ok(GroupedTable::create(table::emptied(out)?, self.job, &columns)?)
    }
}

/// A file from a place on, without moving its own position.
struct From<'f> {
    raw: &'f Raw,
    at: u64,
}

impl Read for From<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.raw.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
