//! Sidecars: recorded with their file, seen by their sender like any file, never an arrival.

use std::time::Duration;

use landfall::config::Config;
use landfall::ledger::{Event, SidecarKind, State, Verdict};

use crate::raw::{CREATING, Raw, TRUNCATING, WRITING};
use crate::support::{Site, feed};

const NEW: u32 = WRITING | CREATING | TRUNCATING;

fn checked(event: &Event) -> Option<(String, Verdict)> {
    match event {
        Event::SidecarChecked { name, verdict, .. } => Some((name.to_string(), *verdict)),
        _ => None,
    }
}

#[test]
fn a_sidecar_is_recorded_with_its_file_and_is_no_arrival() {
    let site = Site::open();
    site.local("a.csv", "x\n1\n");
    let sum = "dc3ba59be5d893be2c69ea202014fe78  a.csv\n";
    site.local("sum", sum);
    site.sftp("acme", "mkdir orders/eu\nput a.csv orders/eu/a.csv\nput sum orders/eu/a.csv.md5\n")
        .ok();
    assert_eq!(site.wait_for(checked), ("eu/a.csv.md5".to_owned(), Verdict::Agrees));
    assert_eq!((site.landed(), site.staged_files()), (vec!["eu/a.csv".to_owned()], 0));
    let arrival = site.arrivals().remove(0);
    assert_eq!(arrival.state, State::Received);
    let history = site.ledger.history(arrival.id).expect("read");
    let told = history.iter().find_map(|recorded| match &recorded.event {
        Event::SidecarReceived { sidecar, text, size_bytes, .. } => {
            Some((*sidecar, text.clone(), *size_bytes))
        }
        _ => None,
    });
    assert_eq!(told, Some((SidecarKind::Md5, Some(sum.to_owned()), sum.len() as u64)));
    let sidecar = site.ledger.sidecars_of(arrival.id).expect("read").remove(0);
    assert_eq!(site.ledger.sidecar_bytes(sidecar.sequence).expect("read"), sum.as_bytes());
}

#[test]
fn its_sender_sees_it_like_any_file() {
    let site = Site::open();
    site.local("a.csv", "x\n1\n");
    site.local("sum", "dc3ba59be5d893be2c69ea202014fe78\n");
    let batch = "put -p a.csv orders/a.csv\nput -p sum orders/a.csv.md5\nls -l orders\n\
                 ls -l orders/a.csv.md5\nchmod 600 orders/a.csv.md5\nget orders/a.csv.md5 back\n";
    let said = site.sftp("acme", batch).ok();
    assert!(said.out.matches("a.csv.md5").count() >= 2, "{}", said.out);
    assert_eq!(
        std::fs::read(site.client().join("back")).unwrap(),
        b"dc3ba59be5d893be2c69ea202014fe78\n"
    );
    let sum = site.ssh("acme", &["md5sum", "/orders/a.csv.md5"]).ok();
    assert!(sum.out.contains("a.csv.md5"), "{}", sum.out);
    let site = site.restart();
    site.sftp("acme", "ls orders/a.csv.md5\n").ok();
    site.sftp("bolt", "ls /orders/a.csv.md5\n").refused("not found");
    site.sftp("acme", "rename orders/a.csv.md5 orders/b.csv.md5\n").refused("Permission denied");
    site.sftp("acme", "rename orders/a.csv orders/b.ok\n").refused("Permission denied");
    site.sftp("acme", "rm orders/a.csv.md5\n").ok();
    site.sftp("acme", "ls orders/a.csv.md5\n").refused("not found");
    assert_eq!(site.count(|event| matches!(event, Event::SidecarHidden { .. })), 1);
}

#[test]
fn a_mismatch_holds_the_file_also_where_the_feed_asks_for_nothing() {
    let site = Site::open();
    site.local("a.csv", "x\n1\n");
    site.local("sum", format!("SHA1 (a.csv) = {}\n", "0".repeat(40)));
    site.scp("acme", &["-O", "sum", "{}/orders/a.csv.sha1"]).ok();
    site.scp("acme", &["-O", "a.csv", "{}/orders/a.csv"]).ok();
    assert_eq!(site.wait_for(checked), ("a.csv.sha1".to_owned(), Verdict::Differs));
    let arrival = site.arrivals().remove(0);
    assert_eq!(arrival.state, State::Held);
    site.sftp("acme", "get receipts/orders/a.csv.problem.txt p\n").ok();
    let problem = std::fs::read_to_string(site.client().join("p")).unwrap();
    assert!(problem.contains("R108") && problem.contains(&"0".repeat(40)), "{problem}");
}

