//! Requests done on the file system, as OpenSSH's sftp-server.c does them.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use landfall::receive::checksum::Algorithm;
use landfall::receive::sftp::wire::reply::{Answer, Entry, Room};
use landfall::receive::sftp::wire::{
    Attributes, CheckFile, Handle, OpenFlags, READ_BYTES_MAX, Request, Status,
};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};

/// The answer, or why there is none.
pub type Said<T> = Result<T, Status>;

/// Files and folders a session may have open.
const HANDLES_MAX: usize = 1000;
/// Entries told at once.
const PAGE_ENTRIES: usize = 100;

/// What is open.
#[derive(Default)]
pub struct Files {
    open: HashMap<Handle, Open>,
    next: u32,
}

enum Open {
    File { file: File, appends: bool },
    Folder { path: PathBuf, left: Vec<Vec<u8>> },
}

impl Files {
    /// Does anything but READ and WRITE.
    pub fn perform(&mut self, request: Request) -> Said<Answer> {
        let done = |()| Answer::Done;
        match request {
            Request::Open { path, flags, attributes } => self.open(&path, flags, &attributes),
            Request::Opendir { path } => self.open_folder(&path),
            Request::Close { handle } => {
                self.open.remove(&handle).map(|_| Answer::Done).ok_or(Status::Failure)
            }
            Request::Readdir { handle } => self.page(handle),
            Request::Fstat { handle } => Ok(known(&self.file(handle)?.metadata().map_err(told)?)),
            Request::Fsetstat { handle, attributes } => {
                set_open(self.file(handle)?, &attributes).map(done).map_err(told)
            }
            Request::Fsync { handle } => self.file(handle)?.sync_all().map(done).map_err(told),
            Request::Fstatvfs { handle } => {
                rustix::fs::fstatvfs(self.file(handle)?).map(room).map_err(|e| told(e.into()))
            }
            Request::CheckFileHandle { handle, check } => sums(self.file(handle)?, &check),
            Request::CheckFileName { path, check } => {
                sums(&File::open(name(&path)).map_err(told)?, &check)
            }
            Request::CopyData { from, from_offset, length, to, to_offset } => {
                self.copy((from, from_offset), length, (to, to_offset)).map(done)
            }
            Request::Limits => Ok(Answer::Limits { handles_max: HANDLES_MAX }),
            Request::Read { .. } | Request::UsersGroupsById { .. } | Request::Unknown => {
                Err(Status::Unsupported)
            }
            named => by_name(named).map_err(told),
        }
    }

    /// READ; 0 is the end.
    pub fn read(&self, handle: Handle, at: u64, into: &mut [u8]) -> Said<usize> {
        self.file(handle)?.read_at(into, at).map_err(told)
    }

    /// A part of a WRITE.
    pub fn write(&self, handle: Handle, at: u64, bytes: &[u8]) -> Said<()> {
        match self.open.get(&handle) {
            Some(Open::File { file, appends: true }) => {
                (&mut &*file).write_all(bytes).map_err(told)
            }
            Some(Open::File { file, appends: false }) => file.write_all_at(bytes, at).map_err(told),
            Some(Open::Folder { .. }) | None => Err(Status::Failure),
        }
    }

    fn open(&mut self, path: &[u8], flags: OpenFlags, attributes: &Attributes) -> Said<Answer> {
        let mut options = OpenOptions::new();
        options.read(flags.read() || !(flags.write() || flags.append()));
        options.write(flags.write() || flags.append()).append(flags.append());
        options.mode(attributes.mode.unwrap_or(0o666) & 0o7777);
        // As flags, since `OpenOptions` refuses combinations that open(2) takes.
        let custom = [
            (flags.create(), libc::O_CREAT),
            (flags.truncate(), libc::O_TRUNC),
            (flags.exclusive(), libc::O_EXCL),
        ];
        options.custom_flags(custom.iter().map(|(is_set, flag)| i32::from(*is_set) * flag).sum());
        let file = options.open(name(path)).map_err(told)?;
        self.insert(Open::File { file, appends: flags.append() })
    }

    fn open_folder(&mut self, path: &[u8]) -> Said<Answer> {
        let path = name(path).to_owned();
        let mut left = vec![b"..".to_vec(), b".".to_vec()];
        for entry in fs::read_dir(&path).map_err(told)? {
            left.push(entry.map_err(told)?.file_name().into_vec());
        }
        self.insert(Open::Folder { path, left })
    }

    fn insert(&mut self, open: Open) -> Said<Answer> {
        if self.open.len() >= HANDLES_MAX {
            return Err(Status::Failure);
        }
        let number = self.next;
        self.next += 1;
        self.open.insert(Handle::new(number), open);
        Ok(Answer::Handle(number))
    }

    fn page(&mut self, handle: Handle) -> Said<Answer> {
        let Some(Open::Folder { path, left }) = self.open.get_mut(&handle) else {
            return Err(Status::Failure);
        };
        let page: Vec<Entry> = left
            .drain(left.len().saturating_sub(PAGE_ENTRIES)..)
            .rev()
            .filter_map(|name| entry(path, name))
            .collect();
        if page.is_empty() { Err(Status::Eof) } else { Ok(Answer::Names(page)) }
    }

