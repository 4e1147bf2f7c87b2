//! How a feed's columns changed, and how its newest files differ from them.

use serde::Serialize;

use super::report::block;
use super::words;
use crate::clock::Timestamp;
use crate::ledger::{ArrivalQuery, Error, Event, Ledger};
use crate::names::{ArrivalId, FeedName, FileName};
use crate::schema::Change;

/// Revisions that are shown, the newest.
const REVISIONS_MAX: usize = 20;
/// The newest arrivals that are looked at.
const ARRIVALS_MAX: u32 = 200;
/// Files with differences that are shown.
const FILES_MAX: usize = 10;

/// One revision of a feed's columns.
#[derive(Debug, Serialize)]
pub(super) struct Revised {
    revision: u32,
    version: u32,
    columns: usize,
    by: ArrivalId,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    changes: Vec<Change>,
}

/// A file whose columns were not those of its feed.
#[derive(Debug, Serialize)]
pub(super) struct Drifted {
    arrival: ArrivalId,
    name: FileName,
    at: Timestamp,
    held: bool,
    changes: Vec<Change>,
}

/// The newest revisions, oldest first, with what led to each.
pub(super) fn revisions(ledger: &dyn Ledger, feed: &FeedName) -> Result<Vec<Revised>, Error> {
    let all = ledger.revisions(feed)?;
    let newest = all.into_iter().rev().take(REVISIONS_MAX).map(|revision| {
        let events = ledger.history(revision.by)?.into_iter();
        let mut changed = events.filter_map(|recorded| {
            let Event::SchemaChanged { revision: told, changes, .. } = recorded.event else {
                return None;
            };
            (told == revision.learned.revision).then_some((recorded.at, changes))
        });
        let (at, changes) = changed.next().map_or((None, Vec::new()), |(at, c)| (Some(at), c));
        Ok(Revised {
            revision: revision.learned.revision,
            version: revision.learned.version,
            columns: revision.learned.columns.len(),
            by: revision.by,
            at,
            changes,
        })
    });
    let mut revisions = newest.collect::<Result<Vec<_>, Error>>()?;
    revisions.reverse();
    Ok(revisions)
}

/// The newest files that differ from the feed's columns, taken or held, newest first.
pub(super) fn recent(ledger: &dyn Ledger, feed: &FeedName) -> Result<Vec<Drifted>, Error> {
    let query =
        ArrivalQuery { feed: Some(feed.clone()), limit: ARRIVALS_MAX, ..ArrivalQuery::default() };
    let drifted = ledger.arrivals(&query)?.into_iter().filter_map(|arrival| {
        let told = arrival.diagnostic.as_ref().map(|told| told.changes.as_ref());
        let taken = arrival.conversion.as_ref().map(|made| made.report.changes.as_slice());
        let changes = taken.or(told).filter(|changes| !changes.is_empty())?.to_vec();
        Some(Drifted {
            arrival: arrival.id,
            held: taken.is_none(),
            name: arrival.name,
            at: arrival.received_at,
            changes,
        })
    });
    Ok(drifted.take(FILES_MAX).collect())
}

/// The revisions as a block.
pub(super) fn history(revisions: &[Revised]) -> String {
    let lines = revisions.iter().map(|revised| {
        let at = revised.at.map_or_else(String::new, |at| format!("{}  ", words::time(at)));
        let (revision, version) = (revised.revision, revised.version);
        let what = match revised.changes.as_slice() {
            [] => format!("{} columns", revised.columns),
            changes => words::told(changes),
        };
        format!("{at}v{version}, revision {revision}: {what}\n")
    });
    block("history of its columns", &lines.collect::<String>())
}

/// The files as a block.
pub(super) fn text(drifted: &[Drifted]) -> String {
    let lines = drifted.iter().map(|file| {
        let (at, held) = (words::time(file.at), if file.held { ", held" } else { "" });
        format!("{at}  {}{held}: {}\n", file.name, words::told(&file.changes))
    });
    block("newest files that differ", &lines.collect::<String>())
}
