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
    /// [`Code::Z103`] when somebody else writes; [`Code::Z105`] for root in a zone of somebody else;
    /// [`Code::L101`].
    pub fn open(zone: &Zone) -> Result<Self, Diagnostic> {
        check_owner(zone)?;
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

/// Refuses root in a zone of another user while no server runs: what root creates there, the zone's
/// own server could not read or write later.
///
/// # Errors
/// [`Code::Z105`], with the way out.
pub fn check_owner(zone: &Zone) -> Result<(), Diagnostic> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(zone.run_time()).or_else(|_| std::fs::metadata(zone.root()));
    let owner = metadata.map_or(0, |metadata| metadata.uid());
    if owner == 0 || !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let summary = format!("this zone belongs to another user (uid {owner}) and no server runs");
    Err(Diagnostic::error(Code::Z105, summary).hint(format!(
        "Run the command as that user: setpriv --reuid={owner} --clear-groups landfall …"
    )))
}
