//! Reading arrivals one by one, listings and counts; [`super::search`] answers queries.

use rusqlite::{Connection, OptionalExtension, Row};

use crate::clock::Timestamp;
use crate::ledger::{Arrival, Conversion, Error, Listed, Sender, State, Usage, Waits};
use crate::names::{ArrivalId, FeedName, FileName};

use super::fault::Fault;
use super::values::{Cells, Micros};

/// How many arrivals a prefix may mean before the rest is left out.
const PREFIX_MAX: u32 = 10;

macro_rules! arrival {
    ($rest:literal) => {
        concat!(
            "SELECT a.sequence, a.id, a.sender, a.door, a.feed, a.name, a.size_bytes, a.digest,
               a.raw, a.received_at, a.modified_s, a.mode, a.origin, a.fingerprint, a.state,
               a.current, a.hidden, a.waits, a.look_at, a.same_bytes_as, a.duplicate_of, a.supersedes, a.replace_same_name,
               a.diagnostic, a.batch, a.changed_at, a.allowance, c.converter, c.version, c.revision, c.seen,
               c.written, c.rejected, c.skipped, c.parquet, c.rejects, c.report
             FROM arrival a LEFT JOIN conversion c ON c.arrival = a.sequence ",
            $rest
        )
    };
}

pub(super) use arrival as select_arrival;

/// Reads an arrival from a row of [`arrival!`].
pub(super) fn arrival_of(row: &Row<'_>) -> rusqlite::Result<Arrival> {
    let mut cells = Cells::of(row);
    let mut arrival = Arrival {
        sequence: cells.take()?,
        id: cells.take()?,
        sender: cells.take()?,
        door: cells.take()?,
        feed: cells.take()?,
        name: cells.take()?,
        size_bytes: cells.take()?,
        digest: cells.take()?,
        raw: cells.take()?,
        received_at: cells.time()?,
        modified_s: cells.take()?,
        mode: cells.take()?,
        origin: cells.take()?,
        fingerprint: cells.take()?,
        state: cells.take()?,
        current: cells.take()?,
        hidden: cells.take()?,
        waits: waits_of(&mut cells)?,
        same_bytes_as: cells.take()?,
        duplicate_of: cells.take()?,
        supersedes: cells.take()?,
        replaces: cells.take()?,
        diagnostic: cells.json_or_none()?,
        batch: cells.take()?,
        changed_at: cells.time()?,
        allowance: cells.json_or_none()?.unwrap_or_default(),
        conversion: None,
    };
    // What its feed said at receipt matters only when there is something to replace.
    arrival.replaces &= arrival.supersedes.is_some();
    arrival.conversion = conversion_of(&mut cells)?;
    Ok(arrival)
}

fn waits_of(cells: &mut Cells<'_, '_>) -> rusqlite::Result<Option<Waits>> {
    let (what, until) = (cells.take::<Option<_>>()?, cells.time_or_none()?);
    // One that is held waits without an end.
    Ok(what.map(|what| Waits { what, until: until.unwrap_or(Timestamp::MAX) }))
}

fn conversion_of(cells: &mut Cells<'_, '_>) -> rusqlite::Result<Option<Conversion>> {
    let Some(converter) = cells.take()? else { return Ok(None) };
    Ok(Some(Conversion {
        converter,
        version: cells.take()?,
        revision: cells.take()?,
        seen: cells.take()?,
        written: cells.take()?,
        rejected: cells.take()?,
        skipped: cells.take()?,
        parquet: cells.json()?,
        rejects: cells.json_or_none()?,
        report: cells.json()?,
    }))
}

/// [`crate::ledger::Ledger::arrival`].
pub(super) fn arrival(conn: &Connection, id: ArrivalId) -> Result<Option<Arrival>, Fault> {
    Ok(conn.prepare_cached(arrival!("WHERE a.id = ?1"))?.query_row([id], arrival_of).optional()?)
}

/// An arrival that must be there.
pub(super) fn known(conn: &Connection, id: ArrivalId) -> Result<Arrival, Fault> {
    Ok(arrival(conn, id)?.ok_or(Error::Missing { what: "arrival", id: id.to_string() })?)
}

