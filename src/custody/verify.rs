//! Reading kept files again and comparing them with the ledger.

use std::collections::HashSet;
use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::clock::Timestamp;
use crate::ledger::{Batch, Finding, Kept, KeptKind, Ledger, Problem, State, Verified};
use crate::names::{ArrivalId, BatchId, FeedName};
use crate::zone::{Zone, ZonePath};

use super::{Error, Pace};

/// Arrivals whose files are looked up at a time.
const ARRIVALS_AT_A_TIME: u32 = 200;
/// Batches whose manifests are looked up at a time.
const BATCHES_AT_A_TIME: u32 = 100;
/// A file so young may be on its way into the ledger.
const YOUNG: Duration = Duration::from_secs(600);

/// Which files are read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sample {
    /// Every one.
    Everything,
    /// Of so many in a hundred arrivals, drawn anew each time.
    Percent(f64),
    /// Of about so many arrivals.
    Arrivals(u64),
}

/// What is asked of a reading.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    /// Which files.
    pub sample: Sample,
    /// Only of what was received at or after.
    pub since: Option<Timestamp>,
}

/// What a reading tells as it goes.
#[derive(Debug)]
pub enum Step<'s> {
    /// The files of the arrivals up to this sequence are done, of those up to the other.
    Reached(u64, u64),
    /// A file is as it was recorded.
    Whole(&'s ZonePath),
    /// A file is not.
    Found(Finding),
}

/// Reads kept files.
pub struct Verifier<'v> {
    zone: &'v Zone,
    ledger: &'v dyn Ledger,
    pace: Pace,
    /// What it came to so far.
    pub verified: Verified,
}

impl<'v> Verifier<'v> {
    /// Reads the files of a zone at this pace.
    pub fn new(zone: &'v Zone, ledger: &'v dyn Ledger, pace: Pace) -> Self {
        Self { zone, ledger, pace, verified: Verified::default() }
    }

