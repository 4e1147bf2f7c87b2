//! The only file that syncs, links and renames.
//!
//! The write protocol (each point shown necessary by power-cut tests): write under a name that
//! nobody reads, on the target's file system → sync the file → publish under the final name without
//! replacing → sync the folder, and the parent of every folder created. Only then may a ledger row
//! speak of the file, and only after that commit may a peer be told.
//!
//! A failed sync is final: the kernel reports the error once and may then pretend that all is well,
//! so nothing here retries one. The caller throws the file away and fails the request.
//!
//! [`Durability::Relaxed`] takes the same steps without the syncs, for benchmarks and for those who
//! want it.

#![allow(clippy::disallowed_methods, reason = "this is the module the lint points to")]

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, CWD, RenameFlags};

use crate::seeded::{self, Bug};

/// Folders remembered before the memory is cleared; a zone of 1,000 feeds needs 1,000 a day.
const FOLDERS_REMEMBERED_MAX: usize = 10_000;

/// The permission bits of a file that is not asked others for.
const MODE_DEFAULT: u32 = 0o666;

/// Whether writes wait for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Every step is synced before the next claims it.
    #[default]
    Full,
    /// The same steps without syncs: a power cut may lose what was acknowledged.
    Relaxed,
}

/// A file-system step that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {}", path.display())]
pub struct Error {
    /// What was being done: `sync`, `publish`, `create folder`, ….
    pub doing: &'static str,
    /// To what.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

impl Error {
    fn new(doing: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self { doing, path: path.to_owned(), source: source.into() }
    }

    /// Whether the final name was already taken.
    pub fn is_name_taken(&self) -> bool {
        self.source.kind() == io::ErrorKind::AlreadyExists
    }

    /// Whether the disk, the quota or the inodes are used up.
    pub fn is_disk_full(&self) -> bool {
        matches!(
            self.source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
        )
    }
}

impl Durability {
    /// Makes a file's bytes durable (fdatasync(2)). Never call it again after it failed.
    ///
    /// # Errors
    /// What the system said; the file must then be thrown away.
    pub fn sync_file(self, file: &File, path: &Path) -> Result<(), Error> {
        match self {
            Self::Full => seeded::sync(Bug::FilesUnsynced, || file.sync_data())
                .map_err(|e| Error::new("sync", path, e)),
            Self::Relaxed => Ok(()),
        }
    }

    /// Makes a file's bytes and its extended attributes durable (fsync(2)). Never call it again
    /// after it failed.
    ///
    /// # Errors
    /// What the system said; the file must then be thrown away.
    pub fn sync_file_and_attributes(self, file: &File, path: &Path) -> Result<(), Error> {
        match self {
            Self::Full => seeded::sync(Bug::FilesUnsynced, || file.sync_all())
                .map_err(|e| Error::new("sync", path, e)),
            Self::Relaxed => Ok(()),
        }
    }

    /// Makes a folder's entries durable.
    ///
    /// # Errors
    /// What the system said.
    pub fn sync_folder(self, folder: &Path) -> Result<(), Error> {
        match self {
            Self::Full => File::open(folder)
                .and_then(|opened| seeded::sync(Bug::FoldersUnsynced, || opened.sync_all()))
                .map_err(|e| Error::new("sync folder", folder, e)),
            Self::Relaxed => Ok(()),
        }
    }

    /// Creates a folder and its missing parents durably; existing ones are left alone.
    ///
    /// # Errors
    /// What the system said, naming the folder.
    pub fn create_folders(self, folder: &Path) -> Result<(), Error> {
        if folder.is_dir() {
            return Ok(());
        }
        let parent = folder.parent().unwrap_or(Path::new("/"));
        self.create_folders(parent)?;
        match fs::create_dir(folder) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
            Err(e) => return Err(Error::new("create folder", folder, e)),
        }
        self.sync_folder(parent)
    }

    /// Gives a synced file its final name and makes the name durable; the name it had is gone.
    ///
    /// Both names must be on one file system. The final folder must exist.
    ///
    /// # Errors
    /// [`Error::is_name_taken`] when the final name exists: it is never replaced. Otherwise what
    /// the system said.
    pub fn publish_new(self, from: &Path, to: &Path) -> Result<(), Error> {
        self.publish_new_unsynced(from, to)?;
        self.sync_folder(to.parent().unwrap_or(Path::new("/")))
    }

