//! A zone whose history is known, and the binary run in it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use landfall::archive::digest;
use landfall::clock::{Clock, Timestamp};
use landfall::diagnostic::{Code, Diagnostic};
use landfall::durable::Durability;
use landfall::ledger::sqlite::{self, SqliteLedger};
use landfall::ledger::{
    BatchBounds, Conversion, DeliveryOutcome, Door, Ledger, NewArrival, NewConversion, Output,
};
use landfall::names::{ArrivalId, Digest};
use landfall::report::{ColumnReport, Report};
use landfall::schema::{Column, ColumnType};
use landfall::zone::Zone;

pub const CONFIG: &str = r#"
[feed.orders]
owner = "sales"
purpose = "Orders of the day"
match = ["*.csv"]
sinks = ["warehouse"]
[feed.misc]
[sink.warehouse]
command = ["true"]
"#;

pub const GOOD: &str = "019a3c5e-7c1a-7b3e-9d55-0c6f1f2b8a10";
pub const HELD: &str = "019a3c5e-8000-7000-8000-000000000001";
pub const OTHER: &str = "019a3c5e-9000-7000-8000-000000000002";
pub const GOOD_BYTES: &str = "id,price\n007,1.10\n008,2.00\n";

/// The binary under test, with nothing of the caller's environment that it reads.
pub fn landfall() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_landfall"));
    command.env_remove("LANDFALL_ZONE").env_remove("LANDFALL_LOG").env("COLUMNS", "100");
    command
}

pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// A folder that is no zone.
    pub fn bare() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    /// A zone that has never run.
    pub fn fresh(config: &str) -> Self {
        let place = Self::bare();
        fs::write(place.path().join("landfall.toml"), config).expect("written");
        place
    }

    /// A zone with one file handed off, whose sink is stalled if so wanted, and one held.
    pub fn with_history(delivery: DeliveryOutcome) -> Self {
        let place = Self::fresh(CONFIG);
        fs::create_dir_all(place.zone().run_time()).expect("made");
        let ledger = place.ledger();
        receive(&place, &ledger, (GOOD, "orders_1.csv", GOOD_BYTES), None);
        let good: ArrivalId = GOOD.parse().expect("an id");
        ledger.converted(good, conversion(good)).expect("converted");
        let feed = "orders".parse().expect("a feed");
        let bounds =
            BatchBounds { files_max: 10, bytes_max: 1 << 20, rows_max: None, merge_bytes: None };
        let batch = ledger.close_batch(&feed, bounds).expect("closed").expect("a batch");
        let sink = "warehouse".parse().expect("a sink");
        ledger.published(batch.id, digest::of_bytes(b"m"), &[sink]).expect("published");
        let delivery_id = ledger.deliveries(batch.id).expect("deliveries")[0].id.clone();
        ledger.delivered(&delivery_id, delivery).expect("recorded");
        let told =
            Diagnostic::error(Code::C109, "orders_2.csv has no header").fact("first row", "9,2.00");
        receive(&place, &ledger, (HELD, "orders_2.csv", "9,2.00\n"), Some(told));
        place
    }

    /// A zone where only one file arrived, and nothing is wrong.
    pub fn calm() -> Self {
        let place = Self::fresh(CONFIG);
        fs::create_dir_all(place.zone().run_time()).expect("made");
        receive(&place, &place.ledger(), (GOOD, "orders_1.csv", GOOD_BYTES), None);
        place
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn zone(&self) -> Zone {
        Zone::new(self.path())
    }

    pub fn ledger(&self) -> SqliteLedger {
        let file = self.zone().ledger_file();
        sqlite::open(&file, Clock::fixed(now()), Durability::Relaxed).expect("a ledger")
    }

    /// The raw object of [`GOOD`].
    pub fn raw(&self) -> PathBuf {
        self.path().join(raw_path(GOOD, "orders_1.csv").as_str())
    }

    /// Runs a command; returns exit code, standard output and standard error. What differs from run
    /// to run is replaced: the zone's path, ids of batches.
    pub fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        self.run_with(arguments, "")
    }

    pub fn run_with(&self, arguments: &[&str], input: &str) -> (i32, String, String) {
        let output = landfall()
            .current_dir(self.path())
            .args(arguments)
            .write_stdin(input)
            .output()
            .expect("it runs");
        let root = self.path().to_str().expect("a plain path");
        let plain = |bytes: &[u8]| {
            let mut text = String::from_utf8_lossy(bytes).replace(root, "<zone>");
            if self.zone().ledger_file().exists() {
                let ledger = sqlite::open_read_only(&self.zone().ledger_file()).expect("a ledger");
                let feed = "orders".parse().expect("a feed");
                for batch in ledger.batches(&feed, 0, 10).expect("batches") {
                    text = text.replace(&batch.id.to_string(), "<batch>");
                }
            }
            text
        };
        let code = output.status.code().expect("an exit code");
        (code, plain(&output.stdout), plain(&output.stderr))
    }

    /// Everything a command said, as one text for a snapshot.
    pub fn told(&self, arguments: &[&str]) -> String {
        let (code, stdout, stderr) = self.run(arguments);
        format!("{stdout}--- {stderr}--- exit {code}")
    }
}

