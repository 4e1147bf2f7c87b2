//! Doors. Each turns outside bytes into a settled arrival and knows nothing of what follows.
//!
//! A door writes into [`staging`], decides when a file is complete, and hands it to the
//! [`Intake`]: the narrow way in, whose messages could cross a process boundary (bytes of a name,
//! sizes, ids, file descriptors). When [`Intake::settle`] returns, the raw object and its ledger
//! row are durable and the peer may be told so.

use std::fs::File;
use std::time::Duration;

use crate::archive::Staged;
use crate::clock::Timestamp;
use crate::config::Partner;
use crate::diagnostic::Diagnostic;
use crate::ledger::{Arrival, Door, Event, Listed, Recorded, Sender, Sidecar, SidecarName, Usage};
use crate::names::{ArrivalId, Digest, FeedName, FileName};

pub mod checksum;
pub mod completion;
pub mod folder;
mod intake;
pub mod pull;
pub mod receipt;
pub mod reconcile;
pub mod sftp;
pub mod staging;
mod stated;

pub use intake::{LocalIntake, TESTS_LISTED, unsorted};
use receipt::Papers;

/// Bytes a sidecar may have: a checksum has 100.
pub const SIDECAR_BYTES_MAX: u64 = 64 << 10;

/// A complete file, handed over by a door.
#[derive(Debug)]
pub struct Settled {
    /// Who sent it.
    pub sender: Sender,
    /// Through which door.
    pub door: Door,
    /// The feed whose folder it came to.
    pub feed: FeedName,
    /// Its exact name relative to the feed.
    pub name: FileName,
    /// Its bytes.
    pub staged: Staged,
    /// SHA-256 of all its bytes, when the door hashed them as they came.
    pub digest: Option<Digest>,
    /// The sender's modification time, Unix seconds.
    pub modified_s: Option<u32>,
    /// The sender's permission bits.
    pub mode: Option<u32>,
    /// The peer's address or the file's owner.
    pub origin: Option<String>,
    /// What tells an untouched file in a drop folder apart: device, inode, size, mtime, ctime.
    pub fingerprint: Option<String>,
    /// How it was judged complete.
    pub completion: Completion,
}

/// How a file was judged complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completion {
    /// The peer closed it under its final name, or renamed it to one, or it lay quiet in a folder.
    Final,
    /// It was closed under a temporary name and never renamed: it is archived and held.
    NeverRenamed,
}

/// Why the intake refused a request. `Display` is fixed, safe text for a peer.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is no such name.
    #[error("no such file")]
    Missing,
    /// The target name exists.
    #[error("a file of that name exists already")]
    NameTaken,
    /// The disk or a quota is used up; a person can mend that.
    #[error("{}. {}", .0.summary, .0.hint)]
    Full(Box<Diagnostic>),
    /// It is not what its name says it is.
    #[error("{}. {}", .0.summary, .0.hint)]
    Unfit(Box<Diagnostic>),
    /// The archive or the ledger failed; the log has the causes under this id.
    #[error("the file could not be stored; nothing was taken. Quote {0} when you ask")]
    Failed(ArrivalId),
}

/// The narrow way in. All calls block; run them off the event loop.
pub trait Intake: Send + Sync {
    /// Takes a complete file: archive, ledger, then returns. The staged path is gone afterwards.
    ///
    /// # Errors
    /// [`Refusal::Full`], [`Refusal::Failed`]: nothing was taken and the staged file is still
    /// there, except after a failed sync, when it is removed because its bytes cannot be trusted,
    /// and after a failure that leaves open whether the ledger has it: then the raw object stays
    /// in the archive and start-up records it.
    fn settle(&self, settled: Settled) -> Result<Arrival, Refusal>;

    /// The current version of a name, hidden or not.
    ///
    /// # Errors
    /// [`Refusal::Failed`].
    fn current(
        &self,
        sender: &Sender,
        feed: &FeedName,
        name: &FileName,
    ) -> Result<Option<Arrival>, Refusal>;

    /// One arrival of this sender.
    ///
    /// # Errors
    /// [`Refusal::Missing`] also for an arrival of somebody else; [`Refusal::Failed`].
    fn arrival(&self, sender: &Sender, id: ArrivalId) -> Result<Arrival, Refusal>;

    /// The sender's visible current names in a feed, by name.
    ///
    /// # Errors
    /// [`Refusal::Failed`].
    fn listing(&self, sender: &Sender, feed: &FeedName) -> Result<Vec<Listed>, Refusal>;

