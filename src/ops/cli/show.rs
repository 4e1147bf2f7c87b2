//! `landfall show`: the whole life of one file on one screen.

use serde::Serialize;

use super::output::{count, counted, size, table};
use super::report::block;
use super::{Exit, Output, ZoneArgs, reading, report, words};
use crate::clock::rfc3339_millis;
use crate::diagnostic::Diagnostic;
use crate::evidence::{Checkpoint, Proof};
use crate::ledger::{
    self, Arrival, Batch, BatchFile, Covered, Delivery, Door, Hold, Ledger, Part, Recorded,
    Retired, State,
};
use crate::ops::diagnostic;
use crate::receive::receipt;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file's id or SHA-256, of which the first digits are enough when unique, or its name,
    /// which means the newest
    file: String,
}

/// Everything the ledger knows of one file.
#[derive(Serialize)]
struct Life {
    #[serde(flatten)]
    arrival: Arrival,
    #[serde(skip_serializing_if = "Option::is_none")]
    handed_off_in: Option<Batch>,
    deliveries: Vec<Delivery>,
    /// Legal holds that stand on it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    holds: Vec<Hold>,
    /// What of it is past the time that its feed keeps it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    retired: Vec<Retired>,
    events: Vec<Recorded>,
    /// That it is in the log; `None` until a checkpoint covers it.
    proof: Option<Proof>,
}

pub(super) fn run(args: Args, zone: &ZoneArgs, out: &Output) -> Result<Exit, Diagnostic> {
    let zone = zone.find()?;
    let (ledger, arrival) = reading::arrival(&zone, &args.file)?;
    let life = read(ledger.as_ref(), arrival).map_err(|error| reading::unreadable(&error))?;
    if out.is_json() {
        out.object("landfall.life/v1", &life);
    } else {
        out.print(&text(&life));
    }
    Ok(Exit::Ok)
}

fn read(ledger: &dyn Ledger, arrival: Arrival) -> Result<Life, ledger::Error> {
    let (batch, deliveries) = match arrival.batch {
        Some(id) => (ledger.batch(id)?, ledger.deliveries(id)?),
        None => (None, Vec::new()),
    };
    let events = ledger.history(arrival.id)?;
    let proof = Proof::of(ledger, &events)?;
    let mut holds = ledger.holds()?;
    holds.retain(|hold| hold.released.is_none() && hold.scope.covers(Covered::of(&arrival)));
    let retired = ledger.retired_of(arrival.id)?;
    Ok(Life { arrival, handed_off_in: batch, deliveries, holds, retired, events, proof })
}

fn text(life: &Life) -> String {
    let arrival = &life.arrival;
    let outcome = receipt::Outcome::of(arrival).as_str();
    let test = if arrival.sender.is_test() { " (a test: nothing is handed on)" } else { "" };
    let is_retired = arrival.state == State::Retracted
        && life.retired.iter().any(|went| went.part == Part::Parquet);
    let standing = if is_retired { "retired".to_owned() } else { words::standing(arrival) };
    let mut out = format!("{} is {standing}{test}\n", arrival.name);
    out.push_str(&indented(&table(&facts(life, outcome))));
    if let Some(told) = &arrival.diagnostic {
        out.push_str(&block("why", &diagnostic::text(told)));
    }
    if let Some(made) = arrival.conversion.as_ref().filter(|_| !arrival.state.is_erased()) {
        out.push_str(&report::text(&made.report));
    }
    if let Some(batch) = &life.handed_off_in {
        out.push_str(&block("handed off", &handed_off(life, batch)));
    }
    let events = life.events.iter();
    let lines: String = events
        .map(|told| format!("{}  {}\n", rfc3339_millis(told.at), words::event(&told.event)))
        .collect();
    out.push_str(&block("events", &lines));
    out.push_str(&block("proof", &proof(life.proof.as_ref())));
    out
}

