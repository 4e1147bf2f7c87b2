//! Thousands of connections that never log in, and a partner who does.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::served::TestZone;
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const CONNECTIONS: usize = 5000;
/// What the server may grow by, whatever happens before a login.
const GROWTH_KIB_MAX: u64 = 32 << 10;
/// What the zone is set to.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection from one of many addresses of this machine.
fn come(n: usize, port: u16) -> Option<TcpStream> {
    let tcp = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    let from = Ipv4Addr::new(127, 0, 1, u8::try_from(n % 200 + 1).expect("small"));
    bind(&tcp, &SocketAddrV4::new(from, 0)).expect("bound");
    connect(&tcp, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).ok()?;
    Some(TcpStream::from(tcp))
}

fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("a line");
    line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
}

#[test]
fn thousands_of_strangers_keep_no_partner_out_and_cost_little() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Some(2 * CONNECTIONS as u64 + 1000);
    if limit.maximum.is_some_and(|most| Some(most) < wanted) {
        eprintln!("SKIPPED: this needs {wanted:?} open files, and {:?} are allowed", limit.maximum);
        return;
    }
    setrlimit(Resource::Nofile, Rlimit { current: wanted, maximum: limit.maximum }).expect("set");
    let zone =
        TestZone::new("[sftp]\nlisten = \"127.0.0.1:0\"\nlogin_timeout = \"10s\"\n[feed.orders]\n");
    let key = zone.partner("acme", &["orders"], "");
    let server = zone.serve();
    server.sftp_ok("acme", &key, "ls\n");
    let before = resident_kib(server.pid());

    let (mut crowd, mut drips) = (Vec::new(), Vec::new());
    for n in 0..CONNECTIONS {
        // The system may refuse while the server is busy sending others away: that is its answer.
        let Some(mut tcp) = come(n, server.port) else { continue };
        let said: &[u8] = match n % 5 {
            0 => b"",
            1 => b"SSH-2.0-stranger\r\n",
            2 => b"SSH-2.0-stranger\r\n\x00\x00\x80\x00",
            // These two keep sending.
            3 => b"SSH-2.0-str",
            _ => b"SSH-2.0-stranger\r\n\x00\x00\x80\x00",
        };
        // It may have been sent away before it could say anything.
        drop(tcp.write_all(said));
        if n % 5 >= 3 {
            drips.push(tcp.try_clone().expect("cloned"));
        }
        crowd.push(tcp);
    }
    let all_came = Instant::now();
    let (stop, stopped) = channel::<()>();
    let drip = std::thread::spawn(move || {
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(Duration::from_secs(1)) {
            // What was sent away is let go.
            drips.retain_mut(|tcp| tcp.write_all(b"x").is_ok());
        }
    });
    let file = zone.path().join("a.csv");
    fs::write(&file, "a,b\n1,2\n").expect("written");
    server.sftp_ok("acme", &key, &format!("put {} orders/\n", file.display()));
    let grown = resident_kib(server.pid()).saturating_sub(before);
    assert!(grown <= GROWTH_KIB_MAX, "{CONNECTIONS} strangers cost {grown} KiB");

    for mut tcp in crowd {
        tcp.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
        let mut heard = [0; 4096];
        // Whatever it is told before, it is sent away in the end.
        loop {
            match tcp.read(&mut heard) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
                Err(error) => {
                    panic!("a stranger is still there after {:?}: {error}", all_came.elapsed())
                }
            }
        }
    }
    let took = all_came.elapsed();
    assert!(took < LOGIN_TIMEOUT + Duration::from_secs(5), "the last was closed after {took:?}");
    drop(stop);
    drip.join().expect("joined");
    server.sftp_ok("acme", &key, "ls\n");
    server.stop();
}
