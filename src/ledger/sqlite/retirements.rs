//! Parts of arrivals that are past a time of their own.
//!
//! Left out: merged Parquet, which has the rows of several arrivals and stays until they are erased; a feed
//! that merges may not say how long its Parquet is kept.

use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::clock::Timestamp;
use crate::diagnostic::Diagnostic;
use crate::ledger::{
    Age, Error, Event, NotKept, Part, PastPart, Retired, Retirements, Retiring, RetiringBegun,
    State,
};
use crate::names::{ArrivalId, BatchId, Digest, FeedName};
use crate::report::Report;
use crate::zone::ZonePath;

use super::SqliteLedger;
use super::erasures;
use super::fault::Fault;
use super::holds;
use super::replays;
use super::transaction::{Subject, Transaction};
use super::values::{Cells, Json, Micros};

/// Arrivals that one read looks through, so that it is short.
const LOOKED_AT_MAX: u64 = 20_000;

impl Retirements for SqliteLedger {
    fn past(
        &self,
        feed: &FeedName,
        (part, age): (Part, Age),
        after: u64,
    ) -> Result<(Vec<PastPart>, Option<u64>), Error> {
        self.readers.read("read what is past its time", |conn| past(conn, feed, (part, age), after))
    }

    fn begin_retiring(
        &self,
        ids: &[ArrivalId],
        (part, age): (Part, Age),
        reason: &str,
    ) -> Result<RetiringBegun, Error> {
        let (ids, reason) = (ids.to_vec(), reason.to_owned());
        self.write("record what is past its time", move |tx| {
            let mut sum = RetiringBegun::default();
            for id in ids {
                begin(tx, id, (part, age), &reason, &mut sum)?;
            }
            Ok(sum)
        })
    }

    fn retiring(&self, limit: u32) -> Result<Vec<Retiring>, Error> {
        self.readers.read("read what is past its time", |conn| retiring(conn, limit))
    }

    fn retired(&self, gone: Vec<Retiring>, at: Timestamp) -> Result<(), Error> {
        let quoted = gone.iter().any(|gone| gone.part == Part::Receipts);
        self.write("record what is past its time", move |tx| {
            gone.iter().try_for_each(|gone| retired(tx, gone, at))
        })?;
        if quoted {
            self.empty_log();
        }
        Ok(())
    }

    fn gone_within(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Retiring>, Error> {
        self.readers.read("read what is past its time", |conn| gone_within(conn, from, to))
    }

    fn retired_of(&self, id: ArrivalId) -> Result<Vec<Retired>, Error> {
        self.readers.read("read what is past its time", |conn| of_arrival(conn, id))
    }

    fn not_kept_of(&self, batch: BatchId) -> Result<Vec<ZonePath>, Error> {
        self.readers.read("read what is past its time", |conn| {
            let sql = "SELECT f.target FROM batch b
                       JOIN batch_file f ON f.feed = b.feed AND f.sequence = b.sequence
                       JOIN arrival a ON a.id = f.arrival
                       WHERE b.id = ?1 AND f.kind <> 'raw'
                         AND (f.gone_at IS NOT NULL OR a.state = 'erased')";
            let mut statement = conn.prepare_cached(sql)?;
            let found = statement.query_map([batch], |row| row.get(0))?;
            Ok(found.collect::<Result<_, _>>()?)
        })
    }

    fn not_kept(&self) -> Result<NotKept, Error> {
        self.readers.read("read what is past its time", |conn| {
            let sql = "SELECT (SELECT count(*) FROM erasure WHERE erased_at IS NOT NULL),
                         (SELECT count(*) FROM batch_file WHERE retired_at IS NOT NULL)";
            let of = |row: &Row<'_>| Ok(NotKept { erased: row.get(0)?, retired: row.get(1)? });
            Ok(conn.prepare_cached(sql)?.query_row([], of)?)
        })
    }
}

fn past(
    conn: &Connection,
    feed: &FeedName,
    (part, age): (Part, Age),
    after: u64,
) -> Result<(Vec<PastPart>, Option<u64>), Fault> {
    let sql = "SELECT min(sequence) FROM arrival WHERE feed = ?1 AND sequence > ?2";
    let first: Option<u64> =
        conn.prepare_cached(sql)?.query_row((feed, after), |row| row.get(0))?;
    let Some(first) = first else { return Ok((Vec::new(), None)) };
    let upto = first + LOOKED_AT_MAX;
    let of = |row: &Row<'_>| {
        Ok(PastPart { arrival: row.get(0)?, files: row.get(1)?, bytes: row.get(2)? })
    };
    let before = Micros(age.before);
    let found = match part.kind() {
        Some(kind) => {
            let keep = i64::try_from(age.keep.as_micros()).unwrap_or(i64::MAX);
            let sql = "SELECT a.id, count(*), sum(f.size_bytes) FROM arrival a
                       JOIN batch_file f ON f.arrival = a.id AND f.kind = ?4 AND f.retired_at IS NULL
                         AND f.first_row IS NULL
                       JOIN batch b ON b.feed = f.feed AND b.sequence = f.sequence
                       WHERE a.feed = ?1 AND a.sequence BETWEEN ?2 AND ?3 AND a.received_at < ?5
                         AND a.state NOT IN ('erasing', 'erased')
                         AND (b.published_at - a.received_at < ?6 OR b.published_at < ?5)
                       GROUP BY a.sequence ORDER BY a.sequence";
            let mut statement = conn.prepare_cached(sql)?;
            let found = statement.query_map((feed, first, upto, kind, before, keep), of)?;
            found.collect::<Result<_, _>>()?
        }
        None => {
            let sql = "SELECT id, 1, 0 FROM arrival
                       WHERE feed = ?1 AND sequence BETWEEN ?2 AND ?3 AND received_at < ?4
                         AND state NOT IN ('erasing', 'erased') AND receipt_retired_at IS NULL
                       ORDER BY sequence";
            let mut statement = conn.prepare_cached(sql)?;
            let found = statement.query_map((feed, first, upto, before), of)?;
            found.collect::<Result<_, _>>()?
        }
    };
    Ok((found, Some(upto)))
}