    /// Reads what is wished for. Files that the ledger does not know are looked for only when
    /// everything is read.
    ///
    /// # Errors
    /// [`Error`], not for files that cannot be read: those are findings.
    pub fn run(&mut self, wish: &Wish, tell: &mut dyn FnMut(Step<'_>)) -> Result<(), Error> {
        let newest = self.newest()?;
        let mut after = match wish.since {
            Some(since) => self.ledger.sequence_at(since)?.saturating_sub(1),
            None => 0,
        };
        let chosen = Chosen::of(wish.sample, newest.saturating_sub(after));
        while after < newest {
            let Some((last, kept)) = self.ledger.kept(after, ARRIVALS_AT_A_TIME)? else { break };
            for file in kept.iter().filter(|file| chosen.has(file.arrival)) {
                self.check(file, tell);
            }
            after = last;
            tell(Step::Reached(after.min(newest), newest));
        }
        if wish.since.is_none() && wish.sample == Sample::Everything {
            self.check_manifests(tell)?;
            self.look_for_unknown(tell)?;
        }
        Ok(())
    }

    /// Reads the files of the next arrivals after a sequence; returns how far it came, `None` at the
    /// end.
    ///
    /// # Errors
    /// What the ledger said.
    pub(super) fn next(
        &mut self,
        after: u64,
        limit: u32,
        tell: &mut dyn FnMut(Step<'_>),
    ) -> Result<Option<u64>, Error> {
        let Some((last, kept)) = self.ledger.kept(after, limit)? else { return Ok(None) };
        kept.iter().for_each(|file| self.check(file, tell));
        Ok(Some(last))
    }

    /// The newest arrival's sequence.
    pub(super) fn newest(&self) -> Result<u64, Error> {
        let query = crate::ledger::ArrivalQuery { limit: 1, ..Default::default() };
        let newest = self.ledger.arrivals(&query)?;
        Ok(newest.first().map_or(0, |arrival| arrival.sequence))
    }

    /// Reads one file and tells what is the case.
    pub fn check(&mut self, kept: &Kept, tell: &mut dyn FnMut(Step<'_>)) {
        let (problem, found) = match self.read(kept) {
            Ok((size, digest)) => {
                self.verified.files += 1;
                self.verified.bytes = self.verified.bytes.saturating_add(size);
                if digest == kept.digest {
                    return tell(Step::Whole(&kept.path));
                }
                (Problem::Damaged, Some(digest))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => (Problem::Missing, None),
            Err(error) => {
                tracing::warn!(path = %kept.path, %error, "a kept file cannot be read");
                (Problem::Unreadable, None)
            }
        };
        if problem == Problem::Missing && self.is_not_kept(kept) {
            return;
        }
        self.verified.problems += 1;
        tell(Step::Found(Finding {
            path: kept.path.clone(),
            problem,
            arrival: kept.arrival,
            recorded: Some(kept.digest),
            found,
        }));
    }

    /// Whether it was erased or retired since it was looked up.
    fn is_not_kept(&self, kept: &Kept) -> bool {
        let arrival = kept.arrival.and_then(|id| self.ledger.arrival(id).ok().flatten());
        let Some(before) = arrival.and_then(|arrival| arrival.sequence.checked_sub(1)) else {
            return false;
        };
        let now = self.ledger.kept(before, 1).ok().flatten();
        now.is_some_and(|(_, files)| files.iter().all(|file| file.path != kept.path))
    }

    fn read(&mut self, kept: &Kept) -> io::Result<(u64, crate::names::Digest)> {
        let opened = match self.open(&kept.path) {
            // It may have been retracted, also while we look.
            Err(error) if error.kind() == io::ErrorKind::NotFound && kept.kind != KeptKind::Raw => {
                self.open(&Zone::retracted_path(&kept.path))
            }
            opened => opened,
        };
        self.pace.hash(&opened?)
    }

    fn open(&self, path: &ZonePath) -> io::Result<File> {
        let path = self.zone.resolve(path).ok_or(io::ErrorKind::InvalidFilename)?;
        File::open(path)
    }

    /// Reads the manifests of all batches.
    ///
    /// # Errors
    /// What the ledger said.
    pub(super) fn check_manifests(&mut self, tell: &mut dyn FnMut(Step<'_>)) -> Result<(), Error> {
        for feed in self.feeds()? {
            let mut after = 0;
            loop {
                let batches = self.ledger.batches(&feed, after, BATCHES_AT_A_TIME)?;
                let Some(last) = batches.last() else { break };
                after = last.sequence;
                for batch in &batches {
                    let Some(digest) = batch.manifest_digest else { continue };
                    let path = Zone::manifest_path(&feed, batch.sequence);
                    let kind = KeptKind::Manifest;
                    self.check(&Kept { kind, arrival: None, path, digest }, tell);
                }
            }
        }
        Ok(())
    }

    fn feeds(&self) -> Result<Vec<FeedName>, Error> {
        let mut feeds: Vec<FeedName> =
            self.ledger.counts()?.into_iter().map(|(feed, _, _)| feed).collect();
        feeds.dedup();
        Ok(feeds)
    }

    /// Names the files in the folders of datasets and raw objects that the ledger does not know.
    ///
    /// # Errors
    /// [`Error`].
    pub(super) fn look_for_unknown(&mut self, tell: &mut dyn FnMut(Step<'_>)) -> Result<(), Error> {
        let mut last = None;
        for room in ["archive", "lake", "rejects", "retracted"] {
            let mut folders = folders_of_feeds(&self.zone.root().join(room))?;
            while let Some(folder) = folders.pop() {
                for path in list(&folder)? {
                    if path.is_dir() {
                        folders.push(path);
                        continue;
                    }
                    let Some(named) = self.zone_path(&path) else { continue };
                    let known = match room {
                        "archive" => self.knows_raw(&named)?,
                        _ => self.knows_published(&named, &mut last)?,
                    };
                    if !known && !is_young(&path) {
                        self.verified.unknown += 1;
                        let (problem, found) = (Problem::Unknown, None);
                        let (arrival, recorded) = (None, None);
                        tell(Step::Found(Finding {
                            path: named,
                            problem,
                            arrival,
                            recorded,
                            found,
                        }));
                    }
                }
            }
        }
        Ok(())
    }

    fn zone_path(&self, path: &Path) -> Option<ZonePath> {
        let below = path.strip_prefix(self.zone.root()).ok()?;
        Some(ZonePath::stored(below.to_string_lossy()))
    }

    fn knows_raw(&self, path: &ZonePath) -> Result<bool, Error> {
        let id = path.base().split_once('_').and_then(|(id, _)| id.parse::<ArrivalId>().ok());
        let Some(id) = id else { return Ok(false) };
        let known = self.ledger.arrival(id)?;
        // What is erased should not be there, and one that came back is no file of ours.
        Ok(known.is_some_and(|arrival| arrival.raw == *path && arrival.state != State::Erased))
    }

    /// Whether a batch published this file. `last` is the batch that was looked at last: files of
    /// one lie together.
    fn knows_published(&self, path: &ZonePath, last: &mut Option<Known>) -> Result<bool, Error> {
        if path.as_str().contains("/_manifests/") {
            return self.knows_manifest(path);
        }
        let id = path.base().get(..36).and_then(|id| id.parse::<BatchId>().ok());
        let Some(id) = id else { return Ok(false) };
        if last.as_ref().is_none_or(|(batch, _)| batch.id != id) {
            let not_kept = self.ledger.not_kept_of(id)?;
            *last = self.ledger.batch(id)?.map(|batch| (batch, not_kept));
        }
        let Some((batch, not_kept)) = last else { return Ok(false) };
        let is_of = |to: &ZonePath| to == path || Zone::retracted_path(to) == *path;
        // As for raw objects: what came back is no file of ours.
        Ok(batch.files.iter().any(|file| is_of(&file.to)) && !not_kept.iter().any(is_of))
    }

    fn knows_manifest(&self, path: &ZonePath) -> Result<bool, Error> {
        let mut parts = path.as_str().split('/').skip(1);
        let feed = parts.next().and_then(|feed| feed.parse::<FeedName>().ok());
        let sequence = path.base().strip_suffix(".json").and_then(|n| n.parse::<u64>().ok());
        let Some((feed, sequence)) = feed.zip(sequence) else { return Ok(false) };
        let batches = self.ledger.batches(&feed, sequence.saturating_sub(1), 1)?;
        Ok(batches.first().is_some_and(|batch| batch.sequence == sequence))
    }
}

/// A batch, and its files that are not kept any more.
type Known = (Batch, Vec<ZonePath>);

/// Which arrivals a sample has: those whose id falls below a bound under a hash drawn anew.
struct Chosen {
    drawn: RandomState,
    below: u64,
}

impl Chosen {
    fn of(sample: Sample, all: u64) -> Self {
        const WHOLE: u128 = 1 << 64;
        let below = match sample {
            Sample::Everything => u64::MAX,
            Sample::Percent(percent) => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "between 0 and 10,000"
                )]
                let basis_points = (percent.clamp(0.0, 100.0) * 100.0) as u64;
                u64::try_from(WHOLE * u128::from(basis_points) / 10_000).unwrap_or(u64::MAX)
            }
            Sample::Arrivals(count) => {
                let share = WHOLE * u128::from(count) / u128::from(all.max(1));
                u64::try_from(share).unwrap_or(u64::MAX)
            }
        };
        Self { drawn: RandomState::new(), below }
    }

    fn has(&self, arrival: Option<ArrivalId>) -> bool {
        self.below == u64::MAX || self.drawn.hash_one(arrival) < self.below
    }
}

/// The folders of feeds in a room of the zone; `_events`, `_config` and the like are none.
fn folders_of_feeds(room: &Path) -> Result<Vec<PathBuf>, Error> {
    let is_feed = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        path.is_dir() && name.is_some_and(|name| name.parse::<FeedName>().is_ok())
    };
    Ok(list(room)?.into_iter().filter(is_feed).collect())
}

/// The entries of a folder but hidden ones, which are being written. No folder, no entries.
pub(super) fn list(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::Io { doing: "list", path: folder.to_owned(), source };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn is_young(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return true };
    let written = u64::try_from(metadata.mtime()).unwrap_or(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(Duration::from_secs(written)) < YOUNG
}

/// Paths of findings, to tell what is new or over.
pub(super) fn paths(findings: &[(Finding, Timestamp)]) -> HashSet<ZonePath> {
    findings.iter().map(|(finding, _)| finding.path.clone()).collect()
}
