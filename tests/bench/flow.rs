//! The whole way, measured: small files over one and eight SFTP connections and through the inbox,
//! one big file, and latency at a steady rate. Run it with `tests/bench/flow`.
//!
//! Times come from the ledger (when a file's CLOSE was committed, when its manifest was published),
//! CPU and memory from `/proc`. The OpenSSH client runs on the same machine and takes its share.
#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark"
)]

mod meter;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use landfall::ledger::{Event, Ledger};
use meter::{children, peak_mib, seconds};
use support::{Server, TestZone};

const RATE_PER_S: u32 = 50;
const STEADY_FILES: usize = 1000;
const BIG_BYTES: u64 = 1_000_000_000;

fn main() {
    let files = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(10_000);
    println!(
        "{:<34} {:>8} {:>9} {:>9} {:>9} {:>11} {:>11}  CPU seconds",
        "case", "files/s", "MB/s", "p50 ms", "p99 ms", "server MiB", "worker MiB"
    );
    small_files("1 connection", files, 1);
    small_files("8 connections", files, 8);
    inbox(files);
    steady();
    one_big_file();
}

fn small_csv(n: usize) -> String {
    let rows: String = (0..20)
        .map(|row| {
            format!(
                "{n},{row},{:05},{}.{:02},2026-11-{:02},text {row}\n",
                n * 31 % 99_999,
                row * 7,
                n % 100,
                row + 1
            )
        })
        .collect();
    format!("file,row,code,amount,day,text\n{rows}")
}

/// Splits small files into as many folders as there are connections.
fn outgoing(zone: &TestZone, files: usize, folders: usize) -> Vec<PathBuf> {
    let paths: Vec<PathBuf> =
        (0..folders).map(|folder| zone.path().join(format!("outgoing{folder}"))).collect();
    paths.iter().for_each(|path| fs::create_dir(path).expect("made"));
    for n in 0..files {
        fs::write(paths[n % folders].join(format!("f{n:06}.csv")), small_csv(n)).expect("written");
    }
    paths
}

fn zone(folder: &str) -> TestZone {
    let zone = TestZone::new(&format!("[feed.orders]\n{folder}"));
    zone.partner("acme", &["orders"], "");
    zone
}

fn small_files(case: &str, files: usize, connections: usize) {
    let zone = zone("");
    let folders = outgoing(&zone, files, connections);
    let server = zone.serve();
    let meter = Meter::start(server.pid());
    let began = Instant::now();
    let clients: Vec<Child> = folders
        .iter()
        .map(|folder| {
            let mut client = sftp(&zone, &server);
            let mut stdin = client.stdin.take().expect("its input");
            writeln!(stdin, "put {}/*.csv", folder.display()).expect("written");
            client
        })
        .collect();
    for client in clients {
        assert!(client.wait_with_output().expect("ended").status.success());
    }
    finish(&format!("{files} CSVs, {case}"), &zone, (files, began), meter);
}

fn inbox(files: usize) {
    let zone = zone("[folder.inbox]\npath = \"inbox/orders\"\nfeed = \"orders\"\nquiet = \"1s\"\n");
    let folder = outgoing(&zone, files, 1).remove(0);
    let server = zone.serve();
    let meter = Meter::start(server.pid());
    let began = Instant::now();
    for entry in fs::read_dir(folder).expect("listed") {
        let path = entry.expect("an entry").path();
        let to = zone.inbox("orders").join(path.file_name().expect("a name"));
        move_file(&path, &to);
    }
    finish(&format!("{files} CSVs, inbox"), &zone, (files, began), meter);
    drop(server);
}

#[allow(clippy::disallowed_methods, reason = "a benchmark drops files as a person would")]
fn move_file(from: &Path, to: &Path) {
    fs::rename(from, to).expect("dropped");
}

fn steady() {
    let zone = zone("");
    let folder = outgoing(&zone, STEADY_FILES, 1).remove(0);
    let server = zone.serve();
    let meter = Meter::start(server.pid());
    let mut client = sftp(&zone, &server);
    let mut stdin = client.stdin.take().expect("its input");
    let began = Instant::now();
    for n in 0..STEADY_FILES {
        writeln!(stdin, "put {}/f{n:06}.csv", folder.display()).expect("written");
        let due = Duration::from_secs(1) / RATE_PER_S * (n as u32 + 1);
        std::thread::sleep(due.saturating_sub(began.elapsed()));
    }
    drop(stdin);
    assert!(client.wait().expect("ended").success());
    finish(&format!("{RATE_PER_S} CSVs a second"), &zone, (STEADY_FILES, began), meter);
}

fn one_big_file() {
    let zone = zone("");
    let big = zone.path().join("big.csv");
    let mut file = std::io::BufWriter::new(fs::File::create(&big).expect("created"));
    file.write_all(b"id,code,amount,day,text\n").expect("written");
    let (mut size, mut n) = (0_u64, 0_u64);
    while size < BIG_BYTES {
        let line = format!(
            "{n},{:06},{}.{:02},2026-{:02}-{:02},some text {}\n",
            n % 1_000_000,
            n * 7 % 10_000,
            n % 100,
            n % 12 + 1,
            n % 28 + 1,
            n % 5000
        );
        file.write_all(line.as_bytes()).expect("written");
        size += line.len() as u64;
        n += 1;
    }
    file.flush().expect("written");
    drop(file);
    let server = zone.serve();
    let meter = Meter::start(server.pid());
    let began = Instant::now();
    let mut client = sftp(&zone, &server);
    writeln!(client.stdin.take().expect("its input"), "put {}", big.display()).expect("written");
    assert!(client.wait().expect("ended").success());
    println!("  upload of 1 GB acknowledged after {:.1} s", began.elapsed().as_secs_f64());
    finish("one CSV of 1 GB", &zone, (1, began), meter);
}

