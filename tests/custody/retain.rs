//! Parquet, rejects and receipts go at a time of their own, and the file stays.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::erase::{SECRET, every_file, find, has, is_signed, rows, said, traces};
use crate::support::{TestZone, all};
use landfall::clock::{Clock, utc_day};
use landfall::durable::Durability;
use landfall::ledger::{Age, Because, Event, Ledger, Part, Retirements as _, State, sqlite};

/// The Parquet of a zone, live or not, and its rejects.
fn parquet(zone: &TestZone) -> Vec<PathBuf> {
    let is_parquet = |path: &PathBuf| path.extension().is_some_and(|end| end == "parquet");
    every_file(zone.path()).into_iter().filter(is_parquet).collect()
}

fn is_gone(ledger: &dyn Ledger, name: &str, part: Part) -> bool {
    let all = all(ledger);
    let arrival = all.iter().find(|arrival| arrival.name.to_string() == name).unwrap();
    let went = ledger.retired_of(arrival.id).unwrap();
    went.iter().any(|went| went.part == part && went.gone_at.is_some())
}

fn verify(zone: &TestZone) -> String {
    let (code, text) = said(zone, &["audit", "verify"]);
    assert_eq!(code, 0, "{text}");
    let (code, text) = said(zone, &["verify"]);
    assert_eq!(code, 0, "{text}");
    text
}

