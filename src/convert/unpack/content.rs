//! Bytes that can be read from their start as often as needed, packed or not.
//!
//! A worker has no filesystem to unpack into, so packed bytes are unpacked anew for every pass over
//! them; memory holds one buffer. What needs random access (a workbook, which is a package itself)
//! is brought [into memory](Content::in_memory) within a limit.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use super::stream::{Bounds, Inflate, Member, Positioned};
use super::wrapper::{Unwrapped, Wrapper};
use super::{Fault, Raw, read_full};

/// The bytes of one table's file.
#[derive(Debug, Clone)]
pub struct Content(Bytes);

#[derive(Debug, Clone)]
enum Bytes {
    File(Arc<Raw>),
    Memory(Arc<[u8]>),
    Wrapped(Wrapper, Arc<Raw>, Bounds),
    Member(Arc<Raw>, Arc<Member>, Bounds),
}

impl Content {
    /// A file as it is.
    pub fn plain(file: Arc<Raw>) -> Self {
        Self(Bytes::File(file))
    }

    /// Bytes that are in memory.
    pub fn memory(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self(Bytes::Memory(bytes.into()))
    }

    pub(super) fn wrapped(wrapper: Wrapper, file: Arc<Raw>, bounds: Bounds) -> Self {
        Self(Bytes::Wrapped(wrapper, file, bounds))
    }

    pub(super) fn member(file: Arc<Raw>, member: Member, bounds: Bounds) -> Self {
        Self(Bytes::Member(file, Arc::new(member), bounds))
    }

    /// The file whose bytes these are, unless they are packed.
    pub fn file(&self) -> Option<&Raw> {
        match &self.0 {
            Bytes::File(file) => Some(file),
            Bytes::Memory(_) | Bytes::Wrapped(..) | Bytes::Member(..) => None,
        }
    }

    /// Whether they have to be unpacked.
    pub fn is_packed(&self) -> bool {
        matches!(self.0, Bytes::Wrapped(..) | Bytes::Member(..))
    }

    /// Starts reading from the beginning.
    pub fn open(&self) -> Stream {
        match &self.0 {
            Bytes::File(file) => Stream::File(Positioned::new(Arc::clone(file))),
            Bytes::Memory(bytes) => Stream::Memory(io::Cursor::new(Arc::clone(bytes))),
            Bytes::Wrapped(wrapper, file, bounds) => {
                Stream::Wrapped(Box::new(Unwrapped::new(*wrapper, Arc::clone(file), *bounds)))
            }
            Bytes::Member(file, member, bounds) => {
                let inflate = Inflate::new(Arc::clone(file), Arc::clone(member), *bounds);
                Stream::Member(Box::new(inflate))
            }
        }
    }

    /// At most so many of the first bytes.
    ///
    /// # Errors
    /// What the file said when it was read, or a [`Fault`].
    pub fn head(&self, bytes: usize) -> io::Result<Vec<u8>> {
        let mut head = vec![0; bytes];
        let count = read_full(&mut self.open(), &mut head)?;
        head.truncate(count);
        Ok(head)
    }

    /// The same bytes in memory, if they are not more than so many.
    ///
    /// # Errors
    /// The same; [`Fault::TooLarge`] when there are more.
    pub fn in_memory(&self, max: u64) -> io::Result<Self> {
        let mut bytes = Vec::new();
        self.open().take(max.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > max {
            return Err(Fault::TooLarge {
                what: "a packed workbook or Parquet file".to_owned(),
                max,
            }
            .into());
        }
        Ok(Self::memory(bytes))
    }

    /// The bytes at any place.
    ///
    /// # Errors
    /// What the file said; packed bytes have to be brought into memory before.
    pub fn seekable(&self) -> io::Result<Seekable> {
        match &self.0 {
            Bytes::File(file) => {
                let size_bytes = file.size_bytes()?;
                Ok(Seekable { bytes: Place::File(Arc::clone(file)), size_bytes, at: 0 })
            }
            Bytes::Memory(bytes) => {
                let size_bytes = bytes.len() as u64;
                Ok(Seekable { bytes: Place::Memory(Arc::clone(bytes)), size_bytes, at: 0 })
            }
            Bytes::Wrapped(..) | Bytes::Member(..) => Err(io::ErrorKind::NotSeekable.into()),
        }
    }
}

/// Content being read from its start.
pub enum Stream {
    /// A file.
    File(Positioned),
    /// Memory.
    Memory(io::Cursor<Arc<[u8]>>),
    /// A file in a wrapper.
    Wrapped(Box<Unwrapped>),
    /// A member of a zip archive.
    Member(Box<Inflate>),
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Memory(bytes) => bytes.read(buffer),
            Self::Wrapped(unwrapped) => unwrapped.read(buffer),
            Self::Member(inflate) => inflate.read(buffer),
        }
    }
}

/// Bytes that are read by position, so that several readers do not disturb each other.
#[derive(Debug, Clone)]
pub struct Seekable {
    bytes: Place,
    size_bytes: u64,
    at: u64,
}

#[derive(Debug, Clone)]
enum Place {
    File(Arc<Raw>),
    Memory(Arc<[u8]>),
}

impl Seekable {
    /// How many bytes there are.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// At most so many bytes from a place on.
    ///
    /// # Errors
    /// What the file said.
    pub fn part(&mut self, at: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let mut part = vec![0; bytes];
        self.at = at;
        let count = read_full(self, &mut part)?;
        part.truncate(count);
        Ok(part)
    }
}

impl Read for Seekable {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &self.bytes {
            Place::File(file) => file.read_at(buffer, self.at)?,
            Place::Memory(bytes) => {
                let at = usize::try_from(self.at).unwrap_or(usize::MAX);
                bytes.get(at..).unwrap_or_default().read(buffer)?
            }
        };
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Seekable {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size_bytes.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
