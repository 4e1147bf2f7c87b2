//! A zone that has taken very many files opens its doors as quickly as a new one.
//!
//! `LANDFALL_ARRIVALS=1000000` takes more than every day; then the times are asserted as well.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::many_arrivals::{arrivals, fill};
use crate::support::TestZone;
use landfall::archive::digest;
use landfall::ledger::{Event, Ledger as _, Output};
use landfall::report::Report;
use landfall::zone::ZonePath;
use rusqlite::Connection;

/// From the start of the process to a login.
const LOGIN_MAX: Duration = Duration::from_secs(2);
/// From the start of the process until disk and ledger agree.
const RECONCILED_MAX: Duration = Duration::from_secs(30);

/// Of the newest arrivals, half wait for their conversion and half, converted, for a batch.
fn put_in_flight(zone: &Path, count: u64, open: u64) {
    let ledger = zone.join(".landfall/ledger.db");
    fill(&ledger, count, open);
    let conn = Connection::open(&ledger).unwrap();
    conn.execute_batch("PRAGMA synchronous = off; BEGIN").unwrap();
    let converted = zone.join(".landfall/converted");
    fs::create_dir_all(&converted).unwrap();
    let bytes = b"not Parquet, but whole";
    let report = serde_json::to_string(&Report::default()).unwrap();
    for sequence in count - open + 1..=count {
        let sql = "SELECT raw FROM arrival WHERE sequence = ?1";
        let raw: String = conn.query_row(sql, [sequence], |row| row.get(0)).unwrap();
        let raw = zone.join(raw);
        fs::create_dir_all(raw.parent().unwrap()).unwrap();
        fs::write(raw, "id\n1\n").unwrap();
        if sequence % 2 == 0 {
            continue;
        }
        let path = format!(".landfall/converted/{sequence}.parquet");
        fs::write(zone.join(&path), bytes).unwrap();
        let parquet = Output {
            path: ZonePath::stored(path),
            rows: 1,
            size_bytes: bytes.len() as u64,
            digest: digest::of_bytes(bytes),
        };
        let parquet = serde_json::to_string(&parquet).unwrap();
        conn.execute(
            "INSERT INTO conversion VALUES (?1, 'test', 1, 1, 1, 1, 0, 0, ?2, NULL, ?3)",
            (sequence, parquet, &report),
        )
        .unwrap();
        conn.execute("UPDATE arrival SET state = 'converted' WHERE sequence = ?1", [sequence])
            .unwrap();
    }
    conn.execute_batch(
        "DELETE FROM tally;
         INSERT INTO tally (feed, state, count)
           SELECT feed, state, count(*) FROM arrival GROUP BY feed, state;
         COMMIT",
    )
    .unwrap();
}

#[test]
fn a_zone_with_very_many_files_opens_at_once() {
    let count = arrivals(50_000);
    let open = (count / 100).clamp(1_000, 10_000);
    let zone = TestZone::new("[workers]\ncount = 1\n[feed.orders]\n");
    let key = zone.partner("acme", &["orders"], "");
    fs::create_dir_all(zone.path().join(".landfall")).unwrap();
    put_in_flight(zone.path(), count, open);
    let began = Instant::now();
    let server = zone.serve();
    let ready = began.elapsed();
    let login = Command::new("sftp")
        .args([
            "-q",
            "-b",
            "-",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
        ])
        .args(["-o", "BatchMode=yes", "-i", key.to_str().unwrap(), "-P", &server.port.to_string()])
        .arg("acme@127.0.0.1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .expect("sftp runs");
    let logged_in = began.elapsed();
    assert!(login.success());
    let reconciled =
        |told: &landfall::ledger::Recorded| matches!(told.event, Event::Reconciled { .. });
    zone.wait_until("disk and ledger agree", |ledger| {
        ledger.events(0, 1000).unwrap().iter().any(reconciled)
    });
    let agreed = began.elapsed();
    eprintln!(
        "{count} arrivals, {open} in flight: open {ready:?}, login {logged_in:?}, reconciled {agreed:?}"
    );
    if count >= 1_000_000 {
        assert!(logged_in < LOGIN_MAX, "{logged_in:?}");
        assert!(agreed < RECONCILED_MAX, "{agreed:?}");
    }
    // Nothing that was whole is made again, and what waited goes on.
    let told = zone.ledger().events(0, 1000).unwrap();
    let whole =
        |event: &Event| matches!(event, Event::Reconciled { removed: 0, reconverting: 0, .. });
    assert!(told.iter().any(|told| whole(&told.event)), "{told:?}");
    server.kill();
}
