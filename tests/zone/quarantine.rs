//! The desk for held files: looked at, let go on, or decided to go nowhere, with a reason each time.

use std::fs;
use std::process::Output;

use crate::support::TestZone;
use landfall::ledger::{Arrival, Event, Ledger, State};
use landfall::names::ArrivalId;

fn text(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8(both).expect("text")
}

fn ok(zone: &TestZone, arguments: &[&str]) -> String {
    let output = zone.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    text(&output)
}

fn refused(zone: &TestZone, arguments: &[&str]) -> String {
    let output = zone.run(arguments);
    assert!(!output.status.success(), "{arguments:?}: {}", text(&output));
    text(&output)
}

/// Sends a file and waits until it stands still.
fn send(zone: &TestZone, name: &str, content: &str) -> Arrival {
    let path = zone.path().join(name);
    fs::write(&path, content).expect("written");
    let before = crate::support::all(&zone.ledger()).len();
    ok(zone, &["send", path.to_str().expect("a path"), "--feed", "orders"]);
    let sent = zone.wait_for_ends(before + 1);
    sent.into_iter().find(|arrival| arrival.name.to_string() == name).expect("arrived")
}

/// Waits until a released file stands still again.
fn settled(zone: &TestZone, id: ArrivalId, releases: usize) -> Arrival {
    zone.wait_until("the released file stands still", |ledger| {
        let history = ledger.history(id).expect("a history");
        let released =
            |told: &&landfall::ledger::Recorded| matches!(told.event, Event::Released { .. });
        let arrival = ledger.arrival(id).expect("read").expect("known");
        history.iter().filter(released).count() == releases && arrival.state.is_end()
    });
    zone.ledger().arrival(id).expect("read").expect("known")
}

#[test]
fn a_renamed_column_goes_on_once_a_person_allows_it() {
    let zone = TestZone::new("[feed.orders]\n");
    let server = zone.serve();
    assert_eq!(send(&zone, "monday.csv", "id,amount\n1,2.50\n").state, State::HandedOff);
    let held = send(&zone, "tuesday.csv", "id,total\n2,3.50\n");
    assert_eq!(held.state, State::Held);
    let id = held.id.to_string();
    let listed = ok(&zone, &["quarantine", "list"]);
    assert!(listed.contains(&id) && listed.contains("C110"), "{listed}");
    assert!(!listed.contains("monday"), "{listed}");

    let told = ok(&zone, &["quarantine", "show", "tuesday.csv"]);
    assert!(told.contains("it would be held again"), "{told}");
    let told = ok(&zone, &["quarantine", "show", &id, "--allow", "drift"]);
    assert!(told.contains("it would go on with 1 row, 0 rejects"), "{told}");
    assert!(told.contains("3.50"), "the first rows: {told}");

    ok(&zone, &["quarantine", "release", &id, "--reason", "let us see"]);
    assert_eq!(settled(&zone, held.id, 1).state, State::Held, "its feed's rule holds");
    let allow =
        ["quarantine", "release", &id, "--allow", "drift", "--reason", "renamed on purpose"];
    ok(&zone, &allow);
    assert_eq!(settled(&zone, held.id, 2).state, State::HandedOff);
    let life = ok(&zone, &["show", &id]);
    assert!(life.contains("drift allowed: renamed on purpose"), "{life}");
    let rows = zone.duckdb(
        "SELECT id, amount, total FROM read_parquet('{zone}/lake/orders/v1/*/*.parquet',
           union_by_name=true) ORDER BY id",
    );
    assert_eq!(rows.trim(), "1|2.50|None\n2|None|3.50");
    // The next file with the new name is what the feed has come to.
    assert_eq!(send(&zone, "wednesday.csv", "id,total\n3,4.50\n").state, State::HandedOff);
    server.stop();
}

