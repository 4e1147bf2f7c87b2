//! What the demo sends, to which feed, through which door.

use std::path::{Path, PathBuf};

use super::orders::Orders;
use crate::archive::digest;
use crate::config::Config;
use crate::diagnostic::{Code, Diagnostic};
use crate::names::{Digest, FeedName, FileName};
use crate::ops::default_zone;
use crate::zone::Zone;

/// Through which door a file goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Door {
    Sftp,
    /// The drop folder.
    Inbox(PathBuf),
}

/// One file on its way.
#[derive(Debug, Clone)]
pub(super) struct Parcel {
    pub(super) path: PathBuf,
    pub(super) feed: FeedName,
    pub(super) name: FileName,
    pub(super) digest: Digest,
    pub(super) door: Door,
}

impl Parcel {
    /// Those that go over SFTP, and those that are dropped.
    pub(super) fn by_door(parcels: &[Self]) -> (Vec<Self>, Vec<Self>) {
        parcels.iter().cloned().partition(|parcel| parcel.door == Door::Sftp)
    }
}

/// The samples: file, the feed it is made for, whether it is dropped into the inbox.
const SAMPLES: [(&str, &str, bool); 6] = [
    ("orders.csv", "orders", false),
    ("kunden.csv", "customers", false),
    ("terms.pdf", "misc", false),
    ("parcels.tsv", "shipments", false),
    ("budget.xlsx", "budget", true),
    ("orders.csv", "orders", true),
];

/// Everything that is sent, with its digest. A sample whose feed this zone does not have goes to
/// the first feed that takes its name.
pub(super) fn parcels(
    zone: &Zone,
    config: &Config,
    made: &Orders,
    folder: &Path,
) -> Result<Vec<Parcel>, Diagnostic> {
    let mut parcels = vec![parcel(config, &made.path, "orders", false)?];
    for (name, feed, dropped) in SAMPLES {
        let path = sample(zone, folder, name)?;
        parcels.push(parcel(config, &path, feed, dropped)?);
    }
    Ok(parcels)
}

fn parcel(config: &Config, path: &Path, feed: &str, drop: bool) -> Result<Parcel, Diagnostic> {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Diagnostic::error(Code::Z105, format!("{} cannot be read", path.display())).caused_by(error)
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let name: FileName = name.parse().map_err(|e: crate::names::Error| failed(&e))?;
    let takes = |feed: &&FeedName| config.feed_takes(feed, &name);
    let meant = config.feeds.keys().filter(takes).find(|known| known.as_str() == feed);
    let feed = meant.or_else(|| config.feeds.keys().find(takes)).ok_or_else(|| {
        Diagnostic::error(Code::Z104, format!("this zone has no feed that takes {name}"))
            .hint("The demo is made for the default zone: `landfall init DIR` makes one.")
    })?;
    let file = std::fs::File::open(path).map_err(|e| failed(&e))?;
    let (_, digest) = digest::of_reader(file).map_err(|e| failed(&e))?;
    let inbox = config.folders.values().find(|folder| folder.feed == *feed);
    let door = match inbox {
        Some(inbox) if drop => Door::Inbox(inbox.path.clone()),
        Some(_) | None => Door::Sftp,
    };
    Ok(Parcel { path: path.to_owned(), feed: feed.clone(), name, digest, door })
}

/// The zone's own sample, or the program's when the zone has none.
fn sample(zone: &Zone, folder: &Path, name: &str) -> Result<PathBuf, Diagnostic> {
    let own = zone.samples().join(name);
    if own.is_file() {
        return Ok(own);
    }
    let content = default_zone::samples().find(|(known, _)| *known == name);
    let copy = folder.join(name);
    let (_, content) = content.unwrap_or_default();
    std::fs::write(&copy, content).map_err(|error| {
        Diagnostic::error(Code::Z105, format!("{} cannot be written", copy.display()))
            .caused_by(&error)
    })?;
    Ok(copy)
}
