//! Erasures.

use rusqlite::Connection;

use crate::clock::Timestamp;
use crate::ledger::{
    Arrival, Because, Begun, Erasure, ErasureWish, Erasures, Error, Event, Gone, ReplayEnd, State,
};
use crate::names::{ArrivalId, FeedName};
use crate::report::Report;

use super::SqliteLedger;
use super::batches;
use super::fault::Fault;
use super::find;
use super::holds;
use super::merges;
use super::replays;
use super::transaction::{Subject, Transaction};
use super::values::{Cells, Json, Micros};

impl Erasures for SqliteLedger {
    fn begin_erasure(&self, id: ArrivalId, wish: ErasureWish) -> Result<Begun, Error> {
        self.write("record an erasure", move |tx| begin(tx, id, &wish))
    }

    fn erased(&self, gone: Vec<Gone>, at: Timestamp) -> Result<(), Error> {
        let recorded = self.write("record an erasure", move |tx| {
            gone.into_iter().try_for_each(|gone| erased(tx, gone, at))
        });
        self.empty_log();
        recorded
    }

    fn shares_file(&self, ids: &[ArrivalId]) -> Result<bool, Error> {
        self.readers.read("read what is merged", |conn| merges::is_shared(conn, ids))
    }

    fn erasures_open(&self, limit: u32) -> Result<Vec<Erasure>, Error> {
        self.readers.read("read erasures", |conn| {
            all(conn, erasure!("WHERE e.erased_at IS NULL ORDER BY e.arrival LIMIT ?1"), [limit])
        })
    }

    fn erased_within(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Erasure>, Error> {
        self.readers.read("read erasures", |conn| {
            let sql = erasure!("WHERE e.erased_at >= ?1 AND e.erased_at < ?2 ORDER BY e.erased_at");
            all(conn, sql, (Micros(from), Micros(to)))
        })
    }

    fn received_before(
        &self,
        feed: &FeedName,
        time: Timestamp,
        (after, limit): (u64, u32),
    ) -> Result<Vec<Arrival>, Error> {
        self.readers.read("read arrivals", |conn| {
            let sql =
                "SELECT id FROM arrival WHERE feed = ?1 AND received_at < ?2 AND sequence > ?3
                         AND state NOT IN ('erasing', 'erased') ORDER BY sequence LIMIT ?4";
            let mut statement = conn.prepare_cached(sql)?;
            let ids = statement.query_map((feed, Micros(time), after, limit), |row| row.get(0))?;
            let ids: Vec<ArrivalId> = ids.collect::<Result<_, _>>()?;
            ids.into_iter().map(|id| find::known(conn, id)).collect()
        })
    }

    fn spoken_of_until(&self, erasure: &Erasure) -> Result<Timestamp, Error> {
        self.readers.read("read events", |conn| {
            let sql = "SELECT max(at) FROM event WHERE at < ?3 AND arrival IN (
                         SELECT ?1 UNION SELECT id FROM arrival
                         WHERE name = ?2 AND (duplicate_of = ?1 OR supersedes = ?1))";
            let Erasure { arrival, began_at, .. } = erasure;
            let by = (arrival.id, &arrival.name, Micros(*began_at));
            let last =
                conn.prepare_cached(sql)?.query_row(by, |row| Cells::of(row).time_or_none())?;
            Ok(last.unwrap_or(arrival.received_at))
        })
    }

    fn erasure(&self, id: ArrivalId) -> Result<Option<Erasure>, Error> {
        self.readers.read("read an erasure", |conn| one(conn, id))
    }

    fn feeds_to_retract(&self) -> Result<Vec<(FeedName, Because)>, Error> {
        self.readers.read("read erasures", |conn| {
            let sql = "SELECT DISTINCT feed, 1 FROM erasure WHERE retract = 1
                       UNION SELECT DISTINCT feed, 0 FROM batch_file INDEXED BY batch_file_retiring
                         WHERE retired_at IS NOT NULL AND gone_at IS NULL AND kind = 'parquet'
                           AND retracted IS NULL
                       ORDER BY 1, 2 DESC";
            let mut statement = conn.prepare_cached(sql)?;
            let found = statement.query_map([], |row| {
                let because = if row.get(1)? { Because::Erased } else { Because::Retired };
                Ok((row.get(0)?, because))
            })?;
            Ok(found.collect::<Result<_, _>>()?)
        })
    }
}

impl SqliteLedger {
    /// What was quoted of bytes that go went with the first step, but the write-ahead log may still
    /// have it.
    pub(super) fn empty_log(&self) {
        match self.writer.as_ref().map(super::writer::Writer::empty_log) {
            Some(Ok(true)) | None => {}
            Some(Ok(false)) => {
                tracing::warn!(
                    "ledger.db-wal has quotes of what is erased for a while: it is being read"
                );
            }
            Some(Err(error)) => tracing::warn!(%error, "ledger.db-wal could not be emptied"),
        }
    }
}

macro_rules! erasure {
    ($rest:literal) => {
        concat!(
            "SELECT a.id, e.by, e.reason, e.cause, e.began_at, e.erased_at FROM erasure e
               JOIN arrival a ON a.sequence = e.arrival ",
            $rest
        )
    };
}
use erasure;

