//! `landfall audit verify | log | export`: history, held against what was signed of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::output::{count, counted, table};
use super::{Exit, Output, ZoneArgs, list, reading, words};
use crate::clock::Timestamp;
use crate::diagnostic::{Code, Diagnostic};
use crate::evidence::Segments;
use crate::evidence::audit::{self, Audited, Kept};
use crate::ledger::{Ledger, sqlite};
use crate::names::Digest;
use crate::signing::{self, key_file};
use crate::zone::Zone;

mod export;

/// Bytes of a checkpoint or a list of signers that are read.
const TEXT_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Check all of history, offline: every event, checkpoint and arrival
    Verify(Verify),
    /// The signed checkpoints, day by day: who signed how much of history
    Log,
    /// A period as one folder that an auditor can check without landfall
    Export(Export),
}

#[derive(Debug, clap::Args)]
pub(super) struct Verify {
    /// A checkpoint that was kept elsewhere; its signature is looked for in FILE.sig
    #[arg(long, value_name = "FILE")]
    against: Vec<PathBuf>,
    /// A copy of ledger.db, instead of the zone's own
    #[arg(long, value_name = "COPY")]
    ledger: Option<PathBuf>,
    /// Who may sign: an allowed-signers file or public keys, instead of the zone's key
    #[arg(long, value_name = "FILE")]
    signers: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Export {
    /// Events at or after: 2026-11-22, 2026-11-22T06:00:00Z, or a time ago such as 3d
    #[arg(long, value_name = "WHEN", value_parser = list::when)]
    from: Timestamp,
    /// Events before, in the same forms
    #[arg(long, value_name = "WHEN", value_parser = list::when)]
    to: Timestamp,
    /// The folder to make
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// Digests of the raw files in place of the files
    #[arg(long)]
    digests_only: bool,
}

pub(super) fn run(command: Command, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    match command {
        Command::Verify(args) => verify(&args, zone, out),
        Command::Log => log(zone, out),
        Command::Export(args) => export::run(args, zone, out),
    }
}

// ---- verify ----

#[derive(Serialize)]
struct Verified<'a> {
    log: &'a str,
    events: u64,
    root: Option<Digest>,
    arrivals: u64,
    checkpoints: u64,
    against: u64,
    signers: &'a BTreeMap<String, u64>,
    problems: &'a [String],
    problems_found: usize,
}

fn verify(args: &Verify, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let zone = match &args.ledger {
        Some(_) => zone.find().ok(),
        None => Some(zone.find()?),
    };
    let keys = match (&args.signers, &zone) {
        (Some(file), _) => signing::lines_of(&text_of(file)?),
        (None, Some(zone)) => keys_of(zone)?,
        (None, None) => Vec::new(),
    };
    if args.signers.is_some() && keys.is_empty() {
        return Err(Diagnostic::error(Code::Z107, "there is no ed25519 key among the signers"));
    }
    if keys.is_empty() {
        out.say("No signature is checked: name who may sign with --signers FILE.");
    }
    let mut against: Vec<Kept> = args.against.iter().map(|f| kept(f)).collect::<Result<_, _>>()?;
    let ledger: Box<dyn Ledger> = match (&args.ledger, &zone) {
        (Some(copy), _) => {
            Box::new(sqlite::open_read_only(copy).map_err(|e| reading::unreadable(&e))?)
        }
        (None, Some(zone)) => {
            let Some(ledger) = reading::open(zone)? else {
                reading::say_never_ran(out);
                return Ok(Exit::Ok);
            };
            against.extend(newest_archived(zone, ledger.as_ref())?);
            ledger
        }
        (None, None) => return Ok(Exit::Ok),
    };
    let found = audit::audit(ledger.as_ref(), &keys, &against)
        .map_err(|error| reading::unreadable(&error))?;
    tell(&found, out);
    Ok(if found.problems_found == 0 { Exit::Ok } else { Exit::Problems })
}

/// The newest checkpoint in the zone's archive.
fn newest_archived(zone: &Zone, ledger: &dyn Ledger) -> Result<Option<Kept>, Diagnostic> {
    let log = ledger.log_id().map_err(|error| reading::unreadable(&error))?;
    let newest = Segments::newest_of(zone, &log).map_err(|error| {
        Diagnostic::error(Code::L101, "the archived events cannot be read").caused_by(&error)
    })?;
    Ok(newest.map(|newest| Kept {
        name: "the newest checkpoint in archive/_events".to_owned(),
        text: newest.text,
        signature: Some(newest.signature),
    }))
}

