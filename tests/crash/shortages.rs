//! The disk is full at any byte, the inodes or the descriptors run out: senders are told so in words,
//! nothing is lost, and the server goes on by itself as soon as there is room again.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::check;
use super::kills::afterwards;
use super::machine::{self, Tier};
use super::promises::{Promises, Told};
use super::site::{PATIENCE, Running, Site, USER, folder, run, wait_until};
use super::small_disk::SmallDisk;
use super::workload::{Workload, one_more};

/// How soon after there is room again the next file must be taken.
const TAKEN_AGAIN_WITHIN: Duration = Duration::from_secs(10);

/// What senders do while something is short, until `relieve` has been called; what is wrong.
fn suffer(site: &Site, server: Running, relieve: impl FnOnce()) -> Vec<String> {
    let (mut book, mut wrong) = (Promises::default(), Vec::new());
    for workload in [Workload::Upload, Workload::Overwrite, Workload::Rename] {
        workload.run(site, server.port, &mut book);
        if book.sent.is_empty() {
            // Nobody gets in: the others would wait as long.
            break;
        }
    }
    relieve();
    let began = Instant::now();
    let mut again = Promises::default();
    while one_more(site, server.port, "again.csv", &mut again) != Told::Done {
        if began.elapsed() > TAKEN_AGAIN_WITHIN {
            wrong.push("no file is taken though there is room".to_owned());
            break;
        }
    }
    book.sent.extend(again.sent.pop());
    if !wait_until(PATIENCE, || check::is_settled(site, &book)) {
        wrong.push("the server does not come to rest by itself".to_owned());
    }
    server.kill();
    wrong.extend(afterwards(site, &mut book));
    if site.has_panicked() {
        wrong.push("it panicked".to_owned());
    }
    if !wrong.is_empty() {
        wrong.push(site.log());
    }
    wrong
}

/// Uses up all inodes but so many; returns the folder to remove for more.
fn fill_inodes(disk: &SmallDisk, leave: usize) -> std::path::PathBuf {
    let folder = disk.path().join("filler");
    fs::create_dir(&folder).expect("made");
    let mut made: Vec<_> = (0..)
        .map(|nth: u32| folder.join(nth.to_string()))
        .take_while(|path| File::create(path).is_ok())
        .collect();
    let last = made.split_off(made.len().saturating_sub(leave));
    last.iter().for_each(|path| fs::remove_file(path).expect("removed"));
    folder
}

/// A zone without a reserve on a small disk, copied from `fresh`.
fn on_small_disk(fresh: &Site, options: &str) -> Option<(SmallDisk, Site)> {
    let disk = SmallDisk::mount(options)?;
    let site = fresh.copy_to(disk.path().join("zone"));
    Some((disk, site))
}

fn fresh(folder: &Path) -> Site {
    let site = Site::make_used(folder.join("fresh"));
    let file = site.path().join("landfall.toml");
    let text = fs::read_to_string(&file).expect("a configuration");
    fs::write(file, format!("[zone]\nfree_reserve = 0\n{text}")).expect("written");
    site
}

#[test]
fn a_disk_that_is_full_at_any_byte() {
    if !machine::is_root("filling a disk") {
        return;
    }
    let folder = folder();
    let fresh = fresh(folder.path());
    let (steps, step) =
        if machine::tier() == Tier::Release { (600, 4096) } else { (12, 128 << 10) };
    for nth in 0..steps {
        let Some((disk, site)) = on_small_disk(&fresh, "size=16m,mode=755") else {
            return machine::skip("filling a disk", "mounting a tmpfs");
        };
        let server = site.serve().expect("a zone that opens");
        let filler = disk.fill(nth * step);
        let wrong = suffer(&site, server, || fs::remove_file(filler).expect("removed"));
        assert!(wrong.is_empty(), "{} bytes left: {wrong:#?}", nth * step);
    }
    eprintln!("full disk: {steps} amounts of room, 0 violations");
}

#[test]
fn a_disk_without_inodes() {
    if !machine::is_root("using up inodes") {
        return;
    }
    let folder = folder();
    let fresh = fresh(folder.path());
    let steps = if machine::tier() == Tier::Release { 60 } else { 8 };
    for nth in 0..steps {
        let options = "size=32m,nr_inodes=400,mode=755";
        let Some((disk, site)) = on_small_disk(&fresh, options) else {
            return machine::skip("using up inodes", "mounting a tmpfs");
        };
        let server = site.serve().expect("a zone that opens");
        let filler = fill_inodes(&disk, nth);
        let wrong = suffer(&site, server, || fs::remove_dir_all(filler).expect("removed"));
        assert!(wrong.is_empty(), "{nth} inodes left: {wrong:#?}");
    }
    eprintln!("no inodes: {steps} numbers of them left, 0 violations");
}

/// How many descriptors a server has open once it opens no more by itself.
fn descriptors_at_rest(pid: &str) -> usize {
    let count = || fs::read_dir(format!("/proc/{pid}/fd")).expect("listed").count();
    let (mut open, mut same) = (count(), 0);
    let rests = || {
        let now = count();
        same = if now == open { same + 1 } else { 0 };
        open = now;
        // `wait_until` looks a hundred times a second.
        same >= 30
    };
    assert!(wait_until(PATIENCE, rests), "it opens more and more");
    open
}

#[test]
fn no_descriptors() {
    if !machine::is_root("limiting descriptors of another user") {
        return;
    }
    let folder = folder();
    let fresh = Site::make_used(folder.path().join("fresh"));
    let steps = if machine::tier() == Tier::Release { 60 } else { 12 };
    for nth in 0..steps {
        let site = fresh.copy_to(folder.path().join(format!("{nth}")));
        let server = site.serve().expect("a zone that opens");
        let pid = server.pid().to_string();
        let open = descriptors_at_rest(&pid);
        // As its own user, who may change its soft limit.
        let limit = |descriptors: usize| {
            let limit = format!("--nofile={descriptors}:");
            run(Command::new("prlimit").uid(USER).gid(USER).args(["--pid", &pid, &limit]));
        };
        limit(open + nth);
        let wrong = suffer(&site, server, || limit(1024));
        assert!(wrong.is_empty(), "{nth} descriptors left: {wrong:#?}");
    }
    eprintln!("no descriptors: {steps} numbers of them left, 0 violations");
}
