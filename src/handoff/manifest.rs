//! The published document that commits a batch: `landfall.manifest/v1`.
//!
//! A manifest is a function of what the ledger fixed when the batch closed, so that publishing it
//! again after a crash gives the same bytes. `entries` with `url`, `mandatory` and
//! `meta.content_length` make it a Redshift manifest as it is; rejects stand beside them in a list
//! of their own, so that no loader takes them for rows. Names are relative to the zone, which may
//! move. `sequence` has no gaps and `previous` chains the batches of a feed: a reader that polls can
//! prove that it missed nothing. A merged file is one entry, which names whose rows it has.
//! `deploy/schemas/manifest.v1.json` says all of it as JSON Schema.

use serde::Serialize;

use crate::clock::rfc3339_millis;
use crate::ledger::{
    Arrival, Batch, BatchFile, Because, Event, FileKind, Ledger, Recorded, ReplayEnd, Sender,
};
use crate::names::{ArrivalId, BatchId, Digest, FeedName, FileName};
use crate::report::Report;
use crate::zone::ZonePath;

/// The manifest's own schema, in its `schema` field.
pub const SCHEMA: &str = "landfall.manifest/v1";

#[derive(Serialize)]
struct Manifest<'a> {
    schema: &'static str,
    feed: &'a FeedName,
    sequence: u64,
    previous: Option<BatchId>,
    batch: BatchId,
    version: Option<u32>,
    closed_at: String,
    closed_because: Option<&'a Because>,
    rows: u64,
    columns: Vec<Column<'a>>,
    entries: Vec<Entry<'a>>,
    rejects: Vec<Entry<'a>>,
    sources: Vec<Source<'a>>,
    retracts: Vec<Retracts<'a>>,
}

#[derive(Serialize)]
struct Column<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
}

#[derive(Serialize)]
struct Entry<'a> {
    url: &'a ZonePath,
    mandatory: bool,
    meta: Meta,
    kind: FileKind,
    rows: u64,
    sha256: Digest,
    /// `null` when it has the rows of several.
    arrival: Option<ArrivalId>,
    /// Whose rows it has, in this order, when it is merged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    arrivals: Vec<Share>,
}

#[derive(Serialize)]
struct Share {
    arrival: ArrivalId,
    rows: u64,
}

#[derive(Serialize)]
struct Meta {
    content_length: u64,
}

#[derive(Serialize)]
struct Source<'a> {
    arrival: ArrivalId,
    name: FileName,
    sender: &'a Sender,
    received_at: String,
    bytes: u64,
    sha256: Digest,
    /// Records that were seen, and what became of them.
    rows: u64,
    written: u64,
    rejected: u64,
    skipped: u64,
    /// What the sender was told, and under which name.
    outcome: Outcome,
    receipt: Option<String>,
    /// Whether the file is what its contract expects; `null` without a contract.
    expectations: Option<Expectations<'a>>,
    /// The arrival that had the name before.
    supersedes: Option<ArrivalId>,
}

/// What came of a file that is handed off.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Accepted,
    /// Some records were put aside.
    Partial,
}

#[derive(Serialize)]
struct Expectations<'a> {
    contract: Digest,
    met: bool,
    /// How many records failed, by diagnostic code.
    failed: Vec<Failed<'a>>,
}

#[derive(Serialize)]
struct Failed<'a> {
    code: &'a str,
    records: u64,
}

#[derive(Serialize)]
struct Retracts<'a> {
    arrival: ArrivalId,
    batch: BatchId,
    url: &'a ZonePath,
    /// `null` when it is erased, or past the time that its feed keeps Parquet.
    replaced_by: Option<ArrivalId>,
}

/// A member of a batch and its history so far.
pub struct Member {
    arrival: Arrival,
    history: Vec<Recorded>,
}

/// Reads the members of a batch, in their order.
///
/// # Errors
/// What the ledger said; [`crate::ledger::Error::Missing`] when it does not know a member.
pub fn members(ledger: &dyn Ledger, batch: &Batch) -> Result<Vec<Member>, crate::ledger::Error> {
    let member = |id: &ArrivalId| {
        let arrival = ledger
            .arrival(*id)?
            .ok_or_else(|| crate::ledger::Error::Missing { what: "arrival", id: id.to_string() })?;
        Ok(Member { arrival, history: ledger.history(*id)? })
    };
    batch.members.iter().map(member).collect()
}

