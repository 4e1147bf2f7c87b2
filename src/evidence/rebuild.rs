//! A ledger made again from the archive.
//!
//! The events come from the segments, up to the newest checkpoint that they fit: each is part of a
//! root that was signed, so nothing that is brought back can have been altered. What else the ledger
//! knew comes from the lines beside them. What came after that checkpoint is for the caller: raw
//! objects say themselves who they are.

use std::path::Path;

use crate::clock::Timestamp;
use crate::ledger::log::{Leaf, Signed};
use crate::ledger::{Recorded, sqlite, tree};
use crate::signing::{self, Namespace};
use crate::zone::Zone;

use super::segments::{self, Line};
use super::{Error, Segments};

/// What was brought back.
#[derive(Debug, Clone, Default)]
pub struct Rebuilt {
    /// The log that was read; `None` when the archive has none.
    pub log: Option<String>,
    /// Events brought back.
    pub events: u64,
    /// Arrivals brought back.
    pub arrivals: u64,
    /// Checkpoints brought back.
    pub checkpoints: u64,
    /// Lines about arrivals and batches that could not be taken.
    pub left_out: u64,
    /// The newest checkpoint that the archive has, when the events do not reach or do not fit it: the
    /// log then begins anew.
    pub unreached: Option<Signed>,
    /// Checkpoints that no key of the zone signed.
    pub unsigned: u64,
    /// The time of the last event.
    pub until: Option<Timestamp>,
}

/// Makes a ledger in a new file. `keys` are the public lines that may sign; with none no signature
/// is checked.
///
/// # Errors
/// [`Error`]; the file is then not to be used.
pub fn rebuild(zone: &Zone, keys: &[String], to: &Path) -> Result<Rebuilt, Error> {
    let mut newest: Option<(String, Signed)> = None;
    for log in Segments::logs(zone)? {
        if let Some(signed) = Segments::newest_of(zone, &log)?
            && newest.as_ref().is_none_or(|(_, other)| other.at < signed.at)
        {
            newest = Some((log, signed));
        }
    }
    let Some((log, newest)) = newest else { return Ok(Rebuilt::default()) };
    let folder = zone.events(&log);
    let checkpoints = checkpoints(&folder)?;
    let last = fitting(&folder, &checkpoints)?;
    let mut found = Rebuilt { log: Some(log.clone()), events: last, ..Rebuilt::default() };
    if last < newest.size {
        found.unreached = Some(newest);
    }
    // A log that cannot go on is not signed again: what follows is another.
    let goes_on = Some(log.as_str()).filter(|_| found.unreached.is_none());
    let mut again = sqlite::Rebuilding::new(to, goes_on)?;
    for leaf in leaves(&folder)?.take(usize::try_from(last).unwrap_or(usize::MAX)) {
        let leaf = leaf?;
        found.until = Some(leaf.at);
        again.event(&leaf)?;
    }
    for signed in checkpoints.into_iter().filter(|signed| signed.size <= last) {
        let by = |key: &String| {
            signing::verify(key, Namespace::Checkpoint, signed.text.as_bytes(), &signed.signature)
        };
        found.unsigned += u64::from(!keys.is_empty() && !keys.iter().any(by));
        found.checkpoints += 1;
        if found.unreached.is_none() {
            again.checkpoint(&signed)?;
        }
    }
    for day in segments::days(&folder)? {
        for line in segments::lines(&segments::rows_file(&folder, &day))? {
            again.row(&line?)?;
        }
    }
    (found.arrivals, found.left_out) = again.finish()?;
    Ok(found)
}

/// Every checkpoint of a log, by size.
fn checkpoints(folder: &Path) -> Result<Vec<Signed>, Error> {
    let mut all = Vec::new();
    for day in segments::days(folder)? {
        for line in segments::lines(&segments::checkpoints_file(folder, &day))? {
            let line: Option<Line> = serde_json::from_slice(&line?).ok();
            all.extend(line.and_then(Line::signed));
        }
    }
    all.sort_by_key(|signed| signed.size);
    Ok(all)
}

/// The size of the largest checkpoint that the archived events lead to.
fn fitting(folder: &Path, checkpoints: &[Signed]) -> Result<u64, Error> {
    let mut tree = tree::Frontier::default();
    let mut due = checkpoints.iter().peekable();
    let mut last = 0;
    for leaf in leaves(folder)? {
        // A line that cannot be read ends what can be trusted.
        let Ok(leaf) = leaf else { break };
        if leaf.sequence != tree.size() + 1 {
            break;
        }
        tree.push(leaf.hash);
        while let Some(signed) = due.next_if(|signed| signed.size <= tree.size()) {
            if signed.size < tree.size() || signed.root != tree.root() {
                return Ok(last);
            }
            last = signed.size;
        }
    }
    Ok(last)
}

/// The archived events in order.
fn leaves(folder: &Path) -> Result<impl Iterator<Item = Result<Leaf, Error>>, Error> {
    let mut files = Vec::new();
    for day in segments::days(folder)? {
        files.push(segments::events_file(folder, &day));
    }
    let lines = files.into_iter().flat_map(|path| -> Box<dyn Iterator<Item = _>> {
        match segments::lines(&path) {
            Ok(lines) => Box::new(lines.map(move |line| (line, path.clone()))),
            Err(error) => Box::new(std::iter::once((Err(error), path))),
        }
    });
    Ok(lines.map(|(line, path)| {
        let record = line?;
        let told: Option<Recorded> = serde_json::from_slice(&record).ok();
        let told = told.ok_or(Error::Damaged { path, why: "a line is no event" })?;
        let hash = tree::leaf(&record);
        Ok(Leaf { sequence: told.sequence, at: told.at, arrival: told.arrival, record, hash })
    }))
}
