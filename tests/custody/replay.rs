//! Files are converted again from the archive and handed off again: what would change is told first,
//! and what is published stays until a batch has what takes its place.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::TestZone;
use landfall::ledger::{Because, Ledger, Replays as _};

const CONFIG_WITH_GRACE: &str = "\
[sftp]
listen = \"127.0.0.1:0\"
[feed.orders]
retract_grace = \"1s\"
";

const CONTRACT: &str = "\
max_rejects = 1
[column.id]
type = \"int64\"
[column.amount]
type = \"decimal(10,2)\"
decimal = \",\"
";

fn published() -> TestZone {
    let zone = TestZone::new("[feed.orders]\n");
    let server = zone.serve();
    let inbox = zone.inbox("orders");
    for (name, amounts) in [("a.csv", "10,50\n2;0,05"), ("b.csv", "x\n2;1,00"), ("c.csv", "x\n2;y")]
    {
        fs::write(inbox.join(name), format!("id;amount\n1;{amounts}\n")).unwrap();
    }
    zone.wait_for_ends(3);
    server.stop();
    zone
}

fn said(zone: &TestZone, arguments: &[&str]) -> (Option<i32>, String) {
    let output = zone.run(arguments);
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// Every file of the zone that is kept, with its bytes.
fn kept(folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            kept(&path, found);
        } else {
            found.insert(path.clone(), fs::read(path).unwrap());
        }
    }
}

