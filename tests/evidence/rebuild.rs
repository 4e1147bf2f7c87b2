//! A zone whose ledger is gone, or is an old one.
//!
//! `LANDFALL_REBUILD_ARRIVALS` says how many files the zone has (60 when it is not set; the whole
//! promise is 10,000).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use landfall::evidence::Segments;
use landfall::ledger::{Arrival, ArrivalQuery, Event, Ledger, Log as _, log};
use landfall::names::ArrivalId;
use landfall::zone::Zone;

use crate::support::TestZone;

const CONFIG: &str = "[zone]\nname = \"our zone\"\ndurability = \"relaxed\"\n[feed.orders]\n";

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Drops files and waits until each is at its end.
fn fill(zone: &TestZone, files: std::ops::Range<usize>) {
    let end = files.end;
    for n in files {
        let text = format!("id,text\n{n},some text\n");
        fs::write(zone.inbox("orders").join(format!("{n}.csv")), text).expect("dropped");
    }
    zone.wait_for_many_ends(end);
}

fn everything(ledger: &dyn Ledger) -> BTreeMap<ArrivalId, Arrival> {
    let all = ledger.arrivals(&ArrivalQuery { limit: u32::MAX, ..ArrivalQuery::default() });
    all.expect("read").into_iter().map(|arrival| (arrival.id, arrival)).collect()
}

fn ledger_files(zone: &TestZone) -> Vec<PathBuf> {
    ["ledger.db", "ledger.db-wal", "ledger.db-shm"]
        .map(|name| zone.path().join(".landfall").join(name))
        .into_iter()
        .filter(|path| path.exists())
        .collect()
}

fn rebuild(zone: &TestZone) -> serde_json::Value {
    let told = zone.run(&["rebuild", "--json"]);
    assert!(told.status.success(), "{told:?}");
    serde_json::from_slice(&told.stdout).expect("json")
}

#[test]
fn a_deleted_ledger_comes_back_as_it_was() {
    let zone = TestZone::new(CONFIG);
    let count = number("LANDFALL_REBUILD_ARRIVALS", 60);
    let server = zone.serve();
    fill(&zone, 0..count);
    fs::write(zone.inbox("orders").join("bad.csv"), "id,text\n1,\"never ends\n").expect("dropped");
    zone.wait_for_ends(count + 1);
    server.stop();
    let before = everything(&zone.ledger());
    let batches = zone.batches("orders");
    let events = zone.ledger().head();
    let root = zone.ledger().root(events).expect("a root");
    let log_id = zone.ledger().log_id().expect("an id");
    ledger_files(&zone).iter().for_each(|path| fs::remove_file(path).expect("removed"));
    let told = rebuild(&zone);
    assert_eq!((&told["events"], &told["adopted"]), (&events.into(), &0.into()), "{told}");
    let ledger = zone.ledger();
    assert_eq!(ledger.root(events).expect("a root"), root, "the same history");
    assert_eq!(ledger.log_id().expect("an id"), log_id, "the same log goes on");
    log::verify(&ledger).expect("whole");
    assert_eq!(everything(&ledger), before, "every arrival, conversion and report");
    assert_eq!(zone.batches("orders"), batches);
    let learned = ledger.learned(&"orders".parse().expect("a feed")).expect("read");
    assert!(learned.is_some(), "the feed's columns are known");
    let audited = zone.run(&["audit", "verify"]);
    assert!(audited.status.success(), "{audited:?}");
    // And work goes on: the next file gets the next batch.
    let server = zone.serve();
    fs::write(zone.inbox("orders").join("next.csv"), "id,text\n9,x\n").expect("dropped");
    let ends = zone.wait_for_ends(count + 2);
    assert!(ends.last().expect("one").batch.is_some());
    server.stop();
    assert!(zone.batches("orders").len() > batches.len());
}

#[test]
fn an_old_copy_of_the_ledger_catches_up() {
    let zone = TestZone::new(CONFIG);
    let server = zone.serve();
    fill(&zone, 0..3);
    server.stop();
    let copies: Vec<_> = ledger_files(&zone)
        .into_iter()
        .map(|path| (fs::read(&path).expect("read"), path))
        .collect();
    let server = zone.serve();
    fill(&zone, 3..8);
    server.stop();
    let before = everything(&zone.ledger());
    ledger_files(&zone).iter().for_each(|path| fs::remove_file(path).expect("removed"));
    copies.iter().for_each(|(bytes, path)| fs::write(path, bytes).expect("restored"));
    let told = String::from_utf8(zone.run(&["serve"]).stderr).expect("text");
    assert!(told.contains("L110"), "{told}");
    let told = rebuild(&zone);
    assert!(told["set_aside"].as_str().is_some_and(|path| Path::new(path).exists()), "{told}");
    assert_eq!(everything(&zone.ledger()), before);
    zone.serve().stop();
    let again = zone.run(&["rebuild"]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("nothing to rebuild"), "{again:?}");
}

