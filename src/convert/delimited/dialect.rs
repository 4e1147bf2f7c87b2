//! How a text is written, found from its beginning: record ends, delimiter, quote, escape, header.
//!
//! What the feed's format declares is obeyed. What the feed's known columns settle is taken from
//! them. The rest is detected, and the findings say how sure that is and why. No choice alters a
//! value: in doubt a text is one column, and every line of it is kept.

use super::header::{Header, had_header, known_names};
use super::syntax::{Delimiter, Ends, Escape, Syntax};
use super::trial::{DELIMITERS, PREAMBLE_MAX, Sample, Trial};
use super::widths;
use crate::config::{FixedColumn, Format, RecordEnd};
use crate::convert::Job;
use crate::schema::Column;

/// Text that trials are made with.
const TRIAL_BYTES: usize = 128 << 10;
/// A delimiter is certain if so many records agree and no other comes this near.
const CERTAIN_CONSISTENCY: f64 = 0.95;
const RIVAL_SHARE: f64 = 0.9;
/// Records after a preamble must agree to this degree, and their first must be a header.
const PREAMBLE_CONSISTENCY: f64 = 0.75;
/// Delimiters of several bytes that are looked for.
const LONG_DELIMITERS: [&str; 8] = ["||", "|;|", "~|~", "|~|", "::", "^^", "¦", "§"];
/// Extensions that promise a delimited file: it never becomes one column for being ragged.
const TABLE_EXTENSIONS: [&str; 4] = ["csv", "tsv", "tab", "psv"];

/// How a text is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Dialect {
    /// What the reader obeys.
    pub syntax: Syntax,
    /// Lines before the header that are not of the table.
    pub preamble: Preamble,
    /// Records at the end that are not of the table, by declaration.
    pub footer: u32,
    /// Whether the first record names the columns.
    pub header: Header,
    /// How many columns the table has, when no header says so.
    pub columns: usize,
    /// Record ends, as found in the sample.
    pub record_ends: &'static str,
    /// Whether the delimiter is certain, and why.
    pub delimiter: (bool, String),
    /// The columns of a fixed-width text, which has no delimiters; else none.
    pub fixed: Vec<FixedColumn>,
}

/// Lines before the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preamble {
    /// So many lines, blank ones included, as the feed declares.
    Lines(u32),
    /// So many lines that are not blank, as found.
    Filled(usize),
}

/// What is known before a text is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Hints<'a> {
    /// What the feed says of its files' form, and its contract's names.
    pub job: &'a Job,
    /// The columns that the text should have.
    pub known: &'a [Column],
    /// The extension of its name.
    pub extension: Option<&'a str>,
}

impl<'a> Hints<'a> {
    fn format(&self) -> &'a Format {
        &self.job.format
    }
}

impl Dialect {
    /// Finds the dialect of a text.
    pub fn detect(sample: Sample<'_>, hints: Hints<'_>) -> Self {
        let declared = hints.format().preamble;
        let text = after_lines(sample.text, declared.unwrap_or(0));
        let detection = Detection { sample: cut(Sample { text, ..sample }), hints };
        let ends = detection.ends();
        if let Some(columns) = &hints.format().fixed {
            return Self::in_widths(columns, hints.format(), (ends, sample.text));
        }
        let (trial, delimiter) = detection.delimiter(ends);
        let trial = detection.refined(trial);
        let may_have_preamble = declared.is_none() && trial.rows.len() > 1;
        let preamble = if may_have_preamble { detection.preamble(&trial) } else { 0 };
        let rows = trial.rows.get(preamble..).unwrap_or_default();
        Self {
            header: detection.header(rows),
            syntax: trial.syntax,
            preamble: declared.map_or(Preamble::Filled(preamble), Preamble::Lines),
            footer: hints.format().footer.unwrap_or(0),
            columns: trial.width().max(1),
            record_ends: ends_in_words(sample.text),
            delimiter,
            fixed: Vec::new(),
        }
    }

    /// The dialect of a fixed-width text: all of it is declared but for the record ends.
    fn in_widths(columns: &[FixedColumn], format: &Format, (ends, text): (Ends, &str)) -> Self {
        let comment = format.comment.and_then(|c| u8::try_from(c).ok());
        Self {
            header: Header::certain(false, "the feed declares the columns"),
            syntax: Syntax { delimiter: None, ends, comment, ..Syntax::default() },
            preamble: Preamble::Lines(format.preamble.unwrap_or(0)),
            footer: format.footer.unwrap_or(0),
            columns: columns.len(),
            record_ends: ends_in_words(text),
            delimiter: (true, "declared".to_owned()),
            fixed: columns.to_vec(),
        }
    }

