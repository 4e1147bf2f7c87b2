//! What an event says to the calendar: which date a file counts for, and whether it is as large as
//! usual.

use jiff::civil::Date;

use crate::clock::Timestamp;
use crate::config::{Beside, Config, Expect};
use crate::contract::NamePattern;
use crate::convert::contract::time;
use crate::ledger::{
    Arrival, CalendarPage, Counted, Counts, DateState, Error, Event, Ledger, Measured, Recorded,
    Size,
};
use crate::names::{ArrivalId, FeedName};

use super::{first_date, usual};

/// How far ahead a file's date may be.
const AHEAD_S: i64 = 400 * 24 * 3600;

/// Reads events for the calendar.
pub(super) struct Reader<'r> {
    pub config: &'r Config,
    pub ledger: &'r dyn Ledger,
    pub now: Timestamp,
    /// Feeds that are expected, and since when.
    pub expecting: &'r [(FeedName, Timestamp)],
}

/// An arrival of a feed that is expected.
struct Subject<'r> {
    arrival: Arrival,
    expect: &'r Expect,
    /// The first date that the feed is judged by.
    first: Option<Date>,
}

/// Which date a file is for.
enum Meant {
    /// This one.
    Date(Date),
    /// This one, which has no files.
    Unexpected(Date, &'static str),
    /// Its name does not say.
    Unsaid,
    /// One before the feed was expected.
    Before,
}

impl Reader<'_> {
    /// What the calendar keeps after an event; `None` when it says nothing to it.
    pub(super) fn page(&self, told: &Recorded) -> Result<Option<CalendarPage>, Error> {
        let Some(id) = told.arrival else { return Ok(None) };
        #[allow(clippy::wildcard_enum_match_arm, reason = "no other event says that a file came")]
        let mut page = match &told.event {
            Event::Received { feed, .. } if self.is_expecting(feed) => self.received(id)?,
            Event::Converted { .. } | Event::TakenRaw { .. } => self.measured(id)?,
            _ => None,
        };
        if let Some(page) = &mut page {
            page.seen = told.sequence;
        }
        Ok(page)
    }

    fn is_expecting(&self, feed: &FeedName) -> bool {
        self.expecting.iter().any(|(known, _)| known == feed)
    }

