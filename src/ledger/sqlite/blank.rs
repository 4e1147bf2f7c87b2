//! Lines of [`super::rows`] without what they quote of some arrivals' bytes.
//!
//! An arrival is known in a line by its id, and in those of its conversion and replay by its sequence, which the
//! line of the arrival tells; in every set of lines it comes before.

use std::collections::HashSet;

use crate::diagnostic::Diagnostic;
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

/// What goes of what lines quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quotes {
    /// All of it.
    All,
    /// What receipts quote: of reports and diagnostics, numbers and names stay.
    OfReceipts,
}

/// Goes through the lines of one log, oldest first.
#[derive(Debug)]
pub struct Blanking {
    ids: HashSet<String>,
    sequences: HashSet<i64>,
    quotes: Quotes,
}

impl Blanking {
    /// For the lines about these arrivals.
    pub fn of(ids: &[ArrivalId], quotes: Quotes) -> Self {
        // As `Cell::of` writes it.
        let ids = ids.iter().map(|id| id.to_string().replace('-', "")).collect();
        Self { ids, sequences: HashSet::new(), quotes }
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
        let column = match told.table.as_str() {
            "arrival" if is_it("id") => {
                self.sequences.extend(whole("sequence"));
                "diagnostic"
            }
            "conversion" if is_known(whole("arrival")) => "report",
            "replay" if is_known(whole("arrival")) => "made",
            "sidecar" if is_it("arrival") && self.quotes == Quotes::All => "bytes",
            _ => return Blank::OfOthers,
        };
        let Some(cell) = told.row.get_mut(column) else { return Blank::Already };
        let blank = blank(column, cell, self.quotes);
        if *cell == blank {
            return Blank::Already;
        }
        *cell = blank;
        Blank::Now(serde_json::to_string(&told).unwrap_or_default())
    }
}

/// What a cell has without what it quotes.
fn blank(column: &str, cell: &Cell, quotes: Quotes) -> Cell {
    let nothing = match column {
        "report" => Cell::Text(json(&Report::default())),
        "bytes" => Cell::Bytes { hex: String::new() },
        _ => Cell::Null(()),
    };
    match (quotes, cell) {
        (Quotes::OfReceipts, Cell::Text(text)) => match column {
            "report" => serde_json::from_str(text)
                .map_or(nothing, |report: Report| Cell::Text(json(&report.without_quotes()))),
            "diagnostic" => serde_json::from_str(text).map_or(nothing, |mut told: Diagnostic| {
                told.drop_quotes();
                Cell::Text(json(&told))
            }),
            _ => nothing,
        },
        (Quotes::All | Quotes::OfReceipts, _) => nothing,
    }
}

/// Plain data with text keys: it cannot fail to become JSON.
fn json(data: &impl serde::Serialize) -> String {
    serde_json::to_string(data).unwrap_or_default()
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
        let mut blanking = Blanking::of(&[id], Quotes::All);
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

    #[test]
    fn of_a_receipt_numbers_and_names_stay() {
        let mut report =
            Report { rejected: 1, notes: vec!["secret".to_owned()], ..Report::default() };
        report.rejects_by_code.push(("C204".to_owned(), 1));
        let cell = Cell::Text(json(&report));
        let Cell::Text(left) = blank("report", &cell, Quotes::OfReceipts) else { panic!("text") };
        assert!(left.contains("C204") && !left.contains("secret"), "{left}");
        let told = Diagnostic::error(crate::diagnostic::Code::C101, "why").fact("bytes", 0);
        let cell = Cell::Text(json(&told));
        assert!(blank("diagnostic", &cell, Quotes::OfReceipts) == cell, "it quotes nothing");
        assert!(blank("report", &Cell::Text("?".to_owned()), Quotes::OfReceipts) != cell);
    }
}
