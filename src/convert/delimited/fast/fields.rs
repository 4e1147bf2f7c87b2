//! A block in windows, and a window's fields by row and column.
//!
//! A window is a few thousand records whose field ends fit the processor's cache. Dividing checks
//! everything that the count of quotes takes for granted: quotes stand only around whole fields, and
//! every record has as many fields as the header. A window that is not so is unusual: the exact
//! reader takes over.

#![allow(
    clippy::indexing_slicing,
    reason = "the hot loop; every index is below a length checked before it"
)]

use std::borrow::Cow;
use std::ops::Range;

use super::Stop;
use super::unchecked::{Divider, LANE_BYTES, Lanes, Scanner, Work};
use crate::convert::Limits;

/// Bytes of a window.
const WINDOW_BYTES: usize = 512 << 10;

/// Divides blocks into windows.
#[derive(Debug)]
pub struct Fields {
    scanner: Scanner,
    divider: Divider,
    width: usize,
    record_bytes_max: usize,
    /// The byte before the window, then where its fields end, then room.
    ends: Vec<u32>,
    lines: Vec<u64>,
}

/// Some records of a block, all of the same width.
#[derive(Debug, Clone, Copy)]
pub struct Window<'w> {
    bytes: &'w [u8],
    quote: u8,
    /// The byte before the first field, wrapping at 0, then where each field ends.
    ends: &'w [u32],
    width: usize,
    /// How many records.
    pub rows: usize,
    /// Where it ends in the block.
    pub end: usize,
    /// Lines in it, those inside of fields included.
    pub line_count: u64,
    line: u64,
    /// The records' lines, when they are not simply one after the other.
    lines: &'w [u64],
}

/// A field's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Where it is in the block, its quotes excluded.
    pub span: Range<usize>,
    /// Whether it was quoted.
    pub is_quoted: bool,
}

impl Fields {
    /// Divides by a delimiter and a quote into so many columns, at least two.
    pub fn new(divider: Divider, width: usize, limits: &Limits) -> Self {
        let record_bytes_max = limits.record_bytes.min(limits.cell_bytes);
        Self {
            scanner: Scanner::detect(),
            divider,
            width,
            record_bytes_max: usize::try_from(record_bytes_max).unwrap_or(usize::MAX),
            ends: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// The window that begins at `start` of a block, of whose bytes `length` are text; its first
    /// record begins on `line`.
    ///
    /// # Errors
    /// When it is not in the plain form that this reader knows.
    pub fn window<'w>(
        &'w mut self,
        bytes: &'w [u8],
        length: usize,
        (start, line): (usize, u64),
    ) -> Result<Window<'w>, Stop> {
        let mut window_bytes = WINDOW_BYTES;
        let found = loop {
            let (divider, ends) = (self.divider, &mut self.ends);
            let found =
                self.scanner.run(Divide { bytes, length, start, window_bytes, divider, ends });
            // A record longer than a window; blocks end with a record.
            if found.end > start || window_bytes >= length {
                break found;
            }
            window_bytes *= 4;
        };
        let rows = found.records;
        if found.is_odd || rows == 0 || found.fields != rows * self.width {
            return Err(Stop::Unusual);
        }
        let ends = self.ends.get(..=found.fields).ok_or(Stop::Unusual)?;
        check_records(bytes, ends, self.width, self.record_bytes_max)?;
        self.lines.clear();
        if found.lines != rows as u64 {
            note_lines(bytes, ends, self.width, line, &mut self.lines);
        }
        Ok(Window {
            bytes,
            quote: self.divider.quote,
            ends,
            width: self.width,
            rows,
            end: found.end,
            line_count: found.lines,
            line,
            lines: &self.lines,
        })
    }
}

/// Every record has its width and is short enough.
fn check_records(bytes: &[u8], ends: &[u32], width: usize, bytes_max: usize) -> Result<(), Stop> {
    let mut before = ends[0];
    let mut longest = 0;
    for record in ends[1..].chunks_exact(width) {
        let end = record[width - 1];
        longest = longest.max(end.wrapping_sub(before));
        before = end;
        if bytes[end as usize] != b'\n' {
            return Err(Stop::Unusual);
        }
    }
    if longest as usize > bytes_max { Err(Stop::Unusual) } else { Ok(()) }
}

fn note_lines(bytes: &[u8], ends: &[u32], width: usize, line: u64, lines: &mut Vec<u64>) {
    let (mut line, mut start) = (line, ends[0].wrapping_add(1) as usize);
    for record in ends[1..].chunks_exact(width) {
        let next = record[width - 1] as usize + 1;
        lines.push(line);
        let feeds: usize = bytes[start..next].iter().map(|byte| usize::from(*byte == b'\n')).sum();
        line += feeds as u64;
        start = next;
    }
}

