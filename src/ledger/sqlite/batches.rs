//! Reading batches and what is live.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension, Params, Row, Statement};

use crate::clock::Timestamp;
use crate::ledger::{Batch, BatchFile, Error, LiveTotals, Merge, Piece, Retraction, Share};
use crate::names::{ArrivalId, BatchId, Digest, FeedName};
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
            "SELECT f.arrival, f.origin, f.target, f.kind, f.rows, f.size_bytes, f.digest,
               f.first_row, f.origin_row, m.origin, m.rows, m.size_bytes, m.digest
             FROM batch_file f
             LEFT JOIN merged_file m ON f.first_row IS NOT NULL AND m.target = f.target ",
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
        merges: Vec::new(),
        retracts: Vec::new(),
    })
}

/// What a batch publishes of one arrival.
struct Own {
    /// Its file, or where its rows are before they are merged.
    file: BatchFile,
    merged: Option<Merged>,
}

/// The file that its rows are merged into.
struct Merged {
    first_row: u64,
    origin_row: u64,
    from: ZonePath,
    rows: u64,
    written: Option<(u64, Digest)>,
}

impl Own {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let mut cells = Cells::of(row);
        let file = BatchFile {
            arrival: cells.take()?,
            parts: Vec::new(),
            from: cells.take()?,
            to: cells.take()?,
            kind: cells.take()?,
            rows: cells.take()?,
            size_bytes: cells.take()?,
            digest: cells.take()?,
        };
        let Some(first_row) = cells.take()? else { return Ok(Self { file, merged: None }) };
        let (origin_row, from, rows) = (cells.take()?, cells.take()?, cells.take()?);
        let written = Option::zip(cells.take()?, cells.take()?);
        Ok(Self { file, merged: Some(Merged { first_row, origin_row, from, rows, written }) })
    }

    fn part(&self, merged: &Merged) -> Share {
        Share { arrival: self.file.arrival, first_row: merged.first_row, rows: self.file.rows }
    }

    fn piece(&self, merged: &Merged) -> Piece {
        let BatchFile { arrival, rows, digest, .. } = self.file;
        Piece { arrival, from: self.file.from.clone(), first_row: merged.origin_row, rows, digest }
    }
}

/// The files of some arrivals, in order, and those of them that are merged. A merged file that is not
/// written is no file yet.
#[derive(Default)]
struct Files {
    all: Vec<BatchFile>,
    merges: Vec<Merge>,
    /// The places of a merged file in both.
    places: HashMap<ZonePath, (usize, usize)>,
}

impl Files {
    fn read(statement: &mut Statement<'_>, by: impl Params) -> Result<Self, Fault> {
        let mut files = Self::default();
        for share in statement.query_map(by, Own::of)? {
            files.add(share?);
        }
        Ok(files)
    }

    fn add(&mut self, share: Own) {
        let Some(merged) = &share.merged else { return self.all.push(share.file) };
        let place = self.places.get(&share.file.to).copied();
        let (file, merge) = place.unwrap_or_else(|| self.begin(&share.file, merged));
        if let Some(file) = self.all.get_mut(file) {
            file.parts.push(share.part(merged));
        }
        if let Some(merge) = self.merges.get_mut(merge) {
            merge.pieces.push(share.piece(merged));
        }
    }

    fn begin(&mut self, first: &BatchFile, merged: &Merged) -> (usize, usize) {
        let (to, from, rows) = (first.to.clone(), merged.from.clone(), merged.rows);
        let places = (self.all.len(), self.merges.len());
        self.places.insert(to.clone(), places);
        let (size_bytes, digest) = merged.written.unwrap_or((0, first.digest));
        let whole = BatchFile { from: from.clone(), rows, size_bytes, digest, ..first.clone() };
        self.all.push(whole);
        self.merges.push(Merge { to, from, rows, pieces: Vec::new(), written: merged.written });
        places
    }

    /// Those that are written.
    fn written(self) -> Vec<BatchFile> {
        let Self { mut all, merges, .. } = self;
        let unwritten = merges.iter().filter(|merge| merge.written.is_none());
        let unwritten: HashSet<&ZonePath> = unwritten.map(|merge| &merge.to).collect();
        all.retain(|file| !unwritten.contains(&file.to));
        all
    }
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
    let sql = file!("WHERE f.feed = ?1 AND f.sequence = ?2 ORDER BY f.position");
    let files = Files::read(&mut *conn.prepare_cached(sql)?, by)?;
    let sql = "SELECT arrival, batch, path, replaced_by FROM retraction
               WHERE feed = ?1 AND sequence = ?2 ORDER BY position";
    let mut statement = conn.prepare_cached(sql)?;
    batch.retracts = statement.query_map(by, retraction_of)?.collect::<Result<_, _>>()?;
    let sql = "SELECT f.arrival FROM batch_file f LEFT JOIN arrival a ON a.id = f.arrival
               WHERE f.feed = ?1 AND f.sequence = ?2 AND f.kind <> 'rejects'
               ORDER BY a.sequence, f.position";
    let mut statement = conn.prepare_cached(sql)?;
    batch.members = statement.query_map(by, |row| row.get(0))?.collect::<Result<_, _>>()?;
    batch.merges.clone_from(&files.merges);
    batch.files = files.written();
    Ok(())
}

