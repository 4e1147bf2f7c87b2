//! When a file in a drop folder counts as complete.
//!
//! Where a lease proves that nobody writes it, a short time without a change is enough. Where
//! nothing can be proven, the time is longer and there must be at least [`LOOKS_MIN`] looks within
//! it. A writer that holds the file open is never taken for done, however quiet it is.

use std::fs::Metadata;
use std::path::Path;
use std::time::{Duration, Instant};

use super::beneath::{Inside, Stamp};
use super::lease::Writers;
use crate::names::FileName;

/// Looks that must agree where no lease proves that nobody writes.
const LOOKS_MIN: u32 = 3;
/// The quiet time where nothing can be proven, on a local file system …
const UNPROVEN_LOCAL: Duration = Duration::from_secs(10);
/// … and on a network file system, whose caches may be that old.
const UNPROVEN_NETWORK: Duration = Duration::from_secs(60);

/// How long a file must have been unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    /// Where a lease proves that nobody writes.
    pub proven: Duration,
    /// Where nothing is proven.
    pub unproven: Duration,
    /// Whether a lease of this machine says nothing about other machines.
    network: bool,
}

impl Quiet {
    /// The times for a folder, which depend on the file system it lies on now.
    pub fn of(folder: &crate::config::Folder, path: &Path) -> Self {
        let network = is_network(path);
        let unproven = if network { UNPROVEN_NETWORK } else { UNPROVEN_LOCAL };
        let unproven = folder.quiet_unproven.unwrap_or(unproven);
        Self { proven: folder.quiet, unproven, network }
    }

    /// What a lease's answer is worth here: on a network file system it speaks of this machine only.
    pub fn trust(&self, writers: Writers) -> Writers {
        match writers {
            Writers::None if self.network => Writers::Unknown,
            Writers::None | Writers::Some | Writers::Unknown => writers,
        }
    }
}

/// Whether a path lies on a file system that other machines write to (`statfs(2)` magic numbers).
fn is_network(path: &Path) -> bool {
    const NETWORK: [u64; 14] = [
        0x6969,      // NFS
        0x517b,      // SMB
        0xff53_4d42, // CIFS
        0xfe53_4d42, // SMB2
        0x6573_5546, // FUSE: sshfs, s3fs, …
        0x0102_1997, // 9P
        0x5346_414f, // AFS
        0x7375_7245, // Coda
        0x00c3_6400, // Ceph
        0x0116_1970, // GFS2
        0x7461_636f, // OCFS2
        0x0bd0_0bd0, // Lustre
        0x6a65_6a63, // virtiofs
        0x786f_4256, // VirtualBox shared folders
    ];
    let Ok(found) = rustix::fs::statfs(path) else { return false };
    // The field is signed and 32 or 64 bits wide, the numbers are 32 bits.
    #[allow(clippy::cast_sign_loss, reason = "a magic number is a bit pattern")]
    let magic = found.f_type as u64 & 0xffff_ffff;
    NETWORK.contains(&magic)
}

/// What has been seen of a file so far.
#[derive(Debug, Clone, Copy)]
pub struct Watched {
    stamp: Stamp,
    since: Instant,
    looks: u32,
}

/// What a look decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is complete.
    Complete,
    /// It is not known yet; look again then.
    LookAgain(Instant),
}

impl Watched {
    /// Begins with a first look.
    pub fn new(stamp: Stamp, now: Instant) -> Self {
        Self { stamp, since: now, looks: 1 }
    }

    /// What the file was at the last look.
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Looks once more.
    pub fn look(&mut self, now: Instant, seen: Stamp, writers: Writers, quiet: Quiet) -> Verdict {
        if seen != self.stamp || writers == Writers::Some {
            *self = Self::new(seen, now);
            return Verdict::LookAgain(now + quiet.proven.max(SHORTEST));
        }
        self.looks += 1;
        let (needed, looks_min, step) = match writers {
            Writers::None => (quiet.proven, 1, quiet.proven),
            Writers::Some | Writers::Unknown => (quiet.unproven, LOOKS_MIN, quiet.unproven / 2),
        };
        let due = self.since + needed;
        if now >= due && self.looks >= looks_min {
            return Verdict::Complete;
        }
        let next = if self.looks >= looks_min { due } else { due.min(now + step) };
        Verdict::LookAgain(next.max(now + SHORTEST))
    }
}

