//! One text of a table: its encoding and dialect, and what a pass over it finds.
//!
//! UTF-8 is assumed until a byte contradicts it; then the text is looked at once more in the
//! likeliest other encoding. What is UTF-8 but for some bytes stays UTF-8, and those cost their
//! records.

use super::dialect::{Dialect, Hints};
use super::fast;
use super::problems::Stop;
use super::rows::{Row, Rows};
use super::scan::Scan;
use super::trial::Sample;
use crate::convert::contract::Keys;
use crate::convert::text::{self, Certainty, Charset, Source, TextReader};
use crate::convert::unpack::Part;
use crate::convert::{Job, unreadable};
use crate::schema::Column;

/// Text that the dialect is found from.
const SAMPLE_BYTES: usize = 1 << 20;

/// A text whose dialect is known.
#[derive(Debug, Clone)]
pub(super) struct Text<'p> {
    part: &'p Part,
    /// Its encoding.
    pub(super) charset: Charset,
    /// How it is written.
    pub(super) dialect: Dialect,
    /// Its columns' published names.
    pub(super) names: Vec<String>,
    /// Whether there is nothing in it.
    pub(super) is_empty: bool,
    /// How many of its records are of the table, where the feed declares a footer.
    records: u64,
}

impl<'p> Text<'p> {
    /// Finds the encoding and dialect of a text that should have these columns.
    pub(super) fn of(part: &'p Part, job: &Job, known: &[Column]) -> Result<Self, Stop> {
        let charset = text::assumed(&part.content, job.format.encoding.as_deref())?;
        let found = Self::with(part, job, known, charset);
        Self::or_guessed(found, part, charset, |charset| Self::with(part, job, known, charset))
    }

    /// Another encoding where a byte contradicts the assumed one.
    fn or_guessed<T>(
        found: Result<T, Stop>,
        part: &Part,
        assumed: Charset,
        with: impl FnOnce(Charset) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        if !matches!(found, Err(Stop::Undecodable { .. })) || assumed.certainty != Certainty::Valid
        {
            return found;
        }
        let damaged = Charset { certainty: Certainty::Damaged, ..assumed };
        with(text::guessed(&part.content)?.unwrap_or(damaged))
    }

    fn with(part: &'p Part, job: &Job, known: &[Column], charset: Charset) -> Result<Self, Stop> {
        let (mut sample, mut reader) = (String::new(), TextReader::new(&part.content, &charset));
        let more = reader.fill(&mut sample, SAMPLE_BYTES);
        let more = more.map_err(|error| Stop::from_text(lines(&sample) + 1, error))?;
        let hints = Hints { job, known, extension: part.extension.as_deref() };
        let dialect = Dialect::detect(Sample { text: &sample, is_whole: !more }, hints);
        let is_empty = sample.trim().is_empty() && !more;
        drop(sample);
        let records = u64::MAX;
        let mut text = Self { part, charset, dialect, names: Vec::new(), is_empty, records };
        text.names = text.rows(job, 0)?.names;
        if text.dialect.footer > 0 {
            text.records = text.count(job)?.saturating_sub(text.dialect.footer.into());
        }
        Ok(text)
    }

    fn count(&self, job: &Job) -> Result<u64, Stop> {
        let (mut rows, mut records) = (self.rows(job, 0)?, 0);
        loop {
            match rows.next()? {
                Row::Data { .. } | Row::Reject(_) => records += 1,
                Row::Skipped(_) | Row::Aside => {}
                Row::End => return Ok(records),
            }
        }
    }

    /// Its text from the start.
    pub(super) fn reader(&self) -> TextReader {
        TextReader::new(&self.part.content, &self.charset)
    }

    /// Its rows, counted from after so many records of other texts.
    pub(super) fn rows(&self, job: &Job, after: u64) -> Result<Rows<TextReader>, Stop> {
        let rows = Rows::open(self.reader(), &self.dialect, job)?;
        Ok(rows.after(after).ending_after(self.records))
    }

    /// How it may be read the fast way, `rows` being at its first; `None` when it is not of the kind.
    pub(super) fn plain<'j>(
        &self,
        job: &'j Job,
        rows: &Rows<TextReader>,
        block_bytes: usize,
    ) -> Result<Option<fast::Plain<'j>>, Stop>
    where
        'p: 'j,
    {
        let is_whole = self.part.member.is_none() && self.records == u64::MAX;
        let file = self.part.content.file().filter(|_| is_whole && job.contract.is_none());
        let Some(raw) = file.filter(|_| self.dialect.syntax.is_plain()) else { return Ok(None) };
        let (byte_offset, line) = rows.place();
        let place = fast::Place {
            byte_offset,
            line,
            width: rows.headers.len(),
            syntax: self.dialect.syntax,
            block_bytes,
            header: self.dialect.header.is_present.then(|| rows.headers.first().cloned()).flatten(),
        };
        Ok(fast::Plain::new(raw, job, &self.charset, place).map_err(|error| unreadable(&error))?)
    }

    /// Reads all of it, which comes after so many records and these keys of other texts.
    pub(super) fn scan(
        &mut self,
        job: &Job,
        known: &[Column],
        (after, keys): (u64, Keys),
    ) -> Result<Scan, Stop> {
        let rows = self.rows(job, after).map(|rows| rows.after_keys(keys.clone()));
        let scanned = rows.and_then(|rows| Ok(Scan::all(rows)?));
        let (part, charset) = (self.part, self.charset);
        Self::or_guessed(scanned, part, charset, |charset| {
            *self = Self::with(part, job, known, charset)?;
            Ok(Scan::all(self.rows(job, after)?.after_keys(keys))?)
        })
    }

    /// Its bytes.
    pub(super) fn part(&self) -> &'p Part {
        self.part
    }

    /// Its name in an archive.
    pub(super) fn member(&self) -> Option<&'p str> {
        self.part.member.as_deref()
    }

    /// Its columns' names in lower case.
    pub(super) fn folded_names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.names.iter().map(|name| name.to_lowercase()).collect();
        names.sort();
        names
    }
}

fn lines(text: &str) -> u64 {
    text.bytes().filter(|byte| *byte == b'\n').count() as u64
}
