//! Recording arrivals: what is a duplicate, what takes the place of what.
//!
//! A name has at most one current version for its sender and feed. In a feed that replaces, a
//! newer version supersedes every older one that no batch has fixed as soon as it is on its way;
//! those that a batch has fixed are noted in `replacement` and retracted by the batch that carries
//! the newer one, so that in the end no two versions are live. A held arrival takes the name but
//! replaces nothing until it is released.

use rusqlite::OptionalExtension as _;

use crate::ledger::{Arrival, Event, NewArrival, State, Waits, WaitsFor};
use crate::names::ArrivalId;

use super::fault::Fault;
use super::find;
use super::pulls;
use super::sidecars;
use super::transaction::{Subject, Transaction, subject};
use super::values::{Json, Micros};

/// [`crate::ledger::Ledger::receive`].
pub(super) fn receive(tx: &mut Transaction<'_>, mut new: NewArrival) -> Result<Arrival, Fault> {
    if let Some(known) = find::arrival(tx.conn(), new.id)? {
        return Ok(known);
    }
    let current = tx.current(&new.sender, &new.feed, &new.name)?;
    let place = Place::of(&new, current);
    if let Place::Newer { than, .. } = &place {
        tx.sql("UPDATE arrival SET current = 0 WHERE sequence = ?1")?.execute([than.sequence])?;
    }
    let sidecars = if place.is_current() {
        sidecars::unclaimed(tx, &new.sender, &new.feed, &new.name)?
    } else {
        // What is recorded only goes nowhere, so it waits for nothing.
        new.waits = None;
        Vec::new()
    };
    if !sidecars.is_empty() {
        let what = new.waits.map_or(WaitsFor::Check, |waits| waits.what);
        new.waits = Some(Waits { what, until: tx.now });
    }
    let same_bytes_as = same_bytes_as(tx, &new, &place)?;
    let mut subject = insert(tx, &new, &place)?;
    if same_bytes_as.is_some() {
        tx.sql("UPDATE arrival SET same_bytes_as = ?2 WHERE sequence = ?1")?
            .execute((subject.sequence, same_bytes_as))?;
    }
    let received = Event::Received {
        sender: new.sender,
        door: new.door,
        feed: new.feed,
        name: new.name,
        size_bytes: new.size_bytes,
        digest: new.digest,
        origin: new.origin,
        supersedes: place.supersedes(),
        adopted: new.adopted,
        waits: new.waits.map(|waits| waits.what),
        same_bytes_as,
    };
    tx.record(Some(new.id), received)?;
    sidecars::join(tx, new.id, sidecars)?;
    if let Place::Newer { than, .. } = &place {
        note_replacement(tx, &subject, than)?;
    }
    match (&place, new.held) {
        (Place::Duplicate { of }, _) => {
            tx.step(&mut subject, Event::Duplicate { of: of.id })?;
            offer_again(tx, of, &subject)?;
        }
        (_, Some(diagnostic)) => {
            tx.sql("UPDATE arrival SET diagnostic = ?2 WHERE sequence = ?1")?
                .execute((subject.sequence, Json(&diagnostic)))?;
            tx.step(&mut subject, Event::Held { diagnostic })?;
        }
        (Place::Late { than }, None) if subject.replace_same_name => {
            tx.step(&mut subject, Event::Superseded { by: than.id })?;
        }
        (Place::Newer { than, .. }, None) => {
            supersede_older(tx, &subject)?;
            supersede_incomplete(tx, &subject, than)?;
        }
        (Place::First | Place::Late { .. }, None) => supersede_older(tx, &subject)?,
    }
    if let Some(run) = new.ends {
        pulls::ended(tx, run)?;
    }
    find::known(tx.conn(), new.id)
}

/// What an arrival is to the current version of its name.
enum Place {
    /// There is no other.
    First,
    /// It takes the name.
    Newer { than: Subject, same_bytes: bool },
    /// It is the same once more, and the feed skips such.
    Duplicate { of: Subject },
    /// Start-up found it after its sender had sent a newer version: it does not take the name.
    Late { than: Subject },
}

