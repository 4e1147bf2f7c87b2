//! The SFTP door against OpenSSH's sshd and `rclone serve sftp`, on one machine, in rounds that
//! alternate between them. Run it with `tests/bench/sftp`.
//!
//! A round is: start a server over an empty folder, run OpenSSH's client against it, read the
//! server's CPU time from `/proc`, end it. The order turns from round to round. Printed are medians,
//! and the medians of each round's ratio to sshd in that round. Without syncs ("relaxed", and sshd)
//! everything lies in memory; with them ("durable") on the disk that holds `target/`. The client runs
//! on the same machine and is the bottleneck of single transfers.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark"
)]

#[path = "../meter.rs"]
mod meter;

mod bare;
mod memory;
mod peers;
mod transfers;

use std::path::{Path, PathBuf};

use peers::Peer;

/// One server's figures in one round.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// From the first client's start to the last one's end.
    pub wall_s: f64,
    /// The server's CPU time, everything below it included.
    pub cpu_s: f64,
}

/// What is asked for on the command line.
struct Wanted {
    rounds: usize,
    words: Vec<String>,
}

impl Wanted {
    fn read() -> Self {
        let mut wanted = Self { rounds: 5, words: Vec::new() };
        let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
        while let Some(word) = words.next() {
            match word.as_str() {
                "--rounds" => {
                    wanted.rounds =
                        words.next().and_then(|count| count.parse().ok()).expect("--rounds N");
                }
                _ => wanted.words.push(word),
            }
        }
        wanted
    }

    fn wants(&self, case: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| case.contains(word.as_str()))
    }
}

/// A case: what one client or several do to a server.
pub struct Case {
    pub name: &'static str,
    pub cipher: &'static str,
    pub load: Load,
}

/// What is done.
pub enum Load {
    /// One file of so many bytes is sent.
    Put(u64),
    /// One file of so many bytes is fetched.
    Get(u64),
    /// So many files of 4 KiB are sent over so many connections.
    Small { files: usize, connections: usize },
    /// So many clients send a file of so many bytes each, at once.
    Parallel { clients: usize, bytes: u64 },
    /// So many logins, one after the other.
    Logins(usize),
}

const AES_128: &str = "aes128-gcm@openssh.com";
const AES_256: &str = "aes256-gcm@openssh.com";
const CHACHA: &str = "chacha20-poly1305@openssh.com";
const GIB: u64 = 1 << 30;

fn main() {
    let wanted = Wanted::read();
    let memory = PathBuf::from("/dev/shm");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let case = |name, cipher, load| Case { name, cipher, load };
    let relaxed = [
        case("put 1 GiB aes128-gcm", AES_128, Load::Put(GIB)),
        case("put 1 GiB aes256-gcm", AES_256, Load::Put(GIB)),
        case("put 1 GiB chacha20", CHACHA, Load::Put(GIB)),
        case("get 1 GiB aes128-gcm", AES_128, Load::Get(GIB)),
        case("get 1 GiB aes256-gcm", AES_256, Load::Get(GIB)),
        case("get 1 GiB chacha20", CHACHA, Load::Get(GIB)),
        case("5,000 x 4 KiB", AES_128, Load::Small { files: 5000, connections: 1 }),
        case("16 x 64 MiB at once", AES_128, Load::Parallel { clients: 16, bytes: 64 << 20 }),
        case("200 logins", AES_128, Load::Logins(200)),
    ];
    println!("In memory, without syncs; medians of {} rounds; ratios are to sshd", wanted.rounds);
    transfers::heading();
    for case in relaxed.iter().filter(|case| wanted.wants(case.name)) {
        transfers::compare(
            case,
            &[Peer::Sshd, Peer::Relaxed, Peer::Rclone],
            &memory,
            wanted.rounds,
        );
    }
    let durable = [
        case("durable put 1 GiB aes128-gcm", AES_128, Load::Put(GIB)),
        case("durable 16 x 64 MiB", AES_128, Load::Parallel { clients: 16, bytes: 64 << 20 }),
    ];
    println!("\nOn disk; sshd leaves its syncs to the system, landfall durable does not");
    transfers::heading();
    for case in durable.iter().filter(|case| wanted.wants(case.name)) {
        transfers::compare(
            case,
            &[Peer::Sshd, Peer::Relaxed, Peer::Durable],
            target,
            wanted.rounds,
        );
    }
    if wanted.wants("durable 4 KiB files") {
        bare::compare(target, wanted.rounds);
    }
    if wanted.wants("memory") {
        memory::compare(&memory);
    }
}
