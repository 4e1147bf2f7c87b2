//! What is signed, when, and what keeps a second history from being signed.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use landfall::clock::Clock;
use landfall::config;
use landfall::diagnostic::{Code, on_one_line};
use landfall::durable::Durability;
use landfall::evidence::{Checkpoint, Duty, Notary, Segments};
use landfall::ledger::{Event, Ledger, Log as _, log, sqlite, tree};
use landfall::ops::needs::of_notary;
use landfall::signing::{self, Namespace};
use landfall::zone::Zone;

use crate::small_disk::SmallDisk;
use crate::support::TestZone;

/// `ssh-keygen -Y verify` over a checkpoint.
fn ssh_keygen_accepts(text: &Path, signature: &Path, signers: &Path, identity: &str) -> bool {
    let verified = Command::new("ssh-keygen")
        .args(["-Y", "verify", "-n", "landfall-checkpoint", "-I", identity, "-f"])
        .arg(signers)
        .arg("-s")
        .arg(signature)
        .stdin(fs::File::open(text).expect("opened"))
        .output();
    verified.expect("ssh-keygen runs").status.success()
}

fn signers(zone: &TestZone) -> PathBuf {
    let key = fs::read_to_string(zone.path().join(".landfall/keys/receipt.pub")).expect("a key");
    let path = zone.path().join("allowed_signers");
    fs::write(&path, format!("our-zone namespaces=\"landfall-checkpoint\" {key}"))
        .expect("written");
    path
}

fn zone_with_a_file(config: &str) -> TestZone {
    let zone = TestZone::new(config);
    fs::write(zone.inbox("orders").join("a.csv"), "id\n1\n").expect("dropped");
    let server = zone.serve();
    zone.wait_for_ends(1);
    server.stop();
    zone
}

const CONFIG: &str =
    "[zone]\nname = \"our zone\"\n[feed.orders]\n[audit]\npublish_to = \"outside\"\n";

#[test]
fn checkpoints_cover_everything_at_the_stop_and_ssh_keygen_accepts_them() {
    let zone = zone_with_a_file(CONFIG);
    let ledger = zone.ledger();
    let newest = ledger.newest_checkpoint().expect("read").expect("a checkpoint");
    assert_eq!(newest.size, ledger.head(), "all is signed");
    assert_eq!(newest.root, log::verify(&ledger).expect("whole").root());
    let outside: Vec<_> = fs::read_dir(zone.path().join("outside")).expect("copies").collect();
    assert_eq!(outside.len(), 2, "the last one, and its signature");
    let name = format!("{}-{:012}.checkpoint", ledger.log_id().expect("an id"), newest.size);
    let text = zone.path().join("outside").join(&name);
    let signature = zone.path().join("outside").join(format!("{name}.sig"));
    let signers = signers(&zone);
    assert!(ssh_keygen_accepts(&text, &signature, &signers, "our-zone"));
    let told = Checkpoint::parse(&fs::read_to_string(&text).expect("read")).expect("one");
    assert_eq!((told.zone.as_str(), told.size, told.root), ("our-zone", newest.size, newest.root));
    fs::write(&text, newest.text.replace("our-zone", "another")).expect("altered");
    assert!(!ssh_keygen_accepts(&text, &signature, &signers, "our-zone"));
}

#[test]
fn a_folder_that_takes_no_checkpoints_is_told_until_it_does() {
    let zone = zone_with_a_file(CONFIG);
    let outside = zone.path().join("outside");
    fs::remove_dir_all(&outside).expect("removed");
    fs::write(&outside, "not a folder").expect("written");
    let place = Zone::new(zone.path());
    let config = config::Live::from(Arc::new(config::load(&place).expect("valid")));
    let clock = Clock::system();
    let ledger = sqlite::open(&place.ledger_file(), clock.clone(), Durability::Relaxed);
    let ledger: Arc<dyn Ledger> = Arc::new(ledger.expect("opened"));
    let notary = Notary::open(place, config, Arc::clone(&ledger), clock).expect("the same ledger");
    ledger.note(Event::Stopped).expect("noted");
    notary.sign().expect("signed").expect("something new");
    assert_eq!(notary.failing(), []);
    let refused = notary.publish().expect_err("there is no folder");
    let [failing] = notary.failing().try_into().expect("one");
    assert_eq!((failing.duty, &failing.error), (Duty::Publish, &on_one_line(&refused)));
    notary.publish().expect_err("still none");
    assert_eq!(notary.failing()[0].since, failing.since, "since the first");
    let need = of_notary(&failing, "");
    assert_eq!((need.code, need.since), (Some(Code::L117), Some(failing.since)));
    assert!(need.cause.contains("publish_to") && need.cause.contains("outside"), "{need:?}");
    fs::remove_file(&outside).expect("removed");
    notary.publish().expect("copied");
    assert_eq!(notary.failing(), [], "and then no longer");
    assert_eq!(fs::read_dir(&outside).expect("copies").count(), 2);
}

