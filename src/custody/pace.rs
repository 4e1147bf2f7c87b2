//! Reading no faster than so many bytes a second, and from the disk rather than from memory.

use std::fs::File;
use std::io::{self, Read};
use std::time::{Duration, Instant};

use rustix::fs::Advice;

use crate::archive::digest;
use crate::names::Digest;

/// Keeps to a rate over many files.
#[derive(Debug)]
pub struct Pace {
    bytes_per_second: Option<u64>,
    began: Instant,
    bytes: u64,
}

impl Pace {
    /// At most so many bytes a second; `None` is as fast as can be.
    pub fn new(bytes_per_second: Option<u64>) -> Self {
        Self { bytes_per_second, began: Instant::now(), bytes: 0 }
    }

    /// Hashes a whole file. What the page cache has of it is given up before, as far as the system
    /// likes to, since a copy in memory says nothing about the disk.
    ///
    /// # Errors
    /// What the file said.
    pub(super) fn hash(&mut self, file: &File) -> io::Result<(u64, Digest)> {
        // Only a hint: what fails here makes the reading no less right.
        rustix::fs::fadvise(file, 0, None, Advice::DontNeed).unwrap_or_default();
        digest::of_reader(Paced { file, pace: self })
    }

    /// After so long, so much may have been read.
    fn wait(&mut self, read: usize) {
        self.bytes = self.bytes.saturating_add(read as u64);
        let Some(rate) = self.bytes_per_second else { return };
        let micros = u128::from(self.bytes) * 1_000_000 / u128::from(rate.max(1));
        let due = Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX));
        let ahead = due.saturating_sub(self.began.elapsed());
        if !ahead.is_zero() {
            std::thread::sleep(ahead);
        } else if self.began.elapsed() > due + Duration::from_secs(1) {
            // What was not used earlier is not made up for at once.
            (self.began, self.bytes) = (Instant::now(), 0);
        }
    }
}

struct Paced<'f> {
    file: &'f File,
    pace: &'f mut Pace,
}

impl Read for Paced<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.pace.wait(read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_kept_over_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        std::fs::write(&path, vec![7; 100_000]).expect("written");
        let began = Instant::now();
        let mut pace = Pace::new(Some(1_000_000));
        for _ in 0..3 {
            let (size, _) = pace.hash(&File::open(&path).expect("opened")).expect("read");
            assert_eq!(size, 100_000);
        }
        assert!(began.elapsed() >= Duration::from_millis(290), "{:?}", began.elapsed());
    }
}
