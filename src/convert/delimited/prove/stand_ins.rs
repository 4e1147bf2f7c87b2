//! Bytes that stand for what the `csv` crate does not know, in a text that does not have them.
//!
//! | stands for | because |
//! |---|---|
//! | a delimiter of several bytes | the crate has delimiters of one byte |
//! | the delimiter, in a file of one column | the crate must have one |
//! | an empty line, in a file of one column | the crate passes over empty lines |
//! | `\\` and `\"`, where a backslash escapes a quote | the crate takes every backslash away |
//!
//! They are put in before the crate reads the text, wherever their original stands, and taken out of
//! the fields that it found.

use std::borrow::Cow;
use std::io;

use crate::convert::delimited::syntax::{Escape, Syntax};
use crate::convert::text::{Source, TextReader};

use super::FILL_BYTES;

/// What stands for what in one text.
#[derive(Debug, Default)]
pub(super) struct StandIns {
    /// Texts of several bytes, and what stands for each; no text ends with another.
    pub(super) pairs: Vec<(Vec<u8>, u8)>,
    /// What stands on an empty line.
    pub(super) blank: Option<u8>,
    /// What stands for an escaped quote; outside of quotes for its two bytes.
    escaped_quote: Option<(u8, u8)>,
}

impl StandIns {
    /// What is needed for a syntax, and the delimiter that the crate is to know. `None` when the text
    /// leaves too few bytes free.
    pub(super) fn find(
        syntax: &Syntax,
        text: impl Fn() -> TextReader,
    ) -> io::Result<Option<(Self, u8)>> {
        let (mut found, plain) = (Self::default(), syntax.delimiter.map(|d| (d, d.single())));
        if let (Some((_, Some(single))), Escape::Doubled) = (plain, syntax.escape) {
            return Ok(Some((found, single)));
        }
        let mut free = unused_bytes(text())?.into_iter();
        let mut take = || free.next();
        let delimiter = match plain {
            Some((_, Some(single))) => Some(single),
            Some((several, None)) => take().inspect(|one| {
                found.pairs.push((several.as_bytes().to_vec(), *one));
            }),
            None => {
                found.blank = take();
                found.blank.and_then(|_| take())
            }
        };
        if syntax.escape == Escape::Backslash {
            let (Some(backslashes), Some(quote)) = (take(), take()) else { return Ok(None) };
            found.pairs.push((br"\\".to_vec(), backslashes));
            found.pairs.push((vec![b'\\', syntax.quote], quote));
            found.escaped_quote = Some((quote, syntax.quote));
        }
        Ok(delimiter.map(|delimiter| (found, delimiter)))
    }

    /// What a field that the crate found may be a reading of: one text, or two where a quote was
    /// escaped, for the crate does not tell whether the field was quoted.
    pub(super) fn originals<'f>(&self, field: &'f str) -> [Option<Cow<'f, str>>; 2] {
        let Some((stand_in, quote)) = self.escaped_quote else {
            return [Some(self.put_back(field.into())), None];
        };
        let (stand_in, quote) = (char::from(stand_in), char::from(quote));
        if !field.contains(stand_in) {
            return [Some(self.put_back(field.into())), None];
        }
        let quoted = field.replace(stand_in, &quote.to_string());
        [Some(self.put_back(quoted.into())), Some(self.put_back(field.into()))]
    }

    fn put_back<'f>(&self, mut field: Cow<'f, str>) -> Cow<'f, str> {
        let blank = self.blank.map(|byte| (&b""[..], byte));
        let pairs = self.pairs.iter().map(|(text, byte)| (text.as_slice(), *byte));
        for (text, byte) in pairs.chain(blank) {
            if field.contains(char::from(byte)) {
                let text = String::from_utf8_lossy(text);
                field = field.replace(char::from(byte), &text).into();
            }
        }
        field
    }
}

/// Control bytes that do not occur in a text.
fn unused_bytes(mut source: TextReader) -> io::Result<Vec<u8>> {
    let (mut used, mut text, mut more) = ([false; 32], String::new(), true);
    while more {
        // The last of it comes with the word that there is no more.
        more = source.fill(&mut text, FILL_BYTES).map_err(io::Error::other)?;
        for byte in text.bytes() {
            if let Some(used) = used.get_mut(usize::from(byte)) {
                *used = true;
            }
        }
        text.clear();
    }
    let is_free = |byte: &u8| used.get(usize::from(*byte)) == Some(&false);
    let kept = [b'\t', b'\n', b'\r'];
    Ok((1..32).rev().filter(|byte| !kept.contains(byte)).filter(is_free).collect())
}
