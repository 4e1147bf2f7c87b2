//! What a feed's files must look like, as people declared it: valid values, nothing else.
//!
//! `config` reads a [`Contract`] from `contracts/<feed>.toml`, `convert` applies it. It crosses to
//! the worker process with each job, so everything here can be serialised.
//!
//! Left out: reading TOML (`config/contract`), reading and judging values (`convert/contract`).

use serde::{Deserialize, Serialize};

use crate::names::Digest;
use crate::schema::ColumnType;

mod allowance;
mod literal;
mod name_pattern;
mod pattern;
mod proposal;
mod time_format;

pub use allowance::{Allowance, Allowed};
pub use literal::Literal;
pub use name_pattern::{NameField, NamePattern};
pub use pattern::Pattern;
pub use proposal::{Proposal, ProposedColumn};
pub use time_format::{Item, TimeFormat};

/// What a feed's files must look like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contract {
    /// SHA-256 of the text it was read from.
    pub digest: Digest,
    /// `mode.columns`, default freeze.
    pub differing_columns: DifferingColumns,
    /// `max_rejects`, default none at all.
    pub max_rejects: MaxRejects,
    /// `rows`: how many records a file may have.
    pub rows: RowCount,
    /// `unique = [["region", "id"]]` and columns with `unique = true`: names whose values together
    /// occur once in a file. A key with a null in it is not compared.
    pub unique: Vec<Vec<String>>,
    /// `match`: what a file's name says.
    pub name: Option<NamePattern>,
    /// The columns, in the order they are declared.
    pub columns: Vec<DeclaredColumn>,
}

impl Contract {
    /// The declared column that a header means: by name or alias, without regard to case.
    pub fn column_of(&self, header: &str) -> Option<&DeclaredColumn> {
        let folded = header.to_lowercase();
        let named = self.columns.iter().find(|column| column.name.to_lowercase() == folded);
        named.or_else(|| {
            let has = |alias: &String| alias.to_lowercase() == folded;
            self.columns.iter().find(|column| column.aliases.iter().any(has))
        })
    }

    /// A header by the name that the contract gives it.
    pub fn renamed<'h>(&'h self, header: &'h str) -> &'h str {
        self.column_of(header).map_or(header, |column| &column.name)
    }
}

/// What happens to a file whose columns are not those of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferingColumns {
    /// New ones are taken as they are learned without a contract, missing ones are null; both are
    /// told.
    Evolve,
    /// The file is held.
    Freeze,
}

/// What happens to a value that its column does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BadValues {
    /// Its record is left out.
    RejectRow,
    /// It is null, counted and told.
    NullValue,
}

/// How many records may be left out of a file that is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaxRejects {
    /// So many records.
    pub count: u64,
    /// This share of them, in parts per million.
    pub ppm: u32,
}

/// How many records a file may have; no bound when `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowCount {
    /// At least so many.
    pub min: Option<u64>,
    /// At most so many.
    pub max: Option<u64>,
}

/// One declared column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeclaredColumn {
    /// Its published name.
    pub name: String,
    /// `aliases`: other headers that mean it.
    pub aliases: Vec<String>,
    /// `type` and how its values are written.
    pub form: Form,
    /// `null`: words that stand for no value, beside nothing at all.
    pub nulls: Vec<String>,
    /// `trim`: whether blanks around a value are no part of it.
    pub trim: bool,
    /// `required`: whether every record must have a value.
    pub required: bool,
    /// `mode.values`, or the column's own.
    pub bad_values: BadValues,
    /// `min`, inclusive.
    pub min: Option<Literal>,
    /// `max`, inclusive.
    pub max: Option<Literal>,
    /// `pattern`: what the whole text of every value matches.
    pub pattern: Option<Pattern>,
    /// `allowed`: the only values there are.
    pub allowed: Option<Vec<Literal>>,
}

/// A type, and how its values are written in text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Anything.
    Text,
    /// A whole number.
    Int64(Marks),
    /// An exact decimal.
    Decimal {
        /// Digits in all, 1 to 38.
        precision: u8,
        /// Digits after the point, at most `precision`.
        scale: u8,
        /// How it is written.
        marks: Marks,
    },
    /// A double.
    Double(Marks),
    /// A day.
    Date(TimeFormat),
    /// A moment; an instant if the format has a zone. Without a format ISO 8601.
    Timestamp {
        /// How it is written; `None` for ISO 8601.
        format: Option<TimeFormat>,
        /// Whether it is an instant and its text has a zone.
        utc: bool,
    },
    /// One of two, each spelled in one of these words.
    Bool {
        /// Words for true.
        yes: Vec<String>,
        /// Words for false.
        no: Vec<String>,
    },
}

impl Form {
    /// The type that values are published as.
    pub fn kind(&self) -> ColumnType {
        match self {
            Self::Text => ColumnType::Text,
            Self::Int64(_) => ColumnType::Int64,
            Self::Decimal { precision, scale, .. } => {
                ColumnType::Decimal { precision: *precision, scale: *scale }
            }
            Self::Double(_) => ColumnType::Double,
            Self::Date(_) => ColumnType::Date,
            Self::Timestamp { utc, .. } => ColumnType::Timestamp { utc: *utc },
            Self::Bool { .. } => ColumnType::Bool,
        }
    }
}

/// The marks in a number's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// `decimal`: `.` or `,`.
    pub point: char,
    /// `thousands`: what may stand between groups of three digits before the point.
    pub thousands: Option<char>,
}

impl Default for Marks {
    fn default() -> Self {
        Self { point: '.', thousands: None }
    }
}
