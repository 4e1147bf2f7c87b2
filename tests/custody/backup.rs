//! Backups under load restore clean, and nothing is lost by putting one back.
//!
//! `LANDFALL_BACKUPS=200` takes more than every day.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::support::{TestZone, feed_name, landfall};
use landfall::clock::Clock;
use landfall::durable::Durability;
use landfall::ledger::{Door, Event, Ledger, Log, NewArrival, log, sqlite};
use landfall::names::{ArrivalId, Digest};
use landfall::zone::Zone;

fn run(zone: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output: Output = landfall().args(arguments).arg("--zone").arg(zone).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

fn incoming(number: u64) -> NewArrival {
    let now = Clock::system().now();
    let (id, name) = (ArrivalId::new(now), format!("{number}.csv").parse().unwrap());
    NewArrival {
        id,
        sender: "partner:acme".parse().unwrap(),
        door: Door::Sftp,
        feed: feed_name("orders"),
        raw: Zone::raw_path(&feed_name("orders"), now, id, &name),
        name,
        size_bytes: number,
        digest: Digest::from_bytes([7; 32]),
        received_at: now,
        modified_s: None,
        mode: None,
        origin: None,
        fingerprint: None,
        held: None,
        waits: None,
        skip_duplicate: true,
        replace_same_name: false,
        adopted: false,
        ends: None,
    }
}

/// A zone that no server runs in, with a ledger of so many arrivals.
fn zone_with(arrivals: u64) -> TestZone {
    let zone = TestZone::new("[feed.orders]\n");
    fs::create_dir_all(zone.path().join(".landfall/keys")).unwrap();
    let ledger = open(zone.path());
    (0..arrivals).for_each(|n| drop(ledger.receive(incoming(n)).unwrap()));
    zone
}

fn open(zone: &Path) -> sqlite::SqliteLedger {
    let file = zone.join(".landfall/ledger.db");
    sqlite::open(&file, Clock::system(), Durability::Relaxed).expect("a ledger")
}

/// Backups of one zone; under load its ledger grows, so that a new one takes its place then.
const OF_ONE_ZONE: usize = 8;

#[test]
fn backups_at_random_times_under_load_restore_clean() {
    let count: usize = std::env::var("LANDFALL_BACKUPS").map_or(8, |n| n.parse().unwrap());
    for first in (0..count).step_by(OF_ONE_ZONE) {
        back_up_under_load(OF_ONE_ZONE.min(count - first));
    }
}

fn back_up_under_load(count: usize) {
    let zone = zone_with(1);
    let ledger = open(zone.path());
    let (stop, number) = (AtomicBool::new(false), AtomicU64::new(1));
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    ledger.receive(incoming(number.fetch_add(1, Ordering::Relaxed))).unwrap();
                }
            });
        }
        let _stops = Stops(&stop);
        for round in 0..count {
            // Not in step with the load: some way into what is written meanwhile.
            let jitter = u64::from(ArrivalId::new(Clock::system().now()).as_bytes()[15]);
            ledger.wait_beyond(ledger.head() + jitter, Duration::from_secs(10));
            check_a_backup(&zone, &ledger, &folder.path().join(round.to_string()));
        }
    });
}

