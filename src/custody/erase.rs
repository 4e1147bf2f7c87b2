//! Removing every copy of an arrival, with a tombstone in its place.
//!
//! Bytes before ledger, turned round: the ledger says first that an arrival is being erased, then the
//! copies go, then its tombstone and the list of what was removed that day are signed, then the ledger
//! says that it is erased. Whatever a crash leaves in between the next start finishes
//! ([`Eraser::finish`]). There is no way back from the first step.
//!
//! Every copy that the zone has goes: the raw object, Parquet and rejects (published, retracted, or
//! waiting for a batch), damaged files that were kept
//! aside, what a drop folder put away, what a pull keeps of a run that is not taken to its end, and what
//! ledger and archive quote of the bytes: reports with rejected records, diagnostics, sidecars, also in
//! ledgers that were put aside. A tombstone outlives the ledger: one that does not know of an erasure,
//! because it was made again or restored from a backup, erases again.
//!
//! A merged file of the lake goes as a whole. Before that a batch takes it back and publishes the rows of
//! the others in it again, so that no erased row and none of its neighbours' depends on a crash.
//!
//! Downstream learns of it by a batch of its own that retracts what was published; the pipeline
//! closes it at once, whatever its feed's rule.
//!
//! A legal hold stands in the way of the first step, and of no other.
//!
//! A replay that converts the file at that moment writes below `.landfall/converted/` until it is done; then
//! it learns that nobody waits for it, and removes what it wrote.
//!
//! Left out: backups, and copies that sinks made or readers hold, which are theirs to remove; the
//! original in a drop folder that keeps its files; the events, which cannot be altered: they keep
//! names (of files, columns and sheets), sizes, digests and decisions, and no value of a file.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, Timestamp, utc_day};
use crate::config;
use crate::diagnostic::{Code, Diagnostic};
use crate::evidence::{Days, Notary};
use crate::ledger::sqlite::Quotes;
use crate::ledger::sqlite::aside::{self, Forgotten};
use crate::ledger::{
    Arrival, Begun, Erasure, ErasureCause, ErasureWish, Event, Gone, Hold, Ledger, RetiringBegun,
    State,
};
use crate::names::{ArrivalId, FeedName};
use crate::signing::SigningKey;
use crate::zone::{Zone, ZonePath};

use super::Error;
use super::tombstone::{self, Blanked, Line, Mason};

/// Erasures that are finished in one go.
const AT_ONCE_MAX: u32 = 1000;
/// Who erases what is past its time.
const RETENTION: &str = "retention";
/// How far from its receipt and its last event lines about an arrival may be filed: a clock may have
/// been set, and a day ends a while after its last event.
pub(super) const ABOUT: Duration = Duration::from_secs(2 * 24 * 3600);
/// A day.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Who erases again what has a tombstone.
const BY: &str = "start-up";
/// Why.
const AGAIN: &str = "its tombstone says that it was erased";

/// Copies that others have of an arrival.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Elsewhere {
    /// Files that were removed.
    pub removed: u64,
    /// Files that are not the zone's to remove.
    pub left: Vec<PathBuf>,
}

/// Removes the copies that doors have of an arrival.
pub type Doors = Box<dyn Fn(&Arrival) -> io::Result<Elsewhere> + Send + Sync>;

/// Takes back what is erased of a feed, and publishes the rows of others that are in a file with it.
pub type Readers =
    Box<dyn Fn(&FeedName) -> Result<(), Box<dyn std::error::Error + Send + Sync>> + Send + Sync>;

/// Erases arrivals of one zone, one at a time.
pub struct Eraser {
    pub(super) zone: Zone,
    pub(super) config: config::Live,
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) notary: Arc<Notary>,
    pub(super) clock: Clock,
    doors: Doors,
    readers: Readers,
    turn: Mutex<()>,
}

/// What came of arrivals that are past their time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retired {
    /// Arrivals that were erased, or of which a part goes.
    pub gone: u64,
    /// Arrivals that a legal hold covers.
    pub on_hold: u64,
    /// Arrivals that are being converted or handed off.
    pub under_way: u64,
}

