//! The folder door: drop folders for people inside.
//!
//! Notifications ([`watch`]) are hints; a periodic [`scan`] is the truth: with every hint lost,
//! files are late, not missed. A file is complete ([`settle`]) when it has a final name, no office
//! lock, no writer ([`lease`]) and has been quiet. It is always copied ([`copy`]) and the copy is
//! hashed; what it was before and after must agree. Then it moves to `_done` or `_rejected` with a
//! text in words ([`away`]), or stays. What the ledger knows decides after a restart: nothing is
//! taken twice because a move was interrupted. A sidecar is recorded with its file and put away at
//! once.
//!
//! Each folder has a thread of its own ([`rounds`]): one that hangs on a dead mount holds only
//! itself. A reload begins and ends them ([`threads`]).

use std::collections::HashMap;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch::Receiver;

use crate::archive::digest;
use crate::clock::{Clock, Pace};
use crate::config::{self, After, Config, Folder};
use crate::ledger::{Arrival, Sender};
use crate::names::FolderName;
use crate::receive::Intake;
use crate::zone::Zone;

mod away;
mod beneath;
mod copiers;
mod copy;
mod entries;
mod lease;
mod mail;
mod outcomes;
mod presence;
mod rounds;
mod scan;
mod settle;
mod threads;
mod watch;

use copy::Taker;
use threads::Threads;

/// Removes what a drop folder has of an arrival: what it put away, and the file itself if it is still
/// to be put away. Answers how many files these were, and the file that a folder keeps, which is not
/// the zone's to remove.
///
/// # Errors
/// What the system said; what was found until then is removed.
pub fn take_out(
    zone: &Zone,
    config: &Config,
    arrival: &Arrival,
) -> io::Result<(u64, Option<PathBuf>)> {
    let Sender::Folder(name) = &arrival.sender else { return Ok((0, None)) };
    let Some(folder) = config.folders.get(name) else { return Ok((0, None)) };
    let root = zone.root().join(&folder.path);
    let there = match beneath::open_file(&root, &arrival.name) {
        Ok(opened) => digest::of_reader(opened.file)?.1 == arrival.digest,
        Err(_) => false,
    };
    let (mut removed, mut left) = (0, None);
    match folder.after {
        After::Move if there => {
            let inside = beneath::Inside::open(&root, arrival.name.subfolder())?;
            std::fs::remove_file(inside.path(arrival.name.base()))?;
            removed += 1;
        }
        After::Keep if there => {
            left = Some(root.join(std::ffi::OsStr::from_bytes(arrival.name.as_bytes())));
        }
        After::Move | After::Keep => {}
    }
    Ok((removed + away::take_out(&root, arrival)?, left))
}

/// How often the door looks whether it is to stop.
const STOP_LOOK: Duration = Duration::from_millis(200);

/// All drop folders of a zone.
pub struct Door {
    zone: Zone,
    config: config::Live,
    intake: Arc<dyn Intake>,
    clock: Clock,
}

impl Door {
    /// The door to the folders that the configuration names.
    pub fn new(
        zone: Zone,
        config: impl Into<config::Live>,
        intake: Arc<dyn Intake>,
        clock: Clock,
    ) -> Self {
        Self { zone, config: config.into(), intake, clock }
    }

    /// Takes files until `shutdown` says true or its sender is gone. Blocks.
    pub fn run(self, shutdown: &Receiver<bool>) {
        // Before any file is taken, so that no outcome is passed over.
        let mut after = self.intake.wait_beyond(0, Duration::ZERO);
        let mut reloads = self.config.subscribe();
        let mut threads = Threads::default();
        threads.arrange(&self, &reloads.borrow_and_update().folders);
        let mut pace = Pace::default();
        while !*shutdown.borrow() && shutdown.has_changed().is_ok() {
            let outcomes = &threads.outcomes;
            match outcomes::follow(self.intake.as_ref(), outcomes, after, (&mut pace, STOP_LOOK)) {
                Ok(reached) => after = reached,
                Err(error) => {
                    tracing::warn!(%error, "outcomes cannot be followed; folders look by themselves");
                    std::thread::sleep(STOP_LOOK);
                }
            }
            if reloads.has_changed().unwrap_or(false) || threads.is_any_leaving() {
                threads.arrange(&self, &reloads.borrow_and_update().folders);
            }
        }
        threads.end();
    }

    fn taker(&self, name: &FolderName, folder: &Folder, stop: &Arc<AtomicBool>) -> Taker {
        Taker {
            zone: self.zone.clone(),
            intake: Arc::clone(&self.intake),
            clock: self.clock.clone(),
            root: self.zone.root().join(&folder.path),
            sender: Sender::Folder(name.clone()),
            feed: folder.feed.clone(),
            after: folder.after,
            stop: Arc::clone(stop),
            owners: Mutex::new(HashMap::new()),
        }
    }

    /// Makes a folder of the zone that is not there. One elsewhere may be a mount that is missing:
    /// making it would hide that.
    fn make_missing(&self, folder: &Folder, taker: &Taker) {
        if taker.root.starts_with(self.zone.root())
            && !taker.root.exists()
            && let Err(error) = away::make_folder(&taker.root, &folder.feed)
        {
            tracing::error!(%error, folder = %taker.root.display(), "could not make a drop folder");
        }
    }
}
