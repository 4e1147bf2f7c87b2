//! Merged files: which arrivals of a batch share one, and what becomes of it when one of them goes.
//!
//! The transaction that closes a batch decides it, and a retry finds it as it is. An arrival keeps its
//! row in `batch_file`, with the place of its rows in the file that it shares; what is of the whole
//! file stands once in `merged_file`. The rows of an arrival lie together, in the order of the source.
//!
//! When a batch takes back an arrival, the file goes that has its rows. Those of the others are in a
//! new file of the same batch, copied as they are: for its readers they are taken back and published
//! again, replaced by themselves. Their rejects stay where they are.
//!
//! Left out: joining what is left of a merged file with other files.

use std::collections::BTreeMap;

use rusqlite::OptionalExtension as _;

use crate::clock::utc_day;
use crate::ledger::{Batch, BatchFile, Event, FileKind, Merge, Share};
use crate::names::{ArrivalId, BatchId, Digest, FeedName};
use crate::report::Report;
use crate::zone::{Zone, ZonePath};

use super::batches;
use super::close::{Fixed, Ready};
use super::fault::Fault;
use super::transaction::{Subject, Transaction};
use super::values::{Cells, Json};

/// What files must have in common to be merged: version, day of receipt, names and types of columns.
type Kind = (u32, String, Vec<(String, String)>);

/// Files that are merged as far as they were looked at.
struct Group {
    /// The place of the first member.
    first: usize,
    bytes: u64,
}

/// For each member of a batch the place of the first with which it shares a file; `None` when it has
/// one of its own.
pub(super) fn arrange(
    tx: &Transaction<'_>,
    members: &[Ready],
    merge_bytes: Option<u64>,
) -> Result<Vec<Option<usize>>, Fault> {
    let mut shared = vec![None; members.len()];
    let Some(most) = merge_bytes else { return Ok(shared) };
    let mut open: BTreeMap<Kind, Group> = BTreeMap::new();
    for (at, member) in members.iter().enumerate() {
        let Some((output, version)) = member.parquet.as_ref().zip(member.version) else { continue };
        let bytes = output.size_bytes;
        if bytes >= most {
            continue;
        }
        let kind = (version, utc_day(member.subject.received_at), columns(tx, member)?);
        match open.get_mut(&kind) {
            Some(group) if group.bytes + bytes <= most => {
                group.bytes += bytes;
                for place in [group.first, at] {
                    shared.get_mut(place).into_iter().for_each(|it| *it = Some(group.first));
                }
            }
            Some(_) | None => {
                open.insert(kind, Group { first: at, bytes });
            }
        }
    }
    Ok(shared)
}

/// Names and types of the columns of what is ready.
fn columns(tx: &Transaction<'_>, member: &Ready) -> Result<Vec<(String, String)>, Fault> {
    let report = match &member.again {
        Some(made) => made.report.clone(),
        None => {
            let sql = "SELECT report FROM conversion WHERE arrival = ?1";
            let found: Option<Json<Report>> =
                tx.sql(sql)?.query_row([member.subject.sequence], |row| row.get(0)).optional()?;
            found.map(|Json(report)| report).unwrap_or_default()
        }
    };
    Ok(report.columns.into_iter().map(|column| (column.name, column.kind)).collect())
}

/// What a batch publishes, as it is fixed.
pub(super) struct Content<'f> {
    feed: &'f FeedName,
    sequence: u64,
    position: usize,
    /// Merged files and their rows so far.
    merged: BTreeMap<ZonePath, u64>,
    /// Files but rejects.
    pub files: u64,
    /// Rows in them.
    pub rows: u64,
}

impl<'f> Content<'f> {
    /// Nothing so far.
    pub(super) fn of(batch: &Fixed<'f>) -> Self {
        let (feed, sequence) = (batch.feed, batch.sequence);
        Self { feed, sequence, position: 0, merged: BTreeMap::new(), files: 0, rows: 0 }
    }

    /// Adds a file of one arrival.
    pub(super) fn add(&mut self, tx: &Transaction<'_>, file: &BatchFile) -> Result<(), Fault> {
        if file.kind != FileKind::Rejects {
            self.files += 1;
            self.rows += file.rows;
        }
        self.insert(tx, file, None)
    }

    /// Adds the rows of an arrival to a file that others have rows in: those of `file.from` after its
    /// first `origin_row`.
    pub(super) fn add_part(
        &mut self,
        tx: &Transaction<'_>,
        file: &BatchFile,
        origin_row: u64,
    ) -> Result<(), Fault> {
        let so_far = self.merged.entry(file.to.clone()).or_insert_with(|| {
            self.files += 1;
            0
        });
        let first_row = *so_far;
        *so_far += file.rows;
        self.rows += file.rows;
        self.insert(tx, file, Some((first_row, origin_row)))
    }

    fn insert(
        &mut self,
        tx: &Transaction<'_>,
        file: &BatchFile,
        rows_at: Option<(u64, u64)>,
    ) -> Result<(), Fault> {
        let (first_row, origin_row) = rows_at.unzip();
        tx.sql(
            "INSERT INTO batch_file (feed, sequence, position, arrival, origin, target, kind, rows,
               size_bytes, digest, first_row, origin_row)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute((
            self.feed,
            self.sequence,
            self.position,
            file.arrival,
            &file.from,
            &file.to,
            file.kind,
            file.rows,
            file.size_bytes,
            file.digest,
            first_row,
            origin_row,
        ))?;
        self.position += 1;
        Ok(())
    }

