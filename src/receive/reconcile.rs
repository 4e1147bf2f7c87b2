//! Start-up: the disk may be ahead of the ledger, never behind.
//!
//! Called once, before any door opens. It records raw objects that the ledger does not know from
//! their own identity, sends conversions whose files are gone or altered back to be made again, and
//! removes converted files that nothing speaks of. It looks only at recent days and unfinished
//! states, so that a million finished arrivals cost nothing.
//!
//! Left out: uploads in progress, which [`super::staging`] finds again; closed batches, which are
//! published again as they are; whether finished files are still whole, which is for `verify`.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::archive::{self, Archive, Found, Identity, RawObject, digest};
use crate::clock::{Timestamp, utc_day};
use crate::config::Config;
use crate::diagnostic::{Code, Diagnostic};
use crate::durable;
use crate::ledger::{
    self, Arrival, ArrivalQuery, Door, Event, FileKind, Ledger, Output, ReplayStanding, Sender,
    State,
};
use crate::names::{ArrivalId, FileName};
use crate::zone::{Zone, ZonePath};

use super::completion;
use super::intake::{Facts, describe};

/// Start-up could not compare disk and ledger.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The archive failed.
    #[error(transparent)]
    Archive(#[from] archive::Error),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// A folder could not be read.
    #[error("cannot list {}", path.display())]
    List {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// What start-up found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Raw objects that the ledger did not know and now does.
    pub adopted: u64,
    /// Files removed that nothing speaks of.
    pub removed: u64,
    /// Arrivals that are converted once more.
    pub reconverting: u64,
}

/// Compares disk and ledger, mends the difference and keeps an event of it.
///
/// # Errors
/// [`Error`]. Calling it again goes on where it stopped.
pub fn reconcile(
    zone: &Zone,
    config: &Config,
    archive: &Archive,
    ledger: &dyn Ledger,
) -> Result<Reconciled, Error> {
    let adopted = adopt_unrecorded(config, archive, ledger)?;
    let reconverting = release_damaged(zone, ledger)? + replay_damaged(zone, ledger)?;
    let removed = remove_unclaimed(zone, ledger)? + remove_temporary_manifests(zone)?;
    let done = Reconciled { adopted, removed, reconverting };
    ledger.note(Event::Reconciled { adopted, removed, reconverting })?;
    Ok(done)
}

// ---- the archive ----

fn adopt_unrecorded(config: &Config, archive: &Archive, ledger: &dyn Ledger) -> Result<u64, Error> {
    adopt_since(&first_day(ledger)?, config, archive, ledger)
}

/// Records the raw objects of a UTC day (`2026-11-22`) and later that the ledger does not know, from
/// what they say of themselves; how many.
///
/// # Errors
/// [`Error`].
pub fn adopt_since(
    day: &str,
    config: &Config,
    archive: &Archive,
    ledger: &dyn Ledger,
) -> Result<u64, Error> {
    let (mut adopted, mut kept) = (0, HashSet::new());
    for found in archive.objects_since(day)? {
        if ledger.arrival(found.id)?.is_some() {
            continue;
        }
        let file = archive.open(&found.path)?;
        let (size_bytes, digest) = digest::of_reader(&file).map_err(|source| {
            archive::Error::Io { doing: "read", path: found.path.as_str().into(), source }
        })?;
        let told = archive.identity(&found.path)?;
        let told = told.filter(|told| told.id == found.id && told.feed == found.feed);
        let Some(identity) = told.or_else(|| unknown(&found, &file)) else { continue };
        let raw = RawObject { path: found.path, size_bytes, digest };
        tracing::warn!(id = %found.id, raw = %raw.path, "adopting a raw object without a record");
        if kept.insert(raw.path.folder().to_owned()) {
            archive.keep_folder_of(&raw.path)?;
        }
        let Identity { sender, feed, received_at, .. } = &identity;
        let waits = completion::from_receipt(config, sender, feed, *received_at);
        let facts = Facts { waits, adopted: true, ends: None };
        ledger.receive(describe(config, identity, raw, facts))?;
        adopted += 1;
    }
    Ok(adopted)
}

/// The day before that of the newest arrival: what was archived and not recorded came about then.
/// With an empty ledger it is the first day there is.
fn first_day(ledger: &dyn Ledger) -> Result<String, Error> {
    let newest = ledger.arrivals(&ArrivalQuery { limit: 1, ..ArrivalQuery::default() })?;
    let day_before = |newest: &Arrival| {
        let day = std::time::Duration::from_secs(24 * 3600);
        utc_day(newest.received_at.checked_sub(day).unwrap_or(Timestamp::MIN))
    };
    Ok(newest.first().map(day_before).unwrap_or_default())
}

/// An object that does not say who it is waits for a person.
fn unknown(found: &Found, file: &File) -> Option<Identity> {
    let modified = file.metadata().and_then(|metadata| metadata.modified()).ok();
    let modified = modified.and_then(|time| Timestamp::try_from(time).ok()).unwrap_or_default();
    let (_, name) = found.path.base().split_once('_')?;
    let summary = format!("`{name}` was found in the archive without a record of its sender");
    Some(Identity {
        id: found.id,
        sender: Sender::Local("unknown".to_owned()),
        door: Door::Local,
        feed: found.feed.clone(),
        name: FileName::new(name).ok()?,
        received_at: Timestamp::from_microsecond(modified.as_microsecond()).ok()?,
        modified_s: None,
        mode: None,
        origin: None,
        fingerprint: None,
        held: Some(Diagnostic::error(Code::R101, summary)),
    })
}

// ---- converted files ----

fn waiting_for_a_batch(ledger: &dyn Ledger) -> Result<Vec<Arrival>, Error> {
    let states = vec![State::Converted];
    Ok(ledger.arrivals(&ArrivalQuery { states, limit: u32::MAX, ..ArrivalQuery::default() })?)
}

fn outputs(arrival: &Arrival) -> impl Iterator<Item = &Output> {
    let conversion = arrival.conversion.iter();
    conversion.flat_map(|made| std::iter::once(&made.parquet).chain(&made.rejects))
}

/// What came of replays whose output is not there as it was recorded is made again.
fn replay_damaged(zone: &Zone, ledger: &dyn Ledger) -> Result<u64, Error> {
    let mut again = 0;
    for (id, outputs) in made_by_replays(ledger)? {
        if outputs.iter().any(|output| !is_whole(zone, output)) {
            ledger.replay_again(id)?;
            again += 1;
        }
    }
    Ok(again)
}

fn made_by_replays(ledger: &dyn Ledger) -> Result<Vec<(ArrivalId, Vec<Output>)>, Error> {
    let made = ledger.replays_made()?.into_iter();
    Ok(made
        .filter_map(|replay| match replay.standing {
            ReplayStanding::Made { conversion } => {
                let outputs = std::iter::once(conversion.parquet).chain(conversion.rejects);
                Some((replay.arrival.id, outputs.collect()))
            }
            ReplayStanding::Asked | ReplayStanding::Ended { .. } => None,
        })
        .collect())
}

fn release_damaged(zone: &Zone, ledger: &dyn Ledger) -> Result<u64, Error> {
    let mut released = 0;
    for arrival in waiting_for_a_batch(ledger)? {
        let Some(damaged) = outputs(&arrival).find(|output| !is_whole(zone, output)) else {
            continue;
        };
        tracing::warn!(id = %arrival.id, path = %damaged.path, "a converted file is gone or altered");
        let reason = "its converted file is gone or altered; it is converted again".to_owned();
        ledger.advance(arrival.id, Event::released("start-up".to_owned(), reason))?;
        released += 1;
    }
    Ok(released)
}

fn is_whole(zone: &Zone, output: &Output) -> bool {
    let Some(path) = zone.resolve(&output.path) else { return false };
    let read = File::open(path).and_then(|file| {
        // A look at the size first: most damage shows there.
        let same_size = file.metadata()?.len() == output.size_bytes;
        if same_size { digest::of_reader(file).map(Some) } else { Ok(None) }
    });
    matches!(read, Ok(Some((_, digest))) if digest == output.digest)
}

/// Removes what lies among the converted files and belongs neither to an arrival or a replay that waits
/// for a batch nor to a closed batch.
fn remove_unclaimed(zone: &Zone, ledger: &dyn Ledger) -> Result<u64, Error> {
    let waiting = waiting_for_a_batch(ledger)?;
    let of_arrivals = waiting.iter().flat_map(outputs).map(|output| &output.path);
    let replayed = made_by_replays(ledger)?;
    let of_replays = replayed.iter().flat_map(|(_, outputs)| outputs).map(|output| &output.path);
    let closed = ledger.closed_batches()?;
    let of_batches = closed.iter().flat_map(|batch| &batch.files);
    let of_batches = of_batches.filter(|file| file.kind != FileKind::Raw).map(|file| &file.from);
    let merges = closed.iter().flat_map(|batch| &batch.merges);
    let to_merge = merges.flat_map(|merge| {
        std::iter::once(&merge.from).chain(merge.pieces.iter().map(|piece| &piece.from))
    });
    let claimed: HashSet<&ZonePath> =
        of_arrivals.chain(of_replays).chain(of_batches).chain(to_merge).collect();
    let claimed: HashSet<PathBuf> =
        claimed.into_iter().filter_map(|path| zone.resolve(path)).collect();
    remove_files(&zone.converted(), |path| !claimed.contains(path))
}

/// A manifest is written under a temporary name first; a kill leaves that name behind.
fn remove_temporary_manifests(zone: &Zone) -> Result<u64, Error> {
    let mut removed = 0;
    for feed in list(&zone.lake())? {
        removed += remove_files(&feed.join("_manifests"), |path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with('.') && name.ends_with(".tmp")
        })?;
    }
    Ok(removed)
}

fn remove_files(folder: &Path, unwanted: impl Fn(&Path) -> bool) -> Result<u64, Error> {
    let mut removed = 0;
    for path in list(folder)? {
        if unwanted(&path) && path.is_file() {
            durable::remove_quietly(&path);
            removed += 1;
        }
    }
    Ok(removed)
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::List { path: folder.to_owned(), source };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect()
}
