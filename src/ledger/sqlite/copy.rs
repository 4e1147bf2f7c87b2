//! Copying a ledger while it is written, and checking a copy.
//!
//! The copy is one snapshot: SQLite's backup API (<https://sqlite.org/backup.html>) reads within one
//! read transaction, so that writers, here or in other processes, neither wait nor make it begin
//! anew. Meanwhile the write-ahead log only grows.

use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::ledger::Error;

use super::fault::Fault;
use super::schema;

/// Pages copied at a time: 4 MiB.
const PAGES_AT_A_TIME: i32 = 1024;

/// A ledger that is damaged.
#[derive(Debug, thiserror::Error)]
#[error("the database is damaged: {0}")]
struct Damaged(String);

/// Copies the ledger in `from`, as it stands now, into the new file `to`, and checks the copy.
/// `progress` is told of pages that are copied and of all there are. The copy is one file, synced.
///
/// # Errors
/// [`Error::Store`]; what is in `to` is then worth nothing.
pub fn copy(from: &Path, to: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<(), Error> {
    let copied = copy_pages(from, to, progress);
    copied.map_err(|error| Fault::from(error).into_error("copy its database"))?;
    check(to)
}

fn copy_pages(from: &Path, to: &Path, progress: &mut dyn FnMut(u64, u64)) -> rusqlite::Result<()> {
    let source = schema::open_reader(from)?;
    schema::check_version(&source)?;
    // From here on it reads one state.
    source.execute_batch("BEGIN")?;
    source.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let mut target = Connection::open(to)?;
    {
        let backup = Backup::new(&source, &mut target)?;
        loop {
            let step = backup.step(PAGES_AT_A_TIME)?;
            let told = backup.progress();
            let pages = |count: i32| u64::try_from(count).unwrap_or(0);
            let all = pages(told.pagecount);
            progress(all.saturating_sub(pages(told.remaining)), all);
            if step == StepResult::Done {
                break;
            }
        }
    }
    source.execute_batch("ROLLBACK")?;
    // One file that can be read where nothing can be written; a server makes it WAL again.
    target.pragma_update(None, "journal_mode", "delete")
}

/// Reads a whole ledger that nobody writes, and checks that its database is sound and of a version
/// that is known. Whether its history is whole is for [`crate::ledger::log`].
///
/// # Errors
/// [`Error::Store`] when it is not.
pub fn check(path: &Path) -> Result<(), Error> {
    let checked = || -> rusqlite::Result<String> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(path, flags)?;
        schema::check_version(&conn)?;
        conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
    };
    let said = checked().map_err(|error| Fault::from(error).into_error("check its database"))?;
    if said == "ok" {
        return Ok(());
    }
    Err(Error::Store { doing: "check its database", source: Box::new(Damaged(said)) })
}
