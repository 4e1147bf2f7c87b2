//! Which dates are late or missing by now, and which nobody expects any more.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::clock::Timestamp;
use crate::config::{Config, Expect};
use crate::ledger::{DateState, Error, Event, ExpectedDate, Ledger};
use crate::names::FeedName;

use super::first_date;

/// Dates of a feed that are looked back at. What ended longer ago while no server ran is not told.
const LOOKED_BACK_MAX: usize = 40;

/// How long the dates are not looked at again at most.
const REST_S: i64 = 3600;

/// What the clock says of every feed, and until when it says no more.
pub(super) struct Judged {
    pub events: Vec<Event>,
    pub until: Timestamp,
}

/// A look at the dates of every feed.
pub(super) struct Look<'l> {
    pub config: &'l Config,
    pub ledger: &'l dyn Ledger,
    /// Feeds that are expected, and since when.
    pub expecting: &'l [(FeedName, Timestamp)],
    /// When the look before was.
    pub before: Option<Timestamp>,
    pub now: Timestamp,
}

impl Look<'_> {
    /// Says what the clock says.
    pub(super) fn judge(&self) -> Result<Judged, Error> {
        let rest = Timestamp::from_second(self.now.as_second().saturating_add(REST_S));
        let mut judged = Judged { events: Vec::new(), until: rest.unwrap_or(Timestamp::MAX) };
        let known: BTreeMap<&FeedName, Timestamp> =
            self.expecting.iter().map(|(feed, since)| (feed, *since)).collect();
        for (feed, settings) in &self.config.feeds {
            match (&settings.expect, known.get(feed)) {
                (Some(expect), Some(since)) => {
                    judged.events.extend(self.feed(feed, expect, *since)?);
                    let next = moments(expect, self.now).filter(|moment| *moment > self.now).min();
                    judged.until = judged.until.min(next.unwrap_or(Timestamp::MAX));
                }
                (Some(_), None) => judged.events.push(Event::FeedExpected { feed: feed.clone() }),
                (None, _) => {}
            }
        }
        for (feed, _) in self.expecting {
            if self.config.feeds.get(feed).is_none_or(|settings| settings.expect.is_none()) {
                judged.events.extend(ended(feed, self.ledger)?);
            }
        }
        Ok(judged)
    }

    fn feed(
        &self,
        feed: &FeedName,
        expect: &Expect,
        since: Timestamp,
    ) -> Result<Vec<Event>, Error> {
        let Some(first) = first_date(expect, since) else { return Ok(Vec::new()) };
        let newest = expect.open_at(self.now).filter(|newest| *newest >= first);
        let back = std::iter::successors(newest, |date| expect.previous(*date));
        let mut dates: Vec<Date> =
            back.take_while(|date| *date >= first).take(LOOKED_BACK_MAX).collect();
        dates.reverse();
        let known = self.ledger.expected_dates(feed, dates.first().copied().unwrap_or(first))?;
        let open = known.iter().filter(|date| matters(date.state));
        let (meant, excused): (Vec<_>, Vec<_>) = open.partition(|d| expect.is_expected(d.date));
        let mut events: Vec<Event> =
            excused.into_iter().map(|date| excuse(date, "its date is not expected")).collect();
        // Dates that are late for longer than is looked back.
        let late = meant.iter().map(|known| known.date).filter(|date| !dates.contains(date));
        let late: Vec<Date> = late.collect();
        for date in late.into_iter().chain(dates) {
            let state = known.iter().find(|known| known.date == date).map(|known| known.state);
            if let Some(told) = self.told(expect, date, state) {
                events.push(told.event(feed, date, expect, self.ledger)?);
            }
        }
        Ok(events)
    }

    /// What is to be told of a date now, of which this was told.
    fn told(&self, expect: &Expect, date: Date, state: Option<DateState>) -> Option<Told> {
        let next = expect.next(date).map_or(Timestamp::MAX, |next| expect.opens(next));
        let (late, is_over) = (expect.late_from(date), next <= self.now);
        match state {
            Some(DateState::Complete | DateState::Excused | DateState::Missing) => None,
            Some(DateState::Late) => is_over.then_some(Told::Missing),
            None if late > self.now => None,
            // It was not expected when its time was over: an exception that is over was tidied away.
            None if is_over && self.before.is_some_and(|before| late <= before) => None,
            None if is_over => Some(Told::Missing),
            None => Some(Told::Late),
        }
    }
}

/// When dates become late or are over, around a time.
fn moments(expect: &Expect, now: Timestamp) -> impl Iterator<Item = Timestamp> {
    let open = expect.open_at(now);
    let before = std::iter::successors(open, |date| expect.previous(*date)).take(LOOKED_BACK_MAX);
    let next = open.and_then(|open| expect.next(open));
    before.chain(next).flat_map(|date| [expect.opens(date), expect.late_from(date)])
}

fn matters(state: DateState) -> bool {
    match state {
        DateState::Late | DateState::Missing => true,
        DateState::Complete | DateState::Excused => false,
    }
}

enum Told {
    Late,
    Missing,
}

impl Told {
    fn event(
        &self,
        feed: &FeedName,
        date: Date,
        expect: &Expect,
        ledger: &dyn Ledger,
    ) -> Result<Event, Error> {
        let files = u32::try_from(ledger.files_of(feed, date)?.len()).unwrap_or(u32::MAX);
        let (feed, due_at, of) = (feed.clone(), expect.due(date), expect.files);
        Ok(match self {
            Self::Late => Event::FeedLate { feed, date, due_at, files, of },
            Self::Missing => Event::FeedMissing { feed, date, due_at, files, of },
        })
    }
}

/// A feed is no longer expected to bring anything.
fn ended(feed: &FeedName, ledger: &dyn Ledger) -> Result<Vec<Event>, Error> {
    let known = ledger.expected_dates(feed, Date::MAX)?;
    let open = known.iter().filter(|date| matters(date.state));
    let mut events: Vec<Event> =
        open.map(|date| excuse(date, "its feed is no longer expected")).collect();
    events.push(Event::FeedUnexpected { feed: feed.clone() });
    Ok(events)
}

fn excuse(known: &ExpectedDate, reason: &str) -> Event {
    let ExpectedDate { feed, date, due_at, .. } = known;
    let (feed, reason) = (feed.clone(), reason.to_owned());
    Event::FeedExcused { feed, date: *date, due_at: *due_at, reason, by: None }
}