impl<'w> Window<'w> {
    /// The block's bytes.
    pub fn bytes(&self) -> &'w [u8] {
        self.bytes
    }

    /// The line that a record begins on.
    pub fn line(&self, row: usize) -> u64 {
        self.lines.get(row).copied().unwrap_or(self.line + row as u64)
    }

    /// A field of a row.
    #[inline(always)]
    pub fn field(&self, row: usize, column: usize) -> Field {
        let at = row * self.width + column;
        let (before, mut end) = (self.ends[at], self.ends[at + 1] as usize);
        let start = before.wrapping_add(1) as usize;
        // The CR of a CRLF; elsewhere it is data.
        if column + 1 == self.width && end > start && self.bytes[end - 1] == b'\r' {
            end -= 1;
        }
        if self.bytes[start] == self.quote && end > start {
            return Field { span: start + 1..end - 1, is_quoted: true };
        }
        Field { span: start..end, is_quoted: false }
    }

    /// Whether a quoted field has quotes inside.
    #[inline]
    pub fn has_quote(&self, field: &Field) -> bool {
        self.bytes[field.span.clone()].contains(&self.quote)
    }

    /// A field's text; doubled quotes stand for one.
    pub fn value(&self, field: &Field) -> Cow<'w, str> {
        let text = std::str::from_utf8(&self.bytes[field.span.clone()]).unwrap_or_default();
        if field.is_quoted && self.has_quote(field) {
            let one = char::from(self.quote).to_string();
            return Cow::Owned(text.replace(&one.repeat(2), &one));
        }
        Cow::Borrowed(text)
    }
}

/// What is found of a window.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    /// Fields and records up to `end`, and lines, those inside of fields included.
    fields: usize,
    records: usize,
    lines: u64,
    end: usize,
    /// Whether a quote stands where the count of quotes does not mean what it seems to.
    is_odd: bool,
}

struct Divide<'d> {
    bytes: &'d [u8],
    length: usize,
    start: usize,
    window_bytes: usize,
    divider: Divider,
    ends: &'d mut Vec<u32>,
}

/// What a lane needs to know of the one before.
#[derive(Clone, Copy)]
struct Carry {
    /// All ones inside quotes.
    inside: u64,
    /// In the lowest bit: whether the byte before divides (or is a quote), was a closing quote, was
    /// a CR after one.
    divided: u64,
    closed: u64,
    returned: u64,
}

impl Work for Divide<'_> {
    type Output = Found;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> Found {
        let Self { bytes, length, start, window_bytes, divider, ends } = self;
        let stop = start.saturating_add(window_bytes).min(length);
        let mut carry = Carry { inside: 0, divided: 1, closed: 0, returned: 0 };
        let (mut found, mut odd, mut count, mut lines, mut records) =
            (Found::default(), 0, 1, 0_u64, 0);
        let mut at = start;
        reserve(ends, 1);
        ends[0] = u32::try_from(start).unwrap_or(0).wrapping_sub(1);
        while at < stop {
            let Some(lane) = bytes[at..].first_chunk() else { break };
            let valid = if length - at < LANE_BYTES { (1 << (length - at)) - 1 } else { u64::MAX };
            let marks = lanes.marks(lane, divider);
            let (quotes, feeds) = (marks.quotes & valid, marks.line_feeds & valid);
            let mut quoted = carry.inside;
            if quotes | carry.closed | carry.returned != 0 {
                quoted ^= lanes.parity(quotes);
                let divides = (marks.delimiters & valid) | feeds | quotes;
                let returns = lanes.positions(lane, b'\r');
                odd |= odd_quotes(quotes, quoted, divides, (returns, feeds), &mut carry);
                carry.inside = (quoted.cast_signed() >> (LANE_BYTES - 1)).cast_unsigned();
            }
            carry.divided = (marks.delimiters | feeds | quotes) >> (LANE_BYTES - 1);
            let record_ends = feeds & !quoted;
            let field_ends = marks.delimiters & valid & !quoted | record_ends;
            reserve(ends, count + LANE_BYTES);
            note_ends(&mut ends[count..count + LANE_BYTES], at, field_ends);
            if let Some(last) = record_ends.checked_ilog2() {
                let upto = u64::MAX >> (u64::BITS - 1 - last);
                records += record_ends.count_ones() as usize;
                found.fields = count - 1 + (field_ends & upto).count_ones() as usize;
                found.records = records;
                found.lines = lines + u64::from((feeds & upto).count_ones());
                found.end = at + last as usize + 1;
            }
            count += field_ends.count_ones() as usize;
            lines += u64::from(feeds.count_ones());
            at += LANE_BYTES;
        }
        found.is_odd = odd != 0;
        found
    }
}

