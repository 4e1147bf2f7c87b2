//! The ledger in SQLite.
//!
//! One file in WAL mode. One connection writes ([`writer`]), a few read ([`readers`]), also in
//! other processes. A write call returns after the commit is on the disk (`synchronous = FULL`);
//! with [`Durability::Relaxed`] a power cut may lose the last commits, never their order.
//!
//! Every verb is one function in the file of its subject; this file only sends it to a connection. SQL stands nowhere else in the house.
//!
//! Left out: vacuum.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::clock::{Clock, Timestamp};
use crate::diagnostic::Diagnostic;
use crate::durable::Durability;
use crate::names::{ArrivalId, BatchId, Digest, FeedName, FileName, SinkName};
use crate::schema::LearnedSchema;
use crate::seeded::{self, Bug};
use crate::zone::ZonePath;

use super::log::{Leaf, Signed, Touched};
use super::{
    Arrival, ArrivalQuery, Batch, BatchFile, Delivery, DeliveryOutcome, Error, Event, Found,
    Holding, Ledger, Listed, LiveTotals, Log, Merge, NewArrival, NewConversion, NewSidecar,
    Recorded, Retraction, Revision, Sender, Sidecar, Sidecars, State, Told, Usage, Verdict, Waits,
    WaitsFor, tree,
};

mod advance;
mod alerts;
pub mod aside;
mod batches;
mod blank;
mod close;
mod closings;
mod conversions;
mod copy;
mod custody;
mod deliver;
mod erasures;
mod expected;
mod fault;
mod find;
mod history;
mod holdings;
mod holds;
mod log;
mod merges;
mod pulls;
mod readers;
mod receive;
mod replays;
mod retirements;
mod rows;
mod schema;
mod search;
mod sidecars;
mod sinks;
mod transaction;
mod values;
mod writer;

pub use blank::{Blank, Blanking, Quotes};
pub use copy::{check, copy};
pub(super) use fault::is_disk_full;
pub use rows::Rebuilding;

use fault::Fault;
use readers::Readers;
use transaction::Transaction;
use writer::Writer;

/// How often a ledger that only reads looks for new events.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A ledger in one SQLite file.
#[derive(Debug)]
pub struct SqliteLedger {
    // Dropped first: what waits is committed while readers still stand.
    writer: Option<Writer>,
    readers: Readers,
}

/// Opens a ledger for writing, creates or migrates it. Only the process that holds the zone's lock
/// may do so.
///
/// # Errors
/// [`Error::Store`], also for a ledger that a newer landfall wrote.
pub fn open(path: &Path, clock: Clock, durability: Durability) -> Result<SqliteLedger, Error> {
    let open = || {
        let writer = Writer::open(path.to_owned(), clock, durability)?;
        Ok(SqliteLedger { writer: Some(writer), readers: Readers::open(path.to_owned())? })
    };
    open().map_err(|fault: Fault| fault.into_error("open its database"))
}

/// Opens a ledger for reading, also while another process writes it. The verbs that write answer
/// [`Error::ReadOnly`].
///
/// # Errors
/// [`Error::Store`], also when there is no ledger.
pub fn open_read_only(path: &Path) -> Result<SqliteLedger, Error> {
    match Readers::open(path.to_owned()) {
        Ok(readers) => Ok(SqliteLedger { writer: None, readers }),
        Err(error) => Err(Fault::from(error).into_error("open its database for reading")),
    }
}

impl SqliteLedger {
    fn write<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Error> {
        self.writer.as_ref().ok_or(Error::ReadOnly)?.write(doing, work)
    }
}

impl Ledger for SqliteLedger {
    fn receive(&self, new: NewArrival) -> Result<Arrival, Error> {
        self.write("record an arrival", move |tx| receive::receive(tx, new))
    }

    fn advance(&self, id: ArrivalId, event: Event) -> Result<Arrival, Error> {
        self.write("record an event", move |tx| advance::advance(tx, id, event))
    }

    fn note(&self, event: Event) -> Result<(), Error> {
        self.write("record an event", move |tx| tx.record(None, event))
    }

