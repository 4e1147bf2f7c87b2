//! Lines of [`super::rows`] without what they quote of some arrivals' bytes.
//!
//! An arrival is known in a line by its id, and in those of its conversion and replay by its sequence, which the
//! line of the arrival tells; in every set of lines it comes before.

use std::collections::HashSet;

use crate::names::ArrivalId;
use crate::report::Report;

use super::rows::{Cell, Line};

/// What a line is to those arrivals.
#[derive(Debug, PartialEq, Eq)]
pub enum Blank {
    /// It says nothing of them.
    OfOthers,
    /// It quotes nothing of theirs.
    Already,
    /// The line without what it quoted.
    Now(String),
}

/// Goes through the lines of one log, oldest first.
#[derive(Debug)]
pub struct Blanking {
    ids: HashSet<String>,
    sequences: HashSet<i64>,
}

impl Blanking {
    /// For the lines about these arrivals.
    pub fn of(ids: &[ArrivalId]) -> Self {
        // As `Cell::of` writes it.
        let ids = ids.iter().map(|id| id.to_string().replace('-', "")).collect();
        Self { ids, sequences: HashSet::new() }
    }

    /// Looks at the next line.
    pub fn line(&mut self, line: &[u8]) -> Blank {
        if !SPEAKING.iter().any(|begin| line.starts_with(begin)) {
            return Blank::OfOthers;
        }
        let Ok(mut told) = serde_json::from_slice::<Line>(line) else { return Blank::OfOthers };
        let is_it = |column: &str| matches!(told.row.get(column), Some(Cell::Bytes { hex }) if self.ids.contains(hex));
        let whole = |column: &str| match told.row.get(column) {
            Some(Cell::Whole(whole)) => Some(*whole),
            Some(Cell::Null(()) | Cell::Real(_) | Cell::Text(_) | Cell::Bytes { .. }) | None => {
                None
            }
        };
        let is_known =
            |sequence: Option<i64>| sequence.is_some_and(|known| self.sequences.contains(&known));
        let (column, blank) = match told.table.as_str() {
            "arrival" if is_it("id") => {
                self.sequences.extend(whole("sequence"));
                ("diagnostic", Cell::Null(()))
            }
            "conversion" if is_known(whole("arrival")) => {
                let report = serde_json::to_string(&Report::default()).unwrap_or_default();
                ("report", Cell::Text(report))
            }
            "replay" if is_known(whole("arrival")) => ("made", Cell::Null(())),
            "sidecar" if is_it("arrival") => ("bytes", Cell::Bytes { hex: String::new() }),
            _ => return Blank::OfOthers,
        };
        match told.row.get_mut(column) {
            Some(cell) if *cell != blank => *cell = blank,
            Some(_) | None => return Blank::Already,
        }
        Blank::Now(serde_json::to_string(&told).unwrap_or_default())
    }
}

/// How the lines begin that may quote something.
const SPEAKING: [&[u8]; 4] = [
    br#"{"table":"arrival""#,
    br#"{"table":"conversion""#,
    br#"{"table":"replay""#,
    br#"{"table":"sidecar""#,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_quoted_of_one_arrival_goes() {
        let id: ArrivalId = "019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10".parse().expect("an id");
        let mut blanking = Blanking::of(&[id]);
        let mut seen = |line: &str| blanking.line(line.as_bytes());
        let report = r#"{"table":"conversion","row":{"arrival":7,"report":"secret"}}"#;
        assert_eq!(seen(report), Blank::OfOthers, "nobody said yet what 7 is");
        let arrival = |told: &str| {
            format!(
                r#"{{"table":"arrival","row":{{"diagnostic":{told},"id":{{"hex":"019a3c5e7c1a7b3e9d550c6f1f2b8a10"}},"sequence":7}}}}"#
            )
        };
        assert_eq!(seen(&arrival(r#""secret""#)), Blank::Now(arrival("null")));
        assert_eq!(seen(&arrival("null")), Blank::Already);
        let Blank::Now(blank) = seen(report) else { panic!("it is of 7") };
        assert!(!blank.contains("secret"), "{blank}");
        assert_eq!(seen(&blank), Blank::Already);
        assert_eq!(seen(&report.replace('7', "8")), Blank::OfOthers);
    }
}
