//! Answering queries: each walks one index from the newest arrival back.
//!
//! A query may name several things. The one that narrows most leads the walk ([`Way`]); the others
//! are compared on the way. No walk looks at more than [`EXAMINED_MAX`] arrivals, so that an answer
//! takes no longer in a ledger of a hundred million rows than in one of a million; it says where to
//! go on instead.
//!
//! A period becomes a range of sequences: ids begin with the time of receipt, and the order of ids
//! differs from that of sequences only by what was received at once ([`SLACK`]).

use std::cmp::Reverse;
use std::collections::BTreeSet;

use rusqlite::{Connection, ToSql};

use crate::clock::Timestamp;
use crate::ledger::{Arrival, ArrivalQuery, DigestRange, Found, NamePattern, State};
use crate::names::ArrivalId;

use super::fault::Fault;
use super::find::{arrival_of, select_arrival};
use super::values::Micros;

/// How many arrivals a query lists that does not say.
const LISTED_DEFAULT: u32 = 100;
/// Arrivals that one walk looks at; a walk that compares names does so in less than 100 ms.
const EXAMINED_MAX: u32 = 30_000;
/// Names that are collected from the indexes of names; if more begin so, a walk meets them often.
const NAMED_MAX: u32 = 150_000;
/// Senders and feeds in which a name is looked up.
const PAIRS_MAX: u32 = 10_000;
/// How far the clock of one arrival may be from that of its neighbours in the order of receipt.
const SLACK: jiff::SignedDuration = jiff::SignedDuration::from_mins(10);

/// [`crate::ledger::Ledger::find`].
pub(super) fn find(conn: &Connection, query: &ArrivalQuery) -> Result<Found, Fault> {
    let Some(range) = Range::of(conn, query)? else { return Ok(Found::default()) };
    let states: BTreeSet<State> = query.states.iter().copied().collect();
    let states: Vec<State> = states.into_iter().collect();
    let walks = walks(query, lead(conn, query)?, range, &states);
    let mut found = Found::default();
    for walk in walks {
        let walked = walk.back(conn)?;
        found.arrivals.extend(walked.arrivals);
        found.before = found.before.max(walked.before);
    }
    found.arrivals.sort_by_key(|arrival| Reverse(arrival.sequence));
    // What one walk found beyond the end of another comes with the next page.
    found.arrivals.retain(|arrival| found.before.is_none_or(|end| arrival.sequence >= end));
    let limit = usize::try_from(limit_of(query)).unwrap_or(usize::MAX);
    if found.arrivals.len() > limit {
        found.arrivals.truncate(limit);
        found.before = found.arrivals.last().map(|last| last.sequence);
    }
    Ok(found)
}

fn limit_of(query: &ArrivalQuery) -> u32 {
    if query.limit == 0 { LISTED_DEFAULT } else { query.limit }
}

fn walks<'q>(
    query: &'q ArrivalQuery,
    lead: Option<Way<'q>>,
    range: Range,
    states: &'q [State],
) -> Vec<Walk<'q>> {
    match lead {
        Some(way) => vec![Walk::new(query, way, range, states)],
        None => {
            let of_state = |state| Walk::new(query, Way::State(state), range, &[]);
            states.iter().map(of_state).collect()
        }
    }
}

/// What leads a walk.
enum Way<'q> {
    Digest(DigestRange),
    Names(Vec<u8>, Option<Vec<u8>>),
    State(&'q State),
    Sender(&'q dyn ToSql),
    Feed(&'q dyn ToSql),
    Everything,
}

/// What narrows a query most; `None` means its states, each with a walk of its own.
fn lead<'q>(conn: &Connection, query: &'q ArrivalQuery) -> Result<Option<Way<'q>>, Fault> {
    if let Some(range) = query.digest {
        return Ok(Some(Way::Digest(range)));
    }
    if let Some(name) = &query.name {
        let (lowest, above) = name.range();
        let begins = !lowest.is_empty();
        let way = Way::Names(lowest, above);
        if begins && are_few(conn, &way)? {
            return Ok(Some(way));
        }
    }
    // Nearly everything is handed off in the end: that narrows nothing.
    if !query.states.is_empty() && !query.states.contains(&State::HandedOff) {
        return Ok(None);
    }
    Ok(Some(match (&query.sender, &query.feed) {
        (Some(sender), _) => Way::Sender(sender),
        (None, Some(feed)) => Way::Feed(feed),
        (None, None) => Way::Everything,
    }))
}

