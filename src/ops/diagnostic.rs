//! A [`Diagnostic`] as people and programs read it. Text and JSON come from the same value.

use std::fmt::Write as _;

use serde::Serialize;

use crate::config::Problems;
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::evidence;

/// The schema of a diagnostic in JSON.
pub const SCHEMA: &str = "landfall.diagnostic/v1";

/// Renders a diagnostic for a terminal: what happened, the facts, the causes, the way out.
pub fn text(told: &Diagnostic) -> String {
    let severity = match told.severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    let mut out = format!("{severity} {}: {}\n", told.code, told.summary);
    let lines = told.facts.iter().map(|(name, value)| format!("  {name}: {value}\n"));
    out.extend(lines);
    out.extend(told.changes.iter().map(|change| format!("  change: {change}\n")));
    out.extend(told.causes.iter().map(|cause| format!("  because: {cause}\n")));
    if !told.hint.is_empty() {
        out.push_str("way out: ");
        out.push_str(&told.hint);
        out.push('\n');
    }
    out
}

/// Renders a diagnostic as one JSON object on one line.
pub fn json(told: &Diagnostic) -> String {
    #[derive(Serialize)]
    struct Tagged<'d> {
        schema: &'static str,
        #[serde(flatten)]
        told: &'d Diagnostic,
    }
    let tagged = Tagged { schema: SCHEMA, told };
    serde_json::to_string(&tagged).unwrap_or_else(|error| error.to_string())
}

/// The mistakes of a configuration as one diagnostic, a fact each.
pub fn of_problems(problems: &Problems) -> Diagnostic {
    problems.0.iter().fold(Diagnostic::error(Code::Z101, problems.to_string()), |told, problem| {
        let place = format!("{}:{}:{}", problem.file, problem.line, problem.column);
        let mut what = problem.message.clone();
        if let Some(suggestion) = &problem.suggestion {
            // Writing to a string cannot fail.
            write!(what, "; did you mean `{suggestion}`?").unwrap_or_default();
        }
        told.fact(place, what)
    })
}

/// The ledger cannot be held against what was signed of it, or is not what was signed.
pub fn not_the_signed(error: &evidence::Error) -> Diagnostic {
    match error {
        evidence::Error::Older { .. } => {
            Diagnostic::error(Code::L110, "the ledger is older than its newest signed checkpoint")
        }
        evidence::Error::Another(_) => {
            Diagnostic::error(Code::L111, "the ledger is not the one whose events are archived")
        }
        evidence::Error::Differs(_) => {
            Diagnostic::error(Code::L112, "the ledger's history is not the one that was signed")
        }
        evidence::Error::Key(_) => {
            Diagnostic::error(Code::Z105, "the key that signs receipts cannot be used")
        }
        evidence::Error::Ledger(_)
        | evidence::Error::Durable(_)
        | evidence::Error::Io { .. }
        | evidence::Error::Damaged { .. } => return unusable(error),
    }
    .caused_by(error)
}

/// The zone itself cannot be worked with.
pub fn unusable(error: &(dyn std::error::Error + 'static)) -> Diagnostic {
    Diagnostic::error(Code::L101, "the zone's ledger or folders cannot be used").caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Diagnostic {
        let source = std::io::Error::other("disk on fire");
        Diagnostic::error(Code::L101, "the ledger cannot be opened")
            .fact("zone", "/srv/landing")
            .caused_by(&source)
    }

    #[test]
    fn text_tells_what_facts_why_and_the_way_out() {
        insta::assert_snapshot!(text(&example()), @"
        error L101: the ledger cannot be opened
          zone: /srv/landing
          because: disk on fire
        way out: Check disk space and permissions; restore it from a backup if it is damaged.
        ");
    }

    #[test]
    fn json_is_one_line_with_its_schema() {
        insta::assert_snapshot!(json(&example()), @r#"{"schema":"landfall.diagnostic/v1","code":"L101","severity":"error","summary":"the ledger cannot be opened","facts":[["zone","/srv/landing"]],"causes":["disk on fire"],"hint":"Check disk space and permissions; restore it from a backup if it is damaged."}"#);
    }
}
