//! A contract meets a file: its values are read as declared, judged, and told.
//!
//! - [`Rules`] are a contract's columns bound to those of a file, by header: name or alias, without
//!   regard to case. They read a [`Cell`] into its typed value, or say in one sentence why not.
//! - A [`Judge`] sees every record of a file in order. It says which records are rejects, and keeps
//!   the [`Facts`]: nulls, values made null, and whether a printer gives every text back.
//! - [`plan()`] says which columns the Parquet has.
//!
//! Numbers go from text to units of their scale without a double in between; a cell of a workbook
//! holds a double, and counts as its shortest text. A value that has more digits than its column is
//! never rounded.
//!
//! The exact text of a value stays in the raw object. Where one printer gives back every text of a
//! column it is recorded as for learned columns; otherwise the column says so.
//!
//! Of JSON a contract reads the values of the records' own keys. A list or an object is text, where
//! text is declared, and fits nothing else. Left out: contracts of what is within them.

use std::borrow::Cow;

use super::infer::printer;
use super::{Job, Limits, Outcome};
use crate::contract::Allowance;
use crate::contract::{Contract, Literal, NameField};
use crate::diagnostic::{Code, Diagnostic};
use crate::schema::ColumnType;

mod facts;
mod judge;
mod number;
mod plan;
mod read;
mod rules;
mod spelled;
pub mod time;
mod unique;

pub use facts::{ColumnFacts, Facts};
pub use judge::{Judge, Keys};
pub use plan::{check_columns, plan};
pub use rules::{Rule, Rules};
pub use unique::TooMany;

/// Bytes of a value that a reason shows.
const SHOWN_BYTES_MAX: usize = 60;

/// A value as it stands in a file.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'t> {
    /// Nothing: a cell that is not there.
    Missing,
    /// A text, and whether it was quoted.
    Text(Cow<'t, str>, Quoted),
    /// A number of a workbook.
    Number(f64),
    /// A logical value of a workbook.
    Bool(bool),
    /// A date of a workbook, in days since 1970-01-01.
    Date(i32),
    /// A date and time of a workbook, in microseconds since 1970-01-01.
    Moment(i64),
    /// A number of JSON by its exact text: its point is a point, whatever the contract's marks.
    Digits(Cow<'t, str>),
    /// A list or object of JSON by its text.
    Nested(Cow<'t, str>),
}

/// Whether a text stood in quotes, which tells an empty text from nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quoted {
    /// It did.
    Yes,
    /// It did not.
    No,
}

impl<'t> Cell<'t> {
    /// A field of delimited text.
    pub fn field(text: &'t str, quoted: bool) -> Self {
        Self::Text(Cow::Borrowed(text), if quoted { Quoted::Yes } else { Quoted::No })
    }

    /// Its exact text; empty for a missing cell.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Missing => "".into(),
            Self::Text(text, _) | Self::Digits(text) | Self::Nested(text) => text.as_ref().into(),
            Self::Number(value) => printer::number_text(*value).into(),
            Self::Bool(true) => "TRUE".into(),
            Self::Bool(false) => "FALSE".into(),
            Self::Date(days) => printer::date_text(*days).into(),
            Self::Moment(micros) => printer::moment_text(*micros).into(),
        }
    }

    fn shown(&self) -> String {
        let text = self.text();
        let cut = text.floor_char_boundary(SHOWN_BYTES_MAX);
        let dots = if cut < text.len() { "…" } else { "" };
        // Quotes stay as they are, for readers of JSON.
        let escaped = text.get(..cut).unwrap_or_default().chars().map(|c| match c {
            '"' | '\'' => c.to_string(),
            c => c.escape_debug().to_string(),
        });
        format!("`{}{dots}`", escaped.collect::<String>())
    }
}

/// Why a value or record does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The stable code.
    pub code: Code,
    /// The column at fault.
    pub column: Option<String>,
    /// The reason in words, naming column and value.
    pub reason: String,
}

/// A column that comes from the file's name.
#[derive(Debug, Clone, PartialEq)]
pub struct NameColumn {
    /// `_lf_name_region`.
    pub name: String,
    /// Text, date or timestamp.
    pub kind: ColumnType,
    /// Its value, the same for all rows.
    pub value: Literal,
}

