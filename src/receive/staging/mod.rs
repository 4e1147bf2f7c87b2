//! Files in progress: written here, invisible to everything that follows.
//!
//! Staging lies on the archive's file system, so that taking a file is a rename. [`Staging`] knows
//! every upload in progress by its sender, feed and name, whichever session has it open, and finds
//! them again after a restart ([`Staging::recover`]). A file here that no upload claims is litter;
//! start-up removes it.
//!
//! Left out: when an upload is complete, what its sender is told, and quotas; that is the door's.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::archive::Staged;
use crate::clock::{Clock, Timestamp};
use crate::durable::{self, Durability};
use crate::ledger::{Arrival, Sender};
use crate::names::{FeedName, FileName, PartnerName};
use crate::zone::Zone;

mod buffer;
mod claim;
mod copy;
mod folders;
mod hands;
mod identity;
mod space;
mod staged_file;
mod upload;

pub use claim::{Claim, Fault, LimitKind, Limits, Snapshot, Start};
pub use copy::copy;
pub use folders::Folders;
pub use identity::Facts;
pub use space::Space;
pub use staged_file::{Base, read_full};
pub use upload::Upload;

use hands::Hands;
use identity::Identity;
use staged_file::StagedFile;

/// Creates an empty staged file that nobody else knows, open for reading and writing, mode 0600.
///
/// # Errors
/// What the system said.
pub fn create(zone: &Zone) -> io::Result<Staged> {
    use std::os::unix::fs::OpenOptionsExt;
    let path = zone.staging().join(uuid::Uuid::now_v7().to_string());
    let file =
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    Ok(Staged { file, path })
}

/// Where a partner puts its files for a feed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shelf {
    /// Whose.
    pub partner: PartnerName,
    /// For which feed.
    pub feed: FeedName,
    /// Whether they count or are only tried.
    pub area: Area,
}

impl Shelf {
    /// Who sends what is put there, as the ledger knows it.
    pub fn sender(&self) -> Sender {
        match self.area {
            Area::Real => Sender::Partner(self.partner.clone()),
            Area::Test => Sender::Test(self.partner.clone()),
        }
    }
}

/// Whether files count or are only tried.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    /// They count.
    #[default]
    Real,
    /// They are looked at in the same way, and nothing of them is handed on.
    Test,
}

/// What an upload is known by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Whose, and for which feed.
    pub shelf: Shelf,
    /// Its exact name relative to the feed.
    pub name: FileName,
}

/// A staging step that failed. The upload is to be thrown away.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be used.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A sync failed.
    #[error(transparent)]
    Durable(#[from] durable::Error),
    /// The file was handed over, or the thread at work on it panicked.
    #[error("a staged file is gone")]
    Gone,
}

impl Error {
    fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }

    /// Whether the disk, the quota or the inodes are used up.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::StorageFull
                    | io::ErrorKind::QuotaExceeded
                    | io::ErrorKind::FileTooLarge
            ),
            Self::Durable(error) => error.is_disk_full(),
            Self::Gone => false,
        }
    }
}

/// What every upload needs to know of where it lies.
#[derive(Debug)]
struct Place {
    zone: Zone,
    durability: Durability,
    clock: Clock,
    boot: String,
    /// Bytes of all uploads that are in memory.
    buffered_bytes: Arc<AtomicUsize>,
    hands: Hands,
    space: Arc<Space>,
}

/// What start-up found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Uploads that can be resumed or renamed.
    pub uploads: u64,
    /// Files that nobody claims and that were removed.
    pub removed: u64,
}

/// Every upload in progress. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Staging(Arc<Registry>);

#[derive(Debug)]
struct Registry {
    place: Arc<Place>,
    uploads: Mutex<BTreeMap<Key, Arc<Upload>>>,
    used: Mutex<HashMap<PartnerName, Arc<AtomicU64>>>,
    folders: Folders,
}

