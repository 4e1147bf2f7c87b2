//! What is erased is gone: every copy, with a tombstone in its place, and its readers are told.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use crate::support::{TestZone, all};
use landfall::clock::{Clock, utc_day};
use landfall::durable::Durability;
use landfall::ledger::{
    Arrival, Batch, Because, ErasureCause, ErasureWish, Erasures as _, Event, Ledger, Log as _,
    Recorded, State, sqlite,
};
use landfall::names::ArrivalId;
use landfall::zone::Zone;

/// Stands in the bytes, in a record that is left out, so that reports quote it.
pub(crate) const SECRET: &str = "Jane-Roe-4711";

pub(crate) fn rows(secret: &str) -> String {
    let good: String = (0..300).map(|n| format!("{n},x{n}\n")).collect();
    format!("id,name\n{good}9,{secret},2,3\n")
}

pub(crate) fn said(zone: &TestZone, arguments: &[&str]) -> (i32, String) {
    let output = zone.run(arguments);
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

pub(crate) fn erase(zone: &TestZone, id: ArrivalId) -> (i32, String) {
    said(zone, &["erase", &id.to_string(), "--reason", "request 17", "--yes"])
}

pub(crate) fn every_file(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(every_file(&path)) } else { found.push(path) }
    }
    found
}

pub(crate) fn has(bytes: &[u8], what: &str) -> bool {
    bytes.windows(what.len()).any(|here| here == what.as_bytes())
}

/// Files of the zone that have the text, or whose name has one of these parts.
pub(crate) fn traces(zone: &TestZone, text: &str, parts: &[String]) -> Vec<PathBuf> {
    let named = |path: &Path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        parts.iter().any(|part| name.contains(part.as_str()))
    };
    let mut found = every_file(zone.path());
    found.retain(|path| named(path) || has(&fs::read(path).unwrap_or_default(), text));
    found
}

pub(crate) fn is_signed(zone: &TestZone, namespace: &str, path: &Path) -> bool {
    let signers = zone.path().join("signers");
    fs::write(&signers, zone.run(&["receipt", "key"]).stdout).unwrap();
    let identity = fs::read_to_string(&signers).unwrap();
    let identity = identity.split(' ').next().unwrap();
    let mut verified = Command::new("ssh-keygen");
    verified.args(["-Y", "verify", "-n", namespace, "-I", identity, "-f"]).arg(&signers);
    verified.arg("-s").arg(format!("{}.sig", path.display()));
    verified.stdin(fs::File::open(path).unwrap()).stdout(Stdio::null());
    verified.status().unwrap().success()
}

pub(crate) fn find(zone: &TestZone, name: &str) -> Arrival {
    let all = all(&zone.ledger());
    all.into_iter().find(|arrival| arrival.name.to_string() == name).unwrap()
}

/// A zone where two files arrived and were handed off, one with the secret in a record left out.
pub(crate) fn handed_off() -> (TestZone, crate::support::Server) {
    let zone = TestZone::new("[feed.orders]\n");
    fs::write(zone.inbox("orders").join("jane.csv"), rows(SECRET)).unwrap();
    fs::write(zone.inbox("orders").join("other.csv"), "id,name\n1,a\n").unwrap();
    let server = zone.serve();
    zone.wait_for_ends(2);
    (zone, server)
}

