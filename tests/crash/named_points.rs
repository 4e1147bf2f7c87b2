//! Killed at points that have a name, each with its own expectation: half-way through an upload,
//! after an event, while a file waits. [`crate::kills`] kills at all others.

use std::fs;
use std::io::{Seek, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::support::{self, Server, TestZone};
use landfall::ledger::{Event, Ledger as _, State, WaitsFor};

const ONE_GB: u64 = 1_000_000_000;

fn zone() -> TestZone {
    let zone = TestZone::new("[feed.orders]\n");
    zone.partner("acme", &["orders"], "");
    zone
}

/// A file of pseudo-random bytes that no converter takes for a table.
fn noise(path: &std::path::Path, size_bytes: u64) {
    let mut file = std::io::BufWriter::new(fs::File::create(path).expect("created"));
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..size_bytes / 8 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        file.write_all(&state.to_le_bytes()).expect("written");
    }
    file.rewind().expect("flushed");
}

#[test]
fn an_upload_killed_half_way_lands_once_after_it_is_resumed() {
    let zone = zone();
    let big = zone.path().join("big.bin");
    noise(&big, ONE_GB);
    let key = zone.path().join("acme.key");
    let server = zone.serve();
    let mut client = Command::new("sftp")
        .args(["-q", "-b", "-"])
        .args(server.ssh_options(&key))
        .arg("acme@127.0.0.1")
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("sftp starts");
    let mut stdin = client.stdin.take().expect("its input");
    writeln!(stdin, "put {} big.bin", big.display()).expect("written");
    drop(stdin);
    let staging = zone.path().join(".landfall/staging");
    let staged = || -> u64 {
        let entries = fs::read_dir(&staging).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.metadata().ok()).map(|file| file.len()).sum()
    };
    while staged() < ONE_GB / 4 {
        assert!(client.try_wait().expect("alive").is_none(), "the upload ended early");
        std::thread::yield_now();
    }
    server.kill();
    client.wait().expect("ended");
    assert!(support::all(&zone.ledger()).is_empty(), "nothing landed");
    assert!(!zone.path().join("archive/orders").exists(), "nothing in the archive");

    let server = zone.serve();
    let before = staged();
    assert!(before >= ONE_GB / 4, "the partial upload is still there: {before}");
    server.sftp_ok("acme", &key, &format!("reput {} big.bin\n", big.display()));
    let arrivals = zone.wait_for_ends(1);
    assert_eq!(arrivals.len(), 1, "it landed once");
    assert_eq!(arrivals[0].size_bytes, ONE_GB);
    let raw = zone.path().join(arrivals[0].raw.as_str());
    let same = Command::new("cmp").arg(&big).arg(raw).status().expect("cmp runs");
    assert!(same.success(), "the bytes are the partner's");
}

