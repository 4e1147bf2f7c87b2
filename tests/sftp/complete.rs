//! What a feed asks for beside CLOSE: a rename, a marker, a checksum, a hold.

use std::time::Duration;

use landfall::config::{Complete, Config};
use landfall::diagnostic::Code;
use landfall::ledger::{Arrival, Event, State, WaitsFor};

use crate::support::{Site, feed};

fn asks(config: &mut Config, complete: Complete) {
    config.feeds.get_mut(&feed("orders")).expect("there").complete = complete;
}

fn asks_briefly(config: &mut Config, complete: Complete) {
    asks(config, complete);
    config.sftp.rename_wait = Duration::from_millis(200);
}

fn only(site: &Site) -> Arrival {
    let mut all = site.arrivals();
    assert_eq!(all.len(), 1, "{all:#?}");
    all.remove(0)
}

fn waits(arrival: &Arrival) -> Option<WaitsFor> {
    arrival.waits.map(|waits| waits.what)
}

fn code(arrival: &Arrival) -> Option<Code> {
    arrival.diagnostic.as_ref().map(|told| told.code)
}

fn completed(event: &Event) -> Option<String> {
    match event {
        Event::Completed { reason } => Some(reason.clone()),
        _ => None,
    }
}

fn released(event: &Event) -> Option<String> {
    match event {
        Event::Released { reason, .. } => Some(reason.clone()),
        _ => None,
    }
}

fn held(event: &Event) -> Option<Code> {
    match event {
        Event::Held { diagnostic } => Some(diagnostic.code),
        _ => None,
    }
}

/// The pipeline would take these.
fn on_their_way(site: &Site) -> Vec<String> {
    let all = site.ledger.to_convert(0, 100).expect("read");
    all.iter().map(|arrival| arrival.name.to_string()).collect()
}

#[test]
fn where_a_rename_is_asked_for_a_closed_file_lands_only_by_it() {
    let site = Site::with(|config| asks(config, Complete::Rename));
    site.local("a.csv", "x\n1\n");
    site.sftp("acme", "put a.csv orders/a.csv\nls orders/a.csv\nput a.csv stock/a.csv\n").ok();
    assert_eq!(site.landed(), ["a.csv"], "only that of the other feed");
    let site = site.restart();
    site.sftp("acme", "rename orders/a.csv orders/b.csv\n").ok();
    assert_eq!(site.landed(), ["a.csv", "b.csv"]);
    site.sftp("acme", "put a.csv orders/c.csv.part\nrename orders/c.csv.part orders/c.csv\n").ok();
    assert_eq!(site.landed(), ["a.csv", "b.csv", "c.csv"]);
    assert!(site.arrivals().iter().all(|arrival| arrival.state == State::Received));
}

#[test]
fn what_is_never_renamed_is_archived_and_held_and_a_rename_frees_it() {
    let site = Site::with(|config| asks_briefly(config, Complete::Rename));
    site.local("a.csv", "x\n1\n");
    site.sftp("acme", "put a.csv orders/a.csv\n").ok();
    assert_eq!(site.wait_for(held), Code::R102);
    let arrival = only(&site);
    assert_eq!((arrival.state, site.raw(&arrival)), (State::Held, b"x\n1\n".to_vec()));
    let told = arrival.diagnostic.expect("a reason");
    assert_eq!(told.summary, "`a.csv` was uploaded and never renamed, which its feed asks for");
    assert!(told.hint.contains("a.csv.part"), "{}", told.hint);
    site.sftp("acme", "rename orders/a.csv orders/b.csv\n").ok();
    assert_eq!(only(&site).state, State::Received);
}