#[test]
fn every_copy_goes_and_a_tombstone_stays() {
    let (zone, server) = handed_off();
    let jane = find(&zone, "jane.csv");
    zone.wait_for_receipt(jane.id);
    let done = zone.inbox("orders").join("_done");
    zone.wait_until("the file to be put away", |_| {
        every_file(&zone.inbox("orders")).iter().filter(|path| path.starts_with(&done)).count() == 4
    });
    let files = zone.ledger().batch(jane.batch.unwrap()).unwrap().unwrap().files;
    let mut names: Vec<String> = files
        .iter()
        .filter(|file| file.arrival == jane.id)
        .map(|file| file.to.base().to_owned())
        .collect();
    assert_eq!(names.len(), 2, "Parquet and rejects: {files:?}");
    let mut before = traces(&zone, SECRET, &names);
    before.retain(|path| !path.to_string_lossy().contains("ledger.db"));
    assert!(before.len() >= 6, "raw, Parquet, rejects, copy, result text, rows: {before:?}");

    let (code, text) = erase(&zone, jane.id);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("jane.csv is erased: 4 files removed"), "{text}");
    zone.wait_until("its readers to be told", |ledger| {
        let batches = ledger.batches(&jane.feed, 0, 100).unwrap();
        batches.iter().any(|batch| batch.because == Some(Because::Erased))
    });
    server.stop();

    names.push(format!("{}_", jane.id));
    assert_eq!(traces(&zone, SECRET, &names), Vec::<PathBuf>::new());
    let tombstone = zone.path().join(format!("archive/_erased/{}.json", jane.id));
    assert!(is_signed(&zone, "landfall-tombstone", &tombstone));
    let told: serde_json::Value = serde_json::from_slice(&fs::read(&tombstone).unwrap()).unwrap();
    assert_eq!(told["sha256"], jane.digest.to_string());
    assert_eq!((&told["name"], &told["reason"]), (&"jane.csv".into(), &"request 17".into()));
    let removed = zone.path().join(format!("archive/REMOVED-{}", utc_day(Clock::system().now())));
    assert!(is_signed(&zone, "landfall-sums", &removed));
    let list = fs::read_to_string(&removed).unwrap();
    let below = jane.raw.as_str().strip_prefix("archive/").unwrap();
    assert!(list.contains(&format!("{}  {below}\n", jane.digest)), "{list}");
    assert_eq!(list.lines().count(), 3, "{list}");
    whole(&zone, jane.id);
}

/// Whatever checks the zone finds it right, and what was erased is told as that.
pub(crate) fn whole(zone: &TestZone, id: ArrivalId) {
    let (code, text) = said(zone, &["verify"]);
    assert_eq!(code, 0, "{text}");
    let (code, text) = said(zone, &["audit", "verify"]);
    assert_eq!(code, 0, "{text}");
    let (code, text) = said(zone, &["show", &id.to_string()]);
    assert!(code == 0 && text.contains("is erased") && text.contains("request 17"), "{text}");
    let (code, text) = said(zone, &["list", "--state", "erased"]);
    assert!(code == 0 && text.contains(&id.to_string()), "{text}");
    let (code, text) = said(zone, &["get", &id.to_string()]);
    assert!(code == 4 && text.contains("A128"), "{text}");
    let (code, text) = said(zone, &["status"]);
    assert!(code == 0 && text.contains("Nothing needs a person"), "{text}");
}

#[test]
fn readers_are_told_by_a_batch_of_its_own() {
    // This feed closes no batch by itself.
    let zone = TestZone::new("[feed.orders.batch]\nmanual = true\n");
    fs::write(zone.inbox("orders").join("jane.csv"), rows(SECRET)).unwrap();
    let server = zone.serve();
    zone.wait_until("a converted file", |ledger| {
        all(ledger).iter().any(|arrival| arrival.state == State::Converted)
    });
    let (code, text) = said(&zone, &["batch", "close", "orders", "--reason", "test"]);
    assert_eq!(code, 0, "{text}");
    let jane = zone.wait_for_ends(1).remove(0);
    let (code, text) = erase(&zone, jane.id);
    assert_eq!(code, 0, "{text}");
    zone.wait_until("the batch", |ledger| {
        let batches = ledger.batches(&jane.feed, 1, 10).unwrap();
        batches.iter().any(|batch| batch.published_at.is_some())
    });
    let first = zone.batches("orders").remove(0);
    let path = zone.path().join("lake/orders/_manifests/0000000002.json");
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert_eq!(manifest["closed_because"]["kind"], "erased");
    assert_eq!(manifest["entries"], serde_json::json!([]));
    let retracts = serde_json::json!([{
        "arrival": jane.id, "batch": first.id, "url": first.files[0].to, "replaced_by": null
    }]);
    assert_eq!(manifest["retracts"], retracts);
    assert_eq!(zone.live("orders"), Vec::<PathBuf>::new());
    // Whoever asks what was live then is not sent to a file that is not there any more.
    let then = zone.ledger().live_files(&jane.feed, Some(1)).unwrap();
    assert_eq!(then, Vec::new());
    assert_eq!(find(&zone, "jane.csv").state, State::Erased);
    server.stop();
}

