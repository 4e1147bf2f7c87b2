//! Recording conversions and what they teach about a feed.

use rusqlite::{Connection, OptionalExtension};

use crate::ledger::{Arrival, Conversion, Error, Event, NewConversion, Refused, Revision, State};
use crate::names::{ArrivalId, FeedName};
use crate::schema::{Change, LearnedSchema};

use super::fault::Fault;
use super::find;
use super::retirements;
use super::transaction::{Subject, Transaction};
use super::values::{Cells, Json};

/// [`crate::ledger::Ledger::converted`].
pub(super) fn converted(
    tx: &mut Transaction<'_>,
    id: ArrivalId,
    new: NewConversion,
) -> Result<Arrival, Fault> {
    let mut subject = tx.subject(id)?;
    if subject.waits && subject.state == State::Received {
        // Something that must be looked at first came during the conversion.
        let event = "converted".to_owned();
        return Err(Error::from(Refused { state: subject.state, event }).into());
    }
    let (conversion, taught, drift) = settle(tx, &subject, new)?;
    tx.step(
        &mut subject,
        Event::Converted {
            seen: conversion.seen,
            written: conversion.written,
            rejected: conversion.rejected,
            skipped: conversion.skipped,
            version: conversion.version,
            revision: conversion.revision,
            contract: conversion.report.contract,
        },
    )?;
    store(tx, &subject, &conversion)?;
    if subject.sender.is_test() {
        tx.step(&mut subject, Event::Tested)?;
        return find::known(tx.conn(), id);
    }
    teach(tx, &subject, taught.as_ref())?;
    if taught.is_some() || !drift.is_empty() {
        record_change(tx, &subject, &conversion, drift)?;
    }
    find::known(tx.conn(), id)
}

/// A conversion under the revision and version that it conforms to, the schema that it teaches its
/// feed, if it does, and how its columns differed.
pub(super) fn settle(
    tx: &Transaction<'_>,
    subject: &Subject,
    new: NewConversion,
) -> Result<(Conversion, Option<LearnedSchema>, Vec<Change>), Fault> {
    let known = learned(tx.conn(), &subject.feed)?;
    let mut conversion = new.conversion;
    let mut taught = None;
    // A test teaches its feed nothing.
    if let Some(columns) = new.learned.filter(|_| !subject.sender.is_test()) {
        let next =
            next_schema(&subject.feed, known.as_ref(), new.given_revision, new.opens_version)?;
        (conversion.revision, conversion.version) = (next.revision, next.version);
        taught = Some(LearnedSchema { columns, ..next });
    }
    Ok((conversion, taught, new.drift))
}

/// Keeps a revision that an arrival taught its feed.
pub(super) fn teach(
    tx: &Transaction<'_>,
    subject: &Subject,
    taught: Option<&LearnedSchema>,
) -> Result<(), Fault> {
    let Some(taught) = taught else { return Ok(()) };
    tx.sql(
        "INSERT INTO learned (feed, revision, version, columns, arrival)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute((
        &subject.feed,
        taught.revision,
        taught.version,
        Json(&taught.columns),
        subject.id,
    ))?;
    Ok(())
}

/// Keeps that a feed's columns changed, or that a file's differ from them.
pub(super) fn record_change(
    tx: &mut Transaction<'_>,
    subject: &Subject,
    conversion: &Conversion,
    changes: Vec<Change>,
) -> Result<(), Fault> {
    let changed = Event::SchemaChanged {
        feed: subject.feed.clone(),
        revision: conversion.revision,
        version: conversion.version,
        by: subject.id,
        changes,
    };
    tx.record(Some(subject.id), changed)
}

/// The numbers of the feed's next revision.
fn next_schema(
    feed: &FeedName,
    known: Option<&LearnedSchema>,
    made_for: u32,
    opens_version: bool,
) -> Result<LearnedSchema, Error> {
    let now = known.map_or(0, |known| known.revision);
    if now != made_for {
        return Err(Error::SchemaMovedOn { feed: feed.clone(), now, made_for });
    }
    let version = known.map_or(1, |known| known.version + u32::from(opens_version));
    Ok(LearnedSchema { revision: now + 1, version, columns: Vec::new() })
}

pub(super) fn store(
    tx: &Transaction<'_>,
    subject: &Subject,
    new: &Conversion,
) -> Result<(), Fault> {
    let report = retirements::report_to_keep(tx, subject, &new.report)?;
    tx.sql(
        "INSERT OR REPLACE INTO conversion (arrival, converter, version, revision, seen, written,
           rejected, skipped, parquet, rejects, report)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute((
        subject.sequence,
        &new.converter,
        new.version,
        new.revision,
        new.seen,
        new.written,
        new.rejected,
        new.skipped,
        Json(&new.parquet),
        new.rejects.as_ref().map(Json),
        Json(&report),
    ))?;
    Ok(())
}

/// [`crate::ledger::Ledger::learned`].
pub(super) fn learned(conn: &Connection, feed: &FeedName) -> Result<Option<LearnedSchema>, Fault> {
    let sql = "SELECT revision, version, columns FROM learned WHERE feed = ?1
               ORDER BY revision DESC LIMIT 1";
    let found = conn.prepare_cached(sql)?.query_row([feed], |row| learned_of(&mut Cells::of(row)));
    Ok(found.optional()?)
}

/// [`crate::ledger::Ledger::revisions`].
pub(super) fn revisions(conn: &Connection, feed: &FeedName) -> Result<Vec<Revision>, Fault> {
    let sql = "SELECT revision, version, columns, arrival FROM learned WHERE feed = ?1
               ORDER BY revision";
    let mut statement = conn.prepare_cached(sql)?;
    let found = statement.query_map([feed], |row| {
        let mut cells = Cells::of(row);
        Ok(Revision { learned: learned_of(&mut cells)?, by: cells.take()? })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn learned_of(cells: &mut Cells<'_, '_>) -> rusqlite::Result<LearnedSchema> {
    Ok(LearnedSchema { revision: cells.take()?, version: cells.take()?, columns: cells.json()? })
}