#[test]
fn a_file_goes_on_when_its_marker_comes_and_not_before() {
    let site = Site::with(|config| asks(config, Complete::Marker));
    site.local("a.csv", "x\n1\n");
    site.local("ok", "");
    site.sftp("acme", "put a.csv orders/a.csv\nput ok orders/b.csv.ok\n").ok();
    let arrival = only(&site);
    assert_eq!((arrival.state, waits(&arrival)), (State::Received, Some(WaitsFor::Marker)));
    assert_eq!(on_their_way(&site), Vec::<String>::new(), "another file's marker is not its own");
    let receipt = "get receipts/orders/a.csv.receipt.json r.json\n";
    site.sftp("acme", receipt).ok();
    let read = || std::fs::read_to_string(site.client().join("r.json")).expect("a receipt");
    assert!(read().contains(r#""waits_for": "marker""#), "{}", read());
    site.sftp("acme", "put ok orders/a.csv.done\n").ok();
    assert_eq!(site.wait_for(completed), "a.csv.done came");
    assert_eq!((waits(&only(&site)), on_their_way(&site)), (None, vec!["a.csv".to_owned()]));
    site.sftp("acme", receipt).ok();
    assert!(!read().contains("waits"), "{}", read());
}

#[test]
fn a_marker_may_come_first() {
    let site = Site::with(|config| asks(config, Complete::Marker));
    site.local("a.csv", "x\n1\n");
    site.local("ok", "");
    site.sftp("acme", "put ok orders/a.csv.ok\n").ok();
    let site = site.restart();
    site.sftp("acme", "put a.csv orders/a.csv\n").ok();
    assert_eq!(site.wait_for(completed), "a.csv.ok came");
    assert_eq!(on_their_way(&site), ["a.csv"]);
}

#[test]
fn the_next_version_wants_a_marker_of_its_own_and_takes_the_place_of_one_without() {
    let site = Site::with(|config| asks(config, Complete::Marker));
    for (file, text) in [("1", "x\n1\n"), ("2", "x\n2\n"), ("3", "x\n3\n"), ("ok", "")] {
        site.local(file, text);
    }
    site.sftp("acme", "put 1 orders/a.csv\nput ok orders/a.csv.ok\n").ok();
    site.wait_for(completed);
    site.sftp("acme", "put 2 orders/a.csv\nput 3 orders/a.csv\n").ok();
    let states: Vec<_> = site.arrivals().iter().map(|a| (a.state, waits(a))).collect();
    assert_eq!(states[0], (State::Received, None));
    assert_eq!(states[1].0, State::Superseded, "it was never confirmed");
    assert_eq!(states[2], (State::Received, Some(WaitsFor::Marker)));
    site.sftp("acme", "put ok orders/a.csv.ok\n").ok();
    let last = site.arrivals().remove(2).id;
    site.wait_for(|_| (site.ledger.arrival(last).ok()??.waits.is_none()).then_some(()));
}

#[test]
fn a_file_whose_marker_never_comes_is_held_and_a_late_one_frees_it() {
    let site = Site::with(|config| asks_briefly(config, Complete::Marker));
    site.local("a.csv", "x\n1\n");
    site.local("ok", "");
    site.sftp("acme", "put a.csv orders/a.csv\n").ok();
    assert_eq!(site.wait_for(held), Code::R107);
    let told = only(&site).diagnostic.expect("a reason");
    assert!(told.hint.contains("`a.csv.ok` or `a.csv.done`"), "{}", told.hint);
    site.sftp("acme", "put ok orders/a.csv.ok\n").ok();
    assert_eq!(site.wait_for(released), "a.csv.ok came");
    assert_eq!((only(&site).state, on_their_way(&site)), (State::Received, vec!["a.csv".into()]));
}

#[test]
fn a_checksum_that_agrees_lets_a_file_go_on_and_one_that_differs_holds_it() {
    let site = Site::with(|config| asks(config, Complete::Checksum));
    let bytes = "x\n1\n";
    let sums = [
        ("a.csv.md5", "5d41402abc4b2a76b9719d911017c592".to_owned()),
        ("b.csv.sha256", format!("{}  b.csv\n", landfall::archive::digest::of_bytes(b"x\n1\n"))),
    ];
    site.local("a.csv", bytes);
    for (name, text) in &sums {
        site.local(name, text);
    }
    site.sftp("acme", "put a.csv orders/b.csv\nput b.csv.sha256 orders/b.csv.sha256\n").ok();
    assert_eq!(site.wait_for(completed), "b.csv.sha256 agrees");
    site.sftp("acme", "put a.csv.md5 orders/a.csv.md5\nput a.csv orders/a.csv\n").ok();
    assert_eq!(site.wait_for(held), Code::R108);
    let wrong = site.arrivals().remove(1);
    assert_eq!((wrong.state, code(&wrong)), (State::Held, Some(Code::R108)));
    let told = wrong.diagnostic.expect("a reason");
    let fact = |name: &str| told.facts.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    assert_eq!(fact("stated").as_deref(), Some("5d41402abc4b2a76b9719d911017c592"));
    assert_eq!(fact("received").as_deref(), Some("dc3ba59be5d893be2c69ea202014fe78"));
    assert!(told.hint.contains("send it again under the same name"), "{}", told.hint);
    assert_eq!(site.raw(&site.arrivals()[1]), bytes.as_bytes(), "its bytes are kept");
    assert_eq!(on_their_way(&site), ["b.csv"]);
    // The corrected checksum lets it go on.
    site.local("right", "dc3ba59be5d893be2c69ea202014fe78 *a.csv\n");
    site.sftp("acme", "put right orders/a.csv.md5\n").ok();
    assert_eq!(site.wait_for(released), "a.csv.md5 agrees");
    assert_eq!(on_their_way(&site), ["b.csv", "a.csv"]);
}

#[test]
fn a_damaged_file_sent_again_takes_its_place_with_the_checksum_that_was_right() {
    let site = Site::with(|config| asks(config, Complete::Checksum));
    let right = landfall::archive::digest::of_bytes(b"right").to_string();
    site.local("sum", right);
    site.local("damaged", "wrong");
    site.local("whole", "right");
    site.sftp("acme", "put damaged orders/a.bin\nput sum orders/a.bin.sha256\n").ok();
    assert_eq!(site.wait_for(held), Code::R108);
    site.sftp("acme", "put whole orders/a.bin\n").ok();
    assert_eq!(site.wait_for(completed), "a.bin.sha256 agrees");
    let states: Vec<_> = site.arrivals().iter().map(|a| (a.state, waits(a))).collect();
    assert_eq!((states[0].0, states[1]), (State::Superseded, (State::Received, None)));
}

#[test]
fn a_checksum_that_cannot_be_read_is_no_checksum() {
    let site = Site::with(|config| asks(config, Complete::Checksum));
    site.local("a", "x");
    site.local("sum", "see attachment");
    site.sftp("acme", "put a orders/a.bin\nput sum orders/a.bin.sha1\n").ok();
    assert_eq!(site.wait_for(held), Code::R109);
    assert_eq!(on_their_way(&site), Vec::<String>::new());
}

#[test]
fn a_hold_keeps_a_file_and_survives_a_restart() {
    let site = Site::with(|config| {
        config.feeds.get_mut(&feed("orders")).expect("there").hold = Duration::from_secs(2);
    });
    site.local("1", "x\n1\n");
    site.local("2", "x\n2\n");
    site.sftp("acme", "put 1 orders/a.csv\nput 2 orders/a.csv\n").ok();
    let states: Vec<_> = site.arrivals().iter().map(|a| (a.state, waits(a))).collect();
    assert_eq!(states[0].0, State::Superseded, "the same name sent again takes its place");
    assert_eq!(states[1], (State::Received, Some(WaitsFor::Hold)));
    assert_eq!(on_their_way(&site), Vec::<String>::new());
    let site = site.restart();
    assert_eq!(site.wait_for(completed), "its hold ended");
    let last = site.arrivals().remove(1);
    let held_for = site.ledger.history(last.id).expect("read").last().expect("one").at;
    let held_for = held_for.duration_since(last.received_at);
    assert!(held_for.as_secs() >= 2, "{held_for:?}");
    assert_eq!(on_their_way(&site), ["a.csv"]);
}
