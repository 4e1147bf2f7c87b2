//! What is left of a file that was erased, so that nobody takes its absence for a loss.
//!
//! ```text
//! archive/_erased/<arrival id>.json(.sig)   landfall.tombstone/v1, in the namespace `landfall-tombstone`
//! archive/REMOVED-2026-11-25(.sig)          what was removed on a day (UTC), in `landfall-sums`
//! ```
//!
//! A list of removed files has the lines of `SHA256SUMS-<day>`, with names below `archive/` as well,
//! so that the two can be compared line by line: whatever a day's seal names, and `sha256sum -c
//! --ignore-missing` no longer finds or finds otherwise, is on the list of the day it was removed. The
//! list of today grows. What is past the time that its feed keeps it is on the list, also a part such
//! as Parquet, and has no tombstone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Serialize;

use crate::archive::digest;
use crate::clock::{Timestamp, rfc3339_millis, utc_day};
use crate::durable::Durability;
use crate::ledger::{Erasure, Retiring, Sender};
use crate::names::{ArrivalId, Digest, FeedName, FileName};
use crate::signing::{self, Namespace, SigningKey};
use crate::zone::{Zone, ZonePath};

use super::Error;

/// What is left of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Tombstone<'e> {
    schema: &'static str,
    arrival: ArrivalId,
    feed: &'e FeedName,
    name: &'e FileName,
    sender: &'e Sender,
    size_bytes: u64,
    sha256: Digest,
    received_at: String,
    erased_at: String,
    by: &'e str,
    reason: &'e str,
    /// Files with a recorded digest that are gone.
    removed: Vec<Removed>,
    /// Sealed files that still are there, without what they quoted of it.
    blanked: &'e [Blanked],
}

/// A file that is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Removed {
    path: ZonePath,
    sha256: Digest,
}

/// A file of the archive that is another than was sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Blanked {
    path: String,
    /// What the seal of its day says.
    sealed: Digest,
    /// What it is now.
    sha256: Digest,
}

/// Signs what is left of files.
pub(super) struct Mason<'z> {
    pub zone: &'z Zone,
    pub key: SigningKey,
    pub durability: Durability,
}

