//! How a feed's columns changed, and how its newest files differ from them.

use serde::Serialize;

use super::report::block;
use super::words;
use crate::clock::Timestamp;
use crate::ledger::{ArrivalQuery, Error, Event, Ledger};
use crate::names::{ArrivalId, FeedName, FileName};
use crate::schema::Change;

/// Revisions that are shown of a feed among other things.
pub(super) const SHOWN_MAX: usize = 20;
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
    pub(super) by: ArrivalId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<Timestamp>,
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

impl Revised {
    /// `v1, revision 2: column `city` (text) was added`.
    pub(super) fn in_words(&self) -> String {
        let what = match self.changes.as_slice() {
            [] => format!("{} columns", self.columns),
            changes => words::told(changes),
        };
        format!("v{}, revision {}: {what}", self.version, self.revision)
    }
}

/// The newest revisions, at most so many, oldest first, with what led to each.
pub(super) fn revisions(
    ledger: &dyn Ledger,
    feed: &FeedName,
    newest_max: usize,
) -> Result<Vec<Revised>, Error> {
    let all = ledger.revisions(feed)?;
    let newest = all.into_iter().rev().take(newest_max).map(|revision| {
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
        format!("{at}{}\n", revised.in_words())
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
