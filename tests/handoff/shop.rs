//! A zone with a ledger and arrivals whose conversion is made up.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use landfall::archive::digest;
use landfall::clock::Clock;
use landfall::config::{self, Config};
use landfall::convert::{self, Job, Limits, Outcome, Outputs};
use landfall::durable::Durability;
use landfall::handoff::batch::Publisher;
use landfall::ledger::sqlite::{self, SqliteLedger};
use landfall::ledger::{
    Arrival, Batch, Conversion, Door, Ledger, NewArrival, NewConversion, Output, Sender,
};
use landfall::names::{ArrivalId, Digest, FeedName};
use landfall::report::{ColumnReport, Report};
use landfall::zone::{Zone, ZonePath};

pub struct Shop {
    folder: tempfile::TempDir,
    pub zone: Zone,
    pub config: Arc<Config>,
    pub ledger: Arc<SqliteLedger>,
    pub clock: Clock,
    /// The contract that conversions are made under.
    pub contract: Option<Digest>,
    /// What the converter is really given, where a sink reads rows.
    pub source: Option<String>,
}

pub fn orders() -> FeedName {
    "orders".parse().unwrap()
}

impl Shop {
    pub fn new(config: &str) -> Self {
        Self::at(config, Clock::system())
    }

    /// A zone with a clock of its own.
    pub fn at(config: &str, clock: Clock) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let zone = Zone::new(folder.path());
        std::fs::create_dir_all(zone.converted()).unwrap();
        let ledger = sqlite::open(&zone.ledger_file(), clock.clone(), Durability::Relaxed);
        let config = Arc::new(config::parse("landfall.toml", config).unwrap());
        Self {
            folder,
            zone,
            config,
            ledger: Arc::new(ledger.unwrap()),
            clock,
            contract: None,
            source: None,
        }
    }

    pub fn publisher(&self) -> Publisher {
        let (zone, config) = (self.zone.clone(), Arc::clone(&self.config));
        let merger = Arc::new(landfall::pipeline::Merger);
        Publisher::new(zone, config, self.ledger.clone(), self.clock.clone(), merger)
    }

    /// Records an arrival of `orders` and a conversion of it: `text` stands for the Parquet.
    pub fn arrive(&self, name: &str, text: &str) -> Arrival {
        let arrival = self.receive(name, text);
        self.convert(&arrival, text, None)
    }

    /// As [`Self::arrive`], of another feed.
    pub fn arrive_in(&self, feed: &FeedName, name: &str, text: &str) -> Arrival {
        let arrival = self.receive_in(feed, name, text);
        self.convert(&arrival, text, None)
    }

    /// As [`Self::arrive`], with a reject.
    pub fn arrive_partly(&self, name: &str, text: &str) -> Arrival {
        let arrival = self.receive(name, text);
        self.convert(&arrival, text, Some("rejects"))
    }

    /// Records an arrival that is not a table.
    pub fn receive(&self, name: &str, text: &str) -> Arrival {
        self.receive_in(&orders(), name, text)
    }

    fn receive_in(&self, feed: &FeedName, name: &str, text: &str) -> Arrival {
        let now = self.clock.now();
        let (id, name) = (ArrivalId::new(now), name.parse().unwrap());
        let replace = landfall::config::SameName::Replace;
        let new = NewArrival {
            id,
            sender: Sender::Partner("acme".parse().unwrap()),
            door: Door::Sftp,
            feed: feed.clone(),
            size_bytes: text.len() as u64,
            digest: digest::of_bytes(text.as_bytes()),
            raw: Zone::raw_path(feed, now, id, &name),
            name,
            received_at: now,
            modified_s: None,
            mode: None,
            origin: None,
            fingerprint: None,
            held: None,
            waits: None,
            skip_duplicate: true,
            replace_same_name: self.config.feed(feed).same_name == replace,
            adopted: false,
            ends: None,
        };
        self.ledger.receive(new).unwrap()
    }

    /// Converts what was only received.
    pub fn convert_now(&self, arrival: &Arrival) -> Arrival {
        self.convert(arrival, "parquet", None)
    }

    fn convert(&self, arrival: &Arrival, text: &str, rejects: Option<&str>) -> Arrival {
        match &self.source {
            Some(source) => self.convert_really(arrival, source),
            None => self.make_up(arrival, text, rejects),
        }
    }

    /// As the pipeline does, without a worker.
    fn convert_really(&self, arrival: &Arrival, source: &str) -> Arrival {
        let raw = self.zone.root().join("source");
        std::fs::write(&raw, source).unwrap();
        let learned = self.ledger.learned(&arrival.feed).unwrap();
        let given_revision = learned.as_ref().map_or(0, |learned| learned.revision);
        let job = Job {
            arrival: Some(arrival.id),
            name: arrival.name.clone(),
            size_bytes: source.len() as u64,
            digest: Some(arrival.digest),
            format: landfall::config::Format::default(),
            learned,
            contract: None,
            allowance: landfall::contract::Allowance::default(),
            limits: Limits::default(),
            progress: convert::Progress::default(),
        };
        let path = Zone::converted_path(arrival.id, "parquet");
        let new = |path: PathBuf| {
            let options = File::options().read(true).write(true).create_new(true).open(path);
            options.unwrap()
        };
        let outputs = Outputs {
            parquet: new(self.path(&path)),
            rejects: new(self.zone.root().join(format!("{}.rejects", arrival.id))),
        };
        let Outcome::Converted(made) = convert::run(&job, File::open(raw).unwrap(), outputs) else {
            panic!("not converted")
        };
        let convert::Written { rows, size_bytes, digest } = made.parquet;
        let conversion = Conversion {
            converter: convert::VERSION.to_owned(),
            version: made.version,
            revision: given_revision,
            seen: made.report.seen,
            written: made.report.written,
            rejected: made.report.rejected,
            skipped: made.report.skipped,
            parquet: Output { path, rows, size_bytes, digest },
            rejects: None,
            report: made.report.clone(),
        };
        let (learned, opens_version, drift) = (made.learned, made.opens_version, made.drift);
        let new = NewConversion { conversion, given_revision, learned, opens_version, drift };
        self.ledger.converted(arrival.id, new).unwrap()
    }

    fn make_up(&self, arrival: &Arrival, text: &str, rejects: Option<&str>) -> Arrival {
        let rejected = u64::from(rejects.is_some());
        let output = |suffix, text: &str, rows| {
            let path = Zone::converted_path(arrival.id, suffix);
            std::fs::write(self.path(&path), text).unwrap();
            let digest = digest::of_bytes(text.as_bytes());
            Output { path, rows, size_bytes: text.len() as u64, digest }
        };
        let column = ColumnReport {
            name: "id".to_owned(),
            kind: "int64".to_owned(),
            why: String::new(),
            nulls: 0,
        };
        let conversion = Conversion {
            converter: "test".to_owned(),
            version: 1,
            revision: 1,
            seen: 3 + rejected,
            written: 3,
            rejected,
            skipped: 0,
            parquet: output("parquet", text, 3),
            rejects: rejects.map(|text| output("rejects.parquet", text, 1)),
            report: Report {
                columns: vec![column],
                contract: self.contract,
                rejected,
                rejects_by_code: rejects.iter().map(|_| ("C120".to_owned(), 1)).collect(),
                ..Report::default()
            },
        };
        let new = NewConversion {
            conversion,
            given_revision: 0,
            learned: None,
            opens_version: false,
            drift: Vec::new(),
        };
        self.ledger.converted(arrival.id, new).unwrap()
    }

    pub fn close(&self) -> Batch {
        let bounds = self.config.feed(&orders()).batch.bounds;
        self.ledger.close_batch(&orders(), bounds).unwrap().unwrap()
    }

    pub fn path(&self, path: &ZonePath) -> PathBuf {
        self.zone.resolve(path).unwrap()
    }

    /// Every file of the lake but the manifests, by name relative to the zone.
    pub fn lake(&self) -> Vec<String> {
        self.files("lake").into_iter().filter(|name| !name.contains("_manifests")).collect()
    }

    /// Every file below a folder of the zone, by name relative to the zone.
    pub fn files(&self, below: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.zone.root().join(below)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else {
                    let name = entry.path();
                    let name = name.strip_prefix(self.folder.path()).unwrap();
                    found.push(name.to_str().unwrap().to_owned());
                }
            }
        }
        found.sort();
        found
    }

    /// Waits on the ledger until `found` finds something.
    pub fn wait<T>(&self, found: impl Fn(&dyn Ledger) -> Option<T>) -> T {
        self.wait_for(Duration::from_secs(60), found)
    }

    /// As [`Self::wait`], as long as this.
    pub fn wait_for<T>(&self, time: Duration, found: impl Fn(&dyn Ledger) -> Option<T>) -> T {
        let deadline = Instant::now() + time;
        loop {
            let head = self.ledger.head();
            if let Some(found) = found(self.ledger.as_ref()) {
                return found;
            }
            assert!(Instant::now() < deadline, "waited too long");
            self.ledger.wait_beyond(head, Duration::from_secs(1));
        }
    }
}
