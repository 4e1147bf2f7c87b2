//! The file behind a writer: buffered, hashed as it goes, bounded.

use std::fs::File;
use std::io::{self, Seek as _, Write};

use super::super::Written;
use super::Error;
use crate::archive::digest::Hasher;

const BUFFER_BYTES: usize = 256 << 10;

/// A writer that knows the size and digest of what went through it.
pub struct Output {
    file: File,
    buffer: Vec<u8>,
    hasher: Hasher,
    size_max: u64,
}

impl Output {
    /// Writes into an empty file, at most `size_max` bytes.
    pub fn new(file: File, size_max: u64) -> Self {
        Self { file, buffer: Vec::with_capacity(BUFFER_BYTES), hasher: Hasher::new(), size_max }
    }

    /// Writes what is buffered and tells what was written. Nothing is synced here.
    pub fn finish(&mut self, rows: u64) -> Result<Written, Error> {
        self.flush()?;
        let hasher = std::mem::take(&mut self.hasher);
        Ok(Written { rows, size_bytes: hasher.size_bytes(), digest: hasher.finish() })
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.hasher.size_bytes() + bytes.len() as u64 > self.size_max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush()?;
        }
        self.hasher.update(bytes);
        if bytes.len() > BUFFER_BYTES {
            self.file.write_all(bytes)?;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

/// An output without what an earlier attempt has left in it.
///
/// # Errors
/// When it cannot be emptied.
pub fn emptied(out: &File) -> io::Result<File> {
    let mut out = out.try_clone()?;
    out.set_len(0)?;
    out.rewind()?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};

    use super::*;
    use crate::archive::digest;

    #[test]
    fn the_digest_is_of_what_is_in_the_file() {
        let mut file = tempfile::tempfile().expect("a file");
        let mut output = Output::new(file.try_clone().expect("clone"), 1 << 30);
        let (small, large) = (vec![b'a'; 1000], vec![b'b'; BUFFER_BYTES + 1]);
        for part in [&small, &large, &small] {
            output.write_all(part).expect("write");
        }
        let written = output.finish(3).expect("finish");
        let mut bytes = Vec::new();
        file.rewind().expect("rewind");
        file.read_to_end(&mut bytes).expect("read");
        assert_eq!(bytes, [small.clone(), large, small].concat());
        assert_eq!((written.size_bytes, written.rows), (bytes.len() as u64, 3));
        assert_eq!(written.digest, digest::of_bytes(&bytes));
    }

    #[test]
    fn it_stops_at_its_limit() {
        let mut output = Output::new(tempfile::tempfile().expect("a file"), 10);
        output.write_all(&[0; 10]).expect("fits");
        let error = output.write_all(&[0]).expect_err("too much");
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }
}