#[test]
fn what_cannot_be_read_may_be_left_out_by_a_person() {
    let zone = TestZone::new("[feed.orders]\n");
    let server = zone.serve();
    let held = send(&zone, "ragged.csv", "id,b\n1,2\n3\n4\n5,6\n7,8\n");
    assert_eq!(held.state, State::Held);
    let id = held.id.to_string();
    ok(&zone, &["quarantine", "release", &id, "--allow", "rejects", "--reason", "known"]);
    let done = settled(&zone, held.id, 1);
    assert_eq!(done.state, State::HandedOff);
    let made = done.conversion.expect("converted");
    assert_eq!((made.seen, made.written, made.rejected), (5, 3, 2));
    server.stop();
}

#[test]
fn changed_settings_are_tried_before_they_are_used() {
    let zone = TestZone::new("[feed.orders]\n");
    let server = zone.serve();
    let held = send(&zone, "odd.csv", "id,b\n1,2\n3\n4\n5,6\n");
    assert_eq!(held.state, State::Held);
    let id = held.id.to_string();
    server.stop();
    fs::create_dir_all(zone.path().join("contracts")).expect("made");
    let contract = "max_rejects = 5\n[column.id]\ntype = \"int64\"\n[column.b]\ntype = \"int64\"\n";
    fs::write(zone.path().join("contracts/orders.toml"), contract).expect("written");
    let told = ok(&zone, &["quarantine", "show", &id]);
    assert!(told.contains("it would go on with 2 rows, 2 rejects"), "{told}");
    // Nobody serves: the decision is written all the same.
    ok(&zone, &["quarantine", "release", &id, "--reason", "two rows less"]);
    let server = zone.serve();
    assert_eq!(settled(&zone, held.id, 1).state, State::HandedOff);
    server.stop();
}

#[test]
fn a_rejected_file_goes_nowhere_and_stays_in_the_archive() {
    let zone = TestZone::new("[feed.orders]\n");
    let server = zone.serve();
    let held = send(&zone, "ragged.csv", "id,b\n1,2\n3\n4\n5,6\n7,8\n");
    let id = held.id.to_string();
    let told = refused(&zone, &["quarantine", "reject", &id, "--reason", "  "]);
    assert!(told.contains("a decision needs a reason"), "{told}");
    ok(&zone, &["quarantine", "reject", &id, "--reason", "sent by mistake"]);
    let rejected = zone.ledger().arrival(held.id).expect("read").expect("known");
    assert_eq!(rejected.state, State::Rejected);
    assert!(rejected.conversion.is_none() && rejected.batch.is_none());
    assert_eq!(ok(&zone, &["quarantine", "list"]).trim(), "Nothing is held.");
    let told = refused(&zone, &["quarantine", "release", &id, "--reason", "no, after all"]);
    assert!(told.contains("is not held"), "{told}");
    let raw = zone.path().join(rejected.raw.to_string());
    assert_eq!(fs::read_to_string(raw).expect("in the archive").len(), 21);
    assert!(ok(&zone, &["show", &id]).contains("sent by mistake"));
    // A newer version of the name goes its way.
    assert_eq!(send(&zone, "ragged.csv", "id,b\n1,2\n").id, held.id, "the first of the name");
    server.stop();
    let ledger = zone.ledger();
    let states: Vec<_> = crate::support::all(&ledger).iter().map(|arrival| arrival.state).collect();
    assert!(states.contains(&State::HandedOff) && states.contains(&State::Rejected), "{states:?}");
}

#[test]
fn a_file_that_no_feed_takes_needs_a_name_first() {
    let zone = TestZone::new("[feed.orders]\nmatch = [\"*.csv\"]\n");
    let key = zone.partner("acme", &["orders"], "");
    let server = zone.serve();
    let path = zone.path().join("local");
    fs::write(&path, "id\n1\n").expect("written");
    server.sftp_ok("acme", &key, &format!("put {} orders.dat\n", path.display()));
    let held = zone.wait_for_ends(1).remove(0);
    assert_eq!(held.state, State::Held);
    let id = held.id.to_string();
    let told = refused(&zone, &["quarantine", "release", &id, "--reason", "go"]);
    assert!(told.contains("no feed takes the name") && told.contains("landfall send"), "{told}");
    server.sftp_ok("acme", &key, "rename orders.dat orders.csv\n");
    assert_eq!(settled(&zone, held.id, 1).state, State::HandedOff);
    server.stop();
}
