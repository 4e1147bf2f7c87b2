//! Which type the values of a column allow.
//!
//! A type is allowed only if a recorded [`Printer`] gives back every value's exact text, over the
//! whole file. [`Evidence`] gathers that as a join that is commutative and associative, so neither
//! order nor division of the work can change the outcome: `007` or a lone `1` among fractions at the
//! last line makes the column text as surely as at the first.
//!
//! [`canonical`] says which text each type may have, [`printer`] how it is printed back.

use crate::schema::{Column, ColumnType, Nested};

pub mod canonical;
mod evidence;
pub mod printer;

pub use evidence::{Evidence, Seen, Steady};
pub use printer::{Empty, Printer};

/// What the values of one column of a file allow.
pub trait Fit {
    /// The narrowest type that holds every value exactly.
    fn own(&self) -> ColumnType;
    /// Whether every value is exactly recoverable from a column of type `target`. Always true of
    /// text.
    fn fits(&self, target: ColumnType) -> bool;
    /// The column's nested type from now on, given what it is so far; `None` where each value is one
    /// text, as it always is but in JSON.
    fn nested(&self, _before: Option<&Column>) -> Option<Nested> {
        None
    }
}
