//! Sinks as a whole: which are paused, and how much waits for them.

use rusqlite::Connection;

use crate::ledger::{Error, Event, Paused, Sinks};
use crate::names::{FeedName, SinkName};

use super::SqliteLedger;
use super::fault::Fault;
use super::transaction::Transaction;
use super::values::{Cells, Micros};

impl Sinks for SqliteLedger {
    fn pause_sink(&self, sink: &SinkName, reason: &str) -> Result<bool, Error> {
        let (sink, reason) = (sink.clone(), reason.to_owned());
        self.write("pause a sink", move |tx| pause(tx, sink, reason))
    }

    fn unpause_sink(&self, sink: &SinkName, reason: &str) -> Result<bool, Error> {
        let (sink, reason) = (sink.clone(), reason.to_owned());
        self.write("let a sink go on", move |tx| unpause(tx, sink, reason))
    }

    fn paused_sinks(&self) -> Result<Vec<Paused>, Error> {
        self.readers.read("read paused sinks", paused)
    }

    fn backlog(&self) -> Result<Vec<(SinkName, FeedName, u64)>, Error> {
        self.readers.read("count deliveries", backlog)
    }
}

fn pause(tx: &mut Transaction<'_>, sink: SinkName, reason: String) -> Result<bool, Fault> {
    let sql = "INSERT INTO sink_pause (sink, since, reason) VALUES (?1, ?2, ?3)
               ON CONFLICT DO NOTHING";
    let changed = tx.sql(sql)?.execute((&sink, Micros(tx.now), &reason))? > 0;
    if changed {
        tx.record(None, Event::SinkPaused { sink, reason })?;
    }
    Ok(changed)
}

fn unpause(tx: &mut Transaction<'_>, sink: SinkName, reason: String) -> Result<bool, Fault> {
    let changed = tx.sql("DELETE FROM sink_pause WHERE sink = ?1")?.execute([&sink])? > 0;
    if changed {
        tx.record(None, Event::SinkUnpaused { sink, reason })?;
    }
    Ok(changed)
}

fn paused(conn: &Connection) -> Result<Vec<Paused>, Fault> {
    let sql = "SELECT sink, since, reason FROM sink_pause ORDER BY sink";
    let mut statement = conn.prepare_cached(sql)?;
    let found = statement.query_map([], |row| {
        let mut cells = Cells::of(row);
        Ok(Paused { sink: cells.take()?, since: cells.time()?, reason: cells.take()? })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn backlog(conn: &Connection) -> Result<Vec<(SinkName, FeedName, u64)>, Fault> {
    let sql = "SELECT sink, feed, count(*) FROM delivery WHERE state IN ('pending', 'stalled')
               GROUP BY sink, feed ORDER BY sink, feed";
    let mut statement = conn.prepare_cached(sql)?;
    let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(found.collect::<Result<_, _>>()?)
}
