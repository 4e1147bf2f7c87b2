//! Replays: what is converted again, and what came of it.

use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::clock::Timestamp;
use crate::ledger::{
    BatchFile, Because, Conversion, Error, Event, NewConversion, Refused, Replay, ReplayEnd,
    ReplayStanding, Replays, ReplaysNow, State,
};
use crate::names::{ArrivalId, FeedName};

use super::close::Ready;
use super::fault::Fault;
use super::transaction::{Subject, Transaction, subject};
use super::values::{Cells, Json, Micros};
use super::{SqliteLedger, batches, conversions, find, retirements};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT a.id, r.by, r.reason, r.asked_at, r.made, r.ended
             FROM replay r JOIN arrival a ON a.sequence = r.arrival ",
            $rest
        )
    };
}

impl Replays for SqliteLedger {
    fn replay(&self, id: ArrivalId, by: &str, reason: &str) -> Result<bool, Error> {
        let (by, reason) = (by.to_owned(), reason.to_owned());
        self.write("record a replay", move |tx| ask(tx, id, by, reason))
    }

    fn publish_again(&self, id: ArrivalId, by: &str, reason: &str) -> Result<bool, Error> {
        let (by, reason) = (by.to_owned(), reason.to_owned());
        self.write("record a replay", move |tx| publish_again(tx, id, by, reason))
    }

    fn replay_converted(&self, id: ArrivalId, new: NewConversion) -> Result<(), Error> {
        self.write("record a conversion", move |tx| converted(tx, id, new))
    }

    fn replay_again(&self, id: ArrivalId) -> Result<(), Error> {
        self.write("record a replay", move |tx| again(tx, id))
    }

    fn replay_ended(&self, id: ArrivalId, with: ReplayEnd) -> Result<(), Error> {
        self.write("record a replay", move |tx| {
            let subject = tx.subject(id)?;
            end(tx, &subject, with)
        })
    }

    fn replay_of(&self, id: ArrivalId) -> Result<Option<Replay>, Error> {
        let sql = select!("WHERE r.arrival = (SELECT sequence FROM arrival WHERE id = ?1)");
        self.readers.read("read a replay", |conn| {
            let found = conn.prepare_cached(sql)?.query_row([id], Found::of).optional()?;
            found.map(|found| found.whole(conn)).transpose()
        })
    }

    // The index of open replays is used where its own condition is said.
    fn replays_asked(&self, limit: u32) -> Result<Vec<Replay>, Error> {
        let sql = select!(
            "WHERE r.state = 'asked' AND r.state IN ('asked', 'made') ORDER BY r.arrival LIMIT ?1"
        );
        self.readers.read("read replays", |conn| all(conn, sql, i64::from(limit)))
    }

    fn replays_made(&self) -> Result<Vec<Replay>, Error> {
        let sql = select!(
            "WHERE r.state = 'made' AND r.state IN ('asked', 'made') ORDER BY r.arrival LIMIT ?1"
        );
        // -1 is no limit.
        self.readers.read("read replays", |conn| all(conn, sql, -1))
    }

    fn replays_now(&self, feed: &FeedName) -> Result<ReplaysNow, Error> {
        self.readers.read("read replays", |conn| now(conn, feed))
    }

    fn published_file(&self, id: ArrivalId) -> Result<Option<BatchFile>, Error> {
        self.readers.read("read what is published", |conn| batches::published_file(conn, id))
    }
}

// ---- writing ----

fn ask(tx: &mut Transaction<'_>, id: ArrivalId, by: String, reason: String) -> Result<bool, Fault> {
    let mut subject = tx.subject(id)?;
    if is_open(tx, &subject)? {
        return Ok(false);
    }
    let event = Event::ReplayAsked { by: by.clone(), reason: reason.clone() };
    if batches::published_file(tx.conn(), id)?.is_none()
        || retirements::is_to_be_taken_back(tx, id)?
    {
        return Err(Error::from(Refused { state: subject.state, event: event.kind() }).into());
    }
    tx.step(&mut subject, event)?;
    tx.sql(
        "INSERT OR REPLACE INTO replay (arrival, feed, state, by, reason, asked_at)
         VALUES (?1, ?2, 'asked', ?3, ?4, ?5)",
    )?
    .execute((subject.sequence, &subject.feed, by, reason, Micros(tx.now)))?;
    Ok(true)
}

/// What is past its time was taken back, so that it has nothing that a replay could take the place of:
/// it goes the way of a file that is received.
fn publish_again(
    tx: &mut Transaction<'_>,
    id: ArrivalId,
    by: String,
    reason: String,
) -> Result<bool, Fault> {
    let mut subject = tx.subject(id)?;
    let event = Event::ReplayAsked { by, reason };
    let is_past = retirements::has_retired_parquet(tx, id)?;
    if is_past && !subject.state.is_end() {
        return Ok(false);
    }
    let sql = "SELECT current OR NOT replace_same_name FROM arrival WHERE sequence = ?1";
    let is_wanted: bool = tx.sql(sql)?.query_row([subject.sequence], |row| row.get(0))?;
    if !is_past || !is_wanted || subject.state != State::Retracted {
        return Err(Error::from(Refused { state: subject.state, event: event.kind() }).into());
    }
    tx.step(&mut subject, event)?;
    tx.sql("DELETE FROM conversion WHERE arrival = ?1")?.execute([subject.sequence])?;
    Ok(true)
}

pub(super) fn is_open(tx: &Transaction<'_>, subject: &Subject) -> Result<bool, Fault> {
    let sql = "SELECT 1 FROM replay WHERE arrival = ?1 AND state IN ('asked', 'made')";
    Ok(tx.sql(sql)?.exists([subject.sequence])?)
}

