//! Publishing a closed batch.
//!
//! Closing a batch fixed its id, sequence, members and file names in the ledger. Publishing writes
//! merged files ([`super::merging`]), moves each file to its name, syncs each folder once, writes the manifest last (this is the commit) and
//! then tells the ledger. Every step finds out whether it was taken before: called again after a
//! kill at any instruction it gives the same names and bytes. A name that exists with other bytes
//! is never replaced: the batch stays closed, with [`Code::H102`].
//!
//! Left out so far: void manifests.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::archive::digest;
use crate::clock::{Clock, Timestamp};
use crate::config;
use crate::diagnostic::{Code, Diagnostic};
use crate::durable::{self, Durability, Folders};
use crate::ledger::{
    self, Batch, BatchFile, BatchState, Because, Closing, Empty, FileKind, Ledger, Over, Retraction,
};
use crate::names::{Digest, FeedName};
use crate::zone::{Zone, ZonePath};

use super::manifest;
use super::merging::Merges;

/// Why a batch is not published yet. It stays closed and is published again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A durable step failed.
    #[error(transparent)]
    Durable(#[from] durable::Error),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// A file could not be read.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A published name is taken by other bytes.
    #[error("`{0}` exists with other bytes and is never replaced")]
    Taken(ZonePath),
    /// A converted file is neither waiting nor published.
    #[error("`{0}` is neither waiting nor published")]
    Gone(ZonePath),
    /// A file that is to be merged is not what the ledger knows.
    #[error("`{0}` does not have the digest that it was recorded with")]
    Damaged(ZonePath),
    /// A merged file could not be written.
    #[error("`{0}` could not be merged")]
    Unmerged(ZonePath, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// A converted file is not what the ledger knows.
    #[error("`{0}` does not have the size it was recorded with")]
    Altered(ZonePath),
    /// A stored path would leave the zone.
    #[error("`{0}` is not a path in this zone")]
    Outside(ZonePath),
}

impl Error {
    /// The problem as it is shown and logged.
    pub fn diagnostic(&self, batch: &Batch) -> Diagnostic {
        let (feed, sequence) = (&batch.feed, batch.sequence);
        let summary = format!("batch {sequence} of {feed} could not be published");
        let told = Diagnostic::error(Code::H102, summary).caused_by(self);
        match self {
            Self::Damaged(path) if !Zone::is_converted(path) => told.hint(
                "Rows of this file are to be kept. `landfall verify --restore-from DIR` mends it from a copy \
                 of the zone; then the batch is published by itself.",
            ),
            Self::Damaged(_)
            | Self::Durable(_)
            | Self::Ledger(_)
            | Self::Io { .. }
            | Self::Taken(_)
            | Self::Gone(_)
            | Self::Unmerged(..)
            | Self::Altered(_)
            | Self::Outside(_) => told,
        }
    }
}

/// Publishes batches of one zone. Cheap to clone.
#[derive(Clone)]
pub struct Publisher {
    pub(super) zone: Zone,
    config: config::Live,
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) durability: Durability,
    folders: Folders,
    clock: Clock,
    pub(super) merger: Arc<dyn Merges>,
    /// Held while a batch is published: what takes back what is erased does not wait for the pipeline.
    turn: Arc<Mutex<()>>,
}

/// What [`Publisher::retire_retracted`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retired {
    /// Files that left the lake.
    pub moved: u64,
    /// When the next one is due.
    pub next_due: Option<Timestamp>,
}

impl Publisher {
    /// A publisher that takes durability, bounds, sinks and graces from the configuration.
    pub fn new(
        zone: Zone,
        config: impl Into<config::Live>,
        ledger: Arc<dyn Ledger>,
        clock: Clock,
        merger: Arc<dyn Merges>,
    ) -> Self {
        let config = config.into();
        let durability = config.now().durability;
        let folders = Folders::new(zone.root(), durability);
        Self { zone, config, ledger, durability, folders, clock, merger, turn: Arc::default() }
    }

