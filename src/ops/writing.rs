//! The ledger of a zone that nobody serves, for one write of the command line.

use crate::clock::Clock;
use crate::diagnostic::{Code, Diagnostic};
use crate::durable::Durability;
use crate::ledger::Ledger;
use crate::ledger::sqlite::{self, SqliteLedger};
use crate::zone::Zone;

use super::lock::ZoneLock;

/// An open ledger and the right to write it.
pub struct OwnLedger {
    // Dropped first: what it still writes is under the lock.
    ledger: SqliteLedger,
    _lock: ZoneLock,
}

impl OwnLedger {
    /// Takes the zone's lock and opens its ledger.
    ///
    /// # Errors
    /// [`Code::Z103`] when somebody else writes; [`Code::L101`].
    pub fn open(zone: &Zone) -> Result<Self, Diagnostic> {
        let lock = ZoneLock::take(zone)?;
        let opened = sqlite::open(&zone.ledger_file(), Clock::system(), Durability::Full);
        let ledger = opened.map_err(|error| {
            Diagnostic::error(Code::L101, "the zone's ledger cannot be written").caused_by(&error)
        })?;
        Ok(Self { ledger, _lock: lock })
    }

    /// The ledger.
    pub fn ledger(&self) -> &dyn Ledger {
        &self.ledger
    }
}
