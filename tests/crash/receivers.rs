//! Who is told of batches: each kind of sink with a real receiver behind it, and what that must have
//! in the end: every batch once in its effect, in order, with the bytes or rows that were published.
//!
//! A receiver can be taken back to how it was, since one serves for many kills.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::sync::Mutex;

use landfall::archive::digest;
use landfall::ledger::{Batch, FileKind, Ledger as _};
use serde_json::Value;

use super::check;
use super::nats_server::Nats;
use super::postgres_server::Postgres;
use super::receiver::{Consumer, Request};
use super::site::{COMMAND, Site};

/// What stands behind the sink `told`.
pub trait Receiver {
    /// The lines of the sink that say what it is.
    fn settings(&self) -> String;

    /// Remembers what it has.
    fn keep(&self);

    /// Has again what it had when it was last told to remember; nothing, if it never was.
    fn restore(&self);

    /// The batches that it took, by sequence and id, in the order of their effect.
    fn effects(&self, site: &Site) -> Vec<(u64, String)>;

    /// What else is wrong with what it has.
    fn wrong(&self, site: &Site, batches: &[Batch]) -> Vec<String>;
}

/// Holds a receiver to what was published.
pub fn violations(receiver: &dyn Receiver, site: &Site) -> Vec<String> {
    let batches = check::batches(site);
    let published: Vec<_> =
        batches.iter().map(|batch| (batch.sequence, batch.id.to_string())).collect();
    let taken = receiver.effects(site);
    let mut wrong = receiver.wrong(site, &batches);
    if taken != published {
        wrong.push(format!("published are {published:?}, and the receiver took {taken:?}"));
    }
    wrong
}

/// A command that appends to a file of the zone. Told again it knows the delivery by its id.
pub struct Command;

impl Receiver for Command {
    fn settings(&self) -> String {
        COMMAND.to_owned()
    }

    // What it has lies in the zone, and is copied with it.
    fn keep(&self) {}
    fn restore(&self) {}

    fn effects(&self, site: &Site) -> Vec<(u64, String)> {
        let told = fs::read_to_string(site.path().join("told")).expect("a file");
        let mut known = HashSet::new();
        let deliveries = told.lines().filter_map(|line| line.split_once(' '));
        let first = deliveries.filter(|(_, delivery)| known.insert((*delivery).to_owned()));
        first
            .map(|(sequence, delivery)| {
                let batch = delivery.strip_suffix("-told").unwrap_or(delivery);
                (sequence.parse().expect("a number"), batch.to_owned())
            })
            .collect()
    }

    fn wrong(&self, _: &Site, _: &[Batch]) -> Vec<String> {
        Vec::new()
    }
}

/// A folder of the zone that copies are put into.
pub struct Folder;

impl Receiver for Folder {
    fn settings(&self) -> String {
        "folder = \"out\"".to_owned()
    }

    // What it has lies in the zone, and is copied with it.
    fn keep(&self) {}
    fn restore(&self) {}

    fn effects(&self, site: &Site) -> Vec<(u64, String)> {
        let folders = fs::read_dir(site.path().join("out/orders")).into_iter().flatten().flatten();
        let manifests: BTreeSet<_> =
            folders.map(|folder| folder.path().join("manifest.json")).collect();
        let there = manifests.iter().filter_map(|manifest| fs::read(manifest).ok());
        there
            .map(|text| batch_in(&serde_json::from_slice(&text).expect("a whole manifest")))
            .collect()
    }

    /// There is each file of each batch with its bytes, and nothing else.
    fn wrong(&self, site: &Site, batches: &[Batch]) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut known = BTreeSet::new();
        for batch in batches {
            let below = site.path().join(format!("out/orders/{:010}", batch.sequence));
            let copies = batch.files.iter().map(|file| (below.join(file.to.as_str()), file.digest));
            let manifest = batch.manifest_digest.map(|it| (below.join("manifest.json"), it));
            for (path, digest) in copies.chain(manifest) {
                if fs::read(&path).ok().map(|bytes| digest::of_bytes(&bytes)) != Some(digest) {
                    wrong.push(format!("{} is not copied whole", path.display()));
                }
                known.insert(path);
            }
        }
        let all = check::files(&site.path().join("out")).into_iter();
        let strange = all.filter(|path| !known.contains(path));
        wrong.extend(strange.map(|path| format!("{} is nobody's copy", path.display())));
        wrong
    }
}

/// The sequence and the id of the batch in a manifest, or in what stands for one.
fn batch_in(manifest: &Value) -> (u64, String) {
    let batch = manifest["batch"].as_str().expect("an id").to_owned();
    (manifest["sequence"].as_u64().expect("a number"), batch)
}

/// What a consumer heard, and what of it had its effect.
type Heard = (Vec<Request>, Vec<(String, Value)>);

/// A consumer of webhooks, which takes each id once.
pub struct Webhook {
    consumer: Consumer,
    kept: Mutex<Heard>,
}

