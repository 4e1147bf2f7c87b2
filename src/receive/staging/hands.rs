//! How many threads write and hash blocks at the moment.
//!
//! Beside each connection one more thread may be at work on its upload, which makes a single upload
//! faster. Once every processor has one, more would only take turns and pass blocks from one
//! processor's cache to another's.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Threads at work on blocks.
#[derive(Debug)]
pub(super) struct Hands {
    at_work: AtomicUsize,
    /// Processors.
    most: usize,
}

impl Hands {
    /// Nobody at work.
    pub(super) fn new() -> Self {
        let most = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { at_work: AtomicUsize::new(0), most }
    }

    /// Counts this thread until the answer is dropped.
    pub(super) fn lend(&self) -> Lent<'_> {
        self.at_work.fetch_add(1, Ordering::Relaxed);
        Lent(self)
    }

    /// Whether every processor has one.
    pub(super) fn are_all_busy(&self) -> bool {
        self.at_work.load(Ordering::Relaxed) >= self.most
    }
}

/// One thread at work.
pub(super) struct Lent<'h>(&'h Hands);

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.0.at_work.fetch_sub(1, Ordering::Relaxed);
    }
}
