//! Sets and batches that a person closes, with the real binary.

use std::fs;

use crate::support::TestZone;
use landfall::ledger::State;

fn send(zone: &TestZone, name: &str, content: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    fs::write(&file, content).unwrap();
    ok(zone, &["send", file.to_str().unwrap(), "--feed", "orders"]);
}

fn ok(zone: &TestZone, arguments: &[&str]) -> String {
    let output = zone.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_control_file_with_a_wrong_count_holds_the_set_until_it_is_corrected() {
    let zone = TestZone::new(
        "[feed.orders]\nsame_name = \"replace\"\nsinks = [\"told\"]\n\
         batch.set = { control = \"*.ctl\", deadline = \"1h\" }\n\
         [sink.told]\ncommand = [\"cat\"]\n",
    );
    let server = zone.serve();
    send(&zone, "north.csv", "id,city\n1,Oslo\n2,Bergen\n");
    send(&zone, "south.csv", "id,city\n3,Rome\n");
    send(&zone, "day.ctl", "north.csv,2\nsouth.csv,2\n");
    zone.wait_until("the set to be held", |ledger| {
        crate::support::all(ledger).iter().any(|arrival| arrival.state == State::Held)
    });
    assert!(zone.batches("orders").is_empty(), "nothing is handed off");
    let status = zone.run(&["status"]);
    let status = String::from_utf8(status.stdout).unwrap();
    assert!(status.contains("south.csv has 1 rows, day.ctl says 2"), "{status}");

    send(&zone, "day.ctl", "north.csv,2\nsouth.csv,1\n");
    zone.wait_until("the set to be handed off", |ledger| {
        let ends = crate::support::all(ledger);
        ends.iter().filter(|arrival| arrival.state == State::HandedOff).count() == 3
    });
    let batches = zone.batches("orders");
    assert_eq!((batches.len(), batches[0].members.len()), (1, 3));
    assert_eq!(zone.duckdb("select count(*) from '{zone}/lake/orders/v1/*/*.parquet'"), "3");
    server.stop();
}

#[test]
fn a_corrected_file_lets_the_held_set_go() {
    let zone = TestZone::new(
        "[feed.orders]\nsame_name = \"replace\"\nbatch.set = { control = \"*.ctl\" }\n",
    );
    let server = zone.serve();
    send(&zone, "day.ctl", "north.csv,3\n");
    send(&zone, "north.csv", "id\n1\n2\n");
    zone.wait_until("the set to be held", |ledger| {
        crate::support::all(ledger).iter().any(|arrival| arrival.state == State::Held)
    });
    send(&zone, "north.csv", "id\n1\n2\n3\n");
    zone.wait_until("the set to be handed off", |ledger| {
        let ends = crate::support::all(ledger);
        ends.iter().filter(|arrival| arrival.state == State::HandedOff).count() == 2
    });
    assert_eq!(zone.duckdb("select count(*) from '{zone}/lake/orders/v1/*/*.parquet'"), "3");
    server.stop();
}

#[test]
fn a_feed_by_hand_waits_for_a_person() {
    let zone = TestZone::new("[feed.orders]\nbatch.manual = true\n");
    let server = zone.serve();
    send(&zone, "a.csv", "id\n1\n");
    zone.wait_until("the file to be ready", |ledger| {
        crate::support::all(ledger).iter().any(|arrival| arrival.state == State::Converted)
    });
    let listed = ok(&zone, &["batch", "list", "orders"]);
    assert_eq!(
        listed,
        "Ready for the next: 1 file, which waits for `landfall batch close orders --reason …`.\n"
    );
    assert!(!zone.run(&["batch", "close", "orders"]).status.success(), "a reason is asked for");
    let closed = ok(&zone, &["batch", "close", "orders", "--reason", "checked by two"]);
    assert_eq!(closed, "Batch 1 of orders is closed, with 1 file.\n");
    zone.wait_for_ends(1);
    let listed = ok(&zone, &["batch", "list", "orders"]);
    assert!(listed.contains("checked by two") && listed.contains("published"), "{listed}");
    let again = zone.run(&["batch", "close", "orders", "--reason", "x"]);
    assert_eq!(again.status.code(), Some(4), "nothing is ready");
    let manifest = zone.path().join("lake/orders/_manifests/0000000001.json");
    assert!(fs::read_to_string(manifest).unwrap().contains("checked by two"));
    server.stop();
    // Without a server the next start publishes what was closed.
    let server = zone.serve();
    send(&zone, "b.csv", "id\n2\n");
    zone.wait_until("the file to be ready", |ledger| {
        crate::support::all(ledger).iter().any(|arrival| arrival.state == State::Converted)
    });
    server.stop();
    ok(&zone, &["batch", "close", "orders", "--reason", "while it is down"]);
    let server = zone.serve();
    zone.wait_for_ends(2);
    server.stop();
}
