//! The test area: the same checks and receipt, nothing handed on.

use landfall::config::Duplicates;
use landfall::ledger::{Event, State};

use crate::support::{Site, feed};

#[test]
fn a_test_is_archived_and_recorded_apart_from_what_counts() {
    let site = Site::open();
    site.local("a.csv", "x\n1\n");
    site.sftp(
        "acme",
        "put a.csv orders/a.csv\nput a.csv test/orders/a.csv\nput a.csv test/orders/a.csv\n",
    )
    .ok();
    let arrivals = site.arrivals();
    let told: Vec<_> = arrivals.iter().map(|a| (a.sender.to_string(), a.state)).collect();
    let test = ("test:acme".to_owned(), State::Received);
    let real = ("partner:acme".to_owned(), State::Received);
    assert_eq!(told, [real, test.clone(), test], "it is no duplicate, however often it is sent");
    assert_eq!(site.raw(&arrivals[1]), b"x\n1\n");
    assert_eq!(site.ledger.counts().expect("read").len(), 1, "only what counts is counted");
    // Taken as it is, it ends there.
    let id = arrivals[2].id;
    let taken = Event::TakenRaw { reason: "for a test".to_owned() };
    assert_eq!(site.ledger.advance(id, taken).expect("taken").state, State::Tested);
    assert!(site.ledger.feeds_ready().expect("read").is_empty());
}

#[test]
fn a_test_is_seen_only_there_and_has_its_receipt_there() {
    let site = Site::open();
    site.local("a.csv", "x\n1\n");
    site.sftp("acme", "mkdir test/orders/eu\nput a.csv test/orders/eu/a.csv\n").ok();
    let said =
        site.sftp("acme", "ls -1 /\nls -1 test\nls -1 receipts\nls -1 test/orders/eu\n").ok();
    for there in ["test", "test/stock", "receipts/test", "test/orders/eu/a.csv"] {
        assert!(said.out.lines().any(|line| line.trim_start_matches('/') == there), "{}", said.out);
    }
    site.sftp("acme", "ls orders/eu\n").refused("not found");
    let receipt = "get receipts/test/orders/eu/a.csv.receipt.json r\nls receipts/test/orders/eu\n";
    site.sftp("acme", receipt).ok();
    let receipt = std::fs::read_to_string(site.client().join("r")).unwrap();
    assert!(receipt.contains("\"test\": true"), "{receipt}");
    site.sftp("acme", "rename test/orders/eu/a.csv orders/a.csv\n").refused("Permission denied");
    site.sftp("acme", "put a.csv test/b.csv\n").refused("");
    site.sftp("acme", "get README.txt readme\n").ok();
    let readme = std::fs::read_to_string(site.client().join("readme")).unwrap();
    assert!(readme.contains("/receipts/test/FEED/NAME.receipt.json"), "{readme}");
    let site = site.restart();
    site.sftp("acme", "ls test/orders/eu/a.csv\nrm test/orders/eu/a.csv\n").ok();
}

#[test]
fn with_one_feed_its_name_may_be_left_out() {
    let site = Site::open();
    site.local("a.csv", "x\n1\n");
    site.sftp("bolt", "put a.csv /test/a.csv\nls /test/orders/a.csv\nls /test/a.csv\n").ok();
    let arrival = site.arrivals().remove(0);
    assert_eq!(
        (arrival.sender.to_string(), arrival.feed),
        ("test:bolt".to_owned(), feed("orders"))
    );
}

#[test]
fn tests_cost_bytes_but_count_as_no_files() {
    let site = Site::with(|config| {
        config.feeds.get_mut(&feed("orders")).expect("there").duplicates = Duplicates::Process;
    });
    site.change_partner("acme", |acme| {
        acme.quota.files_per_day = Some(1);
        acme.quota.bytes_per_day = Some(10);
    });
    site.local("a.csv", "x\n1\n");
    site.sftp("acme", "put a.csv test/orders/a.csv\nput a.csv orders/a.csv\n").ok();
    site.sftp("acme", "put a.csv orders/b.csv\n").refused("");
    site.local("tiny", "x\n");
    site.local("ok", "");
    site.sftp("acme", "put ok orders/a.csv.ok\nput tiny test/orders/b.csv\n").ok();
    site.sftp("acme", "put a.csv test/orders/c.csv\n").refused("");
    assert_eq!(site.landed().len(), 3);
}
