//! Packed bytes unpacked as they are read: the members of a zip archive (PKWARE APPNOTE 6.3.10,
//! stored or DEFLATE, RFC 1951), and what all unpacking shares.
//!
//! Limits hold for the bytes that come out, whatever sizes are declared; size and checksum are
//! checked at the end, so a stream that was read to its end without an error is whole.

use std::io::{self, BufReader, Read};
use std::sync::Arc;

use flate2::Crc;
use flate2::bufread::DeflateDecoder;

use super::{Fault, Raw};

/// Packed bytes read at once.
pub(super) const BUFFER_BYTES: usize = 64 << 10;

/// How much may come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes.
    pub bytes_max: u64,
    /// Times the packed size …
    pub ratio_max: u64,
    /// … once this many bytes came out.
    pub bytes_free: u64,
}

impl Bounds {
    /// Refuses more than may come out of so many packed bytes.
    ///
    /// # Errors
    /// [`Fault::TooLarge`] or [`Fault::Bomb`].
    pub fn check(&self, what: &str, packed: u64, unpacked: u64) -> Result<(), Fault> {
        let what = || what.to_owned();
        if unpacked > self.bytes_max {
            return Err(Fault::TooLarge { what: what(), max: self.bytes_max });
        }
        if unpacked > self.bytes_free && unpacked > packed.saturating_mul(self.ratio_max) {
            return Err(Fault::Bomb { what: what(), ratio: self.ratio_max });
        }
        Ok(())
    }
}

/// A part of a file, read by position.
#[derive(Debug)]
pub struct Positioned {
    file: Arc<Raw>,
    at: u64,
    end: u64,
}

impl Positioned {
    /// The whole file.
    pub fn new(file: Arc<Raw>) -> Self {
        Self { file, at: 0, end: u64::MAX }
    }

    /// Where it is read next.
    pub(super) fn at(&self) -> u64 {
        self.at
    }
}

impl Read for Positioned {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        let count = self.file.read_at(buffer.get_mut(..length).unwrap_or_default(), self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// How a member is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    Stored,
    /// DEFLATE.
    Deflated,
}

/// A member, as the archive's directory has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name in the archive.
    pub name: String,
    /// How it is packed.
    pub packing: Packing,
    /// Where its packed bytes begin in the archive.
    pub data_start: u64,
    /// Packed bytes.
    pub packed_bytes: u64,
    /// Bytes.
    pub size_bytes: u64,
    /// CRC-32 of them.
    pub crc: u32,
}

impl Member {
    /// The member as messages name it.
    pub fn words(&self) -> String {
        format!("member `{}`", self.name)
    }
}

/// A member being unpacked.
pub struct Inflate {
    member: Arc<Member>,
    source: Source,
    crc: Crc,
    unpacked: u64,
    bounds: Bounds,
}

enum Source {
    Stored(Positioned),
    Deflated(Box<DeflateDecoder<BufReader<Positioned>>>),
}

impl Inflate {
    pub(super) fn new(file: Arc<Raw>, member: Arc<Member>, bounds: Bounds) -> Self {
        let end = member.data_start.saturating_add(member.packed_bytes);
        let packed = Positioned { file, at: member.data_start, end };
        let source = match member.packing {
            Packing::Stored => Source::Stored(packed),
            Packing::Deflated => {
                let packed = BufReader::with_capacity(BUFFER_BYTES, packed);
                Source::Deflated(Box::new(DeflateDecoder::new(packed)))
            }
        };
        Self { member, source, crc: Crc::new(), unpacked: 0, bounds }
    }

    /// Looks whether all came out that went in.
    fn check_end(&self) -> Result<(), Fault> {
        let what = || self.member.words();
        if self.unpacked < self.member.size_bytes {
            return Err(Fault::Truncated { what: what() });
        }
        if self.crc.sum() != self.member.crc {
            return Err(Fault::Altered { what: what(), measure: "checksum" });
        }
        Ok(())
    }
}

impl Read for Inflate {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = match &mut self.source {
            Source::Stored(packed) => packed.read(buffer),
            Source::Deflated(decoder) => decoder.read(buffer),
        };
        let count = read.map_err(|error| fault(&self.member.words(), error))?;
        if count == 0 {
            self.check_end()?;
            return Ok(0);
        }
        self.crc.update(buffer.get(..count).unwrap_or_default());
        self.unpacked += count as u64;
        if self.unpacked > self.member.size_bytes {
            return Err(Fault::Altered { what: self.member.words(), measure: "size" }.into());
        }
        self.bounds.check(&self.member.words(), self.member.packed_bytes, self.unpacked)?;
        Ok(count)
    }
}

/// What a decoder says is about the packed bytes, unless the system said it.
pub(super) fn fault(what: &str, error: io::Error) -> io::Error {
    if error.raw_os_error().is_some() || error.kind() == io::ErrorKind::Interrupted {
        return error;
    }
    let what = what.to_owned();
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Fault::Truncated { what }.into();
    }
    Fault::Corrupt { what, how: error.to_string() }.into()
}
