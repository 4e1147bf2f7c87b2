//! Memory: how much a server takes while 16 clients send, for each of them, and for each connection
//! that has not logged in.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use super::meter::family_pss_kib;
use super::peers::{Peer, Running};
use super::transfers::{Source, start};
use super::{AES_128, Load};

const CLIENTS: usize = 16;
const STRANGERS: usize = 16;

/// Measures every server and prints a line for each.
pub fn compare(place: &Path) {
    let source = Source::make(&Load::Parallel { clients: CLIENTS, bytes: 256 << 20 }, place);
    println!("\nMemory in KiB (PSS of the server and everything below it)");
    println!(
        "{:<17} {:>9} {:>14} {:>14} {:>19}",
        "server", "idle", "16 uploading", "an upload", "an unauthenticated"
    );
    for peer in [Peer::Sshd, Peer::Relaxed, Peer::Rclone] {
        let server = Running::start(peer, place);
        let idle = family_pss_kib(server.pid());
        let strangers = strangers(&server);
        let with_strangers = family_pss_kib(server.pid());
        drop(strangers);
        let busy = peak_while_uploading(&server, &source);
        println!(
            "{:<17} {idle:>9} {busy:>14} {:>14} {:>19}",
            peer.name(),
            busy.saturating_sub(idle) / CLIENTS as u64,
            with_strangers.saturating_sub(idle) / STRANGERS as u64,
        );
    }
}

/// Connections that have exchanged versions and algorithms and say no more.
fn strangers(server: &Running) -> Vec<TcpStream> {
    let connect = |_| {
        let mut tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port)).expect("connected");
        tcp.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
        tcp.write_all(b"SSH-2.0-stranger\r\n").expect("written");
        let mut heard = [0_u8; 4096];
        let mut count = 0;
        while count < 300 {
            match tcp.read(&mut heard).expect("its version and algorithms") {
                0 => panic!("a stranger was sent away"),
                read => count += read,
            }
        }
        tcp
    };
    (0..STRANGERS).map(connect).collect()
}

fn peak_while_uploading(server: &Running, source: &Source) -> u64 {
    let mut clients: Vec<Child> = (0..CLIENTS)
        .map(|n| format!("put {} {}/big{n}.bin", source.big().display(), server.to))
        .map(|command| start(server, AES_128, &command))
        .collect();
    let mut peak = 0;
    while clients.iter_mut().any(|client| client.try_wait().expect("asked").is_none()) {
        peak = peak.max(family_pss_kib(server.pid()));
        std::thread::sleep(Duration::from_millis(20));
    }
    peak
}
