//! Reading the ledger, whether or not a server runs.

use super::Output;
use crate::diagnostic::{Code, Diagnostic};
use crate::ledger::{self, Arrival, Ledger, sqlite};
use crate::names::FeedName;
use crate::zone::Zone;

/// The zone's ledger; `None` when the zone has never run.
pub(super) fn open(zone: &Zone) -> Result<Option<Box<dyn Ledger>>, Diagnostic> {
    let file = zone.ledger_file();
    if !file.exists() {
        return Ok(None);
    }
    let opened = sqlite::open_read_only(&file).map_err(|error| unreadable(&error))?;
    Ok(Some(Box::new(opened)))
}

/// Says on standard error that there is nothing to read yet.
pub(super) fn say_never_ran(out: &Output) {
    out.say("This zone has never run: nothing has arrived. Start it with `landfall serve`.");
}

/// The one arrival whose id starts with these digits.
///
/// # Errors
/// [`Code::Z104`] when there is none or more than one.
pub(super) fn arrival(zone: &Zone, id: &str) -> Result<(Box<dyn Ledger>, Arrival), Diagnostic> {
    let missing = || Diagnostic::error(Code::Z104, format!("no file has an id that starts `{id}`"));
    let ledger = open(zone)?.ok_or_else(missing)?;
    let digits = |c: char| c.is_ascii_hexdigit() || c == '-';
    if id.is_empty() || !id.chars().all(digits) {
        return Err(Diagnostic::error(Code::Z107, format!("`{id}` is not an id"))
            .hint("`landfall list` shows the ids; the first digits are enough when unique."));
    }
    let mut found = ledger.arrivals_by_prefix(id).map_err(|error| unreadable(&error))?;
    match (found.pop(), found.as_slice()) {
        (Some(arrival), []) => Ok((ledger, arrival)),
        (Some(last), others) => {
            let told = Diagnostic::error(Code::Z104, format!("more than one id starts `{id}`"))
                .hint("Give more digits.");
            let matching = others.iter().chain([&last]);
            Err(matching.fold(told, |told, one| told.fact(one.id.to_string(), &one.name)))
        }
        (None, _) => Err(missing()),
    }
}

/// The ledger could not be read.
pub(super) fn unreadable(error: &ledger::Error) -> Diagnostic {
    Diagnostic::error(Code::L101, "the zone's ledger cannot be read").caused_by(error)
}

/// There is no such feed in the configuration or the ledger.
pub(super) fn no_feed(feed: &FeedName) -> Diagnostic {
    crate::ops::local::no_feed(feed)
}