#[test]
fn one_that_is_too_large_is_refused_in_words_and_nothing_is_taken() {
    let site = Site::open();
    let mut raw = Raw::connect(&site, "acme");
    let handle = raw.open("/orders/a.csv.ok", NEW).handle();
    assert_eq!(raw.write(&handle, 0, &[b'x'; 60_000]).status(), 0);
    let refused = raw.write(&handle, 60_000, &[b'x'; 6_000]);
    assert_eq!(refused.status(), 4);
    assert!(refused.text().contains("64 KiB"), "{}", refused.text());
    raw.end();
    site.local("big", vec![b'x'; 70_000]);
    site.sftp(
        "acme",
        "put big orders/b.csv.ok.part\nrename orders/b.csv.ok.part orders/b.csv.ok\n",
    )
    .refused("ailure");
    site.scp("acme", &["-O", "big", "{}/orders/c.csv.md5"]).refused("64 KiB");
    site.local("full", vec![b'x'; 65_536]);
    site.sftp("acme", "put full orders/d.csv.ok\n").ok();
    assert_eq!(site.landed(), Vec::<String>::new());
}

#[test]
fn one_whose_file_never_comes_is_told_once() {
    fn soon(config: &mut Config) {
        config.sftp.rename_wait = Duration::from_millis(200);
    }
    let site = Site::with(soon);
    site.local("ok", "");
    site.sftp("acme", "put ok orders/a.csv.ok\n").ok();
    let is_told = |event: &Event| match event {
        Event::SidecarAlone { file, .. } => Some(file.to_string()),
        _ => None,
    };
    assert_eq!(site.wait_for(is_told), "a.csv");
    // A second one is told by a later look, and the first not again.
    site.sftp("acme", "put ok orders/b.csv.ok\n").ok();
    site.wait_for(|event| is_told(event).filter(|file| file == "b.csv"));
    assert_eq!(site.count(|event| is_told(event).is_some()), 2);
    let config = None;
    let needs = landfall::ops::needs::of_ledger(site.ledger.as_ref(), config, "").expect("read");
    assert!(needs[0].cause.contains("2 sidecars of orders came without"), "{needs:?}");
}

#[test]
fn a_checksum_that_comes_too_late_is_told() {
    let site = Site::open();
    site.local("a.csv", "x\n1\n");
    site.local("sum", "0".repeat(64));
    site.sftp("acme", "put a.csv orders/a.csv\n").ok();
    let id = site.arrivals().remove(0).id;
    let raw = Event::TakenRaw { reason: "for a test".to_owned() };
    site.ledger.advance(id, raw).expect("taken");
    let bounds = landfall::ledger::BatchBounds {
        files_max: 1,
        bytes_max: 1,
        rows_max: None,
        merge_bytes: None,
    };
    site.ledger.close_batch(&feed("orders"), bounds).expect("closed").expect("a batch");
    site.sftp("acme", "put sum orders/a.csv.sha256\n").ok();
    assert_eq!(site.wait_for(checked).1, Verdict::Differs);
    assert_eq!(site.arrivals()[0].state, State::Batched, "a batch has fixed it");
    let needs = landfall::ops::needs::of_ledger(site.ledger.as_ref(), None, "").expect("read");
    assert!(needs[0].cause.contains("was handed on before a.csv.sha256 came"), "{needs:?}");
}

#[test]
fn a_pattern_with_the_same_ending_makes_it_an_ordinary_file() {
    let site = Site::with(|config| {
        config.feeds.get_mut(&feed("orders")).expect("there").patterns =
            vec!["*.csv".to_owned(), "*.ok".to_owned()];
    });
    site.local("ok", "x\n1\n");
    site.sftp("acme", "put ok orders/a.ok\nput ok orders/a.csv.md5\n").ok();
    assert_eq!(site.landed(), ["a.ok"]);
}

#[test]
fn the_same_bytes_under_another_name_are_processed_and_flagged() {
    let site = Site::open();
    site.local("a.csv", "x\n1\n");
    site.local("empty", "");
    let batch = "put a.csv orders/a.csv\nput a.csv orders/b.csv\nput a.csv stock/c.csv\n\
                 put empty orders/e1\nput empty orders/e2\n\
                 get receipts/orders/b.csv.receipt.json r\n";
    site.sftp("acme", batch).ok();
    site.sftp("bolt", "put a.csv /orders/a.csv\n").ok();
    let arrivals = site.arrivals();
    let flagged: Vec<_> = arrivals.iter().map(|arrival| arrival.same_bytes_as).collect();
    let first = arrivals[0].id;
    assert_eq!(flagged, [None, Some(first), None, None, None, None]);
    assert!(arrivals.iter().all(|arrival| arrival.state == State::Received), "all go on");
    let receipt = std::fs::read_to_string(site.client().join("r")).unwrap();
    assert!(receipt.contains(&format!("\"same_bytes_as\": \"{first}\"")), "{receipt}");
}

#[test]
fn a_plain_upload_is_one_write_of_the_ledger_and_says_nothing_new() {
    let site = Site::open();
    let before = site.ledger.head();
    site.local("a.csv", "x\n1\n");
    site.sftp("acme", "put a.csv orders/a.csv\n").ok();
    let kinds: Vec<_> = site.ledger.events(before, 100).expect("read");
    let kinds: Vec<_> = kinds.iter().map(|recorded| recorded.event.kind()).collect();
    assert_eq!(kinds, ["logged_in", "received"]);
    assert_eq!(site.arrivals()[0].waits, None);
}
