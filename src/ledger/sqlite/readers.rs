//! A few connections that read, beside the one that writes.
//!
//! Every read is one snapshot. Reads are short: a long one would keep the write-ahead log from
//! being taken over into the database.

use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use crate::ledger::Error;

use super::fault::Fault;
use super::schema;

/// Connections at most; further readers wait for one.
const OPEN_MAX: usize = 4;

/// The connections.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Idle>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Idle {
    connections: Vec<Connection>,
    /// Idle ones and those in use.
    open: usize,
}

impl Readers {
    /// Opens the first connection, so that a ledger that cannot be read is told of at once.
    pub(super) fn open(path: PathBuf) -> rusqlite::Result<Self> {
        let first = schema::open_reader(&path)?;
        schema::check_version(&first)?;
        let idle = Idle { connections: vec![first], open: 1 };
        Ok(Self { path, idle: Mutex::new(idle), freed: Condvar::new() })
    }

    /// Runs `work` on a snapshot.
    pub(super) fn read<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        let borrowed = self.borrow().map_err(|error| Fault::from(error).into_error(doing))?;
        let result = borrowed.snapshot(work);
        if let Err(Fault::Store(error)) = &result
            && error.is_connection_lost()
        {
            borrowed.close();
        }
        result.map_err(|fault| fault.into_error(doing))
    }

    fn borrow(&self) -> rusqlite::Result<Borrowed<'_>> {
        let none_left = |idle: &mut Idle| idle.connections.is_empty() && idle.open >= OPEN_MAX;
        let mut idle =
            self.freed.wait_while(self.lock(), none_left).unwrap_or_else(PoisonError::into_inner);
        let conn = idle.connections.pop();
        if conn.is_none() {
            idle.open += 1;
        }
        drop(idle);
        let mut borrowed = Borrowed { conn, readers: self };
        if borrowed.conn.is_none() {
            borrowed.conn = Some(schema::open_reader(&self.path)?);
        }
        Ok(borrowed)
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in use; goes back when dropped.
struct Borrowed<'r> {
    conn: Option<Connection>,
    readers: &'r Readers,
}

impl Borrowed<'_> {
    fn snapshot<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, Fault> {
        let conn = self.conn.as_ref().ok_or(Error::Closed)?;
        conn.prepare_cached("BEGIN")?.execute([])?;
        let _snapshot = Snapshot(conn);
        work(conn)
    }

    fn close(mut self) {
        self.conn = None;
    }
}

/// A transaction that only reads, ended when dropped.
struct Snapshot<'c>(&'c Connection);

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        let ended = self.0.prepare_cached("ROLLBACK").and_then(|mut sql| sql.execute([]));
        if let Err(error) = ended {
            tracing::error!(%error, "a read of the ledger could not be ended");
        }
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        let mut idle = self.readers.lock();
        match self.conn.take() {
            Some(conn) => idle.connections.push(conn),
            None => idle.open -= 1,
        }
        drop(idle);
        self.readers.freed.notify_one();
    }
}
