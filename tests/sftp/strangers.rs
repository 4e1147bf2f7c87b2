//! What comes before a login: every message, every slowness, and sources that are turned away.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::served::{Server, TestZone, python};
use landfall::ledger::{Event, Ledger};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

/// A connection from an address of this machine.
fn come(from: [u8; 4], port: u16) -> TcpStream {
    let tcp = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&tcp, &SocketAddrV4::new(Ipv4Addr::from(from), 0)).expect("bound");
    connect(&tcp, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).expect("connected");
    TcpStream::from(tcp)
}

/// Reads until the server closes; what it said.
fn until_closed(tcp: &mut TcpStream) -> Vec<u8> {
    tcp.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
    let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match tcp.read(&mut buffer) {
            Ok(0) => return said,
            Ok(count) => said.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return said,
            Err(error) => panic!("it is still open: {error}"),
        }
    }
}

/// Tries to log in with OpenSSH from an address of this machine.
fn log_in(server: &Server, key: &Path, user: &str, from: &str) -> Output {
    let mut sftp = Command::new("sftp");
    sftp.args(["-q", "-b", "/dev/null"]).args(server.ssh_options(key));
    sftp.args(["-o", &format!("BindAddress={from}")]).arg(format!("{user}@127.0.0.1"));
    sftp.output().expect("sftp runs")
}

fn penalties(ledger: &dyn Ledger) -> Vec<String> {
    let events = ledger.events(0, 100_000).expect("events").into_iter();
    let sources = events.filter_map(|recorded| match recorded.event {
        Event::SourcePenalised { source, .. } => Some(source),
        _ => None,
    });
    sources.collect()
}

#[test]
fn a_source_that_keeps_failing_is_turned_away_also_after_a_kill_and_nobody_else_is() {
    let zone = TestZone::new("[feed.orders]\n");
    let key = zone.partner("acme", &["orders"], "");
    let stranger = zone.partner("stranger", &["orders"], "");
    let server = zone.serve();
    let (bad, good) = ("127.0.0.9", "127.0.0.1");
    let mut tries = 0;
    while penalties(&zone.ledger()).is_empty() {
        tries += 1;
        assert!(tries <= 30, "still not turned away");
        assert!(!log_in(&server, &stranger, "acme", bad).status.success());
        // Its end is recorded after the client is gone.
        zone.wait_until("the refusal", |ledger| {
            let events = ledger.events(0, 100_000).expect("events");
            let is_refusal = |event: &Event| matches!(event, Event::LoginRefused { .. });
            events.iter().filter(|recorded| is_refusal(&recorded.event)).count() >= tries
        });
    }
    assert!(tries >= 3, "a few mistakes are nobody's harm");
    assert_eq!(penalties(&zone.ledger()), [bad]);

    let turned_away = |server: &Server| {
        let told = until_closed(&mut come([127, 0, 0, 9], server.port));
        assert_eq!(told, b"Not allowed at this time; try again in some minutes.\r\n");
        assert!(!log_in(server, &key, "acme", bad).status.success(), "also with the right key");
        assert!(log_in(server, &key, "acme", good).status.success());
        assert!(log_in(server, &key, "acme", "127.0.0.10").status.success());
        let status = String::from_utf8(zone.run(&["status"]).stdout).expect("text");
        assert!(status.contains("127.0.0.9") && status.contains("refused logins"), "{status}");
    };
    turned_away(&server);
    server.kill();
    let server = zone.serve();
    turned_away(&server);
    assert_eq!(penalties(&zone.ledger()), [bad], "it is told once");
    // The way out, at once.
    let text =
        "[sftp]\nlisten = \"127.0.0.1:0\"\npenalty_exempt = [\"127.0.0.8/31\"]\n[feed.orders]\n";
    fs::write(zone.path().join("landfall.toml"), text).expect("written");
    assert!(zone.run(&["reload"]).status.success());
    assert!(log_in(&server, &key, "acme", bad).status.success());
    server.stop();
}

