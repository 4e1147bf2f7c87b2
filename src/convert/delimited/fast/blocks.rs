//! A text in blocks that end where a record ends.
//!
//! Each block is read into memory that an earlier one has given back, and cut after its last line
//! feed outside quotes; what follows begins the next block. The count of quotes alone tells inside
//! from outside, because the texts that break that rule are found when their block is divided into
//! fields, and then the exact reader takes over.

use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

use super::Stop;
use super::unchecked::{LANE_BYTES, Lanes, PADDING_BYTES, Scanner, Work};

/// Bytes of a block. It decides what a row group holds, so it is part of the output's bytes.
pub const BLOCK_BYTES: usize = 32 << 20;

/// Room behind a block: a line feed that the text's end lacks, and the padding.
const BEHIND_BYTES: usize = 1 + PADDING_BYTES;

/// A part of the text that begins and ends with a record.
#[derive(Debug)]
pub struct Block {
    /// Its place among the blocks, from 0.
    pub index: usize,
    /// Its bytes, with padding behind.
    pub bytes: Vec<u8>,
    /// How many of them are text; the last is a line feed, unless there is none at all.
    pub length: usize,
    /// Records before it.
    pub records_before: u64,
    /// The line its first record begins on.
    pub line: u64,
    /// Whether the text ends with it.
    pub is_last: bool,
    /// Blank lines at the text's end, left out.
    pub blank: u64,
}

/// Reads blocks.
pub struct Blocks<R> {
    source: R,
    scanner: Scanner,
    quote: u8,
    block_bytes: usize,
    /// Bytes that are likely to come: a small text takes little memory.
    likely_bytes: u64,
    /// What the last block was cut from.
    rest: Vec<u8>,
    index: usize,
    records: u64,
    line: u64,
    has_ended: bool,
    spare: Mutex<Vec<Vec<u8>>>,
}

impl<R: Read> Blocks<R> {
    /// Reads a text from its first record, which begins on `line`. About `likely_bytes` will come;
    /// nothing but memory depends on it.
    pub fn new(source: R, quote: u8, line: u64, (block_bytes, likely_bytes): (usize, u64)) -> Self {
        Self {
            source,
            scanner: Scanner::detect(),
            quote,
            block_bytes,
            likely_bytes,
            rest: Vec::new(),
            index: 0,
            records: 0,
            line,
            has_ended: false,
            spare: Mutex::new(Vec::new()),
        }
    }

    /// Takes back a block's memory.
    pub fn recycle(&self, bytes: Vec<u8>) {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
    }

    /// The next block; `None` after the last.
    ///
    /// # Errors
    /// When the source cannot be read, no record ends within a block, or a quote is open at the end.
    pub fn next(&mut self) -> Result<Option<Block>, Stop> {
        if self.has_ended {
            return Ok(None);
        }
        let mut bytes = self.memory();
        let mut filled = self.rest.len();
        bytes.get_mut(..filled).ok_or(Stop::Unusual)?.copy_from_slice(&self.rest);
        loop {
            let room = self.block_bytes.min(bytes.len().saturating_sub(BEHIND_BYTES));
            filled += self.fill(bytes.get_mut(filled..room).ok_or(Stop::Unusual)?)?;
            if filled < room || room == self.block_bytes {
                break;
            }
            bytes.resize(self.block_bytes + BEHIND_BYTES, 0);
        }
        self.has_ended = filled < self.block_bytes;
        if self.has_ended && filled > 0 && bytes.get(filled - 1) != Some(&b'\n') {
            *bytes.get_mut(filled).ok_or(Stop::Unusual)? = b'\n';
            filled += 1;
        }
        let cut = self.cut(&mut bytes, filled)?;
        self.rest.clear();
        self.rest.extend_from_slice(bytes.get(cut.end..filled).unwrap_or_default());
        let blank = if self.has_ended { blank_at_end(&bytes, cut.end) } else { (0, 0) };
        let block = Block {
            index: self.index,
            length: cut.end - blank.1,
            bytes,
            records_before: self.records,
            line: self.line,
            is_last: self.has_ended,
            blank: blank.0,
        };
        self.index += 1;
        self.records += cut.records;
        self.line += cut.lines;
        Ok(Some(block))
    }

