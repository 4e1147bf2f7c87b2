//! Any call that changes the disk may fail: the sender is told or the bytes are kept, the server goes
//! on, and the next file is taken as soon as the disk works again, without a restart.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::check;
use super::kills::{afterwards, choose, run};
use super::machine::{self, Tier};
use super::progress::{Progress, Tried, spread};
use super::promises::{Promises, Told};
use super::site::{PATIENCE, Site, folder};
use super::tracer::{Fault, Trace, Traced, wait_for};
use super::workload::{Workload, one_more};

const ERRORS: [Errno; 7] = [
    Errno::EIO,
    Errno::ENOSPC,
    Errno::EDQUOT,
    Errno::EMFILE,
    Errno::EINTR,
    Errno::EROFS,
    Errno::ENOMEM,
];

/// How soon after a fault has ended the next file must be taken.
const TAKEN_AGAIN_WITHIN: Duration = Duration::from_secs(10);

/// A run of a workload under a fault that leaves the server alive, then a kill.
pub fn suffer(workload: Workload, site: &Site, fault: Fault) -> (Trace, Promises, Vec<String>) {
    let (mut book, mut wrong) = (Promises::default(), Vec::new());
    let traced = Traced::serve(site, fault);
    let Some(port) = traced.port else {
        // It could not start, and said why.
        return (traced.end(), book, wrong);
    };
    workload.run(site, port, &mut book);
    traced.clear();
    let began = Instant::now();
    while one_more(site, port, "again.csv", &mut book) != Told::Done {
        // The refused attempts are none that count.
        if traced.has_ended() || began.elapsed() > TAKEN_AGAIN_WITHIN {
            wrong.push("no file is taken after the fault has ended".to_owned());
            break;
        }
    }
    book.sent.dedup_by(|later, earlier| {
        later.digest == earlier.digest && {
            earlier.told = later.told;
            true
        }
    });
    // A folder looks again at what it could not take after half a minute, which is for the long run.
    let hurried = workload == Workload::Drop && machine::tier() == Tier::Commit;
    let rests = || (hurried && traced.was_hit()) || check::is_settled(site, &book);
    if !wait_for(&traced, PATIENCE, rests) {
        wrong.push("the server does not come to rest by itself".to_owned());
    }
    if traced.has_ended() {
        wrong.push("the server ended".to_owned());
    }
    let trace = traced.end();
    wrong.extend(acknowledged_unsynced(site, &book, &trace));
    (trace, book, wrong)
}

/// A file whose sync failed and that was acknowledged all the same.
fn acknowledged_unsynced(site: &Site, book: &Promises, trace: &Trace) -> Vec<String> {
    let Some(ledger) = site.ledger() else { return Vec::new() };
    let mut wrong: Vec<String> =
        trace.synced_again.iter().map(|again| format!("synced again: {again:?}")).collect();
    for arrival in check::arrivals(&ledger) {
        let told = book.sent.iter().find(|sent| sent.digest == arrival.digest);
        let raw = fs::metadata(site.path().join(arrival.raw.as_str()));
        let failed = raw.is_ok_and(|raw| trace.failed_syncs.contains(&(raw.dev(), raw.ino())));
        if failed && told.is_some_and(|sent| sent.told == Told::Done) {
            wrong.push(format!("{} was acknowledged though its sync failed", arrival.name));
        }
    }
    wrong
}

/// What is wrong after one fault.
fn one(fresh: &Site, workload: Workload, fault: Fault) -> Tried {
    let root = fresh.path().with_file_name("faulty");
    let site = fresh.copy_to(root);
    let (trace, mut book, mut wrong) = suffer(workload, &site, fault);
    wrong.extend(afterwards(&site, &mut book));
    if site.has_panicked() {
        wrong.push("it panicked".to_owned());
    }
    if !wrong.is_empty() {
        wrong.push(format!("at {:?}\n{}", trace.hit.first(), site.log()));
    }
    drop(fs::remove_dir_all(site.path()));
    Tried { figure: usize::from(!trace.hit.is_empty()), wrong }
}

fn sweep(workload: Workload) {
    if !machine::is_root("failing at any system call") {
        return;
    }
    let folder = folder();
    let fresh = Site::make_used(folder.path().join("fresh"));
    let counted = fresh.copy_to(folder.path().join("counted"));
    // Never reached: only to count what such a fault counts.
    let nowhere = Fault::Fail { at: usize::MAX, with: Errno::EIO };
    let (trace, _) = run(workload, &counted, nowhere);
    let mut faults = Vec::new();
    for (nth, at) in choose(&trace, usize::MAX).into_iter().enumerate() {
        let sync = trace.points.get(at).is_some_and(|point| point.call.ends_with("sync"));
        for (number, with) in ERRORS.into_iter().enumerate() {
            let chosen = machine::tier() == Tier::Release
                || number == nth % ERRORS.len()
                || (sync && with == Errno::EIO);
            if chosen {
                faults.push(Fault::Fail { at, with });
            }
        }
    }
    // A disk that stays broken for a while: full, gone, read-only.
    let lasting = if machine::tier() == Tier::Release { 40 } else { 3 };
    for nth in 0..lasting {
        for with in [Errno::ENOSPC, Errno::EIO, Errno::EROFS] {
            faults.push(Fault::FailOn { from: trace.points.len() * nth / lasting, with });
        }
    }
    let mut progress = Progress::of(&format!("failing {workload:?}"));
    for fault in spread(faults) {
        progress.once(&format!("{fault:?}"), || one(&fresh, workload, fault));
    }
    let (tries, hit, broken) = progress.counts();
    eprintln!("{workload:?}: {hit} of {tries} faults hit, {broken} violations");
    progress.assert_kept();
    assert!(hit * 10 >= tries * 8, "only {hit} of {tries} were hit");
}

#[test]
fn an_upload() {
    sweep(Workload::Upload);
}

#[test]
fn a_resumed_upload() {
    sweep(Workload::Resume);
}

#[test]
fn a_name_sent_again() {
    sweep(Workload::Overwrite);
}

#[test]
fn renames_a_removal_and_a_sidecar() {
    sweep(Workload::Rename);
}

#[test]
fn a_folder_drop() {
    sweep(Workload::Drop);
}
