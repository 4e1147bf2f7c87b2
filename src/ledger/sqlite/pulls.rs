//! Pulls: how far each has come, and how it fares.

use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::ledger::{Error, Event, Failing, PullFailure, PullState, Pulled, Pulls};
use crate::names::PullName;

use super::SqliteLedger;
use super::fault::Fault;
use super::transaction::Transaction;
use super::values::{Cells, Micros};

impl Pulls for SqliteLedger {
    fn pulled(&self, run: Pulled) -> Result<(), Error> {
        self.write("record a pull", move |tx| ended(tx, run))
    }

    fn pull_failed(&self, failure: PullFailure) -> Result<(), Error> {
        self.write("record a failed pull", move |tx| failed(tx, failure))
    }

    fn pull(&self, pull: &PullName) -> Result<Option<PullState>, Error> {
        self.readers.read("read a pull", |conn| one(conn, pull))
    }

    fn pulls(&self) -> Result<Vec<PullState>, Error> {
        self.readers.read("read pulls", all)
    }
}

/// Keeps a run that ended well; in the transaction of its last file, if it has one. The same run
/// again changes nothing.
pub(super) fn ended(tx: &mut Transaction<'_>, done: Pulled) -> Result<(), Fault> {
    let before = one(tx.conn(), &done.pull)?;
    let Pulled { pull, feed, run, began_at, files, watermark } = done;
    if before.as_ref().is_some_and(|before| before.run.as_ref() == Some(&run)) {
        return Ok(());
    }
    let (known, failed) = before.map_or((None, false), |b| (b.watermark, b.failing.is_some()));
    let goes_on = watermark.is_some() && watermark != known;
    tx.sql(
        "INSERT INTO pull (name, began_at, ended_at, succeeded_at, run, watermark)
         VALUES (?1, ?2, ?3, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET began_at = ?2, ended_at = ?3, succeeded_at = ?3, run = ?4,
           watermark = coalesce(?5, watermark), failing_since = NULL, attempts = 0, error = NULL",
    )?
    .execute((&pull, Micros(began_at), Micros(tx.now), &run, &watermark))?;
    if files > 0 || goes_on || failed {
        tx.record(None, Event::Pulled { pull, feed, run, files, watermark })?;
    }
    Ok(())
}

fn failed(tx: &mut Transaction<'_>, failure: PullFailure) -> Result<(), Fault> {
    let PullFailure { pull, feed, began_at, error } = failure;
    tx.sql(
        "INSERT INTO pull (name, began_at, ended_at, failing_since, attempts, error)
         VALUES (?1, ?2, ?3, ?3, 1, ?4)
         ON CONFLICT DO UPDATE SET began_at = ?2, ended_at = ?3,
           failing_since = coalesce(failing_since, ?3), attempts = attempts + 1, error = ?4",
    )?
    .execute((&pull, Micros(began_at), Micros(tx.now), &error))?;
    let attempts = one(tx.conn(), &pull)?.and_then(|now| now.failing).map_or(1, |now| now.attempts);
    tx.record(None, Event::PullFailed { pull, feed, attempts, error })
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT name, began_at, ended_at, succeeded_at, run, watermark, failing_since, ",
            "attempts, error FROM pull ",
            $rest
        )
    };
}

fn one(conn: &Connection, pull: &PullName) -> Result<Option<PullState>, Fault> {
    let mut statement = conn.prepare_cached(select!("WHERE name = ?1"))?;
    Ok(statement.query_row([pull], state).optional()?)
}

fn all(conn: &Connection) -> Result<Vec<PullState>, Fault> {
    let mut statement = conn.prepare_cached(select!("ORDER BY name"))?;
    Ok(statement.query_map([], state)?.collect::<Result<_, _>>()?)
}

fn state(row: &Row<'_>) -> rusqlite::Result<PullState> {
    let mut cells = Cells::of(row);
    let (pull, began_at, ended_at) = (cells.take()?, cells.time()?, cells.time()?);
    let succeeded_at = cells.time_or_none()?;
    let (run, watermark) = (cells.take()?, cells.take()?);
    let (since, attempts) = (cells.time_or_none()?, cells.take()?);
    let error: Option<String> = cells.take()?;
    let failing = since.map(|since| Failing { since, attempts, error: error.unwrap_or_default() });
    Ok(PullState { pull, began_at, ended_at, succeeded_at, run, watermark, failing })
}