impl Webhook {
    pub fn start() -> Self {
        Self { consumer: Consumer::start(), kept: Mutex::default() }
    }
}

impl Receiver for Webhook {
    fn settings(&self) -> String {
        format!("webhook = \"{}\"", self.consumer.url)
    }

    fn keep(&self) {
        *self.kept.lock().expect("a lock") = (self.consumer.requests(), self.consumer.taken());
    }

    fn restore(&self) {
        let (requests, taken) = self.kept.lock().expect("a lock").clone();
        self.consumer.become_as_of(requests, taken);
    }

    fn effects(&self, _: &Site) -> Vec<(u64, String)> {
        self.consumer.taken().iter().map(|(_, event)| batch_in(&event["data"])).collect()
    }

    /// What is told again is the same to the byte.
    fn wrong(&self, _: &Site, _: &[Batch]) -> Vec<String> {
        let mut bodies = BTreeMap::new();
        let requests = self.consumer.requests();
        let other = requests.iter().filter(|request| {
            let id = request.header("webhook-id");
            *bodies.entry(id).or_insert(&request.body) != &request.body
        });
        other
            .map(|it| format!("told again with other bytes: {}", it.header("webhook-id")))
            .collect()
    }
}

/// A PostgreSQL whose database `lake` is loaded.
pub struct Database(Postgres);

impl Database {
    pub fn start() -> Self {
        let database = Self(Postgres::start());
        database.0.open_to_others();
        database.0.query("CREATE DATABASE kept");
        database.restore();
        database
    }

    fn copy(&self, from: &str, to: &str) {
        self.0.query(&format!("DROP DATABASE IF EXISTS {to} WITH (FORCE)"));
        self.0.query(&format!("CREATE DATABASE {to} TEMPLATE {from}"));
    }

    fn lake(&self, query: &str) -> Vec<String> {
        self.0.query_in("lake", query).lines().map(str::to_owned).collect()
    }
}

impl Receiver for Database {
    fn settings(&self) -> String {
        format!("postgres = \"{}\"", self.0.address_of("lake"))
    }

    fn keep(&self) {
        self.copy("lake", "kept");
    }

    fn restore(&self) {
        self.copy("kept", "lake");
    }

    fn effects(&self, _: &Site) -> Vec<(u64, String)> {
        if self.lake("SELECT to_regclass('_lf_batches') IS NOT NULL") == ["f"] {
            return Vec::new();
        }
        let loaded = "SELECT sequence, batch FROM _lf_batches ORDER BY loaded_at, sequence";
        let loaded = self.lake(loaded).into_iter();
        loaded
            .map(|line| {
                let (sequence, batch) = line.split_once('|').expect("two columns");
                (sequence.parse().expect("a number"), batch.to_owned())
            })
            .collect()
    }

    /// The tables have the rows of the live files, each once.
    fn wrong(&self, site: &Site, _: &[Batch]) -> Vec<String> {
        let ledger = site.ledger().expect("a ledger");
        let live = ledger.live_files(&"orders".parse().expect("a feed"), None).expect("read");
        let live = live.into_iter().filter(|file| file.kind == FileKind::Parquet);
        let expected: BTreeSet<_> = live
            .map(|file| {
                let version = file.to.as_str().split('/').nth(2).expect("a version").to_owned();
                format!("orders_{version}|{}|{}", file.arrival, file.rows)
            })
            .collect();
        let tables =
            self.lake("SELECT tablename FROM pg_tables WHERE tablename LIKE 'orders\\_v%'");
        let rows = tables.iter().flat_map(|table| {
            let counted = "count(DISTINCT _lf_record) = count(*) AS once, count(*)";
            let query = format!(
                "SELECT '{table}', _lf_arrival, CASE WHEN once THEN count ELSE -1 END
                 FROM (SELECT _lf_arrival, {counted} FROM {table} GROUP BY 1) AS counted"
            );
            self.lake(&query)
        });
        let there: BTreeSet<String> = rows.collect();
        match there == expected {
            true => Vec::new(),
            false => vec![format!("the tables have {there:?} and should have {expected:?}")],
        }
    }
}

/// A NATS server with a stream.
pub struct Stream(Nats);

impl Stream {
    pub fn start() -> Self {
        Self(Nats::start())
    }
}

impl Receiver for Stream {
    fn settings(&self) -> String {
        format!("nats = \"127.0.0.1:{}\"", self.0.port)
    }

    /// A stream knows ids by the time they came at, which nothing can give back to it.
    fn keep(&self) {
        assert!(self.0.kept().is_empty(), "only nothing can be remembered");
    }

    fn restore(&self) {
        self.0.forget();
    }

    fn effects(&self, _: &Site) -> Vec<(u64, String)> {
        self.0.kept().iter().map(|event| batch_in(&event["data"])).collect()
    }

    fn wrong(&self, _: &Site, _: &[Batch]) -> Vec<String> {
        Vec::new()
    }
}
