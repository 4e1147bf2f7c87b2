//! The one who signs heads of the log.
//!
//! A thread follows the ledger, adds each event to the segments in the archive, and signs when it is
//! time. Signing is: the events synced, the new root proven to continue the last signed one, the
//! signature made, the checkpoint on the disk, then in the ledger, where receipts find it. When the
//! proof fails nothing more is signed, and it is told as an error.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::clock::{Clock, Timestamp, rfc3339_millis, utc_day};
use crate::config;
use crate::diagnostic::on_one_line;
use crate::durable::Durability;
use crate::ledger::log::{Signed, Touched};
use crate::ledger::sqlite::Quotes;
use crate::ledger::{Event, Ledger, Recorded, tree};
use crate::names::ArrivalId;
use crate::signing::{Namespace, SigningKey};
use crate::zone::Zone;

use super::proof::decides;
use super::seal::{self, Sealed};
use super::{Checkpoint, Days, Error, Segments, segments};

/// The longest that an event waits for its checkpoint …
const EVERY: Duration = Duration::from_secs(60);
/// … and how many wait at most.
const EVENTS_MAX: u64 = 1000;
/// The shortest time between two checkpoints for receipts.
const GAP: Duration = Duration::from_secs(1);
/// How long after its end a day is sealed.
const SETTLED: Duration = Duration::from_secs(600);
/// How long a stop waits for a copy to a second folder.
const STOP_GRACE: Duration = Duration::from_secs(2);
/// How often a busy ledger is looked at.
const TICK: Duration = Duration::from_millis(250);
/// How long after an error it is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// Events read at once.
const PAGE: u32 = 1000;
/// A log that begins anew says so among its last events before its first checkpoint.
const RESTART_WITHIN: u64 = 10_000;

/// Signs the heads of one ledger.
pub struct Notary {
    zone: Zone,
    config: config::Live,
    ledger: Arc<dyn Ledger>,
    clock: Clock,
    durability: Durability,
    key: SigningKey,
    log: String,
    desk: Mutex<Desk>,
    failing: Mutex<BTreeMap<Duty, Failing>>,
    is_copying: AtomicBool,
}

/// What a notary does again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duty {
    /// It signs checkpoints and writes them into the archive.
    Sign,
    /// It copies them to `[audit] publish_to`.
    Publish,
    /// They are posted to `[audit] publish_url`.
    Post,
}

/// A duty that fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// Which.
    pub duty: Duty,
    /// Since when.
    pub since: Timestamp,
    /// What the newest attempt said.
    pub error: String,
}

struct Desk {
    segments: Segments,
    /// The newest checkpoint that was copied to the second folder, or tried to.
    copied: u64,
    /// Days before this one are sealed.
    sealed_before: String,
    /// Writing or syncing them failed: what no checkpoint covers is written anew before anything else,
    /// since a failed sync says nothing of what the disk has.
    is_stale: bool,
}

/// What is not signed yet.
#[derive(Debug, Default)]
struct Unsigned {
    events: u64,
    /// Since when.
    since: Option<Instant>,
    /// Somebody waits for it to be signed.
    is_urgent: bool,
}

impl Unsigned {
    fn is_due(&self, last: Option<Instant>) -> bool {
        let rested = last.is_none_or(|last| last.elapsed() >= GAP);
        let old = self.since.is_some_and(|since| since.elapsed() >= EVERY);
        self.events > 0 && (old || self.events >= EVENTS_MAX || self.is_urgent && rested)
    }
}

impl Notary {
    /// Compares the ledger with what was signed, and makes the segments and the ledger agree again
    /// on what a crash left undone.
    ///
    /// # Errors
    /// [`Error::Older`], [`Error::Another`] and [`Error::Differs`] when the ledger is not the one that
    /// was signed; the zone must then not be served. Otherwise what failed.
    pub fn open(
        zone: Zone,
        config: config::Live,
        ledger: Arc<dyn Ledger>,
        clock: Clock,
    ) -> Result<Self, Error> {
        let durability = config.now().durability;
        let key = SigningKey::open(&zone.receipt_key())?;
        let log = ledger.log_id()?;
        let mut segments = Segments::open(&zone, &log, durability)?;
        compare(&zone, &log, ledger.as_ref(), &mut segments)?;
        let copied = segments.newest().map_or(0, |newest| newest.size);
        let desk = Desk { segments, copied, sealed_before: String::new(), is_stale: false };
        let desk = Mutex::new(desk);
        let failing = Mutex::default();
        let is_copying = AtomicBool::new(false);
        Ok(Self { zone, config, ledger, clock, durability, key, log, desk, failing, is_copying })
    }