#[test]
fn nobody_stays_longer_than_the_time_to_log_in_whatever_is_sent() {
    let zone =
        TestZone::new("[sftp]\nlisten = \"127.0.0.1:0\"\nlogin_timeout = \"2s\"\n[feed.orders]\n");
    let key = zone.partner("acme", &["orders"], "");
    let server = zone.serve();
    let begun = Instant::now();
    // Its beginning, and what it sends again and again.
    let kinds: [(&[u8], &[u8]); 6] = [
        (b"", b""),
        (b"", b"S"),
        (b"SSH-2.0-drip\r\n", b""),
        (b"SSH-2.0-drip\r\n\x00\x00\x80\x00\x04", b"x"),
        // Lines before a version are for servers only; an ignored message a second is for nobody.
        (b"", b"hello\r\n"),
        (b"SSH-2.0-drip\r\n", b"\x00\x00\x00\x0c\x06\x02\x00\x00\x00\x00abcdef"),
    ];
    let (stop, stopped) = channel::<()>();
    let mut open = Vec::new();
    let mut drips = Vec::new();
    for (n, (first, more)) in kinds.into_iter().enumerate() {
        let mut tcp = come([127, 0, 2, u8::try_from(n).expect("small") + 1], server.port);
        tcp.write_all(first).expect("written");
        drips.push((tcp.try_clone().expect("cloned"), more));
        open.push(tcp);
    }
    let drip = std::thread::spawn(move || {
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(Duration::from_millis(100))
        {
            for (tcp, more) in &mut drips {
                // It may have been closed by now.
                drop(tcp.write_all(more));
            }
        }
    });
    for mut tcp in open {
        until_closed(&mut tcp);
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(12), "the last was closed after {took:?}");
    drop(stop);
    drip.join().expect("joined");
    // After the key exchange and during the login it is the same.
    let said = python(AFTER_KEY_EXCHANGE_DRIP, &[&server.port.to_string()]);
    assert_eq!(said, "closed closed");
    server.sftp_ok("acme", &key, "ls\n");
    server.stop();
}

const AFTER_KEY_EXCHANGE_DRIP: &str = "
import paramiko, socket, sys, time
def drip(source, begin):
    sock = socket.create_connection(('127.0.0.1', int(sys.argv[1])), source_address=(source, 0))
    t = paramiko.Transport(sock)
    t.start_client(timeout=20)
    begin(t)
    begun = time.monotonic()
    while t.is_active():
        if time.monotonic() - begun > 12: return 'open'
        m = paramiko.Message(); m.add_byte(bytes([2])); m.add_string(b'drip')
        try: t._send_message(m)
        except Exception: pass
        t.join(0.1)
    return 'closed'
def failed(t):
    try: t.auth_none('acme')
    except paramiko.BadAuthenticationType: pass
print(drip('127.0.3.1', lambda t: None), drip('127.0.3.2', failed))
";

#[test]
fn no_message_before_a_login_does_anything_to_anybody() {
    let zone = TestZone::new(
        "[sftp]\nlisten = \"127.0.0.1:0\"\nunauthenticated_max = 1000\n[feed.orders]\n",
    );
    let key = zone.partner("acme", &["orders"], "");
    let server = zone.serve();
    let file = zone.path().join("a.csv");
    fs::write(&file, "a\n1\n").expect("written");
    let before = resident_kib(server.pid());
    let said = std::thread::scope(|scope| {
        let sender = scope.spawn(|| python(EVERY_MESSAGE, &[&server.port.to_string()]));
        let mut longest = Duration::ZERO;
        let mut round = 0;
        while !sender.is_finished() {
            let begun = Instant::now();
            server.sftp_ok("acme", &key, &format!("put {} r{round}.csv\n", file.display()));
            longest = longest.max(begun.elapsed());
            round += 1;
        }
        assert!(longest < Duration::from_secs(10), "a partner waited {longest:?}");
        sender.join().expect("joined")
    });
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 4, "{said}");
    for (line, state) in lines.iter().zip(["raw", "banner", "exchanged", "login"]) {
        // Each number was closed within a second, or left as it was and still good for a login.
        assert!(line.starts_with(&format!("{state}: 256 ok")), "{said}");
    }
    let grown = resident_kib(server.pid()).saturating_sub(before);
    assert!(grown < 32 << 10, "{grown} KiB");
    let ledger = zone.ledger();
    let logins = ledger.events(0, 100_000).expect("events").into_iter().filter(
        |recorded| matches!(&recorded.event, Event::LoggedIn { from, .. } if from != "127.0.0.1"),
    );
    assert_eq!(logins.count(), 0, "nobody else got in");
    server.stop();
}

fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("a line");
    line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
}

/// Every message number: as the first bytes, after the version, after the key exchange, and after a
/// refused login. Each comes from an address of its own.
const EVERY_MESSAGE: &str = "
import logging, paramiko, socket, struct, sys, threading
from concurrent.futures import ThreadPoolExecutor
logging.disable(logging.CRITICAL)
port = int(sys.argv[1])
BODY = bytes(24)

def connect(state, n):
    source = ('127.%d.%d.1' % (state + 4, n), 0)
    return socket.create_connection(('127.0.0.1', port), source_address=source, timeout=20)

def packet(n):
    payload = bytes([n]) + BODY
    padding = 8 - (5 + len(payload)) % 8 + 8
    return struct.pack('>IB', 1 + len(payload) + padding, padding) + payload + bytes(padding)

def hear(sock):
    'True when the server closes within a second.'
    sock.settimeout(1)
    try:
        while sock.recv(65536): pass
        return True
    except ConnectionError: return True
    except socket.timeout: return False

def raw(n):
    with connect(0, n) as sock:
        sock.sendall(packet(n))
        # Not SSH: it may wait for a line's end, for as long as a login may take.
        hear(sock)
        return True

# RFC 4253 section 11: ignore, unimplemented, debug.
IGNORED = {2, 3, 4}
def banner(n):
    with connect(1, n) as sock:
        sock.sendall(b'SSH-2.0-stranger\\r\\n' + packet(n))
        return hear(sock) or n in IGNORED

def exchanged(n, state=2, first=lambda t: None):
    t = paramiko.Transport(connect(state, n))
    try:
        t.start_client(timeout=20)
        first(t)
        m = paramiko.Message(); m.add_byte(bytes([n])); m.add_bytes(BODY)
        try: t._send_message(m)
        except Exception: return not t.is_active()
        t.join(0.3)
        if not t.is_active(): return True
        return answers(t) or not t.is_active()
    finally: t.close()

def answers(t):
    'Whether a request to log in is answered. Paramiko would ask for the service again before it.'
    if t.auth_handler is None:
        try: t.auth_none('acme')
        except paramiko.BadAuthenticationType: return True
        except (paramiko.SSHException, EOFError, OSError): t.join(1)
        return False
    t.auth_handler.auth_event = threading.Event()
    m = paramiko.Message(); m.add_byte(bytes([50]))
    for text in ('acme', 'ssh-connection', 'none'): m.add_string(text)
    try: t._send_message(m)
    except Exception: t.join(1); return False
    return t.auth_handler.auth_event.wait(20)

def login(n):
    def refused(t):
        try: t.auth_none('acme')
        except paramiko.BadAuthenticationType: pass
    return exchanged(n, 3, refused)

with ThreadPoolExecutor(64) as pool:
    for state in (raw, banner, exchanged, login):
        results = list(pool.map(state, range(256)))
        bad = [n for n, ok in enumerate(results) if not ok]
        print('%s: %d ok, bad %r' % (state.__name__, sum(results), bad))
";
