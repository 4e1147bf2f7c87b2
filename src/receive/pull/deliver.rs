//! Hands what a run brought to the intake, as often as it takes.
//!
//! Each file carries the run's id and its place in it as its fingerprint, so that one that the ledger
//! has already, from before a crash, is left out. Sidecars go first; the run is kept in the transaction
//! of the last file that was left.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use crate::durable;
use crate::ledger::{Door, Pulled, Sender};
use crate::receive::{Completion, Refusal, Settled, staging};

use super::load::{Error, Item, Load, Place, remove};
use super::run::Runner;

/// Takes every file of a run that is not taken yet, and forgets the run. How many files it has.
/// `known_run` is the newest that the ledger has.
pub(super) fn deliver(
    load: &Load,
    place: &Place,
    runner: &Runner<'_>,
    known_run: Option<&str>,
) -> Result<u64, Error> {
    if known_run != Some(load.run.as_str()) {
        let sender = Sender::Pull(runner.name.clone());
        let delivery = Delivery { load, folder: place.ready(), runner, sender };
        delivery.take_all()?;
    }
    remove(&place.ready())?;
    remove(&place.work())?;
    Ok(load.files.len() as u64)
}

/// A file with its place in its run.
type Placed<'i> = (usize, &'i Item);

struct Delivery<'r> {
    load: &'r Load,
    folder: PathBuf,
    runner: &'r Runner<'r>,
    sender: Sender,
}

impl Delivery<'_> {
    fn take_all(&self) -> Result<(), Error> {
        let (intake, feed) = (self.runner.intake, &self.load.feed);
        let mut left = Vec::new();
        for (at, item) in self.load.files.iter().enumerate() {
            let name = &item.name;
            let means = intake.sidecar_name(feed, name);
            let known = match means {
                Some(_) => intake.sidecar(&self.sender, feed, name).map(|known| known?.fingerprint),
                None => intake.current(&self.sender, feed, name).map(|known| known?.fingerprint),
            };
            if known.map_err(refused(item))? == Some(self.load.mark(at)) {
                continue;
            }
            match means {
                Some(means) => self
                    .take((at, item), |settled| intake.settle_sidecar(settled, means).map(drop))?,
                None => left.push((at, item)),
            }
        }
        let done = self.load.done(self.runner.name);
        match left.split_last() {
            None => intake.pulled(done).map_err(Error::Unrecorded),
            Some((last, before)) => self.settle(before, *last, done),
        }
    }

    fn settle(&self, before: &[Placed<'_>], last: Placed<'_>, done: Pulled) -> Result<(), Error> {
        let intake = self.runner.intake;
        for placed in before {
            self.take(*placed, |settled| intake.settle(settled).map(drop))?;
        }
        self.take(last, |settled| intake.settle_last(settled, done).map(drop))
    }

    /// Copies a file, which the command may still have open, and hands the copy over.
    fn take(
        &self,
        (at, item): Placed<'_>,
        hand_over: impl FnOnce(Settled) -> Result<(), Refusal>,
    ) -> Result<(), Error> {
        let path = item.path(&self.folder);
        let file = File::open(&path).map_err(Error::io("open", &path))?;
        let seen = file.metadata().map_err(Error::io("read", &path))?;
        let mut staged = staging::create(self.runner.zone).map_err(Error::io("stage", &path))?;
        let copy = staged.path.clone();
        let copied = staging::copy(&file, &mut staged.file, self.runner.stop);
        let taken = copied.map_err(Error::io("copy", &path)).and_then(|digest| {
            let settled = Settled {
                sender: self.sender.clone(),
                door: Door::Pull,
                feed: self.load.feed.clone(),
                name: item.name.clone(),
                staged,
                digest: Some(digest),
                modified_s: u32::try_from(seen.mtime()).ok(),
                mode: None,
                origin: self.load.by.clone(),
                fingerprint: Some(self.load.mark(at)),
                completion: Completion::Final,
            };
            hand_over(settled).map_err(refused(item))
        });
        taken.inspect_err(|_| durable::remove_quietly(&copy))
    }
}

fn refused(item: &Item) -> impl FnOnce(Refusal) -> Error {
    let name = item.name.clone();
    move |source| Error::Refused { name, source }
}