fn begin(
    tx: &mut Transaction<'_>,
    id: ArrivalId,
    (part, age): (Part, Age),
    reason: &str,
    sum: &mut RetiringBegun,
) -> Result<(), Fault> {
    let subject = tx.subject(id)?;
    if subject.state.is_erased() {
        return Ok(());
    }
    if is_under_way(tx, &subject)? {
        sum.under_way += 1;
        return Ok(());
    }
    if !holds::on(tx, &subject)?.is_empty() {
        sum.on_hold += 1;
        return Ok(());
    }
    let decided = match part {
        Part::Parquet | Part::Rejects => give_up_files(tx, &subject, (part, age))?,
        Part::Receipts => give_up_receipt(tx, &subject)?,
    };
    if decided {
        tx.record(Some(id), Event::Retired { part, reason: reason.to_owned() })?;
        sum.begun += 1;
    }
    Ok(())
}

/// Whether something may still come of it, or a person has yet to decide.
fn is_under_way(tx: &Transaction<'_>, subject: &Subject) -> Result<bool, Fault> {
    let is_at_end = subject.state.is_end() && subject.state != State::Held;
    Ok(!is_at_end || erasures::is_handed_off_now(tx, subject.id)? || replays::is_open(tx, subject)?)
}

fn give_up_files(
    tx: &Transaction<'_>,
    subject: &Subject,
    (part, age): (Part, Age),
) -> Result<bool, Fault> {
    let fresh = subject.received_at.checked_add(age.keep).unwrap_or(Timestamp::MAX);
    let sql = "UPDATE batch_file SET retired_at = ?3
               WHERE arrival = ?1 AND kind = ?2 AND retired_at IS NULL AND first_row IS NULL AND EXISTS (
                 SELECT 1 FROM batch b
                 WHERE b.feed = batch_file.feed AND b.sequence = batch_file.sequence
                   AND (b.published_at < ?4 OR b.published_at < ?5))";
    let values = (subject.id, part.kind(), Micros(tx.now), Micros(fresh), Micros(age.before));
    Ok(tx.sql(sql)?.execute(values)? > 0)
}

