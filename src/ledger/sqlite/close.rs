//! Closing a batch: one transaction fixes its id, sequence, members, file names and retractions.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, Row};

use crate::clock::{Timestamp, utc_day};
use crate::ledger::{
    Batch, BatchFile, Because, Closing, Conversion, Empty, Event, FileKind, Output, Over,
    ReplayEnd, Retraction, Share, State,
};
use crate::names::{ArrivalId, BatchId, FeedName};
use crate::zone::{Zone, ZonePath};

use super::batches;
use super::conversions;
use super::fault::Fault;
use super::merges::{self, Content, Remnant};
use super::replays;
use super::transaction::{Subject, Transaction, subject};
use super::values::{Cells, Json, Micros};

/// [`crate::ledger::Closings::close_batch_over`].
pub(super) fn close(
    tx: &mut Transaction<'_>,
    feed: &FeedName,
    closing: &Closing,
) -> Result<Option<Batch>, Fault> {
    if batches::is_closing(tx.conn(), feed)? {
        return Ok(None);
    }
    let Some(members) = choose(tx, feed, closing)? else { return Ok(None) };
    let taken_back = match &closing.over {
        Over::Replays => members.iter().map(Ready::taken_back).collect(),
        Over::Ready | Over::ReceivedBefore(_) | Over::These(_) => to_take_back(tx, feed, &members)?,
    };
    if members.is_empty() && taken_back.is_empty() && closing.empty == Empty::Skip {
        return Ok(None);
    }
    let (sequence, previous) = match batches::last(tx.conn(), feed)? {
        Some((sequence, id)) => (sequence + 1, Some(id)),
        None => (1, None),
    };
    let id = BatchId::new(tx.now);
    let version = members.iter().filter_map(|member| member.version).max();
    let window_end = match &closing.because {
        Because::Window { ends } => Some(Micros(*ends)),
        Because::Ready
        | Because::Full
        | Because::Waited
        | Because::Asked { .. }
        | Because::Replay
        | Because::Set { .. }
        | Because::Erased
        | Because::Retired => None,
    };
    tx.sql(
        "INSERT INTO batch (id, feed, sequence, previous, version, closed_at, because, window_end,
           state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'closed')",
    )?
    .execute((
        id,
        feed,
        sequence,
        previous,
        version,
        Micros(tx.now),
        Json(&closing.because),
        window_end,
    ))?;
    let batch = Fixed { id, feed, sequence };
    // First what goes: what a replay brings is of the same arrivals.
    let remnants = batch.take_back(tx, taken_back)?;
    let merge_bytes = closing.bounds.merge_bytes;
    let Content { files, rows, .. } = batch.take_members(tx, (members, remnants), merge_bytes)?;
    let (feed, because) = (feed.clone(), Some(closing.because.clone()));
    tx.record(None, Event::BatchClosed { batch: id, feed, sequence, files, rows, because })?;
    batches::known(tx.conn(), id).map(Some)
}

/// An arrival that is ready for a batch.
pub(super) struct Ready {
    pub(super) subject: Subject,
    raw: ZonePath,
    size_bytes: u64,
    pub(super) version: Option<u32>,
    pub(super) parquet: Option<Output>,
    rejects: Option<Output>,
    /// What came of its replay, when that is what is ready.
    pub(super) again: Option<Box<Conversion>>,
}

