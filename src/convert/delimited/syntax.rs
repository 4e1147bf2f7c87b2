//! How delimited text is written: the part of the dialect that the reader obeys.

use std::fmt;

pub use crate::config::Escape;

/// Bytes of the longest delimiter.
const DELIMITER_BYTES_MAX: usize = 16;

/// The part of a dialect that the reader obeys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Syntax {
    /// Between fields; `None` for a one-column file, whose lines are its values.
    pub delimiter: Option<Delimiter>,
    /// Around fields that hold delimiters, record ends or quotes.
    pub quote: u8,
    /// How a quote stands inside a quoted field.
    pub escape: Escape,
    /// What ends a record.
    pub ends: Ends,
    /// What a line begins with that is a comment, if the feed says so.
    pub comment: Option<u8>,
}

impl Syntax {
    #[allow(dead_code, reason = "what a parallel reader asks first")]
    /// Whether it is RFC 4180 but for its characters: a delimiter of one byte, doubled quotes,
    /// records that end in LF or CRLF, no comments.
    pub fn is_plain(&self) -> bool {
        self.delimiter.is_some_and(|delimiter| delimiter.single().is_some())
            && self.escape == Escape::Doubled
            && self.ends == Ends::Lf
            && self.comment.is_none()
    }
}

/// What stands between fields: one or several bytes of UTF-8.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Delimiter {
    bytes: [u8; DELIMITER_BYTES_MAX],
    length: u8,
}

impl Delimiter {
    /// The delimiter with this text; `None` when that is empty or too long.
    pub fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; DELIMITER_BYTES_MAX];
        let length = u8::try_from(text.len()).ok().filter(|length| *length > 0)?;
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self { bytes, length })
    }

    /// A delimiter of one ASCII character.
    pub fn of(byte: u8) -> Self {
        let mut bytes = [0; DELIMITER_BYTES_MAX];
        if let Some(first) = bytes.first_mut() {
            *first = byte;
        }
        Self { bytes, length: 1 }
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// Its first byte.
    pub fn first(&self) -> u8 {
        self.bytes.first().copied().unwrap_or_default()
    }

    /// Its byte, if it is one.
    pub fn single(&self) -> Option<u8> {
        (self.length == 1).then(|| self.first())
    }
}

impl fmt::Display for Delimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(self.as_bytes()).unwrap_or_default())
    }
}

impl fmt::Debug for Delimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

/// What ends a record outside quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// LF, and CRLF. A lone CR is data.
    Lf,
    /// LF, CRLF and CR.
    Any,
}

impl Default for Syntax {
    fn default() -> Self {
        Self {
            delimiter: Some(Delimiter::of(b',')),
            quote: b'"',
            escape: Escape::Doubled,
            ends: Ends::Lf,
            comment: None,
        }
    }
}