/// Whether an upload of the name that an arrival has is in progress. It may have begun from the
/// arrival's bytes.
///
/// # Errors
/// When the staging folder cannot be read.
pub fn is_in_progress(zone: &Zone, arrival: &Arrival) -> io::Result<bool> {
    let entries = match fs::read_dir(zone.staging()) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let key = Identity::read(&entry?.path()).map(|identity| identity.key);
        if key.is_some_and(|key| {
            key.name == arrival.name
                && key.shelf.feed == arrival.feed
                && key.shelf.sender() == arrival.sender
        }) {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Staging {
    /// Finds the uploads of a zone again and removes litter. To be called once, before any door
    /// opens.
    ///
    /// # Errors
    /// When the staging folder cannot be made or read.
    pub fn recover(
        zone: &Zone,
        durability: Durability,
        clock: Clock,
    ) -> Result<(Self, Recovered), Error> {
        let folder = zone.staging();
        durability.create_folders(&folder)?;
        let place = Arc::new(Place {
            zone: zone.clone(),
            durability,
            clock,
            boot: identity::this_boot(),
            buffered_bytes: Arc::default(),
            hands: Hands::new(),
            space: Arc::new(Space::new(folder.clone())),
        });
        let staging = Self(Arc::new(Registry {
            place,
            uploads: Mutex::default(),
            used: Mutex::default(),
            folders: Folders::default(),
        }));
        let mut recovered = Recovered::default();
        let entries = fs::read_dir(&folder).map_err(|e| Error::io("list", &folder, e))?;
        for entry in entries {
            let path = entry.map_err(|e| Error::io("list", &folder, e))?.path();
            if staging.adopt(&path)? {
                recovered.uploads += 1;
            } else {
                durable::remove_quietly(&path);
                recovered.removed += 1;
            }
        }
        Ok((staging, recovered))
    }

    /// The upload of this name, if there is one.
    pub fn find(&self, key: &Key) -> Option<Arc<Upload>> {
        lock(&self.0.uploads).get(key).cloned()
    }

    /// The upload of this name; a new one if there is none.
    pub fn find_or_begin(&self, key: &Key) -> Arc<Upload> {
        let used = self.used_bytes(&key.shelf.partner);
        let mut uploads = lock(&self.0.uploads);
        let begin = || Arc::new(Upload::new(Arc::clone(&self.0.place), key.clone(), used));
        Arc::clone(uploads.entry(key.clone()).or_insert_with(begin))
    }

    /// The uploads to a shelf, by name.
    pub fn uploads_of(&self, shelf: &Shelf) -> Vec<Snapshot> {
        let uploads = lock(&self.0.uploads);
        let theirs = uploads.iter().filter(|(key, _)| key.shelf == *shelf);
        theirs.filter_map(|(_, upload)| upload.snapshot()).collect()
    }

    /// Every upload that no handle is open on.
    pub fn resting(&self) -> Vec<(Arc<Upload>, Snapshot)> {
        let uploads: Vec<_> = lock(&self.0.uploads).values().cloned().collect();
        let known = uploads.into_iter().filter_map(|upload| {
            let snapshot = upload.snapshot()?;
            Some((upload, snapshot))
        });
        known.filter(|(_, snapshot)| !snapshot.is_open).collect()
    }

    /// How many bytes a partner has in progress.
    pub fn used_bytes(&self, partner: &PartnerName) -> Arc<AtomicU64> {
        Arc::clone(lock(&self.0.used).entry(partner.clone()).or_default())
    }

    /// Ends an upload that was settled or given up; what is still on disk is removed.
    pub fn end(&self, upload: &Arc<Upload>) {
        let key = upload.snapshot().map(|snapshot| snapshot.key);
        upload.close_for_good();
        if let Some(key) = key {
            self.forget(&key, upload);
        }
    }

    /// Gives an upload another name, which no upload has. Hold its turn.
    ///
    /// # Errors
    /// [`Fault::Fenced`] when the name is taken or the upload has ended; [`Fault::Broken`].
    pub fn rename(&self, upload: &Arc<Upload>, to: Key) -> Result<(), Fault> {
        let from = upload.snapshot().ok_or(Fault::Fenced)?.key;
        {
            let mut uploads = lock(&self.0.uploads);
            if uploads.contains_key(&to) {
                return Err(Fault::Fenced);
            }
            uploads.insert(to.clone(), Arc::clone(upload));
        }
        self.forget(&from, upload);
        upload.rename(to)
    }

    /// The room on the disk that uploads lie on.
    pub fn space(&self) -> &Arc<Space> {
        &self.0.place.space
    }

    /// The virtual subfolders of every partner.
    pub fn folders(&self) -> &Folders {
        &self.0.folders
    }

    fn forget(&self, key: &Key, upload: &Arc<Upload>) {
        let mut uploads = lock(&self.0.uploads);
        if uploads.get(key).is_some_and(|known| Arc::ptr_eq(known, upload)) {
            uploads.remove(key);
        }
    }

    /// Takes a found file up again if it says whose it is.
    fn adopt(&self, path: &Path) -> Result<bool, Error> {
        let Some(mut identity) = Identity::read(path) else { return Ok(false) };
        // An upload that was about to be archived may be protected already.
        let file = fs::set_permissions(path, Permissions::from_mode(0o600))
            .and_then(|()| OpenOptions::new().read(true).write(true).open(path));
        let file = file.map_err(|e| Error::io("open", path, e))?;
        let metadata = file.metadata().map_err(|e| Error::io("look at", path, e))?;
        // A second link is a raw object whose publication was cut off: it must not be changed. A
        // second file of one name is left over from an upload that was given up.
        if metadata.nlink() > 1 || lock(&self.0.uploads).contains_key(&identity.key) {
            return Ok(false);
        }
        let size_bytes = self.trusted_bytes(&identity, &file, metadata.len(), path)?;
        let key = identity.key.clone();
        identity.synced_bytes = identity.synced_bytes.min(size_bytes);
        let touched_at = modified_at(&metadata).unwrap_or_else(|| self.0.place.clock.now());
        let about = (key.clone(), identity.facts, touched_at);
        let place = Arc::clone(&self.0.place);
        let staged = Staged { file, path: path.to_owned() };
        let file = StagedFile::found(Arc::clone(&place), staged, identity, size_bytes);
        let upload = Upload::found(place, self.used_bytes(&key.shelf.partner), about, file);
        if !key.name.subfolder().is_empty() {
            self.0.folders.add(&key.shelf, key.name.subfolder());
        }
        lock(&self.0.uploads).insert(key, Arc::new(upload));
        Ok(true)
    }

    /// After another boot only synced bytes are sure to be what was written: the rest may be zeros.
    fn trusted_bytes(
        &self,
        identity: &Identity,
        file: &File,
        size_bytes: u64,
        path: &Path,
    ) -> Result<u64, Error> {
        let same_boot = !identity.boot.is_empty() && identity.boot == self.0.place.boot;
        if same_boot || identity.synced_bytes >= size_bytes {
            return Ok(size_bytes);
        }
        file.set_len(identity.synced_bytes).map_err(|e| Error::io("resize", path, e))?;
        Ok(identity.synced_bytes)
    }
}

fn modified_at(metadata: &fs::Metadata) -> Option<Timestamp> {
    Timestamp::try_from(metadata.modified().ok()?).ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
