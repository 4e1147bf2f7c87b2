//! Reading batches and what is live.

use rusqlite::{Connection, OptionalExtension, Row};

use crate::clock::Timestamp;
use crate::ledger::{Batch, BatchFile, Error, FileKind, LiveTotals, Retraction};
use crate::names::{ArrivalId, BatchId, FeedName};
use crate::zone::ZonePath;

use super::fault::Fault;
use super::values::Cells;

macro_rules! batch {
    ($rest:literal) => {
        concat!(
            "SELECT id, feed, sequence, previous, version, closed_at, because, state, published_at,
               manifest_digest FROM batch ",
            $rest
        )
    };
}

macro_rules! file {
    ($rest:literal) => {
        concat!(
            "SELECT arrival, origin, target, kind, rows, size_bytes, digest FROM batch_file ",
            $rest
        )
    };
}

/// A batch without its content.
fn batch_of(row: &Row<'_>) -> rusqlite::Result<Batch> {
    let mut cells = Cells::of(row);
    Ok(Batch {
        id: cells.take()?,
        feed: cells.take()?,
        sequence: cells.take()?,
        previous: cells.take()?,
        version: cells.take()?,
        closed_at: cells.time()?,
        because: cells.json_or_none()?,
        state: cells.take()?,
        published_at: cells.time_or_none()?,
        manifest_digest: cells.take()?,
        members: Vec::new(),
        files: Vec::new(),
        retracts: Vec::new(),
    })
}

fn file_of(row: &Row<'_>) -> rusqlite::Result<BatchFile> {
    let mut cells = Cells::of(row);
    Ok(BatchFile {
        arrival: cells.take()?,
        from: cells.take()?,
        to: cells.take()?,
        kind: cells.take()?,
        rows: cells.take()?,
        size_bytes: cells.take()?,
        digest: cells.take()?,
    })
}

fn retraction_of(row: &Row<'_>) -> rusqlite::Result<Retraction> {
    let mut cells = Cells::of(row);
    Ok(Retraction {
        arrival: cells.take()?,
        batch: cells.take()?,
        path: cells.take()?,
        replaced_by: cells.take()?,
    })
}

fn fill(conn: &Connection, batch: &mut Batch) -> Result<(), Fault> {
    let by = (&batch.feed, batch.sequence);
    let sql = file!("WHERE feed = ?1 AND sequence = ?2 ORDER BY position");
    let files = conn.prepare_cached(sql)?.query_map(by, file_of)?.collect::<Result<Vec<_>, _>>()?;
    let sql = "SELECT arrival, batch, path, replaced_by FROM retraction
               WHERE feed = ?1 AND sequence = ?2 ORDER BY position";
    let mut statement = conn.prepare_cached(sql)?;
    batch.retracts = statement.query_map(by, retraction_of)?.collect::<Result<_, _>>()?;
    let handed_off = files.iter().filter(|file| file.kind != FileKind::Rejects);
    batch.members = handed_off.map(|file| file.arrival).collect();
    batch.files = files;
    Ok(())
}

/// What batches publish of an arrival, but for its raw object.
pub(super) fn files_of(conn: &Connection, id: ArrivalId) -> Result<Vec<BatchFile>, Fault> {
    let sql = file!("WHERE arrival = ?1 AND kind <> 'raw' ORDER BY feed, sequence, position");
    let found = conn.prepare_cached(sql)?.query_map([id], file_of)?.collect::<Result<_, _>>()?;
    Ok(found)
}

/// [`crate::ledger::Ledger::batch`].
pub(super) fn batch(conn: &Connection, id: BatchId) -> Result<Option<Batch>, Fault> {
    let sql = batch!("WHERE id = ?1");
    let mut found = conn.prepare_cached(sql)?.query_row([id], batch_of).optional()?;
    if let Some(batch) = &mut found {
        fill(conn, batch)?;
    }
    Ok(found)
}

/// A batch that must be there.
pub(super) fn known(conn: &Connection, id: BatchId) -> Result<Batch, Fault> {
    Ok(batch(conn, id)?.ok_or(Error::Missing { what: "batch", id: id.to_string() })?)
}

/// [`crate::ledger::Ledger::batches`].
pub(super) fn after(
    conn: &Connection,
    feed: &FeedName,
    after: u64,
    limit: u32,
) -> Result<Vec<Batch>, Fault> {
    let sql = batch!("WHERE feed = ?1 AND sequence > ?2 ORDER BY sequence LIMIT ?3");
    let mut statement = conn.prepare_cached(sql)?;
    filled(conn, statement.query_map((feed, after, limit), batch_of)?)
}

/// [`crate::ledger::Ledger::closed_batches`].
pub(super) fn closed(conn: &Connection) -> Result<Vec<Batch>, Fault> {
    let sql = batch!("WHERE state = 'closed' ORDER BY feed");
    let mut statement = conn.prepare_cached(sql)?;
    filled(conn, statement.query_map([], batch_of)?)
}

fn filled(
    conn: &Connection,
    batches: impl Iterator<Item = rusqlite::Result<Batch>>,
) -> Result<Vec<Batch>, Fault> {
    let mut all = batches.collect::<Result<Vec<_>, _>>()?;
    all.iter_mut().try_for_each(|batch| fill(conn, batch))?;
    Ok(all)
}

/// Whether the feed has a batch that is closed and not published.
pub(super) fn is_closing(conn: &Connection, feed: &FeedName) -> Result<bool, Fault> {
    let sql = "SELECT 1 FROM batch WHERE feed = ?1 AND state = 'closed'";
    Ok(conn.prepare_cached(sql)?.exists([feed])?)
}