    fn converted(&self, id: ArrivalId, new: NewConversion) -> Result<Arrival, Error> {
        self.write("record a conversion", move |tx| conversions::converted(tx, id, new))
    }

    fn learned(&self, feed: &FeedName) -> Result<Option<LearnedSchema>, Error> {
        self.readers.read("read a learned schema", |conn| conversions::learned(conn, feed))
    }

    fn revisions(&self, feed: &FeedName) -> Result<Vec<Revision>, Error> {
        self.readers.read("read a feed's revisions", |conn| conversions::revisions(conn, feed))
    }

    fn published(
        &self,
        batch: BatchId,
        manifest: Digest,
        sinks: &[SinkName],
    ) -> Result<Batch, Error> {
        let sinks = sinks.to_vec();
        if seeded::has(Bug::OutboxApart) {
            let batch = self.write("record a publication", move |tx| {
                deliver::published(tx, batch, manifest, &[])
            })?;
            return self.write("fill the outbox", move |tx| {
                deliver::enqueue(tx, &batch, &sinks).map(|()| batch)
            });
        }
        self.write("record a publication", move |tx| {
            deliver::published(tx, batch, manifest, &sinks)
        })
    }

    fn merged(&self, batch: BatchId, written: Vec<Merge>) -> Result<Batch, Error> {
        self.write("record merged files", move |tx| merges::written(tx, batch, &written))
    }

    fn keep_apart(&self, batch: BatchId, merge: &Merge) -> Result<Batch, Error> {
        let merge = merge.clone();
        self.write("record merged files", move |tx| merges::keep_apart(tx, batch, &merge))
    }

    fn delivered(&self, delivery: &str, outcome: DeliveryOutcome) -> Result<Delivery, Error> {
        let delivery = delivery.to_owned();
        self.write("record a delivery", move |tx| deliver::delivered(tx, &delivery, outcome))
    }

    fn retraction_done(&self, retraction: &Retraction) -> Result<(), Error> {
        let done = retraction.clone();
        self.write("record a retraction", move |tx| deliver::retraction_done(tx, &done))
    }

    fn arrival(&self, id: ArrivalId) -> Result<Option<Arrival>, Error> {
        self.readers.read("read an arrival", |conn| find::arrival(conn, id))
    }

    fn arrivals_by_prefix(&self, prefix: &str) -> Result<Vec<Arrival>, Error> {
        self.readers.read("read arrivals", |conn| find::by_prefix(conn, prefix))
    }

    fn find(&self, query: &ArrivalQuery) -> Result<Found, Error> {
        self.readers.read("read arrivals", |conn| search::find(conn, query))
    }

    fn to_convert(&self, after: u64, limit: u32) -> Result<Vec<Arrival>, Error> {
        self.readers.read("read arrivals", |conn| find::to_convert(conn, after, limit))
    }

    fn feeds_ready(&self) -> Result<Vec<FeedName>, Error> {
        self.readers.read("read what is ready", batches::feeds_ready)
    }

    fn current(
        &self,
        sender: &Sender,
        feed: &FeedName,
        name: &FileName,
    ) -> Result<Option<Arrival>, Error> {
        self.readers.read("read an arrival", |conn| find::current(conn, sender, feed, name))
    }

    fn listing(
        &self,
        sender: &Sender,
        feed: &FeedName,
        since: Timestamp,
    ) -> Result<Vec<Listed>, Error> {
        self.readers.read("read a listing", |conn| find::listing(conn, sender, feed, since))
    }

    fn usage(&self, sender: &Sender, since: Timestamp) -> Result<Usage, Error> {
        self.readers.read("read a sender's usage", |conn| find::usage(conn, sender, since))
    }

    fn batch(&self, id: BatchId) -> Result<Option<Batch>, Error> {
        self.readers.read("read a batch", |conn| batches::batch(conn, id))
    }

    fn batches(&self, feed: &FeedName, after: u64, limit: u32) -> Result<Vec<Batch>, Error> {
        self.readers.read("read batches", |conn| batches::after(conn, feed, after, limit))
    }

    fn closed_batches(&self) -> Result<Vec<Batch>, Error> {
        self.readers.read("read batches", batches::closed)
    }

