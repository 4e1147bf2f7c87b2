//! The log: leaves, kept nodes and checkpoints as rows.

use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::ledger::Error;
use crate::ledger::log::{Leaf, Signed};
use crate::ledger::tree::{self, Frontier, KEPT_LEVEL, Node};
use crate::names::Digest;

use super::fault::Fault;
use super::history;
use super::transaction::Transaction;
use super::values::{Cells, Micros};

/// [`crate::ledger::Log::leaves`].
pub(super) fn leaves(conn: &Connection, after: u64, limit: u32) -> Result<Vec<Leaf>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT sequence, at, arrival, record, hash FROM event
         WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
    )?;
    let found = statement.query_map((after, limit), |row| {
        let mut cells = Cells::of(row);
        Ok(Leaf {
            sequence: cells.take()?,
            at: cells.time()?,
            arrival: cells.take()?,
            record: cells.take::<String>()?.into_bytes(),
            hash: cells.take()?,
        })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// [`crate::ledger::Log::log_id`].
pub(super) fn id(conn: &Connection) -> Result<String, Fault> {
    Ok(conn.prepare_cached("SELECT id FROM log")?.query_row([], |row| row.get(0))?)
}

/// [`crate::ledger::Log::root`].
pub(super) fn root(conn: &Connection, size: u64) -> Result<Digest, Fault> {
    has(conn, size)?;
    Ok(tree::root(size, |level, position| node(conn, level, position))?)
}

/// [`crate::ledger::Log::inclusion`].
pub(super) fn inclusion(conn: &Connection, sequence: u64, size: u64) -> Result<Vec<Digest>, Fault> {
    has(conn, size)?;
    let index = sequence.checked_sub(1).filter(|index| *index < size).ok_or_else(none(sequence))?;
    Ok(tree::inclusion(index, size, |level, position| node(conn, level, position))?)
}

/// [`crate::ledger::Log::consistency`].
pub(super) fn consistency(conn: &Connection, old: u64, new: u64) -> Result<Vec<Digest>, Fault> {
    has(conn, old.max(new))?;
    Ok(tree::consistency(old, new, |level, position| node(conn, level, position))?)
}

/// [`crate::ledger::Log::cover`].
pub(super) fn cover(conn: &Connection, from: u64, to: u64) -> Result<Vec<Node>, Fault> {
    has(conn, to)?;
    Ok(tree::cover(from, to, |level, position| node(conn, level, position))?)
}

/// [`crate::ledger::Log::kept_node`].
pub(super) fn kept_node(
    conn: &Connection,
    level: u8,
    position: u64,
) -> Result<Option<Digest>, Fault> {
    let sql = "SELECT hash FROM tree_node WHERE level = ?1 AND position = ?2";
    let mut statement = conn.prepare_cached(sql)?;
    Ok(statement.query_row((level, position), |row| row.get(0)).optional()?)
}

/// The frontier of the first `size` events.
pub(super) fn frontier(conn: &Connection, size: u64) -> rusqlite::Result<Frontier> {
    Frontier::of(size, |level, position| node(conn, level, position))
}

/// Keeps the nodes that an event completed.
pub(super) fn keep(conn: &Connection, nodes: Vec<Node>) -> rusqlite::Result<()> {
    for Node { level, position, hash } in nodes {
        conn.prepare_cached("INSERT INTO tree_node (level, position, hash) VALUES (?1, ?2, ?3)")?
            .execute((level, position, hash))?;
    }
    Ok(())
}

/// Makes the tree over the events that were recorded before there was one.
pub(super) fn plant(conn: &Connection) -> rusqlite::Result<()> {
    let mut tree = Frontier::default();
    let mut events = conn.prepare("SELECT sequence, record FROM event ORDER BY sequence")?;
    let mut rows = events.query([])?;
    let mut hashed = conn.prepare("UPDATE event SET hash = ?2 WHERE sequence = ?1")?;
    while let Some(row) = rows.next()? {
        let hash = tree::leaf(row.get_ref(1)?.as_bytes()?);
        hashed.execute((row.get::<_, u64>(0)?, hash))?;
        keep(conn, tree.push(hash))?;
    }
    Ok(())
}

/// [`crate::ledger::Log::keep_checkpoint`].
pub(super) fn keep_checkpoint(tx: &mut Transaction<'_>, signed: &Signed) -> Result<(), Fault> {
    Ok(insert_checkpoint(tx.conn(), signed)?)
}

/// Writes a checkpoint's row; one that is there stays.
pub(super) fn insert_checkpoint(conn: &Connection, signed: &Signed) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT OR IGNORE INTO checkpoint (size, root, at, text, signature)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute((
        signed.size,
        signed.root,
        Micros(signed.at),
        &signed.text,
        &signed.signature,
    ))?;
    Ok(())
}

/// [`crate::ledger::Log::checkpoints`].
pub(super) fn checkpoints(conn: &Connection, after: u64, limit: u32) -> Result<Vec<Signed>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT size, root, at, text, signature FROM checkpoint
         WHERE size > ?1 ORDER BY size LIMIT ?2",
    )?;
    let found = statement.query_map((after, limit), signed)?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// [`crate::ledger::Log::newest_checkpoint`].
pub(super) fn newest_checkpoint(conn: &Connection) -> Result<Option<Signed>, Fault> {
    let sql = "SELECT size, root, at, text, signature FROM checkpoint ORDER BY size DESC LIMIT 1";
    Ok(conn.prepare_cached(sql)?.query_row([], signed).optional()?)
}

fn signed(row: &Row<'_>) -> rusqlite::Result<Signed> {
    let mut cells = Cells::of(row);
    Ok(Signed {
        size: cells.take()?,
        root: cells.take()?,
        at: cells.time()?,
        text: cells.take()?,
        signature: cells.take()?,
    })
}

/// The hash of a complete subtree: a row, or made from its leaves.
fn node(conn: &Connection, level: u8, position: u64) -> rusqlite::Result<Digest> {
    if level >= KEPT_LEVEL {
        let sql = "SELECT hash FROM tree_node WHERE level = ?1 AND position = ?2";
        return conn.prepare_cached(sql)?.query_row((level, position), |row| row.get(0));
    }
    let count = 1_u64 << level;
    let first = position * count + 1;
    let sql = "SELECT hash FROM event WHERE sequence BETWEEN ?1 AND ?2 ORDER BY sequence";
    let mut statement = conn.prepare_cached(sql)?;
    let mut tree = Frontier::default();
    for hash in statement.query_map((first, first + count - 1), |row| row.get::<_, Digest>(0))? {
        tree.push(hash?);
    }
    match tree.size() == count {
        true => Ok(tree.root()),
        false => Err(rusqlite::Error::QueryReturnedNoRows),
    }
}

fn has(conn: &Connection, size: u64) -> Result<(), Fault> {
    if size > history::head(conn)? { Err(none(size)()) } else { Ok(()) }
}

fn none(sequence: u64) -> impl Fn() -> Fault {
    move || Error::Missing { what: "event", id: sequence.to_string() }.into()
}
