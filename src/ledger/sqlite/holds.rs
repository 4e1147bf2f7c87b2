//! Legal holds.

use rusqlite::{Connection, Row};

use crate::ledger::{Covered, Error, Event, Hold, Holds, Release, Scope};
use crate::names::HoldName;

use super::SqliteLedger;
use super::fault::Fault;
use super::transaction::{Subject, Transaction};
use super::values::{Cells, Json, Micros};

impl Holds for SqliteLedger {
    fn place_hold(
        &self,
        name: &HoldName,
        scope: Scope,
        by: &str,
        reason: &str,
    ) -> Result<bool, Error> {
        let (name, by, reason) = (name.clone(), by.to_owned(), reason.to_owned());
        self.write("record a hold", move |tx| place(tx, name, scope, (by, reason)))
    }

    fn release_hold(&self, name: &HoldName, by: &str, reason: &str) -> Result<bool, Error> {
        let (name, by, reason) = (name.clone(), by.to_owned(), reason.to_owned());
        self.write("record a hold", move |tx| release(tx, name, by, reason))
    }

    fn holds(&self) -> Result<Vec<Hold>, Error> {
        self.readers.read("read holds", |conn| read(conn, hold!("ORDER BY name")))
    }
}

macro_rules! hold {
    ($rest:literal) => {
        concat!(
            "SELECT name, scope, by, reason, placed_at, released_at, released_by, release_reason
             FROM hold ",
            $rest
        )
    };
}
use hold;

fn hold_of(row: &Row<'_>) -> rusqlite::Result<Hold> {
    let mut cells = Cells::of(row);
    let name = cells.take()?;
    let Json(scope) = cells.take()?;
    let (by, reason, placed_at) = (cells.take()?, cells.take()?, cells.time()?);
    let (at, released_by): (_, Option<String>) = (cells.time_or_none()?, cells.take()?);
    let why: Option<String> = cells.take()?;
    let released = at.map(|at| Release {
        at,
        by: released_by.unwrap_or_default(),
        reason: why.unwrap_or_default(),
    });
    Ok(Hold { name, scope, by, reason, placed_at, released })
}

fn read(conn: &Connection, sql: &str) -> Result<Vec<Hold>, Fault> {
    let mut statement = conn.prepare_cached(sql)?;
    let found = statement.query_map([], hold_of)?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// The holds that stand and cover an arrival.
pub(super) fn on(tx: &Transaction<'_>, subject: &Subject) -> Result<Vec<Hold>, Fault> {
    let Subject { id, feed, sender, received_at, .. } = subject;
    let file = Covered { id: *id, feed, sender, received_at: *received_at };
    let mut standing = read(tx.conn(), hold!("WHERE released_at IS NULL ORDER BY name"))?;
    standing.retain(|hold| hold.scope.covers(file));
    Ok(standing)
}

fn place(
    tx: &mut Transaction<'_>,
    name: HoldName,
    scope: Scope,
    (by, reason): (String, String),
) -> Result<bool, Fault> {
    let sql = "INSERT INTO hold (name, scope, by, reason, placed_at) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT DO UPDATE SET scope = ?2, by = ?3, reason = ?4, placed_at = ?5,
                 released_at = NULL, released_by = NULL, release_reason = NULL
               WHERE released_at IS NOT NULL";
    let values = (&name, Json(&scope), &by, &reason, Micros(tx.now));
    let placed = tx.sql(sql)?.execute(values)? > 0;
    if placed {
        tx.record(None, Event::HoldPlaced { hold: name, scope, by, reason })?;
    }
    Ok(placed)
}

fn release(
    tx: &mut Transaction<'_>,
    name: HoldName,
    by: String,
    reason: String,
) -> Result<bool, Fault> {
    let sql = "UPDATE hold SET released_at = ?2, released_by = ?3, release_reason = ?4
               WHERE name = ?1 AND released_at IS NULL";
    let released = tx.sql(sql)?.execute((&name, Micros(tx.now), &by, &reason))? > 0;
    if released {
        tx.record(None, Event::HoldReleased { hold: name, by, reason })?;
    }
    Ok(released)
}
