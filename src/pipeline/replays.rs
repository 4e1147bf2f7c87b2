//! Replays: what is published is converted again from the archive, one file at a time.
//!
//! One thread does it, so that new files keep all converters but one; the pool gives it turns as it
//! does a sender. What comes of a file is compared with what is published of it: the same columns and
//! values end the replay, anything else waits for a batch ([`super::batches`]) that publishes it and
//! takes back the old at once. What would be held, or is no table any more, leaves what is published
//! as it is. The archive is only read.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::archive;
use crate::clock::Pace;
use crate::convert::compare::{Side, difference};
use crate::convert::merge::Rows;
use crate::convert::{Converted, Outcome, shortage, worker};
use crate::diagnostic::{Code, Diagnostic};
use crate::ledger::{self, FileKind, NewConversion, Replay, ReplayEnd, Share};
use crate::zone::ZonePath;

use super::conversions::{SCHEMA_RACES_MAX, job, log_failure};
use super::outputs::{self, Outputs};
use super::{LOOK_EVERY, Parts};

/// Replays read from the ledger at a time.
const AT_A_TIME: u32 = 100;
/// As whom replays take turns at the converters.
const TURN: &str = "replay";

/// A step that failed for a reason outside the file: it is tried again.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("cannot read the raw object")]
    Raw(#[from] archive::Error),
    #[error("cannot record the replay")]
    Ledger(#[from] ledger::Error),
    #[error("cannot use a converter worker")]
    Worker(#[from] worker::Error),
    #[error(transparent)]
    Output(#[from] outputs::Error),
    #[error("`{0}` is not a path in this zone")]
    Outside(ZonePath),
    #[error("the feed's schema changed {SCHEMA_RACES_MAX} times during the conversion")]
    SchemaRaces,
}

/// Starts the thread that converts again.
///
/// # Errors
/// What the system said when the thread could not be started.
pub fn start(parts: Parts, stop: Arc<AtomicBool>) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("replays".to_owned()).spawn(move || {
        let mut pace = Pace::default();
        while !stop.load(Ordering::Acquire) {
            let head = parts.ledger.head();
            match parts.ledger.replays_asked(AT_A_TIME) {
                Ok(asked) => replay_all(&parts, &asked, &stop),
                Err(error) => log_failure("look for replays", &error),
            }
            pace.wait(|| parts.ledger.wait_beyond(head, LOOK_EVERY));
        }
    })
}

fn replay_all(parts: &Parts, asked: &[Replay], stop: &AtomicBool) {
    for replay in asked {
        if stop.load(Ordering::Acquire) {
            return;
        }
        if let Err(error) = replay_one(parts, replay) {
            let _span = tracing::error_span!("replay", arrival = %replay.arrival.id).entered();
            log_failure("replay", &error);
        }
    }
}

fn replay_one(parts: &Parts, replay: &Replay) -> Result<(), Error> {
    let arrival = &replay.arrival;
    let outputs = Outputs::of_replay(arrival.id);
    for _ in 0..SCHEMA_RACES_MAX {
        let learned = parts.ledger.learned(&arrival.feed)?;
        let given_revision = learned.as_ref().map_or(0, |learned| learned.revision);
        let job = job(&parts.config.now(), arrival, learned);
        let raw = match parts.archive.open(&arrival.raw) {
            Ok(raw) => raw,
            Err(error) if shortage::within(&error) => return Err(error.into()),
            // It keeps no other replay waiting for a batch.
            Err(error) => {
                let end = ReplayEnd::Held { diagnostic: unreadable(replay, &error) };
                return Ok(parts.ledger.replay_ended(arrival.id, end)?);
            }
        };
        let paths = outputs.fresh(&parts.zone)?;
        let end = match parts.pool.convert(TURN, &job, &raw, &paths)? {
            Outcome::Converted(made) if differs(parts, replay, &made, &paths.parquet)? => {
                match keep(parts, replay, (&outputs, *made), given_revision) {
                    Err(Error::Ledger(ledger::Error::SchemaMovedOn { .. })) => continue,
                    // It has ended meanwhile.
                    Err(Error::Ledger(ledger::Error::Refused(_))) => ReplayEnd::Overtaken,
                    kept => return kept,
                }
            }
            Outcome::Converted(_) => ReplayEnd::Unchanged,
            Outcome::Raw { reason } => {
                match parts.ledger.published_file(arrival.id)?.map(|file| file.kind) {
                    Some(FileKind::Raw) => ReplayEnd::Unchanged,
                    Some(FileKind::Parquet | FileKind::Rejects) => ReplayEnd::Raw { reason },
                    None => ReplayEnd::Overtaken,
                }
            }
            Outcome::Held(diagnostic) => ReplayEnd::Held { diagnostic },
        };
        outputs.remove(&parts.zone);
        return Ok(parts.ledger.replay_ended(arrival.id, end)?);
    }
    Err(Error::SchemaRaces)
}

fn unreadable(replay: &Replay, error: &archive::Error) -> Diagnostic {
    let summary = format!("the raw object of {} cannot be read", replay.arrival.name);
    Diagnostic::error(Code::A123, summary)
        .fact("raw object", &replay.arrival.raw)
        .caused_by(error)
        .hint("Bring it back from a copy with `landfall verify --restore-from`, then replay it.")
}

fn keep(
    parts: &Parts,
    replay: &Replay,
    (outputs, made): (&Outputs, Converted),
    given_revision: u32,
) -> Result<(), Error> {
    let conversion = outputs.sync(parts, &made, given_revision)?;
    let Converted { learned, opens_version, drift, .. } = made;
    let new = NewConversion { conversion, given_revision, learned, opens_version, drift };
    Ok(parts.ledger.replay_converted(replay.arrival.id, new)?)
}

/// Whether what came of it is not what is published. What cannot be read is damaged or gone, and
/// is published anew.
fn differs(
    parts: &Parts,
    replay: &Replay,
    made: &Converted,
    parquet: &Path,
) -> Result<bool, Error> {
    let id = replay.arrival.id;
    let published = parts.ledger.published_file(id)?;
    let (Some(published), Some(before)) =
        (published.filter(|file| file.kind == FileKind::Parquet), &replay.arrival.conversion)
    else {
        return Ok(true);
    };
    let part = published.part_of(id).map(rows_of);
    let path = parts.zone.resolve(&published.to).ok_or(Error::Outside(published.to))?;
    let (Ok(old), Ok(new)) = (File::open(path), File::open(parquet)) else { return Ok(true) };
    let before = Side { report: &before.report, digest: before.parquet.digest, file: old, part };
    let after = Side { report: &made.report, digest: made.parquet.digest, file: new, part: None };
    match difference(before, after) {
        Ok(found) => Ok(!found.is_none()),
        Err(diagnostic) => {
            tracing::warn!(arrival = %replay.arrival.id, %diagnostic, "published anew");
            Ok(true)
        }
    }
}

/// The rows of an arrival in a merged file.
pub fn rows_of(part: Share) -> Rows {
    Rows { arrival: part.arrival, first: part.first_row, count: part.rows }
}