fn tell(found: &Audited, out: &Output) {
    if out.is_json() {
        let Audited { log, events, root, arrivals, checkpoints, against, .. } = found;
        let (events, root, arrivals) = (*events, *root, *arrivals);
        let (checkpoints, against) = (*checkpoints, *against);
        let Audited { signers, problems, problems_found, .. } = found;
        let problems_found = *problems_found;
        out.object(
            "landfall.audit/v1",
            &Verified {
                log,
                events,
                root,
                arrivals,
                checkpoints,
                against,
                signers,
                problems,
                problems_found,
            },
        );
        return;
    }
    for problem in &found.problems {
        out.print(&format!("WRONG: {problem}"));
    }
    let more = found.problems_found - found.problems.len();
    if more > 0 {
        out.print(&format!("… and {} more", counted(more as u64, "problem")));
    }
    let verdict = if found.problems_found == 0 { "right" } else { "not right" };
    out.print(&format!(
        "History is {verdict}: {}, {}, {} of its own and {} kept elsewhere.",
        counted(found.events, "event"),
        counted(found.arrivals, "arrival"),
        counted(found.checkpoints, "checkpoint"),
        count(found.against),
    ));
    if let Some(root) = found.root {
        out.print(&format!("root {root} of log {}", found.log));
    }
    for (signer, signatures) in &found.signers {
        out.print(&format!("{} by {signer}", counted(*signatures, "signature")));
    }
}

/// The zone's own key, read and never made.
pub(super) fn keys_of(zone: &Zone) -> Result<Vec<String>, Diagnostic> {
    let public = key_file::public_file(&zone.receipt_key());
    if public.exists() { Ok(signing::lines_of(&text_of(&public)?)) } else { Ok(Vec::new()) }
}

fn kept(file: &Path) -> Result<Kept, Diagnostic> {
    let mut signature = file.as_os_str().to_owned();
    signature.push(".sig");
    let signature = PathBuf::from(signature);
    Ok(Kept {
        name: file.display().to_string(),
        text: text_of(file)?,
        signature: if signature.exists() { Some(text_of(&signature)?) } else { None },
    })
}

pub(super) fn text_of(file: &Path) -> Result<String, Diagnostic> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = std::fs::File::open(file)
        .and_then(|opened| opened.take(TEXT_BYTES_MAX).read_to_string(&mut text));
    read.map(|_| text).map_err(|error| {
        Diagnostic::error(Code::Z104, format!("{} cannot be read", file.display()))
            .caused_by(&error)
    })
}

// ---- log ----

/// The checkpoints of a day by one key.
#[derive(Debug, Serialize)]
struct Range {
    day: String,
    signer: String,
    checkpoints: u64,
    /// Events under the first.
    from: u64,
    /// Events under the last.
    to: u64,
    /// The root of the last.
    root: Digest,
    /// Its time.
    at: Timestamp,
}

fn log(zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let zone = zone.find()?;
    let Some(ledger) = reading::open(&zone)? else {
        reading::say_never_ran(out);
        return Ok(Exit::Ok);
    };
    let unreadable = |error| reading::unreadable(&error);
    let mut ranges: Vec<Range> = Vec::new();
    let mut after = 0;
    loop {
        let page = ledger.checkpoints(after, 1000).map_err(unreadable)?;
        let Some(last) = page.last() else { break };
        after = last.size;
        for signed in page {
            let signer = signing::signer(&signed.signature);
            let signer = signer.unwrap_or_else(|| "unreadable".to_owned());
            let day = crate::clock::utc_day(signed.at);
            let (size, root, at) = (signed.size, signed.root, signed.at);
            match ranges.last_mut().filter(|last| (&last.day, &last.signer) == (&day, &signer)) {
                Some(last) => {
                    last.checkpoints += 1;
                    (last.to, last.root, last.at) = (size, root, at);
                }
                None => {
                    ranges.push(Range {
                        day,
                        signer,
                        checkpoints: 1,
                        from: size,
                        to: size,
                        root,
                        at,
                    });
                }
            }
        }
    }
    if out.is_json() {
        ranges.iter().for_each(|range| out.object("landfall.audit_range/v1", range));
        return Ok(Exit::Ok);
    }
    let head = ["day", "checkpoints", "over events", "last at", "its root", "signed by"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(ranges.iter().map(|range| {
        [
            range.day.clone(),
            count(range.checkpoints),
            format!("{} to {}", range.from, range.to),
            words::time(range.at),
            range.root.to_string().chars().take(16).collect(),
            range.signer.clone(),
        ]
    }));
    out.print(&table(&rows));
    let id = ledger.log_id().map_err(unreadable)?;
    let unsigned = ledger.head().saturating_sub(after);
    out.say(&format!("log {id}; {} not yet signed", counted(unsigned, "event")));
    Ok(Exit::Ok)
}