/// The shortest wait between two looks at a file.
const SHORTEST: Duration = Duration::from_millis(10);

/// Whether an office program has the file open: it keeps a lock file beside it.
pub fn has_office_lock(folder: &Inside, name: &FileName) -> bool {
    let base = name.base();
    let beside = |prefix: &[u8], base: &[u8], suffix: &[u8]| {
        folder.look(&[prefix, base, suffix].concat()).is_ok_and(|seen: Metadata| seen.is_file())
    };
    // Excel puts `~$` before the name, Word over its first two letters, LibreOffice uses its own.
    let overwritten = base.get(2..).filter(|rest| rest.len() > 4);
    beside(b"~$", base, b"")
        || beside(b".~lock.", base, b"#")
        || overwritten.is_some_and(|rest| beside(b"~$", rest, b""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Quiet =
        Quiet { proven: Duration::from_secs(2), unproven: Duration::from_secs(10), network: false };

    fn stamp(text: &str) -> Stamp {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        std::fs::write(&path, text).expect("written");
        Stamp::of(&path.metadata().expect("seen"))
    }

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_lease_makes_the_short_time_enough() {
        let (start, same) = (Instant::now(), stamp("a"));
        let mut file = Watched::new(same, start);
        let early = file.look(after(start, 1), same, Writers::None, QUIET);
        assert_eq!(early, Verdict::LookAgain(after(start, 2)));
        assert_eq!(file.look(after(start, 2), same, Writers::None, QUIET), Verdict::Complete);
    }

    #[test]
    fn a_writer_begins_the_time_anew() {
        let (start, same) = (Instant::now(), stamp("a"));
        let mut file = Watched::new(same, start);
        for second in [2, 20, 200] {
            let verdict = file.look(after(start, second), same, Writers::Some, QUIET);
            assert_eq!(verdict, Verdict::LookAgain(after(start, second + 2)));
        }
        assert_ne!(file.look(after(start, 201), same, Writers::None, QUIET), Verdict::Complete);
        assert_eq!(file.look(after(start, 202), same, Writers::None, QUIET), Verdict::Complete);
    }

    #[test]
    fn a_change_begins_the_time_anew() {
        let (start, one, other) = (Instant::now(), stamp("a"), stamp("ab"));
        let mut file = Watched::new(one, start);
        assert_ne!(file.look(after(start, 2), other, Writers::None, QUIET), Verdict::Complete);
        assert_eq!(file.stamp(), other);
        assert_eq!(file.look(after(start, 4), other, Writers::None, QUIET), Verdict::Complete);
    }

    #[test]
    fn without_a_lease_three_looks_must_agree() {
        let (start, same) = (Instant::now(), stamp("a"));
        let mut file = Watched::new(same, start);
        let late = file.look(after(start, 30), same, Writers::Unknown, QUIET);
        assert_ne!(late, Verdict::Complete, "two looks are not enough");
        assert_eq!(file.look(after(start, 31), same, Writers::Unknown, QUIET), Verdict::Complete);
        let mut file = Watched::new(same, start);
        assert_ne!(file.look(after(start, 1), same, Writers::Unknown, QUIET), Verdict::Complete);
        assert_ne!(file.look(after(start, 9), same, Writers::Unknown, QUIET), Verdict::Complete);
        assert_eq!(file.look(after(start, 10), same, Writers::Unknown, QUIET), Verdict::Complete);
    }

    #[test]
    fn a_lease_proves_nothing_on_a_network() {
        let network = Quiet { network: true, ..QUIET };
        assert_eq!(network.trust(Writers::None), Writers::Unknown);
        assert_eq!(network.trust(Writers::Some), Writers::Some);
        assert_eq!(QUIET.trust(Writers::None), Writers::None);
    }

    #[test]
    fn office_locks_are_known() {
        let folder = tempfile::tempdir().expect("a folder");
        let locked = |file: &str| {
            let inside = Inside::open(folder.path(), b"").expect("opened");
            has_office_lock(&inside, &file.parse().expect("a name"))
        };
        for (lock, file) in [
            ("~$Budget.xlsx", "Budget.xlsx"),
            ("~$dget.docx", "Budget.docx"),
            (".~lock.b.ods#", "b.ods"),
        ] {
            assert!(!locked(file), "{file}");
            std::fs::write(folder.path().join(lock), "").expect("written");
            assert!(locked(file), "{file}");
        }
        assert!(!locked("other.xlsx"));
    }
}
