//! What is kept on disk, and what was found when it was read again.

use rusqlite::{Connection, OptionalExtension as _};

use crate::clock::Timestamp;
use crate::ledger::{
    Custody, Error, Event, FileKind, Finding, Kept, KeptKind, Round, State, Verified,
};
use crate::names::ArrivalId;
use crate::zone::ZonePath;

use super::SqliteLedger;
use super::fault::Fault;
use super::search;
use super::transaction::Transaction;
use super::values::{Cells, Micros};

impl Custody for SqliteLedger {
    fn kept(&self, after: u64, limit: u32) -> Result<Option<(u64, Vec<Kept>)>, Error> {
        self.readers.read("read what is kept", |conn| kept(conn, after, limit))
    }

    fn merged_in(&self, path: &ZonePath) -> Result<Vec<ArrivalId>, Error> {
        self.readers.read("read what is merged", |conn| {
            let sql = "SELECT arrival FROM batch_file WHERE target = ?1 AND first_row IS NOT NULL
                       ORDER BY first_row, position";
            let mut statement = conn.prepare_cached(sql)?;
            let found = statement.query_map([path], |row| row.get(0))?;
            Ok(found.collect::<Result<_, _>>()?)
        })
    }

    fn sequence_at(&self, since: Timestamp) -> Result<u64, Error> {
        self.readers.read("read arrivals", |conn| search::sequence_at(conn, since))
    }

    fn found(&self, findings: Vec<Finding>) -> Result<(), Error> {
        self.write("record what was found", move |tx| {
            findings.into_iter().try_for_each(|finding| found(tx, finding))
        })
    }

    fn mended(&self, paths: Vec<ZonePath>, how: &str) -> Result<(), Error> {
        let how = how.to_owned();
        self.write("record what is mended", move |tx| {
            paths.into_iter().try_for_each(|path| mended(tx, path, &how))
        })
    }

    fn verified(&self, verified: Verified, by: &str) -> Result<(), Error> {
        let by = by.to_owned();
        self.write("record an event", move |tx| tx.record(None, Event::Verified { verified, by }))
    }

    fn findings(&self, limit: u32) -> Result<Vec<(Finding, Timestamp)>, Error> {
        self.readers.read("read what was found", |conn| findings(conn, limit))
    }

    fn round(&self) -> Result<Option<Round>, Error> {
        self.readers.read("read a round", round)
    }

    fn keep_round(&self, round: Round) -> Result<(), Error> {
        self.write("record a round", move |tx| keep_round(tx, round))
    }
}

fn kept(conn: &Connection, after: u64, limit: u32) -> Result<Option<(u64, Vec<Kept>)>, Fault> {
    let sql = "SELECT sequence, id, raw, digest, state FROM arrival WHERE sequence > ?1
               ORDER BY sequence LIMIT ?2";
    let mut statement = conn.prepare_cached(sql)?;
    let raw = statement.query_map((after, limit), |row| {
        let (sequence, id) = (row.get::<_, u64>(0)?, row.get(1)?);
        let (path, digest, state) = (row.get(2)?, row.get(3)?, row.get::<_, State>(4)?);
        Ok((sequence, state, Kept { kind: KeptKind::Raw, arrival: Some(id), path, digest }))
    })?;
    let mut raw = raw.collect::<Result<Vec<_>, _>>()?;
    let Some(last) = raw.last().map(|(sequence, ..)| *sequence) else { return Ok(None) };
    raw.retain(|(_, state, _)| !state.is_erased());
    // A merged file is gone once one of its arrivals is erased and the others' rows are elsewhere.
    let sql = "SELECT f.kind, f.target, coalesce(m.digest, f.digest) FROM batch_file f
               JOIN batch b ON b.feed = f.feed AND b.sequence = f.sequence
               LEFT JOIN merged_file m ON f.first_row IS NOT NULL AND m.target = f.target
               WHERE f.arrival = ?1 AND f.kind <> 'raw' AND b.state = 'published'
                 AND f.retired_at IS NULL
                 AND NOT (f.first_row IS NOT NULL AND EXISTS (
                   SELECT 1 FROM batch_file o JOIN arrival a ON a.id = o.arrival
                   WHERE o.target = f.target AND o.first_row IS NOT NULL AND (
                     o.position > f.position
                     OR (f.retracted IS NOT NULL AND a.state IN ('erasing', 'erased')))))";
    let mut statement = conn.prepare_cached(sql)?;
    let mut all = Vec::new();
    for (_, _, object) in raw {
        let arrival = object.arrival;
        all.push(object);
        let published = statement.query_map([arrival], |row| {
            let kind = match row.get(0)? {
                FileKind::Rejects => KeptKind::Rejects,
                FileKind::Parquet | FileKind::Raw => KeptKind::Parquet,
            };
            Ok(Kept { kind, arrival, path: row.get(1)?, digest: row.get(2)? })
        })?;
        for file in published {
            all.push(file?);
        }
    }
    Ok(Some((last, all)))
}

