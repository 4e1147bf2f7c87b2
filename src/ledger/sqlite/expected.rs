//! The calendar: what is expected of feeds, and what came.

use jiff::civil::Date;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension as _};

use crate::clock::Timestamp;
use crate::ledger::{
    CalendarPage, Counted, Counts, DateState, Error, Event, Excuse, Expected, ExpectedDate,
    Measured, Recorded, Remark, Size,
};
use crate::names::{ArrivalId, FeedName};

use super::SqliteLedger;
use super::fault::Fault;
use super::history;
use super::transaction::Transaction;
use super::values::{Cells, Micros};

/// Remarks of a feed that are read; more say no more.
const REMARKS_MAX: u32 = 100;
/// Arrivals that are looked through for others to compare one with.
const LOOKED_THROUGH_MAX: u32 = 500;

/// A date as `2026-11-22`.
struct Day(Date);

impl ToSql for Day {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.to_string().into())
    }
}

impl FromSql for Day {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map(Self).map_err(FromSqlError::other)
    }
}

impl Expected for SqliteLedger {
    fn expecting(&self) -> Result<Vec<(FeedName, Timestamp)>, Error> {
        self.readers.read("read the calendar", expecting)
    }

    fn calendar(&self) -> Result<(u64, Option<Timestamp>), Error> {
        self.readers.read("read the calendar", calendar)
    }

    fn keep_calendar(&self, page: CalendarPage) -> Result<(), Error> {
        self.write("keep the calendar", move |tx| keep(tx, page))
    }

    fn expected_dates(&self, feed: &FeedName, from: Date) -> Result<Vec<ExpectedDate>, Error> {
        self.readers.read("read the calendar", |conn| dates(conn, feed, from))
    }

    fn excuse_date(
        &self,
        feed: &FeedName,
        date: Date,
        due_at: Timestamp,
        excuse: Excuse,
    ) -> Result<Option<ExpectedDate>, Error> {
        let feed = feed.clone();
        self.write("excuse a date", move |tx| excuse_one(tx, feed, date, due_at, excuse))
    }

    fn excused_dates(&self, from: Date) -> Result<Vec<ExpectedDate>, Error> {
        self.readers.read("read the calendar", |conn| excused(conn, from))
    }

    fn late_dates(&self) -> Result<Vec<ExpectedDate>, Error> {
        self.readers.read("read the calendar", late)
    }

    fn files_of(&self, feed: &FeedName, date: Date) -> Result<Vec<ArrivalId>, Error> {
        self.readers.read("read the calendar", |conn| files_of(conn, feed, date))
    }

    fn counted(&self, arrival: ArrivalId) -> Result<Option<(Counts, Option<Measured>)>, Error> {
        self.readers.read("read the calendar", |conn| counted(conn, arrival))
    }

    fn remarks(&self) -> Result<Vec<Remark>, Error> {
        self.readers.read("read the calendar", remarks)
    }

    fn sizes_before(&self, arrival: ArrivalId, limit: u32) -> Result<Vec<Size>, Error> {
        self.readers.read("read arrivals", |conn| sizes_before(conn, arrival, limit))
    }
}

fn keep(tx: &mut Transaction<'_>, page: CalendarPage) -> Result<(), Fault> {
    let CalendarPage { seen, judged, counted, measured, events } = page;
    for Counted { arrival, feed, date, counts } in counted {
        tx.sql(
            "INSERT OR IGNORE INTO counted (sequence, arrival, feed, date, counts)
             SELECT sequence, id, ?2, ?3, ?4 FROM arrival WHERE id = ?1",
        )?
        .execute((arrival, &feed, date.map(Day), counts))?;
    }
    for (arrival, measured) in measured {
        tx.sql("UPDATE counted SET measured = ?2 WHERE arrival = ?1")?
            .execute((arrival, measured))?;
    }
    for (arrival, event) in events {
        if is_excused_meanwhile(tx, &event)? {
            continue;
        }
        follow(tx, &event)?;
        tx.record(arrival, event)?;
    }
    tx.sql(
        "INSERT INTO calendar (one, seen, judged) VALUES (1, ?1, ?2)
         ON CONFLICT DO UPDATE SET seen = max(seen, ?1), judged = coalesce(?2, judged)",
    )?
    .execute((seen, judged.map(Micros)))?;
    Ok(())
}