    fn live_files(&self, feed: &FeedName, as_of: Option<u64>) -> Result<Vec<BatchFile>, Error> {
        self.readers.read("read what is live", |conn| batches::live_files(conn, feed, as_of))
    }

    fn live_totals(&self, feed: &FeedName) -> Result<LiveTotals, Error> {
        self.readers.read("sum up what is live", |conn| batches::live_totals(conn, feed))
    }

    fn retractions_due(&self) -> Result<Vec<(Retraction, Timestamp)>, Error> {
        self.readers.read("read retractions", batches::retractions_due)
    }

    fn rejects_beside(&self, retraction: &Retraction) -> Result<Option<ZonePath>, Error> {
        self.readers.read("read retractions", |conn| batches::rejects_beside(conn, retraction))
    }

    fn next_delivery(&self, sink: &SinkName, feed: &FeedName) -> Result<Option<Delivery>, Error> {
        self.readers.read("read deliveries", |conn| deliver::next(conn, sink, feed))
    }

    fn outbox(&self) -> Result<Vec<(SinkName, FeedName)>, Error> {
        self.readers.read("read the outbox", deliver::outbox)
    }

    fn deliveries(&self, batch: BatchId) -> Result<Vec<Delivery>, Error> {
        self.readers.read("read deliveries", |conn| deliver::of_batch(conn, batch))
    }

    fn in_flight(&self, feed: &FeedName) -> Result<bool, Error> {
        self.readers.read("read deliveries", |conn| deliver::in_flight(conn, feed))
    }

    fn history(&self, id: ArrivalId) -> Result<Vec<Recorded>, Error> {
        self.readers.read("read events", |conn| history::of_arrival(conn, id))
    }

    fn events(&self, after: u64, limit: u32) -> Result<Vec<Recorded>, Error> {
        self.readers.read("read events", |conn| history::after(conn, after, limit))
    }

    fn loads(&self, feed: &FeedName) -> Result<Vec<Recorded>, Error> {
        let mut loads = self.readers.read("read loads", history::loads)?;
        let of_another = |load: &Recorded| matches!(&load.event, Event::ContractLoaded { feed: of, .. } if of != feed);
        loads.retain(|load| !of_another(load));
        Ok(loads)
    }

    fn counts(&self) -> Result<Vec<(FeedName, State, u64)>, Error> {
        self.readers.read("count arrivals", find::counts)
    }

    fn holdings(&self) -> Result<Vec<Holding>, Error> {
        self.readers.read("sum up what is held", holdings::all)
    }

    fn head(&self) -> u64 {
        match &self.writer {
            Some(writer) => writer.head().get(),
            // A ledger that cannot be read has nothing new; the next real read tells why.
            None => self.readers.read("read events", history::head).unwrap_or(0),
        }
    }

    fn wait_beyond(&self, after: u64, timeout: Duration) -> u64 {
        if let Some(writer) = &self.writer {
            return writer.head().wait_beyond(after, timeout);
        }
        let ends = Instant::now() + timeout;
        loop {
            let head = self.head();
            let left = ends.saturating_duration_since(Instant::now());
            if head > after || left.is_zero() {
                return head;
            }
            std::thread::sleep(left.min(LOOK_EVERY));
        }
    }
}

impl Log for SqliteLedger {
    fn leaves(&self, after: u64, limit: u32) -> Result<Vec<Leaf>, Error> {
        self.readers.read("read events", |conn| log::leaves(conn, after, limit))
    }

    fn log_id(&self) -> Result<String, Error> {
        self.readers.read("read its identity", log::id)
    }

    fn rows(&self, touched: &Touched) -> Result<Vec<String>, Error> {
        self.readers.read("read what events are about", |conn| rows::of(conn, touched))
    }

    fn root(&self, size: u64) -> Result<Digest, Error> {
        self.readers.read("read its tree", |conn| log::root(conn, size))
    }

    fn inclusion(&self, sequence: u64, size: u64) -> Result<Vec<Digest>, Error> {
        self.readers.read("prove an event", |conn| log::inclusion(conn, sequence, size))
    }

