//! From a published batch to the last acknowledgement.

use rusqlite::{Connection, OptionalExtension, Row};

use crate::ledger::{
    Batch, BatchState, Delivery, DeliveryOutcome, DeliveryState, Error, Event, ReplayEnd,
    Retraction, State,
};
use crate::names::{ArrivalId, BatchId, Digest, FeedName, SinkName};

use super::batches;
use super::fault::Fault;
use super::replays;
use super::transaction::{Subject, Transaction, subject};
use super::values::{Cells, Micros};

/// Bytes kept of what a receiver acknowledged with.
const ACKNOWLEDGEMENT_BYTES_MAX: usize = 64 << 10;
/// Bytes kept of what a failure said.
const ERROR_BYTES_MAX: usize = 4 << 10;
/// Characters of a batch id, which a delivery's id begins with.
const BATCH_ID_LENGTH: usize = 36;

macro_rules! delivery {
    ($rest:literal) => {
        concat!(
            "SELECT batch, sink, feed, sequence, state, attempts, due_at, last_error,
               acknowledgement FROM delivery ",
            $rest
        )
    };
}

fn delivery_of(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let mut cells = Cells::of(row);
    let (batch, sink): (BatchId, SinkName) = (cells.take()?, cells.take()?);
    Ok(Delivery {
        id: format!("{batch}-{sink}"),
        sink,
        feed: cells.take()?,
        batch,
        sequence: cells.take()?,
        state: cells.take()?,
        attempts: cells.take()?,
        due_at: cells.time()?,
        last_error: cells.take()?,
        acknowledgement: cells.take()?,
    })
}

/// [`crate::ledger::Ledger::published`].
pub(super) fn published(
    tx: &mut Transaction<'_>,
    id: BatchId,
    manifest: Digest,
    sinks: &[SinkName],
) -> Result<Batch, Fault> {
    let batch = batches::known(tx.conn(), id)?;
    match batch.state {
        BatchState::Published => return Ok(batch),
        BatchState::Closed => {}
    }
    tx.sql(
        "UPDATE batch SET state = 'published', published_at = ?2, manifest_digest = ?3
         WHERE id = ?1",
    )?
    .execute((id, Micros(tx.now), manifest))?;
    let (feed, sequence) = (batch.feed.clone(), batch.sequence);
    tx.record(None, Event::BatchPublished { batch: id, feed, sequence, manifest })?;
    step_all(tx, &batch.members, State::Batched, &Event::Published { batch: id })?;
    // A replay takes a file of the arrival back, not the arrival.
    for taken in batch.retracts.iter().filter(|taken| taken.replaced_by != Some(taken.arrival)) {
        let mut older = tx.subject(taken.arrival)?;
        tx.step(&mut older, Event::Retracted { batch: id, replaced_by: taken.replaced_by })?;
        replays::end(tx, &older, ReplayEnd::Overtaken)?;
    }
    enqueue(tx, &batch, sinks)?;
    if sinks.is_empty() {
        step_all(tx, &batch.members, State::Published, &Event::HandedOff { batch: id })?;
    }
    batches::known(tx.conn(), id)
}

/// Puts a batch into the outbox of each sink.
pub(super) fn enqueue(
    tx: &mut Transaction<'_>,
    batch: &Batch,
    sinks: &[SinkName],
) -> Result<(), Fault> {
    for sink in sinks {
        tx.sql(
            "INSERT INTO delivery (batch, sink, feed, sequence, state, attempts, due_at)
             VALUES (?1, ?2, ?3, ?4, 'pending', 0, ?5) ON CONFLICT DO NOTHING",
        )?
        .execute((batch.id, sink, &batch.feed, batch.sequence, Micros(tx.now)))?;
    }
    Ok(())
}

/// Moves those arrivals that are in `from`; one that was taken back meanwhile stays taken back.
fn step_all(
    tx: &mut Transaction<'_>,
    members: &[ArrivalId],
    from: State,
    event: &Event,
) -> Result<(), Fault> {
    for member in members {
        let mut subject = tx.subject(*member)?;
        if subject.state == from {
            tx.step(&mut subject, event.clone())?;
        }
    }
    Ok(())
}