    /// Closes the feed's next batch over what is ready and publishes it; `None` when nothing is ready or a closed
    /// batch is still to be published ([`Self::publish_closed`]).
    ///
    /// # Errors
    /// [`Error`]: the batch, once closed, stays closed until it can be published.
    pub fn close_and_publish(&self, feed: &FeedName) -> Result<Option<Batch>, Error> {
        let bounds = self.config.now().feed(feed).batch.bounds;
        self.close_over_and_publish(feed, Closing::of_ready(bounds))
    }

    /// Closes the feed's next batch over what is said and publishes it; `None` as for
    /// [`Self::close_and_publish`].
    ///
    /// # Errors
    /// [`Error`]: the batch, once closed, stays closed until it can be published.
    pub fn close_over_and_publish(
        &self,
        feed: &FeedName,
        closing: Closing,
    ) -> Result<Option<Batch>, Error> {
        let closed = self.ledger.close_batch_over(feed, closing)?;
        closed.map(|batch| self.publish(&batch)).transpose()
    }

    /// Publishes every batch that is closed and not yet published: at start-up and after a failure.
    /// One that fails does not stop the others; those that failed are returned.
    ///
    /// # Errors
    /// What the ledger said when asked which batches there are.
    pub fn publish_closed(&self) -> Result<Vec<(Batch, Error)>, Error> {
        let closed = self.ledger.closed_batches()?.into_iter();
        Ok(closed.filter_map(|batch| self.publish(&batch).err().map(|why| (batch, why))).collect())
    }

    /// Takes back what is erased of a feed, or past its time, by a batch of its own, whatever the rule of
    /// the feed.
    ///
    /// # Errors
    /// As [`Self::close_over_and_publish`].
    pub fn take_back(&self, feed: &FeedName, because: Because) -> Result<Option<Batch>, Error> {
        for closed in self.ledger.closed_batches()?.iter().filter(|closed| closed.feed == *feed) {
            self.publish(closed)?;
        }
        let closing = Closing {
            bounds: self.config.now().feed(feed).batch.bounds,
            over: Over::These(Vec::new()),
            empty: Empty::Skip,
            because,
        };
        self.close_over_and_publish(feed, closing)
    }

