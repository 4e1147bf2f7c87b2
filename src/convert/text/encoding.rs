//! Which encoding a text is in, and how that is known.
//!
//! A byte order mark or a declaration settles it. Otherwise UTF-8 is assumed, which other encodings
//! hardly ever satisfy by chance; when a byte contradicts it, the whole file is looked at and the
//! likeliest legacy encoding is taken, recorded as a guess. A file that is mostly valid UTF-8 and
//! somewhere not is damaged UTF-8, not a legacy file: reading it as one would garble every letter.

use std::io;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::BLOCK_BYTES;
use crate::convert::unpack::{Content, read_full};

/// Bytes with anything but ASCII in them that the guess is made from.
const GUESS_BYTES_MAX: usize = 16 << 20;
const SAMPLE_BYTES: usize = 4096;

/// An encoding and how it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charset {
    /// The encoding.
    pub encoding: &'static Encoding,
    /// Bytes of its byte order mark.
    pub mark_bytes: u64,
    /// How it is known.
    pub certainty: Certainty,
}

/// How an encoding is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// The feed declares it.
    Declared,
    /// The file begins with a byte order mark.
    Mark,
    /// All bytes are valid, which does not happen by chance.
    Valid,
    /// It is the likeliest.
    Guess,
    /// It is UTF-8, and some bytes are not valid: they are marked (see [`super::damage`]).
    Damaged,
}

impl Charset {
    /// The encoding in words, for reports.
    pub fn words(&self) -> String {
        let name = self.encoding.name();
        match self.certainty {
            Certainty::Declared => format!("{name} (declared)"),
            Certainty::Mark => format!("{name} (byte order mark)"),
            Certainty::Valid => name.to_owned(),
            Certainty::Guess => format!("{name} (guessed)"),
            Certainty::Damaged => format!("{name} (damaged)"),
        }
    }
}

/// Why there is no encoding.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("the file could not be read")]
    Io(#[from] io::Error),
    /// The declared encoding has no such name.
    #[error("`{0}` is not the name of an encoding")]
    UnknownLabel(String),
}

/// The encoding that is declared or marked, else UTF-8 as the first assumption.
///
/// # Errors
/// When the label is not known or the file cannot be read.
pub fn assumed(content: &Content, label: Option<&str>) -> Result<Charset, Error> {
    let head = content.head(SAMPLE_BYTES)?;
    let marked = Encoding::for_bom(&head);
    if let Some(label) = label {
        let encoding = Encoding::for_label_no_replacement(label.as_bytes());
        let encoding = encoding.ok_or_else(|| Error::UnknownLabel(label.to_owned()))?;
        let mark = marked.filter(|(marked, _)| *marked == encoding);
        let mark_bytes = mark.map_or(0, |(_, bytes)| bytes as u64);
        return Ok(Charset { encoding, mark_bytes, certainty: Certainty::Declared });
    }
    if let Some((encoding, bytes)) = marked {
        return Ok(Charset { encoding, mark_bytes: bytes as u64, certainty: Certainty::Mark });
    }
    Ok(match unmarked_utf16(&head) {
        Some(encoding) => Charset { encoding, mark_bytes: 0, certainty: Certainty::Guess },
        None => Charset { encoding: UTF_8, mark_bytes: 0, certainty: Certainty::Valid },
    })
}

/// UTF-16 without a mark: nearly every second byte is NUL, which no text in another encoding has.
pub fn unmarked_utf16(head: &[u8]) -> Option<&'static Encoding> {
    let pairs = head.len() / 2;
    let zeros = |at: usize| head.chunks_exact(2).filter(|pair| pair.get(at) == Some(&0)).count();
    let (first, second) = (zeros(0), zeros(1));
    if pairs < 2 || first.max(second) * 10 < pairs * 7 || first.min(second) * 20 > pairs {
        return None;
    }
    Some(if first > second { UTF_16BE } else { UTF_16LE })
}

/// The likeliest encoding of a file that is not UTF-8; `None` when it is damaged UTF-8.
///
/// # Errors
/// When the file cannot be read.
pub fn guessed(content: &Content) -> Result<Option<Charset>, Error> {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    let (mut raw, mut block, mut fed) = (content.open(), vec![0; BLOCK_BYTES], 0);
    let mut tally = Tally::default();
    while fed < GUESS_BYTES_MAX {
        let count = read_full(&mut raw, &mut block)?;
        let bytes = block.get(..count).unwrap_or(&block);
        if !bytes.is_ascii() {
            tally.count(bytes);
            detector.feed(bytes, false);
            fed += count;
        }
        if count < BLOCK_BYTES {
            break;
        }
    }
    let encoding = detector.guess(None, Utf8Detection::Deny);
    let charset = Charset { encoding, mark_bytes: 0, certainty: Certainty::Guess };
    Ok((tally.valid <= tally.invalid).then_some(charset))
}

/// Multi-byte UTF-8 characters that are valid, and sequences that are not.
#[derive(Default)]
struct Tally {
    valid: u64,
    invalid: u64,
}

impl Tally {
    fn count(&mut self, block: &[u8]) {
        for chunk in block.utf8_chunks() {
            let wide = chunk.valid().chars().filter(|c| !c.is_ascii()).count();
            self.valid += wide as u64;
            self.invalid += u64::from(!chunk.invalid().is_empty());
        }
    }
}

/// The first character (its index) that a Windows code page does not assign. The WHATWG tables that
/// `encoding_rs` follows map such bytes to C1 controls; a text has none.
pub fn unassigned(encoding: &'static Encoding, text: &str) -> Option<usize> {
    if !encoding.name().starts_with("windows-") || text.is_ascii() {
        return None;
    }
    text.chars().position(|c| ('\u{80}'..='\u{9f}').contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> Content {
        Content::memory(bytes)
    }

    #[test]
    fn marks_and_declarations_settle_it() {
        let words = |bytes: &[u8], label| assumed(&file(bytes), label).expect("a charset").words();
        assert_eq!(words(b"\xef\xbb\xbfa", None), "UTF-8 (byte order mark)");
        assert_eq!(words(b"\xff\xfea\0", None), "UTF-16LE (byte order mark)");
        assert_eq!(words(b"a\0,\0b\0\n\0", None), "UTF-16LE (guessed)");
        assert_eq!(words(b"\0a\0,\0b\0\n", None), "UTF-16BE (guessed)");
        assert_eq!(words(b"a,b\n", Some("latin1")), "windows-1252 (declared)");
        assert_eq!(words(b"a,b\n", None), "UTF-8");
        assert!(matches!(assumed(&file(b"a"), Some("klingon")), Err(Error::UnknownLabel(_))));
    }

    #[test]
    fn a_legacy_file_is_guessed_and_damaged_utf8_is_not() {
        let western = b"name,city\nJos\xe9,M\xfcnchen\nFran\xe7ois,K\xf6ln\n";
        let guess = guessed(&file(western)).expect("read").map(|charset| charset.words());
        assert_eq!(guess.as_deref(), Some("windows-1252 (guessed)"));
        let damaged = "Müller,Köln,Zürich\n".repeat(9).into_bytes();
        let damaged = [damaged, b"\xff\n".to_vec()].concat();
        assert_eq!(guessed(&file(&damaged)).expect("read"), None);
    }
}