    /// Signs the head as it is; `None` when it is signed already.
    ///
    /// # Errors
    /// [`Error`]; then there is no new checkpoint, and a later one covers the same events.
    pub fn sign(&self) -> Result<Option<Signed>, Error> {
        let mut desk = self.desk();
        let signed = self.follow(&mut desk).and_then(|_| {
            self.sign_at(&mut desk).inspect_err(|error| desk.is_stale |= is_of_disk(error))
        });
        self.remember(Duty::Sign, signed.as_ref().err().map(|error| on_one_line(error)));
        signed
    }

    /// What fails now.
    pub fn failing(&self) -> Vec<Failing> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Is told how the newest attempt to post a checkpoint ended: with this error, or well.
    pub fn posted(&self, error: Option<String>) {
        self.remember(Duty::Post, error);
    }

    fn remember(&self, duty: Duty, error: Option<String>) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        match error {
            None => drop(failing.remove(&duty)),
            Some(error) => {
                let since =
                    failing.get(&duty).map_or_else(|| self.clock.now(), |known| known.since);
                failing.insert(duty, Failing { duty, since, error });
            }
        }
    }

    fn sign_at(&self, desk: &mut Desk) -> Result<Option<Signed>, Error> {
        let size = desk.segments.end();
        let newest = desk.segments.newest();
        if newest.map_or(0, |newest| newest.size) >= size {
            return Ok(None);
        }
        let root = self.ledger.root(size)?;
        if let Some(Signed { size: old, root: old_root, .. }) = newest {
            let proof = self.ledger.consistency(*old, size)?;
            if !tree::is_consistent((*old, old_root), (size, &root), &proof) {
                return Err(Error::Differs(*old));
            }
        }
        let name = self.config.now().name.clone();
        let checkpoint = Checkpoint::new(&name, &self.log, (size, root), self.clock.now());
        let text = checkpoint.to_string();
        let signed = checkpoint.signed(self.key.sign(Namespace::Checkpoint, text.as_bytes())?);
        desk.segments.sign_off(&signed)?;
        self.ledger.keep_checkpoint(signed.clone())?;
        Ok(Some(signed))
    }

    /// Copies the newest checkpoint to the second folder, if one is configured and it is not there.
    ///
    /// # Errors
    /// [`Error`]; the next checkpoint is tried again.
    pub fn publish(&self) -> Result<(), Error> {
        let published = self.copy_newest();
        self.remember(Duty::Publish, published.as_ref().err().map(|error| on_one_line(error)));
        published
    }

    fn copy_newest(&self) -> Result<(), Error> {
        let Some(folder) = self.config.now().audit.publish_to.clone() else { return Ok(()) };
        // Not at the desk: the folder may be far away, and signing does not wait for it.
        let newest = {
            let desk = self.desk();
            desk.segments.newest().filter(|newest| newest.size > desk.copied).cloned()
        };
        let Some(newest) = newest else { return Ok(()) };
        let folder = self.zone.root().join(folder);
        let path = folder.join(format!("{}-{:012}.checkpoint", self.log, newest.size));
        let mut signature = path.clone().into_os_string();
        signature.push(".sig");
        self.durability.create_folders(&folder)?;
        // The signature first: whoever finds the text finds both.
        for (path, text) in [(PathBuf::from(signature), &newest.signature), (path, &newest.text)] {
            match self.durability.write_new(&path, text.as_bytes()) {
                Err(error) if !error.is_name_taken() => return Err(error.into()),
                Ok(()) | Err(_) => {}
            }
        }
        let mut desk = self.desk();
        desk.copied = desk.copied.max(newest.size);
        Ok(())
    }

    /// Takes out of the archived lines beside the events what they quote of some arrivals' bytes, in
    /// every log, on the days from one to another. The events themselves cannot be altered, and are
    /// not. Answers the files of lines that speak of the arrivals.
    ///
    /// # Errors
    /// [`Error`]; then it is to be done again.
    pub fn blank(&self, of: (&[ArrivalId], Quotes), days: &Days) -> Result<Vec<PathBuf>, Error> {
        let mut desk = self.desk();
        // What the ledger says of them now is blank: whatever is added from here on is as well.
        self.follow(&mut desk)?;
        let blanked = desk.segments.blank(days, of);
        let mut about = blanked.inspect_err(|error| desk.is_stale |= is_of_disk(error))?;
        for other in Segments::logs(&self.zone)?.iter().filter(|log| **log != self.log) {
            let folder = self.zone.events(other);
            about.extend(segments::blank(&folder, days, of, self.durability)?);
        }
        Ok(about)
    }

    /// Seals the days that have ended, each with an event.
    ///
    /// # Errors
    /// [`Error`]; a day that is not sealed is tried again.
    pub fn seal(&self) -> Result<(), Error> {
        let settled = self.clock.now().checked_sub(SETTLED).unwrap_or(Timestamp::MIN);
        let today = utc_day(settled);
        let mut desk = self.desk();
        if desk.sealed_before == today {
            return Ok(());
        }
        for day in seal::due(&self.zone, &self.log, &today)? {
            if desk.segments.day() <= day.as_str() {
                desk.segments.turn(self.clock.now())?;
            }
            let (of, ledger) = ((self.log.as_str(), day.as_str()), self.ledger.as_ref());
            let sealed = seal::seal(&self.zone, of, ledger, &self.key, self.durability)?;
            let Sealed { day, files, digest } = sealed;
            self.ledger.note(Event::DaySealed { day, files, digest })?;
        }
        desk.sealed_before = today;
        Ok(())
    }

    /// Adds to the segments what the ledger has beyond them; what of it is new.
    fn follow(&self, desk: &mut Desk) -> Result<Unsigned, Error> {
        if desk.is_stale {
            desk.segments = Segments::open(&self.zone, &self.log, self.durability)?;
            let signed = desk.segments.newest().map_or(0, |newest| newest.size);
            desk.segments.cut_after(signed)?;
            desk.is_stale = false;
        }
        self.add_new(desk).inspect_err(|error| desk.is_stale |= is_of_disk(error))
    }

    fn add_new(&self, desk: &mut Desk) -> Result<Unsigned, Error> {
        let mut found = Unsigned::default();
        loop {
            let leaves = self.ledger.leaves(desk.segments.end(), PAGE)?;
            if leaves.is_empty() {
                return Ok(found);
            }
            found.events += leaves.len() as u64;
            let mut touched = Touched::default();
            for leaf in &leaves {
                if let Ok(told) = serde_json::from_slice::<Recorded>(&leaf.record) {
                    found.is_urgent |= is_urgent(&told.event);
                    touched.by(&told);
                }
            }
            let rows = self.ledger.rows(&touched)?;
            desk.segments.add(&leaves, &rows, self.clock.now())?;
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep_until(self: &Arc<Self>, stop: &AtomicBool) {
        let (mut unsigned, mut last) = (Unsigned::default(), None);
        let mut published = Instant::now();
        // What a crash left unsigned, and the receipts that wait for it.
        unsigned.events = 1;
        unsigned.is_urgent = true;
        while !stop.load(Ordering::Acquire) {
            let seen = self.desk().segments.end();
            let head = self.ledger.wait_beyond(seen, TICK);
            if head > seen {
                match self.follow(&mut self.desk()) {
                    Ok(found) => {
                        unsigned.events += found.events;
                        unsigned.is_urgent |= found.is_urgent;
                        unsigned.since.get_or_insert_with(Instant::now);
                    }
                    Err(error) => rest_after("events could not be kept in the archive", &error),
                }
            }
            if unsigned.is_due(last) {
                let many = unsigned.events >= EVENTS_MAX;
                match self.sign() {
                    Ok(_) => unsigned = Unsigned::default(),
                    Err(error) => rest_after("the ledger's head could not be signed", &error),
                }
                last = Some(Instant::now());
                if many || published.elapsed() >= EVERY {
                    self.publish_aside();
                    published = Instant::now();
                }
            } else if published.elapsed() >= EVERY {
                self.publish_aside();
                published = Instant::now();
            }
            if let Err(error) = self.seal() {
                rest_after("a day could not be sealed", &error);
            }
            let rest = last.map_or(Duration::ZERO, |last| GAP.saturating_sub(last.elapsed()));
            if !rest.is_zero() && !stop.load(Ordering::Acquire) {
                std::thread::park_timeout(rest.min(TICK));
            }
        }
    }

    /// Copies on a thread of its own, unless one is at it: a folder that does not answer keeps no
    /// signature waiting.
    fn publish_aside(self: &Arc<Self>) {
        if self.is_copying.swap(true, Ordering::AcqRel) {
            return;
        }
        let of = Arc::clone(self);
        let work = move || {
            of.publish_or_tell();
            of.is_copying.store(false, Ordering::Release);
        };
        if let Err(error) = std::thread::Builder::new().name("copies".to_owned()).spawn(work) {
            self.is_copying.store(false, Ordering::Release);
            tracing::error!(%error, "a checkpoint could not be copied to [audit] publish_to");
        }
    }

    fn publish_or_tell(&self) {
        if let Err(error) = self.publish() {
            tell("a checkpoint could not be copied to [audit] publish_to", &error);
        }
    }
}

/// Whether a file of the archive could not be written: then nobody knows what it holds.
fn is_of_disk(error: &Error) -> bool {
    match error {
        Error::Durable(_) | Error::Io { .. } | Error::Damaged { .. } => true,
        Error::Ledger(_)
        | Error::Key(_)
        | Error::Older { .. }
        | Error::Another(_)
        | Error::Differs(_) => false,
    }
}

/// Receipts wait for outcomes to be signed; and a ledger that is made again must know what is
/// published, since a manifest's name is never given twice.
fn is_urgent(event: &Event) -> bool {
    decides(event) || matches!(event, Event::BatchPublished { .. })
}

/// Tells what failed, and waits before it is tried again.
fn rest_after(what: &str, error: &Error) {
    tell(what, error);
    std::thread::park_timeout(RETRY);
}

fn tell(what: &str, error: &Error) {
    tracing::error!(error = on_one_line(error), "{what}");
}

/// Holds the ledger against its newest checkpoint on the disk.
fn compare(
    zone: &Zone,
    log: &str,
    ledger: &dyn Ledger,
    segments: &mut Segments,
) -> Result<(), Error> {
    let has = ledger.head();
    match segments.newest().cloned() {
        Some(newest) if newest.size > has => {
            return Err(Error::Older { has, signed: newest.size, at: rfc3339_millis(newest.at) });
        }
        Some(newest) if ledger.root(newest.size)? != newest.root => {
            return Err(Error::Differs(newest.size));
        }
        Some(newest) => {
            if ledger.newest_checkpoint()?.is_none_or(|kept| kept.size < newest.size) {
                ledger.keep_checkpoint(newest)?;
            }
        }
        None => {
            let other = Segments::logs(zone)?.into_iter().find(|other| other != log);
            let last = ledger.events(has.saturating_sub(RESTART_WITHIN), u32::MAX)?;
            let mut last = last.iter().map(|told| &told.event);
            let restarted = last.any(|event| matches!(event, Event::LogRestarted { .. }));
            if let Some(other) = other.filter(|_| !restarted) {
                return Err(Error::Another(other));
            }
        }
    }
    // What no checkpoint covers is added again: the lines beside it may not have been.
    let signed = segments.newest().map_or(0, |newest| newest.size);
    if segments.end() > signed {
        segments.cut_after(signed)?;
    }
    Ok(())
}

/// A notary at work.
pub struct Keeping {
    notary: Arc<Notary>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Keeping {
    /// Begins to follow the ledger.
    ///
    /// # Errors
    /// What the system said.
    pub fn start(notary: Arc<Notary>) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (of, until) = (Arc::clone(&notary), Arc::clone(&stop));
        let work = move || of.keep_until(&until);
        let thread = std::thread::Builder::new().name("notary".to_owned()).spawn(work)?;
        Ok(Self { notary, stop, thread })
    }

    /// Signs what is left, and ends. A courtesy.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        self.thread.thread().unpark();
        if self.thread.join().is_err() {
            tracing::error!("the thread that signs checkpoints panicked");
        }
        if let Err(error) = self.notary.sign() {
            tell("the ledger's head could not be signed", &error);
        }
        // One that stays at it has a folder that does not answer; the next start copies.
        let asked = Instant::now();
        while self.notary.is_copying.load(Ordering::Acquire) && asked.elapsed() < STOP_GRACE {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        if !self.notary.is_copying.load(Ordering::Acquire) {
            self.notary.publish_or_tell();
        }
    }
}