/// Kills the server as soon as the ledger shows an event of this kind, restarts it, and checks that
/// all files are handed off once and that a batch that had closed kept its id, names and bytes.
fn killed_at(kind: &str) {
    const FILES: usize = 40;
    let zone = zone();
    let key = zone.path().join("acme.key");
    let folder = zone.path().join("outgoing");
    fs::create_dir(&folder).expect("made");
    for n in 0..FILES {
        let rows: String = (0..500).map(|row| format!("{n},{row},text {row}\n")).collect();
        fs::write(folder.join(format!("f{n:02}.csv")), format!("file,row,text\n{rows}"))
            .expect("written");
    }
    let server = zone.serve();
    let mut client = Command::new("sftp")
        .args(["-q", "-b", "-"])
        .args(server.ssh_options(&key))
        .arg("acme@127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sftp starts");
    let mut stdin = client.stdin.take().expect("its input");
    writeln!(stdin, "put {}/*.csv", folder.display()).expect("written");
    drop(stdin);
    zone.wait_until(kind, |ledger| {
        let events = ledger.events(0, 100_000).expect("events");
        events.iter().any(|recorded| recorded.event.kind() == kind)
    });
    server.kill();
    client.wait().expect("ended");
    let before = zone.batches("orders");
    let acknowledged = support::all(&zone.ledger()).len();

    let server = zone.serve();
    // What was acknowledged is there; what was not is sent again, as a partner would.
    server.sftp_ok("acme", &key, &format!("put {}/*.csv\n", folder.display()));
    let arrivals = zone.wait_for_ends(FILES);
    assert!(arrivals.len() >= acknowledged);
    let handed_off = arrivals.iter().filter(|arrival| arrival.state == State::HandedOff);
    let names: std::collections::BTreeSet<_> = handed_off.clone().map(|a| a.name.clone()).collect();
    assert_eq!((handed_off.count(), names.len()), (FILES, FILES), "each once: {arrivals:#?}");

    let after = zone.batches("orders");
    for (index, batch) in after.iter().enumerate() {
        assert_eq!(batch.sequence, index as u64 + 1, "no gap");
    }
    for old in &before {
        let new = after.iter().find(|new| new.id == old.id).expect("the batch is still there");
        assert_eq!(
            (old.sequence, &old.members, &old.files),
            (new.sequence, &new.members, &new.files)
        );
    }
    let sums = "select count(*), count(distinct file), sum(row)::bigint from read_parquet('{zone}/lake/orders/v1/*/*.parquet')";
    assert_eq!(zone.duckdb(sums), format!("{}|{FILES}|{}", FILES * 500, FILES * 500 * 499 / 2));
    for file in after.iter().flat_map(|batch| &batch.files) {
        let bytes = fs::read(zone.path().join(file.to.as_str())).expect("published");
        assert_eq!(landfall::archive::digest::of_bytes(&bytes), file.digest, "{}", file.to);
    }
    server.stop();
}

#[test]
fn killed_between_archive_and_conversion() {
    killed_at("received");
}

#[test]
fn killed_after_a_conversion() {
    killed_at("converted");
}

#[test]
fn killed_after_a_batch_has_closed() {
    killed_at("batch_closed");
}

#[test]
fn killed_after_a_batch_is_published() {
    killed_at("batch_published");
}

#[test]
fn a_closed_part_that_is_never_renamed_is_archived_and_held() {
    let zone =
        TestZone::new("[sftp]\nlisten = \"127.0.0.1:0\"\nrename_wait = \"1s\"\n[feed.orders]\n");
    let key = zone.partner("acme", &["orders"], "");
    let local = zone.path().join("local.csv");
    fs::write(&local, "id\n1\n").expect("written");
    let server = zone.serve();
    server.sftp_ok("acme", &key, &format!("put {} orders.csv.part\n", local.display()));
    // Killed before its time is up: the closed upload waits on disk.
    server.kill();
    let server = zone.serve();
    let held = zone.wait_for_ends(1).remove(0);
    assert_eq!(held.state, State::Held);
    assert!(held.diagnostic.expect("a reason").summary.contains("orders.csv.part"));
    assert_eq!(fs::read(zone.path().join(held.raw.as_str())).expect("archived"), b"id\n1\n");
    server.stop();
}

/// Sends `a.csv` to a feed with these settings, kills the server, and starts it again.
fn killed_while_it_waits(settings: &str, waits_for: WaitsFor) -> (TestZone, Server, PathBuf) {
    let zone = TestZone::new(&format!("[feed.orders]\n{settings}\n"));
    let key = zone.partner("acme", &["orders"], "");
    let local = zone.path().join("local.csv");
    fs::write(&local, "id\n1\n").expect("written");
    let server = zone.serve();
    server.sftp_ok("acme", &key, &format!("put {} a.csv\n", local.display()));
    let waiting = support::all(&zone.ledger()).remove(0);
    assert_eq!(waiting.waits.map(|waits| waits.what), Some(waits_for));
    server.kill();
    let still = support::all(&zone.ledger()).remove(0);
    assert_eq!((still.state, still.waits), (State::Received, waiting.waits), "it is recorded");
    let server = zone.serve();
    (zone, server, key)
}

