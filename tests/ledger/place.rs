//! The implementations under test.

use std::path::PathBuf;

use landfall::clock::Clock;
use landfall::durable::Durability;
use landfall::ledger::Ledger;
use landfall::ledger::sqlite::{self, SqliteLedger};

use crate::making::now;

/// A ledger under test.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) ledger: Option<SqliteLedger>,
    /// Close and open it before every use: nothing may live in memory alone.
    reopens: bool,
}

impl Place {
    pub(crate) fn steady() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut place = Self { folder, ledger: None, reopens: false };
        place.reopen();
        place
    }

    pub(crate) fn reopening() -> Self {
        Self { reopens: true, ..Self::steady() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("ledger.db")
    }

    pub(crate) fn reopen(&mut self) {
        drop(self.ledger.take());
        let ledger = sqlite::open(&self.path(), Clock::fixed(now()), Durability::Full);
        self.ledger = Some(ledger.expect("a ledger"));
    }

    pub(crate) fn ledger(&mut self) -> &dyn Ledger {
        if self.reopens {
            self.reopen();
        }
        self.ledger.as_ref().expect("open")
    }
}
