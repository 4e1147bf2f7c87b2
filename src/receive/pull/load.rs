//! What one run of a pull brought, from the command's end until all of it is recorded.
//!
//! The folder `work` below the pull's own in `.landfall/pulls` is the command's; when it ended well
//! it is synced, told of in `run.json` and renamed to `ready`. From then on the run is sure: it is
//! delivered after any crash, and files that were taken before it are known by the run's id and their
//! place in it. What a command left that did not end well is removed at once: nothing of it is taken.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::config::Pull;
use crate::durable::{self, Durability};
use crate::ledger::{Arrival, Pulled};
use crate::names::{self, FeedName, FileName, PullName};
use crate::receive::Refusal;
use crate::zone::Zone;

/// Files that one run may leave.
const FILES_MAX: usize = 1000;
/// Bytes of a watermark.
const WATERMARK_BYTES_MAX: u64 = 4 << 10;

/// A run's files could not be taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The folder of the pull failed.
    #[error("cannot {doing} {}", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A durable step failed.
    #[error(transparent)]
    Durable(#[from] durable::Error),
    /// A name that no file can land under.
    #[error("the command left a file whose name is refused")]
    Name(#[source] names::Error),
    /// The command left something that cannot be taken; nothing of the run is.
    #[error("the command left {0}")]
    Unfit(String),
    /// What the folder says of the run cannot be read.
    #[error("{} cannot be read; remove its folder to fetch anew", path.display())]
    Damaged {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    /// The run's end could not be recorded; it is offered again.
    #[error("the run could not be recorded")]
    Unrecorded(#[source] Refusal),
    /// The intake refused a file; the run is kept and offered again.
    #[error("`{name}` was fetched and could not be stored; it is kept and tried again")]
    Refused {
        name: FileName,
        #[source]
        source: Refusal,
    },
}

impl Error {
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }
}

/// Where a pull's runs lie.
pub(super) struct Place {
    root: PathBuf,
}

impl Place {
    pub(super) fn of(zone: &Zone, pull: &PullName) -> Self {
        Self { root: zone.pull(pull) }
    }

    /// What the command writes into while it runs.
    pub(super) fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    /// A run that ended well.
    pub(super) fn ready(&self) -> PathBuf {
        self.root.join("ready")
    }

    /// The command's own folder for files.
    pub(super) fn files(&self) -> PathBuf {
        self.work().join("files")
    }

    /// Where the command says how far it came.
    pub(super) fn watermark(&self) -> PathBuf {
        self.work().join("watermark")
    }

    /// Makes the folders anew, without what a run that failed left, and a file for what is printed.
    pub(super) fn empty(&self, durability: Durability) -> Result<File, Error> {
        remove(&self.work())?;
        durability.create_folders(&self.root)?;
        for folder in [self.work(), self.files()] {
            let made = fs::DirBuilder::new().mode(0o700).create(&folder);
            made.map_err(Error::io("create", &folder))?;
        }
        let path = self.work().join("output");
        let output = File::options().write(true).create_new(true).mode(0o600).open(&path);
        output.map_err(Error::io("create", &path))
    }
}

/// The pulls that have a folder, configured or not.
pub(super) fn with_a_folder(zone: &Zone) -> Result<Vec<PullName>, Error> {
    let pulls = zone.pulls();
    let entries = match fs::read_dir(&pulls) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("list", &pulls)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(Error::io("list", &pulls))?.file_name();
        names.extend(name.to_str().and_then(|name| name.parse::<PullName>().ok()));
    }
    Ok(names)
}

/// Removes what a run that is not delivered to its end still has of an arrival, and makes that durable;
/// how many files.
pub(super) fn take_out(zone: &Zone, pull: &PullName, arrival: &Arrival) -> Result<u64, Error> {
    let place = Place::of(zone, pull);
    let Some(load) = find(&place)? else { return Ok(0) };
    let is_it = |at: usize| arrival.fingerprint.as_deref() == Some(load.mark(at).as_str());
    let Some((_, item)) = load.files.iter().enumerate().find(|(at, _)| is_it(*at)) else {
        return Ok(0);
    };
    let path = item.path(&place.ready());
    let removed = match fs::remove_file(&path) {
        Ok(()) => 1,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(Error::io("remove", &path)(error)),
    };
    if let Some(folder) = path.parent().filter(|folder| folder.exists()) {
        Durability::Full.sync_folder(folder)?;
    }
    Ok(removed)
}

/// Whether a run waits to be delivered.
pub(super) fn is_there(zone: &Zone, pull: &PullName) -> bool {
    Place::of(zone, pull).ready().exists()
}

/// The run that waits to be delivered.
pub(super) fn find(place: &Place) -> Result<Option<Load>, Error> {
    let path = place.ready().join("run.json");
    match fs::read(&path) {
        Ok(text) => {
            let load = serde_json::from_slice(&text);
            load.map(Some).map_err(|source| Error::Damaged { path, source })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", &path)(error)),
    }
}

/// What a run brought: `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Load {
    pub run: String,
    began_at: Timestamp,
    pub feed: FeedName,
    watermark: Option<String>,
    /// Who asked for it, if somebody did.
    pub by: Option<String>,
    pub files: Vec<Item>,
}

/// A file of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Item {
    pub name: FileName,
    from: Origin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Origin {
    /// It was printed.
    Printed,
    /// It was left in the folder.
    Folder,
}

impl Item {
    /// Where it lies.
    pub(super) fn path(&self, below: &Path) -> PathBuf {
        match self.from {
            Origin::Printed => below.join("output"),
            Origin::Folder => below.join("files").join(OsStr::from_bytes(self.name.as_bytes())),
        }
    }
}

impl Load {
    /// What a command that ended well left, in the order of names, what it printed first.
    pub(super) fn gather(
        place: &Place,
        pull: &Pull,
        (run, began_at): (String, Timestamp),
        by: Option<String>,
    ) -> Result<Self, Error> {
        let output = place.work().join("output");
        let printed = fs::metadata(&output).map_err(Error::io("read", &output))?.len();
        let mut files = left_in(&place.files(), pull.bytes_max.saturating_sub(printed))?;
        if printed > 0 {
            let name = pull.file_name(began_at).map_err(Error::Name)?;
            if files.iter().any(|left| left.name == name) {
                return Err(Error::Unfit(format!("`{name}` and printed a file of that name too")));
            }
            files.insert(0, Item { name, from: Origin::Printed });
        }
        let watermark = read_watermark(&place.watermark())?;
        Ok(Self { run, began_at, feed: pull.feed.clone(), watermark, by, files })
    }

    /// Syncs all of it and gives it its final name. From then on it is delivered.
    pub(super) fn make_durable(&self, place: &Place, durability: Durability) -> Result<(), Error> {
        let work = place.work();
        if self.files.is_empty() {
            return Ok(());
        }
        for item in &self.files {
            let path = item.path(&work);
            let file = File::open(&path).map_err(Error::io("open", &path))?;
            durability.sync_file(&file, &path)?;
        }
        durability.sync_folder(&place.files())?;
        // Plain data with text keys: it cannot fail to become JSON.
        let text = serde_json::to_vec(self).unwrap_or_default();
        durability.write_new(&work.join("run.json"), &text)?;
        Ok(durability.publish_new(&work, &place.ready())?)
    }

    /// What tells a file of this run from every other: the fingerprint of its arrival.
    pub(super) fn mark(&self, at: usize) -> String {
        format!("{}/{at}", self.run)
    }

    /// The run as the ledger keeps it.
    pub(super) fn done(&self, pull: &PullName) -> Pulled {
        Pulled {
            pull: pull.clone(),
            feed: self.feed.clone(),
            run: self.run.clone(),
            began_at: self.began_at,
            files: self.files.len() as u64,
            watermark: self.watermark.clone(),
        }
    }
}

/// The files that a command left in its folder, by name.
fn left_in(folder: &Path, mut bytes_left: u64) -> Result<Vec<Item>, Error> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let entry = entry.map_err(Error::io("list", folder))?;
        let metadata = entry.metadata().map_err(Error::io("read", &entry.path()))?;
        let name = FileName::new(entry.file_name().into_vec()).map_err(Error::Name)?;
        if !metadata.is_file() {
            return Err(Error::Unfit(format!("`{name}`, which is not a regular file")));
        }
        if name.is_temporary() {
            return Err(Error::Unfit(format!("`{name}`, whose name says that it is not whole")));
        }
        let left = bytes_left.checked_sub(metadata.size());
        bytes_left = left.ok_or_else(|| Error::Unfit("more than `max_bytes`".to_owned()))?;
        files.push(Item { name, from: Origin::Folder });
        if files.len() > FILES_MAX {
            return Err(Error::Unfit(format!("more than {FILES_MAX} files")));
        }
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(files)
}

/// What the command says of how far it came; `None` when it said nothing.
fn read_watermark(path: &Path) -> Result<Option<String>, Error> {
    let mut text = String::new();
    let read = match File::open(path) {
        Ok(file) => file.take(WATERMARK_BYTES_MAX + 1).read_to_string(&mut text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(error),
    };
    if read.map_err(Error::io("read", path))? as u64 > WATERMARK_BYTES_MAX {
        return Err(Error::Unfit("a watermark of more than 4 KiB".to_owned()));
    }
    let text = text.trim();
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// Removes a folder of ours with all that is in it, if it is there.
pub(super) fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove", folder)(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