    /// The findings for reports and metadata.
    pub fn findings(&self, encoding: String) -> Vec<(String, String)> {
        let Syntax { delimiter, quote, escape, .. } = self.syntax;
        let delimiter = delimiter.map_or("none".to_owned(), |d| d.to_string());
        let escape = match escape {
            Escape::Doubled => "doubled",
            Escape::Backslash => "backslash",
        };
        let sure = |certain: bool, why: &str| {
            format!("{}: {why}", if certain { "certain" } else { "not certain" })
        };
        let header = if self.header.is_present { "first record" } else { "none" };
        if !self.fixed.is_empty() {
            let record_end = self.record_ends.to_owned();
            let findings = [
                ("encoding", encoding),
                ("widths", widths::words(&self.fixed)),
                ("record end", record_end),
            ];
            return findings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        }
        let findings = [
            ("encoding", encoding),
            ("delimiter", delimiter),
            ("delimiter is", sure(self.delimiter.0, &self.delimiter.1)),
            ("quote", char::from(quote).to_string()),
            ("escape", escape.to_owned()),
            ("record end", self.record_ends.to_owned()),
            ("header", header.to_owned()),
            ("header is", sure(self.header.is_certain, &self.header.why)),
        ];
        findings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Remarks for people on what is not certain.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.delimiter.0 {
            let why = &self.delimiter.1;
            notes.push(format!("the delimiter is not certain ({why}); `delimiter` declares it"));
        }
        if !self.header.is_certain {
            let taken =
                if self.header.is_present { "taken as the header" } else { "taken as data" };
            let why = &self.header.why;
            notes.push(format!("the first record was {taken}: {why}; `header` declares it"));
        }
        notes
    }
}

/// What follows so many lines.
fn after_lines(text: &str, lines: u32) -> &str {
    let mut rest = text;
    for _ in 0..lines {
        let Some(at) = rest.find(['\n', '\r']) else { return "" };
        let (_, end) = rest.split_at(at);
        let end = end.strip_prefix("\r\n").or_else(|| end.strip_prefix(['\n', '\r']));
        rest = end.unwrap_or_default();
    }
    rest
}

fn cut(sample: Sample<'_>) -> Sample<'_> {
    let end = sample.text.floor_char_boundary(TRIAL_BYTES.min(sample.text.len()));
    // A first record beyond the cut would leave nothing to try.
    let long = !sample.text.get(..end).unwrap_or_default().contains(['\n', '\r']);
    if long || end == sample.text.len() {
        return sample;
    }
    Sample { text: sample.text.get(..end).unwrap_or_default(), is_whole: false }
}

struct Detection<'a> {
    sample: Sample<'a>,
    hints: Hints<'a>,
}

