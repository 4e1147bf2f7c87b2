//! The command line beside a running server: reads, sends, changes, stops.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use landfall::ledger::{Event, Ledger as _, State};
use landfall::ops::control::Client;
use landfall::zone::Zone;

use crate::support::{TestZone, all, landfall};

const CONFIG: &str = "[feed.orders]\nowner = 'sales'\n[feed.misc]\n";

fn json(zone: &TestZone, arguments: &[&str]) -> serde_json::Value {
    let output = zone.run(arguments);
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&text).expect("one JSON object")
}

fn code(zone: &TestZone, arguments: &[&str]) -> Option<i32> {
    zone.run(arguments).status.code()
}

fn client(zone: &TestZone) -> Client {
    Client::find(&Zone::new(zone.path())).expect("reachable").expect("running")
}

#[test]
fn a_file_is_sent_through_the_server_and_comes_back_the_same() {
    let zone = TestZone::new(CONFIG);
    let _server = zone.serve();
    let file = zone.path().join("a b.csv");
    fs::write(&file, "id,code\n1,007\n").unwrap();
    let path = file.to_str().unwrap();
    let sent = json(&zone, &["send", path, "--feed", "orders", "--json"]);
    assert_eq!((sent["name"].as_str(), sent["size_bytes"].as_u64()), (Some("a b.csv"), Some(14)));
    let arrival = zone.wait_for_ends(1).remove(0);
    assert_eq!(arrival.state, State::HandedOff);
    assert_eq!(Some(arrival.id.to_string().as_str()), sent["id"].as_str());
    assert!(arrival.sender.to_string().starts_with("local:"), "{}", arrival.sender);
    let got = zone.run(&["get", &arrival.id.to_string()]);
    assert_eq!(got.stdout, fs::read(&file).unwrap());
    assert_eq!(code(&zone, &["send", path, "--feed", "nothing"]), Some(4));
    let files = zone.run(&["feed", "files", "orders"]);
    let files = String::from_utf8(files.stdout).unwrap();
    assert!(files.lines().count() == 1 && files.lines().all(|path| fs::exists(path).unwrap()));
}

#[test]
fn a_file_sent_without_a_server_is_converted_when_one_starts() {
    let zone = TestZone::new(CONFIG);
    let (file, pipe) = (zone.path().join("a.csv"), zone.path());
    fs::write(&file, "id\n1\n").unwrap();
    let output = zone.run(&["send", file.to_str().unwrap(), "--feed", "orders", "--name", "b.csv"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && told.contains("No server runs"), "{told}");
    assert_eq!(all(&zone.ledger())[0].state, State::Received);
    let folder = zone.run(&["send", pipe.to_str().unwrap(), "--feed", "orders"]);
    assert_eq!(folder.status.code(), Some(1), "a folder is no file");
    let _server = zone.serve();
    let arrival = zone.wait_for_ends(1).remove(0);
    assert_eq!((arrival.state, arrival.name.to_string()), (State::HandedOff, "b.csv".to_owned()));
}

#[test]
fn status_knows_the_running_server_and_a_second_one_is_locked_out() {
    let zone = TestZone::new(CONFIG);
    let server = zone.serve();
    let status = json(&zone, &["status", "--json"]);
    assert_eq!(status["server"]["pid"], server.pid());
    assert_eq!(status["server"]["sftp"], format!("127.0.0.1:{}", server.port));
    assert_eq!(status["needs"].as_array().unwrap().len(), 0, "{status}");
    assert_eq!(code(&zone, &["serve"]), Some(11));
    server.stop();
    assert_eq!(json(&zone, &["status", "--json"])["server"], serde_json::Value::Null);
    assert!(!Zone::new(zone.path()).control_socket().exists(), "the socket goes with the server");
}

#[test]
fn a_socket_that_a_killed_server_left_is_no_server() {
    let zone = TestZone::new(CONFIG);
    zone.serve().kill();
    assert!(Zone::new(zone.path()).control_socket().exists());
    assert_eq!(code(&zone, &["status"]), Some(0));
    zone.serve().stop();
}

#[test]
fn a_partner_added_to_a_running_server_can_log_in_at_once_until_it_is_disabled() {
    let zone = TestZone::new(CONFIG);
    let server = zone.serve();
    let key = zone.partner("acme", &["misc"], "");
    fs::remove_file(zone.path().join("partners/acme.toml")).unwrap();
    let public = format!("{}.pub", key.display());
    let added = zone.run(&["partner", "add", "acme", "--key", &public, "--feed", "orders", "misc"]);
    let letter = String::from_utf8_lossy(&added.stdout).into_owned();
    let port = server.port;
    assert!(letter.contains(&format!("sftp -P {port} acme@127.0.0.1")), "{letter}");
    let listing = server.sftp_ok("acme", &key, "ls -1 /\n");
    assert!(listing.contains("orders") && listing.contains("misc"), "{listing}");
    assert_eq!(code(&zone, &["partner", "disable", "acme"]), Some(0));
    assert!(!server.sftp("acme", &key, "ls\n").status.success());
    let changes = zone.ledger().events(0, 1000).unwrap().into_iter();
    let changes = changes.filter(|told| matches!(told.event, Event::PartnerChanged { .. }));
    assert_eq!(changes.count(), 2);
}

#[test]
fn events_are_followed_as_they_happen_until_the_server_stops() {
    let zone = TestZone::new(CONFIG);
    let server = zone.serve();
    let client = client(&zone);
    assert_eq!(client.status().unwrap().pid, server.pid());
    let mut events = client.follow(0).unwrap();
    let file = zone.path().join("a.csv");
    fs::write(&file, "id\n1\n").unwrap();
    zone.run(&["send", file.to_str().unwrap(), "--feed", "orders"]);
    let mut last = 0;
    let handed_off = events.by_ref().find(|told| {
        assert_eq!(told.sequence, last + 1, "no event is left out");
        last = told.sequence;
        matches!(told.event, Event::HandedOff { .. })
    });
    assert!(handed_off.is_some());
    client.stop().unwrap();
    // The stream ends with the server.
    events.for_each(drop);
}

#[test]
fn an_interrupted_command_ends_by_the_signal_that_shells_report_as_130() {
    let zone = TestZone::new(CONFIG);
    let mut child = landfall()
        .args(["partner", "add", "acme", "--feed", "orders", "--password-stdin", "--zone"])
        .arg(zone.path())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id().to_string();
    std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap();
    // Its input stays open, so that only the signal can end it.
    let _input = child.stdin.take();
    assert_eq!(child.wait().unwrap().signal(), Some(2));
}