impl Ready {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let mut cells = Cells::of(row);
        Ok(Self {
            subject: Subject::from_cells(&mut cells)?,
            raw: cells.take()?,
            size_bytes: cells.take()?,
            version: cells.take()?,
            parquet: cells.json_or_none()?,
            rejects: cells.json_or_none()?,
            again: None,
        })
    }

    /// What came of a replay.
    pub(super) fn again(subject: Subject, made: Conversion) -> Self {
        Self {
            subject,
            // What is published is always what was converted.
            raw: made.parquet.path.clone(),
            size_bytes: made.parquet.size_bytes,
            version: Some(made.version),
            parquet: Some(made.parquet.clone()),
            rejects: made.rejects.clone(),
            again: Some(Box::new(made)),
        }
    }

    /// What a replay brings takes the place of what was published of the same arrival.
    fn taken_back(&self) -> TakenBack {
        TakenBack { newer: Some(self.subject.clone()), older: self.subject.clone() }
    }

    fn output_bytes(&self) -> u64 {
        let outputs = [&self.parquet, &self.rejects];
        let converted: u64 = outputs.into_iter().flatten().map(|output| output.size_bytes).sum();
        if self.parquet.is_some() { converted } else { self.size_bytes }
    }

    /// What a batch publishes of it as its part `ordinal`; its Parquet may share the file of an
    /// earlier part.
    fn files(&self, batch: &Fixed<'_>, ordinal: usize, shared: Option<usize>) -> Vec<BatchFile> {
        let arrival = self.subject.id;
        let day = utc_day(self.subject.received_at);
        let published = |output: &Output, to, kind| BatchFile {
            arrival,
            parts: Vec::new(),
            from: output.path.clone(),
            to,
            kind,
            rows: output.rows,
            size_bytes: output.size_bytes,
            digest: output.digest,
        };
        let Some((parquet, version)) = self.parquet.as_ref().zip(self.version) else {
            return vec![BatchFile {
                arrival,
                parts: Vec::new(),
                from: self.raw.clone(),
                to: self.raw.clone(),
                kind: FileKind::Raw,
                rows: 0,
                size_bytes: self.size_bytes,
                digest: self.subject.digest,
            }];
        };
        let part = shared.unwrap_or(ordinal);
        let to = Zone::lake_path(batch.feed, version, &day, batch.id, part);
        let mut files = vec![published(parquet, to, FileKind::Parquet)];
        if let Some(rejects) = &self.rejects {
            let to = Zone::rejects_path(batch.feed, &day, batch.id, ordinal);
            files.push(published(rejects, to, FileKind::Rejects));
        }
        files
    }
}

/// What the batch takes: the longest run of ready arrivals from the oldest that fits and has one
/// schema version, the first whatever its size, since a file is never split; or a set as a whole,
/// `None` when it is not whole.
fn choose(
    tx: &mut Transaction<'_>,
    feed: &FeedName,
    closing: &Closing,
) -> Result<Option<Vec<Ready>>, Fault> {
    let files_max = i64::from(closing.bounds.files_max.max(1));
    match &closing.over {
        Over::Replays => {
            let made = replays::ready(tx, feed, files_max)?;
            fitting(closing, made.into_iter().map(Ok)).map(Some)
        }
        Over::Ready => run_of(tx, (feed, Timestamp::MAX, files_max), closing).map(Some),
        Over::ReceivedBefore(time) => run_of(tx, (feed, *time, files_max), closing).map(Some),
        Over::These(ids) => {
            // All that is ready is looked through: -1 is no limit.
            let mut statement = tx.sql(READY)?;
            let mut rows = statement.query((feed, Micros(Timestamp::MAX), -1))?;
            let wanted: BTreeSet<ArrivalId> = ids.iter().copied().collect();
            let mut chosen = Vec::new();
            while let Some(row) = rows.next()? {
                let ready = Ready::of(row)?;
                if wanted.contains(&ready.subject.id) {
                    chosen.push(ready);
                }
            }
            Ok((chosen.len() == wanted.len()).then_some(chosen))
        }
    }
}

/// Ready arrivals of a feed that were received before a time, oldest first.
const READY: &str = "SELECT a.sequence, a.id, a.sender, a.feed, a.name, a.digest, a.received_at,
      a.state, a.replace_same_name, a.skip_duplicate, a.duplicate_of, a.waits IS NOT NULL,
      a.raw, a.size_bytes, c.version, c.parquet, c.rejects
    FROM arrival a LEFT JOIN conversion c ON c.arrival = a.sequence AND a.state = 'converted'
    WHERE a.feed = ?1 AND a.state IN ('converted', 'raw') AND a.received_at < ?2
    ORDER BY a.sequence LIMIT ?3";

fn run_of(
    tx: &Transaction<'_>,
    (feed, before, files_max): (&FeedName, Timestamp, i64),
    closing: &Closing,
) -> Result<Vec<Ready>, Fault> {
    let mut statement = tx.sql(READY)?;
    let found = statement.query_map((feed, Micros(before), files_max), Ready::of)?;
    fitting(closing, found)
}

/// The first of them that fit.
fn fitting(
    closing: &Closing,
    found: impl Iterator<Item = rusqlite::Result<Ready>>,
) -> Result<Vec<Ready>, Fault> {
    let bounds = closing.bounds;
    let mut chosen: Vec<Ready> = Vec::new();
    let (mut bytes, mut rows) = (0_u64, 0_u64);
    for next in found {
        let next = next?;
        bytes = bytes.saturating_add(next.output_bytes());
        rows = rows.saturating_add(next.parquet.as_ref().map_or(0, |output| output.rows));
        let fits = match chosen.first() {
            None => true,
            Some(first) => {
                first.version == next.version
                    && bytes <= bounds.bytes_max
                    && bounds.rows_max.is_none_or(|most| rows <= most)
            }
        };
        if !fits {
            break;
        }
        chosen.push(next);
    }
    Ok(chosen)
}