#[test]
fn parquet_goes_at_its_time_and_comes_back_only_when_asked_for() {
    let config = "[feed.orders]\nretract_grace = \"1s\"\n[feed.orders.retain]\nparquet = \"4s\"\n\
                  [feed.cases]\nretract_grace = \"1s\"\n[feed.cases.retain]\nparquet = \"1s\"\n";
    let zone = TestZone::new(config);
    let server = zone.serve();
    let because = ["--reason", "Roe v. Doe"];
    assert_eq!(
        said(&zone, &[&["hold", "add", "case-17", "--feed", "cases"][..], &because].concat()).0,
        0
    );
    for (feed, name) in [("cases", "case.csv"), ("orders", "jane.csv")] {
        fs::write(zone.inbox(feed).join(name), rows(SECRET)).unwrap();
    }
    zone.wait_until("the Parquet to be past its time", |l| {
        all(l).len() == 2 && is_gone(l, "jane.csv", Part::Parquet)
    });
    let jane = find(&zone, "jane.csv");
    assert_eq!(jane.state, State::Retracted);
    let batches = zone.batches("orders");
    assert_eq!(batches[1].because, Some(Because::Retired));
    let manifest = fs::read(zone.path().join("lake/orders/_manifests/0000000002.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["closed_because"]["kind"], "retired");
    assert_eq!(manifest["retracts"][0]["replaced_by"], serde_json::Value::Null);
    assert_eq!(zone.live("orders"), Vec::<PathBuf>::new());
    assert!(zone.path().join(jane.raw.as_str()).exists());
    let left = parquet(&zone);
    let (orders, cases): (Vec<_>, Vec<_>) =
        left.iter().partition(|path| path.to_string_lossy().contains("/orders/"));
    assert!(orders.len() == 1 && orders[0].starts_with(zone.path().join("rejects")), "{orders:?}");
    assert_eq!(cases.len(), 2, "Parquet and rejects of what is on hold");
    let text = verify(&zone);
    assert!(text.contains("1 file of Parquet or rejects past its time"), "{text}");
    let (_, text) = said(&zone, &["show", "jane.csv"]);
    let file = format!("{} (past its time)", batches[0].files[0].to);
    for word in
        ["jane.csv is retired", "past its time, removed 2", &file, "orders keeps no Parquet"]
    {
        assert!(text.contains(word), "{word}: {text}");
    }
    let (code, text) = said(&zone, &["retain", "--within", "1y"]);
    assert!(code == 0 && text.contains("cases") && text.contains("parquet"), "{text}");

    let replay = |more: &[&str]| {
        said(&zone, &[&["replay", "jane.csv", "--reason", "an audit"], more].concat())
    };
    let (code, text) = replay(&[]);
    assert!(code == 4 && text.contains("--retired publishes it again"), "{text}");
    let (code, text) = replay(&["--retired"]);
    assert_eq!(code, 0, "{text}");
    zone.wait_until("it to be published again", |ledger| {
        ledger.batches(&jane.feed, 2, 10).unwrap().iter().any(|batch| batch.members == [jane.id])
    });
    zone.wait_until("it to go again", |ledger| {
        ledger.batches(&jane.feed, 3, 10).unwrap().iter().any(|batch| !batch.retracts.is_empty())
            && ledger.not_kept().unwrap().retired == 2
            && ledger.retiring(1).unwrap().is_empty()
    });
    assert_eq!(said(&zone, &["hold", "release", "case-17", "--reason", "settled"]).0, 0);
    zone.wait_until("what was on hold to go", |l| is_gone(l, "case.csv", Part::Parquet));
    zone.wait_for_receipt(jane.id);
    server.stop();
    made_again_and_put_back(&zone, batches[0].files[0].to.as_str());
}

/// A ledger that is made again misses nothing of what went, and a copy that comes back is named.
fn made_again_and_put_back(zone: &TestZone, path: &str) {
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        drop(fs::remove_file(zone.path().join(".landfall").join(name)));
    }
    let (code, text) = said(zone, &["rebuild"]);
    assert_eq!(code, 0, "{text}");
    verify(zone);
    let server = zone.serve();
    zone.wait_until("it to be known that it is gone", |l| is_gone(l, "jane.csv", Part::Parquet));
    server.stop();
    let came_back = zone.path().join(path);
    fs::write(&came_back, "PAR1").unwrap();
    let old = std::time::SystemTime::now() - Duration::from_secs(3600);
    fs::File::options().write(true).open(&came_back).unwrap().set_modified(old).unwrap();
    let (code, text) = said(zone, &["verify"]);
    assert!(code == 3 && text.contains("unknown"), "{text}");
}

#[test]
fn rejects_and_receipts_go_and_nothing_quotes_the_file_any_more() {
    let zone = TestZone::new("[feed.orders.retain]\nrejects = \"3s\"\nreceipts = \"3s\"\n");
    let key = zone.partner("acme", &["orders"], "");
    let file = zone.path().with_extension("jane.csv");
    fs::write(&file, rows(SECRET)).unwrap();
    let server = zone.serve();
    let receipts = "ls -1 /receipts/orders\n";
    let told = server.sftp_ok("acme", &key, &format!("put {} jane.csv\n", file.display()));
    fs::remove_file(&file).unwrap();
    let jane = zone.wait_for_ends(1).remove(0);
    assert_eq!(jane.conversion.unwrap().rejected, 1, "{told}");
    zone.wait_until("rejects and receipt to be gone", |ledger| {
        is_gone(ledger, "jane.csv", Part::Rejects) && is_gone(ledger, "jane.csv", Part::Receipts)
    });
    let listed = server.sftp_ok("acme", &key, receipts);
    assert!(!listed.contains("jane.csv."), "{listed}");
    let get = format!("get /receipts/orders/jane.csv.receipt.json {}\n", file.display());
    let refused = server.sftp("acme", &key, &get);
    assert!(!refused.status.success());
    server.sftp_ok("acme", &key, &format!("get /README.txt {}\n", file.display()));
    let readme = fs::read_to_string(&file).unwrap();
    assert!(readme.contains("its receipts are kept for 1 days"), "{readme}");
    fs::remove_file(&file).unwrap();
    server.stop();

    assert_eq!(traces(&zone, SECRET, &[]), [zone.path().join(jane.raw.as_str())]);
    let list = zone.path().join(format!("archive/REMOVED-{}", utc_day(Clock::system().now())));
    assert!(is_signed(&zone, "landfall-sums", &list));
    assert!(has(&fs::read(&list).unwrap(), "../rejects/orders/"));
    assert_eq!(parquet(&zone).len(), 1, "what is live stays");
    verify(&zone);
    let (_, text) = said(&zone, &["show", "jane.csv"]);
    assert!(text.contains("jane.csv is handed off") && text.contains("301 rows"), "{text}");
    assert_eq!(text.matches("past its time, removed 2").count(), 2, "{text}");
}

#[test]
fn what_a_crash_left_the_next_pass_finishes() {
    let zone = TestZone::new("[feed.orders]\nretract_grace = \"0s\"\n");
    fs::write(zone.inbox("orders").join("jane.csv"), rows(SECRET)).unwrap();
    let server = zone.serve();
    let jane = zone.wait_for_ends(1).remove(0);
    server.stop();
    let file = zone.path().join(".landfall/ledger.db");
    let own = sqlite::open(&file, Clock::system(), Durability::Full).unwrap();
    let before = Clock::system().now();
    let age = Age { keep: Duration::ZERO, before };
    for part in Part::ALL {
        assert_eq!(
            own.begin_retiring(&[jane.id], (part, age), "why").unwrap().begun,
            1,
            "{part:?}"
        );
    }
    drop(own);
    assert_eq!(parquet(&zone).len(), 2);
    verify(&zone);
    // No feed keeps anything for a time any more: what was decided is done.
    let server = zone.serve();
    zone.wait_until("its readers to be told", |ledger| {
        let batches = ledger.batches(&jane.feed, 1, 10).unwrap();
        batches.iter().any(|batch| batch.published_at.is_some())
    });
    server.stop();
    let server = zone.serve();
    zone.wait_until("all of it to be gone", |ledger| ledger.retiring(1).unwrap().is_empty());
    server.stop();
    assert_eq!(parquet(&zone), Vec::<PathBuf>::new());
    assert_eq!(
        traces(&zone, SECRET, &[]).len(),
        3,
        "the raw object, and what a drop folder put away with its result"
    );
    let told = zone.ledger().history(jane.id).unwrap();
    let parts = told.iter().filter(|told| matches!(told.event, Event::Retired { .. }));
    assert_eq!(parts.count(), 3);
}
