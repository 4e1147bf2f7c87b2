//! A zone's folder tree: every path is built here.
//!
//! ```text
//! landfall.toml  partners/<name>.toml  contracts/<feed>.toml  samples/  inbox/<feed>/
//! .landfall/     staging/ converted/ keys/ ledger.db control.sock lock
//! archive/<feed>/2026/11/22/<arrival id>_<safe name>
//! archive/_events/<log id>/2026-11-22.jsonl  archive/_erased/<arrival id>.json
//! lake/<feed>/v1/lf_date=2026-11-22/<batch id>-0000.parquet
//! lake/<feed>/_manifests/<sequence>.json
//! rejects/<feed>/…   retracted/<feed>/…
//! ```
//!
//! A [`ZonePath`] is relative to the zone and made of parts this module chose, so that the ledger
//! and manifests stay true when a zone moves. No name of a sender ever becomes part of one
//! unescaped ([`FileName::safe`]).

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::clock::{Timestamp, utc_day};
use crate::names::{ArrivalId, BatchId, Digest, FeedName, FileName, PartnerName, PullName};

/// The column that the folders of published files are named by, the UTC day of receipt: readers that
/// know folders of this form (Hive's) add it, in place of a column of the file that has its name.
pub const DAY_COLUMN: &str = "lf_date";

/// A path below the zone, with `/` between its parts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ZonePath(String);