impl std::ops::AddAssign for Retired {
    fn add_assign(&mut self, more: Self) {
        self.gone += more.gone;
        self.on_hold += more.on_hold;
        self.under_way += more.under_way;
    }
}

impl From<RetiringBegun> for Retired {
    fn from(RetiringBegun { begun: gone, on_hold, under_way }: RetiringBegun) -> Self {
        Self { gone, on_hold, under_way }
    }
}

/// What came of erasures that were to be finished.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Finished {
    /// Arrivals that were erased.
    pub erased: u64,
    /// Arrivals with a tombstone that are on their way to a sink first.
    pub under_way: u64,
}

/// What came of a wish to erase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// No copy is left in the zone.
    Erased(Elsewhere),
    /// It stands like this, and must come to an end first. Nothing was done.
    UnderWay(State),
    /// These holds stand on it. Nothing was done.
    OnHold(Vec<Hold>),
}

impl Eraser {
    /// An eraser of a zone; `doors` removes what lies outside of the archive, the lake and
    /// `.landfall/`, `readers` is asked before a file goes that others have rows in.
    pub fn new(
        zone: Zone,
        (config, clock): (config::Live, Clock),
        ledger: Arc<dyn Ledger>,
        notary: Arc<Notary>,
        (doors, readers): (Doors, Readers),
    ) -> Self {
        Self { zone, config, ledger, notary, clock, doors, readers, turn: Mutex::default() }
    }

    /// Erases an arrival. When it returns, no copy is left; one that was erased before is looked for
    /// again.
    ///
    /// # Errors
    /// [`Error`]; once the ledger says that it is being erased, [`Self::finish`] goes on.
    pub fn erase(&self, id: ArrivalId, by: &str, reason: &str) -> Result<Outcome, Error> {
        let _turn = self.turn();
        let (by, reason) = (by.to_owned(), reason.to_owned());
        let wish = ErasureWish { by, reason, cause: ErasureCause::Asked };
        match self.ledger.begin_erasure(id, wish)? {
            Begun::Erasing(erasure) => self.carry_out(&[*erasure]).map(Outcome::Erased),
            Begun::UnderWay(state) => Ok(Outcome::UnderWay(state)),
            Begun::OnHold(holds) => Ok(Outcome::OnHold(holds)),
        }
    }

    /// Erases arrivals that are past their time, all at once. What may not be erased now stays.
    ///
    /// # Errors
    /// As for [`Self::erase`].
    pub(super) fn retire(&self, ids: &[ArrivalId], why: &str) -> Result<Retired, Error> {
        let _turn = self.turn();
        let (mut retired, mut begun) = (Retired::default(), Vec::new());
        for id in ids {
            let (by, reason) = (RETENTION.to_owned(), why.to_owned());
            let wish = ErasureWish { by, reason, cause: ErasureCause::Retention };
            match self.ledger.begin_erasure(*id, wish)? {
                Begun::Erasing(erasure) => begun.push(*erasure),
                Begun::UnderWay(_) => retired.under_way += 1,
                Begun::OnHold(_) => retired.on_hold += 1,
            }
        }
        self.carry_out(&begun)?;
        retired.gone = begun.len() as u64;
        Ok(retired)
    }

