//! What evidence costs: events a second of the ledger alone, and with a notary that archives and signs
//! them; then how long the acknowledgement of a file takes with 1, 16 and 64 connections that each send one
//! after the other, and where that time goes. `cargo bench --bench evidence -- 20000`
//!
//! An acknowledgement is what a CLOSE waits for, without SSH: the digest of 64 KiB, the raw object and its
//! folder synced, the ledger's commit; a notary signs meanwhile.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark"
)]

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use landfall::archive::digest::Hasher;
use landfall::archive::{Archive, Identity};
use landfall::clock::{Clock, Timestamp};
use landfall::config;
use landfall::durable::Durability;
use landfall::evidence::{Keeping, Notary};
use landfall::ledger::{Door, Event, Ledger, NewArrival, sqlite};
use landfall::names::{ArrivalId, Digest};
use landfall::receive::staging;
use landfall::zone::Zone;

const THREADS: u64 = 8;
const CONNECTIONS: [usize; 3] = [1, 16, 64];
const FILE_BYTES: usize = 64 << 10;

fn main() {
    let count = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(20_000);
    println!("{:<44} {:>10} {:>8}", "case", "events/s", "seconds");
    for durability in [Durability::Relaxed, Durability::Full] {
        for with_notary in [None, Some(())] {
            run(count, durability, with_notary);
        }
    }
    println!(
        "\n{:<14} {:>7} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "connections", "files/s", "events/s", "p50 ms", "p99 ms", "hashing", "sync", "ledger"
    );
    for connections in CONNECTIONS {
        acknowledge(connections, (count as usize / 10).max(connections));
    }
}

/// A zone's ledger in a folder of its own.
fn ledger_in(zone: &Zone, durability: Durability) -> Arc<dyn Ledger> {
    std::fs::create_dir_all(zone.staging()).expect("made");
    let opened = sqlite::open(&zone.ledger_file(), Clock::system(), durability);
    Arc::new(opened.expect("opened"))
}

fn word(durability: Durability) -> &'static str {
    match durability {
        Durability::Full => "full",
        Durability::Relaxed => "relaxed",
    }
}

fn notary(zone: Zone, ledger: &Arc<dyn Ledger>, durability: Durability) -> Keeping {
    let text = format!("[zone]\ndurability = '{}'\n", word(durability));
    let config = config::parse("landfall.toml", &text).expect("valid");
    let config = config::Live::from(Arc::new(config));
    let notary = Notary::open(zone, config, Arc::clone(ledger), Clock::system());
    Keeping::start(Arc::new(notary.expect("opened"))).expect("started")
}

fn run(count: u64, durability: Durability, with_notary: Option<()>) {
    let folder = tempfile::tempdir().expect("a folder");
    let zone = Zone::new(folder.path());
    let ledger = ledger_in(&zone, durability);
    let keeping = with_notary.map(|()| notary(zone, &ledger, durability));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let ledger = &ledger;
            scope.spawn(move || {
                for n in 0..count / THREADS / 2 {
                    let id = ledger.receive(new_arrival(thread, n)).expect("received").id;
                    let raw = Event::TakenRaw { reason: "a benchmark".to_owned() };
                    ledger.advance(id, raw).expect("taken");
                }
            });
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    let events = ledger.head();
    if let Some(keeping) = keeping {
        keeping.stop();
    }
    let notary = if with_notary.is_some() { "with a notary" } else { "alone" };
    let case = format!("{THREADS} threads, {}, {notary}", word(durability));
    println!("{case:<44} {:>10.0} {seconds:>8.2}", events as f64 / seconds);
}

/// How long one acknowledgement took, and its parts.
struct Took {
    all: Duration,
    hashing: Duration,
    sync: Duration,
    ledger: Duration,
}

fn acknowledge(connections: usize, files: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let zone = Zone::new(folder.path());
    let ledger = ledger_in(&zone, Durability::Full);
    let keeping = notary(zone.clone(), &ledger, Durability::Full);
    let archive = Archive::new(zone.clone(), Durability::Full);
    let began = Instant::now();
    let mut took: Vec<Took> = std::thread::scope(|scope| {
        let connection = |thread: usize| {
            let (zone, archive, ledger) = (&zone, &archive, ledger.as_ref());
            move || -> Vec<Took> {
                let each = (0..files / connections).map(|n| (thread as u64, n as u64));
                each.map(|place| one(zone, archive, ledger, place)).collect()
            }
        };
        let threads: Vec<_> = (0..connections).map(|n| scope.spawn(connection(n))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("joined")).collect()
    });
    let seconds = began.elapsed().as_secs_f64();
    let events = ledger.head();
    keeping.stop();
    took.sort_by_key(|took| took.all);
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].all.as_secs_f64() * 1e3;
    let sum = |of: fn(&Took) -> Duration| took.iter().map(of).sum::<Duration>().as_secs_f64();
    let share = |of| format!("{:.0} %", 100.0 * sum(of) / sum(|took| took.all));
    println!(
        "{connections:<14} {:>7.0} {:>9.0} {:>8.1} {:>8.1} {:>8} {:>8} {:>8}",
        took.len() as f64 / seconds,
        events as f64 / seconds,
        at(0.5),
        at(0.99),
        share(|took| took.hashing),
        share(|took| took.sync),
        share(|took| took.ledger),
    );
}

/// Takes one file; its bytes have come already.
fn one(zone: &Zone, archive: &Archive, ledger: &dyn Ledger, (thread, n): (u64, u64)) -> Took {
    let bytes = vec![n as u8; FILE_BYTES];
    let mut staged = staging::create(zone).expect("staged");
    staged.file.write_all(&bytes).expect("written");
    let new = new_arrival(thread, n);
    let began = Instant::now();
    let mut hasher = Hasher::new();
    hasher.update(&bytes);
    let digest = hasher.finish();
    let hashed = began.elapsed();
    let identity = Identity {
        id: new.id,
        sender: new.sender.clone(),
        door: new.door,
        feed: new.feed.clone(),
        name: new.name.clone(),
        received_at: new.received_at,
        modified_s: None,
        mode: None,
        origin: None,
        fingerprint: None,
        held: None,
    };
    let raw = archive.store(staged, &identity, Some(digest)).expect("stored");
    let stored = began.elapsed();
    ledger.receive(NewArrival { digest, size_bytes: raw.size_bytes, ..new }).expect("received");
    let all = began.elapsed();
    Took { all, hashing: hashed, sync: stored - hashed, ledger: all - stored }
}

fn new_arrival(thread: u64, n: u64) -> NewArrival {
    let at = Timestamp::now();
    let id = ArrivalId::new(at);
    let name = format!("{thread}-{n}.csv").parse().expect("a name");
    let feed = "orders".parse().expect("a feed");
    NewArrival {
        id,
        sender: "partner:acme".parse().expect("a sender"),
        door: Door::Sftp,
        raw: Zone::raw_path(&feed, at, id, &name),
        feed,
        name,
        size_bytes: n,
        digest: Digest::from_bytes([0; 32]),
        received_at: at,
        modified_s: None,
        mode: None,
        origin: None,
        fingerprint: None,
        held: None,
        waits: None,
        skip_duplicate: true,
        replace_same_name: false,
        adopted: false,
        ends: None,
    }
}