/// The columns that a file's name gives.
///
/// # Errors
/// C129 when the name is not what the contract says.
pub fn name_columns(job: &Job) -> Result<Vec<NameColumn>, Diagnostic> {
    let Some(pattern) = job.contract.as_ref().and_then(|contract| contract.name.as_ref()) else {
        return Ok(Vec::new());
    };
    let refused = |why: String| {
        let told = Diagnostic::error(Code::C129, format!("the name {} {why}", job.name));
        told.fact("match", pattern.as_str())
    };
    let texts = pattern.read(job.name.base());
    let texts = texts.ok_or_else(|| refused("does not match the contract's `match`".to_owned()))?;
    let fields = pattern.fields().iter().zip(texts);
    let column = |(field, text): (&NameField, &str)| {
        let not = || refused(format!("has `{text}` for `{}`, which is no such day", field.name));
        name_column(field, text).ok_or_else(not)
    };
    fields.map(column).collect()
}

fn name_column(field: &NameField, text: &str) -> Option<NameColumn> {
    let (kind, value) = match &field.format {
        None => (ColumnType::Text, Literal::Text(text.to_owned())),
        Some(format) => {
            let (moment, _) = time::read(format, text)?;
            if format.has_time() {
                let utc = format.has_zone();
                (ColumnType::Timestamp { utc }, Literal::Timestamp(moment))
            } else {
                (ColumnType::Date, Literal::Date(time::day(moment)?))
            }
        }
    };
    Some(NameColumn { name: field.column(), kind, value })
}

/// What becomes of a file that is no table: it is handed off as it is, unless a contract says which
/// columns it has.
pub fn not_a_table(job: &Job, what: &str) -> Outcome {
    if job.contract.is_none() {
        return Outcome::Raw { reason: what.to_owned() };
    }
    let summary = format!("the contract declares columns, but the file is no table: {what}");
    let way_out = "Send a table, or take the contract from a feed that has other files.";
    Outcome::Held(Diagnostic::error(Code::C107, summary).hint(way_out))
}

/// Holds a file that has more or fewer records than its contract allows.
///
/// # Errors
/// C128.
pub fn check_rows(contract: &Contract, records: u64) -> Result<(), Diagnostic> {
    let rows = contract.rows;
    let wrong = match (rows.min, rows.max) {
        (Some(min), _) if records < min => format!("at least {min}"),
        (_, Some(max)) if records > max => format!("at most {max}"),
        (_, _) => return Ok(()),
    };
    let summary = format!("the file has {records} records, the contract asks for {wrong}");
    Err(Diagnostic::error(Code::C128, summary).fact("records", records).fact("allowed", wrong))
}

impl Job {
    /// The job under a feed's contract, if it has one.
    pub fn under(mut self, contract: Option<&Contract>) -> Self {
        if let Some(contract) = contract {
            self.limits = Limits {
                rejects_max: contract.max_rejects.count,
                rejects_ppm: contract.max_rejects.ppm,
                ..self.limits
            };
            self.contract = Some(contract.clone());
        }
        self
    }

    /// The job with what a person lets the file do.
    pub fn allowing(mut self, allowance: Allowance) -> Self {
        if allowance.rejects {
            self.limits = Limits { rejects_max: u64::MAX, rejects_ppm: 1_000_000, ..self.limits };
        }
        self.allowance = allowance;
        self
    }

    /// Headers by the names that the contract gives them, made unique.
    pub fn published<S: AsRef<str>>(&self, headers: &[S]) -> Vec<String> {
        match &self.contract {
            None => super::headers::published(headers),
            Some(contract) => {
                let named = headers.iter().map(|header| contract.renamed(header.as_ref()));
                super::headers::published(&named.collect::<Vec<_>>())
            }
        }
    }

    /// The columns that are known before the file is read: the contract's, else the feed's.
    pub fn known_columns(&self) -> Vec<crate::schema::Column> {
        match (&self.contract, &self.learned) {
            (Some(contract), _) => plan::declared(contract),
            (None, Some(learned)) => learned.columns.clone(),
            (None, None) => Vec::new(),
        }
    }
}