    fn consistency(&self, old: u64, new: u64) -> Result<Vec<Digest>, Error> {
        self.readers.read("prove its growth", |conn| log::consistency(conn, old, new))
    }

    fn cover(&self, from: u64, to: u64) -> Result<Vec<tree::Node>, Error> {
        self.readers.read("read its tree", |conn| log::cover(conn, from, to))
    }

    fn kept_node(&self, level: u8, position: u64) -> Result<Option<Digest>, Error> {
        self.readers.read("read its tree", |conn| log::kept_node(conn, level, position))
    }

    fn keep_checkpoint(&self, checkpoint: Signed) -> Result<(), Error> {
        self.write("keep a checkpoint", move |tx| log::keep_checkpoint(tx, &checkpoint))
    }

    fn checkpoints(&self, after: u64, limit: u32) -> Result<Vec<Signed>, Error> {
        self.readers.read("read checkpoints", |conn| log::checkpoints(conn, after, limit))
    }

    fn newest_checkpoint(&self) -> Result<Option<Signed>, Error> {
        self.readers.read("read checkpoints", log::newest_checkpoint)
    }
}

impl Sidecars for SqliteLedger {
    fn receive_sidecar(&self, new: NewSidecar) -> Result<Sidecar, Error> {
        self.write("record a sidecar", move |tx| sidecars::receive(tx, new))
    }

    fn sidecar_checked(
        &self,
        sequence: u64,
        verdict: Verdict,
        hold: Option<Diagnostic>,
    ) -> Result<(), Error> {
        self.write("record a check", move |tx| sidecars::checked(tx, sequence, verdict, hold))
    }

    fn sidecar_alone(&self, sequence: u64) -> Result<(), Error> {
        self.write("record an event", move |tx| sidecars::alone(tx, sequence))
    }

    fn hide_sidecar(&self, sequence: u64) -> Result<(), Error> {
        self.write("record an event", move |tx| sidecars::hide(tx, sequence))
    }

    fn wait_for(&self, id: ArrivalId, before: Waits, waits: Waits) -> Result<(), Error> {
        self.write("record a wait", move |tx| sidecars::wait_for(tx, id, before, waits))
    }

    fn sidecar(
        &self,
        sender: &Sender,
        feed: &FeedName,
        name: &FileName,
    ) -> Result<Option<Sidecar>, Error> {
        self.readers.read("read a sidecar", |conn| sidecars::current(conn, sender, feed, name))
    }

    fn sidecar_bytes(&self, sequence: u64) -> Result<Vec<u8>, Error> {
        self.readers.read("read a sidecar", |conn| sidecars::bytes(conn, sequence))
    }

    fn sidecars(
        &self,
        sender: &Sender,
        feed: &FeedName,
        since: Timestamp,
    ) -> Result<Vec<Sidecar>, Error> {
        self.readers.read("read a listing", |conn| sidecars::listing(conn, sender, feed, since))
    }

    fn sidecars_of(&self, arrival: ArrivalId) -> Result<Vec<Sidecar>, Error> {
        self.readers.read("read sidecars", |conn| sidecars::of_arrival(conn, arrival))
    }

    fn to_check(&self, limit: u32) -> Result<Vec<Sidecar>, Error> {
        self.readers.read("read sidecars", |conn| sidecars::to_check(conn, limit))
    }

    fn alone(&self, told: Told, until: Timestamp, limit: u32) -> Result<Vec<Sidecar>, Error> {
        self.readers.read("read sidecars", |conn| sidecars::left_alone(conn, told, until, limit))
    }

    fn differs_too_late(&self, limit: u32) -> Result<Vec<Sidecar>, Error> {
        self.readers.read("read sidecars", |conn| sidecars::differs_too_late(conn, limit))
    }

    fn incomplete(&self, now: Timestamp, limit: u32) -> Result<Vec<Arrival>, Error> {
        self.readers.read("read arrivals", |conn| sidecars::incomplete(conn, now, limit))
    }

    fn waiting(&self) -> Result<Vec<(FeedName, WaitsFor, u64)>, Error> {
        self.readers.read("count arrivals", sidecars::waiting)
    }
}