#[test]
fn what_a_crash_left_the_next_start_finishes() {
    for removed_already in [false, true] {
        let (zone, server) = handed_off();
        let jane = find(&zone, "jane.csv");
        server.stop();
        let file = zone.path().join(".landfall/ledger.db");
        let own = sqlite::open(&file, Clock::system(), Durability::Full).unwrap();
        let (by, reason) = ("ops".to_owned(), "request 17".to_owned());
        let wish = ErasureWish { by, reason, cause: ErasureCause::Asked };
        own.begin_erasure(jane.id, wish).unwrap();
        drop(own);
        if removed_already {
            fs::remove_file(zone.path().join(jane.raw.as_str())).unwrap();
        }
        assert_eq!(find(&zone, "jane.csv").state, State::Erasing);
        let server = zone.serve();
        assert_eq!(find(&zone, "jane.csv").state, State::Erased);
        assert_eq!(zone.live("orders").len(), 1);
        server.stop();
        assert_eq!(traces(&zone, SECRET, &[]), Vec::<PathBuf>::new());
        whole(&zone, jane.id);
    }
}

/// Gives the day of the zone's events another date, so that it has ended.
fn two_days_ago(zone: &TestZone) -> String {
    let day = utc_day(Clock::system().now() - Duration::from_secs(2 * 24 * 3600));
    let folder = Zone::new(zone.path()).events(&zone.ledger().log_id().unwrap());
    for path in every_file(&folder) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let (_, end) = name.split_once('.').unwrap();
        fs::rename(&path, folder.join(format!("{day}.{end}"))).unwrap();
    }
    day
}

#[test]
fn an_auditor_finds_every_difference_from_a_seal_on_the_list() {
    let (zone, server) = handed_off();
    let jane = find(&zone, "jane.csv");
    zone.wait_for_receipt(jane.id);
    server.stop();
    let day = two_days_ago(&zone);
    let server = zone.serve();
    zone.wait_until("the seal", |ledger| {
        let events = ledger.events(0, u32::MAX).unwrap();
        events.iter().any(|told| matches!(told.event, Event::DaySealed { files: 2, .. }))
    });
    assert_eq!(erase(&zone, jane.id).0, 0);
    server.stop();
    assert_eq!(traces(&zone, SECRET, &[]), Vec::<PathBuf>::new());
    let archive = zone.path().join("archive");
    let mut check = Command::new("sha256sum");
    check.args(["-c", "--ignore-missing", "--quiet", &format!("SHA256SUMS-{day}")]);
    let told = check.current_dir(&archive).output().unwrap();
    let failed = String::from_utf8(told.stdout).unwrap();
    let failed: Vec<_> = failed.lines().filter_map(|line| line.strip_suffix(": FAILED")).collect();
    assert!(failed.len() == 1 && failed[0].ends_with(".rows.jsonl"), "{failed:?}");
    let sealed = fs::read_to_string(archive.join(format!("SHA256SUMS-{day}"))).unwrap();
    let today = utc_day(Clock::system().now());
    let removed = fs::read_to_string(archive.join(format!("REMOVED-{today}"))).unwrap();
    for line in sealed.lines() {
        let (_, name) = line.split_once("  ").unwrap();
        let differs = failed.contains(&name) || !archive.join(name).exists();
        assert_eq!(removed.lines().any(|gone| gone == line), differs, "{line}");
    }
    let tombstone = archive.join(format!("_erased/{}.json", jane.id));
    let told: serde_json::Value = serde_json::from_slice(&fs::read(tombstone).unwrap()).unwrap();
    assert_eq!(told["blanked"][0]["path"], failed[0]);
    export(&zone, jane.id);
    // A ledger that is made again from what is left is whole.
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        drop(fs::remove_file(zone.path().join(".landfall").join(name)));
    }
    let (code, text) = said(&zone, &["rebuild"]);
    assert_eq!(code, 0, "{text}");
    whole(&zone, jane.id);
}