fn sftp(zone: &TestZone, server: &Server) -> Child {
    Command::new("sftp")
        .args(["-q", "-b", "-"])
        .args(server.ssh_options(&zone.path().join("acme.key")))
        .arg("acme@127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("sftp starts")
}

/// Waits for the last manifest and prints the case's line.
fn finish(case: &str, zone: &TestZone, (files, began): (usize, Instant), meter: Meter) {
    zone.wait_until("every manifest", |ledger| published(ledger) >= files);
    let wall = began.elapsed().as_secs_f64();
    let (mut latencies, bytes) = latencies(&zone.ledger());
    latencies.sort_unstable();
    let at =
        |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize] as f64 / 1000.0;
    let readings = meter.stop();
    println!(
        "{case:<34} {:>8.0} {:>9.1} {:>9.1} {:>9.1} {:>11} {:>11}  {}",
        files as f64 / wall,
        bytes as f64 / 1e6 / wall,
        at(0.5),
        at(0.99),
        readings.server_mib,
        readings.worker_mib,
        readings.cpu_text(),
    );
}

fn published(ledger: &dyn Ledger) -> usize {
    let counts = ledger.counts().expect("counts");
    let done = |state| {
        matches!(state, landfall::ledger::State::Published | landfall::ledger::State::HandedOff)
    };
    counts.iter().filter(|(_, state, _)| done(*state)).map(|(_, _, count)| *count as usize).sum()
}

/// Microseconds from a file's commit to its manifest, and all bytes received.
fn latencies(ledger: &dyn Ledger) -> (Vec<i64>, u64) {
    let (mut received, mut found, mut bytes, mut after) = (BTreeMap::new(), Vec::new(), 0, 0);
    loop {
        let events = ledger.events(after, 10_000).expect("events");
        let Some(last) = events.last() else { return (found, bytes) };
        after = last.sequence;
        for recorded in events {
            let at = recorded.at.as_microsecond();
            match (recorded.arrival, recorded.event) {
                (Some(id), Event::Received { size_bytes, .. }) => {
                    bytes += size_bytes;
                    received.insert(id, at);
                }
                (Some(id), Event::Published { .. }) => found.push(at - received[&id]),
                _ => {}
            }
        }
    }
}

struct Readings {
    server_mib: u64,
    worker_mib: u64,
    cpu: BTreeMap<String, f64>,
}

impl Readings {
    fn cpu_text(&self) -> String {
        let mut stages: Vec<_> = self.cpu.iter().filter(|(_, seconds)| **seconds >= 0.1).collect();
        stages.sort_by(|a, b| b.1.total_cmp(a.1));
        let stages: Vec<_> =
            stages.iter().map(|(stage, seconds)| format!("{stage} {seconds:.1}")).collect();
        stages.join(", ")
    }
}

/// Watches a server and its workers from `/proc`.
struct Meter {
    stop: Arc<AtomicBool>,
    watcher: std::thread::JoinHandle<Readings>,
}

impl Meter {
    fn start(server: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let watcher = std::thread::spawn(move || {
            let mut peaks: BTreeMap<u32, u64> = BTreeMap::new();
            while !stopped.load(Ordering::Acquire) {
                for worker in children(server) {
                    let peak = peak_mib(worker).unwrap_or(0);
                    let known = peaks.entry(worker).or_default();
                    *known = peak.max(*known);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            Readings {
                server_mib: peak_mib(server).unwrap_or(0),
                worker_mib: peaks.values().copied().max().unwrap_or(0),
                cpu: cpu_by_stage(server),
            }
        });
        Self { stop, watcher }
    }

    fn stop(self) -> Readings {
        self.stop.store(true, Ordering::Release);
        self.watcher.join().expect("joined")
    }
}

/// CPU seconds by the name of the server's threads, numbers cut off, and of its workers together.
fn cpu_by_stage(server: u32) -> BTreeMap<String, f64> {
    let mut cpu: BTreeMap<String, f64> = BTreeMap::new();
    let (total, ended) = seconds(Path::new(&format!("/proc/{server}/stat"))).unwrap_or_default();
    let mut named = 0.0;
    for task in fs::read_dir(format!("/proc/{server}/task")).into_iter().flatten().flatten() {
        let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        let name =
            name.trim().trim_end_matches(|c: char| c.is_ascii_digit() || c == '-').to_owned();
        let (own, _) = seconds(&task.path().join("stat")).unwrap_or_default();
        named += own;
        *cpu.entry(name).or_default() += own;
    }
    *cpu.entry("ended threads".to_owned()).or_default() += (total - named).max(0.0);
    let living = children(server)
        .iter()
        .filter_map(|pid| seconds(Path::new(&format!("/proc/{pid}/stat"))))
        .map(|(own, _)| own)
        .sum::<f64>();
    *cpu.entry("workers".to_owned()).or_default() += ended + living;
    cpu
}
