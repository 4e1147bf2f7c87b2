//! What is expected of feeds, and whether it came: `[feed.<name>.expect]`.
//!
//! A thread follows the ledger's events and the clock. Each arrival of an expecting feed counts for a
//! date ([`arrivals`]), also a duplicate or one that is held: it came. A date whose time is over
//! without all its files is *late*, and *missing* once the next date's day has begun ([`dates`]); the
//! files that come then *recover* it. A file that nobody expected is *extra*, one far from its feed's
//! median *unusual* ([`usual`]). A date is *excused* when a person says that its files will not come, or
//! when the configuration does not expect it any more: then nothing more is told of it, unless its
//! files come all the same.
//!
//! All that is told is an event, written with the state that it leads to in one transaction: a
//! restart neither repeats nor forgets. A date that ended while no server ran is told at the next
//! start. Reading an event again changes nothing.
//!
//! Left out: who is told (`status` and the alerts of `ops`), and dates before a feed was first
//! expected.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock::{Clock, Pace, Timestamp};
use crate::config::{self, Config};
use crate::ledger::{CalendarPage, Error, Ledger};
use crate::names::FeedName;

mod arrivals;
mod dates;
pub mod usual;

/// How often it looks at the clock when nothing happens.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Events read at once.
const EVENTS_AT_A_TIME: u32 = 1000;
/// Events that say nothing to the calendar and may be read again after a restart.
const UNKEPT_MAX: u64 = 10_000;

/// The running calendar.
pub struct Calendar {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Calendar {
    /// Starts its thread.
    ///
    /// # Errors
    /// What the system said.
    pub fn start(
        config: config::Live,
        ledger: Arc<dyn Ledger>,
        clock: Clock,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let mut follower = Follower::new(config, ledger, clock);
        let thread = std::thread::Builder::new()
            .name("calendar".to_owned())
            .spawn(move || follower.run(&stopped))?;
        Ok(Self { stop, thread })
    }

    /// Asks the thread to end, and waits for it.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        if self.thread.join().is_err() {
            tracing::error!("the calendar's thread panicked");
        }
    }
}

struct Follower {
    config: config::Live,
    ledger: Arc<dyn Ledger>,
    clock: Clock,
    /// The newest event that it has read, and the feeds that are expected, as the ledger knows them;
    /// `None` until it was asked.
    known: Option<Known>,
    /// The newest event that the ledger knows it has read.
    kept: u64,
    /// The configuration that dates were judged by, and when that says anything new.
    judged: Option<(Arc<Config>, Timestamp)>,
}

#[derive(Clone)]
struct Known {
    seen: u64,
    /// When dates were last looked at.
    judged: Option<Timestamp>,
    expecting: Vec<(FeedName, Timestamp)>,
}

impl Follower {
    fn new(config: config::Live, ledger: Arc<dyn Ledger>, clock: Clock) -> Self {
        Self { config, ledger, clock, known: None, kept: 0, judged: None }
    }

    fn run(&mut self, stop: &AtomicBool) {
        let mut pace = Pace::default();
        while !stop.load(Ordering::Acquire) {
            if let Err(error) = self.look() {
                let error = crate::diagnostic::on_one_line(&error);
                tracing::error!(error, "the calendar could not be kept; it is tried again");
                // What was read and not kept is read again.
                (self.known, self.judged) = (None, None);
                std::thread::sleep(LOOK_EVERY);
            }
            let seen = self.known.as_ref().map_or(0, |known| known.seen);
            pace.wait(|| self.ledger.wait_beyond(seen, LOOK_EVERY));
        }
    }

    /// Reads what happened, and then looks at the clock: what came in time is not told as late.
    fn look(&mut self) -> Result<(), Error> {
        let config = self.config.now();
        let now = self.clock.now();
        let mut known = match self.known.take() {
            Some(known) => known,
            None => {
                let (seen, judged) = self.ledger.calendar()?;
                Known { seen, judged, expecting: self.ledger.expecting()? }
            }
        };
        if known.expecting.is_empty() {
            // What happens while nothing is expected counts for nothing.
            known.seen = known.seen.max(self.ledger.head());
        } else {
            self.read(&config, now, &mut known)?;
        }
        self.judge(config, now, &mut known)?;
        self.known = Some(known);
        Ok(())
    }

    fn read(&mut self, config: &Config, now: Timestamp, known: &mut Known) -> Result<(), Error> {
        loop {
            let events = self.ledger.events(known.seen, EVENTS_AT_A_TIME)?;
            let Some(last) = events.last().map(|last| last.sequence) else { return Ok(()) };
            for told in &events {
                let (ledger, expecting) = (self.ledger.as_ref(), known.expecting.as_slice());
                // Each sees what the one before it led to.
                let page = arrivals::Reader { config, ledger, now, expecting }.page(told)?;
                let judged = known.judged;
                page.map(|page| self.keep(CalendarPage { judged, ..page })).transpose()?;
            }
            known.seen = last;
            if last > self.kept + UNKEPT_MAX {
                self.keep(CalendarPage { seen: last, ..CalendarPage::default() })?;
            }
        }
    }

    /// Looks at the dates, when the clock or the configuration may say something new of them.
    fn judge(
        &mut self,
        config: Arc<Config>,
        now: Timestamp,
        known: &mut Known,
    ) -> Result<(), Error> {
        let nothing_new = self
            .judged
            .as_ref()
            .is_some_and(|(by, until)| Arc::ptr_eq(by, &config) && now < *until);
        if nothing_new {
            return Ok(());
        }
        let look = dates::Look {
            config: &config,
            ledger: self.ledger.as_ref(),
            expecting: &known.expecting,
            before: known.judged,
            now,
        };
        let judged = look.judge()?;
        known.judged = Some(now);
        if judged.events.is_empty() {
            self.judged = Some((config, judged.until));
            return Ok(());
        }
        let events = judged.events.into_iter().map(|event| (None, event)).collect();
        let page =
            CalendarPage { seen: known.seen, judged: Some(now), events, ..CalendarPage::default() };
        self.keep(page)?;
        known.expecting = self.ledger.expecting()?;
        Ok(())
    }

    fn keep(&mut self, page: CalendarPage) -> Result<(), Error> {
        let seen = page.seen;
        self.ledger.keep_calendar(page)?;
        self.kept = seen;
        Ok(())
    }
}

/// The first date that a feed is judged by: the first whose day had not begun when it was first
/// expected, so that nothing is asked for that may have come before.
pub(crate) fn first_date(expect: &config::Expect, since: Timestamp) -> Option<jiff::civil::Date> {
    expect.open_at(since).and_then(|open| expect.next(open))
}
