//! The raw object as the converter reads it: by position, counting what is read.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use crate::convert::Progress;

/// A seekable file that several readers share without disturbing each other.
#[derive(Debug)]
pub struct Raw {
    file: File,
    progress: Progress,
}

impl Raw {
    /// Takes a file; what is read of it is counted in `progress`.
    pub fn new(file: File, progress: Progress) -> Self {
        Self { file, progress }
    }

    /// Reads at most a buffer's bytes from a place on.
    ///
    /// # Errors
    /// What the file said.
    pub fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let count = self.file.read_at(buffer, at)?;
        self.progress.read(count);
        Ok(count)
    }

    /// Its size. A confined worker may seek, but not stat(2).
    ///
    /// # Errors
    /// When it cannot seek.
    pub fn size_bytes(&self) -> io::Result<u64> {
        (&self.file).seek(SeekFrom::End(0))
    }
}