fn give_up_receipt(tx: &Transaction<'_>, subject: &Subject) -> Result<bool, Fault> {
    let sql = "UPDATE arrival SET receipt_retired_at = ?2
               WHERE sequence = ?1 AND receipt_retired_at IS NULL";
    if tx.sql(sql)?.execute((subject.sequence, Micros(tx.now)))? == 0 {
        return Ok(false);
    }
    let sql = "SELECT a.diagnostic, c.report FROM arrival a
               LEFT JOIN conversion c ON c.arrival = a.sequence WHERE a.sequence = ?1";
    let (diagnostic, report): (Option<Json<Diagnostic>>, Option<Json<Report>>) =
        tx.sql(sql)?.query_row([subject.sequence], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if let Some(Json(mut told)) = diagnostic {
        told.drop_quotes();
        tx.sql("UPDATE arrival SET diagnostic = ?2 WHERE sequence = ?1")?
            .execute((subject.sequence, Json(&told)))?;
    }
    if let Some(Json(report)) = report {
        tx.sql("UPDATE conversion SET report = ?2 WHERE arrival = ?1")?
            .execute((subject.sequence, Json(&report.without_quotes())))?;
    }
    Ok(true)
}

/// What a conversion is kept with: of one whose receipt is past its time nothing is quoted, and what
/// was told of it meanwhile goes as well.
pub(super) fn report_to_keep(
    tx: &Transaction<'_>,
    subject: &Subject,
    report: &Report,
) -> Result<Report, Fault> {
    let sql = "UPDATE arrival SET receipt_gone_at = NULL
               WHERE sequence = ?1 AND receipt_retired_at IS NOT NULL";
    let is_past = tx.sql(sql)?.execute([subject.sequence])? > 0;
    Ok(if is_past { report.clone().without_quotes() } else { report.clone() })
}

macro_rules! file_retiring {
    ($rest:literal) => {
        concat!(
            "SELECT f.arrival, f.feed, f.kind = 'parquet', f.target, f.digest, t.published_at,
               f.retired_at FROM batch_file f ",
            $rest
        )
    };
}

fn retiring(conn: &Connection, limit: u32) -> Result<Vec<Retiring>, Fault> {
    let files = file_retiring!(
        "INDEXED BY batch_file_retiring
         LEFT JOIN batch t ON t.feed = f.feed AND t.sequence = f.retracted AND t.state = 'published'
         WHERE f.retired_at IS NOT NULL AND f.gone_at IS NULL
           AND (f.kind = 'rejects' OR t.id IS NOT NULL) LIMIT ?1"
    );
    let mut all = all_of(conn, files, [limit], file_of)?;
    let receipts = "SELECT id, feed, received_at FROM arrival INDEXED BY arrival_retiring
                    WHERE receipt_retired_at IS NOT NULL AND receipt_gone_at IS NULL
                    ORDER BY sequence LIMIT ?1";
    all.extend(all_of(conn, receipts, [limit], receipt_of)?);
    for receipt in all.iter_mut().filter(|part| part.part == Part::Receipts) {
        let last = last_event(conn, receipt.arrival)?;
        receipt.spoken_of.1 = last.unwrap_or(receipt.spoken_of.0);
    }
    Ok(all)
}

fn gone_within(conn: &Connection, from: Timestamp, to: Timestamp) -> Result<Vec<Retiring>, Fault> {
    let files = file_retiring!("LEFT JOIN batch t ON 0 WHERE f.gone_at >= ?1 AND f.gone_at < ?2");
    let mut all = all_of(conn, files, (Micros(from), Micros(to)), file_of)?;
    let receipts = "SELECT id, feed, received_at FROM arrival
                    WHERE receipt_gone_at >= ?1 AND receipt_gone_at < ?2";
    all.extend(all_of(conn, receipts, (Micros(from), Micros(to)), receipt_of)?);
    Ok(all)
}

fn all_of(
    conn: &Connection,
    sql: &str,
    by: impl rusqlite::Params,
    of: fn(&Row<'_>) -> rusqlite::Result<Retiring>,
) -> Result<Vec<Retiring>, Fault> {
    let mut statement = conn.prepare_cached(sql)?;
    let found = statement.query_map(by, of)?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn file_of(row: &Row<'_>) -> rusqlite::Result<Retiring> {
    let mut cells = Cells::of(row);
    let (arrival, feed) = (cells.take()?, cells.take()?);
    let part = if cells.take()? { Part::Parquet } else { Part::Rejects };
    let file: (ZonePath, Digest) = (cells.take()?, cells.take()?);
    let told_at = cells.time_or_none()?.filter(|_| part == Part::Parquet);
    let at = cells.time()?;
    Ok(Retiring { arrival, feed, part, file: Some(file), told_at, spoken_of: (at, at) })
}

fn receipt_of(row: &Row<'_>) -> rusqlite::Result<Retiring> {
    let mut cells = Cells::of(row);
    let (arrival, feed, at) = (cells.take()?, cells.take()?, cells.time()?);
    let part = Part::Receipts;
    Ok(Retiring { arrival, feed, part, file: None, told_at: None, spoken_of: (at, at) })
}

/// The time of the last event about an arrival, or about what is its duplicate or takes its place.
fn last_event(conn: &Connection, id: ArrivalId) -> rusqlite::Result<Option<Timestamp>> {
    let sql = "SELECT max(at) FROM event WHERE arrival IN (
                 SELECT ?1 UNION SELECT id FROM arrival WHERE duplicate_of = ?1 OR supersedes = ?1)";
    let last = conn.prepare_cached(sql)?.query_row([id], |row| Cells::of(row).time_or_none());
    last.optional().map(Option::flatten)
}

fn retired(tx: &Transaction<'_>, gone: &Retiring, at: Timestamp) -> Result<(), Fault> {
    let Some((path, _)) = &gone.file else {
        let sql = "UPDATE arrival SET receipt_gone_at = ?2
                   WHERE id = ?1 AND receipt_retired_at IS NOT NULL";
        tx.sql(sql)?.execute((gone.arrival, Micros(at)))?;
        return Ok(());
    };
    let sql = "UPDATE batch_file SET gone_at = ?3
               WHERE arrival = ?1 AND target = ?2 AND retired_at IS NOT NULL";
    tx.sql(sql)?.execute((gone.arrival, path, Micros(at)))?;
    tx.sql("DELETE FROM finding WHERE path = ?1")?.execute([path])?;
    Ok(())
}

fn of_arrival(conn: &Connection, id: ArrivalId) -> Result<Vec<Retired>, Fault> {
    let sql = "SELECT kind = 'parquet', target, retired_at, gone_at FROM batch_file
               WHERE arrival = ?1 AND retired_at IS NOT NULL ORDER BY kind, retired_at";
    let mut statement = conn.prepare_cached(sql)?;
    let files = statement.query_map([id], |row| {
        let mut cells = Cells::of(row);
        let part = if cells.take()? { Part::Parquet } else { Part::Rejects };
        let (path, retired_at) = (Some(cells.take()?), cells.time()?);
        Ok(Retired { part, path, retired_at, gone_at: cells.time_or_none()? })
    })?;
    let mut all = files.collect::<Result<Vec<_>, _>>()?;
    let sql = "SELECT receipt_retired_at, receipt_gone_at FROM arrival WHERE id = ?1";
    let receipt = conn.prepare_cached(sql)?.query_row([id], |row| {
        let mut cells = Cells::of(row);
        Ok((cells.time_or_none()?, cells.time_or_none()?))
    });
    if let Some((Some(retired_at), gone_at)) = receipt.optional()? {
        all.push(Retired { part: Part::Receipts, path: None, retired_at, gone_at });
    }
    Ok(all)
}

/// Whether Parquet of an arrival is past its time, and none of it is left.
pub(super) fn has_retired_parquet(tx: &Transaction<'_>, id: ArrivalId) -> Result<bool, Fault> {
    let sql = "SELECT 1 FROM batch_file
               WHERE arrival = ?1 AND kind = 'parquet' AND retired_at IS NOT NULL";
    Ok(tx.sql(sql)?.exists([id])?)
}

/// Whether Parquet of an arrival is past its time and no batch has taken it back yet.
pub(super) fn is_to_be_taken_back(tx: &Transaction<'_>, id: ArrivalId) -> Result<bool, Fault> {
    let sql = "SELECT 1 FROM batch_file WHERE arrival = ?1 AND kind = 'parquet'
                 AND retired_at IS NOT NULL AND gone_at IS NULL AND retracted IS NULL";
    Ok(tx.sql(sql)?.exists([id])?)
}
