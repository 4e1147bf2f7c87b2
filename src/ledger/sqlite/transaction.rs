//! One request's part of a transaction: where history is extended and states change.
//!
//! [`Transaction::record`] is the only place that writes an event, [`Transaction::step`] the only
//! one that changes a state.

use std::collections::BTreeMap;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row};

use crate::clock::Timestamp;
use crate::ledger::tree::{self, Frontier};
use crate::ledger::{Error, Event, Recorded, Sender, State};
use crate::names::{ArrivalId, Digest, FeedName, FileName};

use super::fault::Fault;
use super::log;
use super::values::{Cells, Micros};

/// The ends of what is committed, or about to be.
#[derive(Debug, Clone)]
pub(super) struct Heads {
    /// The tree over the events; its size is the newest event's sequence.
    pub events: Frontier,
    /// The newest arrival's sequence.
    pub arrival: u64,
}

impl Heads {
    /// Reads them from the ledger.
    pub(super) fn read(conn: &Connection) -> rusqlite::Result<Self> {
        let newest =
            conn.query_row("SELECT coalesce(max(sequence), 0) FROM event", [], |row| row.get(0))?;
        let events = log::frontier(conn, newest)?;
        let arrival =
            conn.query_row("SELECT coalesce(max(sequence), 0) FROM arrival", [], |row| row.get(0))?;
        Ok(Self { events, arrival })
    }
}

/// What a rule needs to know of an arrival; lighter than [`crate::ledger::Arrival`].
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub sequence: u64,
    pub id: ArrivalId,
    pub sender: Sender,
    pub feed: FeedName,
    pub name: FileName,
    pub digest: Digest,
    pub received_at: Timestamp,
    pub state: State,
    pub replace_same_name: bool,
    pub skip_duplicate: bool,
    pub duplicate_of: Option<ArrivalId>,
    /// Whether something that says it is complete is still to come.
    pub waits: bool,
}

macro_rules! subject {
    ($rest:literal) => {
        concat!(
            "SELECT a.sequence, a.id, a.sender, a.feed, a.name, a.digest, a.received_at, a.state, ",
            "a.replace_same_name, a.skip_duplicate, a.duplicate_of, a.waits IS NOT NULL ",
            "FROM arrival a ",
            $rest
        )
    };
}
pub(super) use subject;

impl Subject {
    /// Reads one from a row of [`subject!`].
    pub(super) fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Self::from_cells(&mut Cells::of(row))
    }

    /// Takes one from the next cells of a longer row.
    pub(super) fn from_cells(cells: &mut Cells<'_, '_>) -> rusqlite::Result<Self> {
        Ok(Self {
            sequence: cells.take()?,
            id: cells.take()?,
            sender: cells.take()?,
            feed: cells.take()?,
            name: cells.take()?,
            digest: cells.take()?,
            received_at: cells.time()?,
            state: cells.take()?,
            replace_same_name: cells.take()?,
            skip_duplicate: cells.take()?,
            duplicate_of: cells.take()?,
            waits: cells.take()?,
        })
    }

    /// Whether a batch has it, so that only another batch can take it back.
    pub(super) fn is_fixed(&self) -> bool {
        matches!(self.state, State::Batched | State::Published | State::HandedOff)
    }
}

/// One request's part of a transaction.
pub(super) struct Transaction<'t> {
    conn: &'t Connection,
    heads: &'t mut Heads,
    /// How many arrivals of a feed came into a state, less those that left it.
    moved: BTreeMap<(FeedName, State), i64>,
    /// The time of everything in it.
    pub now: Timestamp,
}

impl<'t> Transaction<'t> {
    /// Begins on a connection that has a transaction open.
    pub(super) fn new(conn: &'t Connection, now: Timestamp, heads: &'t mut Heads) -> Self {
        Self { conn, heads, moved: BTreeMap::new(), now }
    }

    /// Does a request's work to its end.
    pub(super) fn run<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let value = work(self)?;
        self.write_tallies()?;
        Ok(value)
    }

    /// The connection, for reading what the transaction sees.
    pub(super) fn conn(&self) -> &'t Connection {
        self.conn
    }

    /// A statement, kept prepared.
    pub(super) fn sql(&self, sql: &str) -> rusqlite::Result<CachedStatement<'t>> {
        self.conn.prepare_cached(sql)
    }

    /// The sequence for a new arrival.
    pub(super) fn next_arrival(&mut self) -> u64 {
        self.heads.arrival += 1;
        self.heads.arrival
    }

    /// The arrival with this id.
    pub(super) fn subject(&self, id: ArrivalId) -> Result<Subject, Fault> {
        let found =
            self.sql(subject!("WHERE a.id = ?1"))?.query_row([id], Subject::of).optional()?;
        Ok(found.ok_or(Error::Missing { what: "arrival", id: id.to_string() })?)
    }

    /// The current version of a name.
    pub(super) fn current(
        &self,
        sender: &Sender,
        feed: &FeedName,
        name: &FileName,
    ) -> rusqlite::Result<Option<Subject>> {
        let sql = subject!("WHERE a.sender = ?1 AND a.feed = ?2 AND a.name = ?3 AND a.current = 1");
        self.sql(sql)?.query_row((sender, feed, name), Subject::of).optional()
    }

    /// Extends history by one event.
    pub(super) fn record(&mut self, arrival: Option<ArrivalId>, event: Event) -> Result<(), Fault> {
        let recorded =
            Recorded { sequence: self.heads.events.size() + 1, at: self.now, arrival, event };
        let record = serde_json::to_string(&recorded)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        let hash = tree::leaf(record.as_bytes());
        self.sql(
            "INSERT INTO event (sequence, at, arrival, record, hash) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((recorded.sequence, Micros(self.now), arrival, record, hash))?;
        log::keep(self.conn, self.heads.events.push(hash))?;
        Ok(())
    }

    /// Moves an arrival by an event and keeps the event. An event that changes no state is only
    /// kept.
    pub(super) fn step(&mut self, subject: &mut Subject, mut event: Event) -> Result<(), Fault> {
        let next = subject.state.on(&event)?;
        if let Event::Held { diagnostic } = &mut event {
            diagnostic.drop_quotes();
        }
        self.record(Some(subject.id), event)?;
        if next != subject.state {
            self.sql("UPDATE arrival SET state = ?2, changed_at = ?3 WHERE sequence = ?1")?
                .execute((subject.sequence, next, Micros(self.now)))?;
            // What is only tried is not counted with what its feed has.
            if !subject.sender.is_test() {
                self.tally(&subject.feed, subject.state, -1);
                self.tally(&subject.feed, next, 1);
            }
            subject.state = next;
        }
        Ok(())
    }

    /// Counts arrivals of a feed into or out of a state.
    pub(super) fn tally(&mut self, feed: &FeedName, state: State, by: i64) {
        *self.moved.entry((feed.clone(), state)).or_default() += by;
    }

    /// Writes what was counted, once for the whole request.
    fn write_tallies(&mut self) -> rusqlite::Result<()> {
        let mut sql = self.sql(
            "INSERT INTO tally (feed, state, count) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET count = count + ?3",
        )?;
        for ((feed, state), by) in std::mem::take(&mut self.moved) {
            sql.execute((feed, state, by))?;
        }
        Ok(())
    }
}
