//! Recording sidecars, and what waits for them.
//!
//! A sidecar is recorded with the current version of its file. Without one, or when it differs from
//! it, the next version of the name takes it over ([`join`]).

use rusqlite::{Connection, OptionalExtension, Row};

use crate::clock::Timestamp;
use crate::diagnostic::Diagnostic;
use crate::ledger::{
    Arrival, Error, Event, NewSidecar, Sender, Sidecar, SidecarKind, State, Told, Verdict, Waits,
    WaitsFor,
};
use crate::names::{ArrivalId, FeedName, FileName};

use super::advance;
use super::fault::Fault;
use super::find;
use super::transaction::{Subject, Transaction};
use super::values::{Cells, Micros};

/// A sidecar's text that its event repeats; a longer one stands only in its own row.
const TOLD_BYTES_MAX: usize = 1024;

macro_rules! sidecar {
    ($rest:literal) => {
        concat!(
            "SELECT s.sequence, s.sender, s.feed, s.name, s.file, s.kind, length(s.bytes), s.digest,
               s.received_at, s.modified_s, s.mode, s.fingerprint, s.hidden, s.arrival, s.verdict FROM sidecar s ",
            $rest
        )
    };
}

fn sidecar_of(row: &Row<'_>) -> rusqlite::Result<Sidecar> {
    let mut cells = Cells::of(row);
    Ok(Sidecar {
        sequence: cells.take()?,
        sender: cells.take()?,
        feed: cells.take()?,
        name: cells.take()?,
        file: cells.take()?,
        kind: cells.take()?,
        size_bytes: cells.take()?,
        digest: cells.take()?,
        received_at: cells.time()?,
        modified_s: cells.take()?,
        mode: cells.take()?,
        fingerprint: cells.take()?,
        hidden: cells.take()?,
        arrival: cells.take()?,
        verdict: cells.take()?,
    })
}

// ---- writing ----

/// [`crate::ledger::Sidecars::receive_sidecar`].
pub(super) fn receive(tx: &mut Transaction<'_>, new: NewSidecar) -> Result<Sidecar, Fault> {
    let file = tx.current(&new.sender, &new.feed, &new.means.file)?;
    let kind = new.means.kind;
    let verdict = file.as_ref().filter(|_| kind.is_marker()).map(|_| Verdict::Seen);
    tx.sql(
        "UPDATE sidecar SET current = 0
         WHERE sender = ?1 AND feed = ?2 AND name = ?3 AND current = 1",
    )?
    .execute((&new.sender, &new.feed, &new.name))?;
    tx.sql(
        "INSERT INTO sidecar (sender, feed, name, file, kind, bytes, digest, received_at,
           modified_s, mode, fingerprint, arrival, verdict, current, hidden, told)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 1, 0, 0)",
    )?
    .execute(rusqlite::params![
        new.sender,
        new.feed,
        new.name,
        new.means.file,
        kind,
        new.bytes,
        new.digest,
        Micros(new.received_at),
        new.modified_s,
        new.mode,
        new.fingerprint,
        file.as_ref().map(|file| file.id),
        verdict,
    ])?;
    let sequence = u64::try_from(tx.conn().last_insert_rowid()).unwrap_or_default();
    let told = Event::SidecarReceived {
        sender: new.sender,
        feed: new.feed,
        name: new.name,
        sidecar: kind,
        size_bytes: new.bytes.len() as u64,
        digest: new.digest,
        text: text(&new.bytes),
    };
    tx.record(file.as_ref().map(|file| file.id), told)?;
    if let Some(file) = &file {
        wait_for_check(tx, file, kind)?;
    }
    known(tx.conn(), sequence)
}

fn text(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    (text.len() <= TOLD_BYTES_MAX).then(|| text.to_owned())
}

