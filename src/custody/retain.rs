//! A running server removes by itself what it need not keep any more.
//!
//! A pass looks at every feed with a `retain`, oldest files first. What is past `raw` it erases, as
//! `erase` does: nothing that is under way or under a legal hold, with the same events, and on the
//! signed list of what was removed that day. Two things differ. There is no tombstone for each file,
//! since a zone may retire a thousand a day; the list says it. And downstream is told all the same:
//! what was live in the dataset is retracted by a batch, since its files are gone. Of what is past
//! `parquet`, `rejects` or `receipts` only that part goes ([`super::parts`]), under the same holds and
//! with the same list.
//!
//! Erasures that were not finished are tried again first. Passes come at least every hour and at the start, a thousand files at a time with a rest between.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock::{Clock, Timestamp, utc_day};
use crate::config::{self, Retain};
use crate::diagnostic::on_one_line;
use crate::ledger::{Age, Arrival, Ledger, Part, PastPart};
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

/// How long it rests at most while an erasure is not finished.
const UNFINISHED: Duration = Duration::from_secs(10);

/// What is past its time in a feed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Past {
    /// Whose.
    pub feed: FeedName,
    /// What goes: `raw` is the file with all that came of it, else `parquet`, `rejects`, `receipts`.
    pub what: &'static str,
    /// How long it is kept, in seconds.
    pub retain_s: u64,
    /// What was received before this is past.
    pub before: Timestamp,
    /// Files of which something goes.
    pub files: u64,
    /// Bytes that go; none of receipts.
    pub bytes: u64,
}

/// What a feed keeps for a time.
#[derive(Debug, Clone)]
struct Due {
    feed: FeedName,
    /// `None` is the file with all that came of it.
    part: Option<Part>,
    age: Age,
}

impl Due {
    fn what(&self) -> &'static str {
        self.part.map_or("raw", Part::as_str)
    }

    /// Why it goes, for the ledger.
    fn why(&self) -> String {
        let what = match self.part {
            None => "nothing that",
            Some(Part::Parquet) => "no Parquet of what",
            Some(Part::Rejects) => "no rejects of what",
            Some(Part::Receipts) => "no receipt of what",
        };
        format!("{} keeps {what} was received before {}", self.feed, utc_day(self.age.before))
    }
}

/// What feeds keep for a time, files before their parts.
fn due(config: &config::Config, now: Timestamp) -> Vec<Due> {
    let mut all = Vec::new();
    for (feed, settings) in &config.feeds {
        let Retain { raw, parquet, rejects, receipts } = settings.retain;
        let parts = [
            (None, raw),
            (Some(Part::Parquet), parquet),
            (Some(Part::Rejects), rejects),
            (Some(Part::Receipts), receipts),
        ];
        all.extend(parts.into_iter().filter_map(|(part, keep)| {
            let keep = keep?;
            let age = Age { keep, before: now.checked_sub(keep).unwrap_or(Timestamp::MIN) };
            Some(Due { feed: feed.clone(), part, age })
        }));
    }
    all
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
    for due in due(config, at) {
        let (feed, what) = (due.feed.clone(), due.what());
        let (retain_s, before) = (due.age.keep.as_secs(), due.age.before);
        let mut past = Past { feed, what, retain_s, before, files: 0, bytes: 0 };
        each_page(ledger, &due, &mut |page| {
            past.files += page.len() as u64;
            past.bytes += page.iter().map(|one| one.bytes).sum::<u64>();
            Ok(true)
        })?;
        all.push(past);
    }
    Ok(all)
}

/// Goes through what is past its time, some at a time, for as long as `see` answers true.
fn each_page(
    ledger: &dyn Ledger,
    due: &Due,
    see: &mut dyn FnMut(&[PastPart]) -> Result<bool, Error>,
) -> Result<(), Error> {
    let mut after = 0;
    loop {
        let page = match due.part {
            Some(part) => {
                let (page, next) = ledger.past(&due.feed, (part, due.age), after)?;
                let Some(next) = next else { return Ok(()) };
                after = next;
                page
            }
            None => {
                let page = (after, AT_ONCE_MAX);
                let some = ledger.received_before(&due.feed, due.age.before, page)?;
                let Some(last) = some.last() else { return Ok(()) };
                after = last.sequence;
                some.iter().map(whole).collect()
            }
        };
        for some in page.chunks(AT_ONCE_MAX as usize) {
            if !see(some)? {
                return Ok(());
            }
        }
    }
}

fn whole(arrival: &Arrival) -> PastPart {
    PastPart { arrival: arrival.id, files: 1, bytes: arrival.size_bytes }
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
            let left = match self.eraser.finish() {
                Ok(finished) => finished.under_way > 0,
                Err(error) => {
                    let error = on_one_line(&error);
                    tracing::error!(error, "an erasure is not finished");
                    true
                }
            };
            if let Err(error) = self.pass() {
                let error = on_one_line(&error);
                tracing::error!(error, "what is past its time could not be removed");
            }
            let shortest = due(&self.config.now(), Timestamp::MAX);
            let shortest = shortest.iter().map(|due| due.age.keep).min();
            let (least, most) = BETWEEN;
            let most = if left { UNFINISHED } else { most };
            if self.stop.rest(shortest.map_or(most, |keep| (keep / 10).clamp(least, most))) {
                return;
            }
        }
    }

    /// Removes what is past its time now.
    fn pass(&self) -> Result<(), Error> {
        for due in due(&self.config.now(), self.clock.now()) {
            let (why, mut sum, mut stopped) = (due.why(), Retired::default(), false);
            each_page(self.ledger.as_ref(), &due, &mut |page| {
                let ids: Vec<_> = page.iter().map(|past| past.arrival).collect();
                sum += match due.part {
                    None => self.eraser.retire(&ids, &why)?,
                    Some(part) => self.ledger.begin_retiring(&ids, (part, due.age), &why)?.into(),
                };
                stopped = self.stop.rest(REST);
                Ok(!stopped)
            })?;
            if sum != Retired::default() {
                let (feed, what) = (&due.feed, due.what());
                let Retired { gone, on_hold, under_way } = sum;
                tracing::info!(%feed, what, gone, on_hold, under_way, "past its time");
            }
            if stopped {
                return Ok(());
            }
        }
        self.eraser.remove_parts().map(drop)
    }
}
