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
use super::progress::{Progress, Tried};
use super::promises::Promises;
use super::senders::Senders;
use super::site::{Site, folder, run, wait_until};

const DISK_BYTES: u64 = 96 << 20;
/// Requests that are acknowledged in a recorded run.
const ACKNOWLEDGED: usize = 40;

/// What is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// ext4 as it is made.
    Ext4,
    /// ext4 without a journal, mended by e2fsck(8) after a cut. A journal brings more to the disk
    /// than was asked for, all at once; without one a folder keeps the entries that were synced.
    WithoutJournal,
}

impl Format {
    fn make(self, image: &Path) {
        let mut mkfs = Command::new("mkfs.ext4");
        mkfs.args(["-q", "-F", "-E", "lazy_itable_init=0"]);
        match self {
            Self::Ext4 => &mut mkfs,
            Self::WithoutJournal => mkfs.args(["-O", "^has_journal"]),
        };
        run(mkfs.arg(image));
    }

    /// What the disk writes whole. Nothing brings a block of a folder back that was written by half
    /// where there is no journal: the file system is at its best on a disk of 4 KiB sectors there.
    fn sector_bytes(self) -> usize {
        match self {
            Self::Ext4 => 512,
            Self::WithoutJournal => 4096,
        }
    }

    /// What a machine does with the disk before it mounts it.
    fn mend(self, image: &Path) -> Result<(), String> {
        match self {
            Self::Ext4 => Ok(()),
            Self::WithoutJournal => {
                let told = Command::new("e2fsck").arg("-fy").arg(image).output().expect("it runs");
                // 1 and 2 say that something was mended.
                match told.status.code() {
                    Some(0..=2) => Ok(()),
                    _ => Err(format!("e2fsck: {}", String::from_utf8_lossy(&told.stdout))),
                }
            }
        }
    }
}

/// A run that was recorded.
pub struct Recorded {
    format: Format,
    folder: tempfile::TempDir,
    before: Vec<u8>,
    log: std::sync::Arc<Log>,
    book: Promises,
    site: Site,
}

/// Lets senders work on a disk that remembers; `None`, said loudly, where that is not possible.
pub fn record(fresh: &Site, format: Format) -> Option<Recorded> {
    let folder = folder();
    let (image, disk, shown) =
        (folder.path().join("image"), folder.path().join("disk"), folder.path().join("shown"));
    fs::File::create(&image).and_then(|file| file.set_len(DISK_BYTES)).expect("an image");
    format.make(&image);
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
    Some(Recorded { format, folder, before, log, book, site })
}

impl Recorded {
    /// A state after any of the requests; what is wrong in it.
    pub fn state(&self, seed: u64) -> Vec<String> {
        let mut dice = Dice::of(seed);
        let all = self.log.count().load(Ordering::SeqCst);
        let cut = usize::try_from(dice.below(all as u64)).expect("small") + 1;
        let mut image = self.before.clone();
        self.log.state(&mut image, cut, self.format.sector_bytes(), &mut dice);
        let (file, disk) = (self.folder.path().join("image"), self.folder.path().join("disk"));
        fs::write(&file, image).expect("an image");
        if let Err(wrong) = self.format.mend(&file) {
            return vec![wrong];
        }
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

/// The three on ext4 are 150 states with every commit, 10,200 before a release.
fn keeps_what_was_flushed(format: Format, part: u64) {
    if !machine::is_root("re-ordering blocks") {
        return;
    }
    let memory = folder();
    let fresh = Site::make_used(memory.path().join("fresh"));
    let (runs, states) = if machine::tier() == Tier::Release { (34, 100) } else { (1, 50) };
    let mut progress = Progress::of(&format!("blocks {format:?} {part}"));
    let name = |seed: u64| format!("state {seed}");
    for number in part * runs..(part + 1) * runs {
        let seeds = number * states..(number + 1) * states;
        let recorded = match seeds.clone().all(|seed| progress.has(&name(seed))) {
            true => None,
            false => match record(&fresh, format) {
                Some(recorded) => Some(recorded),
                None => return,
            },
        };
        for seed in seeds {
            progress.once(&name(seed), || Tried {
                figure: 1,
                wrong: recorded.as_ref().map_or_else(Vec::new, |recorded| recorded.state(seed)),
            });
        }
    }
    let (states, _, broken) = progress.counts();
    eprintln!("re-ordered blocks, {format:?}: {states} states, {broken} violations");
    progress.assert_kept();
}

#[test]
fn any_part_of_what_was_not_flushed() {
    keeps_what_was_flushed(Format::Ext4, 0);
}

#[test]
fn any_part_of_what_was_not_flushed_of_another_run() {
    keeps_what_was_flushed(Format::Ext4, 1);
}

#[test]
fn any_part_of_what_was_not_flushed_of_a_third_run() {
    keeps_what_was_flushed(Format::Ext4, 2);
}

#[test]
#[ignore = "for a release: what e2fsck makes of such a disk is not ours alone"]
fn without_a_journal() {
    keeps_what_was_flushed(Format::WithoutJournal, 0);
}
