//! Reading the ledger, whether or not a server runs.

use super::Output;
use crate::diagnostic::{Code, Diagnostic};
use crate::ledger::{self, Arrival, ArrivalQuery, DigestRange, Ledger, NamePattern, sqlite};
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

/// Files that are named when a short form means several.
const SEVERAL_MAX: u32 = 10;

/// The one arrival that is meant: by the first digits of its id or digest, or the newest of this
/// name.
///
/// # Errors
/// [`Code::Z104`] when there is none or more than one.
pub(super) fn arrival(zone: &Zone, which: &str) -> Result<(Box<dyn Ledger>, Arrival), Diagnostic> {
    let missing = || {
        Diagnostic::error(Code::Z104, format!("no file has the id, digest or name `{which}`"))
        .hint("`landfall list` shows ids and names; the first digits of an id are enough when unique.")
    };
    let ledger = open(zone)?.ok_or_else(missing)?;
    let found = meant(ledger.as_ref(), which).map_err(|error| unreadable(&error))?;
    match found.as_slice() {
        [] => Err(missing()),
        [one] => Ok((ledger, one.clone())),
        several => {
            let summary = format!("`{which}` means more than one file");
            let told = Diagnostic::error(Code::Z104, summary).hint("Give its id, or more digits.");
            Err(several.iter().fold(told, |told, one| told.fact(one.id.to_string(), &one.name)))
        }
    }
}

fn meant(ledger: &dyn Ledger, which: &str) -> Result<Vec<Arrival>, ledger::Error> {
    let digits = |c: char| c.is_ascii_hexdigit() || c == '-';
    if !which.is_empty() && which.chars().all(digits) {
        let by_id = ledger.arrivals_by_prefix(which)?;
        if !by_id.is_empty() {
            return Ok(by_id);
        }
    }
    if let Ok(digest) = which.parse::<DigestRange>() {
        let query = ArrivalQuery { digest: Some(digest), limit: SEVERAL_MAX, ..Default::default() };
        let by_digest = ledger.arrivals(&query)?;
        if !by_digest.is_empty() {
            return Ok(by_digest);
        }
    }
    let name = Some(NamePattern::exactly(which));
    ledger.arrivals(&ArrivalQuery { name, limit: 1, ..Default::default() })
}

/// The ledger could not be read.
pub(super) fn unreadable(error: &ledger::Error) -> Diagnostic {
    Diagnostic::error(Code::L101, "the zone's ledger cannot be read").caused_by(error)
}

/// There is no such feed in the configuration or the ledger.
pub(super) fn no_feed(feed: &FeedName) -> Diagnostic {
    crate::ops::local::no_feed(feed)
}
