//! What OpenSSH's own clients do.

use std::fs;

use landfall::diagnostic::{Code, Diagnostic};
use landfall::ledger::{Event, State};

use crate::support::{Site, noise, read};

#[test]
fn a_file_that_was_put_is_archived_byte_for_byte() {
    let site = Site::open();
    let bytes = noise(3_000_000);
    site.local("big.csv", &bytes);
    site.sftp("acme", "cd orders\nput big.csv\nls -la\n").ok();
    let arrivals = site.arrivals();
    assert_eq!(arrivals.len(), 1);
    assert_eq!(arrivals[0].name.to_string(), "big.csv");
    assert_eq!(arrivals[0].feed.as_str(), "orders");
    assert_eq!(arrivals[0].digest, landfall::archive::digest::of_bytes(&bytes));
    assert_eq!(site.raw(&arrivals[0]), bytes);
    assert_eq!(site.staged_files(), 0);
}

#[test]
fn one_feed_is_home_and_several_are_folders() {
    let site = Site::open();
    site.local("a.csv", "x\n1\n");
    let home = site.sftp("bolt", "pwd\nput a.csv\nls\n").ok();
    assert!(home.out.contains("/orders"), "{home:?}");
    assert!(home.out.contains("a.csv"), "{home:?}");
    let root = site.sftp("acme", "pwd\nls -1\n").ok();
    for name in ["orders", "stock", "receipts", "README.txt"] {
        assert!(root.out.contains(name), "{root:?}");
    }
    site.sftp("acme", "put a.csv\n").refused("");
    assert_eq!(site.landed(), ["a.csv"]);
}

#[test]
fn two_hundred_files_in_subfolders() {
    let site = Site::open();
    for folder in 0..10 {
        for file in 0..20 {
            let name = format!("tree/f{folder}/deep/{file}.csv");
            site.local(&name, format!("a,b\n{folder},{file}\n"));
        }
    }
    site.sftp("acme", "cd stock\nput -r tree\n").ok();
    let mut names = site.landed();
    names.sort();
    assert_eq!(names.len(), 200);
    assert_eq!(names[0], "tree/f0/deep/0.csv");
    let listed = site.sftp("acme", "ls -1 stock/tree/f9/deep\n").ok();
    assert!(listed.out.contains("stock/tree/f9/deep/19.csv"), "{listed:?}");
}

#[test]
fn times_and_permissions_are_kept() {
    let site = Site::open();
    let path = site.local("a.csv", "x\n1\n");
    let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_500_000_000);
    fs::File::options().write(true).open(path).expect("open").set_modified(then).expect("set");
    site.sftp("acme", "cd orders\nput -p a.csv\nchmod 600 a.csv\n").ok();
    let arrival = &site.arrivals()[0];
    assert_eq!(arrival.modified_s, Some(1_500_000_000));
    assert_eq!(arrival.mode, Some(0o600));
    let listed = site.sftp("acme", "ls -la orders\n").ok();
    let line = listed.out.lines().find(|line| line.ends_with("a.csv")).expect("listed");
    assert!(line.contains("2017"), "{line}");
}

#[test]
fn a_part_is_committed_by_its_rename() {
    let site = Site::open();
    site.local("a.csv", "x\n1\n");
    site.sftp("acme", "cd orders\nput a.csv a.csv.part\nls a.csv.part\n").ok();
    assert_eq!(site.landed(), Vec::<String>::new());
    site.sftp("acme", "cd orders\nrename a.csv.part a.csv\nls a.csv\n").ok();
    let arrivals = site.arrivals();
    assert_eq!(arrivals.len(), 1);
    assert_eq!(site.raw(&arrivals[0]), b"x\n1\n");
    assert_eq!(arrivals[0].state, State::Received);
}

#[test]
fn scp_over_a_longer_file_of_the_same_name() {
    let site = Site::open();
    site.local("a.csv", noise(500_000));
    site.scp("acme", &["a.csv", "{}orders/a.csv"]).ok();
    let short = noise(1000);
    site.local("a.csv", &short);
    site.scp("acme", &["a.csv", "{}orders/a.csv"]).ok();
    let arrivals = site.arrivals();
    assert_eq!(arrivals.len(), 2);
    assert_eq!(site.raw(&arrivals[1]), short);
    assert_eq!(arrivals[1].digest, landfall::archive::digest::of_bytes(&short));
    assert_eq!(arrivals[1].supersedes, Some(arrivals[0].id));
    assert!(arrivals[1].current && !arrivals[0].current);
    site.scp("acme", &["a.csv", "{}orders/a.csv"]).ok();
    assert_eq!(site.arrivals()[2].duplicate_of, Some(arrivals[1].id));
}

