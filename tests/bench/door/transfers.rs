//! Transfers and logins, timed.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Instant;

use super::meter::family_seconds;
use super::peers::{Peer, Running};
use super::{Case, Figures, Load};

/// Prints the names of the columns.
pub fn heading() {
    println!(
        "{:<30} {:<17} {:>9} {:>9} {:>9} {:>11} {:>9}",
        "case", "server", "wall s", "MB/s", "CPU s", "throughput", "CPU"
    );
}

/// Runs a case's rounds and prints a line for each server.
pub fn compare(case: &Case, peers: &[Peer], place: &Path, rounds: usize) {
    let source = Source::make(&case.load, place);
    let mut found: Vec<Vec<Figures>> = vec![Vec::new(); peers.len()];
    for round in 0..rounds {
        for turn in 0..peers.len() {
            let at = (turn + round) % peers.len();
            let server = Running::start(peers[at], place);
            found[at].push(run(&server, case, &source));
        }
    }
    for (peer, figures) in peers.iter().zip(&found) {
        let wall = median(figures.iter().map(|f| f.wall_s));
        let cpu = median(figures.iter().map(|f| f.cpu_s));
        let throughput =
            median(figures.iter().zip(&found[0]).map(|(own, sshd)| sshd.wall_s / own.wall_s));
        let cpu_ratio =
            median(figures.iter().zip(&found[0]).map(|(own, sshd)| own.cpu_s / sshd.cpu_s));
        println!(
            "{:<30} {:<17} {wall:>9.2} {:>9.1} {cpu:>9.2} {throughput:>10.2}x {cpu_ratio:>8.2}x",
            case.name,
            peer.name(),
            case.load.bytes() as f64 / 1e6 / wall,
        );
    }
}

/// The middle one.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

impl Load {
    fn bytes(&self) -> u64 {
        match self {
            Self::Put(bytes) | Self::Get(bytes) => *bytes,
            Self::Small { files, .. } => *files as u64 * 4096,
            Self::Parallel { clients, bytes } => *clients as u64 * bytes,
            Self::Logins(_) => 0,
        }
    }
}

/// The files that clients send.
pub struct Source {
    folder: tempfile::TempDir,
}

impl Source {
    /// Makes what a load needs.
    pub fn make(load: &Load, place: &Path) -> Self {
        let source = Self { folder: tempfile::tempdir_in(place).expect("a folder") };
        match load {
            Load::Put(bytes) | Load::Get(bytes) | Load::Parallel { bytes, .. } => {
                write_noise(&source.big(), *bytes);
            }
            Load::Small { files, connections } => {
                for n in 0..*files {
                    let folder = source.part(n % connections);
                    fs::create_dir_all(&folder).expect("made");
                    write_noise(&folder.join(format!("f{n:05}.bin")), 4096);
                }
            }
            Load::Logins(_) => {}
        }
        source
    }

    pub fn big(&self) -> PathBuf {
        self.folder.path().join("big.bin")
    }

    fn part(&self, connection: usize) -> PathBuf {
        self.folder.path().join(format!("part{connection}"))
    }
}

fn write_noise(path: &Path, bytes: u64) {
    let mut noise = fs::File::open("/dev/urandom").expect("noise").take(bytes);
    let mut file = fs::File::create(path).expect("created");
    std::io::copy(&mut noise, &mut file).expect("written");
}

/// One round of one server.
pub fn run(server: &Running, case: &Case, source: &Source) -> Figures {
    let to = &server.to;
    let big = source.big();
    if let Load::Get(_) = case.load {
        finish(start(server, case.cipher, &format!("put {} {to}/big.bin", big.display())));
    }
    let cpu = family_seconds(server.pid());
    let began = Instant::now();
    match &case.load {
        Load::Put(_) => {
            finish(start(server, case.cipher, &format!("put {} {to}/big.bin", big.display())));
        }
        Load::Get(_) => {
            finish(start(server, case.cipher, &format!("get {to}/big.bin /dev/null")));
        }
        Load::Small { connections, .. } => {
            let clients: Vec<Child> = (0..*connections)
                .map(|n| format!("put {}/* {to}/", source.part(n).display()))
                .map(|batch| start(server, case.cipher, &batch))
                .collect();
            clients.into_iter().for_each(finish);
        }
        Load::Parallel { clients, .. } => {
            let clients: Vec<Child> = (0..*clients)
                .map(|n| format!("put {} {to}/big{n}.bin", big.display()))
                .map(|batch| start(server, case.cipher, &batch))
                .collect();
            clients.into_iter().for_each(finish);
        }
        Load::Logins(count) => (0..*count).for_each(|_| finish(start(server, case.cipher, "pwd"))),
    }
    let wall_s = began.elapsed().as_secs_f64();
    Figures { wall_s, cpu_s: settled_seconds(server.pid()) - cpu }
}

/// CPU seconds once the server has nothing more to do for clients that left.
fn settled_seconds(pid: u32) -> f64 {
    let mut last = family_seconds(pid);
    loop {
        std::thread::sleep(std::time::Duration::from_millis(100));
        let now = family_seconds(pid);
        if now - last < 0.005 {
            return now;
        }
        last = now;
    }
}

/// Starts a client with one command.
pub fn start(server: &Running, cipher: &str, command: &str) -> Child {
    let mut client = server.sftp(cipher).spawn().expect("sftp starts");
    writeln!(client.stdin.take().expect("its input"), "{command}").expect("written");
    client
}

/// Waits for a client, which must succeed.
pub fn finish(mut client: Child) {
    let status = client.wait().expect("ended");
    assert!(status.success(), "a client failed: {status}");
}