impl ZonePath {
    /// Reads a path back that was stored before; see [`Zone::resolve`] for the check.
    pub fn stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// All but the last part; empty when there is one part.
    pub fn folder(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// The last part.
    pub fn base(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl fmt::Display for ZonePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One landing zone on disk. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    root: PathBuf,
}

impl Zone {
    /// The zone at `root`, which should be absolute.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The zone's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `landfall.toml`.
    pub fn config_file(&self) -> PathBuf {
        self.root.join("landfall.toml")
    }

    /// `partners/`.
    pub fn partners(&self) -> PathBuf {
        self.root.join("partners")
    }

    /// `partners/<name>.toml`.
    pub fn partner_file(&self, partner: &PartnerName) -> PathBuf {
        self.partners().join(format!("{partner}.toml"))
    }

    /// `contracts/`.
    pub fn contracts(&self) -> PathBuf {
        self.root.join("contracts")
    }

    /// `contracts/<feed>.toml`.
    pub fn contract_file(&self, feed: &FeedName) -> PathBuf {
        self.contracts().join(format!("{feed}.toml"))
    }

    /// `samples/`.
    pub fn samples(&self) -> PathBuf {
        self.root.join("samples")
    }

    /// `inbox/<feed>/`, the drop folder of a feed that names no other.
    pub fn inbox(&self, feed: &FeedName) -> PathBuf {
        self.root.join("inbox").join(feed.as_str())
    }

    /// `.landfall/`, what the zone needs at run time.
    pub fn run_time(&self) -> PathBuf {
        self.root.join(".landfall")
    }

    /// `.landfall/staging/`, uploads in progress. On the archive's file system.
    pub fn staging(&self) -> PathBuf {
        self.run_time().join("staging")
    }

    /// `.landfall/pulls/`.
    pub fn pulls(&self) -> PathBuf {
        self.run_time().join("pulls")
    }

    /// `.landfall/pulls/<name>/`, what a pull fetches until it is taken. On the archive's file system.
    pub fn pull(&self, pull: &PullName) -> PathBuf {
        self.pulls().join(pull.as_str())
    }

    /// `.landfall/converted/`, converter output that no batch has published. On the lake's file
    /// system.
    pub fn converted(&self) -> PathBuf {
        self.run_time().join("converted")
    }

    /// `.landfall/keys/`, host keys.
    pub fn keys(&self) -> PathBuf {
        self.run_time().join("keys")
    }

    /// `.landfall/keys/receipt`, the key that signs receipts and checkpoints.
    pub fn receipt_key(&self) -> PathBuf {
        self.keys().join("receipt")
    }

    /// `.landfall/penalties.json`, the addresses that are turned away.
    pub fn penalties_file(&self) -> PathBuf {
        self.run_time().join("penalties.json")
    }

    /// `.landfall/ledger.db`.
    pub fn ledger_file(&self) -> PathBuf {
        self.run_time().join("ledger.db")
    }

    /// `.landfall/control.sock`.
    pub fn control_socket(&self) -> PathBuf {
        self.run_time().join("control.sock")
    }

    /// `.landfall/lock`, held by the one process that may write.
    pub fn lock_file(&self) -> PathBuf {
        self.run_time().join("lock")
    }

    /// `archive/`.
    pub fn archive(&self) -> PathBuf {
        self.root.join("archive")
    }

    /// `archive/_config/<digest>.toml`, where the text of every configuration is kept.
    pub fn kept_config(&self, digest: &Digest) -> PathBuf {
        self.archive().join("_config").join(format!("{digest}.toml"))
    }

    /// `archive/SHA256SUMS-2026-11-22`, what the archive took on a day.
    pub fn seal(&self, day: &str) -> PathBuf {
        self.archive().join(format!("SHA256SUMS-{day}"))
    }

    /// `archive/_erased/`, the tombstones of what was erased.
    pub fn tombstones(&self) -> PathBuf {
        self.archive().join("_erased")
    }

    /// `archive/_erased/<arrival id>.json`.
    pub fn tombstone(&self, id: ArrivalId) -> PathBuf {
        self.tombstones().join(format!("{id}.json"))
    }

    /// `archive/REMOVED-2026-11-22`, what was removed from the zone on a day.
    pub fn removed(&self, day: &str) -> PathBuf {
        self.archive().join(format!("REMOVED-{day}"))
    }

    /// `.landfall/damaged/`, damaged files that were mended from a copy.
    pub fn damaged(&self) -> PathBuf {
        self.run_time().join("damaged")
    }

    /// `archive/_events/`, the events of every log.
    pub fn all_events(&self) -> PathBuf {
        self.archive().join("_events")
    }

    /// `archive/_events/<log id>/`, the events and checkpoints of one log.
    pub fn events(&self, log: &str) -> PathBuf {
        self.all_events().join(log)
    }

    /// `lake/`.
    pub fn lake(&self) -> PathBuf {
        self.root.join("lake")
    }

    /// `lake/<feed>/_manifests/`.
    pub fn manifests(&self, feed: &FeedName) -> PathBuf {
        self.lake().join(feed.as_str()).join("_manifests")
    }

    /// Where a raw object lies: by feed and UTC day of receipt.
    pub fn raw_path(feed: &FeedName, at: Timestamp, id: ArrivalId, name: &FileName) -> ZonePath {
        let day = utc_day(at).replace('-', "/");
        ZonePath(format!("archive/{feed}/{day}/{id}_{}", name.safe()))
    }

    /// Where conversion output waits for its batch: `.landfall/converted/<arrival id>.<suffix>`.
    pub fn converted_path(id: ArrivalId, suffix: &str) -> ZonePath {
        ZonePath(format!(".landfall/converted/{id}.{suffix}"))
    }

    /// Whether this is a place of conversion output, which no reader knows.
    pub fn is_converted(path: &ZonePath) -> bool {
        path.0.starts_with(".landfall/converted/")
    }

    /// Where a merged file waits for its batch to be published: as it will be called in the lake.
    pub fn merged_path(published: &ZonePath) -> ZonePath {
        ZonePath(format!(".landfall/converted/{}", published.base()))
    }

    /// Where part `ordinal` of a batch is published that has rows of a lake file: beside it.
    pub fn beside(published: &ZonePath, batch: BatchId, ordinal: usize) -> ZonePath {
        let folder = published.0.rsplit_once('/').map_or("lake", |(folder, _)| folder);
        ZonePath(format!("{folder}/{batch}-{ordinal:04}.parquet"))
    }

    /// Where a part of what should have been one lake file is published: beside it.
    pub fn apart(published: &ZonePath, part: usize) -> ZonePath {
        let stem = published.0.strip_suffix(".parquet").unwrap_or(&published.0);
        ZonePath(format!("{stem}-{part:04}.parquet"))
    }

    /// Where part `ordinal` of a batch is published. `day` is the UTC day of the arrival's receipt.
    pub fn lake_path(
        feed: &FeedName,
        version: u32,
        day: &str,
        batch: BatchId,
        ordinal: usize,
    ) -> ZonePath {
        ZonePath(format!("lake/{feed}/v{version}/{DAY_COLUMN}={day}/{batch}-{ordinal:04}.parquet"))
    }

    /// Where the rejects of part `ordinal` of a batch are published.
    pub fn rejects_path(feed: &FeedName, day: &str, batch: BatchId, ordinal: usize) -> ZonePath {
        ZonePath(format!("rejects/{feed}/{DAY_COLUMN}={day}/{batch}-{ordinal:04}.parquet"))
    }

    /// Where a retracted lake file is kept, or the rejects beside it.
    pub fn retracted_path(published: &ZonePath) -> ZonePath {
        let below = published.0.strip_prefix("lake/").unwrap_or(&published.0);
        ZonePath(format!("retracted/{below}"))
    }

    /// Where the manifest of a batch is published; this publication is the batch's commit.
    pub fn manifest_path(feed: &FeedName, sequence: u64) -> ZonePath {
        ZonePath(format!("lake/{feed}/_manifests/{sequence:010}.json"))
    }

    /// The absolute path of a [`ZonePath`]; `None` when a stored path would leave the zone.
    pub fn resolve(&self, path: &ZonePath) -> Option<PathBuf> {
        let inside = path.0.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
        inside.then(|| self.root.join(&path.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_objects_lie_by_feed_and_day() {
        let at: Timestamp = "2026-11-22T23:59:59Z".parse().expect("a time");
        let id: ArrivalId = "019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10".parse().expect("an id");
        let name: FileName = "eu/a b.csv".parse().expect("a name");
        let feed: FeedName = "orders".parse().expect("a feed");
        assert_eq!(
            Zone::raw_path(&feed, at, id, &name).as_str(),
            "archive/orders/2026/11/22/019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10_a_b.csv"
        );
    }

    #[test]
    fn a_stored_path_cannot_leave_the_zone() {
        let zone = Zone::new("/zone");
        for bad in ["../x", "/etc/passwd", "a//b", "a/./b", ""] {
            assert_eq!(zone.resolve(&ZonePath::stored(bad)), None, "{bad}");
        }
        assert_eq!(zone.resolve(&ZonePath::stored("a/b")), Some(PathBuf::from("/zone/a/b")));
    }
}
