//! Holds a served zone to the book: what was acknowledged is there once, whole and handed on; what
//! was not is there whole or not at all; nothing speaks of what is not there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use landfall::archive::digest;
use landfall::diagnostic::Code;
use landfall::ledger::{Arrival, ArrivalQuery, Batch, BatchState, FileKind, Ledger, Sender, State};
use landfall::names::{ArrivalId, Digest, FileName};
use landfall::zone::Zone;

use super::promises::{Promises, Told};
use super::site::Site;
use super::workload::SECRET;

/// Every arrival, in order of receipt.
pub fn arrivals(ledger: &dyn Ledger) -> Vec<Arrival> {
    let query = ArrivalQuery { limit: 1_000_000, ..ArrivalQuery::default() };
    let mut found = ledger.arrivals(&query).unwrap_or_default();
    found.reverse();
    found
}

/// Whether nothing is under way any more: every file that was promised is at its end, and every
/// batch was told to the receiver.
pub fn is_settled(site: &Site, book: &Promises) -> bool {
    let Some(ledger) = site.ledger() else { return false };
    let found = arrivals(&ledger);
    let all_there = book
        .sent
        .iter()
        .filter(|sent| sent.told == Told::Done)
        .all(|sent| found.iter().any(|arrival| arrival.digest == sent.digest));
    all_there && found.iter().all(|arrival| arrival.state.is_end()) && nothing_waits(&ledger)
}

/// Asked in the order in which things move on, so that none slips through between two questions.
fn nothing_waits(ledger: &dyn Ledger) -> bool {
    ledger.replays_asked(1).is_ok_and(|asked| asked.is_empty())
        && ledger.replays_made().is_ok_and(|made| made.is_empty())
        && ledger.feeds_to_retract().is_ok_and(|feeds| feeds.is_empty())
        && ledger.closed_batches().is_ok_and(|closed| closed.is_empty())
        && ledger.outbox().is_ok_and(|waiting| waiting.is_empty())
}

/// What is wrong; nothing if all promises are kept.
pub fn violations(site: &Site, book: &Promises) -> Vec<String> {
    let mut wrong = violations_at_home(site, book);
    handed_on(site, &batches(site), &mut wrong);
    wrong
}

/// Every batch, in order.
pub fn batches(site: &Site) -> Vec<Batch> {
    let orders = "orders".parse().expect("a feed");
    let batches = site.ledger().and_then(|ledger| ledger.batches(&orders, 0, 100_000).ok());
    batches.unwrap_or_default()
}

/// As [`violations`], without what the receiver has.
pub fn violations_at_home(site: &Site, book: &Promises) -> Vec<String> {
    let Some(ledger) = site.ledger() else { return vec!["there is no ledger".to_owned()] };
    let mut wrong = Vec::new();
    let found = arrivals(&ledger);
    promised(&ledger, book, &found, &mut wrong);
    archived(site, book, &found, &mut wrong);
    published(site, &found, &batches(site), &mut wrong);
    if found.iter().any(|arrival| arrival.state == State::Erased) {
        quoted(site, &mut wrong);
    }
    if let Err(broken) = landfall::ledger::log::verify(&ledger) {
        wrong.push(format!("history is broken: {broken}"));
    }
    wrong
}

fn promised(ledger: &dyn Ledger, book: &Promises, found: &[Arrival], wrong: &mut Vec<String>) {
    let acme = Sender::Partner("acme".parse().expect("a partner"));
    let orders = "orders".parse().expect("a feed");
    for sent in book.sent.iter().filter(|sent| sent.told == Told::Done) {
        let name = &sent.names[0];
        let there = found.iter().filter(|there| there.digest == sent.digest);
        let there: Vec<_> = there.filter(|there| there.state != State::Duplicate).collect();
        match there.as_slice() {
            [] => wrong.push(format!("{name} was acknowledged and is not in the ledger")),
            [one] => {
                if !sent.names.contains(&one.name.to_string()) {
                    wrong.push(format!("{name} is in the ledger as {}", one.name));
                }
                let is_erased = one.state == State::Erased;
                if is_erased != (sent.erased == Some(Told::Done))
                    && sent.erased != Some(Told::Nothing)
                {
                    wrong.push(format!("{name} is {:?}, its erasure {:?}", one.state, sent.erased));
                }
                if one.state != State::HandedOff && !is_erased && !is_excused(one) {
                    let why = one.diagnostic.as_ref().map(|why| why.summary.clone());
                    wrong.push(format!("{name} was not handed off: {:?} {why:?}", one.state));
                }
            }
            more => wrong.push(format!("{name} was taken {} times", more.len())),
        }
    }
    for (name, told) in &book.sidecars {
        let name: FileName = name.parse().expect("a name");
        let there = ledger.sidecar(&acme, &orders, &name);
        if *told == Told::Done && !matches!(there, Ok(Some(_))) {
            wrong.push(format!("sidecar {name} was acknowledged and is not in the ledger"));
        }
    }
    for (name, told) in &book.removed {
        let name: FileName = name.parse().expect("a name");
        let there = ledger.current(&acme, &orders, &name);
        if *told == Told::Done && matches!(there, Ok(Some(shown)) if !shown.hidden) {
            wrong.push(format!("the removal of {name} was acknowledged and it is listed again"));
        }
    }
}

/// Whether a file waits for a person because the disk failed under its conversion: it is not lost.
fn is_excused(arrival: &Arrival) -> bool {
    let told = arrival.diagnostic.as_ref();
    told.is_some_and(|told| {
        told.code == Code::C111 && told.causes.iter().any(|c| c.contains("os error 5)"))
    })
}