/// Answers one POST and gives back its body.
fn take_post(receiver: &TcpListener, status: &str) -> (Vec<String>, serde_json::Value) {
    let (stream, _) = receiver.accept().expect("a connection");
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_lowercase()),
        }
    }
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.expect("a length").parse().expect("a number")];
    reader.read_exact(&mut body).expect("a body");
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    reader.get_mut().write_all(answer.as_bytes()).expect("answered");
    (head, serde_json::from_slice(&body).expect("json"))
}

#[test]
fn checkpoints_are_posted_and_a_receiver_that_refuses_is_told_of() {
    let receiver = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = receiver.local_addr().expect("an address");
    let zone = TestZone::new(&format!(
        "[zone]\nname = \"our zone\"\n[feed.orders]\n\
         [audit]\npublish_url = \"http://{address}/log\"\nsecrets = [\"file:key\"]\n"
    ));
    fs::write(zone.path().join("key"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("written");
    let server = zone.serve();
    let (head, first) = take_post(&receiver, "500 No");
    assert_eq!(first["type"], "dev.landfall.checkpoint.signed.v1");
    assert!(head.iter().any(|line| line.starts_with("webhook-signature: v1,")), "{head:?}");
    let refused = |status: &serde_json::Value| {
        let needs = status["needs"].as_array().expect("needs").iter();
        needs.filter(|need| need["code"] == "L118").count()
    };
    let status = || -> serde_json::Value {
        serde_json::from_slice(&zone.run(&["status", "--json"]).stdout).expect("json")
    };
    let began = Instant::now();
    while refused(&status()) == 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "{}", status());
    }
    // At the stop the last one is posted, with all events in it.
    std::thread::scope(|scope| {
        let last = scope.spawn(|| take_post(&receiver, "204 Taken"));
        server.stop();
        let (_, last) = last.join().expect("posted");
        let ledger = zone.ledger();
        let text = last["data"]["checkpoint"].as_str().expect("text");
        let checkpoint = Checkpoint::parse(text).expect("one");
        assert_eq!(
            (checkpoint.size, &last["data"]["size"]),
            (ledger.head(), &ledger.head().into())
        );
        let line =
            fs::read_to_string(zone.path().join(".landfall/keys/receipt.pub")).expect("read");
        let signature = last["data"]["signature"].as_str().expect("text");
        assert!(signing::verify(&line, Namespace::Checkpoint, text.as_bytes(), signature));
        assert_ne!(last["id"], first["id"], "another checkpoint");
    });
}

#[test]
fn the_archive_has_every_event_as_it_was_hashed() {
    let zone = zone_with_a_file(CONFIG);
    // A second run goes on where the first ended.
    zone.serve().stop();
    let ledger = zone.ledger();
    let folder = Zone::new(zone.path()).events(&ledger.log_id().expect("an id"));
    let read = |end: &str| {
        let mut files: Vec<_> = fs::read_dir(&folder)
            .expect("listed")
            .map(|entry| entry.expect("one").path())
            .collect();
        files.sort();
        let meant = |path: &&PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).expect("text");
            name.split_once('.').is_some_and(|(_, rest)| rest == end)
        };
        files
            .iter()
            .filter(meant)
            .map(|path| fs::read_to_string(path).expect("read"))
            .collect::<String>()
    };
    let mut archived = tree::Frontier::default();
    for line in read("jsonl").lines() {
        archived.push(tree::leaf(line.as_bytes()));
    }
    assert_eq!(archived.size(), ledger.head());
    assert_eq!(archived.root(), ledger.root(ledger.head()).expect("a root"));
    let kept = ledger.checkpoints(0, 1000).expect("checkpoints");
    assert_eq!(read("checkpoints.jsonl").lines().count(), kept.len());
    // Each is a beginning of all later ones.
    for pair in kept.windows(2) {
        let [old, new] = pair else { panic!("two") };
        let proof = ledger.consistency(old.size, new.size).expect("a proof");
        assert!(tree::is_consistent((old.size, &old.root), (new.size, &new.root), &proof));
    }
}

