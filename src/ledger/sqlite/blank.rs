//! Lines of [`super::rows`] without what they quote of an arrival's bytes.
//!
//! An arrival is known in a line by its id, and in those of its conversion and replay by its sequence, which the
//! line of the arrival tells; in every set of lines it comes before.

use crate::names::ArrivalId;
use crate::report::Report;

use super::rows::{Cell, Line};

/// What a line is to an arrival.
#[derive(Debug, PartialEq, Eq)]
pub enum Blank {
    /// It says nothing of it.
    OfOthers,
    /// It quotes nothing of it.
    Already,
    /// The line without what it quoted.
    Now(String),
}

/// Goes through the lines of one log, oldest first.
#[derive(Debug)]
pub struct Blanking {
    id: String,
    sequence: Option<i64>,
}

impl Blanking {
    /// For the lines about this arrival.
    pub fn of(id: ArrivalId) -> Self {
        // As `Cell::of` writes it.
        Self { id: id.to_string().replace('-', ""), sequence: None }
    }

    /// Looks at the next line.
    pub fn line(&mut self, line: &[u8]) -> Blank {
        if !self.may_be_of_it(line) {
            return Blank::OfOthers;
        }
        let Ok(mut told) = serde_json::from_slice::<Line>(line) else { return Blank::OfOthers };
        let is_it = |column: &str| matches!(told.row.get(column), Some(Cell::Bytes { hex }) if *hex == self.id);
        let whole = |column: &str| match told.row.get(column) {
            Some(Cell::Whole(whole)) => Some(*whole),
            Some(Cell::Null(()) | Cell::Real(_) | Cell::Text(_) | Cell::Bytes { .. }) | None => {
                None
            }
        };
        let (column, blank) = match told.table.as_str() {
            "arrival" if is_it("id") => {
                self.sequence = whole("sequence");
                ("diagnostic", Cell::Null(()))
            }
            "conversion" if self.sequence.is_some() && whole("arrival") == self.sequence => {
                let report = serde_json::to_string(&Report::default()).unwrap_or_default();
                ("report", Cell::Text(report))
            }
            "replay" if self.sequence.is_some() && whole("arrival") == self.sequence => {
                ("made", Cell::Null(()))
            }
            "sidecar" if is_it("arrival") => ("bytes", Cell::Bytes { hex: String::new() }),
            _ => return Blank::OfOthers,
        };
        match told.row.get_mut(column) {
            Some(cell) if *cell != blank => *cell = blank,
            Some(_) | None => return Blank::Already,
        }
        Blank::Now(serde_json::to_string(&told).unwrap_or_default())
    }

    /// Whether it is worth reading.
    fn may_be_of_it(&self, line: &[u8]) -> bool {
        let has = |what: &[u8]| line.windows(what.len()).any(|here| here == what);
        let by_sequence = BY_SEQUENCE.iter().any(|begin| line.starts_with(begin));
        self.sequence.is_some() && by_sequence || has(self.id.as_bytes())
    }
}

/// How the lines begin that know an arrival by its sequence.
const BY_SEQUENCE: [&[u8]; 2] = [br#"{"table":"conversion""#, br#"{"table":"replay""#];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_quoted_of_one_arrival_goes() {
        let id: ArrivalId = "019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10".parse().expect("an id");
        let mut blanking = Blanking::of(id);
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