impl Place {
    fn of(new: &NewArrival, current: Option<Subject>) -> Self {
        let Some(current) = current else { return Self::First };
        // What is erased is not there any more: the same bytes are taken like others.
        let same_bytes = current.digest == new.digest && !current.state.is_erased();
        if same_bytes && new.skip_duplicate {
            Self::Duplicate { of: current }
        } else if new.adopted && current.received_at > new.received_at {
            Self::Late { than: current }
        } else {
            Self::Newer { than: current, same_bytes }
        }
    }

    fn is_current(&self) -> bool {
        match self {
            Self::First | Self::Newer { .. } => true,
            Self::Duplicate { .. } | Self::Late { .. } => false,
        }
    }

    fn supersedes(&self) -> Option<ArrivalId> {
        match self {
            Self::Newer { than, .. } => Some(than.id),
            Self::First | Self::Duplicate { .. } | Self::Late { .. } => None,
        }
    }

    fn duplicate_of(&self) -> Option<ArrivalId> {
        match self {
            Self::Duplicate { of } | Self::Newer { than: of, same_bytes: true } => Some(of.id),
            Self::First | Self::Newer { .. } | Self::Late { .. } => None,
        }
    }
}

fn insert(tx: &mut Transaction<'_>, new: &NewArrival, place: &Place) -> Result<Subject, Fault> {
    let sequence = tx.next_arrival();
    let state = State::Received;
    tx.sql(
        "INSERT INTO arrival (sequence, id, sender, door, feed, name, size_bytes, digest, raw,
           received_at, offered_at, modified_s, mode, origin, fingerprint, state, changed_at,
           current, hidden, replace_same_name, skip_duplicate, duplicate_of, supersedes, waits,
           look_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, ?11, ?12, ?13, ?14, ?15, ?16,
           ?17, 0, ?18, ?19, ?20, ?21, ?22, ?23)",
    )?
    .execute(rusqlite::params![
        sequence,
        new.id,
        new.sender,
        new.door,
        new.feed,
        new.name,
        new.size_bytes,
        new.digest,
        new.raw,
        Micros(new.received_at),
        new.modified_s,
        new.mode,
        new.origin,
        new.fingerprint,
        state,
        Micros(tx.now),
        place.is_current(),
        new.replace_same_name,
        new.skip_duplicate,
        place.duplicate_of(),
        place.supersedes(),
        new.waits.map(|waits| waits.what),
        new.waits.map(|waits| Micros(waits.until)),
    ])?;
    if !new.sender.is_test() {
        tx.tally(&new.feed, state, 1);
    }
    Ok(Subject {
        sequence,
        id: new.id,
        sender: new.sender.clone(),
        feed: new.feed.clone(),
        name: new.name.clone(),
        digest: new.digest,
        received_at: new.received_at,
        state,
        replace_same_name: new.replace_same_name,
        skip_duplicate: new.skip_duplicate,
        duplicate_of: place.duplicate_of(),
        waits: new.waits.is_some(),
    })
}

/// Arrivals with the same digest that are looked through for one of the same sender and feed.
const SAME_BYTES_MAX: u32 = 100;

/// The newest of the sender's arrivals in the feed with the same bytes under another name. Empty
/// files say nothing.
fn same_bytes_as(
    tx: &Transaction<'_>,
    new: &NewArrival,
    place: &Place,
) -> Result<Option<ArrivalId>, Fault> {
    if new.size_bytes == 0 || !place.is_current() {
        return Ok(None);
    }
    let sql = "SELECT id FROM (SELECT sequence, id, sender, feed, name FROM arrival
                 WHERE digest = ?1 ORDER BY sequence DESC LIMIT ?5)
               WHERE sender = ?2 AND feed = ?3 AND name <> ?4 ORDER BY sequence DESC LIMIT 1";
    let by = (new.digest, &new.sender, &new.feed, &new.name, SAME_BYTES_MAX);
    Ok(tx.sql(sql)?.query_row(by, |row| row.get(0)).optional()?)
}

