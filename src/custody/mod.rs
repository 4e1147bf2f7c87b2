//! What the zone keeps stays what it was: read again, compared with the ledger, mended from a copy.
//!
//! - [`verify`]: raw objects, Parquet, rejects and manifests are hashed and compared with the digests
//!   in the ledger; files that the ledger does not know are named.
//! - [`mod@mend`]: a damaged or missing file comes back from a copy of the zone, if its digest fits. The
//!   damaged one is kept aside; nothing is replaced in place.
//! - [`retain`]: a running server erases what is past the time that its feed keeps it, and removes
//!   Parquet, rejects and receipts that are past a time of their own ([`parts`]).
//! - [`scrub`]: a running server reads everything again in the period of `[verify] every`, a little
//!   at a time.
//! - [`mod@erase`]: every copy of an arrival is removed, and a signed tombstone says so.
//!
//! Left out: the ledger's own history and the segments of events, which [`crate::evidence`] checks;
//! receipts, which are rendered from the ledger and lie on no disk.

use std::path::PathBuf;

use crate::names::FeedName;
use crate::{durable, evidence, ledger, signing};

mod erase;
mod mend;
mod pace;
mod parts;
mod retain;
mod scrub;
mod stop;
mod tombstone;
mod verify;

pub use erase::{Doors, Elsewhere, Eraser, Finished, Outcome, Readers, Retired};
pub use mend::{Copies, Mended, mend};
pub use pace::Pace;
pub use retain::{Past, Retention, past};
pub use scrub::Scrub;
pub use verify::{Sample, Step, Verifier, Wish};

/// Kept files could not be compared, mended or erased.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// The archived lines beside the events could not be used.
    #[error(transparent)]
    Evidence(#[from] evidence::Error),
    /// The zone's key cannot sign.
    #[error(transparent)]
    Key(#[from] signing::key_file::KeyError),
    /// A durable step failed.
    #[error(transparent)]
    Durable(#[from] durable::Error),
    /// What is erased is in a file with rows of others, and these could not be published again.
    #[error(
        "the rows of other files of {feed}, which are in one file with it, are not published again"
    )]
    Shared {
        /// Whose.
        feed: FeedName,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file or folder could not be used.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}
