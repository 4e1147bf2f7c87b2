//! What can go wrong below a verb, before it is told which verb it was.

use std::sync::Arc;

use rusqlite::ErrorCode;

use crate::ledger::{Error, Refused};

/// An error of SQLite that several callers are told of, since they shared its transaction.
#[derive(Debug, Clone)]
pub(super) struct Shared(Arc<rusqlite::Error>);

impl Shared {
    /// The error as a caller of the ledger gets it.
    pub(super) fn into_error(self, doing: &'static str) -> Error {
        Error::Store { doing, source: Box::new(self.0) }
    }

    /// Whether the connection can no longer be trusted: what it holds in memory may differ from
    /// what the disk has, or it was opened while the disk could only be read and would never write.
    pub(super) fn is_connection_lost(&self) -> bool {
        matches!(
            self.0.sqlite_error_code(),
            Some(
                ErrorCode::SystemIoFailure
                    | ErrorCode::DatabaseCorrupt
                    | ErrorCode::NotADatabase
                    | ErrorCode::CannotOpen
                    | ErrorCode::ReadOnly
                    | ErrorCode::OutOfMemory
                    | ErrorCode::FileLockingProtocolFailed
            )
        )
    }
}

impl std::fmt::Display for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl From<rusqlite::Error> for Shared {
    fn from(error: rusqlite::Error) -> Self {
        Self(Arc::new(error))
    }
}

/// Why a piece of work in a transaction stopped.
#[derive(Debug)]
pub(super) enum Fault {
    /// SQLite said so.
    Store(Shared),
    /// The ledger's own rules said so.
    Rule(Error),
}

impl Fault {
    /// The fault as a caller of the ledger gets it.
    pub(super) fn into_error(self, doing: &'static str) -> Error {
        match self {
            Self::Store(shared) => shared.into_error(doing),
            Self::Rule(error) => error,
        }
    }

    /// What SQLite said, if it was SQLite.
    pub(super) fn of_store(&self) -> Option<Shared> {
        match self {
            Self::Store(shared) => Some(shared.clone()),
            Self::Rule(_) => None,
        }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Rule(error)
    }
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        Self::Rule(refused.into())
    }
}

/// Whether an [`Error::Store`] of this store means a full disk.
pub(in crate::ledger) fn is_disk_full(source: &(dyn std::error::Error + 'static)) -> bool {
    source
        .downcast_ref::<Arc<rusqlite::Error>>()
        .is_some_and(|error| error.sqlite_error_code() == Some(ErrorCode::DiskFull))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_can_only_read_is_given_up() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.db");
        let made = rusqlite::Connection::open(&path).expect("made");
        made.execute_batch("CREATE TABLE a (b)").expect("a table");
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let reads = rusqlite::Connection::open_with_flags(&path, flags).expect("opened");
        let refused = reads.execute_batch("INSERT INTO a VALUES (1)").expect_err("read-only");
        assert!(Shared::from(refused).is_connection_lost());
        let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
        assert!(!Shared::from(rusqlite::Error::SqliteFailure(full, None)).is_connection_lost());
    }
}
