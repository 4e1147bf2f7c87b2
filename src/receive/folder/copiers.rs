//! Several files of a folder are taken at once, so that one large file does not hold up the small
//! ones and many small ones share a commit.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::names::FileName;

use super::beneath::Stamp;
use super::copy::Taker;
use super::mail::Message;

/// Files of one folder that are taken at once.
const AT_ONCE: usize = 6;

/// A queue of files and the threads that take them; there are none while the queue is empty.
#[derive(Clone)]
pub struct Copiers {
    taker: Arc<Taker>,
    queue: Arc<Mutex<Queue>>,
    folder: SyncSender<Message>,
}

#[derive(Default)]
struct Queue {
    files: VecDeque<(FileName, Stamp)>,
    threads: usize,
}

impl Copiers {
    /// Copiers that tell `folder` how each attempt ended.
    pub fn new(taker: Arc<Taker>, folder: SyncSender<Message>) -> Self {
        Self { taker, queue: Arc::default(), folder }
    }

    /// Puts a file at the end of the queue, which is bounded by the entries its folder watches.
    pub fn add(&self, name: FileName, judged: Stamp) {
        let mut queue = self.queue();
        queue.files.push_back((name, judged));
        if queue.threads < AT_ONCE {
            queue.threads += 1;
            let copiers = self.clone();
            let work = move || copiers.work();
            if let Err(error) =
                std::thread::Builder::new().name("folder-copy".to_owned()).spawn(work)
            {
                queue.threads -= 1;
                tracing::error!(%error, "could not start a thread to take files with");
            }
        }
    }

    /// Whether every thread has ended.
    pub fn are_idle(&self) -> bool {
        self.queue().threads == 0
    }

    fn work(&self) {
        // Counted down also when taking a file panics.
        let _leaving = Leaving(&self.queue);
        while !self.taker.stop.load(Ordering::Relaxed) {
            let next = self.queue().files.pop_front();
            let Some((name, judged)) = next else { return };
            let attempt = self.taker.take(&name, judged);
            if self.folder.send(Message::Attempted(name, judged, attempt)).is_err() {
                return;
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Leaving<'a>(&'a Mutex<Queue>);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).threads -= 1;
    }
}
