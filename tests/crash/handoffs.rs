//! Killed at any system call that changes something, between the conversion of a file and the
//! acknowledgement of its batch, for every kind of sink and for replays: what had closed keeps its id,
//! its number, its names and its bytes; no number is left out; the receiver has each batch once.
//!
//! Files are archived before the server under trace starts, so that all that it does is convert and
//! hand off, and so that every run makes its Parquet of the same arrivals: it must be the same to the
//! byte in all of them.

use std::collections::BTreeMap;
use std::fs;

use landfall::ledger::{Batch, FileKind};
use landfall::names::{ArrivalId, Digest};

use super::check;
use super::kills::choose;
use super::machine;
use super::promises::{Promises, Told};
use super::receivers::{self, Command, Database, Folder, Receiver, Stream, Webhook};
use super::site::{PATIENCE, Site, folder, wait_until};
use super::tracer::{Fault, Trace, Traced, wait_for};
use super::workload::{one_more, table};

/// Points of each sweep with every commit.
const COMMIT_POINTS: usize = 4;

/// The contract of the feed. What becomes of a file must not hang on which of them is converted first.
fn write_contract(site: &Site, number: &str) {
    let contract = format!(
        "[column.file]\ntype = \"text\"\n[column.row]\ntype = \"{number}\"\n\
         [column.text]\ntype = \"text\"\n"
    );
    fs::write(site.path().join("contracts/orders.toml"), contract).expect("written");
}

/// What is handed off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    /// Files that came.
    First,
    /// The same files once more, converted by another contract.
    Replay,
}

/// What files become, by arrival.
type Outputs = BTreeMap<(ArrivalId, String), Digest>;

struct Sweep<'r> {
    deed: Deed,
    receiver: &'r dyn Receiver,
    /// A zone about to convert.
    ready: Site,
    book: Promises,
    /// What the run came to that nothing happened to.
    unharmed: Outputs,
}

/// A zone whose files are archived and not converted, and the book of them.
fn archived(root: std::path::PathBuf, receiver: &dyn Receiver) -> (Site, Promises) {
    let site = Site::make_telling(root, &receiver.settings());
    write_contract(&site, "int64");
    let mut book = Promises::default();
    let files = [("small.csv", table("small", 10)), ("long.csv", table("long", 8_000))];
    for (name, bytes) in files {
        let file = site.path().join(name);
        fs::write(&file, &bytes).expect("written");
        site.ask(&["send", "--feed", "orders", file.to_str().expect("a plain path")]);
        book.sent(name, &bytes, Told::Done);
    }
    (site, book)
}

/// Serves a zone unharmed until all is handed off.
fn hand_off(site: &Site, book: &Promises) {
    let server = site.serve().expect("a zone that opens");
    assert!(wait_until(PATIENCE, || check::is_settled(site, book)), "{}", site.log());
    server.stop();
}

/// What every batch published.
fn outputs(batches: &[Batch]) -> Outputs {
    let files = batches.iter().flat_map(|batch| &batch.files);
    let tables = files.filter(|file| file.kind == FileKind::Parquet);
    let version = |path: &str| path.split('/').nth(2).unwrap_or_default().to_owned();
    tables.map(|file| ((file.arrival, version(file.to.as_str())), file.digest)).collect()
}

