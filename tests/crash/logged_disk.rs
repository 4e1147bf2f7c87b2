//! A disk that remembers every write and every flush, so that the states in which a power cut could
//! have left it can be made afterwards: one file in FUSE, under a loop device, under a file system.

use std::ffi::OsStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem,
    FopenFlags, Generation, INodeNo, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use super::power::Dice;

/// The one file's name.
const NAME: &str = "disk.img";
const FOLDER: u64 = 1;
const FILE: u64 = 2;
/// Nothing changes but through us.
const FOR_EVER: Duration = Duration::from_secs(3600);
/// What the disk was asked to do.
enum Asked {
    Write {
        at: usize,
        bytes: Vec<u8>,
    },
    /// What was written before is safe from here on.
    Flush,
}

/// What was asked of a disk, in order.
#[derive(Default)]
pub struct Log {
    image: Mutex<Vec<u8>>,
    asked: Mutex<Vec<Asked>>,
    count: Arc<AtomicUsize>,
}

impl Log {
    /// Begins with this image.
    pub fn of(image: Vec<u8>) -> Arc<Self> {
        Arc::new(Self { image: Mutex::new(image), ..Self::default() })
    }

    /// How much was asked so far.
    pub fn count(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.count)
    }

    fn note(&self, asked: Asked) {
        self.asked.lock().expect("unharmed").push(asked);
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    /// Brings `image`, the disk as it was before anything was asked, to a state in which a power cut
    /// after `cut` requests could leave it: what was flushed is there, of the rest any part, whole or
    /// torn between its sectors.
    pub fn state(&self, image: &mut [u8], cut: usize, sector_bytes: usize, dice: &mut Dice) {
        let asked = self.asked.lock().expect("unharmed");
        let safe = asked[..cut].iter().rposition(|asked| matches!(asked, Asked::Flush));
        let safe = safe.unwrap_or(0);
        for (number, asked) in asked[..cut].iter().enumerate() {
            let Asked::Write { at, bytes } = asked else { continue };
            let sectors = bytes.len() / sector_bytes;
            let kept = match number < safe {
                true => bytes.len(),
                false if dice.below(2) == 0 => 0,
                false if dice.below(5) == 0 => {
                    sector_bytes * usize::try_from(dice.below(sectors as u64 + 1)).expect("small")
                }
                false => bytes.len(),
            };
            image[*at..at + kept].copy_from_slice(&bytes[..kept]);
        }
    }

    /// Shows the disk as a file in this folder, until the session is dropped.
    pub fn mount(self: &Arc<Self>, folder: &std::path::Path) -> std::io::Result<BackgroundSession> {
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("landfall-crash".to_owned())];
        fuser::spawn_mount(Shown(Arc::clone(self)), folder, &config)
    }
}

struct Shown(Arc<Log>);

impl Shown {
    fn attributes(&self, inode: u64) -> FileAttr {
        let size = self.0.image.lock().expect("unharmed").len() as u64;
        let is_file = inode == FILE;
        FileAttr {
            ino: INodeNo(inode),
            size: if is_file { size } else { 0 },
            blocks: size / 512,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: if is_file { FileType::RegularFile } else { FileType::Directory },
            perm: 0o700,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            flags: 0,
            blksize: 4096,
        }
    }
}

impl Filesystem for Shown {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if name == NAME {
            reply.entry(&FOR_EVER, &self.attributes(FILE), Generation(0));
        } else {
            reply.error(Errno::ENOENT);
        }
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&FOR_EVER, &self.attributes(u64::from(inode)));
    }

    fn setattr(
        &self,
        _: &Request,
        inode: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<std::time::SystemTime>,
        _: Option<FileHandle>,
        _: Option<std::time::SystemTime>,
        _: Option<std::time::SystemTime>,
        _: Option<std::time::SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        reply.attr(&FOR_EVER, &self.attributes(u64::from(inode)));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        // Every write comes here when it is made.
        reply.opened(FileHandle(FOLDER), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let image = self.0.image.lock().expect("unharmed");
        let from = usize::try_from(offset).expect("small").min(image.len());
        let to = (from + size as usize).min(image.len());
        reply.data(&image[from..to]);
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let at = usize::try_from(offset).expect("small");
        self.0.image.lock().expect("unharmed")[at..at + data.len()].copy_from_slice(data);
        self.0.note(Asked::Write { at, bytes: data.to_vec() });
        reply.written(u32::try_from(data.len()).expect("small"));
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.0.note(Asked::Flush);
        reply.ok();
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }
}
