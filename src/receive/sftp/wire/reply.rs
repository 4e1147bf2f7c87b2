//! Answers, appended to a buffer.

use super::fields::Put;
use super::request::Handle;
use super::{Attributes, PACKET_BYTES_MAX, READ_BYTES_MAX, Status, WRITE_BYTES_MAX};

const VERSION: u8 = 2;
const STATUS: u8 = 101;
const HANDLE: u8 = 102;
const DATA: u8 = 103;
const NAME: u8 = 104;
const ATTRS: u8 = 105;
const EXTENDED_REPLY: u8 = 201;

/// What an SFTP server adds to version 3, as told in answer to INIT: names and their values.
pub type Extension = (&'static [u8], &'static [u8]);

/// What the door adds.
pub const EXTENSIONS: [Extension; 10] = [
    (b"posix-rename@openssh.com", b"1"),
    (b"statvfs@openssh.com", b"2"),
    (b"fstatvfs@openssh.com", b"2"),
    (b"fsync@openssh.com", b"1"),
    (b"lsetstat@openssh.com", b"1"),
    (b"limits@openssh.com", b"1"),
    (b"expand-path@openssh.com", b"1"),
    (b"home-directory", b"1"),
    (b"users-groups-by-id@openssh.com", b"1"),
    (b"check-file", b"md5,sha1,sha256"),
];

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name without a folder.
    pub name: Vec<u8>,
    /// The line that `ls -l` shows.
    pub long_name: Vec<u8>,
    /// What is known of it.
    pub attributes: Attributes,
}

/// The room and use of a file system (statvfs@openssh.com).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes that may be used in all.
    pub total_bytes: u64,
    /// Bytes that are left.
    pub free_bytes: u64,
    /// Files that may be made in all.
    pub total_files: u64,
    /// Files that are left.
    pub free_files: u64,
}

/// What a request that was done is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// That it is done.
    Done,
    /// The number of an open file or folder.
    Handle(u32),
    /// What is known of a file.
    Attributes(Attributes),
    /// Entries of a folder.
    Names(Vec<Entry>),
    /// One resolved path.
    Path(Vec<u8>),
    /// The room of a file system (statvfs@openssh.com).
    Room(Room),
    /// The longest packet, READ and WRITE, and so many handles (limits@openssh.com).
    Limits {
        /// Files and folders a session may have open.
        handles_max: usize,
    },
    /// Sums of a file or its blocks, one after the other (check-file).
    CheckFile {
        /// What was used.
        algorithm: &'static str,
        /// The sums' bytes.
        sums: Vec<u8>,
    },
    /// Names for so many users and groups (users-groups-by-id@openssh.com).
    UsersGroups {
        /// How many users, and what all of them are called.
        users: (usize, String),
        /// How many groups, and what all of them are called.
        groups: (usize, String),
    },
}

impl Answer {
    /// Appends the answer to request `id`.
    pub fn write(&self, out: &mut Vec<u8>, id: u32) {
        match self {
            Self::Done => status(out, id, Status::Ok, "done"),
            Self::Handle(number) => {
                packet(out, HANDLE, id, |out| out.put_string(&Handle::bytes(*number)));
            }
            Self::Attributes(attributes) => packet(out, ATTRS, id, |out| attributes.write(out)),
            Self::Names(entries) => names(out, id, entries),
            Self::Path(path) => {
                let (name, long_name) = (path.clone(), path.clone());
                names(out, id, &[Entry { name, long_name, attributes: Attributes::default() }]);
            }
            Self::Room(said) => room(out, id, *said),
            Self::Limits { handles_max } => packet(out, EXTENDED_REPLY, id, |out| {
                for limit in [PACKET_BYTES_MAX, READ_BYTES_MAX, WRITE_BYTES_MAX, *handles_max] {
                    out.put_u64(limit as u64);
                }
            }),
            Self::CheckFile { algorithm, sums } => packet(out, EXTENDED_REPLY, id, |out| {
                out.put_string(b"check-file");
                out.put_string(algorithm.as_bytes());
                out.extend_from_slice(sums);
            }),
            Self::UsersGroups { users, groups } => packet(out, EXTENDED_REPLY, id, |out| {
                for (count, name) in [users, groups] {
                    let mut list = Vec::new();
                    for _ in 0..(*count).min(IDS_MAX) {
                        list.put_string(name.as_bytes());
                    }
                    out.put_string(&list);
                }
            }),
        }
    }
}