#[test]
fn what_came_after_the_last_checkpoint_is_recorded_again_with_its_digest() {
    let zone = TestZone::new(CONFIG);
    let server = zone.serve();
    fill(&zone, 0..3);
    server.stop();
    // Taken without a server, so nobody has signed it when the ledger is lost.
    fs::write(zone.path().join("late.csv"), "id,text\n7,late\n").expect("written");
    let late = zone.path().join("late.csv");
    let sent = zone.run(&["send", "--feed", "orders", late.to_str().expect("text")]);
    assert!(sent.status.success(), "{sent:?}");
    let before = everything(&zone.ledger());
    ledger_files(&zone).iter().for_each(|path| fs::remove_file(path).expect("removed"));
    let told = rebuild(&zone);
    assert_eq!(told["adopted"], 1, "{told}");
    let after = everything(&zone.ledger());
    assert_eq!(after.len(), before.len());
    for (id, arrival) in &before {
        let again = &after[id];
        assert_eq!(
            (again.digest, &again.name, &again.sender),
            (arrival.digest, &arrival.name, &arrival.sender)
        );
    }
    zone.serve().stop();
}

#[test]
fn a_damaged_archive_brings_back_what_can_be_trusted_and_says_where_it_restarts() {
    let zone = TestZone::new(CONFIG);
    let server = zone.serve();
    fill(&zone, 0..2);
    server.stop();
    let signed = zone.ledger().newest_checkpoint().expect("read").expect("one");
    let server = zone.serve();
    fill(&zone, 2..4);
    server.stop();
    let log_id = zone.ledger().log_id().expect("an id");
    let folder = Zone::new(zone.path()).events(&log_id);
    let file = fs::read_dir(&folder)
        .expect("listed")
        .map(|entry| entry.expect("one").path())
        .find(|path| {
            path.to_str().is_some_and(|name| {
                name.matches('.').count() == name.matches("/.").count() + 1
                    && name.ends_with(".jsonl")
            })
        })
        .expect("the events");
    let text = fs::read_to_string(&file).expect("read");
    let mut lines: Vec<&str> = text.lines().collect();
    lines.remove(usize::try_from(signed.size).expect("small") + 2);
    fs::write(&file, lines.join("\n") + "\n").expect("damaged");
    let before = everything(&zone.ledger());
    ledger_files(&zone).iter().for_each(|path| fs::remove_file(path).expect("removed"));
    let told = zone.run(&["rebuild", "--json"]);
    assert_eq!(told.status.code(), Some(3), "{told:?}");
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).expect("json");
    assert_eq!(
        (&told["restarted"], &told["events"]),
        (&true.into(), &signed.size.into()),
        "{told}"
    );
    let ledger = zone.ledger();
    assert_ne!(ledger.log_id().expect("an id"), log_id, "another log");
    let events = ledger.events(signed.size, 1).expect("read");
    assert!(
        matches!(&events[0].event, Event::LogRestarted { log, .. } if *log == log_id),
        "{events:?}"
    );
    assert_eq!(everything(&ledger).len(), before.len(), "every file is there");
    zone.serve().stop();
    assert_eq!(Segments::logs(&Zone::new(zone.path())).expect("read").len(), 2);
}

#[test]
fn a_day_is_sealed_so_that_sha256sum_and_ssh_keygen_check_it() {
    let zone = TestZone::new(CONFIG);
    let server = zone.serve();
    fill(&zone, 0..2);
    server.stop();
    // The day of these files becomes one that has ended.
    let log_id = zone.ledger().log_id().expect("an id");
    let folder = Zone::new(zone.path()).events(&log_id);
    for entry in fs::read_dir(&folder).expect("listed") {
        let path = entry.expect("one").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("text").to_owned();
        let (_, end) = name.split_once('.').expect("an ending");
        fs::rename(&path, folder.join(format!("2026-01-01.{end}"))).expect("renamed");
    }
    let server = zone.serve();
    let list = zone.path().join("archive/SHA256SUMS-2026-01-01");
    zone.wait_until("the seal", |ledger| {
        let events = ledger.events(0, u32::MAX).expect("read");
        events.iter().any(|told| matches!(told.event, Event::DaySealed { files: 2, .. }))
    });
    server.stop();
    let text = fs::read_to_string(&list).expect("a list");
    assert_eq!(text.lines().count(), 5, "{text}");
    let checked = Command::new("sha256sum")
        .args(["-c", "--quiet", "SHA256SUMS-2026-01-01"])
        .current_dir(zone.path().join("archive"))
        .output()
        .expect("sha256sum runs");
    assert!(checked.status.success(), "{checked:?}");
    let signers = zone.path().join("signers");
    fs::write(&signers, zone.run(&["receipt", "key"]).stdout).expect("written");
    let verified = Command::new("ssh-keygen")
        .args(["-Y", "verify", "-n", "landfall-sums", "-I", "our-zone", "-f"])
        .arg(&signers)
        .arg("-s")
        .arg(list.with_file_name("SHA256SUMS-2026-01-01.sig"))
        .stdin(fs::File::open(&list).expect("opened"))
        .output()
        .expect("ssh-keygen runs");
    assert!(verified.status.success(), "{verified:?}");
}
