//! Backups of a zone's ledger, configuration and keys, and putting them back.
//!
//! ```text
//! <backup>/
//!   BACKUP.json        when it was taken, of which log, up to which event
//!   ledger.db          the ledger, one snapshot, checked
//!   zone/…             landfall.toml, partners/, contracts/, .landfall/keys/ as they lie in the zone
//!   SHA256SUMS         every file above: `sha256sum -c` checks them without landfall
//! ```
//!
//! A backup is taken at any moment, also under load and by another process than the server; it has
//! its name only when it is complete. It holds keys and password hashes: only its owner may read it.
//!
//! Left out: `archive/` and `lake/`. Their files never change once they are there, so any tool that
//! copies files keeps them, best after the backup, for then they have all that the ledger speaks of.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::diagnostic::{Code, Diagnostic};
use crate::ledger::{self, Ledger as _, Log as _, sqlite};
use crate::names::Digest;

mod make;
mod restore;

pub use make::{Made, make};
pub use restore::{Present, Restored, restore};

const ABOUT: &str = "BACKUP.json";
const LEDGER: &str = "ledger.db";
const SUMS: &str = "SHA256SUMS";
const ZONE: &str = "zone";

/// Bytes of a configuration or key that is backed up.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// `landfall.backup/v1`.
    pub schema: String,
    /// The landfall that took it.
    pub version: String,
    /// When.
    pub taken_at: Timestamp,
    /// How far the ledger in it goes.
    #[serde(flatten)]
    pub head: Head,
}

/// How far a ledger goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its log.
    pub log: String,
    /// Its events.
    pub events: u64,
    /// The root of the tree over them.
    pub root: Digest,
}

impl Head {
    fn of(path: &Path) -> Result<Self, ledger::Error> {
        let ledger = sqlite::open_read_only(path)?;
        let events = ledger.head();
        Ok(Self { log: ledger.log_id()?, events, root: ledger.root(events)? })
    }
}

fn failed(what: &str, path: &Path, error: &(dyn std::error::Error + 'static)) -> Diagnostic {
    Diagnostic::error(Code::A120, what.to_owned()).fact("path", path.display()).caused_by(error)
}
