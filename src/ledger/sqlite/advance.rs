//! Events about one arrival, other than those that a verb of its own records.

use crate::contract::Allowance;
use crate::diagnostic::{Code, Diagnostic};
use crate::ledger::{Arrival, Event, Refused, State, WaitsFor};
use crate::names::{ArrivalId, FileName};

use super::fault::Fault;
use super::find;
use super::receive;
use super::sidecars;
use super::transaction::{Subject, Transaction};
use super::values::{Json, Micros};

/// [`crate::ledger::Ledger::advance`].
pub(super) fn advance(
    tx: &mut Transaction<'_>,
    id: ArrivalId,
    event: Event,
) -> Result<Arrival, Fault> {
    let mut subject = tx.subject(id)?;
    refuse_foreign(&subject, &event)?;
    if is_told_already(tx, &subject, &event)? {
        return find::known(tx.conn(), id);
    }
    let event = if let Event::Renamed { to, .. } = event {
        // History tells the name it had, whatever the caller believed.
        Event::Renamed { from: subject.name.clone(), to }
    } else {
        event
    };
    apply(tx, &mut subject, event)?;
    if subject.state == State::Raw && subject.sender.is_test() {
        tx.step(&mut subject, Event::Tested)?;
    }
    find::known(tx.conn(), id)
}

/// Moves an arrival by an event, with what the event changes beside the state.
pub(super) fn apply(
    tx: &mut Transaction<'_>,
    subject: &mut Subject,
    event: Event,
) -> Result<(), Fault> {
    let was = subject.state;
    tx.step(subject, event.clone())?;
    project(tx, subject, was, event)
}

/// Some events come with more than a state: only their own verbs may record them. What waits is not
/// taken further.
fn refuse_foreign(subject: &Subject, event: &Event) -> Result<(), Refused> {
    let foreign = matches!(
        event,
        Event::Received { .. }
            | Event::Duplicate { .. }
            | Event::Converted { .. }
            | Event::Batched { .. }
            | Event::Published { .. }
            | Event::HandedOff { .. }
            | Event::Retracted { .. }
            | Event::Rewritten { .. }
            | Event::Erasing { .. }
            | Event::Erased { .. }
            | Event::Tested
            | Event::ReplayAsked { .. }
            | Event::Retired { .. }
            | Event::ReplayConverted { .. }
            | Event::ReplayEnded { .. }
            | Event::SidecarReceived { .. }
            | Event::SidecarJoined { .. }
            | Event::SidecarChecked { .. }
    );
    let early = subject.waits
        && subject.state == State::Received
        && matches!(event, Event::TakenRaw { .. });
    if foreign || early {
        Err(Refused { state: subject.state, event: event.kind() })
    } else {
        Ok(())
    }
}

/// What an event changes beside the state.
#[allow(clippy::wildcard_enum_match_arm, reason = "every other event changes nothing but a state")]
fn project(
    tx: &mut Transaction<'_>,
    subject: &mut Subject,
    was: State,
    event: Event,
) -> Result<(), Fault> {
    let sequence = subject.sequence;
    match event {
        Event::Held { diagnostic } => hold(tx, subject, &diagnostic)?,
        Event::Completed { .. } => waits_no_more(tx, subject)?,
        Event::TakenRaw { .. } => clear_diagnostic(tx, subject)?,
        Event::Released { allowance, .. } => {
            allow(tx, subject, allowance)?;
            release(tx, subject, was)?;
        }
        Event::Renamed { to, .. } => rename(tx, subject, to)?,
        Event::Touched { modified_s, mode } => {
            tx.sql(
                "UPDATE arrival SET modified_s = coalesce(?2, modified_s), mode = coalesce(?3, mode)
                 WHERE sequence = ?1",
            )?
            .execute((sequence, modified_s, mode))?;
        }
        Event::Hidden => {
            tx.sql("UPDATE arrival SET hidden = 1 WHERE sequence = ?1")?.execute([sequence])?;
        }
        _ => {}
    }
    Ok(())
}

/// What is held for want of something that says it is complete goes on when that comes.
fn hold(tx: &Transaction<'_>, subject: &Subject, diagnostic: &Diagnostic) -> Result<(), Fault> {
    tx.sql("UPDATE arrival SET diagnostic = ?2 WHERE sequence = ?1")?
        .execute((subject.sequence, Json(diagnostic)))?;
    if is_incomplete(diagnostic.code) {
        tx.sql("UPDATE arrival SET waits = coalesce(waits, ?2), look_at = ?3 WHERE sequence = ?1")?
            .execute((subject.sequence, WaitsFor::Checksum, Micros(tx.now)))?;
    }
    Ok(())
}

