//! Every exit code that can be reached without a running server.

use std::fs;

use insta::assert_snapshot;
use landfall::ops::lock::ZoneLock;

use crate::zone::{CONFIG, GOOD, Place};

#[test]
fn zero_is_ok() {
    assert_eq!(Place::calm().run(&["status"]).0, 0);
}

#[test]
fn one_is_failed() {
    let place = Place::calm();
    fs::remove_file(place.raw()).unwrap();
    assert_eq!(place.run(&["get", GOOD]).0, 1);
}

#[test]
fn two_is_usage() {
    let place = Place::calm();
    assert_eq!(place.run(&["lst"]).0, 2);
    assert_eq!(place.run(&["partner", "add", "acme", "--feed", "orders"]).0, 2);
    assert_snapshot!(place.told(&["send", "a", "b", "--feed", "misc", "--name", "c"]), @"
    --- error Z107: --name is for one file only
    way out: See `landfall help` and the command's `--help`.
    --- exit 2
    ");
}

#[test]
fn three_is_problems_found() {
    let place = Place::with_history(landfall::ledger::DeliveryOutcome::Stalled("no".into()));
    assert_eq!(place.run(&["status"]).0, 3);
}

#[test]
fn four_is_not_found() {
    let place = Place::calm();
    assert_snapshot!(place.told(&["show", "ffff"]), @"
    --- error Z104: no file has the id, digest or name `ffff`
    way out: `landfall list` shows ids and names; the first digits of an id are enough when unique.
    --- exit 4
    ");
    assert_eq!(place.run(&["partner", "show", "nobody"]).0, 4);
    assert_eq!(place.run(&["feed", "files", "nothing"]).0, 4);
    assert_eq!(place.run(&["explain", "X999"]).0, 4);
    assert_eq!(Place::fresh("").run(&["show", GOOD]).0, 4);
}

#[test]
fn five_is_temporary() {
    let place = Place::calm();
    // A server that hangs up on every question, as one does that is about to end.
    let socket = std::os::unix::net::UnixListener::bind(place.zone().control_socket()).unwrap();
    std::thread::spawn(move || socket.incoming().for_each(drop));
    fs::write(place.path().join("a.csv"), "a\n1\n").unwrap();
    let (code, _, stderr) = place.run(&["send", "a.csv", "--feed", "orders"]);
    assert_eq!(code, 5, "{stderr}");
}

#[test]
fn ten_is_not_a_zone() {
    assert_snapshot!(Place::bare().told(&["list"]), @"
    --- error Z102: landing is not a zone
      because: No such file or directory (os error 2)
    way out: Name a zone with --zone DIR, or make one with `landfall init DIR`.
    --- exit 10
    ");
}

#[test]
fn eleven_is_locked_by_another_process() {
    let place = Place::fresh(CONFIG);
    let _held = ZoneLock::take(&place.zone()).unwrap();
    let file = place.path().join("a.csv");
    fs::write(&file, "a\n1\n").unwrap();
    let (code, _, stderr) = place.run(&["send", "a.csv", "--feed", "orders"]);
    assert_eq!(code, 11, "{stderr}");
    assert!(stderr.contains("Z103"), "{stderr}");
}

#[test]
fn seventy_eight_is_an_invalid_configuration() {
    let place = Place::fresh("listen = 1\n");
    assert_eq!(place.run(&["check"]).0, 78);
    assert_eq!(place.run(&["feed", "list"]).0, 78);
}

#[test]
fn errors_are_json_when_results_are() {
    let (code, stdout, stderr) = Place::bare().run(&["list", "--json"]);
    assert_eq!((code, stdout.as_str()), (10, ""));
    let told: serde_json::Value = serde_json::from_str(&stderr).unwrap();
    assert_eq!(told["schema"], "landfall.diagnostic/v1");
    assert_eq!(told["code"], "Z102");
}
