//! A zone whose feed `orders` is handed off to one of the examples, and files for it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use landfall::ledger::{Batch, Delivery, DeliveryState};

use crate::support::{Server, TestZone, interpreter};

pub fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/downstream").join(name);
    path.to_str().unwrap().to_owned()
}

/// Python with what `tests/setup` installs.
pub fn python() -> String {
    interpreter("python").to_str().unwrap().to_owned()
}

/// Python with what `tests/readers/run` installs: Spark, and an emulator of Snowflake.
pub fn python_with_spark() -> String {
    interpreter("readers").to_str().unwrap().to_owned()
}

/// A server in Python that runs until it is dropped.
pub struct Background(Child);

impl Background {
    /// Starts a program that prints one line when it is ready, and ends when its input does.
    pub fn start(python: &str, program: &str) -> (Self, String) {
        let mut child = Command::new(python)
            .args(["-c", program])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.next().expect("it gets ready").unwrap();
        // Keep the pipe open and drained, so that the server can go on printing.
        std::thread::spawn(move || lines.for_each(drop));
        (Self(child), ready)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Sends a file to `orders`.
pub fn send(zone: &TestZone, name: &str, content: &str) {
    send_to(zone, "orders", name, content.as_bytes());
}

/// Sends a file to a feed.
pub fn send_to(zone: &TestZone, feed: &str, name: &str, content: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    fs::write(&file, content).unwrap();
    let sent = zone.run(&["send", file.to_str().unwrap(), "--feed", feed]);
    assert!(sent.status.success(), "{sent:?}");
}

/// Loses what a command acknowledges the first time that it is told of a batch, after its effect.
const FORGETFUL: &str = r#"
    attempts=$1/$LANDFALL_DELIVERY; shift
    test -z "$LANDFALL_TEST" || exec "$@"
    echo >> "$attempts"
    "$@" || exit 1
    test "$(wc -l < "$attempts")" -gt 1
"#;

/// A zone with a server that hands `orders` off to a command, which loses each of its
/// acknowledgements once.
pub struct Shop {
    pub zone: TestZone,
    _server: Server,
    _attempts: tempfile::TempDir,
}

impl Shop {
    pub fn open(command: &[&str]) -> Self {
        let attempts = tempfile::tempdir().unwrap();
        let mut argv = vec!["sh", "-c", FORGETFUL, "sh", attempts.path().to_str().unwrap()];
        argv.extend(command);
        let zone = TestZone::new(&format!(
            "[feed.orders]\nsame_name = 'replace'\nsinks = ['it']\n[sink.it]\ncommand = {argv:?}\n\
             retry = ['10ms']\n"
        ));
        let server = zone.serve();
        Self { zone, _server: server, _attempts: attempts }
    }

    /// Sends a file and waits until its batch is acknowledged.
    pub fn send(&self, name: &str, content: &str) -> (Batch, Delivery) {
        let (batch, delivery) = self.send_to_end(name, content);
        assert_eq!(delivery.state, DeliveryState::Acknowledged, "{delivery:?}");
        assert_eq!(delivery.attempts, 2, "the first acknowledgement was lost");
        (batch, delivery)
    }

    /// Sends a file and waits until the sink is stalled at its batch.
    pub fn send_to_refusal(&self, name: &str, content: &str) -> Batch {
        let (batch, delivery) = self.send_to_end(name, content);
        assert_eq!(delivery.state, DeliveryState::Stalled, "{delivery:?}");
        batch
    }

    fn send_to_end(&self, name: &str, content: &str) -> (Batch, Delivery) {
        let before = self.zone.batches("orders").len();
        send(&self.zone, name, content);
        let mut found = None;
        self.zone.wait_until("the batch to be told", |ledger| {
            let batches = ledger.batches(&"orders".parse().unwrap(), 0, 100).unwrap();
            let Some(batch) = batches.get(before) else { return false };
            let delivery = ledger.deliveries(batch.id).unwrap().into_iter().next();
            let ended = delivery.filter(|delivery| delivery.state != DeliveryState::Pending);
            found = ended.map(|delivery| (batch.clone(), delivery));
            found.is_some()
        });
        found.unwrap()
    }

    /// Rows of the example's DuckDB database.
    pub fn warehouse(&self, query: &str) -> String {
        let attach = "ATTACH '{zone}/warehouse.duckdb' AS w (READ_ONLY); USE w;";
        self.zone.duckdb(&format!("{attach} {query}"))
    }

    /// What the end of a file's life says.
    pub fn show(&self, name: &str) -> String {
        let shown = self.zone.run(&["show", name]);
        String::from_utf8(shown.stdout).unwrap()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.zone.path().join(name)
    }
}
