//! `<name>.problem.txt`: what is wrong with a file, where, and the way out.

use crate::ledger::Arrival;

use super::words::{Text, count, diagnosis, left_out, reference};
use super::{Outcome, what_is_wrong};

/// What is wrong in plain words, with line numbers and the way out; `None` when nothing is.
pub fn problem(arrival: &Arrival) -> Option<Vec<u8>> {
    let text = match Outcome::of(arrival) {
        Outcome::Held => waiting(arrival, "It waits for a person; nothing of it was handed on."),
        Outcome::Failed => {
            waiting(arrival, "This is our fault, not yours; nothing of it was handed on.")
        }
        Outcome::Partial => partial(arrival),
        Outcome::Received | Outcome::Accepted | Outcome::Duplicate | Outcome::Erased => {
            return None;
        }
    };
    Some(text.finish().into_bytes())
}

fn waiting(arrival: &Arrival, standing: &str) -> Text {
    let mut text = Text::default();
    text.line(format!("{} was received and is safe. {standing}", arrival.name));
    if let Some(told) = what_is_wrong(arrival) {
        text.heading("What is wrong");
        text.items(diagnosis(told));
        text.heading("What to do");
        text.items([told.hint.clone()]);
    }
    text.heading("When you ask about it, quote");
    text.items(reference(arrival));
    text
}

fn partial(arrival: &Arrival) -> Text {
    let (seen, rejected) =
        arrival.conversion.as_ref().map_or((0, 0), |made| (made.seen, made.rejected));
    let mut text = Text::default();
    text.line(format!(
        "{} was taken, except for {} of {seen}.",
        arrival.name,
        count(rejected, "record"),
    ));
    text.heading("Left out");
    text.items(left_out(arrival));
    text.heading("What to do");
    text.items([SEND_AGAIN.to_owned()]);
    text.heading("When you ask about it, quote");
    text.items(reference(arrival));
    text
}

/// Only the records that were left out: the others are in the dataset already.
pub(super) const SEND_AGAIN: &str =
    "Correct these records and send them alone, with the header, in a new file.";
