//! A small file system in memory, to fill up. Included by the tests that need one.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted tmpfs, gone when dropped. Needs root.
pub(crate) struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// Mounts one with options such as `size=2m`; says so loudly and returns `None` where that is
    /// not allowed.
    pub(crate) fn mount(options: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "landfall-test"])
            .arg(folder.path())
            .output();
        let mounted = mount.is_ok_and(|done| done.status.success()).then_some(Self(folder));
        if mounted.is_none() {
            eprintln!("SKIPPED: a small disk can only be mounted by root");
        }
        mounted
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Uses up the space, but for so many bytes; returns the file to remove for more.
    pub(crate) fn fill(&self, leave_bytes: u64) -> PathBuf {
        let filler = self.path().join("filler");
        let mut file = File::create(&filler).expect("created");
        while file.write_all(&[0; 4096]).is_ok() {}
        let size_bytes = file.metadata().expect("metadata").len();
        file.set_len(size_bytes.saturating_sub(leave_bytes)).expect("cut");
        filler
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A folder that stays mounted is litter, not a failed test.
        Command::new("umount").arg("-l").arg(self.path()).status().ok();
    }
}