/// An older arrival whose published file goes, and the one that takes its place.
struct TakenBack {
    /// Nothing when the older one is erased or past its time.
    newer: Option<Subject>,
    older: Subject,
}

/// What the members replace, and what was replaced by an arrival that has left already.
fn to_take_back(
    tx: &Transaction<'_>,
    feed: &FeedName,
    members: &[Ready],
) -> Result<Vec<TakenBack>, Fault> {
    let mut taken_back = Vec::new();
    let of_member = subject!(
        "JOIN replacement r ON r.older = a.sequence
         WHERE r.newer = ?1 AND a.state IN ('published', 'handed_off') ORDER BY a.sequence"
    );
    for member in members.iter().filter(|member| member.subject.replace_same_name) {
        let mut statement = tx.sql(of_member)?;
        for older in statement.query_map([member.subject.sequence], Subject::of)? {
            taken_back.push(TakenBack { newer: Some(member.subject.clone()), older: older? });
        }
    }
    let mut late = tx.sql(
        "SELECT r.newer, r.older FROM replacement r JOIN arrival a ON a.sequence = r.older
         WHERE r.late = 1 AND r.feed = ?1 AND a.state IN ('published', 'handed_off')
         ORDER BY r.older",
    )?;
    for pair in late.query_map([feed], |row| Ok((row.get(0)?, row.get(1)?)))? {
        let (newer, older): (u64, u64) = pair?;
        let sql = subject!("WHERE a.sequence = ?1");
        let one = |sequence| tx.sql(sql)?.query_row([sequence], Subject::of);
        taken_back.push(TakenBack { newer: Some(one(newer)?), older: one(older)? });
    }
    let erased = subject!(
        "JOIN erasure e ON e.arrival = a.sequence WHERE e.feed = ?1 AND e.retract = 1
         ORDER BY a.sequence"
    );
    for older in tx.sql(erased)?.query_map([feed], Subject::of)? {
        taken_back.push(TakenBack { newer: None, older: older? });
    }
    let past = subject!(
        "JOIN batch_file f INDEXED BY batch_file_retiring ON f.arrival = a.id
         WHERE f.feed = ?1 AND f.retired_at IS NOT NULL AND f.gone_at IS NULL
           AND f.kind = 'parquet' AND f.retracted IS NULL ORDER BY a.sequence"
    );
    for older in tx.sql(past)?.query_map([feed], Subject::of)? {
        taken_back.push(TakenBack { newer: None, older: older? });
    }
    Ok(taken_back)
}

/// A batch whose row is written and whose content is being fixed.
pub(super) struct Fixed<'f> {
    pub(super) id: BatchId,
    pub(super) feed: &'f FeedName,
    pub(super) sequence: u64,
}