fn converted(tx: &mut Transaction<'_>, id: ArrivalId, new: NewConversion) -> Result<(), Fault> {
    let mut subject = tx.subject(id)?;
    let (made, taught, changes) = conversions::settle(tx, &subject, new)?;
    let event = Event::ReplayConverted {
        converter: made.converter.clone(),
        seen: made.seen,
        written: made.written,
        rejected: made.rejected,
        skipped: made.skipped,
        version: made.version,
        revision: made.revision,
        contract: made.report.contract,
    };
    let sql = "UPDATE replay SET state = 'made', made = ?2 WHERE arrival = ?1 AND state = 'asked'";
    if tx.sql(sql)?.execute((subject.sequence, Json(&made)))? == 0 {
        return Err(Error::from(Refused { state: subject.state, event: event.kind() }).into());
    }
    tx.step(&mut subject, event)?;
    if taught.is_some() {
        conversions::teach(tx, &subject, taught.as_ref())?;
        conversions::record_change(tx, &subject, &made, changes)?;
    }
    Ok(())
}

fn again(tx: &Transaction<'_>, id: ArrivalId) -> Result<(), Fault> {
    let sql = "UPDATE replay SET state = 'asked', made = NULL
               WHERE arrival = (SELECT sequence FROM arrival WHERE id = ?1) AND state = 'made'";
    tx.sql(sql)?.execute([id])?;
    Ok(())
}

/// Ends the replay of an arrival, if it has one that has not ended.
pub(super) fn end(
    tx: &mut Transaction<'_>,
    subject: &Subject,
    mut end: ReplayEnd,
) -> Result<(), Fault> {
    if let ReplayEnd::Held { diagnostic } = &mut end {
        diagnostic.drop_quotes();
    }
    let sql = "UPDATE replay SET state = 'ended', made = NULL, ended = ?2
               WHERE arrival = ?1 AND state IN ('asked', 'made')";
    if tx.sql(sql)?.execute((subject.sequence, Json(&end)))? > 0 {
        tx.record(Some(subject.id), Event::ReplayEnded { end })?;
    }
    Ok(())
}

/// What came of the feed's replays, the oldest arrivals first. What has nothing published any more
/// that it could take the place of ends here.
pub(super) fn ready(
    tx: &mut Transaction<'_>,
    feed: &FeedName,
    limit: i64,
) -> Result<Vec<Ready>, Fault> {
    let sql = subject!(
        "JOIN replay r ON r.arrival = a.sequence
         WHERE r.feed = ?1 AND r.state = 'made' AND r.state IN ('asked', 'made')
         ORDER BY r.arrival LIMIT ?2"
    );
    let subjects: Vec<_> =
        tx.sql(sql)?.query_map((feed, limit), Subject::of)?.collect::<Result<_, _>>()?;
    let mut ready = Vec::new();
    for subject in subjects {
        let live = matches!(subject.state, State::Published | State::HandedOff)
            && batches::published_file(tx.conn(), subject.id)?.is_some();
        if live {
            let sql = "SELECT made FROM replay WHERE arrival = ?1";
            let Json(made) = tx.sql(sql)?.query_row([subject.sequence], |row| row.get(0))?;
            ready.push(Ready::again(subject, made));
        } else {
            end(tx, &subject, ReplayEnd::Overtaken)?;
        }
    }
    Ok(ready)
}

// ---- reading ----

/// A replay whose arrival is still to be read.
struct Found {
    id: ArrivalId,
    by: String,
    reason: String,
    asked_at: Timestamp,
    made: Option<Conversion>,
    ended: Option<ReplayEnd>,
}

impl Found {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let mut cells = Cells::of(row);
        Ok(Self {
            id: cells.take()?,
            by: cells.take()?,
            reason: cells.take()?,
            asked_at: cells.time()?,
            made: cells.json_or_none()?,
            ended: cells.json_or_none()?,
        })
    }

    fn whole(self, conn: &Connection) -> Result<Replay, Fault> {
        let Self { id, by, reason, asked_at, made, ended } = self;
        let standing = match (ended, made) {
            (Some(end), _) => ReplayStanding::Ended { end },
            (None, Some(made)) => ReplayStanding::Made { conversion: Box::new(made) },
            (None, None) => ReplayStanding::Asked,
        };
        Ok(Replay { arrival: find::known(conn, id)?, by, reason, asked_at, standing })
    }
}

fn all(conn: &Connection, sql: &str, limit: i64) -> Result<Vec<Replay>, Fault> {
    let mut statement = conn.prepare_cached(sql)?;
    let found = statement.query_map([limit], Found::of)?.collect::<Result<Vec<_>, _>>()?;
    found.into_iter().map(|found| found.whole(conn)).collect()
}

fn now(conn: &Connection, feed: &FeedName) -> Result<ReplaysNow, Fault> {
    let sql =
        "SELECT count(*) FILTER (WHERE state = 'asked'), count(*) FILTER (WHERE state = 'made')
               FROM replay WHERE feed = ?1 AND state IN ('asked', 'made')";
    let (asked, made) =
        conn.prepare_cached(sql)?.query_row([feed], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let sql = "SELECT because FROM batch WHERE feed = ?1 ORDER BY sequence DESC LIMIT 1";
    let last = conn
        .prepare_cached(sql)?
        .query_row([feed], |row| Cells::of(row).json_or_none::<Because>())
        .optional()?;
    let had_the_last_turn = last.flatten() == Some(Because::Replay);
    Ok(ReplaysNow { asked, made, had_the_last_turn })
}