/// Appends a packet that begins with `first` (the request's id) and goes on with what `fill`
/// writes.
fn packet(out: &mut Vec<u8>, kind: u8, first: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.put_u32(0);
    out.push(kind);
    out.put_u32(first);
    fill(out);
    let length = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX);
    if let Some(field) = out.get_mut(start..start + 4) {
        field.copy_from_slice(&length.to_be_bytes());
    }
}

/// The answer to INIT.
pub fn version(out: &mut Vec<u8>, extensions: &[Extension]) {
    packet(out, VERSION, 3, |out| {
        for (name, value) in extensions {
            out.put_string(name);
            out.put_string(value);
        }
    });
}

/// How a request ended, with a text for people.
pub fn status(out: &mut Vec<u8>, id: u32, status: Status, text: &str) {
    packet(out, STATUS, id, |out| {
        out.put_u32(status as u32);
        out.put_string(text.as_bytes());
        out.put_string(b"en");
    });
}

/// What was read; `fill` reads into a buffer of `length` bytes and says how many it read. Nothing
/// is appended unless it read at least one byte; its answer is returned.
pub fn data<E>(
    out: &mut Vec<u8>,
    id: u32,
    length: usize,
    fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
) -> Result<usize, E> {
    let start = out.len();
    let mut read = Ok(0);
    packet(out, DATA, id, |out| {
        out.put_u32(0);
        let at = out.len();
        out.resize(at + length.min(READ_BYTES_MAX), 0);
        read = fill(out.get_mut(at..).unwrap_or_default());
        let count = read.as_ref().copied().unwrap_or(0);
        out.truncate(at + count);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        if let Some(field) = out.get_mut(at - 4..at) {
            field.copy_from_slice(&count.to_be_bytes());
        }
    });
    if !matches!(read, Ok(1..)) {
        out.truncate(start);
    }
    read
}

fn names(out: &mut Vec<u8>, id: u32, entries: &[Entry]) {
    packet(out, NAME, id, |out| {
        out.put_u32(u32::try_from(entries.len()).unwrap_or(u32::MAX));
        for entry in entries {
            out.put_string(&entry.name);
            out.put_string(&entry.long_name);
            entry.attributes.write(out);
        }
    });
}

/// In blocks of 4 KiB.
fn room(out: &mut Vec<u8>, id: u32, room: Room) {
    const BLOCK: u64 = 4096;
    const NAME_MAX: u64 = 255;
    let (blocks, free) = (room.total_bytes / BLOCK, room.free_bytes / BLOCK);
    packet(out, EXTENDED_REPLY, id, |out| {
        let files = [room.total_files, room.free_files, room.free_files];
        for value in [BLOCK, BLOCK, blocks, free, free].into_iter().chain(files) {
            out.put_u64(value);
        }
        for value in [0, 0, NAME_MAX] {
            out.put_u64(value);
        }
    });
}

/// Ids answered in one users-groups-by-id request; OpenSSH asks for those of one listing page.
const IDS_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_as_the_draft_says() {
        let mut out = Vec::new();
        status(&mut out, 5, Status::NoSuchFile, "gone");
        let mut expected = vec![0, 0, 0, 23, 101, 0, 0, 0, 5, 0, 0, 0, 2];
        expected.extend_from_slice(b"\0\0\0\x04gone\0\0\0\x02en");
        assert_eq!(out, expected);
    }

    #[test]
    fn a_read_of_nothing_appends_nothing() {
        let mut out = b"before".to_vec();
        assert_eq!(data::<()>(&mut out, 1, 10, |_| Ok(0)), Ok(0));
        assert_eq!(data(&mut out, 1, 10, |_| Err("slow")), Err("slow"));
        assert_eq!(out, b"before");
        let read = data::<()>(&mut out, 1, 10, |buffer| {
            buffer[..2].copy_from_slice(b"hi");
            Ok(2)
        });
        assert_eq!(read, Ok(2));
        assert_eq!(&out[6..], b"\0\0\0\x0b\x67\0\0\0\x01\0\0\0\x02hi");
    }

    #[test]
    fn a_read_is_never_longer_than_its_limit() {
        let mut out = Vec::new();
        let most = data::<()>(&mut out, 1, usize::MAX, |buffer| Ok(buffer.len()));
        assert_eq!(most, Ok(READ_BYTES_MAX));
        assert!(out.len() <= PACKET_BYTES_MAX + 4);
    }
}