/// The sequence and id of the feed's newest batch.
pub(super) fn last(conn: &Connection, feed: &FeedName) -> Result<Option<(u64, BatchId)>, Fault> {
    let sql = "SELECT sequence, id FROM batch WHERE feed = ?1 ORDER BY sequence DESC LIMIT 1";
    let mut statement = conn.prepare_cached(sql)?;
    Ok(statement.query_row([feed], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// [`crate::ledger::Ledger::live_files`].
pub(super) fn live_files(
    conn: &Connection,
    feed: &FeedName,
    as_of: Option<u64>,
) -> Result<Vec<BatchFile>, Fault> {
    // A closed batch counts only when its manifest is published, and so do its retractions.
    let sql =
        "SELECT coalesce(max(sequence), 0) FROM batch WHERE feed = ?1 AND state = 'published'";
    let newest: u64 = conn.prepare_cached(sql)?.query_row([feed], |row| row.get(0))?;
    let as_of = as_of.unwrap_or(newest).min(newest);
    let sql = file!(
        "WHERE feed = ?1 AND sequence <= ?2 AND kind IN ('parquet', 'raw')
           AND (retracted IS NULL OR retracted > ?2)
           AND (retracted IS NULL OR retired_at IS NULL)
           AND arrival NOT IN (SELECT a.id FROM erasure e JOIN arrival a ON a.sequence = e.arrival
             WHERE e.feed = ?1)
         ORDER BY sequence, position"
    );
    let mut statement = conn.prepare_cached(sql)?;
    let found = statement.query_map((feed, as_of), file_of)?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// [`crate::ledger::Ledger::live_totals`].
pub(super) fn live_totals(conn: &Connection, feed: &FeedName) -> Result<LiveTotals, Fault> {
    let sql = "SELECT count(*), coalesce(sum(rows), 0), coalesce(sum(size_bytes), 0) FROM batch_file
               WHERE feed = ?1 AND kind = 'parquet' AND sequence <=
                 (SELECT coalesce(max(sequence), 0) FROM batch WHERE feed = ?1 AND state = 'published')
               AND (retracted IS NULL OR retracted >
                 (SELECT coalesce(max(sequence), 0) FROM batch WHERE feed = ?1 AND state = 'published'))
               AND (retracted IS NULL OR retired_at IS NULL)
               AND arrival NOT IN (SELECT a.id FROM erasure e JOIN arrival a ON a.sequence = e.arrival
                 WHERE e.feed = ?1)";
    let totals = conn.prepare_cached(sql)?.query_row([feed], |row| {
        Ok(LiveTotals { files: row.get(0)?, rows: row.get(1)?, size_bytes: row.get(2)? })
    });
    Ok(totals?)
}

/// [`crate::ledger::Replays::published_file`].
pub(super) fn published_file(conn: &Connection, id: ArrivalId) -> Result<Option<BatchFile>, Fault> {
    let sql = file!(
        "f JOIN batch b ON b.feed = f.feed AND b.sequence = f.sequence
         WHERE f.arrival = ?1 AND f.kind IN ('parquet', 'raw') AND f.retracted IS NULL
           AND b.state = 'published'"
    );
    Ok(conn.prepare_cached(sql)?.query_row([id], file_of).optional()?)
}

/// [`crate::ledger::Ledger::retractions_due`].
pub(super) fn retractions_due(conn: &Connection) -> Result<Vec<(Retraction, Timestamp)>, Fault> {
    let sql = "SELECT r.arrival, r.batch, r.path, r.replaced_by, b.published_at FROM retraction r
               JOIN batch b ON b.feed = r.feed AND b.sequence = r.sequence
               WHERE r.done = 0 AND b.state = 'published' ORDER BY b.published_at";
    let mut statement = conn.prepare_cached(sql)?;
    let found = statement.query_map([], |row| {
        let mut cells = Cells::of(row);
        let retraction = Retraction {
            arrival: cells.take()?,
            batch: cells.take()?,
            path: cells.take()?,
            replaced_by: cells.take()?,
        };
        Ok((retraction, cells.time()?))
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// [`crate::ledger::Ledger::rejects_beside`].
pub(super) fn rejects_beside(
    conn: &Connection,
    retraction: &Retraction,
) -> Result<Option<ZonePath>, Fault> {
    let sql = "SELECT f.target FROM batch_file f
               JOIN batch b ON b.feed = f.feed AND b.sequence = f.sequence
               WHERE f.arrival = ?1 AND b.id = ?2 AND f.kind = 'rejects'";
    let by = (retraction.arrival, retraction.batch);
    Ok(conn.prepare_cached(sql)?.query_row(by, |row| row.get(0)).optional()?)
}

/// [`crate::ledger::Ledger::feeds_ready`]. Hops from feed to feed over the index, so that ten
/// thousand ready arrivals cost no more than one.
pub(super) fn feeds_ready(conn: &Connection) -> Result<Vec<FeedName>, Fault> {
    let sql = "WITH RECURSIVE ready (feed) AS (
          SELECT min(feed) FROM arrival INDEXED BY arrival_ready WHERE state IN ('converted', 'raw')
          UNION ALL
          SELECT (SELECT min(feed) FROM arrival INDEXED BY arrival_ready
                  WHERE state IN ('converted', 'raw') AND feed > ready.feed)
          FROM ready WHERE ready.feed IS NOT NULL)
        SELECT feed FROM ready WHERE feed IS NOT NULL
        UNION
        SELECT r.feed FROM replacement r JOIN arrival a ON a.sequence = r.older
          WHERE r.late = 1 AND a.state IN ('published', 'handed_off')
        UNION
        SELECT feed FROM replay WHERE state = 'made' AND state IN ('asked', 'made')
        ORDER BY 1";
    let mut statement = conn.prepare_cached(sql)?;
    let found = statement.query_map([], |row| row.get(0))?;
    Ok(found.collect::<Result<_, _>>()?)
}
