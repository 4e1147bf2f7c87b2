//! What evidence costs: events a second of the ledger alone, and with a notary that archives and signs
//! them. `cargo bench --bench evidence -- 20000`
#![allow(
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark"
)]

use std::sync::Arc;
use std::time::Instant;

use landfall::clock::{Clock, Timestamp};
use landfall::config;
use landfall::durable::Durability;
use landfall::evidence::{Keeping, Notary};
use landfall::ledger::{Door, Event, Ledger, NewArrival, sqlite};
use landfall::names::{ArrivalId, Digest};
use landfall::zone::Zone;

const THREADS: u64 = 8;

fn main() {
    let count = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(20_000);
    println!("{:<44} {:>10} {:>8}", "case", "events/s", "seconds");
    for durability in [Durability::Relaxed, Durability::Full] {
        for with_notary in [None, Some(())] {
            run(count, durability, with_notary);
        }
    }
}

fn run(count: u64, durability: Durability, with_notary: Option<()>) {
    let folder = tempfile::tempdir().expect("a folder");
    let zone = Zone::new(folder.path());
    std::fs::create_dir_all(zone.run_time()).expect("made");
    let word = match durability {
        Durability::Full => "full",
        Durability::Relaxed => "relaxed",
    };
    let text = format!("[zone]\ndurability = '{word}'\n");
    let config = config::parse("landfall.toml", &text).expect("valid");
    let opened = sqlite::open(&zone.ledger_file(), Clock::system(), durability);
    let ledger: Arc<dyn Ledger> = Arc::new(opened.expect("opened"));
    let keeping = with_notary.map(|()| {
        let config = config::Live::from(Arc::new(config));
        let notary = Notary::open(zone, config, Arc::clone(&ledger), Clock::system());
        Keeping::start(Arc::new(notary.expect("opened"))).expect("started")
    });
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
    let case = format!("{THREADS} threads, {word}, {notary}");
    println!("{case:<44} {:>10.0} {seconds:>8.2}", events as f64 / seconds);
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
