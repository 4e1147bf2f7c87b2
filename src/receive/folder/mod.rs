//! The folder door: drop folders for people inside.
//!
//! Notifications ([`watch`]) are hints; a periodic [`scan`] is the truth: with every hint lost,
//! files are late, not missed. A file is complete ([`settle`]) when it has a final name, no office
//! lock, no writer ([`lease`]) and has been quiet. It is always copied ([`copy`]) and the copy is
//! hashed; what it was before and after must agree. Then it moves to `_done` or `_rejected` with a
//! text in words ([`away`]), or stays. What the ledger knows decides after a restart: nothing is
//! taken twice because a move was interrupted.
//!
//! Each folder has a thread of its own ([`rounds`]): one that hangs on a dead mount holds only
//! itself.
//!
//! Left out so far: sidecars, markers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch::Receiver;

use crate::clock::{Clock, Pace};
use crate::config::{self, Folder};
use crate::ledger::Sender;
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
mod watch;

use copy::Taker;
use mail::Message;
use outcomes::Outcomes;
use rounds::Rounds;
use watch::Watch;

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
        let outcomes = Arc::new(Outcomes::default());
        let stop = Arc::new(AtomicBool::new(false));
        // Before any file is taken, so that no outcome is passed over.
        let mut after = self.intake.wait_beyond(0, Duration::ZERO);
        let folders = self.start(&outcomes, &stop);
        let mut pace = Pace::default();
        while !*shutdown.borrow() && shutdown.has_changed().is_ok() {
            match outcomes::follow(self.intake.as_ref(), &outcomes, after, (&mut pace, STOP_LOOK)) {
                Ok(reached) => after = reached,
                Err(error) => {
                    tracing::warn!(%error, "outcomes cannot be followed; folders look by themselves");
                    std::thread::sleep(STOP_LOOK);
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
        for (post, thread) in folders {
            if post.try_send(Message::Stop).is_err() {
                tracing::trace!("a full mailbox is a thread that is awake");
            }
            if thread.join().is_err() {
                tracing::error!("a folder's thread had ended early");
            }
        }
    }

    fn start(
        &self,
        outcomes: &Arc<Outcomes>,
        stop: &Arc<AtomicBool>,
    ) -> Vec<(SyncSender<Message>, JoinHandle<()>)> {
        let config = self.config.now();
        let hints = config.folders.values().any(|folder| folder.notify);
        let watch = hints.then(Watch::start).flatten().map(Arc::new);
        let mut threads = Vec::new();
        for (name, folder) in &config.folders {
            let taker = Arc::new(self.taker(name, folder, stop));
            self.make_missing(folder, &taker);
            let watch = watch.clone().filter(|_| folder.notify);
            let outcomes = Arc::clone(outcomes);
            let rounds = Rounds::new(name.clone(), folder.clone(), taker, outcomes, watch);
            let post = rounds.post();
            let thread = std::thread::Builder::new().name(format!("folder-{name}"));
            match thread.spawn(move || rounds.run()) {
                Ok(thread) => threads.push((post, thread)),
                Err(error) => tracing::error!(%error, folder = %name, "it is not watched"),
            }
        }
        threads
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