    /// The arrival, if its feed is expected to bring what it is.
    fn subject(&self, id: ArrivalId) -> Result<Option<Subject<'_>>, Error> {
        let Some(arrival) = self.ledger.arrival(id)? else { return Ok(None) };
        let feed = &arrival.feed;
        let expect = self.config.feeds.get(feed).and_then(|feed| feed.expect.as_ref());
        let since = self.expecting.iter().find(|(known, _)| known == feed).map(|(_, since)| *since);
        let (Some(expect), Some(since)) = (expect, since) else { return Ok(None) };
        if arrival.sender.is_test() || self.config.is_control(feed, &arrival.name) {
            return Ok(None);
        }
        Ok(Some(Subject { first: first_date(expect, since), arrival, expect }))
    }

    fn received(&self, id: ArrivalId) -> Result<Option<CalendarPage>, Error> {
        if self.ledger.counted(id)?.is_some() {
            return Ok(None);
        }
        let Some(subject) = self.subject(id)? else { return Ok(None) };
        let feed = subject.arrival.feed.clone();
        let mut page = CalendarPage::default();
        let (date, counts) = match self.meant(&subject) {
            Meant::Before => (None, Counts::Other),
            Meant::Unsaid => self.extra(&mut page, &subject, None, "its name has no date in it"),
            Meant::Unexpected(date, why) => self.extra(&mut page, &subject, Some(date), why),
            Meant::Date(date) => self.file(&mut page, &subject, date)?,
        };
        page.counted.push(Counted { arrival: id, feed, date, counts });
        Ok(Some(page))
    }

    /// Which date an arrival is for.
    fn meant(&self, subject: &Subject<'_>) -> Meant {
        let Subject { arrival, expect, first } = subject;
        let Some(first) = *first else { return Meant::Before };
        let contract = self.config.contract(&arrival.feed).and_then(|known| known.name.as_ref());
        let dated = |pattern: &&NamePattern| pattern.fields().iter().any(|f| f.format.is_some());
        let Some(pattern) = expect.name.as_ref().or(contract.filter(dated)) else {
            return match expect.open_at(arrival.received_at).filter(|date| *date >= first) {
                Some(date) => Meant::Date(date),
                None => Meant::Before,
            };
        };
        match date_of(pattern, arrival.name.base()) {
            None => Meant::Unsaid,
            Some(date) if date < first => Meant::Before,
            Some(date) if expect.opens(date).as_second() > self.now.as_second() + AHEAD_S => {
                Meant::Unexpected(date, "its date is far ahead")
            }
            Some(date) if !expect.is_expected(date) => {
                Meant::Unexpected(date, "its date has no files")
            }
            Some(date) => Meant::Date(date),
        }
    }

    fn extra(
        &self,
        page: &mut CalendarPage,
        subject: &Subject<'_>,
        date: Option<Date>,
        reason: &str,
    ) -> (Option<Date>, Counts) {
        if !subject.expect.tell.contains(&Beside::Extra) {
            return (date, Counts::Other);
        }
        let Arrival { id, feed, name, .. } = &subject.arrival;
        let (feed, name, reason) = (feed.clone(), name.clone(), reason.to_owned());
        page.events.push((Some(*id), Event::FeedExtra { feed, name, date, reason }));
        (date, Counts::Extra)
    }

    /// A file for a date that has files: one of them, one again, or one too many.
    fn file(
        &self,
        page: &mut CalendarPage,
        subject: &Subject<'_>,
        date: Date,
    ) -> Result<(Option<Date>, Counts), Error> {
        let Subject { arrival, expect, .. } = subject;
        let there = self.ledger.files_of(&arrival.feed, date)?;
        for other in &there {
            let other = self.ledger.arrival(*other)?;
            if other.is_some_and(|other| other.name == arrival.name) {
                return Ok((Some(date), Counts::Again));
            }
        }
        let files = u32::try_from(there.len()).unwrap_or(u32::MAX).saturating_add(1);
        if files > expect.files {
            let reason = match expect.files {
                1 => "the file of its date has come already".to_owned(),
                all => format!("the {all} files of its date have come already"),
            };
            return Ok(self.extra(page, subject, Some(date), &reason));
        }
        if files == expect.files {
            let known = self.ledger.expected_dates(&arrival.feed, date)?;
            let state = known.iter().find(|known| known.date == date).map(|known| known.state);
            let (feed, due_at) = (arrival.feed.clone(), expect.due(date));
            let event = match state {
                Some(DateState::Late | DateState::Missing) => {
                    Some(Event::FeedRecovered { feed, date, due_at, files })
                }
                Some(DateState::Excused) | None => {
                    Some(Event::FeedArrived { feed, date, due_at, files })
                }
                Some(DateState::Complete) => None,
            };
            page.events.extend(event.map(|event| (Some(arrival.id), event)));
        }
        Ok((Some(date), Counts::File))
    }

    /// Compares an arrival that has its size with those before it.
    fn measured(&self, id: ArrivalId) -> Result<Option<CalendarPage>, Error> {
        let Some((_, None)) = self.ledger.counted(id)? else { return Ok(None) };
        let Some(Subject { arrival, expect, .. }) = self.subject(id)? else { return Ok(None) };
        if !expect.tell.contains(&Beside::Unusual) {
            return Ok(None);
        }
        let rows = arrival.conversion.as_ref().map(|made| made.written + made.rejected);
        let own = Size { bytes: arrival.size_bytes, rows };
        let before = self.ledger.sizes_before(id, usual::COMPARED_MAX)?;
        let (rows, bytes) = usual::judge(own, &before);
        let mut page = CalendarPage::default();
        let measured = match rows.is_some() || bytes.is_some() {
            true => Measured::Unusual,
            false => Measured::Usual,
        };
        page.measured.push((id, measured));
        if measured == Measured::Unusual {
            let Arrival { feed, name, .. } = arrival;
            page.events.push((Some(id), Event::FeedUnusual { feed, name, rows, bytes }));
        }
        Ok(Some(page))
    }
}

/// The day in a file's name: its field `date`, or the first that is a day or time. `None` when the
/// name does not match, or names no day that there is.
fn date_of(pattern: &NamePattern, base: &[u8]) -> Option<Date> {
    let texts = pattern.read(base)?;
    let fields = pattern.fields().iter().zip(texts);
    let dated: Vec<_> = fields
        .filter_map(|(field, text)| Some((field.name.as_str(), field.format.as_ref()?, text)))
        .collect();
    let chosen = dated.iter().find(|(name, _, _)| *name == "date").or(dated.first());
    let (_, format, text) = chosen?;
    let (micros, _) = time::read(format, text)?;
    let at = Timestamp::from_microsecond(micros).ok()?;
    Some(at.to_zoned(jiff::tz::TimeZone::UTC).date())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_is_read_from_the_name() {
        let date = |pattern, name: &str| {
            let pattern = NamePattern::new(pattern).expect("a pattern");
            date_of(&pattern, name.as_bytes()).map(|date| date.to_string())
        };
        let sales = "sales_{region}_{date:%Y%m%d}.csv";
        assert_eq!(date(sales, "sales_north_20261123.csv").as_deref(), Some("2026-11-23"));
        assert_eq!(date(sales, "sales_north_20261131.csv"), None, "no such day");
        assert_eq!(date(sales, "north_20261123.csv"), None);
        let two = "{made:%Y%m%d}_of_{date:%d.%m.%Y}.csv";
        assert_eq!(date(two, "20261124_of_23.11.2026.csv").as_deref(), Some("2026-11-23"));
    }
}