/// Takes a backup, makes a zone of it, and compares its ledger with the one that goes on.
fn check_a_backup(zone: &TestZone, ledger: &sqlite::SqliteLedger, to: &Path) {
    let before = ledger.head();
    let (code, said) = run(zone.path(), &["backup", to.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    let restored = to.with_extension("zone");
    let (code, said) = run(&restored, &["restore", to.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    let copy = open(&restored);
    let size = log::verify(&copy).expect("whole").size();
    assert!(size >= before, "nothing that was there is missing: {size} < {before}");
    // It is a beginning of what the zone itself has.
    assert_eq!(copy.root(size).unwrap(), ledger.root(size).unwrap());
    let arrivals: u64 = copy.counts().unwrap().iter().map(|(_, _, files)| files).sum();
    let events = copy.events(0, u32::MAX).unwrap();
    let received =
        |event: &&landfall::ledger::Recorded| matches!(event.event, Event::Received { .. });
    assert_eq!(arrivals, events.iter().filter(received).count() as u64, "one state");
    // It can be written on.
    copy.note(Event::Stopped).unwrap();
    fs::remove_dir_all(restored).unwrap();
    fs::remove_dir_all(to).unwrap();
}

struct Stops<'s>(&'s AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_zone_is_made_again_from_its_backup_and_serves() {
    let zone = TestZone::new("[feed.orders]\nmatch = [\"*.csv\"]\n");
    zone.partner("acme", &["orders"], "");
    let server = zone.serve();
    fs::write(zone.inbox("orders").join("a.csv"), "id\n1\n").unwrap();
    zone.wait_for_ends(1);
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("backup");
    let (code, said) = run(zone.path(), &["backup", to.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    // Other tools can check it, and only its owner can read it.
    let sums = std::process::Command::new("sha256sum")
        .args(["-c", "--quiet", "SHA256SUMS"])
        .current_dir(&to)
        .status();
    assert!(sums.unwrap().success());
    for private in [to.clone(), to.join("ledger.db"), to.join("zone/.landfall/keys/receipt")] {
        assert_eq!(fs::metadata(&private).unwrap().mode() & 0o077, 0, "{}", private.display());
    }
    // A name alone is a folder beside.
    let mut named = landfall();
    named.args(["backup", "beside", "--zone"]).arg(zone.path()).current_dir(folder.path());
    assert!(named.status().unwrap().success());
    assert!(folder.path().join("beside/ledger.db").exists());
    // Over a server that runs, nothing is put back.
    let (code, said) = run(zone.path(), &["restore", to.to_str().unwrap()]);
    assert!(code == Some(11) && said.contains("Z103"), "{said}");
    server.stop();
    let again = folder.path().join("again");
    let (code, said) = run(&again, &["restore", to.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    for file in ["landfall.toml", "partners/acme.toml", ".landfall/keys/receipt"] {
        assert_eq!(fs::read(zone.path().join(file)).unwrap(), fs::read(again.join(file)).unwrap());
    }
    assert_eq!(fs::metadata(again.join(".landfall/keys/receipt")).unwrap().mode() & 0o777, 0o600);
    let (code, said) = run(&again, &["list"]);
    assert!(code == Some(0) && said.contains("a.csv"), "{said}");
}

#[test]
fn a_ledger_that_has_more_is_put_aside_only_when_told_to() {
    let zone = zone_with(3);
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("backup");
    let path = to.to_str().unwrap();
    assert_eq!(run(zone.path(), &["backup", path]).0, Some(0));
    let (code, said) = run(zone.path(), &["backup", path]);
    assert!(code == Some(1) && said.contains("is there already"), "{said}");
    let (code, said) = run(zone.path(), &["restore", path]);
    assert!(code == Some(0) && said.contains("is that of the backup already"), "{said}");
    let ledger = open(zone.path());
    ledger.receive(incoming(9)).unwrap();
    let head = ledger.head();
    drop(ledger);
    fs::write(zone.path().join("landfall.toml"), "[feed.orders]\n[feed.more]\n").unwrap();
    let (code, said) = run(zone.path(), &["restore", path]);
    assert!(
        code == Some(1)
            && said.contains("has 1 events")
            && said.contains("--put-present-ledger-aside"),
        "{said}"
    );
    assert_eq!(open(zone.path()).head(), head, "it stays");
    let (code, said) = run(zone.path(), &["restore", path, "--put-present-ledger-aside"]);
    assert!(code == Some(0) && said.contains("left as it is"), "{said}");
    assert_eq!(open(zone.path()).head(), head - 1);
    let aside =
        fs::read_dir(zone.path().join(".landfall")).unwrap().map(|entry| entry.unwrap().path());
    let aside: Vec<_> =
        aside.filter(|path| path.to_str().unwrap().contains("ledger.before-")).collect();
    let kept = aside.iter().find(|path| path.extension().is_some_and(|end| end == "db")).unwrap();
    assert_eq!(sqlite::open_read_only(kept).unwrap().head(), head, "kept with all it has");
    assert!(fs::read_to_string(zone.path().join("landfall.toml")).unwrap().contains("feed.more"));
}

#[test]
fn a_damaged_backup_is_not_put_back() {
    let zone = zone_with(3);
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("backup");
    let path = to.to_str().unwrap();
    assert_eq!(run(zone.path(), &["backup", path]).0, Some(0));
    fs::remove_file(zone.path().join(".landfall/ledger.db")).unwrap();
    let ledger = to.join("ledger.db");
    let mut bytes = fs::read(&ledger).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&ledger, &bytes).unwrap();
    let (code, said) = run(zone.path(), &["restore", path]);
    assert!(
        code == Some(1) && said.contains("A121") && said.contains("ledger.db is damaged"),
        "{said}"
    );
    assert!(!zone.path().join(".landfall/ledger.db").exists());
    let sums = to.join("SHA256SUMS");
    fs::write(&sums, format!("{}  ../x\n", "0".repeat(64))).unwrap();
    let (code, said) = run(zone.path(), &["restore", path]);
    assert!(code == Some(1) && said.contains("outside"), "{said}");
    let (code, said) = run(zone.path(), &["restore", zone.path().to_str().unwrap()]);
    assert!(code == Some(1) && said.contains("is not a backup"), "{said}");
}
