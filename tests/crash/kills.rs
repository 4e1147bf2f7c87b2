//! Killed at any system call that changes something: nothing acknowledged is lost, nothing is there
//! by half, and the next file is taken.

use std::collections::HashSet;

use super::check;
use super::machine::{self, Tier};
use super::progress::{Progress, Tried, spread};
use super::promises::{Promises, Told};
use super::site::{PATIENCE, Site, folder};
use super::tracer::{Fault, Trace, Traced, wait_for};
use super::workload::{Workload, one_more};

/// Points of each workload with every commit.
const COMMIT_POINTS: usize = 40;

/// A run of a workload under a fault, up to the end of the server or of all work.
pub fn run(workload: Workload, site: &Site, fault: Fault) -> (Trace, Promises) {
    let traced = Traced::serve(site, fault);
    let mut book = Promises::timed(Some(traced.clock()));
    if workload == Workload::Drop || traced.port.is_some() {
        workload.run(site, traced.port.unwrap_or(0), &mut book);
    }
    if traced.port.is_some() {
        wait_for(&traced, PATIENCE, || check::is_settled(site, &book));
    }
    (traced.end(), book)
}

/// Serves the zone unharmed and holds it to the book.
pub fn afterwards(site: &Site, book: &mut Promises) -> Vec<String> {
    let server = match site.serve() {
        Ok(server) => server,
        Err(log) => return vec![format!("the zone does not open any more: {log}")],
    };
    let mut wrong = Vec::new();
    if one_more(site, server.port, "next.csv", book) != Told::Done {
        wrong.push("the next file was not taken".to_owned());
    }
    if !super::site::wait_until(PATIENCE, || check::is_settled(site, book)) {
        wrong.push("it does not come to rest".to_owned());
    }
    server.kill();
    wrong.extend(check::violations(site, book));
    wrong
}

/// Which of the points of a run are tried: all of them before a release; else the first of every
/// kind, and others evenly, so many in all.
pub fn choose(trace: &Trace, commit_points: usize) -> Vec<usize> {
    let all = trace.points.len();
    if machine::tier() == Tier::Release {
        // Runs differ a little in length.
        return (0..all + all / 20).collect();
    }
    let mut kinds = HashSet::new();
    let first_of_kind = |at: &usize| kinds.insert(trace.points[*at].kind());
    let kinds: Vec<usize> = (0..all).filter(first_of_kind).collect();
    let step = (kinds.len().max(1)).div_ceil(commit_points).max(1);
    kinds.into_iter().step_by(step).collect()
}

fn sweep(workload: Workload) {
    if !machine::is_root("killing at any system call") {
        return;
    }
    let folder = folder();
    let fresh = Site::make_used(folder.path().join("fresh"));
    let counted = fresh.copy_to(folder.path().join("counted"));
    let (trace, mut book) = run(workload, &counted, Fault::None);
    let wrong = afterwards(&counted, &mut book);
    assert!(wrong.is_empty(), "{workload:?} unharmed: {wrong:#?}\n{}", counted.log());
    let points = choose(&trace, COMMIT_POINTS);
    let mut progress = Progress::of(&format!("killed {workload:?}"));
    for at in spread(points) {
        progress.once(&format!("killed at {at}"), || {
            let site = fresh.copy_to(folder.path().join(format!("{at}")));
            let (trace, mut book) = run(workload, &site, Fault::Kill { at });
            let mut wrong = afterwards(&site, &mut book);
            if !wrong.is_empty() {
                wrong.push(format!("{:?}\n{}", trace.hit, site.log()));
            }
            drop(std::fs::remove_dir_all(site.path()));
            Tried { figure: usize::from(!trace.hit.is_empty()), wrong }
        });
    }
    let (tries, killed, broken) = progress.counts();
    eprintln!(
        "{workload:?}: killed at {killed} of {} points, {broken} violations",
        trace.points.len()
    );
    progress.assert_kept();
    assert!(killed * 10 >= tries * 8, "only {killed} of {tries} were reached");
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
fn an_erasure() {
    sweep(Workload::Erase);
}

#[test]
fn a_folder_drop() {
    sweep(Workload::Drop);
}
