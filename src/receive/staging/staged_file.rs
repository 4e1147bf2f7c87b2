//! The bytes of one upload on disk.
//!
//! The file is created with the first bytes, so that an upload which is never written costs
//! nothing. Bytes are hashed as they pass while they come in order. An upload may continue a landed
//! file: then the landed bytes after the last written one still count, and are copied only once
//! something needs them. Long files are synced as they come, beside the writing.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::thread::JoinHandle;

use super::identity::Identity;
use super::{Error, Place, create};
use crate::archive::Staged;
use crate::archive::digest::Hasher;
use crate::durable;
use crate::names::Digest;

/// Bytes between two syncs of a long file: what is left for CLOSE to sync.
const SYNC_EVERY_BYTES: u64 = 32 << 20;
/// Bytes copied or hashed at once.
const COPY_BYTES: usize = 256 * 1024;

/// A landed file that an upload continues.
#[derive(Debug)]
pub struct Base {
    /// Its bytes.
    pub file: File,
    /// How many.
    pub size_bytes: u64,
}

/// How the digest comes about.
#[derive(Debug)]
enum Digesting {
    /// All bytes up to the hasher's size are in it; those after can still be added in order.
    InOrder(Hasher),
    /// Hashed bytes were overwritten: whoever takes the file hashes it.
    Later,
}

/// One staged file.
#[derive(Debug)]
pub struct StagedFile {
    place: Arc<Place>,
    staged: Option<Staged>,
    identity: Option<Identity>,
    /// Bytes that are in the staged file; `base` counts after them.
    end: u64,
    base: Option<Base>,
    digesting: Digesting,
    unsynced_bytes: u64,
    syncing: Option<JoinHandle<Result<(), durable::Error>>>,
}

impl StagedFile {
    /// An empty file, or one that continues `base`.
    pub fn new(place: Arc<Place>, base: Option<Base>) -> Self {
        Self {
            place,
            staged: None,
            identity: None,
            end: 0,
            base,
            digesting: Digesting::InOrder(Hasher::new()),
            unsynced_bytes: 0,
            syncing: None,
        }
    }

    /// A file that start-up found. Its bytes are hashed before the next write.
    pub fn found(place: Arc<Place>, staged: Staged, identity: Identity, size_bytes: u64) -> Self {
        let mut found = Self::new(place, None);
        found.staged = Some(staged);
        found.identity = Some(identity);
        found.end = size_bytes;
        found.unsynced_bytes = size_bytes;
        found
    }

    /// Bytes in the staged file, without those a base still adds.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Whether a restart would find it.
    pub fn is_identified(&self) -> bool {
        self.identity.is_some()
    }

    /// Writes bytes; what lies between the end and `at` is the base's bytes, then zeros.
    ///
    /// # Errors
    /// [`Error`].
    pub fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Error> {
        self.copy_base(at)?;
        match &mut self.digesting {
            Digesting::InOrder(hasher) if at < hasher.size_bytes() || at > self.end => {
                self.digesting = Digesting::Later;
            }
            Digesting::InOrder(_) => self.hash_up_to(at)?,
            Digesting::Later => {}
        }
        let staged = self.on_disk()?;
        staged.file.write_all_at(bytes, at).map_err(|e| Error::io("write", &staged.path, e))?;
        self.end = self.end.max(at + bytes.len() as u64);
        if let Digesting::InOrder(hasher) = &mut self.digesting {
            hasher.update(bytes);
        }
        self.unsynced_bytes += bytes.len() as u64;
        if self.unsynced_bytes >= SYNC_EVERY_BYTES {
            self.sync_beside()?;
        }
        Ok(())
    }

    /// Cuts or extends the file to a size.
    ///
    /// # Errors
    /// [`Error`].
    pub fn set_size(&mut self, size_bytes: u64) -> Result<(), Error> {
        self.copy_base(size_bytes)?;
        self.base = None;
        if size_bytes == self.end {
            return Ok(());
        }
        self.distrust_beyond(size_bytes)?;
        let staged = self.on_disk()?;
        staged.file.set_len(size_bytes).map_err(|e| Error::io("resize", &staged.path, e))?;
        self.end = size_bytes;
        match &self.digesting {
            _ if size_bytes == 0 => self.digesting = Digesting::InOrder(Hasher::new()),
            Digesting::InOrder(hasher) if hasher.size_bytes() > size_bytes => {
                self.digesting = Digesting::Later;
            }
            Digesting::InOrder(_) | Digesting::Later => {}
        }
        Ok(())
    }