fn archived(site: &Site, book: &Promises, found: &[Arrival], wrong: &mut Vec<String>) {
    let sent: HashMap<Digest, u64> =
        book.sent.iter().map(|sent| (sent.digest, sent.size_bytes)).collect();
    let mut seen = BTreeSet::new();
    for arrival in found {
        let name = &arrival.name;
        if sent.get(&arrival.digest) != Some(&arrival.size_bytes) {
            wrong.push(format!("{name} is in the ledger and nobody sent it like that"));
        }
        // One that was refused, sent again, and adopted by start-up is known as what it is.
        if arrival.state != State::Duplicate && !seen.insert(arrival.digest) {
            wrong.push(format!("{name} is in the ledger twice"));
        }
        match fs::read(site.path().join(arrival.raw.as_str())) {
            Err(_) if arrival.state == State::Erased => {}
            Ok(_) if arrival.state == State::Erased => {
                wrong.push(format!("{name} is erased and in the archive"));
            }
            Ok(bytes) if digest::of_bytes(&bytes) == arrival.digest => {}
            Ok(bytes) => wrong.push(format!("{name} has other bytes ({}) now", bytes.len())),
            Err(error) => wrong.push(format!("{name} is not in the archive: {error}")),
        }
    }
    let known: BTreeSet<PathBuf> =
        found.iter().map(|arrival| site.path().join(arrival.raw.as_str())).collect();
    for path in files(&site.path().join("archive/orders")) {
        if !known.contains(&path) {
            wrong.push(format!("{} is in the archive and not in the ledger", path.display()));
        }
    }
}

fn published(site: &Site, found: &[Arrival], batches: &[Batch], wrong: &mut Vec<String>) {
    let mut members: BTreeMap<ArrivalId, u64> = BTreeMap::new();
    let mut files_known = BTreeSet::new();
    for (index, batch) in batches.iter().enumerate() {
        let number = batch.sequence;
        if number != index as u64 + 1 || batch.state != BatchState::Published {
            wrong.push(format!("batch {number} is {:?} at place {index}", batch.state));
        }
        for member in &batch.members {
            let takes_back = batch.retracts.iter().any(|old| old.arrival == *member);
            if members.insert(*member, number).is_some() && !takes_back {
                wrong.push(format!("{member} is in two batches"));
            }
        }
        for file in &batch.files {
            let path = site.path().join(file.to.as_str());
            let retired = site.path().join(Zone::retracted_path(&file.to).as_str());
            let of = found.iter().find(|arrival| arrival.id == file.arrival);
            let is_erased = of.is_some_and(|arrival| arrival.state == State::Erased);
            match fs::read(&path).or_else(|_| fs::read(&retired)) {
                Err(_) if is_erased => continue,
                Ok(_) if is_erased => wrong.push(format!("{} is erased and published", file.to)),
                Ok(bytes) if digest::of_bytes(&bytes) == file.digest => {}
                Ok(_) => wrong.push(format!("{} has other bytes than published", file.to)),
                Err(error) => wrong.push(format!("{} is not published: {error}", file.to)),
            }
            if file.kind != FileKind::Raw {
                files_known.insert(path);
            }
        }
        let manifest = Zone::manifest_path(&batch.feed, number);
        let manifest = site.path().join(manifest.as_str());
        let there = fs::read(&manifest).ok().map(|bytes| digest::of_bytes(&bytes));
        if there.is_none() || there != batch.manifest_digest {
            wrong.push(format!("the manifest of batch {number} is not the recorded one"));
        }
        files_known.insert(manifest);
    }
    for path in files(&site.path().join("lake")) {
        if !files_known.contains(&path) {
            wrong.push(format!("{} is published and in no batch", path.display()));
        }
    }
    for arrival in found.iter().filter(|arrival| arrival.state == State::HandedOff) {
        if !members.contains_key(&arrival.id) {
            wrong.push(format!("{} is handed off and in no batch", arrival.name));
        }
    }
}

/// Every batch was told to the command, each under one id however often, first in order.
pub fn handed_on(site: &Site, batches: &[Batch], wrong: &mut Vec<String>) {
    let told = fs::read_to_string(site.path().join("told")).unwrap_or_default();
    let mut ids: BTreeMap<u64, &str> = BTreeMap::new();
    let mut newest = 0;
    for line in told.lines() {
        // What a cut tore off the receiver's own file reads as zeros, before what came next.
        let line = line.trim_start_matches('\0');
        let Some((number, id)) = line.split_once(' ') else { continue };
        let number: u64 = number.parse().unwrap_or(0);
        match ids.insert(number, id) {
            None if number != newest + 1 => {
                wrong.push(format!("batch {number} was told after {newest}"));
            }
            Some(other) if other != id => {
                wrong.push(format!("batch {number} was told under two ids: {other}, {id}"));
            }
            None | Some(_) => {}
        }
        newest = newest.max(number);
    }
    for batch in batches {
        if !ids.contains_key(&batch.sequence) {
            wrong.push(format!("batch {} was never told", batch.sequence));
        }
    }
}

/// Nothing in the zone has what was erased. The write-ahead log may, for as long as somebody reads the
/// ledger, which this harness does all the time.
fn quoted(site: &Site, wrong: &mut Vec<String>) {
    for path in files(site.path()) {
        let bytes = fs::read(&path).unwrap_or_default();
        let has = bytes.windows(SECRET.len()).any(|here| here == SECRET.as_bytes());
        if has && !path.ends_with("ledger.db-wal") {
            wrong.push(format!("{} still has what was erased", path.display()));
        }
    }
}

/// Every file below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}