    /// Publishes a closed batch: files, folders, manifest, ledger. Again and again if need be.
    ///
    /// # Errors
    /// [`Error`]; nothing that is published is undone.
    pub fn publish(&self, batch: &Batch) -> Result<Batch, Error> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // Another may have had the turn since this one was read.
        let known = self.ledger.batch(batch.id)?;
        let batch = known.as_ref().unwrap_or(batch);
        match batch.state {
            BatchState::Published => return Ok(batch.clone()),
            BatchState::Closed => {}
        }
        let batch = &self.merged(batch)?;
        self.publish_files(batch)?;
        let members = manifest::members(self.ledger.as_ref(), batch)?;
        let digest = self.publish_manifest(batch, &manifest::render(batch, &members))?;
        self.remove_pieces(batch);
        let sinks = self.config.now().feed(&batch.feed).sinks;
        Ok(self.ledger.published(batch.id, digest, &sinks)?)
    }

    fn publish_files(&self, batch: &Batch) -> Result<(), Error> {
        let mut folders = BTreeSet::new();
        for file in batch.files.iter().filter(|file| file.kind != FileKind::Raw) {
            let (from, to) = (self.resolve(&file.from)?, self.resolve(&file.to)?);
            let folder = folder_of(&to);
            if folders.insert(folder.to_owned()) {
                self.folders.make(folder)?;
            }
            self.publish_file(file, &from, &to)?;
        }
        // Also those of files that were in place already: a kill may have come before the sync.
        Ok(folders.iter().try_for_each(|folder| self.durability.sync_folder(folder))?)
    }

    fn publish_file(&self, file: &BatchFile, from: &Path, to: &Path) -> Result<(), Error> {
        match fs::metadata(from) {
            Ok(waiting) if waiting.len() == file.size_bytes => {}
            Ok(_) => return Err(Error::Altered(file.from.clone())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return match self.check_published(file, to) {
                    // The ledger is older than its erasure, which is done again once this is handed off.
                    Err(Error::Gone(_)) if self.zone.tombstone(file.arrival).exists() => Ok(()),
                    checked => checked,
                };
            }
            Err(source) => return Err(io_error("look at", from, source)),
        }
        match self.durability.publish_new_unsynced(from, to) {
            Ok(()) => Ok(()),
            Err(error) if error.is_name_taken() => {
                self.check_published(file, to)?;
                // Both names: a kill came between link and unlink.
                durable::remove_quietly(from);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Makes sure that what has the published name is the file that the batch means.
    fn check_published(&self, file: &BatchFile, to: &Path) -> Result<(), Error> {
        let published = match File::open(to) {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::Gone(file.from.clone()));
            }
            Err(source) => return Err(io_error("open", to, source)),
        };
        match digest::of_reader(published).map_err(|source| io_error("read", to, source))? {
            (_, found) if found == file.digest => Ok(()),
            (_, _) => Err(Error::Taken(file.to.clone())),
        }
    }

    fn publish_manifest(&self, batch: &Batch, bytes: &[u8]) -> Result<Digest, Error> {
        let name = Zone::manifest_path(&batch.feed, batch.sequence);
        let path = self.resolve(&name)?;
        let folder = folder_of(&path);
        self.folders.make(folder)?;
        match self.durability.write_new(&path, bytes) {
            Ok(()) => {}
            Err(error) if error.is_name_taken() => {
                let found = fs::read(&path).map_err(|source| io_error("read", &path, source))?;
                if found != bytes {
                    return Err(Error::Taken(name));
                }
                self.durability.sync_folder(folder)?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(digest::of_bytes(bytes))
    }

    /// Moves retracted files out of the lake, and their rejects, once their feed's grace is over, so
    /// that a plain glob of the dataset is right again.
    ///
    /// # Errors
    /// [`Error`] of the first file that could not be moved; the others were moved.
    pub fn retire_retracted(&self) -> Result<Retired, Error> {
        let mut retired = Retired::default();
        let mut failed = None;
        for (retraction, published_at) in self.ledger.retractions_due()? {
            let due = self.grace_ends(&retraction, published_at)?;
            if due > self.clock.now() {
                retired.next_due = retired.next_due.into_iter().chain([due]).min();
                continue;
            }
            match self.retire(&retraction) {
                Ok(()) => retired.moved += 1,
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(retired), Err)
    }

    fn grace_ends(&self, retraction: &Retraction, since: Timestamp) -> Result<Timestamp, Error> {
        let grace = match self.ledger.arrival(retraction.arrival)? {
            Some(arrival) => self.config.now().feed(&arrival.feed).retract_grace,
            None => return Ok(since),
        };
        Ok(since.checked_add(grace).unwrap_or(Timestamp::MAX))
    }

    fn retire(&self, retraction: &Retraction) -> Result<(), Error> {
        // A raw object is handed off where it lies, in the archive, which is for ever.
        if retraction.path.as_str().starts_with("lake/") {
            self.move_out(&retraction.path)?;
            if let Some(rejects) = self.ledger.rejects_beside(retraction)? {
                self.move_out(&rejects)?;
            }
        }
        Ok(self.ledger.retraction_done(retraction)?)
    }

    fn move_out(&self, published: &ZonePath) -> Result<(), Error> {
        let kept = Zone::retracted_path(published);
        let (from, to) = (self.resolve(published)?, self.resolve(&kept)?);
        self.durability.create_folders(folder_of(&to))?;
        match self.durability.publish_new(&from, &to) {
            Ok(()) => {}
            // Gone from its place: moved before a kill, or removed by hand.
            Err(_) if !from.exists() => {}
            Err(error) if error.is_name_taken() && same_bytes(&from, &to)? => {
                durable::remove_quietly(&from);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(self.durability.sync_folder(folder_of(&from))?)
    }

    pub(super) fn resolve(&self, path: &ZonePath) -> Result<PathBuf, Error> {
        self.zone.resolve(path).ok_or_else(|| Error::Outside(path.clone()))
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn same_bytes(a: &Path, b: &Path) -> Result<bool, Error> {
    let digest = |path: &Path| {
        let read = File::open(path).and_then(digest::of_reader);
        read.map_err(|source| io_error("read", path, source))
    };
    Ok(digest(a)? == digest(b)?)
}

pub(super) fn io_error(doing: &'static str, path: &Path, source: io::Error) -> Error {
    Error::Io { doing, path: path.to_owned(), source }
}