impl<'f> Fixed<'f> {
    fn take_members(
        &self,
        tx: &mut Transaction<'_>,
        (members, remnants): (Vec<Ready>, Vec<Remnant>),
        merge_bytes: Option<u64>,
    ) -> Result<Content<'f>, Fault> {
        let (mut content, parts) = (Content::of(self), members.len());
        let shared = merges::arrange(tx, &members, merge_bytes)?;
        for ((ordinal, mut member), shared) in members.into_iter().enumerate().zip(shared) {
            for file in member.files(self, ordinal, shared) {
                match (shared, file.kind) {
                    (Some(_), FileKind::Parquet) => content.add_part(tx, &file, 0)?,
                    (_, FileKind::Parquet | FileKind::Raw | FileKind::Rejects) => {
                        content.add(tx, &file)?;
                    }
                }
            }
            let (batch, sequence) = (self.id, self.sequence);
            match &member.again {
                None => tx.step(&mut member.subject, Event::Batched { batch, sequence })?,
                Some(made) => {
                    conversions::store(tx, &member.subject, made)?;
                    let end = ReplayEnd::Published { batch, sequence };
                    replays::end(tx, &member.subject, end)?;
                }
            }
        }
        for (at, remnant) in remnants.iter().enumerate() {
            remnant.publish_again(tx, &mut content, self, parts + at)?;
        }
        content.finish(tx)?;
        tx.sql(
            "UPDATE arrival SET batch = ?1 WHERE id IN
               (SELECT arrival FROM batch_file WHERE feed = ?2 AND sequence = ?3)",
        )?
        .execute((self.id, self.feed, self.sequence))?;
        Ok(content)
    }

    /// Takes back what these have in the dataset. Answers what is left of the merged files among it.
    fn take_back(
        &self,
        tx: &Transaction<'_>,
        pairs: Vec<TakenBack>,
    ) -> Result<Vec<Remnant>, Fault> {
        let (mut position, mut merged) = (0, Vec::new());
        for pair in pairs {
            merged.extend(self.take_back_one(tx, &mut position, &pair)?);
        }
        merged.sort();
        merged.dedup();
        let mut remnants = Vec::new();
        for path in merged {
            let mut remnant = Remnant::of(tx, path)?;
            let batch = remnant.batch(tx)?;
            let is_erased = |(subject, _): &(Subject, Share)| subject.state.is_erased();
            let (gone, stay): (Vec<_>, Vec<_>) = remnant.stay.into_iter().partition(is_erased);
            remnant.stay = stay;
            for (older, _) in gone {
                self.take_back_one(tx, &mut position, &TakenBack { newer: None, older })?;
            }
            for (same, _) in &remnant.stay {
                let (arrival, path) = (same.id, remnant.path().clone());
                let retraction = Retraction { arrival, batch, path, replaced_by: Some(arrival) };
                self.retract(tx, &mut position, &retraction, FileKind::Parquet)?;
                tx.sql("UPDATE batch_file SET retracted = ?3 WHERE arrival = ?1 AND target = ?2")?
                    .execute((arrival, remnant.path(), self.sequence))?;
            }
            remnants.extend((!remnant.stay.is_empty()).then_some(remnant));
        }
        Ok(remnants)
    }

    /// Takes back what an arrival has in the dataset. Answers the file if it has rows of others.
    fn take_back_one(
        &self,
        tx: &Transaction<'_>,
        position: &mut u32,
        TakenBack { newer, older }: &TakenBack,
    ) -> Result<Option<ZonePath>, Fault> {
        match newer {
            Some(newer) => {
                tx.sql("DELETE FROM replacement WHERE newer = ?1 AND older = ?2")?
                    .execute([newer.sequence, older.sequence])?;
            }
            None => {
                tx.sql("UPDATE erasure SET retract = 0 WHERE arrival = ?1")?
                    .execute([older.sequence])?;
            }
        }
        let by = newer.as_ref().map(|newer| newer.id);
        let Some((retraction, kind, is_merged)) = published_file(tx, older, by)? else {
            return Ok(None);
        };
        self.retract(tx, position, &retraction, kind)?;
        tx.sql("UPDATE batch_file SET retracted = ?2 WHERE arrival = ?1 AND retracted IS NULL")?
            .execute((older.id, self.sequence))?;
        Ok(is_merged.then_some(retraction.path))
    }

    fn retract(
        &self,
        tx: &Transaction<'_>,
        position: &mut u32,
        retraction: &Retraction,
        kind: FileKind,
    ) -> Result<(), Fault> {
        tx.sql(
            "INSERT INTO retraction (feed, sequence, position, arrival, batch, path,
               replaced_by, done) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute((
            self.feed,
            self.sequence,
            *position,
            retraction.arrival,
            retraction.batch,
            &retraction.path,
            retraction.replaced_by,
            // A raw object stays where it is: the archive keeps it. What is erased or past its time
            // is removed.
            kind == FileKind::Raw || retraction.replaced_by.is_none(),
        ))?;
        *position += 1;
        Ok(())
    }
}

/// The file that an arrival has in the dataset, and whether it has rows of others; `None` when another
/// batch took it back already.
fn published_file(
    tx: &Transaction<'_>,
    older: &Subject,
    replaced_by: Option<ArrivalId>,
) -> Result<Option<(Retraction, FileKind, bool)>, Fault> {
    debug_assert!(
        matches!(older.state, State::Published | State::HandedOff) || older.state.is_erased()
    );
    let sql = "SELECT b.id, f.target, f.kind, f.first_row IS NOT NULL FROM batch_file f
               JOIN batch b ON b.feed = f.feed AND b.sequence = f.sequence
               WHERE f.arrival = ?1 AND f.kind IN ('parquet', 'raw') AND f.retracted IS NULL";
    let found = tx.sql(sql)?.query_row([older.id], |row| {
        let retraction =
            Retraction { arrival: older.id, batch: row.get(0)?, path: row.get(1)?, replaced_by };
        Ok((retraction, row.get(2)?, row.get(3)?))
    });
    Ok(found.optional()?)
}
