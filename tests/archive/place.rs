//! A zone with an archive, a ledger and an intake, and the files to put into it.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use landfall::archive::{Archive, Identity, Staged};
use landfall::clock::{Clock, Timestamp};
use landfall::config::{self, Config};
use landfall::durable::Durability;
use landfall::ledger::{
    Arrival, Conversion, Door, Event, Ledger, NewConversion, Output, Sender, sqlite,
};
use landfall::names::{ArrivalId, FeedName};
use landfall::receive::{Completion, Intake, LocalIntake, Refusal, Settled, staging};
use landfall::report::Report;
use landfall::zone::Zone;

const CONFIG: &str = r#"
[feed.orders]
match = ["*.csv", "orders_*"]

[feed.prices]
same_name = "replace"
duplicates = "process"
listed = "1d"
"#;

/// A zone under test.
pub(crate) struct Place {
    pub(crate) zone: Zone,
    pub(crate) config: Arc<Config>,
    pub(crate) archive: Archive,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) intake: LocalIntake,
    _folder: Option<tempfile::TempDir>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let place = Self::at(folder.path());
        Self { _folder: Some(folder), ..place }
    }

    /// A zone in a folder that somebody else removes.
    pub(crate) fn at(root: &Path) -> Self {
        let zone = Zone::new(root);
        for folder in [zone.staging(), zone.converted(), zone.partners()] {
            std::fs::create_dir_all(folder).expect("a folder");
        }
        let config = Arc::new(config::parse("landfall.toml", CONFIG).expect("a configuration"));
        let archive = Archive::new(zone.clone(), Durability::Full);
        let clock = Clock::fixed(now());
        let ledger = sqlite::open(&zone.ledger_file(), clock.clone(), Durability::Full);
        let ledger: Arc<dyn Ledger> = Arc::new(ledger.expect("a ledger"));
        let intake = LocalIntake::new(
            zone.clone(),
            Arc::clone(&config),
            archive.clone(),
            Arc::clone(&ledger),
            clock,
        );
        Self { zone, config, archive, ledger, intake, _folder: None }
    }

    pub(crate) fn stage(&self, content: &str) -> Staged {
        let mut staged = staging::create(&self.zone).expect("a staged file");
        staged.file.write_all(content.as_bytes()).expect("written");
        staged
    }

    pub(crate) fn incoming(&self, feed: &str, name: &str, content: &str) -> Settled {
        Settled {
            sender: acme(),
            door: Door::Sftp,
            feed: feed.parse().expect("a feed"),
            name: name.parse().expect("a name"),
            staged: self.stage(content),
            digest: None,
            modified_s: Some(1_700_000_000),
            mode: Some(0o640),
            origin: Some("192.0.2.7".to_owned()),
            fingerprint: None,
            completion: Completion::Final,
        }
    }

    pub(crate) fn settle(&self, feed: &str, name: &str, content: &str) -> Arrival {
        self.try_settle(feed, name, content).expect("settled")
    }

    pub(crate) fn try_settle(
        &self,
        feed: &str,
        name: &str,
        content: &str,
    ) -> Result<Arrival, Refusal> {
        self.intake.settle(self.incoming(feed, name, content))
    }

    pub(crate) fn get(&self, id: ArrivalId) -> Arrival {
        self.ledger.arrival(id).expect("read").expect("is there")
    }

    pub(crate) fn raw_bytes(&self, arrival: &Arrival) -> Vec<u8> {
        std::fs::read(self.zone.resolve(&arrival.raw).expect("inside")).expect("read")
    }

    pub(crate) fn staged_files(&self) -> usize {
        std::fs::read_dir(self.zone.staging()).expect("listed").count()
    }

    /// Records a conversion whose Parquet has this content on disk.
    pub(crate) fn convert(&self, id: ArrivalId, content: &str) -> Output {
        let path = Zone::converted_path(id, "parquet");
        std::fs::write(self.zone.resolve(&path).expect("inside"), content).expect("written");
        let digest = landfall::archive::digest::of_bytes(content.as_bytes());
        let parquet = Output { path, rows: 1, size_bytes: content.len() as u64, digest };
        let conversion = Conversion {
            converter: "test".to_owned(),
            version: 1,
            revision: 1,
            seen: 1,
            written: 1,
            rejected: 0,
            skipped: 0,
            parquet: parquet.clone(),
            rejects: None,
            report: Report::default(),
        };
        let new = NewConversion {
            conversion,
            given_revision: 1,
            learned: None,
            opens_version: false,
            drift: vec![],
        };
        self.ledger.converted(id, new).expect("converted");
        parquet
    }

    pub(crate) fn kinds(&self, id: ArrivalId) -> Vec<String> {
        let history = self.ledger.history(id).expect("history");
        history.iter().map(|recorded| recorded.event.kind()).collect()
    }

    pub(crate) fn last_event(&self) -> Event {
        let events = self.ledger.events(self.ledger.head() - 1, 1).expect("events");
        events.into_iter().next().expect("an event").event
    }
}

pub(crate) fn now() -> Timestamp {
    "2026-11-22T06:31:04.512345Z".parse().expect("a time")
}

pub(crate) fn orders() -> FeedName {
    "orders".parse().expect("a feed")
}

pub(crate) fn acme() -> Sender {
    "partner:acme".parse().expect("a sender")
}

pub(crate) fn identity(name: &str) -> Identity {
    Identity {
        id: ArrivalId::new(now()),
        sender: acme(),
        door: Door::Sftp,
        feed: orders(),
        name: name.parse().expect("a name"),
        received_at: now(),
        modified_s: Some(7),
        mode: Some(0o640),
        origin: Some("192.0.2.1".to_owned()),
        fingerprint: None,
        held: None,
    }
}