/// What batches publish of an arrival, but for its raw object.
pub(super) fn files_of(conn: &Connection, id: ArrivalId) -> Result<Vec<BatchFile>, Fault> {
    let sql =
        file!("WHERE f.arrival = ?1 AND f.kind <> 'raw' ORDER BY f.feed, f.sequence, f.position");
    Ok(Files::read(&mut *conn.prepare_cached(sql)?, [id])?.written())
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
        "WHERE f.feed = ?1 AND f.sequence <= ?2 AND f.kind IN ('parquet', 'raw')
           AND (f.retracted IS NULL OR f.retracted > ?2)
           AND (f.retracted IS NULL OR f.retired_at IS NULL)
           AND f.arrival NOT IN (SELECT a.id FROM erasure e JOIN arrival a ON a.sequence = e.arrival
             WHERE e.feed = ?1)
           AND NOT (f.first_row IS NOT NULL AND f.retracted IS NOT NULL AND f.retracted <= ?3
             AND EXISTS (
               SELECT 1 FROM batch_file o JOIN arrival a ON a.id = o.arrival
               JOIN erasure e ON e.arrival = a.sequence
               WHERE o.target = f.target AND o.first_row IS NOT NULL))
         ORDER BY f.sequence, f.position"
    );
    Ok(Files::read(&mut *conn.prepare_cached(sql)?, (feed, as_of, newest))?.written())
}

/// [`crate::ledger::Ledger::live_totals`].
pub(super) fn live_totals(conn: &Connection, feed: &FeedName) -> Result<LiveTotals, Fault> {
    // A merged file counts once, with the first arrival in it.
    let sql = "SELECT count(*) - count(f.first_row) + count(m.target), coalesce(sum(f.rows), 0),
                 coalesce(sum(iif(f.first_row IS NULL, f.size_bytes, m.size_bytes)), 0)
               FROM batch_file f LEFT JOIN merged_file m ON f.first_row = 0 AND m.target = f.target
                 AND NOT EXISTS (SELECT 1 FROM batch_file e WHERE e.target = f.target
                   AND e.first_row IS NOT NULL AND e.position < f.position)
               WHERE f.feed = ?1 AND f.kind = 'parquet' AND f.sequence <=
                 (SELECT coalesce(max(sequence), 0) FROM batch WHERE feed = ?1 AND state = 'published')
               AND (f.retracted IS NULL OR f.retracted >
                 (SELECT coalesce(max(sequence), 0) FROM batch WHERE feed = ?1 AND state = 'published'))
               AND (f.retracted IS NULL OR f.retired_at IS NULL)
               AND f.arrival NOT IN (SELECT a.id FROM erasure e JOIN arrival a ON a.sequence = e.arrival
                 WHERE e.feed = ?1)";
    let totals = conn.prepare_cached(sql)?.query_row([feed], |row| {
        Ok(LiveTotals { files: row.get(0)?, rows: row.get(1)?, size_bytes: row.get(2)? })
    });
    Ok(totals?)
}

/// [`crate::ledger::Replays::published_file`].
pub(super) fn published_file(conn: &Connection, id: ArrivalId) -> Result<Option<BatchFile>, Fault> {
    let sql = file!(
        "JOIN batch b ON b.feed = f.feed AND b.sequence = f.sequence
         WHERE f.arrival = ?1 AND f.kind IN ('parquet', 'raw') AND f.retracted IS NULL
           AND b.state = 'published'"
    );
    Ok(Files::read(&mut *conn.prepare_cached(sql)?, [id])?.written().pop())
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
    // What was merged has moved to files of later batches, and its rejects have not.
    let sql = "SELECT f.target FROM batch_file f
               JOIN retraction r ON r.feed = f.feed AND r.sequence = f.retracted
                 AND r.arrival = f.arrival
               WHERE f.arrival = ?1 AND r.path = ?2 AND f.kind = 'rejects'";
    let by = (retraction.arrival, &retraction.path);
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