#[test]
fn a_receipt_is_proven_within_two_seconds_of_its_outcome() {
    let zone = TestZone::new(CONFIG);
    let server = zone.serve();
    for n in 0..5 {
        fs::write(zone.path().join("local.csv"), format!("id\n{n}\n")).expect("written");
        let local = zone.path().join("local.csv");
        let local = local.to_str().expect("text");
        let sent = zone.run(&["send", "--feed", "orders", local, "--name", &format!("{n}.csv")]);
        assert!(sent.status.success(), "{sent:?}");
        let arrival = zone.wait_for_ends(n + 1).pop().expect("the last");
        let began = Instant::now();
        let proof = zone.wait_for_receipt(arrival.id);
        // The rest is for a busy machine; the notary itself waits a second at most.
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
        let key =
            fs::read_to_string(zone.path().join(".landfall/keys/receipt.pub")).expect("a key");
        let meant = (arrival.id, arrival.digest);
        proof.check(&key, meant).expect("it holds");
        let mut other = proof.clone();
        other.received.record = other.received.record.replace("partner", "another");
        other.received.record.push(' ');
        assert!(other.check(&key, meant).is_err());
        let mut other = proof.clone();
        other.outcome.event += 1;
        assert!(other.check(&key, meant).is_err());
        let mut other = proof.clone();
        other.checkpoint = other.checkpoint.replace("time 20", "time 21");
        assert!(other.check(&key, meant).is_err());
        assert!(proof.check(&key, (arrival.id, tree::leaf(b"x"))).is_err());
        assert_eq!(zone.wait_for_receipt(arrival.id), proof, "the same for ever");
        let id = arrival.id.to_string();
        let shown = String::from_utf8(zone.run(&["show", &id]).stdout).expect("text");
        let leaf = format!("received at leaf {}, decided at", proof.received.event - 1);
        assert!(shown.contains(&leaf) && shown.contains("root "), "{shown}");
        let life: serde_json::Value =
            serde_json::from_slice(&zone.run(&["show", &id, "--json"]).stdout).expect("json");
        assert_eq!(life["proof"], serde_json::to_value(&proof).expect("json"));
    }
    server.stop();
}

/// Starts a server that must refuse, and answers what it said.
fn refused(zone: &TestZone) -> String {
    let tried = zone.run(&["serve"]);
    assert_eq!(tried.status.code(), Some(1), "{tried:?}");
    String::from_utf8(tried.stderr).expect("text")
}

#[test]
fn a_ledger_that_is_not_the_signed_one_is_not_served() {
    let zone = zone_with_a_file(CONFIG);
    let ledger = zone.path().join(".landfall/ledger.db");
    let parts = ["ledger.db", "ledger.db-wal"].map(|name| ledger.with_file_name(name));
    let copy = || parts.clone().map(|part| fs::read(part).ok());
    let put = |copies: &[Option<Vec<u8>>; 2]| {
        for (part, copy) in parts.iter().zip(copies) {
            let there = fs::remove_file(part);
            assert!(there.is_ok() || copy.is_none() || !part.exists());
            if let Some(bytes) = copy {
                fs::write(part, bytes).expect("restored");
            }
        }
    };
    let older = copy();
    zone.serve().stop();
    let newest = copy();
    put(&older);
    let told = refused(&zone);
    assert!(told.contains("L110") && told.contains("landfall rebuild"), "{told}");
    put(&[None, None]);
    let told = refused(&zone);
    assert!(told.contains("L111"), "{told}");
    put(&newest);
    let conn = rusqlite::Connection::open(&ledger).expect("opened");
    conn.execute("UPDATE event SET hash = zeroblob(32) WHERE sequence = 3", []).expect("altered");
    drop(conn);
    let told = refused(&zone);
    assert!(told.contains("L112") && told.contains("audit verify"), "{told}");
    put(&newest);
    zone.serve().stop();
    let logs = Segments::logs(&Zone::new(zone.path())).expect("read");
    assert_eq!(logs.len(), 1, "there is one history");
}

#[test]
fn a_full_disk_leaves_no_half_line_and_nothing_unsigned_when_there_is_space_again() {
    let Some(disk) = SmallDisk::mount("size=4m") else { return };
    let zone = Zone::new(disk.path().join("zone"));
    fs::create_dir_all(zone.run_time()).expect("made");
    // The ledger is elsewhere: only the archive is full.
    let elsewhere = tempfile::tempdir().expect("a folder");
    let file = elsewhere.path().join("ledger.db");
    let ledger = sqlite::open(&file, Clock::system(), Durability::Full).expect("opened");
    let ledger: Arc<dyn Ledger> = Arc::new(ledger);
    let config = config::Live::from(Arc::new(config::parse("landfall.toml", "").expect("valid")));
    let notary = Notary::open(zone.clone(), config, Arc::clone(&ledger), Clock::system());
    let notary = notary.expect("opened");
    let note = |count: usize| {
        for n in 0..count {
            let version = format!("{n} {}", "x".repeat(500));
            ledger.note(Event::Started { version }).expect("noted");
        }
    };
    note(10);
    notary.sign().expect("signed");
    let filler = disk.fill(30_000);
    note(200);
    for _ in 0..3 {
        assert!(notary.sign().is_err(), "the archive is full");
    }
    fs::remove_file(filler).expect("removed");
    let signed = notary.sign().expect("signed").expect("a checkpoint");
    assert_eq!(signed.size, 210);
    let log = ledger.log_id().expect("an id");
    let day = Segments::open(&zone, &log, Durability::Full).expect("opened").day().to_owned();
    let text = fs::read_to_string(zone.events(&log).join(format!("{day}.jsonl"))).expect("read");
    let mut tree = tree::Frontier::default();
    text.lines().for_each(|line| drop(tree.push(tree::leaf(line.as_bytes()))));
    assert_eq!((tree.size(), tree.root()), (210, signed.root));
}
