//! A real NATS server with a stream behind a sink.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use landfall::handoff::sinks::Answer;
use landfall::ledger::DeliveryState;

use crate::contract::{Behind, publish, shop, tell_again, wait_until};
use crate::running::run;
use crate::shop::Shop;

/// A server that ends with the test.
pub struct Nats {
    folder: tempfile::TempDir,
    port: u16,
    more: &'static [&'static str],
    server: Mutex<Option<Child>>,
}

impl Nats {
    /// A server with a stream that keeps `landfall.>`.
    pub fn start() -> Self {
        let server = Self::without_stream(&[]);
        let made = server.ask(
            "$JS.API.STREAM.CREATE.LF",
            r#"{"name": "LF", "subjects": ["landfall.>"], "storage": "file", "retention": "limits"}"#,
        );
        assert!(made.contains("\"did_create\":true"), "{made}");
        server
    }

    pub fn without_stream(more: &'static [&'static str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let server = Self { folder, port, more, server: Mutex::new(None) };
        server.run();
        server
    }

    fn run(&self) {
        let child = Command::new("nats-server")
            .args(["-js", "-a", "127.0.0.1", "-p", &self.port.to_string(), "-sd"])
            .arg(self.folder.path())
            .args(self.more)
            .stderr(Stdio::null())
            .spawn();
        *self.server.lock().unwrap() = Some(child.expect("tests/setup installs it"));
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "nats-server does not start");
            std::thread::yield_now();
        }
    }

    fn end(&self) {
        if let Some(mut server) = self.server.lock().unwrap().take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    /// What the server answers to a request, by another client than the one under test.
    fn ask(&self, subject: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        write!(
            stream,
            "CONNECT {{\"verbose\":false,\"headers\":true}}\r\nSUB back 1\r\nPUB {subject} back {}\r\n{body}\r\n",
            body.len()
        )
        .unwrap();
        loop {
            let mut line = String::new();
            lines.read_line(&mut line).unwrap();
            if let Some(message) = line.strip_prefix("MSG ") {
                let size = message.trim_end().rsplit(' ').next().unwrap().parse().unwrap();
                let mut answer = vec![0; size];
                lines.read_exact(&mut answer).unwrap();
                return String::from_utf8(answer).unwrap();
            }
        }
    }

    fn messages(&self) -> u64 {
        let info: serde_json::Value =
            serde_json::from_str(&self.ask("$JS.API.STREAM.INFO.LF", "")).unwrap();
        info["state"]["messages"].as_u64().unwrap()
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.end();
    }
}

impl Behind for Nats {
    fn settings(&self) -> String {
        format!("nats = \"127.0.0.1:{}\"", self.port)
    }

    fn refuse(&self, refuses: bool) {
        if refuses { self.end() } else { self.run() }
    }

    fn taken(&self) -> Vec<u64> {
        let message = |sequence: u64| {
            let asked = format!("{{\"seq\": {sequence}}}");
            let found = self.ask("$JS.API.STREAM.MSG.GET.LF", &asked);
            let found: serde_json::Value = serde_json::from_str(&found).unwrap();
            let data = found["message"]["data"].as_str().unwrap();
            let python = "import base64, sys; print(base64.b64decode(sys.stdin.read()).decode())";
            let event: serde_json::Value =
                serde_json::from_str(&crate::python::run(python, data)).unwrap();
            event["data"]["sequence"].as_u64().unwrap()
        };
        (1..=self.messages()).map(message).collect()
    }
}

#[test]
fn the_stream_says_where_it_keeps_the_event() {
    let server = Nats::start();
    let shop = shop(&server, "[]");
    let _running = run(&shop);
    let batch = publish(&shop, "a");
    let done = wait_until(&shop, &batch, DeliveryState::Acknowledged);
    assert_eq!(done.used_by().unwrap().run.as_deref(), Some("LF/1"));
    assert!(matches!(tell_again(&shop, &batch), Answer::Acknowledged(_)));
    assert_eq!(server.messages(), 1, "the stream knows the id");
}

#[test]
fn without_a_stream_nothing_is_acknowledged() {
    let server = Nats::without_stream(&[]);
    let shop = shop(&server, "[]");
    let _running = run(&shop);
    let batch = publish(&shop, "a");
    let stalled = wait_until(&shop, &batch, DeliveryState::Stalled);
    assert_eq!(stalled.last_error.as_deref(), Some("no stream keeps landfall.orders"));
}

#[test]
fn a_login_is_needed_where_one_is() {
    let server = Nats::without_stream(&["--user", "lf", "--pass", "hunter2"]);
    let shop = |more: &str| {
        let settings = server.settings();
        Shop::new(&format!(
            "[feed.orders]\nsinks = [\"it\"]\n[sink.it]\n{settings}\nretry = []\n{more}"
        ))
    };
    let stranger = shop("");
    let running = run(&stranger);
    let batch = publish(&stranger, "a");
    let why = wait_until(&stranger, &batch, DeliveryState::Stalled).last_error.unwrap();
    assert!(why.contains("Authorization Violation"), "{why}");
    drop(running);
    let known = shop("user = \"lf\"\npassword = \"file:key\"\nsubject = \"a.b\"\n");
    std::fs::write(known.zone.root().join("key"), "hunter2\n").unwrap();
    let _running = run(&known);
    let batch = publish(&known, "a");
    let why = wait_until(&known, &batch, DeliveryState::Stalled).last_error.unwrap();
    assert_eq!(why, "no stream keeps a.b");
}
