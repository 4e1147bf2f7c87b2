//! Reading the ledger, whether or not a server runs.

use super::{Output, words};
use crate::config;
use crate::diagnostic::{Code, Diagnostic};
use crate::ledger::{self, Arrival, ArrivalQuery, DigestRange, Ledger, NamePattern, sqlite};
use crate::names::FeedName;
use crate::zone::Zone;

/// The zone's ledger; `None` when the zone has never run.
///
/// # Errors
/// [`Code::L111`] when the zone has run, and its ledger is gone; [`Code::L101`].
pub(super) fn open(zone: &Zone) -> Result<Option<Box<dyn Ledger>>, Diagnostic> {
    let file = zone.ledger_file();
    if !file.exists() {
        return if has_events(zone) { Err(gone(zone)) } else { Ok(None) };
    }
    let opened = sqlite::open_read_only(&file).map_err(|error| unreadable(&error))?;
    Ok(Some(Box::new(opened)))
}

/// Whether the archive has events of a ledger.
fn has_events(zone: &Zone) -> bool {
    let logs = std::fs::read_dir(zone.all_events()).into_iter().flatten().flatten();
    logs.filter_map(|log| std::fs::read_dir(log.path()).ok()).any(|mut days| days.next().is_some())
}

fn gone(zone: &Zone) -> Diagnostic {
    let told = Diagnostic::error(Code::L111, "the zone's ledger is gone, and its archive is not");
    told.fact("ledger", zone.ledger_file().display()).hint(
        "Stop the server if one runs. `landfall rebuild` makes the ledger again from the archive; \
         `landfall restore` puts back a backup.",
    )
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
        several => Err(not_one(which, several)),
    }
}

/// The same, for what cannot be undone: a name that several files have means none of them.
///
/// # Errors
/// [`Code::Z104`] when there is none or more than one.
pub(super) fn only_arrival(
    zone: &Zone,
    which: &str,
) -> Result<(Box<dyn Ledger>, Arrival), Diagnostic> {
    let (ledger, arrival) = self::arrival(zone, which)?;
    if arrival.name.to_string() == which {
        let mut all =
            named(ledger.as_ref(), which, SEVERAL_MAX).map_err(|error| unreadable(&error))?;
        all.retain(|one| !one.state.is_erased());
        if all.len() > 1 {
            return Err(not_one(which, &all));
        }
    }
    Ok((ledger, arrival))
}

fn not_one(which: &str, several: &[Arrival]) -> Diagnostic {
    let summary = format!("`{which}` means more than one file");
    let told = Diagnostic::error(Code::Z104, summary).hint("Give its id, or more digits.");
    several.iter().fold(told, |told, one| {
        let Arrival { id, name, feed, sender, received_at, .. } = one;
        let at = words::time(*received_at);
        told.fact(id.to_string(), format!("{name} of {feed}, from {sender}, {at}"))
    })
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
    named(ledger, which, 1)
}

fn named(ledger: &dyn Ledger, name: &str, limit: u32) -> Result<Vec<Arrival>, ledger::Error> {
    let name = Some(NamePattern::exactly(name));
    ledger.arrivals(&ArrivalQuery { name, limit, ..Default::default() })
}

/// The ledger could not be read.
pub(super) fn unreadable(error: &ledger::Error) -> Diagnostic {
    Diagnostic::error(Code::L101, "the zone's ledger cannot be read").caused_by(error)
}

/// Refuses a feed that neither the configuration nor the ledger knows.
///
/// # Errors
/// [`Code::Z104`]; [`Code::L101`].
pub(super) fn check_feed(
    zone: &Zone,
    ledger: &dyn Ledger,
    feed: &FeedName,
) -> Result<(), Diagnostic> {
    if config::load(zone).is_ok_and(|config| config.feeds.contains_key(feed)) {
        return Ok(());
    }
    let query = ArrivalQuery { feed: Some(feed.clone()), limit: 1, ..Default::default() };
    let found = ledger.arrivals(&query).map_err(|error| unreadable(&error))?;
    if found.is_empty() { Err(no_feed(feed)) } else { Ok(()) }
}

/// There is no such feed in the configuration or the ledger.
pub(super) fn no_feed(feed: &FeedName) -> Diagnostic {
    crate::ops::local::no_feed(feed)
}