#[test]
fn a_dry_run_tells_what_would_change_and_changes_nothing() {
    let zone = published();
    let all = || {
        let mut found = BTreeMap::new();
        for room in ["archive", "lake"] {
            kept(&zone.path().join(room), &mut found);
        }
        (found, zone.ledger().head())
    };
    let before = all();
    let (code, text) = said(&zone, &["replay", "--dry-run", "--feed", "orders"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(text.matches(": the same").count(), 3, "the same values come of it: {text}");
    assert!(text.contains("3 files tried: 0 would change"), "{text}");

    fs::create_dir_all(zone.path().join("contracts")).unwrap();
    fs::write(zone.path().join("contracts/orders.toml"), CONTRACT).unwrap();
    let (code, text) = said(&zone, &["replay", "--dry-run", "--feed", "orders"]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("3 files tried: 2 would change, 1 would be held"), "{text}");
    assert!(text.contains("c.csv of orders") && text.contains("would be held"), "{text}");
    let (code, text) = said(&zone, &["replay", "--dry-run", "a.csv"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("would change, 2 → 2 rows\n  column amount: text → decimal(10,2)"),
        "{text}"
    );
    // Printed back, the values are the same.
    assert!(!text.contains("changed in"), "{text}");
    let (_, text) = said(&zone, &["replay", "--dry-run", "b.csv"]);
    for line in ["2 → 1 rows, 0 → 1 rejected", "1 row gone"] {
        assert!(text.contains(line), "{text}");
    }
    fs::write(zone.path().join("contracts/orders.toml"), format!("null = [\"x\"]\n{CONTRACT}"))
        .unwrap();
    let (_, text) = said(&zone, &["replay", "--dry-run", "b.csv"]);
    assert!(text.contains("1 cell changed in amount, first in record 1: `x` → null"), "{text}");
    fs::write(zone.path().join("contracts/orders.toml"), CONTRACT).unwrap();
    let output = zone.run(&["replay", "--dry-run", "b.csv", "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["change"], &told["rows_gone"]), (&"parquet".into(), &1.into()));
    assert_eq!(all(), before, "nothing is changed");
    let (code, text) = said(&zone, &["replay", "a.csv"]);
    assert!(code == Some(2) && text.contains("--reason"), "{text}");
}

fn contract(zone: &TestZone, text: &str) {
    fs::create_dir_all(zone.path().join("contracts")).unwrap();
    fs::write(zone.path().join("contracts/orders.toml"), text).unwrap();
}

/// The archive's files with their bytes and times of modification.
fn archived(zone: &TestZone) -> Vec<(PathBuf, Vec<u8>, std::time::SystemTime)> {
    let mut files = BTreeMap::new();
    kept(&zone.path().join("archive/orders"), &mut files);
    let time = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
    files.into_iter().map(|(path, bytes)| (path.clone(), bytes, time(&path))).collect()
}

/// What a reader of the manifests has in the end: the urls of entries that none retracts.
fn by_manifests(zone: &TestZone) -> BTreeSet<String> {
    let mut live = BTreeSet::new();
    for batch in zone.batches("orders") {
        let path = zone.path().join(format!("lake/orders/_manifests/{:010}.json", batch.sequence));
        let manifest: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let urls = |of: &str| -> Vec<String> {
            let urls = manifest[of].as_array().unwrap().iter();
            urls.map(|entry| entry["url"].as_str().unwrap().to_owned()).collect()
        };
        for gone in urls("retracts") {
            assert!(live.remove(&gone), "{gone} was published before it is taken back");
        }
        live.extend(urls("entries"));
    }
    live
}

fn in_the_lake(zone: &TestZone) -> BTreeSet<String> {
    let mut files = BTreeMap::new();
    kept(&zone.path().join("lake/orders"), &mut files);
    let below =
        |path: &PathBuf| path.strip_prefix(zone.path()).unwrap().to_str().unwrap().to_owned();
    files.keys().map(below).filter(|path| path.ends_with(".parquet")).collect()
}

fn wait_for_the_grace(zone: &TestZone) {
    zone.wait_until("retracted files to leave the lake", |ledger| {
        ledger.closed_batches().unwrap().is_empty() && ledger.retractions_due().unwrap().is_empty()
    });
}

#[test]
fn a_replay_publishes_what_changed_and_takes_back_the_old() {
    let zone = published();
    fs::write(zone.path().join("landfall.toml"), CONFIG_WITH_GRACE).unwrap();
    contract(&zone, CONTRACT);
    let before = archived(&zone);
    let server = zone.serve();
    let (code, text) =
        said(&zone, &["replay", "--feed", "orders", "--reason", "amounts are numbers"]);
    assert_eq!(code, Some(3), "one would be held: {text}");
    assert!(text.contains("3 files to be replayed."), "{text}");
    assert_eq!(text.matches("which takes back what was published before").count(), 2, "{text}");
    assert!(text.contains("it would be held, what is published stays: C120"), "{text}");
    assert_eq!(archived(&zone), before, "the archive is only read");

    let batches = zone.batches("orders");
    let last = batches.last().unwrap();
    assert_eq!((last.files.len(), last.retracts.len(), last.version), (3, 2, Some(2)), "{last:?}");
    wait_for_the_grace(&zone);
    assert_eq!(in_the_lake(&zone), by_manifests(&zone));
    let sum = "SELECT sum(amount) FROM '{zone}/lake/orders/v2/*/*.parquet'";
    assert_eq!(zone.duckdb(sum).trim(), "11.55", "10.50 + 0.05 + 1.00");
    assert_eq!(zone.duckdb("SELECT count(*) FROM '{zone}/lake/orders/v1/*/*.parquet'").trim(), "2");

    let (_, told) = said(&zone, &["show", "a.csv"]);
    for line in [
        "replay asked for by",
        "amounts are numbers",
        "converted again: 2 of 2",
        "of orders, published",
    ] {
        assert!(told.contains(line), "`{line}` in {told}");
    }
    let (code, text) = said(&zone, &["replay", "a.csv", "--reason", "again"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("the same columns and values; nothing to publish"), "{text}");
    assert_eq!(zone.batches("orders").len(), batches.len());
    let (code, text) = said(&zone, &["replay", "b.csv", "--reason", " "]);
    assert!(code == Some(4) && text.contains("needs a reason"), "{text}");
    server.stop();
    for check in [["verify"].as_slice(), &["audit", "verify"]] {
        let (code, text) = said(&zone, check);
        assert_eq!(code, Some(0), "{text}");
    }
    // A ledger that is made again knows of it.
    let live = by_manifests(&zone);
    for part in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        drop(fs::remove_file(zone.path().join(".landfall").join(part)));
    }
    let (code, text) = said(&zone, &["rebuild"]);
    assert_eq!(code, Some(0), "{text}");
    let rebuilt = zone.ledger().live_files(&crate::support::feed_name("orders"), None).unwrap();
    assert_eq!(rebuilt.iter().map(|file| file.to.to_string()).collect::<BTreeSet<_>>(), live);
    let a = crate::support::all(&zone.ledger()).into_iter().find(|a| a.name.to_string() == "a.csv");
    let replay = zone.ledger().replay_of(a.unwrap().id).unwrap().expect("known");
    assert_eq!(replay.reason, "again");
}

#[test]
fn a_kill_neither_loses_nor_repeats_a_replay() {
    const FILES: usize = 60;
    let zone = TestZone::new(CONFIG_WITH_GRACE);
    let server = zone.serve();
    let inbox = zone.inbox("orders");
    for number in 0..FILES {
        fs::write(inbox.join(format!("{number}.csv")), format!("id;amount\n{number};0,50\n"))
            .unwrap();
    }
    zone.wait_for_ends(FILES);
    server.stop();
    contract(&zone, CONTRACT);
    let mut server = zone.serve();
    let (code, text) =
        said(&zone, &["replay", "--feed", "orders", "--reason", "amounts", "--no-wait"]);
    assert_eq!(code, Some(0), "{text}");
    let happened = |ledger: &dyn Ledger, kind: &str| -> usize {
        let events = ledger.events(0, 1_000_000).unwrap();
        events.iter().filter(|told| told.event.kind() == kind).count()
    };
    for (kind, count) in [("replay_converted", 7), ("replay_converted", 40), ("replay_ended", 1)] {
        zone.wait_until("replays", |ledger| happened(ledger, kind) >= count);
        server.kill();
        server = zone.serve();
    }
    zone.wait_until("the end of every replay", |ledger| happened(ledger, "replay_ended") >= FILES);
    wait_for_the_grace(&zone);
    assert_eq!(happened(&zone.ledger(), "replay_ended"), FILES, "each ended once");
    assert_eq!(in_the_lake(&zone), by_manifests(&zone));
    let query =
        "SELECT count(*), count(DISTINCT id), sum(amount) FROM '{zone}/lake/orders/v2/*/*.parquet'";
    assert_eq!(zone.duckdb(query).trim(), format!("{FILES}|{FILES}|{}.00", FILES / 2));
    server.stop();
    assert_eq!(fs::read_dir(zone.path().join(".landfall/converted")).unwrap().count(), 0);
}

#[test]
fn what_cannot_be_read_keeps_no_other_replay_waiting() {
    let zone = published();
    let server = zone.serve();
    contract(&zone, CONTRACT);
    assert_eq!(said(&zone, &["reload"]).0, Some(0));
    let ledger = zone.ledger();
    let all = landfall::ledger::ArrivalQuery { limit: 9, ..Default::default() };
    let arrivals = ledger.arrivals(&all).unwrap();
    let lost = arrivals.iter().find(|arrival| arrival.name.to_string() == "a.csv").unwrap();
    fs::remove_file(zone.path().join(lost.raw.as_str())).unwrap();
    let (code, text) = said(&zone, &["replay", "--feed", "orders", "--reason", "amounts"]);
    assert!(code == Some(3) && text.contains("a.csv cannot be read"), "{code:?}: {text}");
    assert_eq!(zone.batches("orders").last().unwrap().because, Some(Because::Replay));
    server.stop();
}

#[test]
fn a_person_closes_the_batch_of_a_feed_that_asks_for_it() {
    let manual = "[feed.orders]\nbatch.manual = true\n";
    let zone = TestZone::new(manual);
    let server = zone.serve();
    fs::write(zone.inbox("orders").join("a.csv"), "id;amount\n1;10,50\n").unwrap();
    zone.wait_until("a conversion", |ledger| {
        ledger
            .arrivals(&landfall::ledger::ArrivalQuery { limit: 9, ..Default::default() })
            .unwrap()
            .iter()
            .any(|arrival| arrival.state == landfall::ledger::State::Converted)
    });
    let close = ["batch", "close", "orders", "--reason", "checked"];
    let (code, text) = said(&zone, &["replay", "a.csv", "--reason", "early"]);
    assert!(code == Some(4) && text.contains("still on its way"), "{text}");
    assert_eq!(said(&zone, &close).0, Some(0));
    zone.wait_for_ends(1);
    contract(&zone, CONTRACT);
    assert_eq!(said(&zone, &["reload"]).0, Some(0));
    let (code, text) = said(&zone, &["replay", "a.csv", "--reason", "amounts"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("waits for `landfall batch close orders`"), "{text}");
    assert_eq!(zone.batches("orders").len(), 1);
    assert_eq!(said(&zone, &close).0, Some(0));
    assert_eq!(zone.batches("orders").len(), 2);
    server.stop();
}
