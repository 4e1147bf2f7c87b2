//! What the ledger knows beside its events, as lines of text, and a ledger made again from them.
//!
//! A line is `{"table": …, "row": {column: value}}`; bytes stand as `{"hex": …}`. Whoever reads lines
//! back takes the columns that the tables of this version have, so that lines of an older version
//! still serve.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Params, ToSql};
use serde::{Deserialize, Serialize};

use crate::durable::Durability;
use crate::ledger::Error;
use crate::ledger::log::{Leaf, Signed, Touched};
use crate::ledger::tree::{self, Frontier};

use super::fault::Fault;
use super::values::Micros;
use super::{log, schema};

/// Tables that lines speak of, those that others refer to first.
const TABLES: [&str; 18] = [
    "arrival",
    "conversion",
    "learned",
    "sidecar",
    "replacement",
    "replay",
    "batch",
    "batch_file",
    "merged_file",
    "retraction",
    "delivery",
    "pull",
    "expecting",
    "expected",
    "counted",
    "erasure",
    "hold",
    "alert",
];

/// A row of a table.
#[derive(Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) table: String,
    pub(super) row: BTreeMap<String, Cell>,
}

/// A value in a row.
#[derive(PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Cell {
    Null(()),
    Whole(i64),
    Real(f64),
    Text(String),
    Bytes { hex: String },
}

/// [`crate::ledger::Log::rows`].
pub(super) fn of(conn: &Connection, touched: &Touched) -> Result<Vec<String>, Fault> {
    let mut lines = Vec::new();
    for id in &touched.arrivals {
        let one = "(SELECT sequence FROM arrival WHERE id = ?1)";
        dump(conn, &mut lines, "arrival", "id = ?1", [id])?;
        dump(conn, &mut lines, "conversion", &format!("arrival = {one}"), [id])?;
        dump(conn, &mut lines, "sidecar", "arrival = ?1", [id])?;
        dump(conn, &mut lines, "replacement", &format!("newer = {one}"), [id])?;
        dump(conn, &mut lines, "replay", &format!("arrival = {one}"), [id])?;
        dump(conn, &mut lines, "batch_file", "arrival = ?1", [id])?;
        let shared = "target IN (SELECT target FROM batch_file WHERE arrival = ?1)";
        dump(conn, &mut lines, "merged_file", shared, [id])?;
        dump(conn, &mut lines, "counted", "arrival = ?1", [id])?;
        dump(conn, &mut lines, "erasure", &format!("arrival = {one}"), [id])?;
    }
    for (feed, revision) in &touched.revisions {
        dump(conn, &mut lines, "learned", "feed = ?1 AND revision = ?2", (feed, revision))?;
    }
    for id in &touched.batches {
        let own = "(feed, sequence) = (SELECT feed, sequence FROM batch WHERE id = ?1)";
        dump(conn, &mut lines, "batch", "id = ?1", [id])?;
        dump(conn, &mut lines, "batch_file", own, [id])?;
        dump(conn, &mut lines, "merged_file", own, [id])?;
        dump(conn, &mut lines, "retraction", own, [id])?;
        dump(conn, &mut lines, "delivery", "batch = ?1", [id])?;
    }
    for name in &touched.holds {
        dump(conn, &mut lines, "hold", "name = ?1", [name])?;
    }
    for name in &touched.pulls {
        dump(conn, &mut lines, "pull", "name = ?1", [name])?;
    }
    for feed in &touched.expecting {
        dump(conn, &mut lines, "expecting", "feed = ?1", [feed])?;
    }
    for name in &touched.alerts {
        dump(conn, &mut lines, "alert", "name = ?1", [name])?;
    }
    for (feed, date) in &touched.dates {
        dump(conn, &mut lines, "expected", "feed = ?1 AND date = ?2", (feed, date.to_string()))?;
    }
    Ok(lines)
}

fn dump(
    conn: &Connection,
    lines: &mut Vec<String>,
    table: &str,
    which: &str,
    by: impl Params,
) -> Result<(), Fault> {
    let mut statement = conn.prepare_cached(&format!("SELECT * FROM {table} WHERE {which}"))?;
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut rows = statement.query(by)?;
    while let Some(row) = rows.next()? {
        let mut line = Line { table: table.to_owned(), row: BTreeMap::new() };
        for (at, name) in names.iter().enumerate() {
            line.row.insert(name.clone(), Cell::of(row.get_ref(at)?));
        }
        let json = serde_json::to_string(&line)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        lines.push(json);
    }
    Ok(())
}

impl Cell {
    fn of(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null(()),
            ValueRef::Integer(whole) => Self::Whole(whole),
            ValueRef::Real(real) => Self::Real(real),
            ValueRef::Text(text) => Self::Text(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Blob(bytes) => {
                Self::Bytes { hex: bytes.iter().map(|byte| format!("{byte:02x}")).collect() }
            }
        }
    }
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null(()) => ToSqlOutput::Owned(Value::Null),
            Self::Whole(whole) => ToSqlOutput::Owned(Value::Integer(*whole)),
            Self::Real(real) => ToSqlOutput::Owned(Value::Real(*real)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Bytes { hex } => {
                let byte =
                    |at| hex.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
                let bytes = (0..hex.len()).step_by(2).map_while(byte).collect();
                ToSqlOutput::Owned(Value::Blob(bytes))
            }
        })
    }
}