    /// Reads bytes; fewer than asked for only at the end, where it answers 0.
    ///
    /// # Errors
    /// [`Error`].
    pub fn read(&mut self, at: u64, into: &mut [u8]) -> Result<usize, Error> {
        self.copy_base(at.saturating_add(into.len() as u64))?;
        let staged = self.on_disk()?;
        read_full(&staged.file, at, into).map_err(|e| Error::io("read", &staged.path, e))
    }

    /// Writes down whose upload it is, so that a restart finds it.
    ///
    /// # Errors
    /// [`Error`].
    pub fn identify(&mut self, mut identity: Identity) -> Result<(), Error> {
        self.wait_for_sync()?;
        if let Some(known) = &self.identity {
            identity.synced_bytes = known.synced_bytes;
        }
        self.mark(identity)
    }

    /// Makes bytes, identity and the file's entry durable. The bytes come first: an identity that
    /// survives a power cut never claims bytes, or an end, that did not.
    ///
    /// # Errors
    /// [`Error`]; the file must then be thrown away.
    pub fn sync(&mut self, mut identity: Identity) -> Result<(), Error> {
        self.copy_base(u64::MAX)?;
        self.wait_for_sync()?;
        let durability = self.place.durability;
        let folder = self.place.zone.staging();
        identity.synced_bytes = self.end;
        let staged = self.on_disk()?;
        durability.sync_file(&staged.file, &staged.path)?;
        self.mark(identity)?;
        let staged = self.on_disk()?;
        durability.sync_file_and_attributes(&staged.file, &staged.path)?;
        durability.sync_folder(&folder)?;
        self.unsynced_bytes = 0;
        Ok(())
    }

    fn mark(&mut self, identity: Identity) -> Result<(), Error> {
        let staged = self.on_disk()?;
        identity.write(&staged.file).map_err(|e| Error::io("mark", &staged.path, e))?;
        self.identity = Some(identity);
        Ok(())
    }