impl Detection<'_> {
    fn format(&self) -> &Format {
        self.hints.format()
    }

    fn trial(&self, syntax: Syntax) -> Trial {
        Trial::new(self.sample, syntax)
    }

    fn ends(&self) -> Ends {
        match self.format().record_end {
            Some(RecordEnd::Lf) => return Ends::Lf,
            Some(RecordEnd::Any) => return Ends::Any,
            None => {}
        }
        let count = count_ends(self.sample.text);
        if count.cr > count.lf + count.crlf { Ends::Any } else { Ends::Lf }
    }

    fn delimiter(&self, ends: Ends) -> (Trial, (bool, String)) {
        let ascii = |c: Option<char>| c.and_then(|c| u8::try_from(c).ok());
        let base = Syntax {
            ends,
            quote: ascii(self.format().quote).unwrap_or(b'"'),
            escape: self.format().escape.unwrap_or(Escape::Doubled),
            comment: ascii(self.format().comment),
            ..Syntax::default()
        };
        let with = |delimiter| self.trial(Syntax { delimiter, ..base });
        if let Some(declared) = self.format().delimiter.as_deref().and_then(Delimiter::new) {
            return (with(Some(declared)), (true, "declared".to_owned()));
        }
        if let Some(long) = self.long_delimiter(with) {
            let why = format!("`{}` divides all records evenly", long.1);
            return (long.0, (true, why));
        }
        let present = DELIMITERS.into_iter().filter(|d| self.sample.text.contains(char::from(*d)));
        let mut trials: Vec<_> =
            present.map(|delimiter| with(Some(Delimiter::of(delimiter)))).collect();
        if let Some(at) = self.best_known(&trials) {
            return (
                trials.swap_remove(at),
                (true, "the header has the feed's columns".to_owned()),
            );
        }
        trials.retain(|trial| self.is_plausible(trial));
        trials.sort_by(|a, b| b.score().total_cmp(&a.score()));
        let mut trials = trials.into_iter();
        match (trials.next(), trials.next()) {
            (Some(best), rival) => {
                let certainty = certainty(&best, rival.as_ref());
                (best, certainty)
            }
            (None, _) => (with(None), (true, "no delimiter divides the records evenly".to_owned())),
        }
    }

    /// A delimiter of several bytes, where that is clear: it divides every record into as many
    /// fields, and its first character stands nowhere else.
    fn long_delimiter(
        &self,
        with: impl Fn(Option<Delimiter>) -> Trial,
    ) -> Option<(Trial, &'static str)> {
        let present = LONG_DELIMITERS.into_iter().filter(|d| self.sample.text.contains(d));
        let mut trials = present.map(|text| (with(Delimiter::new(text)), text));
        trials.find(|(trial, text)| {
            let first = text.chars().next().unwrap_or_default();
            let clear = trial.rows.iter().flatten().all(|cell| !cell.contains(first));
            trial.rows.len() > 1 && trial.width() > 1 && trial.consistency() >= 1.0 && clear
        })
    }

    /// The trial whose first record names most of the feed's columns, at least half.
    fn best_known(&self, trials: &[Trial]) -> Option<usize> {
        let names = |trial: &Trial| {
            let first = trial.rows.first()?;
            Some(known_names(&self.hints.job.published(first), self.hints.known))
        };
        let counts = trials.iter().enumerate().filter_map(|(at, trial)| Some((names(trial)?, at)));
        let (count, at) = counts.max_by_key(|(count, at)| (*count, std::cmp::Reverse(*at)))?;
        (count > 0 && count * 2 >= self.hints.known.len() && self.hints.known.len() > 1)
            .then_some(at)
    }

    fn is_plausible(&self, trial: &Trial) -> bool {
        let is_table = self.hints.extension.is_some_and(|e| TABLE_EXTENSIONS.contains(&e));
        let first_is_divided = trial.rows.first().is_some_and(|row| row.len() > 1);
        let even = is_table || trial.consistency() >= 0.5;
        trial.width() > 1
            && ((first_is_divided && trial.divided() >= 0.5 && even) || self.preamble(trial) > 0)
    }

    /// Lines before the table: only if an even table with an unmistakable header follows them.
    fn preamble(&self, trial: &Trial) -> usize {
        let lines = trial.preamble().min(PREAMBLE_MAX);
        let rows = trial.rows.get(lines..).unwrap_or_default();
        let header = Header::judge(rows);
        let is_even = trial.consistency() >= PREAMBLE_CONSISTENCY;
        if is_even && header.is_present && header.is_certain { lines } else { 0 }
    }

    /// The same delimiter with another quote or escape, where that reads the sample better.
    fn refined(&self, trial: Trial) -> Trial {
        let mut best = trial;
        if self.format().escape.is_none() && self.sample.text.contains("\\\"") {
            let other = self.trial(Syntax { escape: Escape::Backslash, ..best.syntax });
            if other.broken < best.broken && other.consistency() >= best.consistency() {
                best = other;
            }
        }
        if self.format().quote.is_none() && self.sample.text.contains('\'') {
            let other = self.trial(Syntax { quote: b'\'', ..best.syntax });
            if other.broken == 0 && other.consistency() > best.consistency() {
                best = other;
            }
        }
        best
    }

    fn header(&self, rows: &[Vec<String>]) -> Header {
        if let Some(declared) = self.format().header {
            return Header::certain(declared, "declared");
        }
        let judged = Header::judge(rows);
        if self.hints.known.is_empty() {
            return judged;
        }
        let names = rows.first().map(|first| self.hints.job.published(first)).unwrap_or_default();
        match (had_header(self.hints.known), known_names(&names, self.hints.known)) {
            (true, 0) => judged,
            (true, _) => Header::certain(true, "it has the feed's columns"),
            (false, _) if judged.is_present && judged.is_certain => judged,
            (false, _) => Header::certain(false, "the feed's files have none"),
        }
    }
}

fn certainty(best: &Trial, rival: Option<&Trial>) -> (bool, String) {
    let near = rival.filter(|rival| rival.score() > best.score() * RIVAL_SHARE);
    let width = best.width();
    match near.and_then(|rival| rival.syntax.delimiter) {
        Some(rival) => (false, format!("`{rival}` divides almost as evenly")),
        None if best.consistency() < CERTAIN_CONSISTENCY => {
            (false, format!("not all records have {width} fields"))
        }
        None => (true, format!("records have {width} fields")),
    }
}

struct EndCounts {
    lf: usize,
    crlf: usize,
    cr: usize,
}

fn count_ends(text: &str) -> EndCounts {
    let crlf = text.matches("\r\n").count();
    let count = |byte: u8| text.bytes().filter(|b| *b == byte).count();
    EndCounts { lf: count(b'\n') - crlf, crlf, cr: count(b'\r') - crlf }
}

fn ends_in_words(text: &str) -> &'static str {
    match count_ends(text) {
        EndCounts { lf: 0, crlf: 0, cr: 0 } => "none",
        EndCounts { lf: 0, crlf: 0, .. } => "CR",
        EndCounts { lf: 0, cr: 0, .. } => "CRLF",
        EndCounts { crlf: 0, cr: 0, .. } => "LF",
        EndCounts { .. } => "mixed",
    }
}