/// [`crate::ledger::Ledger::delivered`].
pub(super) fn delivered(
    tx: &mut Transaction<'_>,
    id: &str,
    outcome: DeliveryOutcome,
) -> Result<Delivery, Fault> {
    let mut delivery = by_id(tx.conn(), id)?;
    match delivery.state {
        // An answer that comes late, or twice, changes nothing.
        DeliveryState::Acknowledged | DeliveryState::Skipped => return Ok(delivery),
        DeliveryState::Pending | DeliveryState::Stalled => {}
    }
    let event = apply(tx, &mut delivery, outcome);
    tx.sql(
        "UPDATE delivery SET state = ?3, attempts = ?4, due_at = ?5, last_error = ?6,
           acknowledgement = ?7 WHERE batch = ?1 AND sink = ?2",
    )?
    .execute((
        delivery.batch,
        &delivery.sink,
        delivery.state,
        delivery.attempts,
        Micros(delivery.due_at),
        &delivery.last_error,
        &delivery.acknowledgement,
    ))?;
    tx.record(None, event)?;
    match delivery.state {
        DeliveryState::Acknowledged | DeliveryState::Skipped => hand_off(tx, delivery.batch)?,
        DeliveryState::Pending | DeliveryState::Stalled => {}
    }
    Ok(delivery)
}

fn apply(tx: &Transaction<'_>, delivery: &mut Delivery, outcome: DeliveryOutcome) -> Event {
    let (sink, feed, batch) = (delivery.sink.clone(), delivery.feed.clone(), delivery.batch);
    match outcome {
        DeliveryOutcome::Acknowledged(answer) => {
            delivery.state = DeliveryState::Acknowledged;
            delivery.attempts += 1;
            delivery.acknowledgement = answer.map(|text| cut(text, ACKNOWLEDGEMENT_BYTES_MAX));
            let (attempts, used_by) = (delivery.attempts, delivery.used_by());
            Event::Acknowledged { sink, batch, attempts, used_by }
        }
        DeliveryOutcome::RetryAt(due_at, error) => {
            let error = cut(error, ERROR_BYTES_MAX);
            delivery.state = DeliveryState::Pending;
            delivery.attempts += 1;
            delivery.due_at = due_at;
            delivery.last_error = Some(error.clone());
            Event::DeliveryFailed { sink, batch, attempts: delivery.attempts, error }
        }
        DeliveryOutcome::Stalled(error) => {
            let error = cut(error, ERROR_BYTES_MAX);
            delivery.state = DeliveryState::Stalled;
            delivery.attempts += 1;
            delivery.last_error = Some(error.clone());
            Event::SinkStalled { sink, feed, batch, error }
        }
        DeliveryOutcome::Resumed(reason) => {
            delivery.state = DeliveryState::Pending;
            delivery.due_at = tx.now;
            Event::SinkResumed { sink, feed, batch, reason }
        }
        DeliveryOutcome::Skipped(reason) => {
            delivery.state = DeliveryState::Skipped;
            Event::SinkSkipped { sink, feed, batch, reason }
        }
    }
}

fn cut(mut text: String, bytes_max: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes_max));
    text
}

/// Hands the batch's members off once no delivery of it is open.
fn hand_off(tx: &mut Transaction<'_>, id: BatchId) -> Result<(), Fault> {
    let sql = "SELECT 1 FROM delivery WHERE batch = ?1 AND state IN ('pending', 'stalled')";
    if tx.sql(sql)?.exists([id])? {
        return Ok(());
    }
    let sql = subject!(
        "JOIN batch_file f ON f.arrival = a.id JOIN batch b ON b.feed = f.feed
           AND b.sequence = f.sequence
         WHERE b.id = ?1 AND f.kind IN ('parquet', 'raw') AND a.state = 'published'
         ORDER BY f.position"
    );
    let members = tx.sql(sql)?.query_map([id], Subject::of)?.collect::<Result<Vec<_>, _>>()?;
    for mut member in members {
        tx.step(&mut member, Event::HandedOff { batch: id })?;
    }
    Ok(())
}

