//! A contract that nobody decided yet: what was found in a feed's files, ready to be written down.

use super::DeclaredColumn;

/// A contract that the files it was made from meet, with what was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// What it was made from, in lines.
    pub heading: Vec<String>,
    /// Whether the files' columns differ, so that it must let columns evolve.
    pub evolves: bool,
    /// The most records that were left out of one file.
    pub rejects_max: u64,
    /// The fewest and the most records of a file.
    pub rows: (u64, u64),
    /// A key of several columns that occurs once in each file.
    pub unique: Option<Vec<String>>,
    /// The columns, in order of first appearance.
    pub columns: Vec<ProposedColumn>,
}

/// One column of a [`Proposal`].
#[derive(Debug, Clone, PartialEq)]
pub struct ProposedColumn {
    /// What is declared.
    pub column: DeclaredColumn,
    /// Whether no value occurs twice in a file.
    pub unique: bool,
    /// What was measured, and what a person must decide; one line each.
    pub remarks: Vec<String>,
}
