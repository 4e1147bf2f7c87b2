//! A ledger with very many arrivals, written straight into its tables: what a zone holds after years.
//!
//! The rows are what the server would have written, but for their events: history is one event
//! long, since nothing that is measured with it reads more.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::path::Path;

use landfall::clock::Clock;
use landfall::durable::Durability;
use landfall::ledger::sqlite;
use rusqlite::Connection;

/// When the first file of [`fill`] was received, in microseconds; one follows a minute.
pub const FIRST_MICROS: i64 = 1_600_000_000_000_000;
const MINUTE_MICROS: i64 = 60_000_000;

/// How many to write: `LANDFALL_ARRIVALS`, or fewer for every day.
pub fn arrivals(every_day: u64) -> u64 {
    let given = std::env::var("LANDFALL_ARRIVALS").ok();
    given.map_or(every_day, |count| count.parse().expect("a number"))
}

/// Writes `count` arrivals into a new ledger: 50 partners, 100 feeds, every fourth name a new
/// version of an older one, one in a thousand held; the last `open` are received and not converted.
pub fn fill(path: &Path, count: u64, open: u64) {
    drop(sqlite::open(path, Clock::system(), Durability::Relaxed).expect("a ledger"));
    let conn = Connection::open(path).expect("its database");
    conn.execute_batch("PRAGMA synchronous = off; PRAGMA cache_size = -200000; BEGIN")
        .expect("begun");
    let sql = "
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
        INSERT INTO arrival (sequence, id, sender, door, feed, name, size_bytes, digest, raw,
          received_at, offered_at, origin, state, changed_at, current, hidden, replace_same_name,
          skip_duplicate)
        SELECT i,
          unhex(printf('%012x', (?2 + i * ?3) / 1000) || '7000' || '8000' || printf('%012x', i)),
          'partner:p' || (i % 50), 'sftp', 'feed-' || (i % 100),
          CAST(printf('file_%d.csv', i - (i % 4)) || (i % 100) AS BLOB),
          1000 + i, unhex(printf('%08x', (i * 2654435761) % 4294967296) || hex(zeroblob(20))
            || printf('%016x', i)),
          printf('archive/feed-%d/2020/09/13/%012x_file.csv', i % 100, i),
          ?2 + i * ?3, ?2 + i * ?3, '192.0.2.7',
          CASE WHEN i > ?1 - ?4 THEN 'received' WHEN i % 1000 = 0 THEN 'held'
               WHEN i % 4 = 3 THEN 'superseded' ELSE 'handed_off' END,
          ?2 + i * ?3, i % 4 <> 3, 0, 0, 1
        FROM n";
    conn.execute(sql, (count, FIRST_MICROS, MINUTE_MICROS, open)).expect("written");
    conn.execute_batch(
        "INSERT INTO tally (feed, state, count)
           SELECT feed, state, count(*) FROM arrival GROUP BY feed, state;
         COMMIT; PRAGMA wal_checkpoint(TRUNCATE)",
    )
    .expect("written");
}