/// Whether an event tells of a date as late that a person excused since the calendar looked.
#[allow(clippy::wildcard_enum_match_arm, reason = "other events tell nobody that a date is late")]
fn is_excused_meanwhile(tx: &Transaction<'_>, event: &Event) -> Result<bool, Fault> {
    match event {
        Event::FeedLate { feed, date, .. } | Event::FeedMissing { feed, date, .. } => {
            let known = known(tx.conn(), feed, *date)?;
            Ok(known.is_some_and(|known| known.state == DateState::Excused))
        }
        _ => Ok(false),
    }
}

fn excuse_one(
    tx: &mut Transaction<'_>,
    feed: FeedName,
    date: Date,
    due_at: Timestamp,
    Excuse { by, reason }: Excuse,
) -> Result<Option<ExpectedDate>, Fault> {
    let known = known(tx.conn(), &feed, date)?;
    let is_over = |known: &ExpectedDate| match known.state {
        DateState::Complete | DateState::Excused => true,
        DateState::Late | DateState::Missing => false,
    };
    if known.as_ref().is_some_and(is_over) {
        return Ok(known);
    }
    let event = Event::FeedExcused { feed, date, due_at, reason, by };
    follow(tx, &event)?;
    tx.record(None, event)?;
    Ok(None)
}

/// Does what an event of the calendar says.
#[allow(clippy::wildcard_enum_match_arm, reason = "other events say nothing of the calendar")]
fn follow(tx: &Transaction<'_>, event: &Event) -> Result<(), Fault> {
    let mut excuse = (None, None);
    let (feed, date, due_at, state) = match event {
        Event::FeedExpected { feed } => {
            let sql = "INSERT OR IGNORE INTO expecting (feed, since) VALUES (?1, ?2)";
            tx.sql(sql)?.execute((feed, Micros(tx.now)))?;
            return Ok(());
        }
        Event::FeedUnexpected { feed } => {
            tx.sql("DELETE FROM expecting WHERE feed = ?1")?.execute([feed])?;
            return Ok(());
        }
        Event::FeedArrived { feed, date, due_at, .. }
        | Event::FeedRecovered { feed, date, due_at, .. } => {
            (feed, date, due_at, DateState::Complete)
        }
        Event::FeedLate { feed, date, due_at, .. } => (feed, date, due_at, DateState::Late),
        Event::FeedMissing { feed, date, due_at, .. } => (feed, date, due_at, DateState::Missing),
        Event::FeedExcused { feed, date, due_at, reason, by } => {
            excuse = (by.as_ref(), Some(reason));
            (feed, date, due_at, DateState::Excused)
        }
        _ => return Ok(()),
    };
    tx.sql(
        "INSERT INTO expected (feed, date, state, due_at, excused_by, excused_for)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET state = ?3, due_at = ?4, excused_by = ?5, excused_for = ?6",
    )?
    .execute((feed, Day(*date), state, Micros(*due_at), excuse.0, excuse.1))?;
    Ok(())
}