fn are_few(conn: &Connection, way: &Way<'_>) -> Result<bool, Fault> {
    let whole = Range { from: 0, before: i64::MAX };
    let (sql, values) = way.unordered(&whole, &NAMED_MAX);
    let sql = format!("SELECT count(*) FROM (SELECT sequence FROM ({sql}) LIMIT ?3)");
    let count: u32 = conn.prepare_cached(&sql)?.query_row(values.as_slice(), |row| row.get(0))?;
    Ok(count < NAMED_MAX)
}

impl Way<'_> {
    /// Finds sequences in a range, the newest first, up to `most`.
    fn sequences<'v>(&'v self, range: &'v Range, most: &'v u32) -> (String, Vec<&'v dyn ToSql>) {
        let (sql, values) = self.unordered(range, most);
        let sql = match self {
            // The order is that of the index.
            Self::State(_) | Self::Sender(_) | Self::Feed(_) | Self::Everything => {
                format!("{sql} ORDER BY sequence DESC LIMIT ?3")
            }
            Self::Digest(_) | Self::Names(..) => {
                format!("SELECT sequence FROM ({sql}) ORDER BY +sequence DESC LIMIT ?3")
            }
        };
        (sql, values)
    }

    /// Finds sequences in a range.
    fn unordered<'v>(&'v self, range: &'v Range, most: &'v u32) -> (String, Vec<&'v dyn ToSql>) {
        let mut values: Vec<&dyn ToSql> = vec![&range.from, &range.before, most];
        let condition = match self {
            Self::Names(lowest, above) => {
                values.extend([lowest as &dyn ToSql, &PAIRS_MAX]);
                values.extend(above.as_ref().map(|above| above as &dyn ToSql));
                return (named(above.as_deref()), values);
            }
            Self::Digest(range) => {
                values.extend([&range.lowest as &dyn ToSql, &range.highest]);
                // The plus keeps SQLite from walking all sequences instead.
                let sql = "SELECT sequence FROM arrival
                           WHERE digest BETWEEN ?4 AND ?5 AND +sequence >= ?1 AND +sequence < ?2";
                return (sql.to_owned(), values);
            }
            Self::State(state) => {
                values.push(state);
                "state = ?4 AND"
            }
            Self::Sender(sender) => {
                values.push(sender);
                "sender = ?4 AND"
            }
            Self::Feed(feed) => {
                values.push(feed);
                "feed = ?4 AND"
            }
            Self::Everything => "",
        };
        let sql = format!(
            "SELECT sequence FROM arrival WHERE {condition} sequence >= ?1 AND sequence < ?2"
        );
        (sql, values)
    }
}

/// Finds names by hopping from sender to sender and feed to feed over the index of current names,
/// where each is looked up, and then among the names that are not current.
fn named(above: Option<&[u8]>) -> String {
    let upper = |name: &str| above.map_or(String::new(), |_| format!("AND {name} < ?6"));
    format!(
        "WITH RECURSIVE
           senders (sender) AS (
             SELECT min(sender) FROM arrival WHERE current = 1
             UNION ALL
             SELECT (SELECT min(sender) FROM arrival WHERE current = 1 AND sender > s.sender)
             FROM senders s WHERE s.sender IS NOT NULL),
           pairs (sender, feed) AS (
             SELECT s.sender,
               (SELECT min(feed) FROM arrival WHERE current = 1 AND sender = s.sender)
             FROM senders s WHERE s.sender IS NOT NULL
             UNION ALL
             SELECT p.sender, (SELECT min(feed) FROM arrival
                               WHERE current = 1 AND sender = p.sender AND feed > p.feed)
             FROM pairs p WHERE p.feed IS NOT NULL LIMIT ?5)
         SELECT a.sequence FROM pairs p CROSS JOIN arrival a INDEXED BY arrival_current
         WHERE a.current = 1 AND a.sender = p.sender AND a.feed = p.feed
           AND a.name >= ?4 {} AND a.sequence >= ?1 AND a.sequence < ?2
         UNION ALL
         SELECT sequence FROM arrival INDEXED BY arrival_older
         WHERE current = 0 AND name >= ?4 {} AND sequence >= ?1 AND sequence < ?2",
        upper("a.name"),
        upper("name"),
    )
}

/// Sequences from one to before another.
#[derive(Debug, Clone, Copy)]
struct Range {
    from: i64,
    before: i64,
}

