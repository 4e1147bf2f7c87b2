//! How delimited text is written: the part of the dialect that the reader obeys.

/// The part of a dialect that the reader obeys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Syntax {
    /// Between fields; `None` for a one-column file, whose lines are its values.
    pub delimiter: Option<u8>,
    /// Around fields that hold delimiters, record ends or quotes.
    pub quote: u8,
    /// How a quote stands inside a quoted field.
    pub escape: Escape,
    /// What ends a record.
    pub ends: Ends,
}

/// How a quote stands inside a quoted field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// `""` (RFC 4180).
    Doubled,
    /// `\"`, and `""` as well. Only the backslash before a quote is taken away: what others mean
    /// nobody can know.
    Backslash,
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
        Self { delimiter: Some(b','), quote: b'"', escape: Escape::Doubled, ends: Ends::Lf }
    }
}
