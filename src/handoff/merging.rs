//! The merged files of a closed batch are written, before anything of it is published.
//!
//! Closing decided which arrivals share a file, and under which name. Each such file is written below
//! `.landfall/converted/` from files whose digests are those that were recorded, and synced; then one
//! transaction keeps sizes and digests of all of them. Killed in between it is done again: the same
//! names, and, by the same version, the same bytes. From there on a merged file is published as any
//! other. What it was written from stays until the manifest is published.
//!
//! Files that turn out to have columns that do not go together are published each on its own.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::PathBuf;

use crate::archive::digest;
use crate::durable;
use crate::ledger::{Batch, Merge, Piece};
use crate::names::Digest;
use crate::zone::{Zone, ZonePath};

use super::batch::{Error, Publisher, io_error};

/// The rows of an arrival, and the file that has them.
#[derive(Debug, Clone)]
pub struct Run {
    /// The file.
    pub path: PathBuf,
    /// Which of its rows, and whose.
    pub piece: Piece,
}

/// Why there is no merged file.
#[derive(Debug)]
pub enum Unmerged {
    /// The files do not go together; in words why.
    Apart(String),
    /// One could not be read, or the new one not written.
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

/// What merges files: a narrow way to what reads and writes Parquet.
pub trait Merges: Send + Sync {
    /// Writes rows into an empty file, one run after the other; its size and digest. The same runs
    /// give the same bytes.
    ///
    /// # Errors
    /// [`Unmerged`].
    fn merge(&self, runs: &[Run], out: File) -> Result<(u64, Digest), Unmerged>;
}

impl Publisher {
    /// Writes the merged files of a batch that are not written yet; the batch with them.
    pub(super) fn merged(&self, batch: &Batch) -> Result<Batch, Error> {
        let (mut written, mut apart) = (Vec::new(), None);
        for merge in batch.merges.iter().filter(|merge| merge.written.is_none()) {
            match self.write(merge)? {
                Ok(done) => written.push(Merge { written: Some(done), ..merge.clone() }),
                Err(why) => {
                    tracing::warn!(feed = %batch.feed, file = %merge.to, why, "not merged");
                    apart = Some(self.ledger.keep_apart(batch.id, merge)?);
                }
            }
        }
        if written.is_empty() {
            return Ok(apart.unwrap_or_else(|| batch.clone()));
        }
        self.durability.sync_folder(&self.zone.converted())?;
        Ok(self.ledger.merged(batch.id, written)?)
    }

    /// Writes a merged file; in words why not, when each arrival is to have its own.
    fn write(&self, merge: &Merge) -> Result<Result<(u64, Digest), String>, Error> {
        let mut looked_at = HashSet::new();
        let mut runs = Vec::new();
        for piece in &merge.pieces {
            let path = self.resolve(&piece.from)?;
            if looked_at.insert(&piece.from) {
                check(piece, &path)?;
            }
            runs.push(Run { path, piece: piece.clone() });
        }
        let path = self.resolve(&merge.from)?;
        // What an earlier attempt left there was never recorded.
        durable::remove_quietly(&path);
        let new = File::options().read(true).write(true).create_new(true).open(&path);
        let out = new.map_err(|source| io_error("create", &path, source))?;
        let kept = out.try_clone().map_err(|source| io_error("open", &path, source))?;
        match self.merger.merge(&runs, kept) {
            Ok(done) => {
                self.durability.sync_file(&out, &path)?;
                Ok(Ok(done))
            }
            Err(why) => {
                durable::remove_quietly(&path);
                match why {
                    Unmerged::Apart(why) if merge.pieces.iter().all(is_whole) => Ok(Err(why)),
                    Unmerged::Apart(why) => Err(Error::Unmerged(merge.to.clone(), why.into())),
                    Unmerged::Failed(why) => Err(Error::Unmerged(merge.to.clone(), why)),
                }
            }
        }
    }

    /// Removes what merged files were written from, but for files of the lake.
    pub(super) fn remove_pieces(&self, batch: &Batch) {
        let pieces = batch.merges.iter().flat_map(|merge| &merge.pieces);
        let waiting = pieces.filter(|piece| is_whole(piece)).map(|piece| &piece.from);
        let paths = waiting.filter_map(|path: &ZonePath| self.zone.resolve(path));
        paths.for_each(|path| durable::remove_quietly(&path));
    }
}

/// Whether it is a file that waits for its batch, and not a part of one that is published.
fn is_whole(piece: &Piece) -> bool {
    Zone::is_converted(&piece.from)
}

fn check(piece: &Piece, path: &std::path::Path) -> Result<(), Error> {
    let read = File::open(path).and_then(digest::of_reader);
    match read {
        Ok((_, found)) if found == piece.digest => Ok(()),
        Ok(_) => Err(Error::Damaged(piece.from.clone())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Error::Gone(piece.from.clone()))
        }
        Err(source) => Err(io_error("read", path, source)),
    }
}