impl Range {
    /// Where what a query asks for can be; `None` when nowhere.
    fn of(conn: &Connection, query: &ArrivalQuery) -> Result<Option<Self>, Fault> {
        let before =
            query.before.map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX));
        let mut range = Self { from: 0, before };
        // Several at each end: one that was found later in the archive has an early id and a late
        // sequence.
        if let Some(since) = query.since {
            let Some(first) = first_at(conn, since)? else { return Ok(None) };
            range.from = first;
        }
        if let Some(until) = query.until {
            let sql = "SELECT max(sequence) FROM
                         (SELECT sequence FROM arrival WHERE id < ?1 ORDER BY id DESC LIMIT 64)";
            let lowest = lowest_id(until.checked_add(SLACK).unwrap_or(Timestamp::MAX));
            let last: Option<i64> =
                conn.prepare_cached(sql)?.query_row([lowest], |row| row.get(0))?;
            let Some(last) = last else { return Ok(None) };
            range.before = range.before.min(last.saturating_add(1));
        }
        Ok(Some(range))
    }
}

/// A sequence before which nothing was received at or after a time; `None` when nothing was.
fn first_at(conn: &Connection, since: Timestamp) -> Result<Option<i64>, Fault> {
    let sql = "SELECT min(sequence) FROM
                 (SELECT sequence FROM arrival WHERE id >= ?1 ORDER BY id LIMIT 64)";
    let lowest = lowest_id(since.checked_sub(SLACK).unwrap_or(Timestamp::MIN));
    Ok(conn.prepare_cached(sql)?.query_row([lowest], |row| row.get(0))?)
}

/// [`crate::ledger::Custody::sequence_at`].
pub(super) fn sequence_at(conn: &Connection, since: Timestamp) -> Result<u64, Fault> {
    let first = match first_at(conn, since)? {
        Some(first) => Some(first),
        None => conn
            .prepare_cached("SELECT max(sequence) + 1 FROM arrival")?
            .query_row([], |row| row.get(0))?,
    };
    Ok(first.and_then(|first| u64::try_from(first).ok()).unwrap_or(0))
}

/// The lowest id that can have been made at a time (RFC 9562 section 5.7: it begins with 48 bits of
/// milliseconds).
fn lowest_id(at: Timestamp) -> ArrivalId {
    let millis = u128::try_from(at.as_millisecond()).unwrap_or(0);
    ArrivalId::from_bytes((millis << 80).to_be_bytes())
}

/// One walk of a query.
struct Walk<'q> {
    way: Way<'q>,
    range: Range,
    compared: Compared<'q>,
    /// At most so many arrivals are wanted, …
    limit: u32,
    /// … for which the walk may take one more step, so that it shows whether there are more, …
    taken: u32,
    /// … and so many are looked at.
    examined: u32,
}

impl<'q> Walk<'q> {
    fn new(query: &'q ArrivalQuery, way: Way<'q>, range: Range, states: &'q [State]) -> Self {
        let limit = limit_of(query);
        let taken = limit.saturating_add(1);
        let compared = Compared::of(query, states);
        Self { way, range, compared, limit, taken, examined: EXAMINED_MAX.max(taken) }
    }

    /// Walks; answers up to one arrival more than the limit.
    fn back(&self, conn: &Connection) -> Result<Found, Fault> {
        let (sql, values) = self.sql();
        let mut statement = conn.prepare_cached(&sql)?;
        let arrivals: Vec<Arrival> =
            statement.query_map(values.as_slice(), arrival_of)?.collect::<Result<_, _>>()?;
        let is_full = arrivals.len() > usize::try_from(self.limit).unwrap_or(usize::MAX);
        let before = if is_full { None } else { self.end(conn)? };
        Ok(Found { arrivals, before })
    }

    /// The inner select walks and ends the walk, the middle one compares, the outer one reads.
    fn sql(&self) -> (String, Vec<&dyn ToSql>) {
        let (way, values) = self.way.sequences(&self.range, &self.examined);
        let mut filter = Filter { conditions: Vec::new(), values };
        let of = &self.compared;
        filter.and("f.sender =", of.query.sender.as_ref());
        filter.and("f.feed =", of.query.feed.as_ref());
        filter.and("f.received_at >=", of.since.as_ref());
        filter.and("f.received_at <", of.until.as_ref());
        filter.and("f.name =", of.name.as_ref());
        filter.and("CAST(f.name AS TEXT) GLOB", of.glob.as_ref());
        filter.any_of("f.state", of.states);
        filter.values.push(&self.taken);
        let sql = format!(
            "{}({way}) w CROSS JOIN arrival f ON f.sequence = w.sequence WHERE {}
               ORDER BY w.sequence DESC LIMIT ?{}) ORDER BY a.sequence DESC",
            select_arrival!("WHERE a.sequence IN (SELECT w.sequence FROM "),
            filter.text(),
            filter.values.len(),
        );
        (sql, filter.values)
    }

    /// Where the walk ended before it had looked at everything.
    fn end(&self, conn: &Connection) -> Result<Option<u64>, Fault> {
        let (way, values) = self.way.sequences(&self.range, &self.examined);
        let sql = format!("SELECT count(*), min(sequence) FROM ({way})");
        let mut statement = conn.prepare_cached(&sql)?;
        let (count, end): (u32, Option<u64>) =
            statement.query_row(values.as_slice(), |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(end.filter(|_| count >= self.examined))
    }
}