    /// What a name says of another file, if it is a sidecar's. Waits for nothing.
    fn sidecar_name(&self, feed: &FeedName, name: &FileName) -> Option<SidecarName>;

    /// Takes a complete sidecar: ledger, then returns. The staged path is gone afterwards.
    ///
    /// # Errors
    /// [`Refusal::Unfit`], [`Refusal::Full`], [`Refusal::Failed`]: nothing was taken and the staged
    /// file is still there.
    fn settle_sidecar(&self, settled: Settled, means: SidecarName) -> Result<Sidecar, Refusal>;

    /// The current sidecar of a name, hidden or not.
    ///
    /// # Errors
    /// [`Refusal::Failed`].
    fn sidecar(
        &self,
        sender: &Sender,
        feed: &FeedName,
        name: &FileName,
    ) -> Result<Option<Sidecar>, Refusal>;

    /// The sender's visible current sidecars in a feed, by name.
    ///
    /// # Errors
    /// [`Refusal::Failed`].
    fn sidecars(&self, sender: &Sender, feed: &FeedName) -> Result<Vec<Sidecar>, Refusal>;

    /// The sidecars that are recorded with an arrival.
    ///
    /// # Errors
    /// [`Refusal::Failed`].
    fn sidecars_of(&self, arrival: ArrivalId) -> Result<Vec<Sidecar>, Refusal>;

    /// A sidecar's bytes.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::Failed`].
    fn sidecar_bytes(&self, sidecar: &Sidecar) -> Result<Vec<u8>, Refusal>;

    /// Removes a sidecar from its sender's listing. What it did stays.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::Failed`].
    fn hide_sidecar(&self, sidecar: &Sidecar) -> Result<(), Refusal>;

    /// Renames a landed file. An unsorted one whose new name matches its feed goes on.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::NameTaken`] unless `replace`, [`Refusal::Failed`].
    fn rename(&self, landed: ArrivalId, to: &FileName, replace: Existing) -> Result<(), Refusal>;

    /// Keeps the times and permissions that a sender set on a landed file.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::Failed`].
    fn touch(
        &self,
        landed: ArrivalId,
        modified_s: Option<u32>,
        mode: Option<u32>,
    ) -> Result<(), Refusal>;

    /// Removes a landed file from its sender's listing. The archive keeps it.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::Failed`].
    fn hide(&self, landed: ArrivalId) -> Result<(), Refusal>;

    /// What the sender gets back about one of its arrivals, signed when its outcome is final.
    ///
    /// # Errors
    /// [`Refusal::Missing`] also for an arrival of somebody else; [`Refusal::Failed`].
    fn papers(&self, sender: &Sender, id: ArrivalId) -> Result<Papers, Refusal>;

    /// Takes the texts about an arrival out of its sender's listing until its outcome changes.
    ///
    /// # Errors
    /// [`Refusal::Missing`] also for an arrival of somebody else; [`Refusal::Failed`].
    fn hide_papers(&self, sender: &Sender, id: ArrivalId) -> Result<(), Refusal>;

    /// Opens the raw bytes of a landed file for reading.
    ///
    /// # Errors
    /// [`Refusal::Missing`], [`Refusal::Failed`].
    fn open_raw(&self, landed: ArrivalId) -> Result<File, Refusal>;

    /// What a sender landed at or after `since`.
    ///
    /// # Errors
    /// [`Refusal::Failed`].
    fn usage(&self, sender: &Sender, since: Timestamp) -> Result<Usage, Refusal>;

    /// The account of a user name, as written now; `None` for an unknown name. A broken partner
    /// file is logged and refused as unknown.
    fn partner(&self, user: &str) -> Option<Partner>;

    /// Events with a sequence above `after`, oldest first, for a door that tells its senders what
    /// became of their files.
    ///
    /// # Errors
    /// [`Refusal::Failed`].
    fn events(&self, after: u64, limit: u32) -> Result<Vec<Recorded>, Refusal>;

    /// Waits until there is an event above `after` or the timeout ends; returns the newest event's
    /// sequence.
    fn wait_beyond(&self, after: u64, timeout: Duration) -> u64;

    /// Keeps an event about the door (login, refusal, interrupted upload). Failures are logged.
    fn note(&self, event: Event);
}

/// Whether a rename may take the place of an existing name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It is refused (SFTP v3 RENAME).
    Refuse,
    /// The newest wins (posix-rename@openssh.com).
    Supersede,
}