fn expecting(conn: &Connection) -> Result<Vec<(FeedName, Timestamp)>, Fault> {
    let mut statement = conn.prepare_cached("SELECT feed, since FROM expecting ORDER BY feed")?;
    let found = statement.query_map([], |row| {
        let mut cells = Cells::of(row);
        Ok((cells.take()?, cells.time()?))
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn calendar(conn: &Connection) -> Result<(u64, Option<Timestamp>), Fault> {
    let mut statement = conn.prepare_cached("SELECT seen, judged FROM calendar")?;
    let known = statement.query_row([], |row| {
        let mut cells = Cells::of(row);
        Ok((cells.take()?, cells.time_or_none()?))
    });
    Ok(known.optional()?.unwrap_or_default())
}

macro_rules! dates {
    ($rest:literal) => {
        concat!(
            "SELECT feed, date, state, due_at, excused_by, excused_for, (SELECT count(*) FROM counted c ",
            "WHERE c.feed = e.feed AND c.date = e.date AND c.counts = 'file') FROM expected e ",
            $rest,
            " ORDER BY feed, date"
        )
    };
}

fn date(row: &rusqlite::Row<'_>) -> rusqlite::Result<ExpectedDate> {
    let mut cells = Cells::of(row);
    let (feed, Day(date), state) = (cells.take()?, cells.take()?, cells.take()?);
    let (due_at, by, reason) = (cells.time()?, cells.take()?, cells.take::<Option<_>>()?);
    let excuse = reason.map(|reason| Excuse { by, reason });
    Ok(ExpectedDate { feed, date, state, due_at, files: cells.take()?, excuse })
}

fn dates(conn: &Connection, feed: &FeedName, from: Date) -> Result<Vec<ExpectedDate>, Fault> {
    let sql = dates!("WHERE feed = ?1 AND (date >= ?2 OR state IN ('late', 'missing'))");
    let mut statement = conn.prepare_cached(sql)?;
    Ok(statement.query_map((feed, Day(from)), date)?.collect::<Result<_, _>>()?)
}

fn known(conn: &Connection, feed: &FeedName, which: Date) -> Result<Option<ExpectedDate>, Fault> {
    let mut statement = conn.prepare_cached(dates!("WHERE feed = ?1 AND date = ?2"))?;
    Ok(statement.query_row((feed, Day(which)), date).optional()?)
}

fn excused(conn: &Connection, from: Date) -> Result<Vec<ExpectedDate>, Fault> {
    let sql = dates!("WHERE excused_by IS NOT NULL AND date >= ?1");
    let mut statement = conn.prepare_cached(sql)?;
    Ok(statement.query_map([Day(from)], date)?.collect::<Result<_, _>>()?)
}

fn late(conn: &Connection) -> Result<Vec<ExpectedDate>, Fault> {
    let mut statement = conn.prepare_cached(dates!("WHERE state IN ('late', 'missing')"))?;
    Ok(statement.query_map([], date)?.collect::<Result<_, _>>()?)
}

fn files_of(conn: &Connection, feed: &FeedName, date: Date) -> Result<Vec<ArrivalId>, Fault> {
    let sql = "SELECT arrival FROM counted WHERE feed = ?1 AND date = ?2 AND counts = 'file'
               ORDER BY sequence";
    let mut statement = conn.prepare_cached(sql)?;
    Ok(statement.query_map((feed, Day(date)), |row| row.get(0))?.collect::<Result<_, _>>()?)
}

fn counted(
    conn: &Connection,
    arrival: ArrivalId,
) -> Result<Option<(Counts, Option<Measured>)>, Fault> {
    let sql = "SELECT counts, measured FROM counted WHERE arrival = ?1";
    let mut statement = conn.prepare_cached(sql)?;
    Ok(statement.query_row([arrival], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

fn remarks(conn: &Connection) -> Result<Vec<Remark>, Fault> {
    let standing = [
        "SELECT arrival FROM counted WHERE feed = ?1 AND counts = 'extra' AND sequence >
           (SELECT coalesce(max(sequence), 0) FROM counted WHERE feed = ?1 AND counts = 'file')
         ORDER BY sequence LIMIT ?2",
        "SELECT arrival FROM counted WHERE feed = ?1 AND measured = 'unusual' AND sequence >
           (SELECT coalesce(max(sequence), 0) FROM counted WHERE feed = ?1 AND measured = 'usual')
         ORDER BY sequence LIMIT ?2",
    ];
    let mut remarks = Vec::new();
    for (feed, _) in expecting(conn)? {
        for (sql, is_meant) in standing.into_iter().zip([is_extra, is_unusual]) {
            let mut statement = conn.prepare_cached(sql)?;
            let arrivals = statement.query_map((&feed, REMARKS_MAX), |row| row.get(0))?;
            for arrival in arrivals.collect::<Result<Vec<ArrivalId>, _>>()? {
                let mut history = history::of_arrival(conn, arrival)?.into_iter();
                let told = history.rfind(|told| is_meant(&told.event));
                remarks.extend(told.map(|Recorded { at, event, .. }| Remark {
                    since: at,
                    arrival,
                    event,
                }));
            }
        }
    }
    Ok(remarks)
}

fn is_extra(event: &Event) -> bool {
    matches!(event, Event::FeedExtra { .. })
}

fn is_unusual(event: &Event) -> bool {
    matches!(event, Event::FeedUnusual { .. })
}

fn sizes_before(conn: &Connection, arrival: ArrivalId, limit: u32) -> Result<Vec<Size>, Fault> {
    let sql = "SELECT a.size_bytes, c.written + c.rejected
               FROM (SELECT o.* FROM arrival o JOIN arrival own
                       ON own.id = ?1 AND o.feed = own.feed AND o.sequence < own.sequence
                     ORDER BY o.sequence DESC LIMIT ?3) a
               LEFT JOIN conversion c ON c.arrival = a.sequence
               WHERE a.sender NOT LIKE 'test:%' AND (c.arrival IS NOT NULL OR a.state IN
                 ('raw', 'batched', 'published', 'handed_off', 'retracted'))
               ORDER BY a.sequence DESC LIMIT ?2";
    let mut statement = conn.prepare_cached(sql)?;
    let found = statement.query_map((arrival, limit, LOOKED_THROUGH_MAX), |row| {
        Ok(Size { bytes: row.get(0)?, rows: row.get(1)? })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}
