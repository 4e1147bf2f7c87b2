//! Opening what lies below a drop folder, without ever leaving it.
//!
//! The people who may write to a drop folder may put links into it at any moment. So every path is
//! resolved by the kernel below the folder and without links (openat2(2)), and what is opened is
//! used by its descriptor. The folder itself is opened anew each time: a kept descriptor would stop
//! an unmount.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};

use crate::names::FileName;

const INSIDE: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// What tells an untouched file apart. As text it is an arrival's fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size_bytes: u64,
    modified_ns: i128,
    changed_ns: i128,
}

impl Stamp {
    /// The stamp of what was looked at.
    pub fn of(seen: &Metadata) -> Self {
        let ns = |s: i64, ns: i64| i128::from(s) * 1_000_000_000 + i128::from(ns);
        Self {
            device: seen.dev(),
            inode: seen.ino(),
            size_bytes: seen.size(),
            modified_ns: ns(seen.mtime(), seen.mtime_nsec()),
            changed_ns: ns(seen.ctime(), seen.ctime_nsec()),
        }
    }

    /// How many bytes there were.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }
}

impl std::fmt::Display for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { device, inode, size_bytes, modified_ns, changed_ns } = self;
        write!(f, "{device}:{inode}:{size_bytes}:{modified_ns}:{changed_ns}")
    }
}

/// A folder below the drop folder, or the drop folder itself.
#[derive(Debug)]
pub struct Inside {
    folder: OwnedFd,
}

impl Inside {
    /// The subfolder with this name relative to the drop folder; an empty one is the folder itself.
    ///
    /// # Errors
    /// What the system said; for a link on the way, that it will not follow.
    pub fn open(root: &Path, subfolder: &[u8]) -> io::Result<Self> {
        let root = rustix::fs::open(root, FOLDER, Mode::empty())?;
        if subfolder.is_empty() {
            return Ok(Self { folder: root });
        }
        let name = OsStr::from_bytes(subfolder);
        let folder = rustix::fs::openat2(root, name, FOLDER, Mode::empty(), INSIDE)?;
        Ok(Self { folder })
    }

    /// As [`Self::open`], making what is missing.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn make(root: &Path, subfolder: &[u8]) -> io::Result<Self> {
        let mut inside = Self::open(root, b"")?;
        for part in subfolder.split(|b| *b == b'/').filter(|part| !part.is_empty()) {
            let name = OsStr::from_bytes(part);
            match rustix::fs::mkdirat(&inside.folder, name, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            let folder = rustix::fs::openat2(&inside.folder, name, FOLDER, Mode::empty(), INSIDE)?;
            inside = Self { folder };
        }
        Ok(inside)
    }

    /// A path to an entry of this folder that means this very folder, whatever its name is now.
    pub fn path(&self, base: &[u8]) -> PathBuf {
        let folder = PathBuf::from(format!("/proc/self/fd/{}", self.folder.as_raw_fd()));
        folder.join(OsStr::from_bytes(base))
    }

    /// What an entry of this folder is, without following a link.
    ///
    /// # Errors
    /// What the system said.
    pub fn look(&self, base: &[u8]) -> io::Result<Metadata> {
        std::fs::symlink_metadata(self.path(base))
    }
}

/// A regular file that was opened for reading, and what it was then.
#[derive(Debug)]
pub struct Opened {
    /// The file.
    pub file: File,
    /// What it was.
    pub seen: Metadata,
}

/// Opens a file below the drop folder. Neither a pipe nor a device can make it wait.
///
/// # Errors
/// What the system said; [`io::ErrorKind::InvalidInput`] for what is not a regular file,
/// [`io::ErrorKind::WouldBlock`] while somebody holds a lease on it.
pub fn open_file(root: &Path, name: &FileName) -> io::Result<Opened> {
    let root = rustix::fs::open(root, FOLDER, Mode::empty())?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let name = OsStr::from_bytes(name.as_bytes());
    let file = File::from(rustix::fs::openat2(root, name, flags, Mode::empty(), INSIDE)?);
    let seen = file.metadata()?;
    if seen.is_file() { Ok(Opened { file, seen }) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn name(text: &str) -> FileName {
        text.parse().expect("a name")
    }

    #[test]
    fn no_link_leads_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let (root, outside) = (folder.path().join("root"), folder.path().join("outside"));
        fs::create_dir(&root).expect("made");
        fs::create_dir(&outside).expect("made");
        fs::write(outside.join("secret"), "s").expect("written");
        std::os::unix::fs::symlink(&outside, root.join("link")).expect("linked");
        std::os::unix::fs::symlink(outside.join("secret"), root.join("file")).expect("linked");
        assert!(open_file(&root, &name("link/secret")).is_err());
        assert!(open_file(&root, &name("file")).is_err());
        assert!(Inside::open(&root, b"link").is_err());
        assert!(Inside::make(&root, b"link/deeper").is_err());
        assert!(!outside.join("deeper").exists());
    }

    #[test]
    fn folders_are_made_and_files_opened_inside() {
        let folder = tempfile::tempdir().expect("a folder");
        let inside = Inside::make(folder.path(), b"a/b").expect("made");
        fs::write(inside.path(b"file"), "text").expect("written");
        let opened = open_file(folder.path(), &name("a/b/file")).expect("opened");
        assert_eq!(Stamp::of(&opened.seen), Stamp::of(&inside.look(b"file").expect("seen")));
        assert!(open_file(folder.path(), &name("a/b")).is_err(), "a folder is not a file");
    }

    #[test]
    fn a_pipe_does_not_wait() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .expect("made");
        let refused = open_file(folder.path(), &name("pipe")).expect_err("not a file");
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
    }
}
