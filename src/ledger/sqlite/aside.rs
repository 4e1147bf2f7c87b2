//! Ledgers that were put aside: what a rebuild or a restore found in the place of the one it made.
//!
//! ```text
//! .landfall/ledger.before-20261130T120000000000Z.db(-wal, -shm)
//! ```
//!
//! They are never removed, since they may know what the new one does not; they stay ledgers that SQLite
//! opens. What is erased goes out of what they quote as it goes out of the ledger in use. One that is no
//! database, or a broken one, cannot be looked through: it goes as a whole when something is erased.
//!
//! Left out: backups, which lie outside of the zone.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::clock::Timestamp;
use crate::durable::{self, Durability};
use crate::ledger::Error;
use crate::names::ArrivalId;
use crate::report::Report;

use super::fault::Fault;
use super::schema;
use super::values::Json;

/// What SQLite keeps beside a database.
const BESIDE: [&str; 2] = ["-wal", "-shm"];
/// What a rebuild or a restore makes a ledger in, until that has its name.
const IN_THE_MAKING: [&str; 2] = ["ledger.rebuilding", ".ledger.restored"];

/// What is being done, for errors.
const DOING: &str = "take what is erased out of a ledger that was put aside";

/// Of which arrivals a ledger forgets what it quotes.
#[derive(Debug, Clone, Copy)]
pub enum Forgotten<'i> {
    /// Of these.
    These(&'i [ArrivalId]),
    /// Of all that the ledger in use says are erased, or whose receipts are past their time.
    AllErased,
}

/// Puts the ledger of this name aside, if there is one; answers its new name.
///
/// # Errors
/// What could not be renamed.
pub fn put(ledger: &Path, at: Timestamp) -> Result<Option<PathBuf>, durable::Error> {
    let aside =
        ledger.with_file_name(format!("ledger.before-{}.db", at.strftime("%Y%m%dT%H%M%S%6fZ")));
    let mut is_there = false;
    // Also a log alone: in another database it would be taken for that one's.
    for end in BESIDE.into_iter().chain([""]).filter(|end| with(ledger, end).exists()) {
        Durability::Full.publish_new(&with(ledger, end), &with(&aside, end))?;
        is_there = true;
    }
    Ok(is_there.then_some(aside))
}

/// Takes out of the ledgers that lie aside what they quote of the bytes of some arrivals. Answers how many
/// files were removed, because they could not be looked through, or were left of an attempt to make one.
///
/// Only for who holds the zone's lock.
///
/// # Errors
/// [`Error::Store`] of the first that failed.
pub fn forget(ledger: &Path, which: Forgotten<'_>) -> Result<u64, Error> {
    let io = |source| Error::Store { doing: DOING, source: Box::new(source) };
    let mut removed = 0;
    for path in beside(ledger).map_err(io)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if IN_THE_MAKING.iter().any(|made| name.starts_with(made)) {
            removed += remove(&path).map_err(io)?;
        } else if name.starts_with("ledger.before-") && name.ends_with(".db") {
            match forget_in(&path, ledger, which) {
                Ok(()) => {}
                Err(error) if is_broken(&error) => {
                    tracing::warn!(path = %path.display(), %error, "it cannot be looked through: it goes");
                    removed += remove(&path).map_err(io)?;
                }
                Err(error) => return Err(Fault::from(error).into_error(DOING)),
            }
        }
    }
    Ok(removed)
}

fn forget_in(path: &Path, ledger: &Path, which: Forgotten<'_>) -> rusqlite::Result<()> {
    let mut conn = schema::open_writer(path, Durability::Full)?;
    conn.execute_batch("CREATE TEMP TABLE forgotten (id BLOB PRIMARY KEY) WITHOUT ROWID")?;
    if matches!(which, Forgotten::AllErased) {
        conn.execute("ATTACH ?1 AS used", [ledger.to_string_lossy()])?;
    }
    let tx = conn.transaction()?;
    match which {
        Forgotten::These(ids) => {
            let mut note = tx.prepare("INSERT OR IGNORE INTO temp.forgotten VALUES (?1)")?;
            ids.iter().try_for_each(|id| note.execute([id]).map(drop))?;
        }
        Forgotten::AllErased => {
            tx.execute_batch(
                "INSERT INTO temp.forgotten SELECT id FROM used.arrival
                   WHERE state IN ('erasing', 'erased') OR receipt_retired_at IS NOT NULL",
            )?;
        }
    }
    tx.execute_batch(
        "UPDATE main.arrival SET diagnostic = NULL
           WHERE id IN temp.forgotten AND diagnostic IS NOT NULL;
         UPDATE main.sidecar SET bytes = x'' WHERE arrival IN temp.forgotten AND bytes <> x'';
         UPDATE main.replay SET made = NULL WHERE made IS NOT NULL AND arrival IN
           (SELECT sequence FROM main.arrival WHERE id IN temp.forgotten);",
    )?;
    tx.execute(
        "UPDATE main.conversion SET report = ?1 WHERE report <> ?1 AND arrival IN
           (SELECT sequence FROM main.arrival WHERE id IN temp.forgotten)",
        [Json(&Report::default())],
    )?;
    tx.commit()?;
    conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
}

fn is_broken(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
}

/// The files in the folder of a ledger.
fn beside(ledger: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(ledger.parent().unwrap_or(Path::new(".")))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

/// Removes a database with what SQLite keeps beside it; how many files.
fn remove(path: &Path) -> io::Result<u64> {
    let mut removed = 0;
    for path in BESIDE.iter().map(|end| with(path, end)).chain([path.to_owned()]) {
        match std::fs::remove_file(&path) {
            Ok(()) => removed += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(removed)
}

fn with(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}
