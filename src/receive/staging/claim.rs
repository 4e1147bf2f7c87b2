//! How an upload is taken up, how far it may grow, and why it may refuse.

use super::Key;
use super::Space;
use super::identity::Facts;
use super::staged_file::Base;
use crate::clock::Timestamp;

/// The right to change an upload until somebody else claims it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim(pub(super) u64);

/// Why an upload did not take a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A newer OPEN of the same name took it over, or it is settled or removed.
    Fenced,
    /// It would exceed its [`Limits`]. What was taken before stays.
    OverLimit(LimitKind),
    /// Its bytes could not be written; it is to be thrown away.
    Broken {
        /// Whether the disk, the quota or the inodes are used up.
        disk_full: bool,
    },
}

/// Which limit was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitKind {
    /// The partner's bytes in progress.
    Staging,
    /// The partner's bytes of the rolling day.
    Day,
    /// The largest file that its partner may send.
    File,
    /// The bytes of a sidecar.
    Sidecar,
    /// The disk is filled up to its reserve.
    Reserve,
}

/// How far an upload may grow.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of all uploads of its partner together.
    pub staging_bytes: u64,
    /// Bytes of this file, and which limit that is.
    pub file: Option<(u64, LimitKind)>,
}

impl Limits {
    /// What an upload of `end` bytes would exceed, with `staged_bytes` of its partner in progress.
    pub(super) fn met_by(&self, staged_bytes: u64, end: u64, space: &Space) -> Option<LimitKind> {
        if staged_bytes > self.staging_bytes {
            return Some(LimitKind::Staging);
        }
        let over = self.file.filter(|(most, _)| end > *most).map(|(_, kind)| kind);
        over.or_else(|| space.is_in_reserve().then_some(LimitKind::Reserve))
    }
}

/// How an upload is taken up.
#[derive(Debug)]
pub enum Start {
    /// With no bytes, whatever it had.
    Empty,
    /// With the bytes it has.
    Resume,
    /// As a continuation of a landed file.
    Over(Base),
}

/// What is known of an upload at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Whose and what.
    pub key: Key,
    /// Bytes, as its sender sees them.
    pub size_bytes: u64,
    /// What its sender said of it.
    pub facts: Facts,
    /// When it was last changed.
    pub touched_at: Timestamp,
    /// Whether a handle is open on it.
    pub is_open: bool,
    /// Whether nobody has claimed it yet.
    pub is_new: bool,
}
