//! Raw bytes, for ever.
//!
//! [`Archive::store`] takes a staged file and makes it a raw object: synced, identity in an
//! extended attribute, mode 0440, published under a name that is never replaced, folder synced.
//! When it returns, the object is durable; only then may the ledger speak of it.
//!
//! Raw objects are never changed. What the archive promises is checked against the ledger's
//! digests, not against the file system's times.
//!
//! Verification and erasure are in [`crate::custody`]. Left out so far: object stores.

use std::fs::File;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::durable;
use crate::ledger::{Door, Sender};
use crate::names::{ArrivalId, Digest, FeedName, FileName};
use crate::zone::ZonePath;

pub mod digest;
mod local;
mod scan;

pub use local::{Archive, IDENTITY_ATTRIBUTE};
pub use scan::Found;

/// An archive step that failed. Nothing was taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A durable step failed.
    #[error(transparent)]
    Durable(#[from] durable::Error),
    /// A file could not be read or marked.
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
    /// A stored path would leave the zone.
    #[error("`{0}` is not a path in this zone")]
    Outside(ZonePath),
}

impl Error {
    /// Whether the disk, the quota or the inodes are used up.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Durable(error) => error.is_disk_full(),
            Self::Io { source, .. } => matches!(
                source.kind(),
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
            ),
            Self::Outside(_) => false,
        }
    }
}

/// A complete file in `.landfall/staging/`, open for reading.
#[derive(Debug)]
pub struct Staged {
    /// Its bytes.
    pub file: File,
    /// Where it is staged.
    pub path: PathBuf,
}

/// Who a raw object is, kept in its `user.landfall` attribute so that it can be recorded again from
/// the archive alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its arrival.
    pub id: ArrivalId,
    /// Who sent it.
    pub sender: Sender,
    /// Through which door.
    pub door: Door,
    /// The feed it belongs to.
    pub feed: FeedName,
    /// Its exact name.
    pub name: FileName,
    /// When the archive took it.
    pub received_at: Timestamp,
    /// The sender's modification time, Unix seconds.
    pub modified_s: Option<u32>,
    /// The sender's permission bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    /// The peer's address or the file's owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// What tells an untouched file in a drop folder apart. Without it a file that was archived and
    /// not recorded would be taken once more after a kill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Whether it was held from the start, with the diagnostic as JSON.
    pub held: Option<crate::diagnostic::Diagnostic>,
}

/// A raw object that [`Archive::store`] made durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawObject {
    /// Where it lies.
    pub path: ZonePath,
    /// Its bytes.
    pub size_bytes: u64,
    /// SHA-256 of them.
    pub digest: Digest,
}