    /// [`Self::publish_new`] without the folder's sync, for many files at once: the caller syncs
    /// each folder once when all are in place, before anything speaks of them.
    ///
    /// # Errors
    /// As [`Self::publish_new`].
    pub fn publish_new_unsynced(self, from: &Path, to: &Path) -> Result<(), Error> {
        match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(()),
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => link_then_unlink(from, to),
            Err(e) => Err(Error::new("publish", to, e)),
        }
    }

    /// Writes a small file whole: under a temporary name beside it, synced, then published.
    ///
    /// # Errors
    /// [`Error::is_name_taken`] when `path` exists. Otherwise what the system said.
    pub fn write_new(self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        self.write_new_as(path, bytes, MODE_DEFAULT)
    }

    /// [`Self::write_new`] with these permission bits, of which the process's umask takes some.
    ///
    /// # Errors
    /// As [`Self::write_new`].
    pub fn write_new_as(self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
        let temporary = temporary_beside(path);
        let written = self
            .write_temporary(&temporary, bytes, mode)
            .and_then(|()| self.publish_new(&temporary, path));
        if written.is_err() {
            remove_quietly(&temporary);
        }
        written
    }

    /// Replaces a settings file of ours (never a published name) in one step.
    ///
    /// # Errors
    /// What the system said.
    pub fn replace_setting(self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        let temporary = temporary_beside(path);
        self.write_temporary(&temporary, bytes, MODE_DEFAULT)?;
        fs::rename(&temporary, path).map_err(|e| Error::new("replace", path, e))?;
        self.sync_folder(path.parent().unwrap_or(Path::new("/")))
    }

    /// Puts a synced file of ours (never a published name) in the place of a settings file in one
    /// step. Both lie in one folder.
    ///
    /// # Errors
    /// What the system said.
    pub fn replace_by(self, from: &Path, to: &Path) -> Result<(), Error> {
        fs::rename(from, to).map_err(|e| Error::new("replace", to, e))?;
        self.sync_folder(to.parent().unwrap_or(Path::new("/")))
    }

    fn write_temporary(self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
        let mut options = OpenOptions::new();
        let opened = options.write(true).create_new(true).mode(mode).open(path);
        let mut file = opened.map_err(|e| Error::new("create", path, e))?;
        file.write_all(bytes).map_err(|e| Error::new("write", path, e))?;
        self.sync_file(&file, path)
    }
}

/// Folders below one whose entries, and those of all between, are on the disk. Cheap to clone.
///
/// A folder that is there already says nothing of the disk: another may have made it a moment ago, or
/// a server that was killed before it could sync. So all above one are synced before it is used for
/// the first time.
#[derive(Debug, Clone)]
pub struct Folders {
    root: PathBuf,
    durability: Durability,
    known: Arc<Mutex<HashSet<PathBuf>>>,
}

impl Folders {
    /// Those below `root`, which must exist.
    pub fn new(root: &Path, durability: Durability) -> Self {
        Self { root: root.to_owned(), durability, known: Arc::default() }
    }

    /// Creates a folder and its missing parents; when it returns, all of them outlive a power cut.
    ///
    /// # Errors
    /// As [`Durability::create_folders`].
    pub fn make(&self, folder: &Path) -> Result<(), Error> {
        // Somebody may have removed an empty one behind our back.
        if self.known().contains(folder) && folder.is_dir() {
            return Ok(());
        }
        self.durability.create_folders(folder)?;
        let above = folder.ancestors().skip(1);
        for parent in above.take_while(|parent| parent.starts_with(&self.root)) {
            self.durability.sync_folder(parent)?;
        }
        let mut known = self.known();
        if known.len() >= FOLDERS_REMEMBERED_MAX {
            known.clear();
        }
        known.insert(folder.to_owned());
        Ok(())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashSet<PathBuf>> {
        // The set is valid after any panic: at worst a folder is synced once more.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes a file that nothing speaks of any more; a failure leaves litter that start-up removes.
pub fn remove_quietly(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "could not remove a leftover file");
    }
}

/// For file systems without `RENAME_NOREPLACE`: link(2) never replaces either.
fn link_then_unlink(from: &Path, to: &Path) -> Result<(), Error> {
    rustix::fs::linkat(CWD, from, CWD, to, AtFlags::empty())
        .map_err(|e| Error::new("publish", to, e))?;
    fs::remove_file(from).map_err(|e| Error::new("unlink", from, e))
}

fn temporary_beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", uuid::Uuid::now_v7().simple()));
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    path.with_file_name(hidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_name_is_never_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let (a, b, to) =
            (folder.path().join("a"), folder.path().join("b"), folder.path().join("to"));
        fs::write(&a, "first").expect("written");
        fs::write(&b, "second").expect("written");
        Durability::Full.publish_new(&a, &to).expect("published");
        let refused = Durability::Full.publish_new(&b, &to).expect_err("taken");
        assert!(refused.is_name_taken());
        assert!(Durability::Full.write_new(&to, b"third").expect_err("taken").is_name_taken());
        assert_eq!(fs::read(&to).expect("read"), b"first");
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 2, "no litter");
    }

    #[test]
    fn a_folder_that_somebody_removed_is_made_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let folders = Folders::new(folder.path(), Durability::Full);
        let deep = folder.path().join("a/b");
        folders.make(&deep).expect("made");
        fs::remove_dir(&deep).expect("removed");
        folders.make(&deep).expect("made again");
        assert!(deep.is_dir());
        fs::write(folder.path().join("file"), "").expect("written");
        assert!(folders.make(&folder.path().join("file/x")).is_err());
    }

    #[test]
    fn folders_are_made_with_their_parents() {
        let folder = tempfile::tempdir().expect("a folder");
        let deep = folder.path().join("a/b/c");
        Durability::Full.create_folders(&deep).expect("made");
        Durability::Full.create_folders(&deep).expect("there already");
        assert!(deep.is_dir());
        fs::write(folder.path().join("file"), "").expect("written");
        assert!(Durability::Full.create_folders(&folder.path().join("file/x")).is_err());
    }
}