    /// Room for a block; what it holds does not matter.
    fn memory(&self) -> Vec<u8> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        // One byte more than will come shows that no more does.
        let likely = usize::try_from(self.likely_bytes).unwrap_or(usize::MAX).saturating_add(1);
        let room = self.block_bytes.min(likely.max(self.rest.len()));
        spare.unwrap_or_else(|| vec![0; room + BEHIND_BYTES])
    }

    fn fill(&mut self, mut room: &mut [u8]) -> io::Result<usize> {
        let all = room.len();
        while !room.is_empty() {
            match self.source.read(room) {
                Ok(0) => break,
                Ok(count) => room = room.get_mut(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all - room.len())
    }

    /// Finds where the last whole record ends.
    fn cut(&self, bytes: &mut [u8], filled: usize) -> Result<Cut, Stop> {
        // A lane may be read beyond the end: what an earlier block has left there must not count.
        bytes.get_mut(filled..filled + PADDING_BYTES).ok_or(Stop::Unusual)?.fill(0);
        let bytes = bytes.get(..filled.next_multiple_of(LANE_BYTES)).ok_or(Stop::Unusual)?;
        let cut = self.scanner.run(FindCut { bytes, quote: self.quote });
        if filled > 0 && cut.end == 0 || self.has_ended && cut.end != filled {
            return Err(Stop::Unusual);
        }
        Ok(cut)
    }
}

/// Blank lines at the end of a text, and their bytes.
fn blank_at_end(bytes: &[u8], end: usize) -> (u64, usize) {
    let (mut lines, mut left) = (0, bytes.get(..end).unwrap_or_default());
    loop {
        let before = left.strip_suffix(b"\r\n").or_else(|| left.strip_suffix(b"\n"));
        match before {
            Some(before) if before.is_empty() || before.ends_with(b"\n") => {
                left = before;
                lines += 1;
            }
            Some(_) | None => return (lines, end - left.len()),
        }
    }
}

/// Where a block's last record ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Cut {
    end: usize,
    /// Records and lines before that.
    records: u64,
    lines: u64,
}

struct FindCut<'b> {
    bytes: &'b [u8],
    quote: u8,
}

impl Work for FindCut<'_> {
    type Output = Cut;

    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) -> Cut {
        let (mut cut, mut records, mut lines, mut inside) = (Cut::default(), 0, 0, 0);
        for (at, lane) in self.bytes.as_chunks::<LANE_BYTES>().0.iter().enumerate() {
            let (quotes, feeds) = (lanes.positions(lane, self.quote), lanes.positions(lane, b'\n'));
            let quoted = if quotes == 0 { inside } else { lanes.parity(quotes) ^ inside };
            // All ones when the lane ends inside quotes.
            inside = (quoted.cast_signed() >> (LANE_BYTES - 1)).cast_unsigned();
            let ends = feeds & !quoted;
            if let Some(last) = ends.checked_ilog2() {
                records += u64::from(ends.count_ones());
                let upto = u64::MAX >> (u64::BITS - 1 - last);
                let lines = lines + u64::from((feeds & upto).count_ones());
                cut = Cut { end: at * LANE_BYTES + last as usize + 1, records, lines };
            }
            lines += u64::from(feeds.count_ones());
        }
        cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(text: &str, block_bytes: usize) -> Result<Vec<Block>, Stop> {
        // What is likely to come may be wrong.
        let likely = text.len() as u64 * (block_bytes as u64 % 3) / 2;
        let mut reader = Blocks::new(text.as_bytes(), b'"', 2, (block_bytes, likely));
        let mut blocks = Vec::new();
        while let Some(block) = reader.next()? {
            blocks.push(block);
        }
        Ok(blocks)
    }

    fn texts(text: &str, block_bytes: usize) -> Vec<String> {
        let of = |block: &Block| String::from_utf8_lossy(&block.bytes[..block.length]).into();
        blocks(text, block_bytes).expect("blocks").iter().map(of).collect()
    }

    #[test]
    fn blocks_end_where_records_end() {
        assert_eq!(texts("a,b\nc,d\ne,f", 10), ["a,b\nc,d\n", "e,f\n"]);
        assert_eq!(texts("a,\"\n\n\"\nc,d\n", 10), ["a,\"\n\n\"\n", "c,d\n"]);
        assert_eq!(texts("", 10), [""]);
        let long = "1,\"x\ny\"\n".repeat(1000);
        for block_bytes in [8, 9, 63, 64, 65, 1000] {
            assert_eq!(texts(&long, block_bytes).concat(), long, "{block_bytes}");
        }
    }

    #[test]
    fn blocks_know_what_is_before_them() {
        let text = "a,b\na,\"\n\"\nc,d\n".repeat(50);
        for block in blocks(&text, 40).expect("blocks") {
            let before = block.records_before;
            let at: usize = (before % 3).try_into().expect("small");
            assert_eq!(block.line, 2 + before / 3 * 4 + [0, 1, 3][at]);
        }
    }

    #[test]
    fn blank_lines_at_the_end_are_counted_and_left_out() {
        let last = |text| blocks(text, 100).expect("blocks").pop().expect("a block");
        assert_eq!((last("a,b\n\n\r\n").length, last("a,b\n\n\r\n").blank), (4, 2));
        assert_eq!((last("a,b\r\n").length, last("a,b\r\n").blank), (5, 0));
        assert_eq!((last("\n").length, last("\n").blank), (0, 1));
    }

    #[test]
    fn what_has_no_end_is_for_the_exact_reader() {
        assert!(matches!(blocks("a,\"b\nc,d\n", 100), Err(Stop::Unusual)));
        assert!(matches!(blocks(&"a,".repeat(100), 50), Err(Stop::Unusual)));
    }
}
