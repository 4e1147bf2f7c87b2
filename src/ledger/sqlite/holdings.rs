//! What the archive has of each feed.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::ledger::Holding;
use crate::names::FeedName;

use super::fault::Fault;
use super::values::Micros;

/// Arrivals that one read of [`part`] sums up, so that it is short.
const SUMMED_MAX: u64 = 100_000;

/// [`crate::ledger::Ledger::holdings`], from one short read after the other.
pub(super) fn in_all<E>(
    mut read: impl FnMut(u64) -> Result<(Vec<Holding>, Option<u64>), E>,
) -> Result<Vec<Holding>, E> {
    let mut sums = BTreeMap::<FeedName, Holding>::new();
    let mut after = Some(0);
    while let Some(from) = after {
        let (part, next) = read(from)?;
        for held in part {
            let sum = sums.entry(held.feed.clone()).or_insert(Holding {
                files: 0,
                bytes: 0,
                ..held.clone()
            });
            sum.files += held.files;
            sum.bytes += held.bytes;
            sum.newest = sum.newest.max(held.newest);
        }
        after = next;
    }
    Ok(sums.into_values().collect())
}

/// What the first arrivals above a sequence come to, and where to go on.
pub(super) fn part(conn: &Connection, after: u64) -> Result<(Vec<Holding>, Option<u64>), Fault> {
    let sql = "SELECT feed, count(*) FILTER (WHERE state NOT IN ('erasing', 'erased')),
                 coalesce(sum(size_bytes) FILTER (WHERE state NOT IN ('erasing', 'erased')), 0),
                 max(received_at) FROM arrival
               WHERE sequence > ?1 AND sequence <= ?2 GROUP BY feed";
    let mut statement = conn.prepare_cached(sql)?;
    let upto = after + SUMMED_MAX;
    let found = statement.query_map((after, upto), |row| {
        Ok(Holding {
            feed: row.get(0)?,
            files: row.get(1)?,
            bytes: row.get(2)?,
            newest: row.get::<_, Micros>(3)?.0,
        })
    })?;
    let found = found.collect::<Result<_, _>>()?;
    let last = "SELECT coalesce(max(sequence), 0) FROM arrival";
    let last: u64 = conn.prepare_cached(last)?.query_row([], |row| row.get(0))?;
    Ok((found, (last > upto).then_some(upto)))
}
