//! When each feed's next batch closes, and over what.
//!
//! One look asks the feed's rule (`[feed.<name>.batch]`) and the ledger; what it decides is fixed by
//! the transaction that closes the batch. Nothing is remembered here that a restart would miss.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::archive::Archive;
use crate::clock::{Clock, Timestamp};
use crate::config::{self, Batching, Config, Wants, When, Windows};
use crate::ledger::{Because, Closing, Empty, Ledger, Over};
use crate::names::FeedName;

use super::sets;

/// How long after its end a window waits for files that are still being converted.
const WINDOW_GRACE: Duration = Duration::from_secs(600);

/// Why it could not be decided.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] crate::ledger::Error),
    /// A control file could not be read.
    #[error("cannot read a control file")]
    Archive(#[from] crate::archive::Error),
}

/// Decides when batches close.
pub struct Closer<'p> {
    /// The configuration.
    pub config: &'p config::Live,
    /// The ledger.
    pub ledger: &'p dyn Ledger,
    /// The archive, which has the control files of sets.
    pub archive: &'p Archive,
    /// The time.
    pub clock: &'p Clock,
    /// Since when windows are looked for, in a feed that has closed none.
    pub since: Timestamp,
}

impl Closer<'_> {
    /// The feeds that may have a batch to close.
    ///
    /// # Errors
    /// What the ledger said.
    pub fn feeds(&self) -> Result<BTreeSet<FeedName>, Error> {
        let mut feeds: BTreeSet<FeedName> = self.ledger.feeds_ready()?.into_iter().collect();
        let config = self.config.now();
        let by_themselves = config.feeds.iter().filter(|(_, feed)| match &feed.batch.when {
            When::Windows(windows) => windows.empty == Empty::Publish,
            // A control file that is held may be right by now.
            When::Set(set) => matches!(set.wants, Wants::Control(_)),
            When::Ready | When::Waited(_) | When::Asked => false,
        });
        feeds.extend(by_themselves.map(|(name, _)| name.clone()));
        Ok(feeds)
    }

    /// What the feed's next batch is to be closed over now; `None` when it is not time.
    ///
    /// # Errors
    /// What the ledger or the archive said.
    pub fn next(&self, feed: &FeedName) -> Result<Option<Closing>, Error> {
        let config = self.config.now();
        let batching = config.feed(feed).batch;
        let by_rule = || self.by_rule(feed, &batching, &config);
        match self.of_replays(feed, &batching)? {
            // New files are not kept waiting by many replays: they have every other turn.
            (Some(replays), true) if self.ledger.ready_now(feed)?.files > 0 => {
                Ok(by_rule()?.or(Some(replays)))
            }
            (Some(replays), _) => Ok(Some(replays)),
            (None, _) => by_rule(),
        }
    }

    /// What came of the feed's replays, once all of them are made or as many as a batch may hold,
    /// and whether it was their turn last. In a feed whose batches a person closes, these too are
    /// closed by a person.
    fn of_replays(
        &self,
        feed: &FeedName,
        batching: &Batching,
    ) -> Result<(Option<Closing>, bool), Error> {
        let now = self.ledger.replays_now(feed)?;
        let whole = now.asked == 0 || now.made >= u64::from(batching.bounds.files_max);
        if now.made == 0 || !whole || matches!(batching.when, When::Asked) {
            return Ok((None, false));
        }
        let closing = self.if_idle(feed, batching, Because::Replay)?;
        let closing = closing.map(|closing| Closing { over: Over::Replays, ..closing });
        Ok((closing, now.had_the_last_turn))
    }

    fn by_rule(
        &self,
        feed: &FeedName,
        batching: &Batching,
        config: &Config,
    ) -> Result<Option<Closing>, Error> {
        match &batching.when {
            When::Ready => self.if_idle(feed, batching, Because::Ready),
            When::Waited(wait) => self.gathered(feed, batching, *wait),
            When::Windows(windows) => self.window(feed, batching, windows),
            When::Asked => Ok(None),
            When::Set(set) => self.set(feed, batching, set, config),
        }
    }

    fn if_idle(
        &self,
        feed: &FeedName,
        batching: &Batching,
        because: Because,
    ) -> Result<Option<Closing>, Error> {
        if self.ledger.in_flight(feed)? {
            return Ok(None);
        }
        Ok(Some(Closing { because, ..Closing::of_ready(batching.bounds) }))
    }

    fn gathered(
        &self,
        feed: &FeedName,
        batching: &Batching,
        wait: Duration,
    ) -> Result<Option<Closing>, Error> {
        let (ready, bounds) = (self.ledger.ready_now(feed)?, batching.bounds);
        let full = ready.files >= u64::from(bounds.files_max)
            || ready.bytes >= bounds.bytes_max
            || bounds.rows_max.is_some_and(|most| ready.rows >= most);
        let waited = ready.oldest.is_none_or(|oldest| {
            oldest.checked_add(wait).is_ok_and(|until| until <= self.clock.now())
        });
        match (full, waited) {
            (true, _) => self.if_idle(feed, batching, Because::Full),
            (false, true) => self.if_idle(feed, batching, Because::Waited),
            (false, false) => Ok(None),
        }
    }

    fn window(
        &self,
        feed: &FeedName,
        batching: &Batching,
        windows: &Windows,
    ) -> Result<Option<Closing>, Error> {
        let last = self.ledger.last_window(feed)?;
        let ends = match last {
            // More was ready than one batch may hold: it is of the same window.
            Some(last) if last.left_over => last.ends,
            last => {
                let oldest = self.ledger.oldest_ready(feed)?;
                let last = last.map(|last| last.ends);
                let from = match windows.empty {
                    // Windows in which nothing came are passed over.
                    Empty::Skip => oldest.max(last).unwrap_or(self.since),
                    Empty::Publish => {
                        last.unwrap_or_else(|| oldest.map_or(self.since, |at| at.min(self.since)))
                    }
                };
                windows.end_after(from)
            }
        };
        let now = self.clock.now();
        if ends > now {
            return Ok(None);
        }
        let patience = ends.checked_add(WINDOW_GRACE).unwrap_or(Timestamp::MAX);
        if now < patience && self.ledger.under_way(feed, ends)? {
            return Ok(None);
        }
        Ok(Some(Closing {
            bounds: batching.bounds,
            over: Over::ReceivedBefore(ends),
            empty: windows.empty,
            because: Because::Window { ends },
        }))
    }

    fn set(
        &self,
        feed: &FeedName,
        batching: &Batching,
        set: &config::Set,
        config: &Config,
    ) -> Result<Option<Closing>, Error> {
        let found = match &set.wants {
            Wants::Files(count) => sets::of_number(self.ledger, feed, *count)?,
            Wants::Names(patterns) => sets::of_names(self.ledger, feed, patterns)?,
            Wants::Control(_) => {
                let desk = sets::Desk {
                    ledger: self.ledger,
                    archive: self.archive,
                    config,
                    now: self.clock.now(),
                };
                desk.look(feed, set.deadline)?
            }
        };
        Ok(found.map(|complete| Closing {
            bounds: batching.bounds,
            over: Over::These(complete.members),
            empty: Empty::Skip,
            because: Because::Set { control: complete.control },
        }))
    }
}
