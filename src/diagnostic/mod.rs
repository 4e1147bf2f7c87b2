//! What went wrong, once, as a value: for the terminal, JSON, the log, a receipt, `result.txt`.
//!
//! A [`Diagnostic`] has a stable code (a letter for the stage and a number), what happened, the
//! facts, the causes and the way out. It stands at the bottom of the house because the stages make
//! them; only `ops` and the doors show them. Its text is safe for a partner: no path, no internals.
//! `landfall explain <code>` prints the long form from [`codes`].

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::schema::Change;

pub mod codes;

pub use codes::Code;

/// The name of a fact whose value is text of a file. It is kept with the file and goes with it;
/// history, which cannot be altered, never has it.
pub const QUOTE: &str = "text";

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; nothing to do.
    Note,
    /// Somebody should look at it.
    Warning,
    /// Something was refused or held; a person must act.
    Error,
}

/// One problem, told once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// The stable code, such as `C104`.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// One sentence that names the thing.
    pub summary: String,
    /// Name and value pairs: line, column, limit, what was found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<(String, String)>,
    /// What led to it, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// How a file's columns differ from its feed's, when that is what is wrong.
    #[serde(default, skip_serializing_if = "<[Change]>::is_empty")]
    pub changes: Box<[Change]>,
    /// The way out, as something to do.
    pub hint: String,
}

impl Diagnostic {
    /// An error with the code's own way out as its hint.
    pub fn error(code: Code, summary: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            summary: summary.into(),
            facts: Vec::new(),
            causes: Vec::new(),
            changes: Box::default(),
            hint: code.way_out().to_owned(),
        }
    }

    /// A note or warning with the code's own way out as its hint.
    pub fn with_severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Adds a fact.
    pub fn fact(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        self.facts.push((name.into(), value.to_string()));
        self
    }

    /// Adds an error and all its sources as causes.
    pub fn caused_by(mut self, error: &(dyn std::error::Error + 'static)) -> Self {
        self.causes.extend(causes(error));
        self
    }

    /// Adds what is different in a file's columns.
    pub fn changes(mut self, changes: impl IntoIterator<Item = Change>) -> Self {
        self.changes = self.changes.into_iter().chain(changes).collect();
        self
    }

    /// Takes out what it quotes of a file.
    pub fn drop_quotes(&mut self) {
        self.facts.retain(|(name, _)| name != QUOTE);
    }

    /// Replaces the way out.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

/// What an error and its sources say, outermost first.
fn causes<'e>(error: &'e (dyn std::error::Error + 'static)) -> impl Iterator<Item = String> + 'e {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string)
}

/// What an error and its sources say, on one line for the log.
pub fn on_one_line(error: &(dyn std::error::Error + 'static)) -> String {
    causes(error).collect::<Vec<_>>().join(": ")
}

/// Code and summary on one line, for logs and short answers.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.summary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_keeps_its_code_through_json() {
        let told = Diagnostic::error(Code::C101, "orders.csv is empty").fact("bytes", 0);
        let json = serde_json::to_string(&told).expect("json");
        assert_eq!(serde_json::from_str::<Diagnostic>(&json).expect("back"), told);
        assert!(json.contains(r#""code":"C101""#), "{json}");
    }
}