impl Mason<'_> {
    /// Puts up a tombstone; one that stands stays. Answers its digest.
    ///
    /// # Errors
    /// [`Error`].
    pub fn place(
        &self,
        erasure: &Erasure,
        blanked: &[Blanked],
        now: Timestamp,
    ) -> Result<Digest, Error> {
        let arrival = &erasure.arrival;
        let path = self.zone.tombstone(arrival.id);
        if !path.exists() {
            let tombstone = Tombstone {
                schema: "landfall.tombstone/v1",
                arrival: arrival.id,
                feed: &arrival.feed,
                name: &arrival.name,
                sender: &arrival.sender,
                size_bytes: arrival.size_bytes,
                sha256: arrival.digest,
                received_at: rfc3339_millis(arrival.received_at),
                erased_at: rfc3339_millis(now),
                by: &erasure.by,
                reason: &erasure.reason,
                removed: removed(erasure).collect(),
                blanked,
            };
            // Plain data with text keys: it cannot fail to become JSON.
            let mut json = serde_json::to_vec_pretty(&tombstone).unwrap_or_default();
            json.push(b'\n');
            self.write(&path, Namespace::Tombstone, &json)?;
        }
        let text = fs::read(&path).map_err(io_error("read", &path))?;
        Ok(digest::of_bytes(&text))
    }

    /// Those of some archived files that are sealed, and are another than was sealed.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn blanked(&self, about: &[PathBuf]) -> Result<Vec<Blanked>, Error> {
        let mut blanked = Vec::new();
        for path in about {
            let below = path.strip_prefix(self.zone.archive()).unwrap_or(path);
            let day = path.file_name().and_then(|name| name.to_str()).and_then(|n| n.get(..10));
            let Some(day) = day else { continue };
            let seal = match fs::read_to_string(self.zone.seal(day)) {
                Ok(seal) => seal,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(io_error("read", &self.zone.seal(day))(error)),
            };
            let path_below = below.display().to_string();
            let mut lines = seal.lines().filter_map(|line| line.split_once("  "));
            let sealed = lines.find(|(_, name)| *name == path_below);
            let Some(sealed) = sealed.and_then(|(digest, _)| digest.parse().ok()) else { continue };
            let read = fs::File::open(path).and_then(digest::of_reader);
            let (_, sha256) = read.map_err(io_error("read", path))?;
            if sha256 != sealed {
                blanked.push(Blanked { path: path_below, sealed, sha256 });
            }
        }
        Ok(blanked)
    }

    /// Adds to the list of what was removed on the day of `at`, and signs it. A list that is not as it
    /// was signed is written anew, from what `otherwise` says of that day.
    ///
    /// # Errors
    /// [`Error`], and that of `otherwise`.
    pub fn list(
        &self,
        at: Timestamp,
        more: BTreeSet<Line>,
        otherwise: impl FnOnce() -> Result<BTreeSet<Line>, Error>,
    ) -> Result<(), Error> {
        let path = self.zone.removed(&utc_day(at));
        let mut lines = match self.signed_lines(&path)? {
            Some(lines) => lines,
            None if path.exists() => otherwise()?,
            None => BTreeSet::new(),
        };
        let known = lines.len();
        lines.extend(more);
        if known > 0 && lines.len() == known {
            return Ok(());
        }
        let line = |(name, digest): &Line| format!("{digest}  {name}\n");
        let text: String = lines.iter().map(line).collect();
        let signature = self.key.sign(Namespace::Sums, text.as_bytes())?;
        self.durability.replace_setting(&path, text.as_bytes())?;
        Ok(self.durability.replace_setting(&with_sig(&path), signature.as_bytes())?)
    }

    /// The lines of a list, if it is as this key signed it.
    fn signed_lines(&self, path: &Path) -> Result<Option<BTreeSet<Line>>, Error> {
        let read = |path: &Path| match fs::read_to_string(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error("read", path)(error)),
        };
        let (Some(text), Some(signature)) = (read(path)?, read(&with_sig(path))?) else {
            return Ok(None);
        };
        let key = self.key.public_line();
        if !signing::verify(&key, Namespace::Sums, text.as_bytes(), &signature) {
            return Ok(None);
        }
        let line = |line: &str| {
            let (digest, name) = line.split_once("  ")?;
            Some((name.to_owned(), digest.parse().ok()?))
        };
        Ok(Some(text.lines().filter_map(line).collect()))
    }

    /// Writes a text with its signature, the text last: whoever finds it finds both.
    fn write(&self, path: &Path, namespace: Namespace, text: &[u8]) -> Result<(), Error> {
        self.durability.create_folders(path.parent().unwrap_or(self.zone.root()))?;
        let signature = self.key.sign(namespace, text)?;
        // One that a crash left without its text is of another text.
        self.durability.replace_setting(&with_sig(path), signature.as_bytes())?;
        Ok(self.durability.write_new(path, text)?)
    }
}

/// A file that is gone, or another than was sealed: its name below `archive/`, and its digest.
pub(super) type Line = (String, Digest);

fn removed(erasure: &Erasure) -> impl Iterator<Item = Removed> {
    let raw = Removed { path: erasure.arrival.raw.clone(), sha256: erasure.arrival.digest };
    let files = erasure.files.iter();
    let files = files.map(|file| Removed { path: file.to.clone(), sha256: file.digest });
    std::iter::once(raw).chain(files)
}

/// What a list says of an erasure.
pub(super) fn lines_of(erasure: &Erasure) -> impl Iterator<Item = Line> {
    removed(erasure).map(|Removed { path, sha256 }| (below_archive(&path), sha256))
}

/// What a list says of a part that went: its file, if it had one.
pub(super) fn line_of_part(part: &Retiring) -> Option<Line> {
    part.file.as_ref().map(|(path, sha256)| (below_archive(path), *sha256))
}

impl Blanked {
    /// What a list says of it.
    pub(super) fn line(&self) -> Line {
        (self.path.clone(), self.sealed)
    }
}

/// The arrivals that have a tombstone.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn standing(zone: &Zone) -> Result<Vec<ArrivalId>, Error> {
    let folder = zone.tombstones();
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_error("list", &folder)(error)),
    };
    let mut ids = Vec::new();
    for entry in entries {
        let name = entry.map_err(io_error("list", &folder))?.file_name();
        let id = name.to_str().and_then(|name| name.strip_suffix(".json"));
        ids.extend(id.and_then(|id| id.parse::<ArrivalId>().ok()));
    }
    Ok(ids)
}

/// A path of the zone as lists in the archive name it.
fn below_archive(path: &ZonePath) -> String {
    match path.as_str().strip_prefix("archive/") {
        Some(below) => below.to_owned(),
        None => format!("../{path}"),
    }
}

fn with_sig(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".sig");
    PathBuf::from(name)
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { doing, path, source }
}