#[test]
fn killed_while_a_file_waits_for_its_marker_it_goes_on_with_it_and_not_before() {
    let settings = "complete = \"marker\"";
    let (zone, server, key) = killed_while_it_waits(settings, WaitsFor::Marker);
    // Something else passes meanwhile: the pipeline is at work, and leaves the file alone.
    let passes = zone.path().join("passes");
    fs::write(&passes, "").expect("written");
    let put = |name: &str| format!("put {} {name}\n", passes.display());
    server.sftp_ok(
        "acme",
        &key,
        &format!("put {}/local.csv b.csv\n{}", zone.path().display(), put("b.csv.ok")),
    );
    zone.wait_until("the other file", |ledger| {
        support::all(ledger).iter().any(|arrival| arrival.state == State::HandedOff)
    });
    let first = support::all(&zone.ledger()).remove(0);
    assert_eq!((first.name.to_string().as_str(), first.state), ("a.csv", State::Received));
    let status = String::from_utf8(zone.run(&["status"]).stdout).expect("text");
    assert!(status.contains("orders: 1 file under way, waiting for its marker"), "{status}");
    let list = String::from_utf8(zone.run(&["list"]).stdout).expect("text");
    assert!(list.contains("received, waits for its marker"), "{list}");
    server.sftp_ok("acme", &key, &put("a.csv.ok"));
    // Killed as soon as the marker is acknowledged.
    server.kill();
    let server = zone.serve();
    let ended = zone.wait_for_ends(2);
    assert_eq!(ended.len(), 2);
    assert!(ended.iter().all(|arrival| arrival.state == State::HandedOff), "{ended:#?}");
    server.stop();
}

#[test]
fn killed_while_a_file_is_held_back_it_goes_on_when_its_hold_ends() {
    let (zone, server, _) = killed_while_it_waits("hold = \"3s\"", WaitsFor::Hold);
    let ended = zone.wait_for_ends(1).remove(0);
    assert_eq!(ended.state, State::HandedOff);
    let history = zone.ledger().history(ended.id).expect("read");
    let completed = history.iter().find(|told| matches!(told.event, Event::Completed { .. }));
    let waited = completed.expect("it waited").at.duration_since(ended.received_at);
    assert!(waited.as_secs() >= 3, "{waited:?}");
    server.stop();
}

#[test]
fn a_test_is_converted_and_nothing_of_it_is_handed_on() {
    let zone = zone();
    let key = zone.path().join("acme.key");
    let local = zone.path().join("local.csv");
    fs::write(&local, "id,code\n1,007\n").expect("written");
    let server = zone.serve();
    server.sftp_ok("acme", &key, &format!("put {} /test/a.csv\n", local.display()));
    let tested = zone.wait_for_ends(1).remove(0);
    assert_eq!(tested.state, State::Tested);
    assert_eq!(tested.conversion.as_ref().map(|made| made.written), Some(1), "it was looked at");
    server.sftp_ok("acme", &key, &format!("put {} a.csv\n", local.display()));
    let real = zone.wait_for_ends(2).remove(1);
    assert_eq!(real.state, State::HandedOff);
    let batches = zone.batches("orders");
    assert_eq!(batches.len(), 1);
    assert_eq!(batches[0].members, [real.id], "the test is in no batch");
    let shown = zone.run(&["show", &tested.id.to_string()]);
    let shown = String::from_utf8(shown.stdout).expect("text");
    assert!(shown.contains("a.csv is tested (a test: nothing is handed on)"), "{shown}");
    let left = fs::read_dir(zone.path().join(".landfall/converted")).expect("listed").count();
    assert_eq!(left, 0, "its Parquet is gone");
    server.stop();
}
