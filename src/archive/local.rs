//! The archive on a local file system.
//!
//! [`Archive::store`] is the write protocol of [`crate::durable`] with the identity set before the
//! sync; the folder's sync, which follows, makes the attribute durable too. Many callers store at
//! once; day folders known to be on the disk are remembered, so that the hot path does not sync again.
//!
//! Left out: reading a range.

use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use crate::durable::{self, Durability, Folders};
use crate::ledger::Arrival;
use crate::names::Digest;
use crate::zone::{Zone, ZonePath};

use super::{Error, Identity, RawObject, Staged, digest};

/// The extended attribute that holds an [`Identity`] as JSON.
pub const IDENTITY_ATTRIBUTE: &str = "user.landfall";

/// Bytes of an identity that are read back; Linux allows an attribute at most 64 KiB.
const IDENTITY_BYTES_MAX: usize = 64 << 10;

/// A zone's archive. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Archive {
    zone: Zone,
    durability: Durability,
    folders: Folders,
}

impl Archive {
    /// The archive of a zone.
    pub fn new(zone: Zone, durability: Durability) -> Self {
        let folders = Folders::new(zone.root(), durability);
        Self { zone, durability, folders }
    }

    /// Keeps the text of a configuration or contract under its digest; one that is there stays.
    ///
    /// # Errors
    /// [`Error::Durable`].
    pub fn keep_config(&self, digest: &Digest, text: &[u8]) -> Result<(), Error> {
        let kept = self.zone.kept_config(digest);
        if kept.exists() {
            return Ok(());
        }
        self.durability.create_folders(kept.parent().unwrap_or(self.zone.root()))?;
        match self.durability.write_new(&kept, text) {
            Err(error) if !error.is_name_taken() => Err(error.into()),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Makes a staged file a raw object. With no `digest` the bytes are hashed here. When it
    /// returns the object is durable and the staged path is gone.
    ///
    /// # Errors
    /// [`Error`]; the object is then not published. The staged file is still there, except after a
    /// failed sync: its bytes cannot be trusted any more, so it is removed.
    pub fn store(
        &self,
        staged: Staged,
        identity: &Identity,
        digest: Option<Digest>,
    ) -> Result<RawObject, Error> {
        let Staged { file, path } = staged;
        let (size_bytes, digest) = measure(&file, digest).map_err(doing("read", &path))?;
        mark(&file, &path, identity)?;
        file.set_permissions(Permissions::from_mode(0o440)).map_err(doing("protect", &path))?;
        if let Err(error) = self.durability.sync_file(&file, &path) {
            durable::remove_quietly(&path);
            return Err(error.into());
        }
        let raw = Zone::raw_path(&identity.feed, identity.received_at, identity.id, &identity.name);
        self.publish(&path, &self.resolve(&raw)?)?;
        Ok(RawObject { path: raw, size_bytes, digest })
    }

    /// Opens a raw object for reading.
    ///
    /// # Errors
    /// [`Error::Outside`], [`Error::Io`].
    pub fn open(&self, raw: &ZonePath) -> Result<File, Error> {
        let path = self.resolve(raw)?;
        File::open(&path).map_err(doing("open", &path))
    }

    /// Takes a raw object that the ledger refused for good back to where it was staged, so that
    /// its sender may try again. Only for an object that no ledger row can speak of.
    ///
    /// # Errors
    /// [`Error`]; the object then stays in the archive, and start-up adopts it.
    pub fn give_back(&self, raw: &ZonePath, staged: &Path) -> Result<(), Error> {
        let path = self.resolve(raw)?;
        let file = File::open(&path).map_err(doing("open", &path))?;
        file.set_permissions(Permissions::from_mode(0o600)).map_err(doing("release", &path))?;
        Ok(self.durability.publish_new(&path, staged)?)
    }

    /// Makes sure that the raw objects that lie in this one's folder are there after a power cut as
    /// well: a kill may have come before the folder was synced.
    ///
    /// # Errors
    /// [`Error`]; nothing may speak of these objects yet.
    pub fn keep_folder_of(&self, raw: &ZonePath) -> Result<(), Error> {
        let path = self.resolve(raw)?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        self.folders.make(folder)?;
        Ok(self.durability.sync_folder(folder)?)
    }

    /// Who a raw object says it is; `None` when it does not, or not readably.
    ///
    /// # Errors
    /// [`Error::Outside`], [`Error::Io`] when the object cannot be opened.
    pub fn identity(&self, raw: &ZonePath) -> Result<Option<Identity>, Error> {
        let file = self.open(raw)?;
        let mut bytes = vec![0; IDENTITY_BYTES_MAX];
        let Ok(count) = rustix::fs::fgetxattr(&file, IDENTITY_ATTRIBUTE, &mut bytes[..]) else {
            return Ok(None);
        };
        Ok(bytes.get(..count).and_then(|json| serde_json::from_slice(json).ok()))
    }

    /// Marks a file that is to take the place of a lost raw object with the identity that had.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn mark_again(file: &File, path: &Path, arrival: &Arrival) -> Result<(), Error> {
        let identity = Identity {
            id: arrival.id,
            sender: arrival.sender.clone(),
            door: arrival.door,
            feed: arrival.feed.clone(),
            name: arrival.name.clone(),
            received_at: arrival.received_at,
            modified_s: arrival.modified_s,
            mode: arrival.mode,
            origin: arrival.origin.clone(),
            fingerprint: arrival.fingerprint.clone(),
            held: None,
        };
        mark(file, path, &identity)
    }

    /// The zone whose archive this is.
    pub(super) fn zone(&self) -> &Zone {
        &self.zone
    }

    fn resolve(&self, raw: &ZonePath) -> Result<PathBuf, Error> {
        self.zone.resolve(raw).ok_or_else(|| Error::Outside(raw.clone()))
    }

    fn publish(&self, staged: &Path, to: &Path) -> Result<(), Error> {
        let folder = to.parent().unwrap_or(Path::new("/"));
        self.folders.make(folder)?;
        self.durability.publish_new_unsynced(staged, to)?;
        // The name may not survive, so nobody may be told of it, and nothing speaks of it yet.
        self.durability.sync_folder(folder).inspect_err(|_| durable::remove_quietly(to))?;
        Ok(())
    }
}

fn doing(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { doing, path, source }
}

fn measure(mut file: &File, known: Option<Digest>) -> io::Result<(u64, Digest)> {
    match known {
        Some(digest) => Ok((file.metadata()?.len(), digest)),
        None => {
            file.seek(SeekFrom::Start(0))?;
            digest::of_reader(file)
        }
    }
}

/// Sets the identity. An archive without it is complete all the same (the ledger has everything),
/// so a file system that cannot keep it, or not one so long, is no reason to refuse a file.
fn mark(file: &File, path: &Path, identity: &Identity) -> Result<(), Error> {
    static TOLD: AtomicBool = AtomicBool::new(false);
    let json = serde_json::to_vec(identity)
        .map_err(|error| doing("describe", path)(io::Error::other(error)))?;
    match rustix::fs::fsetxattr(file, IDENTITY_ATTRIBUTE, &json, XattrFlags::empty()) {
        Ok(()) => Ok(()),
        // ext4 says NOSPC for an attribute that does not fit its block; a full disk shows again in
        // the sync and the publication that follow.
        Err(Errno::OPNOTSUPP | Errno::NOSPC | Errno::TOOBIG | Errno::RANGE | Errno::PERM) => {
            if !TOLD.swap(true, Ordering::Relaxed) {
                let name = path.file_name().and_then(OsStr::to_str);
                tracing::debug!(name, "the file system does not keep identities on raw objects");
            }
            Ok(())
        }
        Err(error) => Err(doing("mark", path)(error.into())),
    }
}
