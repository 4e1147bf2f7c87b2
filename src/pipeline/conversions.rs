//! Raw object → worker → outputs synced → ledger.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::archive;
use crate::clock::Pace;
use crate::config::Config;
use crate::contract::Allowance;
use crate::convert::worker;
use crate::convert::{self, Converted, Job, Limits, Outcome};
use crate::ledger::{self, Arrival, Event, NewConversion, State};
use crate::names::ArrivalId;
use crate::schema::{Change, LearnedSchema};

use super::outputs::{self, Outputs};
use super::queue::{Hands, Queue};
use super::{LOOK_EVERY, Parts};

/// How often a conversion is made again because the feed's schema moved on meanwhile.
pub(super) const SCHEMA_RACES_MAX: u32 = 20;

/// A step that failed for a reason outside the file: it is tried again.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("cannot read the raw object")]
    Raw(#[from] archive::Error),
    #[error("cannot record the conversion")]
    Ledger(#[from] ledger::Error),
    #[error("cannot use a converter worker")]
    Worker(#[from] worker::Error),
    #[error(transparent)]
    Output(#[from] outputs::Error),
    #[error("the feed's schema changed {SCHEMA_RACES_MAX} times during the conversion")]
    SchemaRaces,
}

/// Starts the thread that looks for work and those that do it. A sender has two a worker process, so
/// that a worker converts while the outputs of another file are synced and recorded; there are more, so
/// that one whose files take long keeps no other's waiting.
pub fn start(parts: &Parts, stop: &Arc<AtomicBool>) -> io::Result<Vec<JoinHandle<()>>> {
    let of_one = parts.config.now().workers.count * 2;
    let hands = Hands { all: of_one * 2 + of_one / 2, of_one, kept: of_one / 2 };
    let queue = Arc::new(Queue::with(hands));
    let mut threads = Vec::new();
    for number in 0..hands.all {
        let (parts, queue) = (parts.clone(), Arc::clone(&queue));
        let name = format!("convert-{number}");
        threads.push(thread::Builder::new().name(name).spawn(move || convert_all(&parts, &queue))?);
    }
    let (parts, stop) = (parts.clone(), Arc::clone(stop));
    let look = move || look_for_work(&parts, &queue, &stop);
    threads.push(thread::Builder::new().name("convert-look".to_owned()).spawn(look)?);
    Ok(threads)
}

/// New arrivals are read on from the last one; once in a while all that wait are looked at, so that
/// one that was let go on, or whose conversion failed for want of disk, is found again.
fn look_for_work(parts: &Parts, queue: &Queue, stop: &AtomicBool) {
    let (mut read_up_to, mut looked_at_all) = (0, Instant::now());
    let mut pace = Pace::default();
    while !stop.load(Ordering::Acquire) {
        let head = parts.ledger.head();
        let (room, known) = queue.room();
        if room == 0 {
            queue.wait_for_change(LOOK_EVERY);
            continue;
        }
        let all = looked_at_all.elapsed() >= LOOK_EVERY;
        let (after, limit) = if all { (0, known.saturating_add(room)) } else { (read_up_to, room) };
        match parts.ledger.to_convert(after, limit) {
            Ok(arrivals) => {
                let last = arrivals.last().map_or(0, |arrival| arrival.sequence);
                read_up_to = read_up_to.max(last);
                queue.offer(arrivals);
            }
            Err(error) => log_failure("look for work", &error),
        }
        if all {
            looked_at_all = Instant::now();
        }
        pace.wait(|| parts.ledger.wait_beyond(head, LOOK_EVERY));
    }
    queue.close();
}

fn convert_all(parts: &Parts, queue: &Queue) {
    while let Some(arrival) = queue.take() {
        if let Err(error) = convert_one(parts, &arrival) {
            let _span = tracing::error_span!("convert", arrival = %arrival.id).entered();
            log_failure("convert", &error);
            // The arrival is still `Received`: it is found again after a pause.
            parts.ledger.wait_beyond(parts.ledger.head(), LOOK_EVERY);
        }
        queue.done(&arrival);
    }
}

fn convert_one(parts: &Parts, arrival: &Arrival) -> Result<(), Error> {
    for _ in 0..SCHEMA_RACES_MAX {
        // The look that found it may be older than its conversion: what was converted meanwhile has
        // outputs that the ledger speaks of, and they must not be touched.
        if !is_to_convert(parts, arrival.id)? {
            return Ok(());
        }
        let outputs = Outputs::of(arrival.id);
        let paths = outputs.fresh(&parts.zone)?;
        let learned = parts.ledger.learned(&arrival.feed)?;
        let given_revision = learned.as_ref().map_or(0, |learned| learned.revision);
        let config = parts.config.now();
        if config.is_control(&arrival.feed, &arrival.name) {
            let reason = "it is the control file of a set".to_owned();
            parts.ledger.advance(arrival.id, Event::TakenRaw { reason })?;
            return Ok(());
        }
        let job = job(&config, arrival, learned);
        let raw = parts.archive.open(&arrival.raw)?;
        let outcome = parts.pool.convert(&arrival.sender.to_string(), &job, &raw, &paths)?;
        match record(parts, arrival, outcome, (&outputs, given_revision)) {
            Err(Error::Ledger(ledger::Error::SchemaMovedOn { .. })) => {}
            // A newer version of the name took its place while it was converted, or something came
            // that must be looked at first.
            Err(Error::Ledger(ledger::Error::Refused(refused))) => {
                tracing::info!(arrival = %arrival.id, %refused, "conversion is not needed any more");
                outputs.remove(&parts.zone);
                return Ok(());
            }
            recorded => return recorded,
        }
    }
    Err(Error::SchemaRaces)
}

fn is_to_convert(parts: &Parts, id: ArrivalId) -> Result<bool, Error> {
    let now = parts.ledger.arrival(id)?;
    Ok(now.is_some_and(|now| now.state == State::Received && now.waits.is_none()))
}

fn record(
    parts: &Parts,
    arrival: &Arrival,
    outcome: Outcome,
    (outputs, given_revision): (&Outputs, u32),
) -> Result<(), Error> {
    let ledger = &parts.ledger;
    match outcome {
        Outcome::Converted(converted) => {
            let conversion = outputs.sync(parts, &converted, given_revision)?;
            let Converted { learned, opens_version, drift, .. } = *converted;
            if drift.iter().any(|change| matches!(change, Change::Removed { .. })) {
                let (id, feed) = (arrival.id, &arrival.feed);
                tracing::warn!(arrival = %id, %feed, ?drift, "a column is missing: it is null");
            }
            let new = NewConversion { conversion, given_revision, learned, opens_version, drift };
            let recorded = ledger.converted(arrival.id, new)?;
            if recorded.state == State::Tested {
                // A test leaves nothing but its record. What a kill leaves start-up removes.
                outputs.remove(&parts.zone);
            }
        }
        Outcome::Raw { reason } => {
            ledger.advance(arrival.id, Event::TakenRaw { reason })?;
        }
        Outcome::Held(diagnostic) => {
            tracing::warn!(arrival = %arrival.id, feed = %arrival.feed, %diagnostic, "held");
            ledger.advance(arrival.id, Event::Held { diagnostic })?;
        }
    }
    Ok(())
}

/// How an arrival is converted, given what is known of its feed.
pub fn job(config: &Config, arrival: &Arrival, learned: Option<LearnedSchema>) -> Job {
    let job = Job {
        arrival: Some(arrival.id),
        name: arrival.name.clone(),
        size_bytes: arrival.size_bytes,
        digest: Some(arrival.digest),
        format: config.feed(&arrival.feed).format,
        learned,
        contract: None,
        allowance: Allowance::default(),
        limits: Limits { output_bytes: config.workers.output_bytes, ..Limits::default() },
        progress: convert::Progress::default(),
    };
    job.under(config.contract(&arrival.feed)).allowing(arrival.allowance)
}

pub(super) fn log_failure(doing: &str, error: &(dyn std::error::Error + 'static)) {
    tracing::error!(doing, error = crate::diagnostic::on_one_line(error), "will try again");
}
