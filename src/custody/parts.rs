//! Removing parts of what is kept of arrivals that are past a time of their own, while the raw object
//! stays.
//!
//! The ledger says first that a part goes ([`crate::ledger::Retirements`]), and claims it no more. Parquet
//! that is live waits for the batch that takes it back, and for its feed's `retract_grace`, so that
//! whoever reads it can end. Then the files go, wherever a batch or a retraction put them, and out of the
//! archived lines beside the events goes what a receipt quoted; then the signed list of the day says so;
//! then the ledger says that they are gone. Whatever a crash leaves in between the next pass finishes.
//!
//! There is no tombstone: the raw object stays, and `landfall replay --retired` makes Parquet of it again.
//!
//! Left out: copies that sinks made; files of the zone that were damaged and put aside, and what a drop
//! folder put away for its 30 days, which go with the raw object.

use std::collections::BTreeSet;

use crate::clock::{Timestamp, utc_day};
use crate::evidence::Days;
use crate::ledger::Retiring;
use crate::ledger::sqlite::Quotes;
use crate::ledger::sqlite::aside::{self, Forgotten};
use crate::names::ArrivalId;
use crate::signing::SigningKey;
use crate::zone::{Zone, ZonePath};

use super::Error;
use super::erase::{ABOUT, Eraser};
use super::tombstone::{self, Blanked, Line, Mason};

/// Parts that are looked at in one go.
const AT_ONCE_MAX: u32 = 10_000;

impl Eraser {
    /// Removes what the ledger says goes and nobody reads any more; how many parts.
    ///
    /// # Errors
    /// [`Error`]; what was not removed the next call finds.
    pub(super) fn remove_parts(&self) -> Result<u64, Error> {
        let _turn = self.turn();
        let now = self.clock.now();
        let mut due = self.ledger.retiring(AT_ONCE_MAX)?;
        due.retain(|part| self.may_go(part, now));
        if due.is_empty() {
            return Ok(0);
        }
        let files = due.iter().filter_map(|part| part.file.as_ref());
        let paths = files.flat_map(|(path, _)| [path.clone(), Zone::retracted_path(path)]);
        self.remove(&paths.collect::<Vec<ZonePath>>())?;
        let quoted: Vec<&Retiring> = due.iter().filter(|part| part.file.is_none()).collect();
        let about = match days_of(&quoted) {
            Some(days) => {
                let ids: Vec<ArrivalId> = quoted.iter().map(|part| part.arrival).collect();
                aside::forget(&self.zone.ledger_file(), Forgotten::These(&ids))?;
                self.notary.blank((&ids, Quotes::OfReceipts), &days)?
            }
            None => Vec::new(),
        };
        let key = SigningKey::open(&self.zone.receipt_key())?;
        let durability = self.config.now().durability;
        let mason = Mason { zone: &self.zone, key, durability };
        let mut lines: BTreeSet<Line> = due.iter().filter_map(tombstone::line_of_part).collect();
        lines.extend(mason.blanked(&about)?.iter().map(Blanked::line));
        if !lines.is_empty() {
            mason.list(now, lines, || self.lines_of_day(&mason, now))?;
        }
        let many = due.len() as u64;
        self.ledger.retired(due, now)?;
        tracing::info!(parts = many, "what is past its time is gone");
        Ok(many)
    }

    fn may_go(&self, part: &Retiring, now: Timestamp) -> bool {
        let grace = self.config.now().feed(&part.feed).retract_grace;
        part.told_at.is_none_or(|told| told.checked_add(grace).is_ok_and(|ends| ends <= now))
    }
}

/// The days on which the archived lines beside the events may quote these; none for none.
fn days_of(parts: &[&Retiring]) -> Option<Days> {
    let first = parts.iter().map(|part| part.spoken_of.0).min()?;
    let last = parts.iter().map(|part| part.spoken_of.1).max()?;
    let first = first.checked_sub(ABOUT).unwrap_or(Timestamp::MIN);
    let last = last.checked_add(ABOUT).unwrap_or(Timestamp::MAX);
    Some(utc_day(first)..=utc_day(last))
}
