//! `landfall audit export`: a period as one folder that an auditor can check without landfall.
//!
//! What is in it and how it is checked stands in `README.auditor.txt`, which goes with it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::super::output::counted;
use super::super::{Exit, Output, ZoneArgs, reading};
use crate::archive::{Archive, digest};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::diagnostic::{Code, Diagnostic};
use crate::durable::Durability;
use crate::evidence::Proof;
use crate::ledger::log::Signed;
use crate::ledger::{self, Arrival, Event, Ledger, Part, Recorded, tree};
use crate::receive::receipt::Papers;
use crate::signing::{Namespace, SigningKey, allowed_signer, principal};
use crate::zone::Zone;

/// Events read at once.
const PAGE: u32 = 1000;
const README: &str = include_str!("README.auditor.txt");
const VERIFIER: &str = include_str!("../../../../deploy/audit/verify.py");

/// A bundle in the making.
struct Bundle<'z> {
    folder: PathBuf,
    zone: &'z Zone,
    config: &'z Config,
    ledger: &'z dyn Ledger,
    key: SigningKey,
    digests_only: bool,
    /// Names below the folder and their digests.
    sums: BTreeMap<String, String>,
    raw: BTreeMap<String, String>,
    receipts: u64,
}

pub(super) fn run(args: super::Export, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let (zone, config) = zone.load()?;
    let Some(ledger) = reading::open(&zone)? else {
        reading::say_never_ran(out);
        return Ok(Exit::Ok);
    };
    let (from, all) = period(ledger.as_ref(), args.from, args.to).map_err(unreadable)?;
    let newest = ledger.newest_checkpoint().map_err(unreadable)?;
    let to = all.min(newest.map_or(0, |newest| newest.size));
    if to < all {
        let unsigned = counted(all - to, "event");
        out.say(&format!(
            "The last {unsigned} of the period are left out: they are not signed yet."
        ));
    }
    let covering = ledger.checkpoints(to.max(1) - 1, 1).map_err(unreadable)?;
    let Some(checkpoint) = covering.into_iter().next().filter(|_| to > from) else {
        let none = Diagnostic::error(Code::Z104, "there are no signed events in this period");
        return Err(none.hint("A served zone signs what happens at least every minute."));
    };
    let key = SigningKey::open(&zone.receipt_key()).map_err(|error| {
        Diagnostic::error(Code::Z105, "the zone's key cannot be used").caused_by(&error)
    })?;
    let failed = |error: Failed| {
        Diagnostic::error(Code::L113, format!("{} cannot be made", args.output.display()))
            .caused_by(&error)
    };
    let mut bundle = Bundle {
        folder: args.output.clone(),
        zone: &zone,
        config: &config,
        ledger: ledger.as_ref(),
        key,
        digests_only: args.digests_only,
        sums: BTreeMap::new(),
        raw: BTreeMap::new(),
        receipts: 0,
    };
    bundle.make((from, to), &checkpoint).map_err(failed)?;
    out.say(&format!(
        "{}: {}, {}, {}; its README.txt says how to check it",
        args.output.display(),
        counted(to - from, "event"),
        counted(bundle.raw.len() as u64, "file"),
        counted(bundle.receipts, "receipt"),
    ));
    Ok(Exit::Ok)
}