/// An arrival that has not been converted, or is held, goes on only when a checksum that came is checked; one
/// that waits is looked at now.
fn wait_for_check(tx: &Transaction<'_>, file: &Subject, kind: SidecarKind) -> Result<(), Fault> {
    let is_early = matches!(file.state, State::Received | State::Held);
    let what = if is_early && !kind.is_marker() { Some(WaitsFor::Check) } else { None };
    tx.sql("UPDATE arrival SET waits = coalesce(waits, ?2), look_at = ?3 WHERE sequence = ?1")?
        .execute((file.sequence, what, Micros(tx.now)))?;
    Ok(())
}

/// The sidecars that speak of a name and belong to no version of it, or to none that they agree
/// with: what they are, and whether they must be checked.
pub(super) fn unclaimed(
    tx: &Transaction<'_>,
    sender: &Sender,
    feed: &FeedName,
    file: &FileName,
) -> Result<Vec<Sidecar>, Fault> {
    let sql = sidecar!(
        "WHERE s.sender = ?1 AND s.feed = ?2 AND s.file = ?3 AND s.current = 1 AND s.hidden = 0
           AND (s.arrival IS NULL OR s.verdict IN ('differs', 'unreadable')) ORDER BY s.sequence"
    );
    let mut statement = tx.sql(sql)?;
    let found = statement.query_map((sender, feed, file), sidecar_of)?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Records unclaimed sidecars with an arrival.
pub(super) fn join(
    tx: &mut Transaction<'_>,
    arrival: ArrivalId,
    sidecars: Vec<Sidecar>,
) -> Result<(), Fault> {
    for sidecar in sidecars {
        let verdict = sidecar.kind.is_marker().then_some(Verdict::Seen);
        tx.sql("UPDATE sidecar SET arrival = ?2, verdict = ?3 WHERE sequence = ?1")?.execute((
            sidecar.sequence,
            arrival,
            verdict,
        ))?;
        let Sidecar { name, kind, digest, .. } = sidecar;
        tx.record(Some(arrival), Event::SidecarJoined { name, sidecar: kind, digest })?;
    }
    Ok(())
}

/// An arrival has a new name: what speaks of that name is recorded with it.
pub(super) fn join_renamed(tx: &mut Transaction<'_>, subject: &Subject) -> Result<(), Fault> {
    let unclaimed = unclaimed(tx, &subject.sender, &subject.feed, &subject.name)?;
    for sidecar in &unclaimed {
        wait_for_check(tx, subject, sidecar.kind)?;
    }
    join(tx, subject.id, unclaimed)
}

/// [`crate::ledger::Sidecars::sidecar_checked`].
pub(super) fn checked(
    tx: &mut Transaction<'_>,
    sequence: u64,
    verdict: Verdict,
    hold: Option<Diagnostic>,
) -> Result<(), Fault> {
    let sidecar = known(tx.conn(), sequence)?;
    let Some(id) = sidecar.arrival else { return Ok(()) };
    let mut subject = tx.subject(id)?;
    if verdict == Verdict::Differs && had_agreed(tx, id, sidecar.kind)? {
        // This version has its checksum; another one speaks of the version to come.
        tx.sql("UPDATE sidecar SET arrival = NULL WHERE sequence = ?1")?.execute([sequence])?;
        tx.sql("UPDATE arrival SET look_at = ?2 WHERE sequence = ?1")?
            .execute((subject.sequence, Micros(tx.now)))?;
        return Ok(());
    }
    tx.sql("UPDATE sidecar SET verdict = ?2 WHERE sequence = ?1")?.execute((sequence, verdict))?;
    let told =
        Event::SidecarChecked { name: sidecar.name.clone(), verdict, diagnostic: hold.clone() };
    tx.record(Some(id), told)?;
    tx.sql("UPDATE arrival SET look_at = ?2 WHERE sequence = ?1 AND waits IS NOT NULL")?
        .execute((subject.sequence, Micros(tx.now)))?;
    if matches!(verdict, Verdict::Differs | Verdict::Unreadable)
        && let Some(newer) = tx.current(&sidecar.sender, &sidecar.feed, &sidecar.file)?
        && newer.id != id
    {
        // While it was checked another version came: it may speak of that one.
        wait_for_check(tx, &newer, sidecar.kind)?;
        let known = known(tx.conn(), sequence)?;
        return join(tx, newer.id, vec![known]);
    }
    match (hold, subject.state) {
        (Some(diagnostic), State::Received | State::Converted | State::Raw) => {
            advance::apply(tx, &mut subject, Event::Held { diagnostic })
        }
        // Held for want of something it goes on being held, for the better reason.
        (Some(diagnostic), State::Held) if advance::is_held_for_want(tx, &subject)? => {
            advance::apply(tx, &mut subject, Event::Held { diagnostic })
        }
        (Some(_) | None, _) => Ok(()),
    }
}

fn had_agreed(tx: &Transaction<'_>, id: ArrivalId, kind: SidecarKind) -> Result<bool, Fault> {
    let sql = "SELECT 1 FROM sidecar WHERE arrival = ?1 AND kind = ?2 AND verdict = 'agrees'";
    Ok(tx.sql(sql)?.exists((id, kind))?)
}

/// [`crate::ledger::Sidecars::sidecar_alone`].
pub(super) fn alone(tx: &mut Transaction<'_>, sequence: u64) -> Result<(), Fault> {
    let Sidecar { sender, feed, name, file, .. } = known(tx.conn(), sequence)?;
    tx.sql("UPDATE sidecar SET told = 1 WHERE sequence = ?1")?.execute([sequence])?;
    tx.record(None, Event::SidecarAlone { sender, feed, name, file })
}

/// [`crate::ledger::Sidecars::hide_sidecar`].
pub(super) fn hide(tx: &mut Transaction<'_>, sequence: u64) -> Result<(), Fault> {
    let Sidecar { sender, feed, name, arrival, .. } = known(tx.conn(), sequence)?;
    tx.sql("UPDATE sidecar SET hidden = 1 WHERE sequence = ?1")?.execute([sequence])?;
    tx.record(arrival, Event::SidecarHidden { sender, feed, name })
}

/// [`crate::ledger::Sidecars::wait_for`].
pub(super) fn wait_for(
    tx: &mut Transaction<'_>,
    id: ArrivalId,
    before: Waits,
    waits: Waits,
) -> Result<(), Fault> {
    let subject = tx.subject(id)?;
    tx.sql(
        "UPDATE arrival SET waits = ?2, look_at = ?3
         WHERE sequence = ?1 AND waits IS NOT NULL AND look_at = ?4",
    )?
    .execute((subject.sequence, waits.what, Micros(waits.until), Micros(before.until)))?;
    Ok(())
}

// ---- reading ----

fn known(conn: &Connection, sequence: u64) -> Result<Sidecar, Fault> {
    let found = conn
        .prepare_cached(sidecar!("WHERE s.sequence = ?1"))?
        .query_row([sequence], sidecar_of)
        .optional()?;
    Ok(found.ok_or(Error::Missing { what: "sidecar", id: sequence.to_string() })?)
}

/// [`crate::ledger::Sidecars::sidecar`].
pub(super) fn current(
    conn: &Connection,
    sender: &Sender,
    feed: &FeedName,
    name: &FileName,
) -> Result<Option<Sidecar>, Fault> {
    let sql = sidecar!("WHERE s.sender = ?1 AND s.feed = ?2 AND s.name = ?3 AND s.current = 1");
    Ok(conn.prepare_cached(sql)?.query_row((sender, feed, name), sidecar_of).optional()?)
}

/// [`crate::ledger::Sidecars::sidecar_bytes`].
pub(super) fn bytes(conn: &Connection, sequence: u64) -> Result<Vec<u8>, Fault> {
    let sql = "SELECT bytes FROM sidecar WHERE sequence = ?1";
    let found = conn.prepare_cached(sql)?.query_row([sequence], |row| row.get(0)).optional()?;
    Ok(found.ok_or(Error::Missing { what: "sidecar", id: sequence.to_string() })?)
}

/// [`crate::ledger::Sidecars::sidecars`].
pub(super) fn listing(
    conn: &Connection,
    sender: &Sender,
    feed: &FeedName,
    since: Timestamp,
) -> Result<Vec<Sidecar>, Fault> {
    let sql = sidecar!(
        "WHERE s.sender = ?1 AND s.feed = ?2 AND s.current = 1 AND s.hidden = 0
           AND s.received_at >= ?3 ORDER BY s.name"
    );
    let mut statement = conn.prepare_cached(sql)?;
    let found = statement.query_map((sender, feed, Micros(since)), sidecar_of)?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// [`crate::ledger::Sidecars::sidecars_of`].
pub(super) fn of_arrival(conn: &Connection, arrival: ArrivalId) -> Result<Vec<Sidecar>, Fault> {
    let sql = sidecar!("WHERE s.arrival = ?1 AND s.current = 1 ORDER BY s.sequence");
    let mut statement = conn.prepare_cached(sql)?;
    let found = statement.query_map([arrival], sidecar_of)?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// [`crate::ledger::Sidecars::to_check`].
pub(super) fn to_check(conn: &Connection, limit: u32) -> Result<Vec<Sidecar>, Fault> {
    let sql = sidecar!(
        "WHERE s.verdict IS NULL AND s.arrival IS NOT NULL AND s.current = 1
         ORDER BY s.sequence LIMIT ?1"
    );
    let mut statement = conn.prepare_cached(sql)?;
    let found = statement.query_map([limit], sidecar_of)?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// [`crate::ledger::Sidecars::alone`].
pub(super) fn left_alone(
    conn: &Connection,
    told: Told,
    until: Timestamp,
    limit: u32,
) -> Result<Vec<Sidecar>, Fault> {
    let sql = sidecar!(
        "WHERE s.told = ?1 AND s.received_at < ?2 AND s.arrival IS NULL AND s.current = 1
           AND s.hidden = 0 ORDER BY s.received_at LIMIT ?3"
    );
    let mut statement = conn.prepare_cached(sql)?;
    let found = statement.query_map((told == Told::Yes, Micros(until), limit), sidecar_of)?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// [`crate::ledger::Sidecars::differs_too_late`].
pub(super) fn differs_too_late(conn: &Connection, limit: u32) -> Result<Vec<Sidecar>, Fault> {
    let sql = sidecar!(
        "JOIN arrival a ON a.id = s.arrival WHERE s.verdict = 'differs' AND s.current = 1
           AND a.state IN ('batched', 'published', 'handed_off') ORDER BY s.sequence LIMIT ?1"
    );
    let mut statement = conn.prepare_cached(sql)?;
    let found = statement.query_map([limit], sidecar_of)?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// [`crate::ledger::Sidecars::incomplete`].
pub(super) fn incomplete(
    conn: &Connection,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Arrival>, Fault> {
    let sql = find::select_arrival!(
        "WHERE a.waits IS NOT NULL AND a.state IN ('received', 'held') AND a.look_at <= ?1
         ORDER BY a.look_at LIMIT ?2"
    );
    let mut statement = conn.prepare_cached(sql)?;
    let found = statement.query_map((Micros(now), limit), find::arrival_of)?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// [`crate::ledger::Sidecars::waiting`].
pub(super) fn waiting(conn: &Connection) -> Result<Vec<(FeedName, WaitsFor, u64)>, Fault> {
    let sql = "SELECT feed, waits, count(*) FROM arrival INDEXED BY arrival_waits
               WHERE waits IS NOT NULL AND state IN ('received', 'held') AND state = 'received'
                 AND sender NOT LIKE 'test:%' GROUP BY feed, waits ORDER BY feed, waits";
    let mut statement = conn.prepare_cached(sql)?;
    let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(found.collect::<Result<_, _>>()?)
}
