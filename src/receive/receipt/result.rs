//! `<name>.result.txt`: what became of a dropped file, for the person who dropped it.
//!
//! With a byte order mark and CRLF, so that every Windows editor shows it right.

use crate::ledger::{Arrival, Conversion, State};
use crate::report::{ColumnReport, SheetReport};

use super::problem::SEND_AGAIN;
use super::words::{Text, count, diagnosis, left_out, reference, shown};
use super::{Outcome, what_is_wrong};

/// Columns that a text lists before it only counts them.
const COLUMNS_LISTED_MAX: usize = 200;

/// What became of a file in plain words: rows, columns, sheets taken and not, what stayed text and
/// why, or what is wrong and where. UTF-8 with a byte order mark, lines end in CRLF.
pub fn result_text(arrival: &Arrival) -> Vec<u8> {
    let mut text = Text::default();
    text.line(arrival.name.to_string());
    text.line(standing(arrival));
    if let Some(told) = what_is_wrong(arrival) {
        text.heading("What is wrong");
        text.items(diagnosis(told));
        text.heading("What to do");
        text.items([told.hint.clone()]);
    }
    if let Some(made) = &arrival.conversion {
        conversion(&mut text, arrival, made);
    }
    text.heading("When you ask about it, quote");
    text.items(reference(arrival));
    format!("\u{feff}{}", text.finish().replace('\n', "\r\n")).into_bytes()
}

/// One sentence: where the file stands.
fn standing(arrival: &Arrival) -> String {
    let feed = &arrival.feed;
    if arrival.state == State::Tested {
        return format!("Tried for {feed}; nothing of it is handed on.");
    }
    match (Outcome::of(arrival), &arrival.conversion) {
        (Outcome::Received, _) if arrival.state == State::Superseded => {
            "A newer file of the same name took its place.".to_owned()
        }
        (Outcome::Received, _) => match arrival.waits {
            Some(waits) => format!("Received for {feed}; it waits for {}.", waits.what.in_words()),
            None => format!("Received for {feed}; it has not been read yet."),
        },
        (Outcome::Accepted, Some(made)) => {
            format!("Taken into {feed}: {}.", count(made.written, "row"))
        }
        (Outcome::Accepted, None) => {
            format!("Taken for {feed} as it is: it is not a table that can be converted.")
        }
        (Outcome::Partial, made) => {
            let (written, rejected) =
                made.as_ref().map_or((0, 0), |made| (made.written, made.rejected));
            format!("Taken into {feed}: {}; {rejected} left out.", count(written, "row"))
        }
        (Outcome::Held, _) => {
            "Not taken: it waits for a person. The file itself is safe.".to_owned()
        }
        (Outcome::Failed, _) if arrival.state == State::Rejected => {
            "Not taken: a person looked at it and let it go no further. The file itself is safe."
                .to_owned()
        }
        (Outcome::Failed, _) => {
            "Not taken: we failed on it, which is not your fault. The file itself is safe."
                .to_owned()
        }
        (Outcome::Erased, _) => "Erased: no copy of it is kept any more.".to_owned(),
        (Outcome::Duplicate, _) => {
            "The same file came before under this name; it was not taken twice.".to_owned()
        }
    }
}

fn conversion(text: &mut Text, arrival: &Arrival, made: &Conversion) {
    text.heading("Rows");
    text.items([format!(
        "{} in the file = {} taken + {} left out + {} skipped",
        made.seen, made.written, made.rejected, made.skipped
    )]);
    text.items(made.report.skips.iter().map(|(why, rows)| format!("skipped as {why}: {rows}")));
    if made.rejected > 0 {
        text.heading("Left out");
        text.items(left_out(arrival));
        text.items([SEND_AGAIN.to_owned()]);
    }
    if !made.report.sheets.is_empty() {
        text.heading("Sheets");
        text.items(made.report.sheets.iter().map(sheet));
    }
    if !made.report.members.is_empty() {
        text.heading("Files in the archive");
        text.items(made.report.members.iter().map(sheet));
    }
    if !made.report.columns.is_empty() {
        text.heading("Columns");
        text.items(made.report.columns.iter().take(COLUMNS_LISTED_MAX).map(column));
        let more = made.report.columns.len().saturating_sub(COLUMNS_LISTED_MAX);
        text.items((more > 0).then(|| format!("… and {more} more")));
    }
    if !made.report.dialect.is_empty() {
        text.heading("How it was read");
        let read = made.report.dialect.iter();
        text.items(read.map(|(name, value)| format!("{name}: {}", shown(value))));
    }
    if !made.report.changes.is_empty() {
        text.heading("Different from earlier files");
        text.items(made.report.changes.iter().map(|change| shown(&change.to_string())));
    }
    if !made.report.notes.is_empty() {
        text.heading("Remarks");
        text.items(made.report.notes.iter().map(|note| shown(note)));
    }
}

fn sheet(sheet: &SheetReport) -> String {
    let taken = if sheet.taken { "taken" } else { "not taken" };
    let why =
        if sheet.why.is_empty() { String::new() } else { format!(" ({})", shown(&sheet.why)) };
    format!("{}: {taken}, {}{why}", shown(&sheet.name), count(sheet.rows, "row"))
}

fn column(column: &ColumnReport) -> String {
    let why =
        if column.why.is_empty() { String::new() } else { format!(" ({})", shown(&column.why)) };
    format!("{}: {}{why}", shown(&column.name), shown(&column.kind))
}