/// The manifest of a closed batch: indented JSON, the same bytes whenever it is asked for.
pub fn render(batch: &Batch, members: &[Member]) -> Vec<u8> {
    let of_kind = |wanted: fn(FileKind) -> bool| {
        batch.files.iter().filter(move |file| wanted(file.kind)).map(entry)
    };
    let entries = of_kind(|kind| matches!(kind, FileKind::Parquet | FileKind::Raw)).collect();
    let rejects = of_kind(|kind| matches!(kind, FileKind::Rejects)).collect();
    let published = batch.files.iter().filter(|file| file.kind == FileKind::Parquet);
    let manifest = Manifest {
        schema: SCHEMA,
        feed: &batch.feed,
        sequence: batch.sequence,
        previous: batch.previous,
        batch: batch.id,
        version: batch.version,
        closed_at: rfc3339_millis(batch.closed_at),
        closed_because: batch.because.as_ref(),
        rows: published.map(|file| file.rows).sum(),
        columns: columns(members),
        entries,
        rejects,
        sources: members.iter().map(|member| source(batch, member)).collect(),
        retracts: batch.retracts.iter().map(retracts).collect(),
    };
    // Plain data with text keys: it cannot fail to become JSON.
    let mut json = serde_json::to_vec_pretty(&manifest).unwrap_or_default();
    json.push(b'\n');
    json
}

fn entry(file: &BatchFile) -> Entry<'_> {
    Entry {
        url: &file.to,
        mandatory: true,
        meta: Meta { content_length: file.size_bytes },
        kind: file.kind,
        rows: file.rows,
        sha256: file.digest,
        arrival: file.parts.is_empty().then_some(file.arrival),
        arrivals: file
            .parts
            .iter()
            .map(|part| Share { arrival: part.arrival, rows: part.rows })
            .collect(),
    }
}

fn source<'a>(batch: &Batch, member: &'a Member) -> Source<'a> {
    let arrival = &member.arrival;
    let made = arrival.conversion.as_ref();
    let name = name_when_closed(batch, member);
    let rejected = made.map_or(0, |made| made.rejected);
    let receipt = match &arrival.sender {
        Sender::Partner(_) => {
            Some(format!("receipts/{}/{name}.{}.receipt.json", batch.feed, arrival.id))
        }
        Sender::Folder(_) | Sender::Local(_) | Sender::Test(_) | Sender::Pull(_) => None,
    };
    Source {
        arrival: arrival.id,
        name,
        sender: &arrival.sender,
        received_at: rfc3339_millis(arrival.received_at),
        bytes: arrival.size_bytes,
        sha256: arrival.digest,
        rows: made.map_or(0, |made| made.seen),
        written: made.map_or(0, |made| made.written),
        rejected,
        skipped: made.map_or(0, |made| made.skipped),
        outcome: if rejected == 0 { Outcome::Accepted } else { Outcome::Partial },
        receipt,
        expectations: made.and_then(|made| expectations(&made.report)),
        supersedes: arrival.supersedes,
    }
}

fn expectations(report: &Report) -> Option<Expectations<'_>> {
    let contract = report.contract?;
    let failed = report.rejects_by_code.iter();
    let failed = failed.map(|(code, records)| Failed { code, records: *records }).collect();
    Some(Expectations { contract, met: report.rejected == 0, failed })
}

fn retracts(retraction: &crate::ledger::Retraction) -> Retracts<'_> {
    Retracts {
        arrival: retraction.arrival,
        batch: retraction.batch,
        url: &retraction.path,
        replaced_by: retraction.replaced_by,
    }
}

/// The name the arrival had when the batch closed. A later rename must not change the manifest.
fn name_when_closed(batch: &Batch, member: &Member) -> FileName {
    let closing = |recorded: &&Recorded| {
        matches!(
            &recorded.event,
            Event::Batched { batch: of, .. }
                | Event::Rewritten { batch: of, .. }
                | Event::ReplayEnded { end: ReplayEnd::Published { batch: of, .. } }
                if *of == batch.id
        )
    };
    let after = member.history.iter().skip_while(|recorded| !closing(recorded));
    let mut renamed = after.filter_map(|recorded| {
        if let Event::Renamed { from, .. } = &recorded.event { Some(from) } else { None }
    });
    renamed.next().unwrap_or(&member.arrival.name).clone()
}

/// The columns of the newest schema revision among the members: every other member has a part of
/// them.
fn columns(members: &[Member]) -> Vec<Column<'_>> {
    let made = members.iter().filter_map(|member| member.arrival.conversion.as_ref());
    let newest = made.max_by_key(|made| made.revision);
    let columns = newest.map(|made| made.report.columns.iter());
    columns
        .into_iter()
        .flatten()
        .map(|column| Column { name: &column.name, kind: &column.kind })
        .collect()
}
