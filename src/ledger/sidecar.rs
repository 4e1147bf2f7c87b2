//! Sidecars: small files that say something of another, and the waits they end.
//!
//! `NAME.ok` and `NAME.done` say that NAME is complete; `NAME.md5`, `NAME.sha1` and `NAME.sha256`
//! say what its bytes sum up to. A sidecar is recorded with the arrival it speaks of and is never
//! an arrival of its own. It may come first: then the next arrival of the name takes it over.
//!
//! Its bytes are few and stand in the ledger, so that the sidecar, its event and what it changes
//! are one transaction.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::diagnostic::Diagnostic;
use crate::names::{ArrivalId, Digest, FeedName, FileName};

use super::{Arrival, Error, Sender};

/// What a sidecar says of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SidecarKind {
    /// `.ok`: it is complete.
    Ok,
    /// `.done`: the same.
    Done,
    /// `.md5`: the MD5 of its bytes.
    Md5,
    /// `.sha1`: their SHA-1.
    Sha1,
    /// `.sha256`: their SHA-256.
    Sha256,
}

impl SidecarKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Ok, Self::Done, Self::Md5, Self::Sha1, Self::Sha256];

    /// What its name adds to that of its file.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Ok => ".ok",
            Self::Done => ".done",
            Self::Md5 => ".md5",
            Self::Sha1 => ".sha1",
            Self::Sha256 => ".sha256",
        }
    }

    /// Whether its being there is all it says.
    pub fn is_marker(self) -> bool {
        match self {
            Self::Ok | Self::Done => true,
            Self::Md5 | Self::Sha1 | Self::Sha256 => false,
        }
    }

    /// The kind whose suffix, in any case, ends these bytes after at least one other.
    pub fn ending(bytes: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| {
            let at = bytes.len().checked_sub(kind.suffix().len()).filter(|at| *at > 0);
            let end = at.and_then(|at| bytes.get(at..));
            end.is_some_and(|end| end.eq_ignore_ascii_case(kind.suffix().as_bytes()))
        })
    }
}

/// A name that is a sidecar's: the file it speaks of, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SidecarName {
    /// The file's name.
    pub file: FileName,
    /// What is said.
    pub kind: SidecarKind,
}

impl SidecarName {
    /// Reads a name; `None` when it is no sidecar's.
    pub fn of(name: &FileName) -> Option<Self> {
        let kind = SidecarKind::ending(name.base())?;
        let end = name.as_bytes().len() - kind.suffix().len();
        let file = FileName::new(name.as_bytes().get(..end)?).ok()?;
        Some(Self { file, kind })
    }
}

/// A sidecar to record.
#[derive(Debug, Clone)]
pub struct NewSidecar {
    /// Who sent it.
    pub sender: Sender,
    /// To which feed.
    pub feed: FeedName,
    /// Its exact name relative to the feed.
    pub name: FileName,
    /// What the name says.
    pub means: SidecarName,
    /// All its bytes.
    pub bytes: Vec<u8>,
    /// SHA-256 of them.
    pub digest: Digest,
    /// When it came.
    pub received_at: Timestamp,
    /// The sender's modification time, Unix seconds.
    pub modified_s: Option<u32>,
    /// The sender's permission bits.
    pub mode: Option<u32>,
    /// What tells an untouched file in a drop folder apart.
    pub fingerprint: Option<String>,
}

/// A sidecar as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sidecar {
    /// Its number among sidecars.
    pub sequence: u64,
    /// Who sent it.
    pub sender: Sender,
    /// To which feed.
    pub feed: FeedName,
    /// Its exact name relative to the feed.
    pub name: FileName,
    /// The file it speaks of.
    pub file: FileName,
    /// What it says.
    pub kind: SidecarKind,
    /// How many bytes it has.
    pub size_bytes: u64,
    /// SHA-256 of them.
    pub digest: Digest,
    /// When it came.
    pub received_at: Timestamp,
    /// The sender's modification time, Unix seconds.
    pub modified_s: Option<u32>,
    /// The sender's permission bits.
    pub mode: Option<u32>,
    /// What tells an untouched file in a drop folder apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Whether its sender removed it from the listing.
    pub hidden: bool,
    /// The arrival it is recorded with.
    pub arrival: Option<ArrivalId>,
    /// What came of it; `None` while it has no arrival or was not checked.
    pub verdict: Option<Verdict>,
}

/// What came of a sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// A marker: it is there.
    Seen,
    /// The bytes have the checksum.
    Agrees,
    /// They have another.
    Differs,
    /// It states no checksum in a form that is known.
    Unreadable,
}