impl Sweep<'_> {
    fn run(&self, site: &Site, fault: Fault) -> Trace {
        self.receiver.restore();
        let traced = Traced::serve(site, fault);
        if traced.port.is_some() {
            wait_for(&traced, PATIENCE, || check::is_settled(site, &self.book));
        }
        traced.end()
    }

    /// Serves the zone unharmed and says what is wrong with it then.
    fn afterwards(&self, site: &Site) -> Vec<String> {
        let before = check::batches(site);
        let server = match site.serve() {
            Ok(server) => server,
            Err(log) => return vec![format!("the zone does not open any more: {log}")],
        };
        let (mut wrong, mut book) = (Vec::new(), self.book.clone());
        if one_more(site, server.port, "next.csv", &mut book) != Told::Done {
            wrong.push("the next file was not taken".to_owned());
        }
        if !wait_until(PATIENCE, || check::is_settled(site, &book)) {
            wrong.push("it does not come to rest".to_owned());
        }
        server.kill();
        wrong.extend(check::violations_at_home(site, &book));
        wrong.extend(receivers::violations(self.receiver, site));
        let after = check::batches(site);
        wrong.extend(changed(&before, &after));
        let made = outputs(&after);
        for (which, digest) in &self.unharmed {
            if made.get(which) != Some(digest) {
                wrong.push(format!("{which:?} became other bytes than without a kill"));
            }
        }
        wrong
    }

    fn kill_at(&self, points: Vec<usize>, all: usize) {
        let (mut killed, mut broken) = (0, Vec::new());
        for at in &points {
            let site = self.ready.copy_to(self.ready.path().with_file_name(format!("{at}")));
            let trace = self.run(&site, Fault::Kill { at: *at });
            killed += usize::from(!trace.hit.is_empty());
            let wrong = self.afterwards(&site);
            if !wrong.is_empty() {
                broken.push(format!("killed at {at} {:?}: {wrong:#?}\n{}", trace.hit, site.log()));
            }
            drop(fs::remove_dir_all(site.path()));
        }
        let settings = self.receiver.settings();
        let sink = settings.split(' ').next().unwrap_or_default();
        eprintln!(
            "{:?} to {sink}: killed at {killed} of {all} points, {} violations",
            self.deed,
            broken.len()
        );
        assert!(killed * 10 >= points.len() * 7, "only {killed} of {} were reached", points.len());
        assert!(broken.is_empty(), "{}", broken.join("\n\n"));
    }
}

/// Batches that are not what they were when they had closed.
fn changed(before: &[Batch], after: &[Batch]) -> Vec<String> {
    let fixed = |batch: &Batch| (batch.id, batch.sequence, batch.members.clone());
    let other = before.iter().filter(|old| {
        after.iter().all(|new| {
            fixed(new) != fixed(old) || new.files != old.files || new.retracts != old.retracts
        })
    });
    other.map(|old| format!("batch {} had closed and is another now", old.sequence)).collect()
}

fn sweep(deed: Deed, start: impl FnOnce() -> Box<dyn Receiver>) {
    if !machine::is_root("killing between conversion and acknowledgement") {
        return;
    }
    let receiver = start();
    let folder = folder();
    let (ready, book) = archived(folder.path().join("ready"), receiver.as_ref());
    if deed == Deed::Replay {
        hand_off(&ready, &book);
        receiver.keep();
        // Their numbers become text: other Parquet, of the next version.
        write_contract(&ready, "text");
        ready.ask(&["replay", "small.csv", "long.csv", "--no-wait", "--reason", "a new contract"]);
    }
    let unharmed = Outputs::new();
    let mut sweep = Sweep { deed, receiver: receiver.as_ref(), ready, book, unharmed };
    let counted = sweep.ready.copy_to(folder.path().join("counted"));
    let mut trace = sweep.run(&counted, Fault::None);
    sweep.unharmed = outputs(&check::batches(&counted));
    let wrong = sweep.afterwards(&counted);
    assert!(wrong.is_empty(), "{deed:?} unharmed: {wrong:#?}\n{}", counted.log());
    let begins = trace.points.iter().position(|point| point.target.contains("/converted/"));
    let begins = begins.expect("something is converted");
    trace.points.drain(..begins);
    let points = choose(&trace, COMMIT_POINTS).into_iter().map(|at| at + begins);
    sweep.kill_at(points.collect(), trace.points.len());
}

#[test]
fn files_to_a_command() {
    sweep(Deed::First, || Box::new(Command));
}

#[test]
fn files_to_a_folder() {
    sweep(Deed::First, || Box::new(Folder));
}

#[test]
fn files_to_a_webhook() {
    sweep(Deed::First, || Box::new(Webhook::start()));
}

#[test]
fn files_to_postgres() {
    sweep(Deed::First, || Box::new(Database::start()));
}

#[test]
fn files_to_nats() {
    sweep(Deed::First, || Box::new(Stream::start()));
}

#[test]
fn a_replay_to_a_command() {
    sweep(Deed::Replay, || Box::new(Command));
}

#[test]
fn a_replay_to_a_folder() {
    sweep(Deed::Replay, || Box::new(Folder));
}

#[test]
fn a_replay_to_a_webhook() {
    sweep(Deed::Replay, || Box::new(Webhook::start()));
}

#[test]
fn a_replay_to_postgres() {
    sweep(Deed::Replay, || Box::new(Database::start()));
}