/// What an auditor gets is right, and has the tombstone in place of the file.
fn export(zone: &TestZone, id: ArrivalId) {
    let bundle = zone.path().join("bundle");
    let to = bundle.to_str().unwrap();
    let words = ["audit", "export", "--from", "2020-01-01", "--to", "2120-01-01", "-o", to];
    let (code, text) = said(zone, &words);
    assert_eq!(code, 0, "{text}");
    let erased = bundle.join(format!("erased/{id}.json"));
    assert!(is_signed(zone, "landfall-tombstone", &erased));
    assert_eq!(fs::read_dir(bundle.join("raw")).unwrap().count(), 1);
    let receipt = fs::read_to_string(bundle.join(format!("receipts/{id}.receipt.json"))).unwrap();
    assert!(receipt.contains("\"outcome\": \"erased\""), "{receipt}");
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/audit/verify.py");
    let mut verifier = Command::new("python3");
    verifier.arg(program).arg("--signers").arg(zone.path().join("signers")).arg(&bundle);
    let told = verifier.output().unwrap();
    assert!(told.status.success(), "{told:?}");
}

#[test]
fn a_zone_that_nobody_serves_is_erased_in_as_well() {
    let (zone, server) = handed_off();
    let jane = find(&zone, "jane.csv");
    server.stop();
    let (code, text) = said(&zone, &["erase", "jane.csv", "--reason", "request 17"]);
    assert!(code == 2 && text.contains("--yes"), "{text}");
    assert_eq!(find(&zone, "jane.csv").state, State::HandedOff);
    let (code, text) = erase(&zone, jane.id);
    assert_eq!(code, 0, "{text}");
    assert_eq!(traces(&zone, SECRET, &[]), Vec::<PathBuf>::new());
    whole(&zone, jane.id);
    let server = zone.serve();
    zone.wait_until("its readers to be told", |ledger| {
        ledger.batches(&jane.feed, 0, 100).unwrap().iter().any(|batch| !batch.retracts.is_empty())
    });
    server.stop();
}

#[test]
fn what_is_on_its_way_is_not_erased() {
    let zone =
        TestZone::new("[feed.orders]\nsinks = [\"gone\"]\n[sink.gone]\ncommand = [\"false\"]\n");
    fs::write(zone.inbox("orders").join("jane.csv"), rows(SECRET)).unwrap();
    let server = zone.serve();
    zone.wait_until("a published file", |ledger| {
        all(ledger).iter().any(|arrival| arrival.state == State::Published)
    });
    let jane = find(&zone, "jane.csv");
    let (code, text) = erase(&zone, jane.id);
    assert!(code == 5 && text.contains("A126") && text.contains("sink skip"), "{text}");
    assert!(zone.path().join(jane.raw.as_str()).exists(), "nothing was done");
    server.stop();
}