/// What a received arrival waits for before it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Waits {
    /// For what.
    pub what: WaitsFor,
    /// When it is looked at again at the latest.
    pub until: Timestamp,
}

/// What an arrival can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitsFor {
    /// The end of its feed's `hold`.
    Hold,
    /// Its marker.
    Marker,
    /// A checksum that agrees.
    Checksum,
    /// The check of a checksum that is there.
    Check,
}

impl WaitsFor {
    /// The end of a sentence that begins with "it waits for".
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Hold => "the end of its hold",
            Self::Marker => "its marker",
            Self::Checksum => "its checksum",
            Self::Check => "the check of its checksum",
        }
    }
}

/// What the ledger does for sidecars and for arrivals that wait. All calls block.
pub trait Sidecars {
    /// Records a sidecar, with the current version of its file if there is one. Takes the place of
    /// an older one of the same name.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn receive_sidecar(&self, new: NewSidecar) -> Result<Sidecar, Error>;

    /// Records what came of a checksum. With `hold` its arrival is held too, unless a batch has
    /// fixed it. One that differs from an arrival with which an earlier one agreed is kept for the
    /// next version of the name.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Store`].
    fn sidecar_checked(
        &self,
        sequence: u64,
        verdict: Verdict,
        hold: Option<Diagnostic>,
    ) -> Result<(), Error>;

    /// Says of a sidecar that its file has not come.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Store`].
    fn sidecar_alone(&self, sequence: u64) -> Result<(), Error>;

    /// Takes a sidecar out of its sender's listing.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Store`].
    fn hide_sidecar(&self, sequence: u64) -> Result<(), Error>;

    /// Says for what and how long an arrival waits from now on, if it still waits as it did
    /// `before`: what came meanwhile is not put off.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Store`].
    fn wait_for(&self, id: ArrivalId, before: Waits, waits: Waits) -> Result<(), Error>;

    /// The current sidecar of a name, hidden or not.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn sidecar(
        &self,
        sender: &Sender,
        feed: &FeedName,
        name: &FileName,
    ) -> Result<Option<Sidecar>, Error>;

    /// A sidecar's bytes.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Store`].
    fn sidecar_bytes(&self, sequence: u64) -> Result<Vec<u8>, Error>;

    /// The sender's visible current sidecars in a feed, received at or after `since`, by name.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn sidecars(
        &self,
        sender: &Sender,
        feed: &FeedName,
        since: Timestamp,
    ) -> Result<Vec<Sidecar>, Error>;

    /// The current sidecars that are recorded with an arrival, oldest first.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn sidecars_of(&self, arrival: ArrivalId) -> Result<Vec<Sidecar>, Error>;

    /// Checksums that have an arrival and were not checked, oldest first.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn to_check(&self, limit: u32) -> Result<Vec<Sidecar>, Error>;

    /// Visible sidecars that came before `until` and whose file has not: all that were told so, or
    /// those that were not.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn alone(&self, told: Told, until: Timestamp, limit: u32) -> Result<Vec<Sidecar>, Error>;

    /// Current checksums that differ from a file that was handed on before they came.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn differs_too_late(&self, limit: u32) -> Result<Vec<Sidecar>, Error>;

    /// Arrivals that wait and are to be looked at by `now`.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn incomplete(&self, now: Timestamp, limit: u32) -> Result<Vec<Arrival>, Error>;

    /// How many received arrivals of each feed wait for what; tests not counted.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn waiting(&self) -> Result<Vec<(FeedName, WaitsFor, u64)>, Error>;
}

/// Whether an event told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Yes.
    Yes,
    /// Not yet.
    NotYet,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_which_file_a_sidecar_speaks_of() {
        let means = |name: &str| {
            let means = SidecarName::of(&name.parse().expect("a name"));
            means.map(|means| (means.file.to_string(), means.kind))
        };
        assert_eq!(means("eu/a.csv.ok"), Some(("eu/a.csv".to_owned(), SidecarKind::Ok)));
        assert_eq!(means("a.csv.SHA256"), Some(("a.csv".to_owned(), SidecarKind::Sha256)));
        assert_eq!(means("data.done"), Some(("data".to_owned(), SidecarKind::Done)));
        for other in ["a.csv", "ok", ".ok", "eu/.md5", "a.csv.ok.part", "a.md5x", "a.sha512"] {
            assert_eq!(means(other), None, "{other}");
        }
    }
}