    /// Finishes what was begun, and erases again what has a tombstone and is there for the ledger, or in
    /// a ledger that was put aside. To be called at a start, and again after a failure, or when something
    /// is left that was under way.
    ///
    /// # Errors
    /// [`Error`] of the first that could not be erased; the others were.
    pub fn finish(&self) -> Result<Finished, Error> {
        let _turn = self.turn();
        let mut finished = Finished::default();
        let aside = aside::forget(&self.zone.ledger_file(), Forgotten::AllErased);
        let mut failed = aside.err().map(Error::from);
        let mut open = self.ledger.erasures_open(AT_ONCE_MAX)?;
        for id in tombstone::standing(&self.zone)? {
            let Some(arrival) = self.ledger.arrival(id)? else { continue };
            if arrival.state.is_erased() {
                continue;
            }
            tracing::warn!(%id, "it was erased, and the ledger does not know: it is erased again");
            if arrival.state == State::Received {
                // Nothing is there to be converted.
                let diagnostic = Diagnostic::error(Code::A128, AGAIN);
                self.ledger.advance(id, Event::Held { diagnostic })?;
            }
            let (by, reason) = (BY.to_owned(), AGAIN.to_owned());
            let wish = ErasureWish { by, reason, cause: ErasureCause::Asked };
            match self.ledger.begin_erasure(id, wish)? {
                Begun::Erasing(erasure) => open.push(*erasure),
                Begun::UnderWay(state) => {
                    tracing::warn!(%id, ?state, "it was erased, and the ledger has it under way");
                    finished.under_way += 1;
                }
                Begun::OnHold(holds) => {
                    tracing::error!(%id, ?holds, "it was erased, and a hold stands on it");
                }
            }
        }
        for erasure in open {
            match self.carry_out(std::slice::from_ref(&erasure)) {
                Ok(_) => finished.erased += 1,
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(finished), Err)
    }

    /// The right to remove: one at a time.
    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the copies of arrivals that are being erased, and says so.
    fn carry_out(&self, erasures: &[Erasure]) -> Result<Elsewhere, Error> {
        let Some(first) = erasures.first() else { return Ok(Elsewhere::default()) };
        self.part_from_others(erasures)?;
        let (mut sum, mut counts) = (Elsewhere::default(), Vec::new());
        for erasure in erasures {
            let removed = self.remove_copies(erasure)?;
            let told = (self.doors)(&erasure.arrival).map_err(|source| {
                io_error("remove what a drop folder has of", Path::new("it"))(source)
            })?;
            counts.push(removed + told.removed);
            sum.removed += removed + told.removed;
            sum.left.extend(told.left);
        }
        let ids: Vec<ArrivalId> = erasures.iter().map(|erasure| erasure.arrival.id).collect();
        sum.removed += aside::forget(&self.zone.ledger_file(), Forgotten::These(&ids))?;
        let about = self.notary.blank((&ids, Quotes::All), &self.days_of(erasures)?)?;
        let key = SigningKey::open(&self.zone.receipt_key())?;
        let durability = self.config.now().durability;
        let mason = Mason { zone: &self.zone, key, durability };
        let (now, blanked) = (self.clock.now(), mason.blanked(&about)?);
        let mut gone = Vec::new();
        for (erasure, files) in erasures.iter().zip(counts) {
            let tombstone = match erasure.cause {
                ErasureCause::Asked => Some(mason.place(erasure, &blanked, now)?),
                ErasureCause::Retention => None,
            };
            gone.push(Gone { id: erasure.arrival.id, tombstone, files });
        }
        let mut lines: BTreeSet<Line> = erasures.iter().flat_map(tombstone::lines_of).collect();
        lines.extend(blanked.iter().map(Blanked::line));
        mason.list(now, lines, || self.lines_of_day(&mason, now))?;
        self.ledger.erased(gone, now)?;
        tracing::info!(first = %first.arrival.id, arrivals = ids.len(), sum.removed, "erased");
        Ok(sum)
    }

    /// Has the rows of others published again that are in a merged file with what is erased.
    fn part_from_others(&self, erasures: &[Erasure]) -> Result<(), Error> {
        let ids: Vec<ArrivalId> = erasures.iter().map(|erasure| erasure.arrival.id).collect();
        if !self.ledger.shares_file(&ids)? {
            return Ok(());
        }
        let feeds: BTreeSet<&FeedName> =
            erasures.iter().map(|erasure| &erasure.arrival.feed).collect();
        for feed in feeds {
            let shared = |source| Error::Shared { feed: feed.clone(), source };
            (self.readers)(feed).map_err(shared)?;
        }
        match erasures.first() {
            Some(first) if self.ledger.shares_file(&ids)? => {
                let source = "its next batch did not take back what is erased".into();
                Err(Error::Shared { feed: first.arrival.feed.clone(), source })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The days on which the archived lines beside the events may quote some arrivals. What a person
    /// wants erased is looked for up to today.
    fn days_of(&self, erasures: &[Erasure]) -> Result<Days, Error> {
        let (mut first, mut last) = (Timestamp::MAX, Timestamp::MIN);
        for erasure in erasures {
            first = first.min(erasure.arrival.received_at);
            last = last.max(match erasure.cause {
                ErasureCause::Asked => self.clock.now(),
                ErasureCause::Retention => self.ledger.spoken_of_until(erasure)?,
            });
        }
        let first = first.checked_sub(ABOUT).unwrap_or(Timestamp::MIN);
        let last = last.checked_add(ABOUT).unwrap_or(Timestamp::MAX);
        Ok(utc_day(first)..=utc_day(last))
    }

    /// What the list of the day (UTC) of a time should say, as far as the ledger and the archive know.
    pub(super) fn lines_of_day(
        &self,
        mason: &Mason<'_>,
        at: Timestamp,
    ) -> Result<BTreeSet<Line>, Error> {
        let midnight = format!("{}T00:00:00Z", utc_day(at)).parse().unwrap_or(at);
        let end = midnight.checked_add(DAY).unwrap_or(Timestamp::MAX);
        let erased = self.ledger.erased_within(midnight, end)?;
        let parts = self.ledger.gone_within(midnight, end)?;
        let mut lines: BTreeSet<Line> = erased.iter().flat_map(tombstone::lines_of).collect();
        lines.extend(parts.iter().filter_map(tombstone::line_of_part));
        // Which lines speak of these; there is nothing left to take out of them.
        let ever = utc_day(Timestamp::MIN)..=utc_day(Timestamp::MAX);
        let ids: Vec<ArrivalId> = erased.iter().map(|erasure| erasure.arrival.id).collect();
        let mut about = self.notary.blank((&ids, Quotes::All), &ever)?;
        let quoted = parts.iter().filter(|part| part.file.is_none());
        let ids: Vec<ArrivalId> = quoted.map(|part| part.arrival).collect();
        about.extend(self.notary.blank((&ids, Quotes::OfReceipts), &ever)?);
        lines.extend(mason.blanked(&about)?.iter().map(Blanked::line));
        Ok(lines)
    }

    /// Removes what the zone has, and makes that durable; how many files.
    fn remove_copies(&self, erasure: &Erasure) -> Result<u64, Error> {
        let arrival = &erasure.arrival;
        let mut paths: Vec<ZonePath> = vec![arrival.raw.clone()];
        for file in &erasure.files {
            // The lake first: what moves to `retracted/` meanwhile is found there.
            paths.extend([file.to.clone(), Zone::retracted_path(&file.to), file.from.clone()]);
        }
        let mut found = self.resolved(&paths);
        let waiting = format!("{}.", arrival.id);
        found.extend(named(&self.zone.converted(), |name| name.starts_with(&waiting))?);
        let names: Vec<&str> = paths.iter().map(ZonePath::base).collect();
        let is_damaged = |name: &str| names.iter().any(|base| name.ends_with(base));
        found.extend(named(&self.zone.damaged(), is_damaged)?);
        self.remove_files(found)
    }

    /// Removes files of the zone where they are, and makes that durable; how many.
    pub(super) fn remove(&self, paths: &[ZonePath]) -> Result<u64, Error> {
        self.remove_files(self.resolved(paths))
    }

    fn resolved(&self, paths: &[ZonePath]) -> Vec<PathBuf> {
        paths.iter().filter_map(|path| self.zone.resolve(path)).collect()
    }

    fn remove_files(&self, found: Vec<PathBuf>) -> Result<u64, Error> {
        let (mut removed, mut folders) = (0, BTreeSet::new());
        for path in found {
            match fs::remove_file(&path) {
                Ok(()) => removed += 1,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(io_error("remove", &path)(error)),
            }
            // Also where it is gone already: a kill may have come before the sync.
            folders.extend(path.parent().filter(|folder| folder.exists()).map(Path::to_owned));
        }
        let durability = self.config.now().durability;
        folders.iter().try_for_each(|folder| durability.sync_folder(folder))?;
        Ok(removed)
    }
}

/// The files in a folder whose name is meant. No folder, no files.
fn named(folder: &Path, is_meant: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, Error> {
    let all = super::verify::list(folder)?;
    let name =
        |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).is_some_and(&is_meant);
    Ok(all.into_iter().filter(name).collect())
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { doing, path, source }
}