    /// Adds what is of the merged files as a whole.
    pub(super) fn finish(&self, tx: &Transaction<'_>) -> Result<(), Fault> {
        for (target, rows) in &self.merged {
            tx.sql(
                "INSERT INTO merged_file (target, feed, sequence, origin, rows)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute((
                target,
                self.feed,
                self.sequence,
                Zone::merged_path(target),
                rows,
            ))?;
        }
        Ok(())
    }
}

/// A merged file that is taken back, and whose rows are still wanted.
pub(super) struct Remnant {
    path: ZonePath,
    size_bytes: u64,
    digest: Digest,
    /// Whose, in the order of their rows.
    pub stay: Vec<(Subject, Share)>,
}

impl Remnant {
    /// What is left of a merged file of which something is taken back.
    pub(super) fn of(tx: &Transaction<'_>, path: ZonePath) -> Result<Self, Fault> {
        let sql = "SELECT arrival, first_row, rows FROM batch_file
                   WHERE target = ?1 AND first_row IS NOT NULL AND retracted IS NULL
                   ORDER BY first_row, position";
        let mut statement = tx.sql(sql)?;
        let parts = statement.query_map([&path], |row| {
            let mut cells = Cells::of(row);
            let (arrival, first_row, rows) = (cells.take()?, cells.take()?, cells.take()?);
            Ok(Share { arrival, first_row, rows })
        })?;
        let mut stay = Vec::new();
        for part in parts {
            let part = part?;
            stay.push((tx.subject(part.arrival)?, part));
        }
        let sql = "SELECT size_bytes, digest FROM merged_file WHERE target = ?1";
        let whole = tx.sql(sql)?.query_row([&path], |row| Ok((row.get(0)?, row.get(1)?)));
        let (size_bytes, digest) = whole?;
        Ok(Self { path, size_bytes, digest, stay })
    }

    /// The batch that had published it.
    pub(super) fn batch(&self, tx: &Transaction<'_>) -> Result<BatchId, Fault> {
        let sql = "SELECT b.id FROM merged_file m
                   JOIN batch b ON b.feed = m.feed AND b.sequence = m.sequence WHERE m.target = ?1";
        Ok(tx.sql(sql)?.query_row([&self.path], |row| row.get(0))?)
    }

    /// Its published name.
    pub(super) fn path(&self) -> &ZonePath {
        &self.path
    }

    /// Adds the rows that stay to a batch, as a file of their own: its part `ordinal`.
    pub(super) fn publish_again(
        &self,
        tx: &mut Transaction<'_>,
        content: &mut Content<'_>,
        batch: &Fixed<'_>,
        ordinal: usize,
    ) -> Result<(), Fault> {
        let to = Zone::beside(&self.path, batch.id, ordinal);
        for (subject, part) in &self.stay {
            let file = BatchFile {
                arrival: part.arrival,
                parts: Vec::new(),
                from: self.path.clone(),
                to: to.clone(),
                kind: FileKind::Parquet,
                rows: part.rows,
                size_bytes: self.size_bytes,
                digest: self.digest,
            };
            content.add_part(tx, &file, part.first_row)?;
            let (batch, sequence) = (batch.id, batch.sequence);
            tx.step(&mut subject.clone(), Event::Rewritten { batch, sequence })?;
            tx.sql(
                "UPDATE batch SET version = max(coalesce(version, 0),
                   (SELECT version FROM conversion WHERE arrival = ?2)) WHERE id = ?1",
            )?
            .execute((batch, subject.sequence))?;
        }
        Ok(())
    }
}

/// [`crate::ledger::Ledger::merged`].
pub(super) fn written(
    tx: &Transaction<'_>,
    id: BatchId,
    written: &[Merge],
) -> Result<Batch, Fault> {
    for merge in written {
        let (size_bytes, digest) = merge.written.unzip();
        tx.sql(
            "UPDATE merged_file SET size_bytes = ?2, digest = ?3
             WHERE target = ?1 AND digest IS NULL",
        )?
        .execute((&merge.to, size_bytes, digest))?;
    }
    batches::known(tx.conn(), id)
}

/// [`crate::ledger::Ledger::keep_apart`].
pub(super) fn keep_apart(tx: &Transaction<'_>, id: BatchId, merge: &Merge) -> Result<Batch, Fault> {
    let sql = "DELETE FROM merged_file WHERE target = ?1 AND digest IS NULL";
    if tx.sql(sql)?.execute([&merge.to])? > 0 {
        for (at, piece) in merge.pieces.iter().enumerate() {
            tx.sql(
                "UPDATE batch_file SET target = ?3, first_row = NULL, origin_row = NULL
                 WHERE target = ?1 AND arrival = ?2 AND first_row IS NOT NULL",
            )?
            .execute((&merge.to, piece.arrival, Zone::apart(&merge.to, at)))?;
        }
    }
    batches::known(tx.conn(), id)
}

/// Whether a file of the lake has rows of one of these arrivals beside those of others, which must be
/// copied before it may be removed.
pub(super) fn is_shared(conn: &rusqlite::Connection, ids: &[ArrivalId]) -> Result<bool, Fault> {
    let sql = "SELECT 1 FROM batch_file own
               JOIN batch_file other ON other.target = own.target AND other.first_row IS NOT NULL
               JOIN arrival a ON a.id = other.arrival AND a.state NOT IN ('erasing', 'erased')
               WHERE own.arrival = ?1 AND own.first_row IS NOT NULL
                 AND (own.retracted IS NULL OR EXISTS (
                   SELECT 1 FROM batch b WHERE b.feed = own.feed AND b.sequence = own.retracted
                     AND b.state = 'closed'))";
    let mut statement = conn.prepare_cached(sql)?;
    for id in ids {
        if statement.exists([id])? {
            return Ok(true);
        }
    }
    Ok(false)
}