/// [`crate::ledger::Ledger::arrivals_by_prefix`].
pub(super) fn by_prefix(conn: &Connection, prefix: &str) -> Result<Vec<Arrival>, Fault> {
    let Some((lowest, highest)) = bounds(prefix) else { return Ok(Vec::new()) };
    let sql = arrival!("WHERE a.id BETWEEN ?1 AND ?2 ORDER BY a.id LIMIT ?3");
    let mut statement = conn.prepare_cached(sql)?;
    let found = statement.query_map((lowest, highest, PREFIX_MAX), arrival_of)?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// The lowest and highest id that start with these digits; `None` when nothing can.
fn bounds(prefix: &str) -> Option<(ArrivalId, ArrivalId)> {
    let digits: String = prefix.chars().filter(|c| *c != '-').collect();
    let fits = digits.len() <= 32 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let fill = |with: &str| (digits.clone() + &with.repeat(32 - digits.len())).parse().ok();
    if fits { Some((fill("0")?, fill("f")?)) } else { None }
}

/// [`crate::ledger::Ledger::to_convert`].
pub(super) fn to_convert(conn: &Connection, after: u64, limit: u32) -> Result<Vec<Arrival>, Fault> {
    let sql = arrival!(
        "WHERE a.state = 'received' AND a.waits IS NULL AND a.sequence > ?1
           ORDER BY a.sequence LIMIT ?2"
    );
    let mut statement = conn.prepare_cached(sql)?;
    let found = statement.query_map((after, limit), arrival_of)?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// [`crate::ledger::Ledger::current`].
pub(super) fn current(
    conn: &Connection,
    sender: &Sender,
    feed: &FeedName,
    name: &FileName,
) -> Result<Option<Arrival>, Fault> {
    let sql = arrival!("WHERE a.sender = ?1 AND a.feed = ?2 AND a.name = ?3 AND a.current = 1");
    Ok(conn.prepare_cached(sql)?.query_row((sender, feed, name), arrival_of).optional()?)
}

/// [`crate::ledger::Ledger::listing`].
pub(super) fn listing(
    conn: &Connection,
    sender: &Sender,
    feed: &FeedName,
    since: Timestamp,
) -> Result<Vec<Listed>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT id, name, size_bytes, modified_s, received_at, state FROM arrival
         WHERE sender = ?1 AND feed = ?2 AND current = 1 AND hidden = 0 AND offered_at >= ?3
         ORDER BY name",
    )?;
    let found = statement.query_map((sender, feed, Micros(since)), |row| {
        let mut cells = Cells::of(row);
        let (id, name, size_bytes) = (cells.take()?, cells.take()?, cells.take()?);
        let (modified_s, received_at) = (cells.take::<Option<u32>>()?, cells.time()?);
        let received_s = u32::try_from(received_at.as_second()).unwrap_or(0);
        let modified_s = modified_s.unwrap_or(received_s);
        Ok(Listed { id, name, size_bytes, modified_s, received_at, state: cells.take()? })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// [`crate::ledger::Ledger::usage`].
pub(super) fn usage(conn: &Connection, sender: &Sender, since: Timestamp) -> Result<Usage, Fault> {
    let sql = "SELECT count(*), coalesce(sum(size_bytes), 0) +
                 (SELECT coalesce(sum(length(bytes)), 0) FROM sidecar
                  WHERE sender = ?1 AND received_at >= ?2)
               FROM arrival WHERE sender = ?1 AND received_at >= ?2";
    Ok(conn.prepare_cached(sql)?.query_row((sender, Micros(since)), |row| {
        Ok(Usage { files: row.get(0)?, bytes: row.get(1)? })
    })?)
}

/// [`crate::ledger::Ledger::counts`].
pub(super) fn counts(conn: &Connection) -> Result<Vec<(FeedName, State, u64)>, Fault> {
    let sql = "SELECT feed, state, count FROM tally WHERE count > 0 ORDER BY feed, state";
    let mut statement = conn.prepare_cached(sql)?;
    let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(found.collect::<Result<_, _>>()?)
}