/// A ledger in the making, in one transaction.
#[derive(Debug)]
pub struct Rebuilding {
    conn: Connection,
    tree: Frontier,
    columns: BTreeMap<&'static str, BTreeSet<String>>,
    left_out: u64,
}

impl Rebuilding {
    /// Begins a ledger in a new file. It is `log` from now on, or a log of its own.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn new(path: &Path, log: Option<&str>) -> Result<Self, Error> {
        Self::begin(path, log).map_err(failed)
    }

    fn begin(path: &Path, log: Option<&str>) -> rusqlite::Result<Self> {
        let conn = schema::open_writer(path, Durability::Full)?;
        conn.execute_batch("PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE")?;
        conn.execute("UPDATE log SET id = coalesce(?1, id)", [log])?;
        let mut columns = BTreeMap::new();
        for table in TABLES {
            let mut info = conn.prepare(&format!("PRAGMA table_info({table})"))?;
            let names = info.query_map([], |row| row.get::<_, String>(1))?;
            columns.insert(table, names.collect::<Result<_, _>>()?);
        }
        Ok(Self { conn, tree: Frontier::default(), columns, left_out: 0 })
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn event(&mut self, leaf: &Leaf) -> Result<(), Error> {
        let hash = tree::leaf(&leaf.record);
        let record = String::from_utf8_lossy(&leaf.record);
        let nodes = self.tree.push(hash);
        let kept = || -> rusqlite::Result<()> {
            self.conn
                .prepare_cached(
                    "INSERT INTO event (sequence, at, arrival, record, hash)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute((leaf.sequence, Micros(leaf.at), leaf.arrival, record, hash))?;
            log::keep(&self.conn, nodes)
        };
        kept().map_err(failed)
    }

    /// Takes a checkpoint.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn checkpoint(&mut self, signed: &Signed) -> Result<(), Error> {
        log::insert_checkpoint(&self.conn, signed).map_err(failed)
    }

    /// Takes what a line says; a later one of the same row takes its place.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn row(&mut self, line: &[u8]) -> Result<(), Error> {
        let line: Option<Line> = serde_json::from_slice(line).ok();
        let taken = line.map(|line| self.insert(&line)).transpose().map_err(failed)?;
        if taken != Some(true) {
            self.left_out += 1;
        }
        Ok(())
    }

    fn insert(&self, line: &Line) -> rusqlite::Result<bool> {
        let Some((table, columns)) = self.columns.get_key_value(line.table.as_str()) else {
            return Ok(false);
        };
        if *table == "arrival" {
            self.give_up_name(&line.row)?;
        }
        let known: Vec<(&String, &Cell)> =
            line.row.iter().filter(|(name, _)| columns.contains(*name)).collect();
        let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
        let places: Vec<String> = (1..=known.len()).map(|at| format!("?{at}")).collect();
        let sql = format!(
            "INSERT OR REPLACE INTO {table} ({}) VALUES ({})",
            names.join(", "),
            places.join(", ")
        );
        let cells = known.iter().map(|(_, cell)| *cell);
        match self.conn.prepare_cached(&sql)?.execute(rusqlite::params_from_iter(cells)) {
            Ok(_) => Ok(true),
            // A row that these tables do not allow is told of, and the others stand.
            Err(rusqlite::Error::SqliteFailure(error, _))
                if error.code == rusqlite::ErrorCode::ConstraintViolation =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// The newest line about a name says which arrival has it.
    fn give_up_name(&self, row: &BTreeMap<String, Cell>) -> rusqlite::Result<()> {
        let (Some(Cell::Whole(1)), Some(sender), Some(feed), Some(name)) =
            (row.get("current"), row.get("sender"), row.get("feed"), row.get("name"))
        else {
            return Ok(());
        };
        self.conn
            .prepare_cached(
                "UPDATE arrival SET current = 0
                 WHERE sender = ?1 AND feed = ?2 AND name = ?3 AND current = 1",
            )?
            .execute((sender, feed, name))?;
        Ok(())
    }

    /// Counts what is there and keeps all of it. Answers how many arrivals there are, and how many
    /// lines could not be taken.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn finish(self) -> Result<(u64, u64), Error> {
        let kept = || -> rusqlite::Result<u64> {
            self.conn.execute_batch(
                "DELETE FROM replacement WHERE older NOT IN (
                   SELECT sequence FROM arrival WHERE state IN ('batched', 'published', 'handed_off'));
                 INSERT INTO tally (feed, state, count)
                   SELECT feed, state, count(*) FROM arrival WHERE sender NOT LIKE 'test:%'
                   GROUP BY feed, state;
                 COMMIT;
                 PRAGMA wal_checkpoint(TRUNCATE);",
            )?;
            self.conn.query_row("SELECT count(*) FROM arrival", [], |row| row.get(0))
        };
        Ok((kept().map_err(failed)?, self.left_out))
    }
}

fn failed(error: rusqlite::Error) -> Error {
    Fault::from(error).into_error("be made again")
}
