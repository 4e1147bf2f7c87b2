//! Connections, settings and the tables of the ledger.
//!
//! `STRICT` tables; ids are 16 bytes, digests 32, times integer microseconds UTC, states and kinds
//! the words that JSON uses. `PRAGMA user_version` counts the steps of [`STEPS`]; a step that has
//! been released is never edited, a change is a new step.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::Type;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::durable::Durability;
use crate::seeded::{self, Bug};

use super::log;

/// Marks a file as a ledger (`PRAGMA application_id`): "land".
const APPLICATION_ID: i32 = 0x6c61_6e64;
/// How long a statement waits for another process; nobody else writes, so this is for recovery.
pub(super) const BUSY: Duration = Duration::from_secs(10);
/// Statements kept prepared on a connection; there are fewer.
const STATEMENTS_MAX: usize = 128;

/// Pages in the write-ahead log before they are taken over into the database: most pages change
/// with every commit, and are taken over once.
const CHECKPOINT_PAGES: u32 = 8192;

/// What brings the tables from one version to the next.
const STEPS: [&str; 19] = [
    include_str!("schema-1.sql"),
    include_str!("schema-2.sql"),
    include_str!("schema-3.sql"),
    include_str!("schema-4.sql"),
    include_str!("schema-5.sql"),
    include_str!("schema-6.sql"),
    include_str!("schema-7.sql"),
    include_str!("schema-8.sql"),
    include_str!("schema-9.sql"),
    include_str!("schema-10.sql"),
    include_str!("schema-11.sql"),
    include_str!("schema-12.sql"),
    include_str!("schema-13.sql"),
    include_str!("schema-14.sql"),
    include_str!("schema-15.sql"),
    include_str!("schema-16.sql"),
    include_str!("schema-17.sql"),
    include_str!("schema-18.sql"),
    include_str!("schema-19.sql"),
];
/// The step that made history a tree.
const TREE_STEP: usize = 3;

/// Opens the connection that writes, creates or migrates the tables.
pub(super) fn open_writer(path: &Path, durability: Durability) -> rusqlite::Result<Connection> {
    let mut conn = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    configure(&conn)?;
    conn.pragma_update(None, "journal_mode", "wal")?;
    conn.pragma_update(
        None,
        "synchronous",
        match durability {
            Durability::Full if seeded::has(Bug::CommitsUnsynced) => "normal",
            Durability::Full => "full",
            Durability::Relaxed => "normal",
        },
    )?;
    conn.pragma_update(None, "foreign_keys", true)?;
    // What is erased must not stay in pages that are free.
    conn.pragma_update(None, "secure_delete", true)?;
    conn.pragma_update(None, "journal_size_limit", 64 << 20)?;
    conn.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    conn.pragma_update(None, "cache_size", -16_384)?;
    migrate(&mut conn)?;
    Ok(conn)
}

/// Opens a connection that only reads. Works beside a writer in another process.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    configure(&conn)?;
    conn.pragma_update(None, "query_only", true)?;
    conn.pragma_update(None, "cache_size", -4_096)?;
    Ok(conn)
}

fn configure(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(BUSY)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // Otherwise statements are compiled anew whenever a value is bound that a plan might depend on.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.pragma_update(None, "temp_store", "memory")
}

/// The ledger has tables that this version does not know.
#[derive(Debug, thiserror::Error)]
#[error("a newer landfall wrote this ledger (version {0})")]
struct Newer(usize);

/// Refuses a ledger of a newer landfall, whose rows this one could misread.
pub(super) fn check_version(conn: &Connection) -> rusqlite::Result<usize> {
    let version: usize = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version > STEPS.len() {
        let newer = Box::new(Newer(version));
        return Err(rusqlite::Error::FromSqlConversionFailure(0, Type::Integer, newer));
    }
    Ok(version)
}

fn migrate(conn: &mut Connection) -> rusqlite::Result<()> {
    let version = check_version(conn)?;
    for (done, step) in STEPS.iter().enumerate().skip(version) {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute_batch(step)?;
        if done + 1 == TREE_STEP {
            log::plant(&tx)?;
        }
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", done + 1)?;
        tx.commit()?;
    }
    Ok(())
}
