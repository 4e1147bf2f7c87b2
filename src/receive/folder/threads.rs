//! The threads of all drop folders, kept in line with the configuration.
//!
//! A folder that is not configured any more, or is configured otherwise, is asked to stop; what it
//! was copying is taken by whoever watches the place next. A new one begins once nobody watches its
//! place, so that no file is taken twice. A thread that hangs on a dead mount is waited for by nobody
//! but its own successor.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;

use super::Door;
use super::mail::Message;
use super::outcomes::Outcomes;
use super::rounds::Rounds;
use super::watch::Watch;
use crate::config::Folder;
use crate::names::FolderName;

/// The folders that are watched, each by its thread.
#[derive(Default)]
pub struct Threads {
    /// Who waits for which outcome.
    pub outcomes: Arc<Outcomes>,
    watch: Option<Arc<Watch>>,
    running: BTreeMap<FolderName, Running>,
}

struct Running {
    folder: Folder,
    root: PathBuf,
    stop: Arc<AtomicBool>,
    post: SyncSender<Message>,
    thread: JoinHandle<()>,
}

impl Running {
    fn ask_to_stop(&self) {
        if !self.stop.swap(true, Ordering::Relaxed) && self.post.try_send(Message::Stop).is_err() {
            tracing::trace!("a full mailbox is a thread that is awake");
        }
    }

    fn is_leaving(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("a folder's thread had ended early");
        }
    }
}

impl Threads {
    /// Whether a thread that was asked to stop still has to be looked after.
    pub fn is_any_leaving(&self) -> bool {
        self.running.values().any(Running::is_leaving)
    }

    /// Stops what is not wanted and starts what is. To be called again while
    /// [`Self::is_any_leaving`].
    pub fn arrange(&mut self, door: &Door, wanted: &BTreeMap<FolderName, Folder>) {
        for (name, running) in &self.running {
            if wanted.get(name) != Some(&running.folder) {
                running.ask_to_stop();
            }
        }
        let ended = |running: &Running| running.is_leaving() && running.thread.is_finished();
        for (_, gone) in self.running.extract_if(.., |_, running| ended(running)) {
            if let Some(watch) = &self.watch {
                watch.forget(&gone.root);
            }
            gone.join();
        }
        for (name, folder) in wanted {
            if self.running.contains_key(name) {
                continue;
            }
            let root = door.zone.root().join(&folder.path);
            let overlaps =
                |other: &Running| other.root.starts_with(&root) || root.starts_with(&other.root);
            if !self.running.values().any(overlaps) {
                self.start(door, name, folder);
            }
        }
    }

    /// Stops every thread and waits for them.
    pub fn end(self) {
        self.running.values().for_each(Running::ask_to_stop);
        self.running.into_values().for_each(Running::join);
    }

    fn start(&mut self, door: &Door, name: &FolderName, folder: &Folder) {
        let stop = Arc::default();
        let taker = Arc::new(door.taker(name, folder, &stop));
        door.make_missing(folder, &taker);
        if folder.notify && self.watch.is_none() {
            self.watch = Watch::start().map(Arc::new);
        }
        let watch = self.watch.clone().filter(|_| folder.notify);
        let root = taker.root.clone();
        let outcomes = Arc::clone(&self.outcomes);
        let rounds = Rounds::new(name.clone(), folder.clone(), taker, outcomes, watch);
        let post = rounds.post();
        let thread = std::thread::Builder::new().name(format!("folder-{name}"));
        match thread.spawn(move || rounds.run()) {
            Ok(thread) => {
                let running = Running { folder: folder.clone(), root, stop, post, thread };
                self.running.insert(name.clone(), running);
            }
            Err(error) => tracing::error!(%error, folder = %name, "it is not watched"),
        }
    }
}
