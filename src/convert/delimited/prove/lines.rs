//! A text as the `csv` crate is to read it: without the lines that are left out before, and with one
//! byte for a delimiter of several.

use std::collections::HashSet;
use std::io::{self, Read};

use crate::convert::delimited::dialect::{Dialect, Preamble};
use crate::convert::delimited::syntax::{Delimiter, Ends};
use crate::convert::text::{Source, TextReader};

/// Bytes of text read at once.
const FILL_BYTES: usize = 1 << 20;

/// The text's lines without those that are left out.
pub(super) struct Lines {
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
    /// Whether a CR ended a line by itself, which the `csv` crate does not count.
    pub(super) has_lone_cr: bool,
    ended: bool,
    /// A delimiter of several bytes, and the byte that stands in for it.
    replaced: Option<(Delimiter, u8)>,
}

impl Lines {
    /// The lines of a text, in which a delimiter of several bytes is replaced by one.
    pub(super) fn new(
        source: TextReader,
        dialect: &Dialect,
        left_out: HashSet<u64>,
        replaced: Option<(Delimiter, u8)>,
    ) -> Self {
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
            has_lone_cr: false,
            ended: false,
            replaced,
        }
    }

    /// The line of the source that is this line of what is left.
    pub(super) fn original(&self, mut line: u64) -> u64 {
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

    fn push(&mut self, byte: u8) {
        self.ready.push(byte);
        if let Some((delimiter, one)) = self.replaced
            && let unread = self.ready.get(self.at..).unwrap_or_default()
            && unread.ends_with(delimiter.as_bytes())
        {
            let before = self.ready.len() - delimiter.as_bytes().len();
            self.ready.truncate(before);
            self.ready.push(one);
        }
    }

    /// How many bytes may be read: not those that may yet be the beginning of a delimiter.
    fn readable(&self) -> usize {
        let held = match self.replaced {
            Some((delimiter, _)) if !self.ended => delimiter.as_bytes().len() - 1,
            _ => 0,
        };
        (self.ready.len() - self.at).saturating_sub(held)
    }

    fn sift(&mut self) {
        let text = std::mem::take(&mut self.text);
        for byte in text.bytes() {
            if std::mem::replace(&mut self.after_cr, false)
                && byte != b'\n'
                && self.ends == Ends::Any
            {
                self.has_lone_cr = true;
                self.end_line();
            }
            if !self.is_left_out() {
                self.push(byte);
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
        while self.readable() == 0 && !self.ended {
            self.ready.drain(..self.at);
            self.at = 0;
            let more = self.source.fill(&mut self.text, FILL_BYTES).map_err(io::Error::other)?;
            self.ended = !more;
            self.sift();
        }
        let end = self.at + self.readable();
        let count = self.ready.get(self.at..end).unwrap_or_default().read(buffer)?;
        self.at += count;
        Ok(count)
    }
}

/// A byte that does not occur in a text, to stand for something else.
pub(super) fn unused_byte(mut source: TextReader) -> io::Result<Option<u8>> {
    let (mut used, mut text) = ([false; 128], String::new());
    while source.fill(&mut text, FILL_BYTES).map_err(io::Error::other)? {
        for byte in text.bytes() {
            if let Some(used) = used.get_mut(usize::from(byte)) {
                *used = true;
            }
        }
        text.clear();
    }
    let is_free = |byte: &u8| used.get(usize::from(*byte)) == Some(&false);
    let kept = [b'\t', b'\n', b'\r'];
    Ok((1..32).rev().filter(|byte| !kept.contains(byte)).find(is_free))
}