#[test]
fn receipts_come_back_over_the_same_login() {
    let site = Site::open();
    site.local("a.csv", "x\n1\n");
    let got = site.client().join("got.json");
    site.sftp(
        "acme",
        "put a.csv orders/a.csv\nls -l receipts/orders\nget receipts/orders/a.csv.receipt.json got.json\n",
    )
    .ok();
    let receipt: serde_json::Value = serde_json::from_slice(&read(got)).expect("json");
    let digest = landfall::archive::digest::of_bytes(b"x\n1\n").to_string();
    assert!(receipt.to_string().contains(&digest), "{receipt}");
    let id = site.arrivals()[0].id;
    site.sftp("acme", &format!("get receipts/orders/a.csv.{id}.receipt.json by_id.json\n")).ok();
    assert_eq!(read(site.client().join("by_id.json")), read(site.client().join("got.json")));
    site.sftp("acme", "get receipts/orders/b.csv.receipt.json x\n").refused("not found");
    site.sftp("bolt", &format!("get /receipts/orders/a.csv.{id}.receipt.json x\n")).refused("");
}

#[test]
fn a_removed_receipt_is_out_of_the_listing_until_its_outcome_changes() {
    let site = Site::open();
    site.local("a.csv", "x\n1\n");
    site.local("b.csv", "x\n2\n");
    site.sftp("acme", "put a.csv orders/a.csv\nput b.csv orders/b.csv\n").ok();
    let id = site.arrivals()[0].id;
    let listed = |site: &Site| site.sftp("acme", "ls -1 /receipts/orders\n").ok().out;
    let of_a = |site: &Site| listed(site).matches("/a.csv.").count();
    let held = |code| Event::Held { diagnostic: Diagnostic::error(code, "a mistake") };
    assert_eq!(of_a(&site), 2, "not signed before it is final");
    site.sftp("acme", "get /receipts/orders/a.csv.receipt.json.sig x\n").refused("not found");
    // Our fault: final as well.
    site.ledger.advance(id, held(Code::C111)).expect("held");
    assert_eq!(of_a(&site), 3, "not signed before it is proven");
    site.sign();
    assert_eq!(of_a(&site), 5, "receipt and signature twice, and the problem");
    site.sftp("acme", "get /receipts/orders/a.csv.receipt.json failed.json\n").ok();
    let failed = read(site.client().join("failed.json"));
    assert!(String::from_utf8_lossy(&failed).contains("\"outcome\": \"failed\""));

    // As a client does that fetches and removes one after the other.
    site.sftp(
        "acme",
        "rm /receipts/orders/a.csv.receipt.json\nrm /receipts/orders/a.csv.receipt.json.sig\n\
         get /receipts/orders/a.csv.problem.txt problem\nrm /receipts/orders/a.csv.problem.txt\n",
    )
    .ok();
    assert_eq!(of_a(&site), 0);
    assert_eq!(listed(&site).matches("/b.csv.").count(), 2, "others are not concerned");
    let site = site.restart();
    assert_eq!(of_a(&site), 0, "it is durable");
    site.ledger.advance(id, held(Code::C111)).expect("held");
    assert_eq!(of_a(&site), 0, "the outcome is the same");
    site.ledger.advance(id, held(Code::C104)).expect("held");
    site.sign();
    assert_eq!(of_a(&site), 5, "the outcome is another");

    site.sftp("acme", "rm /receipts/orders/no.csv.receipt.json\n").refused("delete");
    site.sftp("acme", "rmdir /receipts/orders\n").refused("");
    site.sftp("acme", "put a.csv /receipts/orders/x.receipt.json\n").refused("");
    site.sftp("bolt", &format!("rm /receipts/orders/a.csv.{id}.receipt.json\n")).refused("");
    assert_eq!(of_a(&site), 5, "nobody else can");
}

#[test]
fn df_shows_the_quota() {
    let site = Site::open();
    site.change_partner("acme", |acme| acme.quota.staging_bytes = 64 << 20);
    let df = site.sftp("acme", "df\n").ok();
    assert!(df.out.contains("65536"), "{df:?}");
}

#[test]
fn removed_files_leave_the_listing_and_stay_in_the_archive() {
    let site = Site::open();
    site.local("a.csv", "x\n1\n");
    let ls = site.sftp("acme", "cd orders\nput a.csv\nrm a.csv\nls -1\n").ok();
    assert!(!ls.out.lines().any(|line| line == "a.csv"), "{ls:?}");
    site.sftp("acme", "ls orders/a.csv\n").refused("not found");
    let arrivals = site.arrivals();
    assert!(arrivals[0].hidden);
    assert_eq!(site.raw(&arrivals[0]), b"x\n1\n");
    site.sftp("acme", "cd orders\nput a.csv\nls a.csv\n").ok();
}

#[test]
fn partners_cannot_see_each_other() {
    let site = Site::open();
    site.local("secret.csv", "x\n1\n");
    site.sftp("acme", "put secret.csv orders/secret.csv\n").ok();
    let bolt = site.sftp("bolt", "ls -la /orders\nls -la /receipts/orders\n").ok();
    assert!(!bolt.out.contains("secret"), "{bolt:?}");
    site.sftp("bolt", "ls /stock\n").refused("not found");
    site.sftp("bolt", "rm /orders/secret.csv\n").refused("No such file");
    site.sftp("bolt", "put secret.csv /orders/secret.csv\n").ok();
    let arrivals = site.arrivals();
    assert_eq!(arrivals[1].supersedes, None, "another's file of the same name is another file");
    assert_eq!(arrivals[1].duplicate_of, None);
}
