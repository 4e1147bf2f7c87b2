//! Whether anybody still writes a file, asked of the kernel.
//!
//! A read lease (fcntl(2), `F_SETLEASE`) is only granted while no process has the file open for
//! writing, mappings included. It is taken and dropped at once, which costs microseconds. Only the
//! file's owner and those with `CAP_LEASE` may ask, and only local file systems can know.

#![allow(unsafe_code, reason = "rustix has no F_SETLEASE; the calls pass integers only")]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use crate::seeded::{self, Bug};

/// `F_SETSIG` of `<asm-generic/fcntl.h>`, the same on every Linux architecture.
const F_SETSIG: libc::c_int = 10;

/// What the kernel knows of a file's writers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writers {
    /// Nobody has it open for writing.
    None,
    /// Somebody has.
    Some,
    /// It cannot be asked: not our file, or the file system does not know.
    Unknown,
}

/// Asks once. The file must be open for reading only.
pub fn writers(file: &File) -> Writers {
    if seeded::has(Bug::WritersUnasked) {
        return Writers::None;
    }
    let fd = file.as_raw_fd();
    // Somebody who opens the file for writing while the lease is held waits for its end, and the
    // holder gets a signal: SIGIO, which would end the process, unless another is chosen. SIGURG is
    // ignored by default.
    // SAFETY: fcntl with F_SETSIG and F_SETLEASE reads two integers and touches no memory of ours;
    // `file` keeps the descriptor open through all calls.
    let answer = unsafe {
        if libc::fcntl(fd, F_SETSIG, libc::SIGURG) != 0 {
            return Writers::Unknown;
        }
        libc::fcntl(fd, libc::F_SETLEASE, libc::F_RDLCK)
    };
    if answer != 0 {
        let written = io::Error::last_os_error().kind() == io::ErrorKind::WouldBlock;
        return if written { Writers::Some } else { Writers::Unknown };
    }
    // SAFETY: as above. Closing the descriptor would drop the lease too.
    if unsafe { libc::fcntl(fd, libc::F_SETLEASE, libc::F_UNLCK) } != 0 {
        tracing::debug!(error = %io::Error::last_os_error(), "a lease ends when its file closes");
    }
    Writers::None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_open_for_writing_has_writers() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let writer = File::create(&path).expect("created");
        let reader = File::open(&path).expect("opened");
        // A file system that grants no leases knows nothing, and says so.
        assert_ne!(writers(&reader), Writers::None);
        drop(writer);
        assert_ne!(writers(&reader), Writers::Some);
        let _other_reader = File::open(&path).expect("opened");
        assert_ne!(writers(&reader), Writers::Some);
    }
}
