//! What stops a conversion, told to people.

use super::fast;
use super::records::Error as ReadError;
use super::rows::Error as RowError;
use super::scan::Scan;
use super::write::Error as WriteError;
use crate::convert::{Job, contract, table, text, unreadable};
use crate::diagnostic::{Code, Diagnostic, QUOTE};

/// Why there is no table.
#[derive(Debug)]
pub enum Stop {
    /// A byte is not valid in the assumed encoding; another may do.
    Undecodable {
        /// The line it is on.
        line: u64,
        /// Where it is.
        byte_offset: u64,
        /// The encoding's name.
        encoding: &'static str,
    },
    /// The file must wait for a person.
    Held(Box<Diagnostic>),
}

impl Stop {
    /// The diagnostic of a stop that nothing else can help.
    pub fn diagnostic(self) -> Diagnostic {
        match self {
            Self::Undecodable { line, byte_offset, encoding } => {
                let summary = format!("line {line} has a byte that is not valid {encoding}");
                Diagnostic::error(Code::C102, summary)
                    .fact("line", line)
                    .fact("byte offset", byte_offset)
                    .fact("encoding", encoding)
            }
            Self::Held(diagnostic) => *diagnostic,
        }
    }
}

impl From<Diagnostic> for Stop {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Held(Box::new(diagnostic))
    }
}

impl From<RowError> for Stop {
    fn from(error: RowError) -> Self {
        match error {
            RowError::Read(error) => error.into(),
            RowError::DamagedHeader(line) => {
                let summary =
                    format!("the header on line {line} has a byte that is not valid UTF-8");
                Diagnostic::error(Code::C102, summary).fact("line", line).into()
            }
            RowError::BrokenHeader(line) => {
                let summary = format!("the header on line {line} has text after a closing quote");
                Diagnostic::error(Code::C113, summary).fact("line", line).into()
            }
            RowError::Keys(keys) => {
                let told = Diagnostic::error(Code::C130, keys.to_string());
                told.fact("key", &keys.key).fact("limit", keys.max).into()
            }
        }
    }
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Text { line, source } => Self::from_text(line, source),
            ReadError::EndlessQuote { line } => {
                let summary = format!("the quote that opens on line {line} is never closed");
                Diagnostic::error(Code::C104, summary).fact("line", line).into()
            }
            ReadError::Limit { line, limit, max, open_quote } => {
                let summary = format!("the record on line {line} exceeds {limit} = {max}");
                let told = Diagnostic::error(Code::C105, summary);
                let told = told.fact("line", line).fact("limit", limit).fact("value", max);
                match open_quote {
                    Some(quote) => told.fact("a quote is open since line", quote).into(),
                    None => told.into(),
                }
            }
        }
    }
}

impl Stop {
    /// The same, said of a member of an archive.
    pub fn of_member(self, member: Option<&str>) -> Self {
        match member {
            Some(member) => self.diagnostic().fact("member", member).into(),
            None => self,
        }
    }

    /// A text that could not be read, on a line.
    pub fn from_text(line: u64, error: text::Error) -> Self {
        match error {
            text::Error::Undecodable { byte_offset, encoding } => {
                Self::Undecodable { line, byte_offset, encoding }
            }
            error @ text::Error::Io(_) => unreadable(&error).into(),
        }
    }
}

impl From<text::CharsetError> for Stop {
    fn from(error: text::CharsetError) -> Self {
        let told = match &error {
            text::CharsetError::Io(_) => unreadable(&error),
            text::CharsetError::UnknownLabel(_) => {
                let told = Diagnostic::error(Code::C102, error.to_string());
                told.hint("Correct `encoding` in the feed's format.")
            }
        };
        told.into()
    }
}

impl From<WriteError> for Stop {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Rows(error) => error.into(),
            WriteError::Table(error) => error.into(),
            error @ WriteError::Value { .. } => unreadable(&error).into(),
        }
    }
}

impl From<fast::Stop> for Stop {
    fn from(stop: fast::Stop) -> Self {
        match stop {
            fast::Stop::Table(error) => error.into(),
            stop @ (fast::Stop::Unusual | fast::Stop::Io(_)) => unreadable(&stop).into(),
        }
    }
}

impl From<table::Error> for Stop {
    fn from(error: table::Error) -> Self {
        error.diagnostic().into()
    }
}

/// Stops for a table that may not be published.
pub fn check(scan: &Scan, job: &Job) -> Result<(), Stop> {
    let is_empty = scan.headers.iter().all(String::is_empty);
    // One column without a name whose lines are all blank: nobody sent a table.
    let is_blank = is_empty && scan.evidence.len() == 1 && scan.has_no_values();
    if scan.records() == 0 || is_blank {
        let what = if is_empty { "is empty" } else { "has a header and no records" };
        return Err(Diagnostic::error(Code::C101, format!("the file {what}")).into());
    }
    if let Some(second) =
        scan.second_table.as_ref().filter(|_| scan.holds_second_table(&job.limits))
    {
        let what = format!("line {} looks like the header of another table", second.line);
        let told = Diagnostic::error(Code::C149, what);
        return Err(told.fact("line", second.line).fact(QUOTE, &second.raw).into());
    }
    if let Some(contract) = &job.contract {
        contract::check_rows(contract, scan.records())?;
    }
    match scan.rejects.too_many(scan.records(), &job.limits) {
        Some(told) => Err(told.into()),
        None => Ok(()),
    }
}