    fn copy(&self, from: (Handle, u64), length: u64, to: (Handle, u64)) -> Said<()> {
        let (source, target) = (self.file(from.0)?, self.file(to.0)?);
        if from.0 == to.0 {
            return Err(Status::Failure);
        }
        let left = if length == 0 { u64::MAX } else { length };
        let mut buffer = vec![0; READ_BYTES_MAX];
        let mut copied = 0;
        while copied < left {
            let most = usize::try_from(left - copied).unwrap_or(usize::MAX).min(buffer.len());
            let piece = buffer.get_mut(..most).unwrap_or_default();
            let count = source.read_at(piece, from.1 + copied).map_err(told)?;
            if count == 0 {
                break;
            }
            let piece = piece.get(..count).unwrap_or_default();
            target.write_all_at(piece, to.1 + copied).map_err(told)?;
            copied += count as u64;
        }
        Ok(())
    }

    fn file(&self, handle: Handle) -> Said<&File> {
        match self.open.get(&handle) {
            Some(Open::File { file, .. }) => Ok(file),
            Some(Open::Folder { .. }) | None => Err(Status::Failure),
        }
    }
}

/// Requests that ask about a name.
fn by_name(request: Request) -> io::Result<Answer> {
    Ok(match request {
        Request::Stat { path } => known(&fs::metadata(name(&path))?),
        Request::Lstat { path } => known(&fs::symlink_metadata(name(&path))?),
        Request::Readlink { path } => {
            Answer::Path(fs::read_link(name(&path))?.into_os_string().into_vec())
        }
        Request::Realpath { path } => Answer::Path(resolved(&path)?.into_os_string().into_vec()),
        Request::HomeDirectory => Answer::Path(home().into_os_string().into_vec()),
        Request::Statvfs { path } => room(rustix::fs::statvfs(name(&path))?),
        changing => {
            change(changing)?;
            Answer::Done
        }
    })
}

/// Requests that change a name.
fn change(request: Request) -> io::Result<()> {
    match request {
        Request::Setstat { path, attributes } => set(name(&path), &attributes),
        Request::Lsetstat { path, attributes } => set_link(name(&path), &attributes),
        Request::Remove { path } => fs::remove_file(name(&path)),
        Request::Mkdir { path } => fs::create_dir(name(&path)),
        Request::Rmdir { path } => fs::remove_dir(name(&path)),
        Request::Rename { from, to } => rename_unless_there(name(&from), name(&to)),
        Request::PosixRename { from, to } => fs::rename(name(&from), name(&to)),
        Request::Hardlink { from, to } => fs::hard_link(name(&from), name(&to)),
        Request::Symlink { target, link } => {
            std::os::unix::fs::symlink(OsStr::from_bytes(&target), name(&link))
        }
        _ => Err(io::Error::from_raw_os_error(libc::ENOSYS)),
    }
}

/// RENAME of version 3 never replaces.
fn rename_unless_there(from: &Path, to: &Path) -> io::Result<()> {
    if fs::symlink_metadata(from)?.is_file() {
        fs::hard_link(from, to)?;
        return fs::remove_file(from);
    }
    match fs::metadata(to) {
        Ok(_) => Err(io::Error::from_raw_os_error(libc::EEXIST)),
        Err(_) => fs::rename(from, to),
    }
}

fn set(path: &Path, attributes: &Attributes) -> io::Result<()> {
    if let Some(size) = attributes.size_bytes {
        OpenOptions::new().write(true).open(path)?.set_len(size)?;
    }
    if let Some(mode) = attributes.mode {
        fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o7777))?;
    }
    if let Some(times) = attributes.times_s {
        rustix::fs::utimensat(CWD, path, &timestamps(times), AtFlags::empty())?;
    }
    if let Some((user, group)) = attributes.owner {
        std::os::unix::fs::chown(path, Some(user), Some(group))?;
    }
    Ok(())
}

