//! What closing a batch asks of the ledger: windows, what is ready, what is under way.

use rusqlite::{Connection, OptionalExtension};

use crate::clock::Timestamp;
use crate::ledger::{Batch, Closing, Closings, Error, LastWindow, Output, ReadyNow, SetFile};
use crate::names::FeedName;

use super::fault::Fault;
use super::values::{Cells, Micros};
use super::{SqliteLedger, batches, close};

impl Closings for SqliteLedger {
    fn close_batch_over(&self, feed: &FeedName, closing: Closing) -> Result<Option<Batch>, Error> {
        let feed = feed.clone();
        self.write("close a batch", move |tx| close::close(tx, &feed, &closing))
    }

    fn last_window(&self, feed: &FeedName) -> Result<Option<LastWindow>, Error> {
        self.readers.read("read batches", |conn| last_window(conn, feed))
    }

    fn ready_now(&self, feed: &FeedName) -> Result<ReadyNow, Error> {
        self.readers.read("read what is ready", |conn| ready_now(conn, feed))
    }

    fn set_files(&self, feed: &FeedName, held: bool) -> Result<Vec<SetFile>, Error> {
        self.readers.read("read what is ready", |conn| set_files(conn, feed, held))
    }

    fn oldest_ready(&self, feed: &FeedName) -> Result<Option<Timestamp>, Error> {
        let sql = "SELECT min(received_at) FROM arrival
                   WHERE feed = ?1 AND state IN ('converted', 'raw')";
        self.readers.read("read what is ready", |conn| {
            let oldest: Option<Micros> =
                conn.prepare_cached(sql)?.query_row([feed], |row| row.get(0))?;
            Ok(oldest.map(|Micros(oldest)| oldest))
        })
    }

    fn under_way(&self, feed: &FeedName, time: Timestamp) -> Result<bool, Error> {
        self.readers.read("read what is under way", |conn| under_way(conn, feed, time))
    }

    fn newest_batch(&self, feed: &FeedName) -> Result<u64, Error> {
        self.readers.read("read batches", |conn| {
            Ok(batches::last(conn, feed)?.map_or(0, |(sequence, _)| sequence))
        })
    }
}

fn last_window(conn: &Connection, feed: &FeedName) -> Result<Option<LastWindow>, Fault> {
    let sql = "SELECT b.window_end, EXISTS (
                 SELECT 1 FROM arrival a WHERE a.feed = b.feed AND a.state IN ('converted', 'raw')
                   AND a.received_at < b.window_end AND a.changed_at <= b.closed_at)
               FROM batch b WHERE b.feed = ?1 AND b.window_end IS NOT NULL
               ORDER BY b.window_end DESC, b.sequence DESC LIMIT 1";
    let found = conn.prepare_cached(sql)?.query_row([feed], |row| {
        let mut cells = Cells::of(row);
        Ok(LastWindow { ends: cells.time()?, left_over: cells.take()? })
    });
    Ok(found.optional()?)
}

fn ready_now(conn: &Connection, feed: &FeedName) -> Result<ReadyNow, Fault> {
    let sql = "SELECT a.received_at, a.size_bytes, c.written, c.parquet FROM arrival a
               LEFT JOIN conversion c ON c.arrival = a.sequence AND a.state = 'converted'
               WHERE a.feed = ?1 AND a.state IN ('converted', 'raw')";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([feed])?;
    let mut ready = ReadyNow::default();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::of(row);
        let received_at = cells.time()?;
        let raw_bytes: u64 = cells.take()?;
        let written: Option<u64> = cells.take()?;
        let parquet: Option<Output> = cells.json_or_none()?;
        ready.files += 1;
        ready.bytes += parquet.map_or(raw_bytes, |parquet| parquet.size_bytes);
        ready.rows += written.unwrap_or(0);
        ready.oldest = ready.oldest.into_iter().chain([received_at]).min();
    }
    Ok(ready)
}

fn set_files(conn: &Connection, feed: &FeedName, held: bool) -> Result<Vec<SetFile>, Fault> {
    let sql = match held {
        false => {
            "SELECT id, name FROM arrival WHERE feed = ?1 AND state IN ('converted', 'raw')
             ORDER BY sequence"
        }
        true => "SELECT id, name FROM arrival WHERE state = 'held' AND feed = ?1 ORDER BY sequence",
    };
    let mut statement = conn.prepare_cached(sql)?;
    let found = statement.query_map([feed], |row| {
        let mut cells = Cells::of(row);
        Ok(SetFile { id: cells.take()?, name: cells.take()? })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn under_way(conn: &Connection, feed: &FeedName, time: Timestamp) -> Result<bool, Fault> {
    let sql = "SELECT 1 FROM arrival WHERE state = 'received' AND waits IS NULL AND feed = ?1
                 AND received_at < ?2";
    Ok(conn.prepare_cached(sql)?.exists((feed, Micros(time)))?)
}
