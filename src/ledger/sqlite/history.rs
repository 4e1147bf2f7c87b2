//! Reading events.

use rusqlite::{Connection, Params};

use crate::ledger::Recorded;
use crate::names::ArrivalId;

use super::fault::Fault;
use super::values::Json;

/// [`crate::ledger::Ledger::history`].
pub(super) fn of_arrival(conn: &Connection, id: ArrivalId) -> Result<Vec<Recorded>, Fault> {
    records(conn, "SELECT record FROM event WHERE arrival = ?1 ORDER BY sequence", [id])
}

/// [`crate::ledger::Ledger::events`].
pub(super) fn after(conn: &Connection, after: u64, limit: u32) -> Result<Vec<Recorded>, Fault> {
    let sql = "SELECT record FROM event WHERE sequence > ?1 ORDER BY sequence LIMIT ?2";
    records(conn, sql, (after, limit))
}

/// Loads of configurations and contracts. Nothing else has their kind in its text: quotes inside of
/// values are escaped. The index `event_load` is of these terms.
pub(super) fn loads(conn: &Connection) -> Result<Vec<Recorded>, Fault> {
    let sql = "SELECT record FROM event WHERE arrival IS NULL
               AND (instr(record, '\"kind\":\"config_loaded\"') OR instr(record, '\"kind\":\"contract_loaded\"'))
               ORDER BY sequence";
    records(conn, sql, [])
}

fn records(conn: &Connection, sql: &str, by: impl Params) -> Result<Vec<Recorded>, Fault> {
    let mut statement = conn.prepare_cached(sql)?;
    let found = statement.query_map(by, |row| row.get::<_, Json<Recorded>>(0))?;
    found.map(|record| Ok(record?.0)).collect()
}

/// [`crate::ledger::Ledger::head`].
pub(super) fn head(conn: &Connection) -> Result<u64, Fault> {
    let sql = "SELECT coalesce(max(sequence), 0) FROM event";
    Ok(conn.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}