pub fn now() -> Timestamp {
    "2026-11-22T06:31:04.512Z".parse().expect("a time")
}

fn raw_path(id: &str, name: &str) -> landfall::zone::ZonePath {
    let feed = "orders".parse().expect("a feed");
    Zone::raw_path(&feed, now(), id.parse().expect("an id"), &name.parse().expect("a name"))
}

pub fn receive(
    place: &Place,
    ledger: &dyn Ledger,
    (id, name, content): (&str, &str, &str),
    held: Option<Diagnostic>,
) {
    let raw = raw_path(id, name);
    let path = place.path().join(raw.as_str());
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(&path, content).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o440)).expect("read-only");
    let new = NewArrival {
        id: id.parse().expect("an id"),
        sender: "partner:acme".parse().expect("a sender"),
        door: Door::Sftp,
        feed: "orders".parse().expect("a feed"),
        name: name.parse().expect("a name"),
        size_bytes: content.len() as u64,
        digest: digest::of_bytes(content.as_bytes()),
        raw,
        received_at: now(),
        modified_s: None,
        mode: None,
        origin: Some("192.0.2.7".to_owned()),
        fingerprint: None,
        held,
        waits: None,
        skip_duplicate: true,
        replace_same_name: false,
        adopted: false,
        ends: None,
    };
    ledger.receive(new).expect("received");
}

fn conversion(id: ArrivalId) -> NewConversion {
    let column = |name: &str, kind: &str, why: &str| ColumnReport {
        name: name.to_owned(),
        kind: kind.to_owned(),
        why: why.to_owned(),
        nulls: 0,
    };
    let report = Report {
        kind: "csv".to_owned(),
        seen: 2,
        written: 2,
        dialect: vec![
            ("encoding".to_owned(), "utf-8".to_owned()),
            ("delimiter".to_owned(), ",".to_owned()),
        ],
        columns: vec![
            column("id", "text", "007 has leading zeros"),
            column("price", "decimal(18,2)", ""),
        ],
        ..Report::default()
    };
    let learned =
        |name: &str, kind| Column { name: name.into(), header: name.into(), kind, nested: None };
    NewConversion {
        conversion: Conversion {
            converter: "landfall-test".to_owned(),
            version: 1,
            revision: 1,
            seen: 2,
            written: 2,
            rejected: 0,
            skipped: 0,
            parquet: Output {
                path: Zone::converted_path(id, "parquet"),
                rows: 2,
                size_bytes: 700,
                digest: Digest::from_bytes([7; 32]),
            },
            rejects: None,
            report,
        },
        given_revision: 0,
        learned: Some(vec![
            learned("id", ColumnType::Text),
            learned("price", ColumnType::Decimal { precision: 18, scale: 2 }),
        ]),
        opens_version: false,
        drift: Vec::new(),
    }
}
