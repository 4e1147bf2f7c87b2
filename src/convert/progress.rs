//! How far a conversion has come, for whoever watches it.
//!
//! The converter counts where it reads the raw object and where it writes rows. In a worker the
//! counts are sent to the parent now and then, and only when somebody there watches: a zone's small
//! files do not pay for it. A raw object may be read more than once, so the bytes read may exceed
//! its size.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// Counts that all parts of one conversion share; clones are the same counts.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Counts>);

#[derive(Default)]
struct Counts {
    read_bytes: AtomicU64,
    rows: AtomicU64,
    watcher: Option<Box<dyn Fn(Reached) + Send + Sync>>,
}

/// What a conversion has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// Bytes of the raw object that were read, counted every time.
    pub read_bytes: u64,
    /// Rows that were written.
    pub rows: u64,
}

impl Progress {
    /// Counts that are told to `watcher` whenever a worker reports.
    pub fn watched(watcher: impl Fn(Reached) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Counts { watcher: Some(Box::new(watcher)), ..Counts::default() }))
    }

    /// Whether anybody wants to know.
    pub fn is_watched(&self) -> bool {
        self.0.watcher.is_some()
    }

    /// Counts bytes that were read.
    pub fn read(&self, bytes: usize) {
        self.0.read_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Begins to count rows anew: what was written is thrown away.
    pub fn begin_rows(&self) {
        self.0.rows.store(0, Ordering::Relaxed);
    }

    /// Counts rows that were written.
    pub fn wrote(&self, rows: u64) {
        self.0.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn reached(&self) -> Reached {
        Reached {
            read_bytes: self.0.read_bytes.load(Ordering::Relaxed),
            rows: self.0.rows.load(Ordering::Relaxed),
        }
    }

    /// Takes over what a worker counted, and tells it.
    pub fn reach(&self, reached: Reached) {
        self.0.read_bytes.store(reached.read_bytes, Ordering::Relaxed);
        self.0.rows.store(reached.rows, Ordering::Relaxed);
        if let Some(watcher) = &self.0.watcher {
            watcher(reached);
        }
    }
}

impl fmt::Debug for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (read, rows) = (&self.read_bytes, &self.rows);
        f.debug_struct("Counts").field("read_bytes", read).field("rows", rows).finish()
    }
}
