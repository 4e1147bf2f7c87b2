//! Which type the values of a column allow: a join that is commutative and associative, so that
//! neither order nor division of the work can change it.
//!
//! A type is allowed only if a recorded [`Printer`] gives back every value's exact text.

use serde::{Deserialize, Serialize};

use crate::schema::ColumnType;

/// How a value's exact text is printed back from the published value. Kept in the Parquet's
/// metadata, one per column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "print", rename_all = "snake_case")]
pub enum Printer {
    /// Every value is null.
    Null,
    /// The text itself.
    Text,
    /// The digits of a whole number; of a decimal, without its fraction.
    Integer,
    /// A decimal with so many digits after the point.
    Decimal {
        /// Digits after the point.
        scale: u8,
    },
    /// The shortest text that gives the same double, as Rust's `{:?}`: `0.1`, `1.0`, `1e16`.
    Double,
    /// The same, whole numbers without `.0`: a number of a workbook.
    Number,
    /// `YYYY-MM-DD`.
    Date,
    /// `YYYY-MM-DD`, separator, `HH:MM:SS`, fraction, zone.
    Timestamp {
        /// `T` or a blank.
        separator: char,
        /// Digits after the second's point; 0 is none and no point.
        fraction: u8,
        /// As written after the time: `Z`, `+02:00`, or empty for a local time.
        zone: String,
    },
    /// Two words.
    Bool {
        /// For true.
        yes: String,
        /// For false.
        no: String,
    },
}

/// How a null is spelled in the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Empty {
    /// Nothing between the delimiters, or an empty cell.
    Nothing,
    /// Two quotes.
    Quotes,
}

/// What the values of one column of a file allow.
pub trait Fit {
    /// The narrowest type that holds every value exactly.
    fn own(&self) -> ColumnType;
    /// Whether every value is exactly recoverable from a column of type `target`. Always true of
    /// text.
    fn fits(&self, target: ColumnType) -> bool;
}