/// What is compared on a walk.
struct Compared<'q> {
    query: &'q ArrivalQuery,
    states: &'q [State],
    since: Option<Micros>,
    until: Option<Micros>,
    name: Option<Vec<u8>>,
    glob: Option<&'q str>,
}

impl<'q> Compared<'q> {
    fn of(query: &'q ArrivalQuery, states: &'q [State]) -> Self {
        let name = query.name.as_ref();
        Self {
            query,
            states,
            since: query.since.map(Micros),
            until: query.until.map(Micros),
            name: name.filter(|name| name.glob().is_none()).map(|name| name.range().0),
            glob: name.and_then(NamePattern::glob),
        }
    }
}

/// The conditions of a walk and the values of the whole statement, in order.
struct Filter<'q> {
    conditions: Vec<String>,
    values: Vec<&'q dyn ToSql>,
}

impl<'q> Filter<'q> {
    fn and<T: ToSql>(&mut self, condition: &str, value: Option<&'q T>) {
        if let Some(value) = value {
            self.values.push(value);
            self.conditions.push(format!("{condition} ?{}", self.values.len()));
        }
    }

    fn any_of<T: ToSql>(&mut self, column: &str, values: &'q [T]) {
        if values.is_empty() {
            return;
        }
        let places = values.iter().map(|value| {
            self.values.push(value);
            format!("?{}", self.values.len())
        });
        let places: Vec<String> = places.collect();
        self.conditions.push(format!("{column} IN ({})", places.join(", ")));
    }

    fn text(&self) -> String {
        if self.conditions.is_empty() { "true".to_owned() } else { self.conditions.join(" AND ") }
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    /// What SQLite says of each step of a query.
    fn plan(conn: &Connection, query: &ArrivalQuery) -> Vec<String> {
        let range = Range { from: 0, before: i64::MAX };
        let states = query.states.clone();
        let walks = walks(query, lead(conn, query).expect("read"), range, &states);
        let mut steps = Vec::new();
        for walk in walks {
            let (sql, values) = walk.sql();
            let mut explained =
                conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("prepared");
            let told = explained.query_map(values.as_slice(), |row| row.get::<_, String>(3));
            steps.extend(told.expect("explained").map(|step| step.expect("text")));
        }
        steps
    }

    #[test]
    fn no_query_scans_the_arrivals() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ledger.db");
        let conn = schema::open_writer(&path, crate::durable::Durability::Relaxed).expect("open");
        let query = ArrivalQuery::default;
        let feed = || Some("orders".parse().expect("a feed"));
        let sender = || Some("partner:acme".parse().expect("a sender"));
        let digest = |digits: &str| Some(digits.parse().expect("digits"));
        let name = |text| Some(NamePattern::new(text));
        let full = "ab".repeat(32);
        let asked = [
            (query(), "INTEGER PRIMARY KEY"),
            (ArrivalQuery { feed: feed(), ..query() }, "arrival_feed"),
            (ArrivalQuery { sender: sender(), ..query() }, "arrival_sender"),
            (ArrivalQuery { sender: sender(), feed: feed(), ..query() }, "arrival_sender"),
            (ArrivalQuery { digest: digest(&full), ..query() }, "arrival_digest"),
            (ArrivalQuery { digest: digest("abcd"), ..query() }, "arrival_digest"),
            (ArrivalQuery { states: vec![State::Held], ..query() }, "arrival_state"),
            (
                ArrivalQuery { states: vec![State::HandedOff], feed: feed(), ..query() },
                "arrival_feed",
            ),
            (ArrivalQuery { name: name("a.csv"), ..query() }, "arrival_older"),
            (ArrivalQuery { name: name("a*"), feed: feed(), ..query() }, "arrival_older"),
            (ArrivalQuery { name: name("*a"), feed: feed(), ..query() }, "arrival_feed"),
        ];
        for (query, index) in asked {
            let steps = plan(&conn, &query);
            let told = steps.join("\n");
            assert!(told.contains(index), "{query:?}\n{told}");
            let scans = |step: &&String| {
                step.starts_with("SCAN") && (step.contains("arrival") || step.ends_with(" f"))
            };
            assert_eq!(steps.iter().find(scans), None, "{query:?}\n{told}");
        }
    }
}
