//! What happens next to each arrival, and how much at once.
//!
//! The pipeline knows no door: it looks into the ledger for what is to be done, does it, and records
//! that it is done. A commit in this process is a hint to look at once; without hints it looks every
//! second. Every step may be killed at any instruction: what was not recorded is done again, and
//! doing it again gives the same names and bytes.
//!
//! - [`queue`]: which arrival is converted next, fair between senders.
//! - [`conversions`]: raw object → worker → outputs synced → ledger.
//! - [`batches`]: what is ready is closed, published and handed to the outbox; [`closer`] decides when,
//!   [`sets`] what belongs together.
//! - [`merger`]: what small outputs are merged by, where a feed asks for it.
//! - [`replays`]: what is published is converted again, when a person asks for it.
//!
//! Left out so far: leases for several servers on one ledger.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::archive::Archive;
use crate::clock::Clock;
use crate::config;
use crate::convert::worker::Pool;
use crate::handoff::batch::Publisher;
use crate::ledger::Ledger;
use crate::zone::Zone;

mod batches;
pub mod closer;
mod conversions;
mod merger;
mod outputs;
mod queue;
mod replays;
pub mod sets;

pub use conversions::job;
pub use merger::{Merger, publisher};
pub use replays::rows_of;

/// How long the pipeline goes without looking when nothing hints at work.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What the pipeline works with.
#[derive(Clone)]
pub struct Parts {
    /// The zone.
    pub zone: Zone,
    /// Its configuration.
    pub config: config::Live,
    /// Its ledger.
    pub ledger: Arc<dyn Ledger>,
    /// Its archive.
    pub archive: Archive,
    /// The converter workers.
    pub pool: Arc<Pool>,
    /// What publishes batches.
    pub publisher: Publisher,
    /// The time.
    pub clock: Clock,
}

/// The running pipeline.
pub struct Pipeline {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Pipeline {
    /// Starts the pipeline's threads.
    ///
    /// # Errors
    /// What the system said when a thread could not be started.
    pub fn start(parts: &Parts) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = conversions::start(parts, &stop)?;
        threads.push(replays::start(parts.clone(), Arc::clone(&stop))?);
        threads.push(batches::start(parts.clone(), Arc::clone(&stop))?);
        Ok(Self { stop, threads })
    }

    /// Asks every thread to stop after the step it is at, and waits for them. A courtesy: killing
    /// the process loses nothing.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a pipeline thread panicked");
            }
        }
    }
}
