//! The room that is left on the disk that uploads lie on.
//!
//! A part of it is kept free, so that ledger and archive can finish what was begun: an upload is
//! refused before that part is touched, and one that runs may use half of it. The file system is
//! asked at most once a second.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long an answer of the file system is good for.
const KNOWN_FOR: Duration = Duration::from_secs(1);
/// The reserve where none is configured: this, or a twentieth of the disk if that is less.
const RESERVE_BYTES: u64 = 1 << 30;

/// The disk that uploads lie on.
#[derive(Debug)]
pub struct Space {
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    reserve_bytes: Option<u64>,
    known: Option<(Instant, Room)>,
}

/// Bytes of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// In all.
    pub total_bytes: u64,
    /// Left for this process.
    pub free_bytes: u64,
}

impl Space {
    /// The disk of a folder.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, state: Mutex::default() }
    }

    /// Sets how many bytes are kept free; `None` for the default.
    pub fn keep_free(&self, reserve_bytes: impl Into<Option<u64>>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.reserve_bytes = reserve_bytes.into();
        state.known = None;
    }

    /// Whether so little is left that no upload may begin. Quick, but for a file system that hangs.
    pub fn is_scarce(&self) -> bool {
        self.has_less_than(|reserve| reserve)
    }

    /// Whether so little is left that no upload may go on.
    pub fn is_in_reserve(&self) -> bool {
        self.has_less_than(|reserve| reserve / 2)
    }

    /// What is left above the reserve; `None` when the file system does not say.
    pub fn room(&self) -> Option<Room> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let room = state.look(&self.folder)?;
        let free_bytes = room.free_bytes.saturating_sub(state.reserve(room));
        Some(Room { free_bytes, ..room })
    }

    fn has_less_than(&self, part: fn(u64) -> u64) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let room = state.look(&self.folder);
        room.is_some_and(|room| room.free_bytes < part(state.reserve(room)))
    }
}

impl State {
    fn reserve(&self, room: Room) -> u64 {
        self.reserve_bytes.unwrap_or_else(|| RESERVE_BYTES.min(room.total_bytes / 20))
    }

    fn look(&mut self, folder: &std::path::Path) -> Option<Room> {
        if let Some((at, room)) = self.known
            && at.elapsed() < KNOWN_FOR
        {
            return Some(room);
        }
        let told = rustix::fs::statvfs(folder).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(told.f_frsize);
        let room = Room { total_bytes: bytes(told.f_blocks), free_bytes: bytes(told.f_bavail) };
        self.known = Some((Instant::now(), room));
        Some(room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_decides_who_may_begin_and_who_may_go_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let space = Space::new(folder.path().to_owned());
        let free_bytes =
            rustix::fs::statvfs(folder.path()).map(|told| told.f_bavail * told.f_frsize);
        let free_bytes = free_bytes.expect("told");
        space.keep_free(0);
        assert!(!space.is_scarce() && !space.is_in_reserve());
        // Others use the disk too; the margins are wide.
        space.keep_free(free_bytes + free_bytes / 2);
        assert!(space.is_scarce() && !space.is_in_reserve());
        space.keep_free(free_bytes * 3);
        assert!(space.is_scarce() && space.is_in_reserve());
        assert_eq!(space.room().expect("told").free_bytes, 0);
    }
}
