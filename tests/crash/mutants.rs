//! Every harness is worth what it catches: with each of these bugs put into the server, one of them
//! must complain. They need the feature `seeded-bugs` (`tests/run` turns it on for this file alone).

use nix::errno::Errno;

use super::blocks::{Format, record};
use super::disk::{Disk, Kind};
use super::errors::suffer;
use super::kills::{afterwards, run};
use super::machine;
use super::order::out_of_order;
use super::power::cut;
use super::site::{Site, folder};
use super::tracer::{Fault, Point};
use super::workload::Workload;
use super::writers;

/// Tries until something is wrong, and says what.
fn assert_caught(bug: &str, tries: impl Iterator<Item = Vec<String>>) {
    let mut tried = 0;
    for wrong in tries {
        tried += 1;
        if let Some(first) = wrong.first() {
            return eprintln!("{bug} is caught after {tried}: {first}");
        }
    }
    panic!("{bug} survives {tried} tries");
}

/// A used zone with a bug.
fn bugged(bug: &'static str) -> Option<(tempfile::TempDir, Site)> {
    machine::is_root("catching bugs").then(|| {
        let folder = folder();
        let site = Site::make_used(folder.path().join("fresh")).with_bug(bug);
        (folder, site)
    })
}

/// The points of a workload that this picks, after the first that `begins`.
fn points(
    fresh: &Site,
    workload: Workload,
    fault: Fault,
    begins: fn(&Point) -> bool,
    picks: fn(&Point) -> bool,
) -> Vec<usize> {
    let counted = fresh.copy_to(fresh.path().with_file_name("counted"));
    let (trace, _) = run(workload, &counted, fault);
    let first = trace.points.iter().position(begins).unwrap_or(0);
    let numbered = trace.points.iter().enumerate().skip(first);
    numbered.filter(|(_, point)| picks(point)).map(|(at, _)| at).collect()
}

fn killed(bug: &'static str, begins: fn(&Point) -> bool, picks: fn(&Point) -> bool) {
    let Some((_folder, fresh)) = bugged(bug) else { return };
    let points = points(&fresh, Workload::Upload, Fault::None, begins, picks);
    let tries = points.into_iter().map(|at| {
        let site = fresh.copy_to(fresh.path().with_file_name(format!("{at}")));
        let (_, mut book) = run(Workload::Upload, &site, Fault::Kill { at });
        afterwards(&site, &mut book)
    });
    assert_caught(bug, tries);
}

fn failed(bug: &'static str, workload: Workload, picks: fn(&Point) -> bool) {
    let Some((_folder, fresh)) = bugged(bug) else { return };
    let nowhere = Fault::Fail { at: usize::MAX, with: Errno::EIO };
    let points = points(&fresh, workload, nowhere, |_| true, picks);
    let tries = points.into_iter().map(|at| {
        let site = fresh.copy_to(fresh.path().with_file_name(format!("{at}")));
        let (_, mut book, mut wrong) =
            suffer(workload, &site, Fault::Fail { at, with: Errno::EIO });
        wrong.extend(afterwards(&site, &mut book));
        wrong
    });
    assert_caught(bug, tries);
}

fn without_power(bug: &'static str, kind: Kind, acknowledged: u64) {
    const CUTS: u64 = 30;
    let Some((_folder, fresh)) = bugged(bug) else { return };
    let Some(disk) = Disk::make(kind, "cutting the power") else { return };
    assert_caught(bug, (0..CUTS).map(|seed| cut(&disk, &fresh, seed, acknowledged).0));
}

fn is_of_the_ledger(point: &Point) -> bool {
    point.target.ends_with("ledger.db-wal")
}

fn is_manifest(point: &Point) -> bool {
    point.call.starts_with("rename") && point.target.contains("_manifests")
}

#[test]
#[cfg_attr(not(feature = "seeded-bugs"), ignore = "needs the feature seeded-bugs")]
fn files_that_are_not_synced() {
    without_power("FilesUnsynced", Kind::Ext4, 24);
}

#[test]
#[cfg_attr(not(feature = "seeded-bugs"), ignore = "needs the feature seeded-bugs")]
fn folders_that_are_not_synced() {
    let Some((_folder, fresh)) = bugged("FoldersUnsynced") else { return };
    let tries = [Workload::Upload, Workload::Drop].into_iter().map(|workload| {
        let site = fresh.copy_to(fresh.path().with_file_name(format!("{workload:?}")));
        out_of_order(workload, &site).0
    });
    assert_caught("FoldersUnsynced", tries);
}

/// What the calls show, seen on a disk as well: without a journal, which would bring the entries of a
/// folder to the disk together with the ledger, the acknowledged file is gone.
#[test]
#[cfg_attr(not(feature = "seeded-bugs"), ignore = "needs the feature seeded-bugs")]
fn folders_that_are_not_synced_on_a_disk() {
    const STATES: u64 = 40;
    let Some((_folder, fresh)) = bugged("FoldersUnsynced") else { return };
    let Some(recorded) = record(&fresh, Format::WithoutJournal) else { return };
    let gone = |seed| {
        let mut wrong = recorded.state(seed);
        wrong.retain(|wrong| {
            wrong.contains("not in the archive") || wrong.contains("not published")
        });
        wrong
    };
    assert_caught("FoldersUnsynced", (0..STATES).map(gone));
}

#[test]
#[cfg_attr(not(feature = "seeded-bugs"), ignore = "needs the feature seeded-bugs")]
fn commits_that_do_not_wait_for_the_disk() {
    without_power("CommitsUnsynced", Kind::Ext4, 24);
}

#[test]
#[cfg_attr(not(feature = "seeded-bugs"), ignore = "needs the feature seeded-bugs")]
fn answers_before_the_commit() {
    failed("AnswersBeforeCommit", Workload::Rename, is_of_the_ledger);
}

#[test]
#[cfg_attr(not(feature = "seeded-bugs"), ignore = "needs the feature seeded-bugs")]
fn syncs_that_are_asked_for_again() {
    failed("SyncsAgain", Workload::Upload, |point| {
        point.call.ends_with("sync") && !point.target.contains("ledger.db")
    });
}

#[test]
#[cfg_attr(not(feature = "seeded-bugs"), ignore = "needs the feature seeded-bugs")]
fn folders_that_are_looked_at_only_when_told_to() {
    let Some((_folder, fresh)) = bugged("HintsAlone") else { return };
    let site = fresh.copy_to(fresh.path().with_file_name("killed"));
    let (_, mut book) = run(Workload::Drop, &site, Fault::Kill { at: 3 });
    assert_caught("HintsAlone", std::iter::once(afterwards(&site, &mut book)));
}

#[test]
#[cfg_attr(not(feature = "seeded-bugs"), ignore = "needs the feature seeded-bugs")]
fn files_that_are_taken_while_they_are_written() {
    let Some((_folder, fresh)) = bugged("WritersUnasked") else { return };
    assert_caught("WritersUnasked", std::iter::once(writers::pause(&fresh)));
}

#[test]
#[cfg_attr(not(feature = "seeded-bugs"), ignore = "needs the feature seeded-bugs")]
fn an_outbox_of_its_own_transaction() {
    killed("OutboxApart", is_manifest, is_of_the_ledger);
}

#[test]
#[cfg_attr(not(feature = "seeded-bugs"), ignore = "needs the feature seeded-bugs")]
fn deliveries_with_other_ids() {
    killed("DeliveriesUnlike", |point| point.target.ends_with("/told"), is_of_the_ledger);
}
