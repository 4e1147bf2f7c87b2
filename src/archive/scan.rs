//! Finding raw objects by day, for start-up.

use std::io;
use std::path::{Path, PathBuf};

use crate::names::{ArrivalId, FeedName};
use crate::zone::ZonePath;

use super::{Archive, Error};

/// A raw object as its place and name tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The feed whose folder it lies in.
    pub feed: FeedName,
    /// Its arrival.
    pub id: ArrivalId,
    /// Where it lies.
    pub path: ZonePath,
}

impl Archive {
    /// The raw objects whose UTC day of receipt is `day` or later (`2026-11-22`), oldest first. No
    /// older folder is even listed. What is not a raw object is left out.
    ///
    /// # Errors
    /// [`Error::Io`] when a folder cannot be listed.
    pub fn objects_since(&self, day: &str) -> Result<Vec<Found>, Error> {
        let mut found = Vec::new();
        let archive = self.zone().archive();
        for (feed, folder) in folders(&archive)? {
            // `_events`, `_config` and whatever else is there are no feeds.
            let Ok(feed) = feed.parse::<FeedName>() else { continue };
            for days in days_since(&folder, day)? {
                found.extend(objects(&feed, &days)?);
            }
        }
        found.sort_by_key(|object| object.id);
        Ok(found)
    }
}

/// A day's folder, and its path below the feed's: `2026/11/22`.
struct Day {
    below: String,
    folder: PathBuf,
}

/// The folders of `year/month/day` from `since` on.
fn days_since(feed: &Path, since: &str) -> Result<Vec<Day>, Error> {
    let mut level = vec![Day { below: String::new(), folder: feed.to_owned() }];
    // Year, month and day are the first 4, 7 and 10 characters of the date.
    for length in [4, 7, 10] {
        let first = since.get(..length).unwrap_or(since).replace('-', "/");
        let mut deeper = Vec::new();
        for Day { below, folder } in level {
            for (name, folder) in folders(&folder)? {
                let below = if below.is_empty() { name } else { format!("{below}/{name}") };
                if below >= first {
                    deeper.push(Day { below, folder });
                }
            }
        }
        level = deeper;
    }
    Ok(level)
}

fn objects(feed: &FeedName, day: &Day) -> Result<Vec<Found>, Error> {
    let object = |(name, is_folder): (String, bool)| {
        let id = name.split_once('_').and_then(|(id, _)| id.parse().ok());
        let path = ZonePath::stored(format!("archive/{feed}/{}/{name}", day.below));
        id.filter(|_| !is_folder).map(|id| Found { feed: feed.clone(), id, path })
    };
    Ok(entries(&day.folder)?.into_iter().filter_map(object).collect())
}

fn folders(folder: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let all = entries(folder)?.into_iter().filter(|(_, is_folder)| *is_folder);
    Ok(all.map(|(name, _)| (name.clone(), folder.join(name))).collect())
}

/// The names in a folder that are text, and whether each is a folder. No folder, no names.
fn entries(folder: &Path) -> Result<Vec<(String, bool)>, Error> {
    let failed = |source| Error::Io { doing: "list", path: folder.to_owned(), source };
    let listed = match std::fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in listed {
        let entry = entry.map_err(failed)?;
        let is_folder = entry.file_type().map_err(failed)?.is_dir();
        names.extend(entry.file_name().into_string().ok().map(|name| (name, is_folder)));
    }
    Ok(names)
}