/// Its places in the log, and the checkpoint that covers them. `receipt check` and `audit verify`
/// check it.
fn proof(proof: Option<&Proof>) -> String {
    let covered = proof.and_then(|proof| Some((proof, Checkpoint::parse(&proof.checkpoint).ok()?)));
    let Some((proof, checkpoint)) = covered else {
        return "none yet: no signed checkpoint covers it\n".to_owned();
    };
    // Event N is leaf N - 1 of the tree (RFC 6962).
    let leaf = |event: u64| count(event.saturating_sub(1));
    format!(
        "received at leaf {}, decided at leaf {}\nin the tree of {}, signed {}, root {}\n",
        leaf(proof.received.event),
        leaf(proof.outcome.event),
        counted(checkpoint.size, "event"),
        rfc3339_millis(checkpoint.at),
        checkpoint.root
    )
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

fn facts(life: &Life, outcome: &str) -> Vec<[String; 2]> {
    let Life { arrival, holds, .. } = life;
    let door = match arrival.door {
        Door::Sftp => "SFTP",
        Door::Folder => "a drop folder",
        Door::Local => "this machine",
        Door::Pull => "a pull",
    };
    let origin =
        arrival.origin.as_ref().map_or(String::new(), |at| format!(", {}", receipt::shown(at)));
    let mut facts = vec![
        ("id", arrival.id.to_string()),
        ("feed", arrival.feed.to_string()),
        ("from", format!("{} through {door}{origin}", arrival.sender)),
        (
            "received",
            format!("{}, number {}", rfc3339_millis(arrival.received_at), arrival.sequence),
        ),
        ("size", format!("{} ({} bytes)", size(arrival.size_bytes), count(arrival.size_bytes))),
        ("SHA-256", arrival.digest.to_string()),
        ("archive", arrival.raw.to_string()),
        ("outcome", outcome.to_owned()),
    ];
    if let Some(made) = arrival.conversion.as_ref().filter(|_| !arrival.state.is_erased()) {
        let kind = &made.report.kind;
        let (version, revision) = (made.version, made.revision);
        let by = &made.converter;
        facts.push(("converted", format!("{kind} to v{version}, revision {revision}, by {by}")));
    }
    if let Some(waits) = arrival.waits.filter(|_| arrival.state == State::Received) {
        facts.push(("until", format!("{} at the latest", rfc3339_millis(waits.until))));
    }
    facts.extend(arrival.same_bytes_as.map(|other| ("same bytes as", other.to_string())));
    facts.extend(arrival.duplicate_of.map(|of| ("duplicate of", of.to_string())));
    facts.extend(arrival.supersedes.map(|older| ("supersedes", older.to_string())));
    if !arrival.current && arrival.duplicate_of.is_none() {
        facts.push(("current", "no: a newer version of this name came".to_owned()));
    }
    facts.extend(
        holds
            .iter()
            .map(|hold| ("on hold", format!("{}: {}", hold.name, receipt::shown(&hold.reason)))),
    );
    facts.extend(life.retired.iter().map(|went| (went.part.in_words(), went_in_words(went))));
    if arrival.hidden && !arrival.state.is_erased() {
        facts.push(("listing", "removed by its sender".to_owned()));
    }
    facts.into_iter().map(|(name, value)| [name.to_owned(), value]).collect()
}

/// What became of a part that is past its time.
fn went_in_words(went: &Retired) -> String {
    match went.gone_at {
        Some(at) => format!("past its time, removed {}", rfc3339_millis(at)),
        None => format!("past its time since {}, it goes", rfc3339_millis(went.retired_at)),
    }
}

fn handed_off(life: &Life, batch: &Batch) -> String {
    let state = words::batch_state(batch.state);
    let mut out = format!("batch {} of {}, {state}, {}\n", batch.sequence, batch.feed, batch.id);
    let id = life.arrival.id;
    let own = |file: &&BatchFile| file.arrivals().any(|arrival| arrival == id);
    for file in batch.files.iter().filter(own) {
        let is_past = life.retired.iter().any(|went| went.path.as_ref() == Some(&file.to));
        out.push_str(file.to.as_str());
        if let Some(part) = file.part_of(id) {
            let (others, before) = (file.parts.len() - 1, count(part.first_row));
            let (own, others) = (counted(part.rows, "row"), counted(others as u64, "other file"));
            out.push_str(&format!(": {own} after the first {before}, merged with {others}"));
        }
        out.push_str(if is_past { " (past its time)\n" } else { "\n" });
    }
    for delivery in &life.deliveries {
        let state = words::delivery_state(delivery.state);
        let attempts = counted(u64::from(delivery.attempts), "attempt");
        out.push_str(&format!("sink {}: {state}, {attempts}", delivery.sink));
        let said = delivery.acknowledgement.as_ref().or(delivery.last_error.as_ref());
        let said = said.map(|said| receipt::shown(said.trim())).filter(|said| !said.is_empty());
        let said = delivery.used_by().map(|used| words::used_by(&used)).or(said);
        out.push_str(&said.map_or(String::new(), |said| format!(": {said}")));
        out.push('\n');
    }
    out
}