fn one(conn: &Connection, id: ArrivalId) -> Result<Option<Erasure>, Fault> {
    Ok(all(conn, erasure!("WHERE a.id = ?1"), [id])?.pop())
}

fn all(conn: &Connection, sql: &str, by: impl rusqlite::Params) -> Result<Vec<Erasure>, Fault> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(by)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::of(row);
        let id: ArrivalId = cells.take()?;
        all.push(Erasure {
            arrival: find::known(conn, id)?,
            files: batches::files_of(conn, id)?,
            by: cells.take()?,
            reason: cells.take()?,
            cause: cells.take()?,
            began_at: cells.time()?,
            erased_at: cells.time_or_none()?,
        });
    }
    Ok(all)
}

fn erased(tx: &mut Transaction<'_>, gone: Gone, at: Timestamp) -> Result<(), Fault> {
    let Gone { id, tombstone, files } = gone;
    let mut subject = tx.subject(id)?;
    tx.step(&mut subject, Event::Erased { tombstone, files })?;
    tx.sql("UPDATE erasure SET erased_at = ?2 WHERE arrival = ?1")?
        .execute((subject.sequence, Micros(at)))?;
    let sql = "DELETE FROM finding WHERE arrival = ?1
                 OR path = (SELECT raw FROM arrival WHERE id = ?1)
                 OR path IN (SELECT target FROM batch_file
                   WHERE arrival = ?1 AND first_row IS NOT NULL)";
    tx.sql(sql)?.execute([id])?;
    Ok(())
}

fn begin(tx: &mut Transaction<'_>, id: ArrivalId, wish: &ErasureWish) -> Result<Begun, Fault> {
    let mut subject = tx.subject(id)?;
    if is_handed_off_now(tx, id)? {
        return Ok(Begun::UnderWay(State::Published));
    }
    match subject.state {
        State::Received if !subject.waits => return Ok(Begun::UnderWay(subject.state)),
        State::Batched | State::Published => return Ok(Begun::UnderWay(subject.state)),
        State::Erasing => {}
        State::Received
        | State::Converted
        | State::Raw
        | State::HandedOff
        | State::Held
        | State::Duplicate
        | State::Superseded
        | State::Retracted
        | State::Tested
        | State::Rejected
        | State::Erased => {
            let holds = holds::on(tx, &subject)?;
            if !holds.is_empty() {
                return Ok(Begun::OnHold(holds));
            }
            let (by, reason) = (wish.by.clone(), wish.reason.clone());
            tx.step(&mut subject, Event::Erasing { by, reason })?;
            remember(tx, &subject, wish)?;
            forget(tx, &subject)?;
        }
    }
    let missing = || Error::Missing { what: "erasure", id: id.to_string() };
    Ok(Begun::Erasing(Box::new(one(tx.conn(), id)?.ok_or_else(missing)?)))
}

/// Whether a batch that has a file of it is being published, or on its way to a sink. It may be one of
/// a replay, of which its state tells nothing.
pub(super) fn is_handed_off_now(tx: &Transaction<'_>, id: ArrivalId) -> Result<bool, Fault> {
    let sql = "SELECT 1 FROM batch_file f
               JOIN batch b ON b.feed = f.feed AND b.sequence = f.sequence
               WHERE f.arrival = ?1 AND (b.state = 'closed' OR EXISTS (
                 SELECT 1 FROM delivery d
                 WHERE d.batch = b.id AND d.state IN ('pending', 'stalled')))";
    Ok(tx.sql(sql)?.exists([id])?)
}

fn remember(tx: &Transaction<'_>, subject: &Subject, wish: &ErasureWish) -> Result<(), Fault> {
    let ErasureWish { by, reason, cause } = wish;
    tx.sql(
        "INSERT INTO erasure (arrival, feed, began_at, by, reason, cause, retract)
         VALUES (?1, ?2, ?3, ?4, ?5, ?7, EXISTS (
           SELECT 1 FROM batch_file
           WHERE arrival = ?6 AND kind IN ('parquet', 'raw') AND retracted IS NULL))
         ON CONFLICT DO UPDATE SET began_at = ?3, erased_at = NULL, by = ?4, reason = ?5,
           cause = ?7",
    )?
    .execute((
        subject.sequence,
        &subject.feed,
        Micros(tx.now),
        by,
        reason,
        subject.id,
        cause,
    ))?;
    Ok(())
}

/// Nothing of it replaces or is replaced any more, and what was quoted of its bytes goes. The row of
/// its conversion stays, with the numbers: downstream was told these.
fn forget(tx: &mut Transaction<'_>, subject: &Subject) -> Result<(), Fault> {
    let sequence = subject.sequence;
    tx.sql(
        "UPDATE arrival SET diagnostic = NULL, hidden = 1, waits = NULL, look_at = NULL
         WHERE sequence = ?1",
    )?
    .execute([sequence])?;
    tx.sql("DELETE FROM replacement WHERE older = ?1 OR (newer = ?1 AND late = 0)")?
        .execute([sequence])?;
    replays::end(tx, subject, ReplayEnd::Overtaken)?;
    tx.sql("UPDATE conversion SET report = ?2 WHERE arrival = ?1")?
        .execute((sequence, Json(&Report::default())))?;
    tx.sql("UPDATE sidecar SET bytes = x'', hidden = 1 WHERE arrival = ?1")?
        .execute([subject.id])?;
    Ok(())
}