#[inline(always)]
fn reserve(ends: &mut Vec<u32>, count: usize) {
    if ends.len() < count {
        ends.resize(count.max(2 * ends.len()), 0);
    }
}

/// Writes where fields end; what lies behind the last is of no meaning.
#[inline(always)]
fn note_ends(room: &mut [u32], at: usize, mut field_ends: u64) {
    let (mut left, at) = (field_ends.count_ones().cast_signed(), u32::try_from(at).unwrap_or(0));
    for four in room.as_chunks_mut::<4>().0 {
        if left <= 0 {
            break;
        }
        for end in four {
            *end = at + field_ends.trailing_zeros();
            field_ends &= field_ends.wrapping_sub(1);
        }
        left -= 4;
    }
}

/// Quotes that open elsewhere than at a field's start, and bytes behind a closing quote that do not
/// end its field.
#[inline(always)]
fn odd_quotes(
    quotes: u64,
    quoted: u64,
    divides: u64,
    (returns, feeds): (u64, u64),
    carry: &mut Carry,
) -> u64 {
    let (opens, closes) = (quotes & quoted, quotes & !quoted);
    let odd_opens = opens & !(divides << 1 | carry.divided);
    let behind = closes << 1 | carry.closed;
    let returned = behind & returns;
    let odd_behind = behind & !(divides | returns);
    let odd_returns = (returned << 1 | carry.returned) & !feeds;
    carry.closed = closes >> (LANE_BYTES - 1);
    carry.returned = returned >> (LANE_BYTES - 1);
    odd_opens | odd_behind | odd_returns
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMA: Divider = Divider { delimiter: b',', quote: b'"' };

    fn rows(text: &str, width: usize, limits: &Limits) -> Result<Vec<String>, Stop> {
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(text.len() + LANE_BYTES, b',');
        let mut fields = Fields::new(COMMA, width, limits);
        let window = fields.window(&bytes, text.len(), (0, 2))?;
        assert_eq!(window.end, text.len());
        let cell = |row, column| {
            let field = window.field(row, column);
            let text = window.value(&field);
            if field.is_quoted { format!("<{text}>") } else { text.into_owned() }
        };
        let row = |row| (0..width).map(|column| cell(row, column)).collect::<Vec<_>>().join("|");
        Ok((0..window.rows).map(|r| format!("{}: {}", window.line(r), row(r))).collect())
    }

    fn plain(text: &str) -> Vec<String> {
        rows(text, 2, &Limits::default()).expect("plain")
    }

    #[test]
    fn fields_are_what_stands_between_delimiters() {
        assert_eq!(plain("a,b\r\nc\r,\"d\"\r\n,\r\n"), ["2: a|b", "3: c\r|<d>", "4: |"]);
        assert_eq!(plain("\"a,\n\"\"x\"\"\",\"\"\nb,c\n"), ["2: <a,\n\"x\">|<>", "4: b|c"]);
    }

    #[test]
    fn lanes_do_not_show() {
        for length in 0..140 {
            let long = "x".repeat(length);
            let text = format!("{long},\"{long}\"\"\n\"\r\n1,2\r\n");
            assert_eq!(
                plain(&text),
                [format!("2: {long}|<{long}\"\n>"), "4: 1|2".to_owned()],
                "{length}"
            );
            for odd in ["x\"\",\n", "\"x\"y,\n", "\"x\"\r,\n", "\"x\"\ry\n", "\"x\" \"y\",\n"] {
                let text = format!("{long},{long}\n{odd}1,2\n");
                let found = rows(&text, 2, &Limits::default());
                assert!(matches!(found, Err(Stop::Unusual)), "{text:?}: {found:?}");
            }
        }
    }

    #[test]
    fn ragged_and_long_records_are_for_the_exact_reader() {
        let unusual = |text: &str, limits: &Limits| {
            assert!(matches!(rows(text, 2, limits), Err(Stop::Unusual)), "{text:?}");
        };
        for text in ["a\n", "a,b,c\n", "a,b,c\nd\n", "a,b\n\nc,d\n", "a,b\n\n\n", "\n\n"] {
            unusual(text, &Limits::default());
        }
        unusual("1,2\n12345,6\n", &Limits { cell_bytes: 6, ..Limits::default() });
        unusual("1,2\n12345,6\n", &Limits { record_bytes: 6, ..Limits::default() });
    }

    #[test]
    fn a_record_may_be_longer_than_a_window() {
        let long = "x".repeat(WINDOW_BYTES * 3);
        assert_eq!(plain(&format!("{long},1\n")), [format!("2: {long}|1")]);
    }
}
