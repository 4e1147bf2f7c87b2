//! What the archive has of each feed.

use rusqlite::Connection;

use crate::ledger::Holding;

use super::fault::Fault;
use super::values::Micros;

/// [`crate::ledger::Ledger::holdings`]: all that came, from the index `arrival_feed` alone, less what
/// was erased.
pub(super) fn all(conn: &Connection) -> Result<Vec<Holding>, Fault> {
    let sql =
        "SELECT a.feed, a.files - coalesce(e.files, 0), a.bytes - coalesce(e.bytes, 0), a.newest
               FROM (SELECT feed, count(*) AS files, sum(size_bytes) AS bytes,
                       max(received_at) AS newest FROM arrival GROUP BY feed) a
               LEFT JOIN (SELECT feed, count(*) AS files, sum(size_bytes) AS bytes FROM arrival
                       WHERE state IN ('erasing', 'erased') GROUP BY feed) e ON e.feed = a.feed
               ORDER BY a.feed";
    let mut statement = conn.prepare_cached(sql)?;
    let found = statement.query_map([], |row| {
        Ok(Holding {
            feed: row.get(0)?,
            files: row.get(1)?,
            bytes: row.get(2)?,
            newest: row.get::<_, Micros>(3)?.0,
        })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}
