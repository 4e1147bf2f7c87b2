//! A real file system on a loop device, whose power can be cut.

use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::machine;
use super::site::{run, wait_until};

/// Which file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Ext4,
    Xfs,
}

impl Kind {
    fn mkfs(self) -> Command {
        let mut command = Command::new(match self {
            Self::Ext4 => "mkfs.ext4",
            Self::Xfs => "mkfs.xfs",
        });
        match self {
            Self::Ext4 => command.args(["-q", "-F", "-E", "lazy_itable_init=0"]),
            Self::Xfs => command.args(["-q", "-f"]),
        };
        command
    }

    /// The smallest image that mkfs takes, with some room.
    fn image_bytes(self) -> u64 {
        match self {
            Self::Ext4 => 200 << 20,
            Self::Xfs => 320 << 20,
        }
    }
}

/// A mounted file system in an image; unmounted when dropped.
pub struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    /// Makes and mounts one; says so loudly and returns `None` where that is not allowed.
    pub fn make(kind: Kind, harness: &str) -> Option<Self> {
        if !machine::is_root(harness) {
            return None;
        }
        let folder = super::site::folder();
        let disk = Self { folder };
        fs::create_dir(disk.path()).expect("made");
        let image = File::create(disk.image()).expect("an image");
        image.set_len(kind.image_bytes()).expect("an image");
        run(kind.mkfs().arg(disk.image()));
        if !disk.try_mount() {
            machine::skip(harness, "loop devices");
            return None;
        }
        run(Command::new("chmod").arg("755").arg(disk.path()));
        Some(disk)
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    fn try_mount(&self) -> bool {
        let mut mount = Command::new("mount");
        mount.args(["-o", "loop"]).arg(self.image()).arg(self.path());
        mount.output().is_ok_and(|done| done.status.success())
    }

    /// Cuts the power: nothing that was not on the disk by now will ever be. Everything fails from
    /// here on.
    pub fn cut(&self) {
        const WITHOUT_FLUSHING_THE_LOG: u32 = 2;
        let root = File::open(self.path()).expect("the disk");
        // SAFETY: the call reads one u32, which outlives it.
        #[allow(unsafe_code, reason = "no crate wraps this call")]
        let done = unsafe { shutdown(root.as_raw_fd(), &mut { WITHOUT_FLUSHING_THE_LOG }) };
        done.expect("the power is cut");
    }

    /// The machine starts again: the file system recovers.
    pub fn start_again(&self) {
        let unmounted = || {
            let done = Command::new("umount").arg(self.path()).output();
            done.is_ok_and(|done| done.status.success())
        };
        assert!(wait_until(Duration::from_secs(20), unmounted), "the disk stays busy");
        assert!(self.try_mount(), "the disk does not recover");
    }

    /// Everything written so far is on the disk.
    pub fn sync(&self) {
        nix::unistd::syncfs(File::open(self.path()).expect("the disk")).expect("synced");
    }
}

// EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN are the same: `_IOR('X', 125, __u32)`, 0x8004587d.
nix::ioctl_read!(shutdown, b'X', 125, u32);

impl Drop for Disk {
    fn drop(&mut self) {
        // A folder that stays mounted is litter, not a failed test.
        Command::new("umount").arg("-l").arg(self.path()).output().ok();
    }
}