/// Why a bundle could not be made.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("cannot write {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    #[error(transparent)]
    Archive(#[from] crate::archive::Error),
    #[error(transparent)]
    Key(#[from] crate::signing::key_file::KeyError),
    #[error("{0} in the archive is not what was received; `landfall verify` names all such files")]
    Altered(String),
}

fn unreadable(error: ledger::Error) -> Diagnostic {
    reading::unreadable(&error)
}

/// The events of a period: those after the first number, up to and with the second.
fn period(
    ledger: &dyn Ledger,
    from: Timestamp,
    to: Timestamp,
) -> Result<(u64, u64), ledger::Error> {
    Ok((events_before(ledger, from)?, events_before(ledger, to)?))
}

/// How many events were recorded before a time, by halving: history is in the order of time.
fn events_before(ledger: &dyn Ledger, time: Timestamp) -> Result<u64, ledger::Error> {
    let (mut low, mut high) = (0, ledger.head());
    while low < high {
        let middle = low + (high - low) / 2;
        let leaf = ledger.leaves(middle, 1)?;
        if leaf.first().is_some_and(|leaf| leaf.at < time) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

impl Bundle<'_> {
    fn make(&mut self, (from, to): (u64, u64), checkpoint: &Signed) -> Result<(), Failed> {
        self.folder_of("")?;
        self.folder_of("receipts")?;
        if !self.digests_only {
            self.folder_of("raw")?;
        }
        self.events(from, to)?;
        self.proof(from, to, checkpoint.size)?;
        let raw = lines(&self.raw);
        if self.digests_only {
            self.write("raw.sha256", raw.as_bytes())?;
        }
        self.write("checkpoint", checkpoint.text.as_bytes())?;
        self.write("checkpoint.sig", checkpoint.signature.as_bytes())?;
        let name = principal(&self.config.name);
        self.write(
            "README.txt",
            README.replace("IDENTITY is", &format!("IDENTITY is {name},")).as_bytes(),
        )?;
        self.write("verify.py", VERIFIER.as_bytes())?;
        let signer = allowed_signer(&self.config.name, &self.key.public_line());
        self.write("allowed_signers", format!("{signer}\n").as_bytes())?;
        let sums = lines(&self.sums);
        let signature = self.key.sign(Namespace::Sums, sums.as_bytes())?;
        self.write("SHA256SUMS", sums.as_bytes())?;
        self.write("SHA256SUMS.sig", signature.as_bytes())
    }

    /// Writes the events, and what they recorded as received.
    fn events(&mut self, from: u64, to: u64) -> Result<(), Failed> {
        let path = self.folder.join("events.jsonl");
        let failed = |source| Failed::Write { path: path.clone(), source };
        let mut file = BufWriter::new(File::create_new(&path).map_err(failed)?);
        let mut hasher = digest::Hasher::new();
        let mut next = from;
        while next < to {
            let limit = u32::try_from(to - next).unwrap_or(PAGE).min(PAGE);
            let leaves = self.ledger.leaves(next, limit)?;
            let Some(last) = leaves.last() else { break };
            next = last.sequence;
            for leaf in leaves {
                for part in [&leaf.record[..], b"\n"] {
                    hasher.update(part);
                    file.write_all(part).map_err(failed)?;
                }
                let told = serde_json::from_slice::<Recorded>(&leaf.record);
                let is_receipt =
                    told.as_ref().is_ok_and(|told| matches!(told.event, Event::Received { .. }));
                if let Some(id) = leaf.arrival.filter(|_| is_receipt)
                    && let Some(arrival) = self.ledger.arrival(id)?
                {
                    self.raw_object(&arrival)?;
                    self.receipt(arrival)?;
                }
            }
        }
        file.flush().map_err(failed)?;
        self.sums.insert("events.jsonl".to_owned(), hasher.finish().to_string());
        Ok(())
    }

    fn raw_object(&mut self, arrival: &Arrival) -> Result<(), Failed> {
        let name = arrival.raw.base().to_owned();
        if arrival.state.is_erased() {
            return self.tombstone(arrival);
        }
        self.raw.insert(name.clone(), arrival.digest.to_string());
        if self.digests_only {
            return Ok(());
        }
        let mut file = Archive::new(self.zone.clone(), Durability::Relaxed).open(&arrival.raw)?;
        let below = format!("raw/{name}");
        let path = self.folder.join(&below);
        let failed = |source| Failed::Write { path: path.clone(), source };
        let mut copy = File::create_new(&path).map_err(failed)?;
        std::io::copy(&mut file, &mut copy).map_err(failed)?;
        let (_, found) = File::open(&path).and_then(digest::of_reader).map_err(failed)?;
        if found != arrival.digest {
            return Err(Failed::Altered(arrival.raw.to_string()));
        }
        self.sums.insert(below, found.to_string());
        Ok(())
    }

    /// Writes what is left of a file that was erased.
    fn tombstone(&mut self, arrival: &Arrival) -> Result<(), Failed> {
        let path = self.zone.tombstone(arrival.id);
        let signature = path.with_added_extension("sig");
        if !self.folder.join("erased").exists() {
            self.folder_of("erased")?;
        }
        for (path, end) in [(path, "json"), (signature, "json.sig")] {
            // There is none while its erasure is not finished.
            if let Ok(text) = fs::read(&path) {
                self.write(&format!("erased/{}.{end}", arrival.id), &text)?;
            }
        }
        Ok(())
    }

    /// Writes a receipt that is final, with its signature.
    fn receipt(&mut self, arrival: Arrival) -> Result<(), Failed> {
        let id = arrival.id;
        // One that is past its time has not the text any more that its sender got.
        if self.ledger.retired_of(id)?.iter().any(|went| went.part == Part::Receipts) {
            return Ok(());
        }
        let proof = Proof::of(self.ledger, &self.ledger.history(id)?)?;
        let papers = Papers::render(arrival, None, proof);
        let papers = papers.sign(|text| self.key.sign(Namespace::Receipt, text))?;
        if let Some(signature) = papers.signature {
            self.write(&format!("receipts/{id}.receipt.json"), &papers.receipt)?;
            self.write(&format!("receipts/{id}.receipt.json.sig"), &signature)?;
            self.receipts += 1;
        }
        Ok(())
    }

    fn proof(&mut self, from: u64, to: u64, size: u64) -> Result<(), Failed> {
        let told = |nodes: Vec<tree::Node>| -> Vec<(u8, String)> {
            nodes.iter().map(|node| (node.level, node.hash.to_string())).collect()
        };
        let before = told(self.ledger.cover(0, from)?);
        let after = told(self.ledger.cover(to, size)?);
        let json = serde_json::json!({ "before": before, "after": after, "size": size });
        self.write("proof.json", format!("{json}\n").as_bytes())
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), Failed> {
        let path = self.folder.join(name);
        let written = File::create_new(&path).and_then(|mut file| file.write_all(bytes));
        written.map_err(|source| Failed::Write { path, source })?;
        self.sums.insert(name.to_owned(), digest::of_bytes(bytes).to_string());
        Ok(())
    }

    fn folder_of(&self, name: &str) -> Result<(), Failed> {
        let path = if name.is_empty() { self.folder.clone() } else { self.folder.join(name) };
        fs::create_dir(&path)
            .map_err(|source| Failed::Write { path: Path::new(&path).to_owned(), source })
    }
}

/// As sha256sum(1) writes and reads it.
fn lines(sums: &BTreeMap<String, String>) -> String {
    sums.iter().map(|(name, digest)| format!("{digest}  {name}\n")).collect()
}
