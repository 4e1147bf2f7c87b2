//! A day that has ended, sealed: the digests of all that the archive took in it, signed.
//!
//! `archive/SHA256SUMS-<day>` lists the raw objects whose receipt was recorded that day (UTC) and the
//! day's own files of events, so that `cd archive && sha256sum -c --ignore-missing SHA256SUMS-<day>`
//! checks them without landfall. The signature beside it is in the namespace `landfall-sums`. A day is
//! listed by when its events were archived, so that none is between two days.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use crate::archive::digest;
use crate::durable::Durability;
use crate::ledger::{Event, Ledger, Recorded};
use crate::names::Digest;
use crate::signing::{Namespace, SigningKey};
use crate::zone::Zone;

use super::Error;
use super::segments::{self, doing};

/// What was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sealed {
    pub day: String,
    /// Raw objects.
    pub files: u64,
    /// The digest of the list.
    pub digest: Digest,
}

/// The days of a log before `open` that have no seal.
pub(super) fn due(zone: &Zone, log: &str, open: &str) -> Result<Vec<String>, Error> {
    let days = segments::days(&zone.events(log))?;
    let due = |day: &String| day.as_str() < open && !zone.seal(day).exists();
    Ok(days.into_iter().filter(due).collect())
}

/// Seals a day that has ended. A seal that is there stays.
pub(super) fn seal(
    zone: &Zone,
    (log, day): (&str, &str),
    ledger: &dyn Ledger,
    key: &SigningKey,
    durability: Durability,
) -> Result<Sealed, Error> {
    let folder = zone.events(log);
    let mut sums = BTreeMap::new();
    let mut files = 0;
    for line in segments::lines(&segments::events_file(&folder, day))? {
        let Ok(told) = serde_json::from_slice::<Recorded>(&line?) else { continue };
        if let (Event::Received { digest, .. }, Some(id)) = (&told.event, told.arrival)
            && let Some(arrival) = ledger.arrival(id)?
        {
            let path = arrival.raw.as_str();
            let below = path.strip_prefix("archive/").unwrap_or(path).to_owned();
            sums.insert(below, *digest);
            files += 1;
        }
    }
    let own = [
        segments::events_file(&folder, day),
        segments::rows_file(&folder, day),
        segments::checkpoints_file(&folder, day),
    ];
    for path in own.iter().filter(|path| path.exists()) {
        let (_, digest) =
            File::open(path).and_then(digest::of_reader).map_err(doing("read", path))?;
        sums.insert(below(&zone.archive(), path), digest);
    }
    let text: String = sums.iter().map(|(path, digest)| format!("{digest}  {path}\n")).collect();
    let signature = key.sign(Namespace::Sums, text.as_bytes())?;
    let list = zone.seal(day);
    let mut beside = list.clone().into_os_string();
    beside.push(".sig");
    // The list last: a day whose list is there is sealed. A signature without one is of a list that a
    // crash kept from being written, and that an erasure since may have made another.
    if !list.exists() {
        durability.replace_setting(Path::new(&beside), signature.as_bytes())?;
        match durability.write_new(&list, text.as_bytes()) {
            Err(error) if !error.is_name_taken() => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(Sealed { day: day.to_owned(), files, digest: digest::of_bytes(text.as_bytes()) })
}

fn below(archive: &Path, path: &Path) -> String {
    path.strip_prefix(archive).unwrap_or(path).display().to_string()
}