/// An older version that was never confirmed goes nowhere once a newer one has its name.
fn supersede_incomplete(
    tx: &mut Transaction<'_>,
    newer: &Subject,
    older: &Subject,
) -> Result<(), Fault> {
    let mut older = tx.subject(older.id)?;
    match older.state {
        State::Received | State::Held if older.waits => {
            tx.step(&mut older, Event::Superseded { by: newer.id })
        }
        State::Received
        | State::Held
        | State::Converted
        | State::Raw
        | State::Batched
        | State::Published
        | State::HandedOff
        | State::Duplicate
        | State::Superseded
        | State::Retracted
        | State::Tested
        | State::Rejected
        | State::Erasing
        | State::Erased => Ok(()),
    }
}

/// The sender sent these bytes under this name once more: the name is listed again, as from now,
/// with the times it was sent with.
fn offer_again(tx: &Transaction<'_>, of: &Subject, again: &Subject) -> Result<(), Fault> {
    tx.sql(
        "UPDATE arrival SET hidden = 0, offered_at = max(arrival.offered_at, again.received_at),
           modified_s = coalesce(again.modified_s, arrival.modified_s),
           mode = coalesce(again.mode, arrival.mode)
         FROM arrival AS again WHERE arrival.sequence = ?1 AND again.sequence = ?2",
    )?
    .execute([of.sequence, again.sequence])?;
    Ok(())
}

/// Takes the name of `older`, which was its current version, for `newer`.
pub(super) fn take_name(
    tx: &mut Transaction<'_>,
    newer: &Subject,
    older: &Subject,
) -> Result<(), Fault> {
    tx.sql("UPDATE arrival SET current = 0 WHERE sequence = ?1")?.execute([older.sequence])?;
    tx.sql("UPDATE arrival SET supersedes = ?2 WHERE sequence = ?1")?
        .execute((newer.sequence, older.id))?;
    note_replacement(tx, newer, older)?;
    match newer.state {
        State::Held => Ok(()),
        State::Received
        | State::Converted
        | State::Raw
        | State::Batched
        | State::Published
        | State::HandedOff
        | State::Duplicate
        | State::Superseded
        | State::Retracted
        | State::Tested
        | State::Rejected
        | State::Erasing
        | State::Erased => {
            supersede_older(tx, newer)?;
            supersede_incomplete(tx, newer, older)
        }
    }
}

fn note_replacement(tx: &Transaction<'_>, newer: &Subject, older: &Subject) -> Result<(), Fault> {
    if newer.replace_same_name {
        tx.sql(
            "INSERT OR IGNORE INTO replacement (newer, older, feed, late) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute((newer.sequence, older.sequence, &newer.feed, newer.is_fixed()))?;
    }
    Ok(())
}

/// Supersedes every older version that no batch has fixed, and takes over what those were to
/// replace themselves. What is left in `replacement` is for a batch to retract.
pub(super) fn supersede_older(tx: &mut Transaction<'_>, newer: &Subject) -> Result<(), Fault> {
    loop {
        let unfixed = older_unfixed(tx, newer)?;
        if unfixed.is_empty() {
            return Ok(());
        }
        for mut older in unfixed {
            match older.state {
                State::Received | State::Converted | State::Raw | State::Held => {
                    tx.step(&mut older, Event::Superseded { by: newer.id })?;
                }
                // Nothing of it is or will be live.
                State::Duplicate
                | State::Superseded
                | State::Retracted
                | State::Tested
                | State::Rejected
                | State::Erasing
                | State::Erased => {}
                State::Batched | State::Published | State::HandedOff => continue,
            }
            tx.sql(
                "INSERT OR IGNORE INTO replacement (newer, older, feed, late)
                 SELECT ?1, older, feed, ?3 FROM replacement WHERE newer = ?2",
            )?
            .execute((newer.sequence, older.sequence, newer.is_fixed()))?;
            tx.sql("DELETE FROM replacement WHERE newer = ?2 OR (newer = ?1 AND older = ?2)")?
                .execute([newer.sequence, older.sequence])?;
        }
    }
}

fn older_unfixed(tx: &Transaction<'_>, newer: &Subject) -> rusqlite::Result<Vec<Subject>> {
    let sql = subject!(
        "JOIN replacement r ON r.older = a.sequence
         WHERE r.newer = ?1 AND a.state NOT IN ('batched', 'published', 'handed_off')"
    );
    tx.sql(sql)?.query_map([newer.sequence], Subject::of)?.collect()
}