    /// Before a file is cut: bytes that come after the cut are not those that were synced.
    fn distrust_beyond(&mut self, size_bytes: u64) -> Result<(), Error> {
        self.wait_for_sync()?;
        match self.identity.clone() {
            Some(known) if known.synced_bytes > size_bytes => {
                self.mark(Identity { synced_bytes: size_bytes, ..known })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Hands over the whole file, with its digest if its bytes came in order.
    ///
    /// # Errors
    /// [`Error`].
    pub fn complete(&mut self) -> Result<(Staged, Option<Digest>), Error> {
        self.copy_base(u64::MAX)?;
        self.base = None;
        self.wait_for_sync()?;
        self.on_disk()?;
        self.hash_up_to(self.end)?;
        let digest = match &self.digesting {
            Digesting::InOrder(hasher) => Some(hasher.clone().finish()),
            Digesting::Later => None,
        };
        match self.staged.take() {
            Some(staged) => Ok((staged, digest)),
            None => Err(Error::Gone),
        }
    }

    /// Takes a handed-over file back that was refused.
    pub fn take_back(&mut self, staged: Staged) {
        self.staged = Some(staged);
    }

    /// Removes the file from the disk.
    pub fn remove(&mut self) {
        // Whether its bytes were synced does not matter any more.
        if let Some(syncing) = self.syncing.take() {
            drop(syncing.join());
        }
        if let Some(staged) = self.staged.take() {
            durable::remove_quietly(&staged.path);
        }
    }

    fn on_disk(&mut self) -> Result<&mut Staged, Error> {
        if self.staged.is_none() {
            let created = create(&self.place.zone);
            let folder = self.place.zone.staging();
            self.staged = Some(created.map_err(|e| Error::io("create a file in", &folder, e))?);
        }
        self.staged.as_mut().ok_or(Error::Gone)
    }

    /// Copies the base's bytes from the end up to `until`.
    fn copy_base(&mut self, until: u64) -> Result<(), Error> {
        let Some(base) = self.base.take() else { return Ok(()) };
        let until = until.min(base.size_bytes);
        let mut buffer = vec![0; COPY_BYTES];
        while self.end < until {
            let most = usize::try_from(until - self.end).unwrap_or(COPY_BYTES).min(COPY_BYTES);
            let part = buffer.get_mut(..most).unwrap_or_default();
            let at = self.end;
            let staged = self.on_disk()?;
            let count = read_full(&base.file, at, part)
                .map_err(|e| Error::io("read the landed file for", &staged.path, e))?;
            if count == 0 {
                break;
            }
            let part = part.get(..count).unwrap_or_default();
            staged.file.write_all_at(part, at).map_err(|e| Error::io("write", &staged.path, e))?;
            self.end += count as u64;
            self.unsynced_bytes += count as u64;
        }
        if self.end < base.size_bytes {
            self.base = Some(base);
        }
        Ok(())
    }

    /// Adds staged bytes to the digest that are not in it yet.
    fn hash_up_to(&mut self, until: u64) -> Result<(), Error> {
        let (Digesting::InOrder(hasher), Some(staged)) = (&mut self.digesting, &self.staged) else {
            return Ok(());
        };
        if hasher.size_bytes() >= until {
            return Ok(());
        }
        let mut buffer = vec![0; COPY_BYTES];
        while hasher.size_bytes() < until {
            let left = usize::try_from(until - hasher.size_bytes()).unwrap_or(COPY_BYTES);
            let part = buffer.get_mut(..left.min(COPY_BYTES)).unwrap_or_default();
            let count = read_full(&staged.file, hasher.size_bytes(), part)
                .map_err(|e| Error::io("read", &staged.path, e))?;
            if count == 0 {
                self.digesting = Digesting::Later;
                return Ok(());
            }
            hasher.update(part.get(..count).unwrap_or_default());
        }
        Ok(())
    }

    /// Syncs what has come so far in a thread of its own, so that writing goes on.
    fn sync_beside(&mut self) -> Result<(), Error> {
        if self.syncing.as_ref().is_some_and(|syncing| !syncing.is_finished()) {
            return Ok(());
        }
        self.wait_for_sync()?;
        let in_order = matches!(self.digesting, Digesting::InOrder(_));
        let (durability, end) = (self.place.durability, self.end);
        let mut identity = self.identity.clone();
        let staged = self.on_disk()?;
        let path = staged.path.clone();
        let file = staged.file.try_clone().map_err(|e| Error::io("open", &path, e))?;
        let sync = move || {
            durability.sync_file(&file, &path)?;
            if let Some(identity) = &mut identity {
                identity.synced_bytes = if in_order { end } else { 0 };
                // Without it a restart after a power cut resumes from an earlier byte.
                drop(identity.write(&file));
            }
            Ok(())
        };
        // Where no thread can be had, the next write tries again and CLOSE syncs what is left.
        let thread = std::thread::Builder::new().name("staging-sync".to_owned());
        if let Ok(syncing) = thread.spawn(sync) {
            self.syncing = Some(syncing);
            self.unsynced_bytes = 0;
            if let Some(identity) = &mut self.identity {
                identity.synced_bytes = if in_order { end } else { 0 };
            }
        }
        Ok(())
    }

    fn wait_for_sync(&mut self) -> Result<(), Error> {
        match self.syncing.take().map(JoinHandle::join) {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(error))) => Err(error.into()),
            Some(Err(_)) => Err(Error::Gone),
        }
    }
}

/// Reads until the buffer is full or the file ends.
///
/// # Errors
/// What the system said.
pub fn read_full(file: &File, mut at: u64, mut into: &mut [u8]) -> std::io::Result<usize> {
    let mut total = 0;
    while !into.is_empty() {
        match file.read_at(into, at) {
            Ok(0) => break,
            Ok(count) => {
                total += count;
                at += count as u64;
                into = into.get_mut(count..).unwrap_or_default();
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}
