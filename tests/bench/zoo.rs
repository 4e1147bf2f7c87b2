//! What others notice of files made to hurt: small files of a partner, with and without the zoo
//! dropped beside them by another sender. Run it with `tests/bench/zoo`.
//!
//! Rounds take turns, so that a machine's moods meet both. The zoo is dropped again and again for as
//! long as a round takes. Prints files a second from the first byte to the last manifest, and the ratio.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark"
)]

#[path = "../support/mod.rs"]
mod support;
#[path = "../support/workbook.rs"]
mod workbook;
#[path = "../support/zoo.rs"]
mod zoo;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use landfall::ledger::{ArrivalQuery, Ledger, State};
use support::{TestZone, feed_name};
use zoo::Bomb;

/// Connections of the partner.
const CONNECTIONS: usize = 4;

/// What a round does beside the partner's files.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nothing,
    Zoo,
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|word| word.parse().ok());
    let (files, rounds) = (numbers.next().unwrap_or(2_000), numbers.next().unwrap_or(5));
    let bombs = zoo::all();
    println!("{files} CSVs of one partner over {CONNECTIONS} connections, {rounds} rounds each");
    println!(
        "{:>6} {:>16} {:>14} {:>6} {:>11}",
        "round", "alone, files/s", "beside the zoo", "ratio", "bombs ended"
    );
    let (mut alone_s, mut beside_s) = (0.0, 0.0);
    for number in 1..=rounds {
        let (alone, _) = round(files, Beside::Nothing, &bombs);
        let (beside, ended) = round(files, Beside::Zoo, &bombs);
        let rate = |seconds: f64| f64::from(files) / seconds;
        println!(
            "{number:>6} {:>16.1} {:>14.1} {:>5.0}% {ended:>11}",
            rate(alone),
            rate(beside),
            alone / beside * 100.0
        );
        alone_s += alone;
        beside_s += beside;
    }
    println!("all rounds: {:.0}% of the throughput alone", alone_s / beside_s * 100.0);
}

/// The seconds that the partner's files took, and how many bombs came to their end meanwhile.
fn round(files: u32, beside: Beside, bombs: &[Bomb]) -> (f64, usize) {
    let zone = TestZone::new("[feed.zoo]\n[feed.calm]\n");
    zone.partner("acme", &["calm"], "");
    let outgoing: Vec<_> = (0..CONNECTIONS).map(|n| zone.path().join(format!("out{n}"))).collect();
    outgoing.iter().for_each(|folder| fs::create_dir(folder).expect("made"));
    for n in 0..files as usize {
        let rows: String =
            (0..20).map(|row| format!("{n},{row},{}.50,text {row}\n", row * 7)).collect();
        let file = outgoing[n % CONNECTIONS].join(format!("f{n:06}.csv"));
        fs::write(file, format!("file,row,amount,text\n{rows}")).expect("written");
    }
    let server = zone.serve();
    let (done, dropped) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        if beside == Beside::Zoo {
            scope.spawn(|| drop_bombs(&zone, bombs, &done, &dropped));
            zone.wait_until("the first bombs", |ledger| held(ledger) > 0);
        }
        let before = held(&zone.ledger());
        let began = Instant::now();
        let clients: Vec<_> =
            outgoing.iter().map(|folder| put_all(&zone, &server, folder)).collect();
        for mut client in clients {
            assert!(client.wait().expect("ended").success());
        }
        let calm = feed_name("calm");
        zone.wait_until("every manifest", |ledger| {
            let batches = ledger.batches(&calm, 0, 100_000).expect("batches");
            let published = batches.iter().filter(|batch| batch.published_at.is_some());
            published.map(|batch| batch.members.len()).sum::<usize>() == files as usize
        });
        let seconds = began.elapsed().as_secs_f64();
        let (after, all) = (held(&zone.ledger()), dropped.load(Ordering::Relaxed));
        assert!(beside == Beside::Nothing || after < all, "the bombs were over before the files");
        done.store(true, Ordering::Relaxed);
        (seconds, after - before)
    })
}

fn put_all(zone: &TestZone, server: &support::Server, folder: &Path) -> std::process::Child {
    let mut client = Command::new("sftp")
        .args(["-q", "-b", "-"])
        .args(server.ssh_options(&zone.path().join("acme.key")))
        .arg("acme@127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("sftp starts");
    let mut stdin = client.stdin.take().expect("its input");
    writeln!(stdin, "put {}/*.csv", folder.display()).expect("written");
    client
}

/// Drops the zoo, and again whenever two thirds of what was dropped have ended.
fn drop_bombs(zone: &TestZone, bombs: &[Bomb], done: &AtomicBool, dropped: &AtomicUsize) {
    let made = zone.path().join("made");
    let ledger = zone.ledger();
    for time in 0.. {
        for (name, _, bytes) in bombs {
            fs::write(&made, bytes).expect("written");
            fs::rename(&made, zone.inbox("zoo").join(format!("{time}-{name}"))).expect("dropped");
            dropped.fetch_add(1, Ordering::Relaxed);
        }
        let mut head = 0;
        while held(&ledger) + bombs.len() / 3 < dropped.load(Ordering::Relaxed) {
            if done.load(Ordering::Relaxed) {
                return;
            }
            head = ledger.wait_beyond(head, std::time::Duration::from_millis(200));
        }
    }
}

fn held(ledger: &dyn Ledger) -> usize {
    let query = ArrivalQuery { states: vec![State::Held], limit: 100_000, ..Default::default() };
    ledger.arrivals(&query).expect("arrivals").len()
}
