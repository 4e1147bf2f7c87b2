//! A feed's learned schema meets a file: types only widen, columns are bound by name.

use crate::diagnostic::Diagnostic;
use crate::schema::{Column, LearnedSchema};

use super::infer::Fit;

/// A column of a file.
pub struct Found<'a> {
    /// Its header as sent; empty when there is none.
    pub header: &'a str,
    /// Its published name ([`super::headers::published`]).
    pub name: &'a str,
    /// What its values allow.
    pub values: &'a dyn Fit,
}

/// What a file's Parquet will look like and what the feed learns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Every column of the feed's version from now on, in the feed's order.
    pub columns: Vec<Planned>,
    /// The schema version the file is published under.
    pub version: u32,
    /// The feed's columns from now on, when this file changes them.
    pub learned: Option<Vec<Column>>,
    /// Whether a column left its type.
    pub opens_version: bool,
    /// What changed, in words.
    pub drift: Vec<String>,
}

/// One column of a [`Plan`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Name, header and final type.
    pub column: Column,
    /// Which column of the file, from 0; `None` when the file lacks it: nulls.
    pub source: Option<usize>,
}

/// Joins the columns of a file with what is known of the feed.
///
/// # Errors
/// C110 when known columns are gone and new ones appeared, C109 when none of the known columns is
/// there.
pub fn plan(learned: Option<&LearnedSchema>, found: &[Found<'_>]) -> Result<Plan, Diagnostic> {
    let _unused = (learned, found);
    Err(Diagnostic::error(crate::diagnostic::Code::C111, "not built yet"))
}
