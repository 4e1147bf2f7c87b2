//! A disk keeps what was flushed, and of the rest any part in any order: in every such state what was
//! acknowledged by then is there.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::kills::afterwards;
use super::logged_disk::Log;
use super::machine::{self, Tier};
use super::power::Dice;
use super::promises::Promises;
use super::senders::Senders;
use super::site::{Site, folder, run, wait_until};

const DISK_BYTES: u64 = 96 << 20;
/// Requests that are acknowledged in a recorded run.
const ACKNOWLEDGED: usize = 40;

/// A run that was recorded.
pub struct Recorded {
    folder: tempfile::TempDir,
    before: Vec<u8>,
    log: std::sync::Arc<Log>,
    book: Promises,
    site: Site,
}

/// Lets senders work on a disk that remembers; `None`, said loudly, where that is not possible.
pub fn record(fresh: &Site) -> Option<Recorded> {
    let folder = folder();
    let (image, disk, shown) =
        (folder.path().join("image"), folder.path().join("disk"), folder.path().join("shown"));
    fs::File::create(&image).and_then(|file| file.set_len(DISK_BYTES)).expect("an image");
    run(Command::new("mkfs.ext4").args(["-q", "-F", "-E", "lazy_itable_init=0"]).arg(&image));
    for made in [&disk, &shown] {
        fs::create_dir(made).expect("made");
    }
    if !mount(&image, &disk) {
        machine::skip("re-ordering blocks", "loop devices");
        return None;
    }
    run(Command::new("chmod").arg("755").arg(&disk));
    drop(fresh.copy_to(disk.join("zone")));
    unmount(&disk);
    let before = fs::read(&image).expect("the image");
    let log = Log::of(before.clone());
    let Ok(session) = log.mount(&shown) else {
        machine::skip("re-ordering blocks", "FUSE");
        return None;
    };
    assert!(mount(&shown.join("disk.img"), &disk), "the shown disk is mounted");
    let site = fresh.at(disk.join("zone"));
    let server = site.serve().expect("a zone that opens");
    let senders = Senders::start_timed(&site, server.port, log.count());
    senders.wait_for(ACKNOWLEDGED);
    server.kill();
    let book = senders.end();
    unmount(&disk);
    // The loop device goes with its mount; only then may the file under it.
    drop(session);
    Some(Recorded { folder, before, log, book, site })
}

impl Recorded {
    /// A state after any of the requests; what is wrong in it.
    pub fn state(&self, seed: u64) -> Vec<String> {
        let mut dice = Dice::of(seed);
        let all = self.log.count().load(Ordering::SeqCst);
        let cut = usize::try_from(dice.below(all as u64)).expect("small") + 1;
        let mut image = self.before.clone();
        self.log.state(&mut image, cut, &mut dice);
        let (file, disk) = (self.folder.path().join("image"), self.folder.path().join("disk"));
        fs::write(&file, image).expect("an image");
        if !mount(&file, &disk) {
            return vec![format!("the file system does not recover after {cut} of {all}")];
        }
        let mut book = self.book.as_of(cut);
        let mut wrong = afterwards(&self.site, &mut book);
        unmount(&disk);
        if !wrong.is_empty() {
            wrong.push(format!("after {cut} of {all} requests\n{}", self.site.log()));
        }
        wrong
    }
}

fn mount(image: &Path, at: &Path) -> bool {
    let mut mount = Command::new("mount");
    mount.args(["-o", "loop"]).arg(image).arg(at);
    mount.output().is_ok_and(|done| done.status.success())
}

fn unmount(at: &Path) {
    let done = || {
        let done = Command::new("umount").arg(at).output();
        done.is_ok_and(|done| done.status.success())
    };
    assert!(wait_until(Duration::from_secs(20), done), "the disk stays busy");
}

#[test]
fn any_part_of_what_was_not_flushed() {
    if !machine::is_root("re-ordering blocks") {
        return;
    }
    let memory = folder();
    let fresh = Site::make_used(memory.path().join("fresh"));
    let (runs, states) = if machine::tier() == Tier::Release { (20, 100) } else { (1, 40) };
    let mut broken = Vec::new();
    for number in 0..runs {
        let Some(recorded) = record(&fresh) else { return };
        for seed in 0..states {
            let wrong = recorded.state(number * states + seed);
            if !wrong.is_empty() {
                broken.push(format!("state {seed} of run {number}: {wrong:#?}"));
            }
        }
    }
    eprintln!("re-ordered blocks: {} states, {} violations", runs * states, broken.len());
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
}
