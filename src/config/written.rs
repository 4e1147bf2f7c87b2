//! The configuration as written: TOML with positions, every problem at once.

use super::Config;
use crate::zone::Zone;

/// One mistake in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, relative to the zone where it lies in it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong, naming the thing.
    pub message: String,
    /// What to write instead, when that can be guessed.
    pub suggestion: Option<String>,
}

/// All mistakes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} in the configuration", count(.0.len()))]
pub struct Problems(pub Vec<Problem>);

fn count(problems: usize) -> String {
    if problems == 1 { "1 problem".to_owned() } else { format!("{problems} problems") }
}

/// Reads and checks a zone's `landfall.toml` and every partner file.
///
/// # Errors
/// All problems of all files.
pub fn load(zone: &Zone) -> Result<Config, Problems> {
    let _ = zone;
    todo!()
}

/// Checks the text of a `landfall.toml`.
///
/// # Errors
/// All problems of the text.
pub fn parse(file: &str, text: &str) -> Result<Config, Problems> {
    let _ = (file, text);
    todo!()
}

/// Whether any glob matches, without regard to ASCII case; no globs match everything.
pub fn matches_any(patterns: &[String], name: &[u8]) -> bool {
    let _ = (patterns, name);
    todo!()
}
