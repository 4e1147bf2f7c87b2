//! A text as the `csv` crate is to read it: without the lines that are left out before, and with one
//! byte for what it does not know.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::{self, Read};

use crate::convert::delimited::dialect::{Dialect, Preamble};
use crate::convert::delimited::syntax::Ends;
use crate::convert::text::{Source, TextReader};

use super::FILL_BYTES;
use super::stand_ins::StandIns;

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
    /// Whether what stands on an empty line is there.
    is_marked: bool,
    after_cr: bool,
    /// Whether a CR ended a line by itself, which the `csv` crate does not count.
    pub(super) has_lone_cr: bool,
    ended: bool,
    /// What to put in, and for what.
    stand_ins: StandIns,
}

impl Lines {
    /// The lines of a text, with what stands in for what the crate does not know.
    pub(super) fn new(
        source: TextReader,
        dialect: &Dialect,
        left_out: HashSet<u64>,
        stand_ins: StandIns,
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
            is_marked: false,
            after_cr: false,
            has_lone_cr: false,
            ended: false,
            stand_ins,
        }
    }

    /// What a field that was read may be a reading of.
    pub(super) fn originals<'f>(&self, field: &'f str) -> [Option<Cow<'f, str>>; 2] {
        self.stand_ins.originals(field)
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
        self.is_marked = false;
    }

    fn push(&mut self, byte: u8) {
        self.ready.push(byte);
        let unread = self.ready.get(self.at..).unwrap_or_default();
        let found = self.stand_ins.pairs.iter().find(|(text, _)| unread.ends_with(text));
        if let Some((text, stand_in)) = found {
            self.ready.truncate(self.ready.len() - text.len());
            self.ready.push(*stand_in);
        }
    }

    /// Marks an empty line at its end, if that is needed.
    fn mark_blank(&mut self) {
        if let Some(blank) = self.stand_ins.blank
            && self.is_blank
            && !self.is_marked
        {
            self.ready.push(blank);
            self.is_marked = true;
        }
    }

    /// How many bytes may be read: not those that may yet be the beginning of what is replaced.
    fn readable(&self) -> usize {
        let longest = self.stand_ins.pairs.iter().map(|(text, _)| text.len()).max();
        let held = if self.ended { 0 } else { longest.map_or(0, |longest| longest - 1) };
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
                if matches!(byte, b'\n' | b'\r') {
                    self.mark_blank();
                }
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
