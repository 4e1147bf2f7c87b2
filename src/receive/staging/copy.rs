//! Copies an open file into a staged one, hashed as it is made.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::archive::digest::{self, Hasher};
use crate::names::Digest;

/// Bytes copied at once.
const PIECE_BYTES: usize = 256 << 10;

/// Copies all of `from`, without reading it twice where the file system can share its blocks.
///
/// # Errors
/// What the system said, or that the server stops.
pub fn copy(mut from: &File, to: &mut File, stop: &AtomicBool) -> io::Result<Digest> {
    if rustix::fs::ioctl_ficlone(&*to, from).is_ok() {
        to.rewind()?;
        let (_, digest) = digest::of_reader(&*to)?;
        return Ok(digest);
    }
    let (mut hasher, mut buffer) = (Hasher::new(), vec![0; PIECE_BYTES]);
    while !stop.load(Ordering::Relaxed) {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(count) => {
                let piece = buffer.get(..count).unwrap_or_default();
                to.write_all(piece)?;
                hasher.update(piece);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("the server stops"))
}