fn set_link(path: &Path, attributes: &Attributes) -> io::Result<()> {
    if attributes.size_bytes.is_some() {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    if let Some(mode) = attributes.mode {
        let mode = rustix::fs::Mode::from_raw_mode(mode & 0o7777);
        rustix::fs::chmodat(CWD, path, mode, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    if let Some(times) = attributes.times_s {
        rustix::fs::utimensat(CWD, path, &timestamps(times), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    if let Some((user, group)) = attributes.owner {
        std::os::unix::fs::lchown(path, Some(user), Some(group))?;
    }
    Ok(())
}

fn set_open(file: &File, attributes: &Attributes) -> io::Result<()> {
    if let Some(size) = attributes.size_bytes {
        file.set_len(size)?;
    }
    if let Some(mode) = attributes.mode {
        file.set_permissions(fs::Permissions::from_mode(mode & 0o7777))?;
    }
    if let Some(times) = attributes.times_s {
        rustix::fs::futimens(file, &timestamps(times))?;
    }
    if let Some((user, group)) = attributes.owner {
        std::os::unix::fs::fchown(file, Some(user), Some(group))?;
    }
    Ok(())
}

fn timestamps((accessed, modified): (u32, u32)) -> Timestamps {
    let at = |seconds: u32| Timespec { tv_sec: i64::from(seconds), tv_nsec: 0 };
    Timestamps { last_access: at(accessed), last_modification: at(modified) }
}

fn known(of: &Metadata) -> Answer {
    Answer::Attributes(attributes(of))
}

fn attributes(of: &Metadata) -> Attributes {
    let seconds = |time: i64| u32::try_from(time).unwrap_or(0);
    Attributes {
        size_bytes: Some(of.size()),
        owner: Some((of.uid(), of.gid())),
        mode: Some(of.mode()),
        times_s: Some((seconds(of.atime()), seconds(of.mtime()))),
    }
}

fn entry(folder: &Path, name: Vec<u8>) -> Option<Entry> {
    let of = fs::symlink_metadata(folder.join(OsStr::from_bytes(&name))).ok()?;
    let mut long_name = long(&of).into_bytes();
    long_name.extend_from_slice(&name);
    Some(Entry { name, long_name, attributes: attributes(&of) })
}

/// What `ls -ln` says of a file, without its name.
fn long(of: &Metadata) -> String {
    let kind = of.file_type();
    let letter = match () {
        () if kind.is_dir() => 'd',
        () if kind.is_symlink() => 'l',
        () if kind.is_char_device() => 'c',
        () if kind.is_block_device() => 'b',
        () if kind.is_fifo() => 'p',
        () if kind.is_socket() => 's',
        () => '-',
    };
    let bits: String = (0..9)
        .rev()
        .zip("rwxrwxrwx".chars())
        .map(|(bit, letter)| if of.mode() & (1 << bit) == 0 { '-' } else { letter })
        .collect();
    let modified = jiff::Timestamp::from_second(of.mtime()).unwrap_or_default();
    let modified = modified.strftime("%b %e  %Y");
    let (links, user, group, size) = (of.nlink(), of.uid(), of.gid(), of.size());
    format!("{letter}{bits} {links:4} {user:<8} {group:<8} {size:8} {modified} ")
}

fn room(of: rustix::fs::StatVfs) -> Answer {
    Answer::Room(Room {
        total_bytes: of.f_blocks * of.f_frsize,
        free_bytes: of.f_bfree * of.f_frsize,
        total_files: of.f_files,
        free_files: of.f_ffree,
    })
}

/// REALPATH: all but the last part must be there. expand-path@openssh.com: `~` is home.
fn resolved(path: &[u8]) -> io::Result<PathBuf> {
    let path = match path {
        b"" => PathBuf::from("."),
        b"~" => home(),
        [b'~', b'/', below @ ..] => home().join(OsStr::from_bytes(below)),
        path => name(path).to_owned(),
    };
    match (fs::canonicalize(&path), path.parent(), path.file_name()) {
        (Err(error), Some(parent), Some(last)) if error.kind() == io::ErrorKind::NotFound => {
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            Ok(fs::canonicalize(parent)?.join(last))
        }
        (resolved, ..) => resolved,
    }
}

fn home() -> PathBuf {
    std::env::var_os("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from)
}

/// draft-ietf-secsh-filexfer-extensions-00 section 3.
fn sums(file: &File, check: &CheckFile) -> Said<Answer> {
    let known = [Algorithm::Sha256, Algorithm::Sha1, Algorithm::Md5];
    let mut wanted = check.algorithms.split(|b| *b == b',');
    let algorithm = wanted
        .find_map(|name| known.into_iter().find(|known| known.name().as_bytes() == name))
        .ok_or(Status::Unsupported)?;
    if (1..256).contains(&check.block_bytes) {
        return Err(Status::Failure);
    }
    let size = file.metadata().map_err(told)?.len();
    let left = size.saturating_sub(check.offset);
    let length = if check.length == 0 { left } else { check.length.min(left) };
    let mut bytes = vec![0; usize::try_from(length).map_err(|_too_long| Status::Failure)?];
    file.read_exact_at(&mut bytes, check.offset).map_err(told)?;
    let block = usize::try_from(check.block_bytes).unwrap_or(0);
    let block = if block == 0 { bytes.len().max(1) } else { block };
    let mut sums = Vec::new();
    for part in bytes.chunks(block) {
        let mut sum = algorithm.begin();
        sum.take(part);
        sums.extend_from_slice(&sum.end());
    }
    Ok(Answer::CheckFile { algorithm: algorithm.name(), sums })
}

fn name(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}

/// `errno_to_portable` of OpenSSH.
fn told(error: io::Error) -> Status {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR | libc::EBADF | libc::ELOOP) => Status::NoSuchFile,
        Some(libc::EPERM | libc::EACCES | libc::EFAULT) => Status::PermissionDenied,
        Some(libc::ENAMETOOLONG | libc::EINVAL) => Status::BadMessage,
        Some(libc::ENOSYS) => Status::Unsupported,
        Some(_) | None => Status::Failure,
    }
}