#[test]
fn a_hold_keeps_what_it_covers() {
    let (zone, server) = handed_off();
    let jane = find(&zone, "jane.csv");
    let reason = ["--reason", "Roe v. Doe"];
    let hold = |words: &[&str]| said(&zone, &[&["hold"], words, &reason].concat());
    let (code, text) = hold(&["add", "case-17"]);
    assert!(code == 4 && text.contains("what it covers"), "{text}");
    let (code, text) = hold(&["add", "case-17", "--file", "jane.csv"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(hold(&["add", "case-17", "--feed", "orders"]).0, 4, "it stands already");
    assert_eq!(hold(&["add", "others", "--from", "folder:elsewhere"]).0, 0);
    assert_eq!(hold(&["add", "all", "--feed", "orders", "--since", "2020-01-01"]).0, 0);
    let (code, text) = erase(&zone, jane.id);
    assert!(code == 1 && text.contains("A129") && text.contains("on hold: all, case-17"), "{text}");
    assert!(zone.path().join(jane.raw.as_str()).exists());
    assert_eq!(find(&zone, "jane.csv").state, State::HandedOff);
    let (_, text) = said(&zone, &["show", "jane.csv"]);
    assert!(text.contains("case-17: Roe v. Doe"), "{text}");
    assert_eq!(hold(&["release", "all"]).0, 0);
    assert_eq!(erase(&zone, find(&zone, "other.csv").id).0, 0, "no hold covers it");
    server.stop();
    // It stands in a ledger that is made again, and can be released while nobody serves.
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        drop(fs::remove_file(zone.path().join(".landfall").join(name)));
    }
    let (code, text) = said(&zone, &["rebuild"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(erase(&zone, jane.id).0, 1);
    let (_, text) = said(&zone, &["hold", "list"]);
    assert!(
        text.contains("case-17") && text.contains("others") && !text.contains("all "),
        "{text}"
    );
    assert_eq!(hold(&["release", "case-17"]).0, 0);
    assert_eq!(hold(&["release", "case-17"]).0, 4, "it does not stand any more");
    let (_, text) = said(&zone, &["hold", "list", "--all"]);
    assert_eq!(text.matches("released 2").count(), 2, "{text}");
    assert_eq!(erase(&zone, jane.id).0, 0);
    whole(&zone, jane.id);
}

#[test]
fn what_is_past_its_time_is_removed_but_for_what_is_on_hold() {
    let zone = TestZone::new(
        "[feed.orders.retain]\nraw = \"3s\"\n[feed.cases.retain]\nraw = \"3s\"\n[feed.kept]\n",
    );
    let server = zone.serve();
    let (code, text) =
        said(&zone, &["hold", "add", "case-17", "--feed", "cases", "--reason", "Roe v. Doe"]);
    assert_eq!(code, 0, "{text}");
    for (feed, name, text) in
        [("orders", "jane.csv", SECRET), ("cases", "case.csv", SECRET), ("kept", "other.csv", "x")]
    {
        fs::write(zone.inbox(feed).join(name), rows(text)).unwrap();
    }
    let is = |ledger: &dyn Ledger, name: &str, state: State| {
        let all = all(ledger);
        all.iter().any(|arrival| arrival.name.to_string() == name && arrival.state == state)
    };
    zone.wait_until("a file to be past its time", |l| is(l, "jane.csv", State::Erased));
    zone.wait_until("the others to be handed off", |l| {
        is(l, "case.csv", State::HandedOff) && is(l, "other.csv", State::HandedOff)
    });
    let jane = find(&zone, "jane.csv");
    let own = |batch: &Batch| batch.retracts.iter().any(|taken| taken.arrival == jane.id);
    zone.wait_until("its readers to be told", |ledger| {
        let batches = ledger.batches(&jane.feed, 0, 100).unwrap();
        batches.len() == 2 && batches.iter().any(own)
    });
    let raw = |name: &str| zone.path().join(find(&zone, name).raw.as_str());
    assert!(!raw("jane.csv").exists() && raw("case.csv").exists() && raw("other.csv").exists());
    let removed = zone.path().join(format!("archive/REMOVED-{}", utc_day(Clock::system().now())));
    let is_listed = |name: &str| {
        let list = fs::read_to_string(&removed).unwrap();
        list.contains(find(&zone, name).raw.as_str().strip_prefix("archive/").unwrap())
    };
    assert!(is_listed("jane.csv") && is_signed(&zone, "landfall-sums", &removed));
    assert!(!zone.path().join("archive/_erased").exists(), "the list says it");
    let history = zone.ledger().history(jane.id).unwrap();
    let by = |by: &str| {
        let began =
            |told: &Recorded| matches!(&told.event, Event::Erasing { by: who, .. } if who == by);
        history.iter().any(began)
    };
    assert!(by("retention"));
    let (code, text) = said(&zone, &["retain", "--within", "1y"]);
    assert!(code == 0 && text.contains("cases") && !text.contains("kept"), "{text}");
    let (code, text) = said(&zone, &["hold", "release", "case-17", "--reason", "settled"]);
    assert_eq!(code, 0, "{text}");
    zone.wait_until("what was on hold to go", |l| is(l, "case.csv", State::Erased));
    server.stop();
    assert!(is_listed("case.csv") && is_listed("jane.csv"));
    assert!(is_signed(&zone, "landfall-sums", &removed));
    for words in [&["verify"][..], &["audit", "verify"]] {
        let (code, text) = said(&zone, words);
        assert_eq!(code, 0, "{text}");
    }
    assert_eq!(traces(&zone, SECRET, &[]), Vec::<PathBuf>::new());
}

#[test]
fn the_same_bytes_are_taken_again_after_an_erasure() {
    let zone = TestZone::new("[feed.orders]\n");
    let key = zone.partner("acme", &["orders"], "");
    let file = zone.path().join("jane.csv");
    fs::write(&file, rows(SECRET)).unwrap();
    let server = zone.serve();
    let put = format!("put {}\n", file.display());
    server.sftp_ok("acme", &key, &put);
    zone.wait_for_ends(1);
    server.sftp_ok("acme", &key, &put);
    let both = zone.wait_for_ends(2);
    assert_eq!(both[1].state, State::Duplicate);
    let (code, text) = erase(&zone, both[0].id);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains(&format!("The same bytes also came as {}", both[1].id)), "{text}");
    assert_eq!(erase(&zone, both[1].id).0, 0);
    let listed = server.sftp_ok("acme", &key, "ls\n");
    assert!(!listed.contains("jane.csv"), "{listed}");
    let refused = server.sftp("acme", &key, &format!("get jane.csv {}.back\n", file.display()));
    assert!(!refused.status.success());
    server.sftp_ok("acme", &key, &put);
    let all = zone.wait_for_ends(3);
    assert_eq!(all[2].state, State::HandedOff, "nothing is there that it could be a duplicate of");
    assert!(server.sftp_ok("acme", &key, "ls\n").contains("jane.csv"));
    server.stop();
}

#[test]
fn an_older_ledger_erases_again_and_a_copy_that_comes_back_is_named() {
    let (zone, server) = handed_off();
    let jane = find(&zone, "jane.csv");
    let raw = zone.path().join(jane.raw.as_str());
    let bytes = fs::read(&raw).unwrap();
    server.stop();
    assert_eq!(erase(&zone, jane.id).0, 0);
    // The events say it: a ledger that is made again knows.
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        drop(fs::remove_file(zone.path().join(".landfall").join(name)));
    }
    let (code, text) = said(&zone, &["rebuild"]);
    assert_eq!(code, 0, "{text}");
    whole(&zone, jane.id);
    assert!(!raw.exists());
    // A backup of the archive that brings the bytes back is told of.
    fs::write(&raw, &bytes).unwrap();
    let old = SystemTime::now() - Duration::from_secs(3600);
    fs::File::options().write(true).open(&raw).unwrap().set_modified(old).unwrap();
    let (code, text) = said(&zone, &["verify"]);
    assert!(code == 3 && text.contains(jane.raw.as_str()), "{text}");
    assert_eq!(erase(&zone, jane.id).0, 0);
    assert!(!raw.exists());
    whole(&zone, jane.id);
    // A ledger that never knew, with the archive of one that did: the tombstone speaks.
    fs::write(&raw, &bytes).unwrap();
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        drop(fs::remove_file(zone.path().join(".landfall").join(name)));
    }
    fs::remove_dir_all(zone.path().join("archive/_events")).unwrap();
    fs::remove_dir_all(zone.path().join("lake")).unwrap();
    let (_, text) = said(&zone, &["rebuild"]);
    assert!(!raw.exists(), "{text}");
    let all = all(&zone.ledger());
    assert!(all.iter().all(|arrival| arrival.id != jane.id || arrival.state == State::Erased));
}
