//! One file in one wrapper: gzip (RFC 1952), zstd (RFC 8878), bzip2, xz (the .xz format 1.2).
//!
//! A wrapper may hold several streams one after the other, as `cat a.gz b.gz` makes; they are one
//! file. Limits hold for what comes out; a stream that is cut or whose checksum differs is a fault.
//! Memory is a decoder's window: zstd at most 128 MiB, xz at most [`XZ_MEMORY_BYTES`].

use std::io::{self, BufReader, Read};
use std::sync::Arc;

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;

use super::Raw;
use super::stream::{BUFFER_BYTES, Bounds, Positioned, fault};

/// What an xz decoder may take; `xz -9` asks for 65 MiB.
const XZ_MEMORY_BYTES: u64 = 128 << 20;

/// How a file is wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrapper {
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
}

impl Wrapper {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Gzip, Self::Zstd, Self::Bzip2, Self::Xz];

    /// The first bytes of such a file.
    pub fn mark(self) -> &'static [u8] {
        match self {
            Self::Gzip => b"\x1f\x8b",
            Self::Zstd => b"\x28\xb5\x2f\xfd",
            Self::Bzip2 => b"BZh",
            Self::Xz => b"\xfd7zXZ\0",
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
        }
    }

    /// What it adds to a file's name.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
            Self::Bzip2 => ".bz2",
            Self::Xz => ".xz",
        }
    }

    /// The file as messages name it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Gzip => "the gzip file",
            Self::Zstd => "the zstd file",
            Self::Bzip2 => "the bzip2 file",
            Self::Xz => "the xz file",
        }
    }
}

type Packed = BufReader<Positioned>;

/// A wrapped file being unwrapped.
pub struct Unwrapped {
    wrapper: Wrapper,
    decoder: Decoder,
    unpacked: u64,
    bounds: Bounds,
}

enum Decoder {
    /// Nothing could be set up; the first read says why.
    Failed(Option<io::Error>),
    Gzip(MultiGzDecoder<Packed>),
    Zstd(zstd::Decoder<'static, Packed>),
    Bzip2(MultiBzDecoder<Packed>),
    Xz(XzDecoder<Packed>),
}

impl Decoder {
    fn new(wrapper: Wrapper, packed: Packed) -> io::Result<Self> {
        Ok(match wrapper {
            Wrapper::Gzip => Self::Gzip(MultiGzDecoder::new(packed)),
            Wrapper::Zstd => Self::Zstd(zstd::Decoder::with_buffer(packed)?),
            Wrapper::Bzip2 => Self::Bzip2(MultiBzDecoder::new(packed)),
            Wrapper::Xz => {
                let (memory, flags) = (XZ_MEMORY_BYTES, liblzma::stream::CONCATENATED);
                let stream = liblzma::stream::Stream::new_stream_decoder(memory, flags)?;
                Self::Xz(XzDecoder::new_stream(packed, stream))
            }
        })
    }

    /// Packed bytes that were read.
    fn packed(&self) -> u64 {
        let packed = match self {
            Self::Failed(_) => return 0,
            Self::Gzip(decoder) => decoder.get_ref(),
            Self::Zstd(decoder) => decoder.get_ref(),
            Self::Bzip2(decoder) => decoder.get_ref(),
            Self::Xz(decoder) => decoder.get_ref(),
        };
        packed.get_ref().at()
    }
}

impl Unwrapped {
    pub(super) fn new(wrapper: Wrapper, file: Arc<Raw>, bounds: Bounds) -> Self {
        let packed = BufReader::with_capacity(BUFFER_BYTES, Positioned::new(file));
        let decoder =
            Decoder::new(wrapper, packed).unwrap_or_else(|error| Decoder::Failed(Some(error)));
        Self { wrapper, decoder, unpacked: 0, bounds }
    }
}

impl Read for Unwrapped {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.decoder {
            Decoder::Failed(error) => {
                return Err(error.take().unwrap_or_else(|| io::ErrorKind::InvalidData.into()));
            }
            Decoder::Gzip(decoder) => decoder.read(buffer),
            Decoder::Zstd(decoder) => decoder.read(buffer),
            Decoder::Bzip2(decoder) => decoder.read(buffer),
            Decoder::Xz(decoder) => decoder.read(buffer),
        };
        let words = self.wrapper.words();
        let count = read.map_err(|error| fault(words, error))?;
        self.unpacked += count as u64;
        self.bounds.check(words, self.decoder.packed(), self.unpacked)?;
        Ok(count)
    }
}
