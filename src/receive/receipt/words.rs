//! Phrases and line breaking that the texts for senders share.

use std::fmt::Write as _;

use crate::diagnostic::{Code, Diagnostic};
use crate::ledger::Arrival;
use crate::names::is_unsafe_to_show;
use crate::report::RejectReport;

/// Characters of a value from a file that a text shows.
const SHOWN_CHARS_MAX: usize = 200;

/// A text in the making: lines under headings.
#[derive(Default)]
pub(super) struct Text(String);

impl Text {
    /// Adds a line.
    pub(super) fn line(&mut self, line: impl AsRef<str>) {
        self.0.push_str(line.as_ref());
        self.0.push('\n');
    }

    /// Adds an empty line and a heading.
    pub(super) fn heading(&mut self, heading: &str) {
        self.0.push('\n');
        self.line(heading);
    }

    /// Adds indented lines.
    pub(super) fn items(&mut self, items: impl IntoIterator<Item = String>) {
        items.into_iter().for_each(|item| self.line(format!("  {item}")));
    }

    /// The text with `\n` at the end of each line.
    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// `1 row`, `2 rows`.
pub(super) fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// A value from a file, cut and with what could drive a terminal escaped.
pub fn shown(value: &str) -> String {
    let mut out = String::new();
    for (place, c) in value.chars().enumerate() {
        if place == SHOWN_CHARS_MAX {
            out.push('…');
            break;
        }
        if is_unsafe_to_show(c) {
            // Writing to a String cannot fail.
            write!(out, "{}", c.escape_default()).unwrap_or_default();
        } else {
            out.push(c);
        }
    }
    out
}

/// What is wrong and the facts about it (line, column, limit), without causes.
pub(super) fn diagnosis(told: &Diagnostic) -> Vec<String> {
    let summary = format!("{}: {}", told.code, shown(&told.summary));
    let facts = told.facts.iter().map(|(name, value)| format!("{name}: {}", shown(value)));
    std::iter::once(summary).chain(facts).collect()
}

/// The records that were left out: how many for which reason, then of the first of them position,
/// reason and beginning of the raw text.
pub(super) fn left_out(arrival: &Arrival) -> Vec<String> {
    let Some(made) = &arrival.conversion else { return Vec::new() };
    let one = |reject: &RejectReport| {
        let (line, record) = (reject.line, reject.record);
        let (reason, raw) = (shown(&reject.reason), shown(&reject.raw));
        let sheet = reject.sheet.as_ref().map(|sheet| format!("sheet {}, ", shown(sheet)));
        let sheet = sheet.unwrap_or_default();
        [format!("{sheet}line {line} (record {record}): {reason}"), format!("  {raw}")]
    };
    let told = &made.report.first_rejects;
    let mut lines: Vec<String> =
        made.report.rejects_by_code.iter().map(|(code, count)| for_reason(code, *count)).collect();
    lines.extend(told.iter().flat_map(one));
    let more = made.rejected.saturating_sub(told.len() as u64);
    if more > 0 {
        lines.push(format!("… and {more} more"));
    }
    lines
}

/// `12 records: a value is out of range (C122)`.
fn for_reason(code: &str, rejected: u64) -> String {
    let title = code.parse::<Code>().map_or("left out", Code::title);
    format!("{}: {title} ({code})", count(rejected, "record"))
}

/// What to quote when asking about a file.
pub(super) fn reference(arrival: &Arrival) -> Vec<String> {
    vec![
        format!("arrival {}", arrival.id),
        format!("received {} UTC", arrival.received_at.strftime("%Y-%m-%d %H:%M:%S")),
        format!("size {}", count(arrival.size_bytes, "byte")),
        format!("SHA-256 {}", arrival.digest),
    ]
}