/// [`crate::ledger::Ledger::retraction_done`].
pub(super) fn retraction_done(tx: &Transaction<'_>, done: &Retraction) -> Result<(), Fault> {
    tx.sql("UPDATE retraction SET done = 1 WHERE arrival = ?1 AND path = ?2 AND done = 0")?
        .execute((done.arrival, &done.path))?;
    Ok(())
}

fn by_id(conn: &Connection, id: &str) -> Result<Delivery, Fault> {
    let missing = || Error::Missing { what: "delivery", id: id.to_owned() };
    let parts = id.split_at_checked(BATCH_ID_LENGTH);
    let (batch, sink) = parts.ok_or_else(missing)?;
    let batch: BatchId = batch.parse().ok().ok_or_else(missing)?;
    let sql = delivery!("WHERE batch = ?1 AND sink = ?2");
    let sink = sink.strip_prefix('-').ok_or_else(missing)?;
    let found = conn.prepare_cached(sql)?.query_row((batch, sink), delivery_of).optional()?;
    Ok(found.ok_or_else(missing)?)
}

/// [`crate::ledger::Ledger::next_delivery`].
pub(super) fn next(
    conn: &Connection,
    sink: &SinkName,
    feed: &FeedName,
) -> Result<Option<Delivery>, Fault> {
    let sql = delivery!(
        "WHERE sink = ?1 AND feed = ?2 AND state IN ('pending', 'stalled')
         ORDER BY sequence LIMIT 1"
    );
    Ok(conn.prepare_cached(sql)?.query_row((sink, feed), delivery_of).optional()?)
}

/// [`crate::ledger::Ledger::outbox`]. Hops from pair to pair over the index.
pub(super) fn outbox(conn: &Connection) -> Result<Vec<(SinkName, FeedName)>, Fault> {
    let mut next = conn.prepare_cached(
        "SELECT sink, feed FROM delivery
         WHERE state IN ('pending', 'stalled') AND (sink, feed) > (?1, ?2)
         ORDER BY sink, feed LIMIT 1",
    )?;
    let mut pairs: Vec<(SinkName, FeedName)> = Vec::new();
    loop {
        let (sink, feed) = match pairs.last() {
            Some((sink, feed)) => (sink.as_str(), feed.as_str()),
            None => ("", ""),
        };
        let found =
            next.query_row((sink, feed), |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        match found {
            Some(pair) => pairs.push(pair),
            None => return Ok(pairs),
        }
    }
}

/// [`crate::ledger::Ledger::deliveries`].
pub(super) fn of_batch(conn: &Connection, batch: BatchId) -> Result<Vec<Delivery>, Fault> {
    let mut statement = conn.prepare_cached(delivery!("WHERE batch = ?1 ORDER BY sink"))?;
    let found = statement.query_map([batch], delivery_of)?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// [`crate::ledger::Ledger::in_flight`]. A delivery that waits behind an earlier one of its sink is
/// not in flight, and a batch that one sink has taken is not: a sink that fails or hangs must not keep
/// the feed from its other sinks and from the lake.
pub(super) fn in_flight(conn: &Connection, feed: &FeedName) -> Result<bool, Fault> {
    let sql = "SELECT 1 FROM delivery AS next
               WHERE feed = ?1 AND state = 'pending' AND attempts = 0
                 AND sink NOT IN (SELECT sink FROM sink_pause)
                 AND NOT EXISTS (
                   SELECT 1 FROM delivery AS earlier
                   WHERE earlier.sink = next.sink AND earlier.feed = next.feed
                     AND earlier.sequence < next.sequence
                     AND earlier.state IN ('pending', 'stalled'))
                 AND NOT EXISTS (
                   SELECT 1 FROM delivery AS taken
                   WHERE taken.batch = next.batch AND taken.state IN ('acknowledged', 'skipped'))";
    Ok(conn.prepare_cached(sql)?.exists([feed])?)
}