/// Whether an arrival is held for this want already: who looked at the same time as another has
/// nothing to add, and what was told first, with what its bytes have, stays.
#[allow(clippy::wildcard_enum_match_arm, reason = "only holding can be told twice")]
fn is_told_already(tx: &Transaction<'_>, subject: &Subject, event: &Event) -> Result<bool, Fault> {
    match event {
        Event::Held { diagnostic } if subject.state == State::Held => {
            let told = told(tx, subject)?.map(|told| told.code);
            Ok(is_incomplete(diagnostic.code) && told == Some(diagnostic.code))
        }
        _ => Ok(false),
    }
}

fn told(tx: &Transaction<'_>, subject: &Subject) -> Result<Option<Diagnostic>, Fault> {
    let sql = "SELECT diagnostic FROM arrival WHERE sequence = ?1";
    let told: Option<Json<Diagnostic>> =
        tx.sql(sql)?.query_row([subject.sequence], |row| row.get(0))?;
    Ok(told.map(|Json(told)| told))
}

/// Whether an arrival that is held goes on by itself when what is missing comes.
pub(super) fn is_held_for_want(tx: &Transaction<'_>, held: &Subject) -> Result<bool, Fault> {
    if !held.waits {
        return Ok(false);
    }
    Ok(told(tx, held)?.is_some_and(|told| is_incomplete(told.code)))
}

fn is_incomplete(code: Code) -> bool {
    matches!(code, Code::R107 | Code::R108 | Code::R109)
}

fn waits_no_more(tx: &Transaction<'_>, subject: &Subject) -> Result<(), Fault> {
    tx.sql("UPDATE arrival SET waits = NULL, look_at = NULL WHERE sequence = ?1")?
        .execute([subject.sequence])?;
    Ok(())
}

fn clear_diagnostic(tx: &Transaction<'_>, subject: &Subject) -> Result<(), Fault> {
    tx.sql("UPDATE arrival SET diagnostic = NULL WHERE sequence = ?1 AND diagnostic IS NOT NULL")?
        .execute([subject.sequence])?;
    Ok(())
}

/// A later release takes the place of what an earlier one allowed; one that nobody asked for does not.
fn allow(tx: &Transaction<'_>, subject: &Subject, allowance: Allowance) -> Result<(), Fault> {
    if !allowance.is_none() {
        tx.sql("UPDATE arrival SET allowance = ?2 WHERE sequence = ?1")?
            .execute((subject.sequence, Json(&allowance)))?;
    }
    Ok(())
}

/// It goes on from the start. One that was renamed onto the same bytes while it was held turns out
/// to be a duplicate; any other now takes the place of what it replaces.
fn release(tx: &mut Transaction<'_>, subject: &mut Subject, was: State) -> Result<(), Fault> {
    if is_held_for_want(tx, subject)? {
        waits_no_more(tx, subject)?;
    } else if subject.waits {
        tx.sql("UPDATE arrival SET look_at = ?2 WHERE sequence = ?1")?
            .execute((subject.sequence, Micros(tx.now)))?;
    }
    clear_diagnostic(tx, subject)?;
    tx.sql("DELETE FROM conversion WHERE arrival = ?1")?.execute([subject.sequence])?;
    if was == State::Held
        && subject.skip_duplicate
        && let Some(of) = subject.duplicate_of
    {
        return tx.step(subject, Event::Duplicate { of });
    }
    receive::supersede_older(tx, subject)
}

/// The newest wins in the listing: whatever had the name before is no longer its current version.
fn rename(tx: &mut Transaction<'_>, subject: &mut Subject, to: FileName) -> Result<(), Fault> {
    let before = tx.current(&subject.sender, &subject.feed, &to)?;
    let before = before.filter(|before| before.sequence != subject.sequence);
    let same = before
        .as_ref()
        .filter(|before| before.digest == subject.digest && !before.state.is_erased());
    let duplicate_of = same.map(|same| same.id);
    let waits = subject.state == State::Held && subject.skip_duplicate;
    if waits {
        tx.sql("UPDATE arrival SET duplicate_of = ?2 WHERE sequence = ?1")?
            .execute((subject.sequence, duplicate_of))?;
    }
    let takes_name = !(waits && duplicate_of.is_some());
    if let Some(before) = &before
        && takes_name
    {
        receive::take_name(tx, subject, before)?;
    }
    tx.sql("UPDATE arrival SET name = ?2, current = ?3 WHERE sequence = ?1")?.execute((
        subject.sequence,
        &to,
        takes_name,
    ))?;
    subject.name = to;
    if takes_name { sidecars::join_renamed(tx, subject) } else { Ok(()) }
}
