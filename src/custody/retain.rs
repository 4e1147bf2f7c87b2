//! A running server removes by itself what it need not keep any more.
//!
//! A pass looks at every feed with a `retain`, oldest files first, and erases what is past it, as
//! `erase` does: nothing that is under way or under a legal hold, with the same events, and on the
//! signed list of what was removed that day. Two things differ. There is no tombstone for each file,
//! since a zone may retire a thousand a day; the list says it. And downstream is told all the same:
//! what was live in the dataset is retracted by a batch, since its files are gone.
//!
//! Passes come at least every hour and at the start, a thousand files at a time with a rest between.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock::{Clock, Timestamp, utc_day};
use crate::config;
use crate::diagnostic::on_one_line;
use crate::ledger::{Arrival, Ledger};
use crate::names::FeedName;

use super::Error;
use super::erase::{Eraser, Retired};
use super::stop::Stop;

/// Files that are removed at a time.
const AT_ONCE_MAX: u32 = 1000;
/// How long it rests after so many.
const REST: Duration = Duration::from_secs(1);
/// How long it rests at least and at most between two passes.
const BETWEEN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));

/// What is past its time in a feed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Past {
    /// Whose.
    pub feed: FeedName,
    /// How long it keeps its files, in seconds.
    pub retain_s: u64,
    /// What was received before this is past.
    pub before: Timestamp,
    /// Files.
    pub files: u64,
    /// Their bytes, as they were received.
    pub bytes: u64,
}

/// The feeds that retain, and before when what they received is past.
fn due(config: &config::Config, now: Timestamp) -> BTreeMap<FeedName, (Duration, Timestamp)> {
    let feeds = config.feeds.iter();
    let due = feeds.filter_map(|(name, feed)| {
        let raw = feed.retain.raw?;
        Some((name.clone(), (raw, now.checked_sub(raw).unwrap_or(Timestamp::MIN))))
    });
    due.collect()
}

/// What will be past its time at `at` and is there now, by feed; also what a hold keeps.
///
/// # Errors
/// What the ledger said.
pub fn past(
    config: &config::Config,
    ledger: &dyn Ledger,
    at: Timestamp,
) -> Result<Vec<Past>, Error> {
    let mut all = Vec::new();
    for (feed, (retain, before)) in due(config, at) {
        let retain_s = retain.as_secs();
        let mut past = Past { feed, retain_s, before, files: 0, bytes: 0 };
        let mut after = 0;
        loop {
            let some = ledger.received_before(&past.feed, before, (after, AT_ONCE_MAX))?;
            let Some(last) = some.last() else { break };
            after = last.sequence;
            past.files += some.len() as u64;
            past.bytes += some.iter().map(|arrival| arrival.size_bytes).sum::<u64>();
        }
        all.push(past);
    }
    Ok(all)
}

/// The thread that removes.
pub struct Retention {
    stop: Arc<Stop>,
    thread: JoinHandle<()>,
}

/// What the thread works with.
struct Passes {
    config: config::Live,
    ledger: Arc<dyn Ledger>,
    eraser: Arc<Eraser>,
    clock: Clock,
    stop: Arc<Stop>,
}

impl Retention {
    /// Starts the thread.
    ///
    /// # Errors
    /// What the system said.
    pub fn start(
        config: config::Live,
        ledger: Arc<dyn Ledger>,
        eraser: Arc<Eraser>,
        clock: Clock,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(Stop::default());
        let passes = Passes { config, ledger, eraser, clock, stop: Arc::clone(&stop) };
        let thread = std::thread::Builder::new().name("retain".to_owned());
        let thread = thread.spawn(move || passes.run())?;
        Ok(Self { stop, thread })
    }

    /// Asks the thread to end, and waits for it. What it has not removed the next start finds.
    pub fn stop(self) {
        self.stop.stop();
        if self.thread.join().is_err() {
            tracing::error!("the thread that removes what is past its time panicked");
        }
    }
}

impl Passes {
    fn run(&self) {
        loop {
            if let Err(error) = self.pass() {
                let error = on_one_line(&error);
                tracing::error!(error, "what is past its time could not be removed");
            }
            let config = self.config.now();
            let shortest = config.feeds.values().filter_map(|feed| feed.retain.raw).min();
            let (least, most) = BETWEEN;
            if self.stop.rest(shortest.map_or(most, |raw| (raw / 10).clamp(least, most))) {
                return;
            }
        }
    }

    /// Removes what is past its time now.
    fn pass(&self) -> Result<(), Error> {
        for (feed, (_, before)) in due(&self.config.now(), self.clock.now()) {
            let why = format!("{feed} keeps nothing that was received before {}", utc_day(before));
            let (mut after, mut sum) = (0, Retired::default());
            loop {
                let some = self.ledger.received_before(&feed, before, (after, AT_ONCE_MAX))?;
                let Some(last) = some.last() else { break };
                after = last.sequence;
                let ids: Vec<_> = some.iter().map(|Arrival { id, .. }| *id).collect();
                sum += self.eraser.retire(&ids, &why)?;
                if self.stop.rest(REST) {
                    return Ok(());
                }
            }
            if sum != Retired::default() {
                let Retired { erased, on_hold, under_way } = sum;
                tracing::info!(%feed, erased, on_hold, under_way, "past its time");
            }
        }
        Ok(())
    }
}