fn found(tx: &mut Transaction<'_>, finding: Finding) -> Result<(), Fault> {
    let sql = "INSERT INTO finding (path, problem, since, arrival, recorded, found)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)
               ON CONFLICT DO UPDATE SET problem = excluded.problem, found = excluded.found
                 WHERE problem <> excluded.problem OR found IS NOT excluded.found";
    let Finding { path, problem, arrival, recorded, found } = &finding;
    let values = (path, problem, Micros(tx.now), arrival, recorded, found);
    if tx.sql(sql)?.execute(values)? > 0 {
        tx.record(finding.arrival, Event::ArchiveCorrupt { finding })?;
    }
    Ok(())
}

fn mended(tx: &mut Transaction<'_>, path: ZonePath, how: &str) -> Result<(), Fault> {
    let sql = "DELETE FROM finding WHERE path = ?1 RETURNING arrival";
    let gone = tx.sql(sql)?.query_row([&path], |row| row.get(0)).optional()?;
    if let Some(arrival) = gone {
        tx.record(arrival, Event::ArchiveMended { path, how: how.to_owned() })?;
    }
    Ok(())
}

fn findings(conn: &Connection, limit: u32) -> Result<Vec<(Finding, Timestamp)>, Fault> {
    let sql = "SELECT path, problem, arrival, recorded, found, since FROM finding
               ORDER BY path LIMIT ?1";
    let mut statement = conn.prepare_cached(sql)?;
    let found = statement.query_map([limit], |row| {
        let mut cells = Cells::of(row);
        let finding = Finding {
            path: cells.take()?,
            problem: cells.take()?,
            arrival: cells.take()?,
            recorded: cells.take()?,
            found: cells.take()?,
        };
        Ok((finding, cells.time()?))
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn round(conn: &Connection) -> Result<Option<Round>, Fault> {
    let sql = "SELECT began_at, sequence, files, bytes, problems, unknown FROM verify_round";
    let found = conn.prepare_cached(sql)?.query_row([], |row| {
        let mut cells = Cells::of(row);
        Ok(Round {
            began_at: cells.time()?,
            sequence: cells.take()?,
            verified: Verified {
                files: cells.take()?,
                bytes: cells.take()?,
                problems: cells.take()?,
                unknown: cells.take()?,
            },
        })
    });
    Ok(found.optional()?)
}

fn keep_round(tx: &mut Transaction<'_>, round: Round) -> Result<(), Fault> {
    let Verified { files, bytes, problems, unknown } = round.verified;
    let sql = "INSERT OR REPLACE INTO verify_round
                 (one, began_at, sequence, files, bytes, problems, unknown)
               VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)";
    let values = (Micros(round.began_at), round.sequence, files, bytes, problems, unknown);
    tx.sql(sql)?.execute(values)?;
    Ok(())
}
