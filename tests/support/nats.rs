//! A real NATS server with a stream.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A server that ends with the test.
pub struct Nats {
    folder: tempfile::TempDir,
    pub port: u16,
    more: Vec<String>,
    server: Mutex<Option<Child>>,
}

impl Nats {
    /// A server with a stream that keeps `landfall.>`.
    pub fn start() -> Self {
        let server = Self::without_stream(&[]);
        server.make_stream();
        server
    }

    fn make_stream(&self) {
        let made = self.ask(
            "$JS.API.STREAM.CREATE.LF",
            r#"{"name": "LF", "subjects": ["landfall.>"], "storage": "file", "retention": "limits"}"#,
        );
        assert!(made.contains("\"did_create\":true"), "{made}");
    }

    /// Makes its stream anew: it knows no message and no message's id.
    pub fn forget(&self) {
        let gone = self.ask("$JS.API.STREAM.DELETE.LF", "");
        assert!(gone.contains("\"success\":true"), "{gone}");
        self.make_stream();
    }

    /// Every message that its stream keeps, in order.
    pub fn kept(&self) -> Vec<serde_json::Value> {
        use base64::Engine as _;
        let message = |sequence: u64| {
            let asked = format!("{{\"seq\": {sequence}}}");
            let found = self.ask("$JS.API.STREAM.MSG.GET.LF", &asked);
            let found: serde_json::Value = serde_json::from_str(&found).unwrap();
            let data = found["message"]["data"].as_str().unwrap();
            let data = base64::engine::general_purpose::STANDARD.decode(data).unwrap();
            serde_json::from_slice(&data).unwrap()
        };
        (1..=self.messages()).map(message).collect()
    }

    pub fn without_stream(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let more = more.iter().map(|word| (*word).to_owned()).collect();
        let server = Self { folder, port, more, server: Mutex::new(None) };
        server.run();
        server
    }

    pub fn run(&self) {
        let child = Command::new("nats-server")
            .args(["-js", "-a", "127.0.0.1", "-p", &self.port.to_string(), "-sd"])
            .arg(self.folder.path())
            .args(&self.more)
            .stderr(Stdio::null())
            .spawn();
        *self.server.lock().unwrap() = Some(child.expect("tests/setup installs it"));
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "nats-server does not start");
            std::thread::yield_now();
        }
    }

    pub fn end(&self) {
        if let Some(mut server) = self.server.lock().unwrap().take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    /// What the server answers to a request, by another client than the one under test.
    pub fn ask(&self, subject: &str, body: &str) -> String {
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

    pub fn messages(&self) -> u64 {
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
