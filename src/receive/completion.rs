//! When a received file goes on: holds, markers and checksums.
//!
//! CLOSE is the commit whatever a feed says of completeness: the bytes are archived and recorded
//! before the door says OK. What waits is only the file's way on. So a wait is a fact in the ledger
//! (`received`, and what is missing), which every reader sees and every restart finds; a file that
//! waits is superseded by the next version of its name; and nothing has to be moved when it ends.
//!
//! Everything here follows from the ledger and is done again until it is recorded. Checksums that
//! cost reading (MD5, SHA-1) have a thread of their own, so that a large file keeps no marker
//! waiting.
//!
//! Left out: uploads that wait for their rename, which are not received yet; they are in
//! [`super::staging`].

use std::io::Read as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::archive::{self, Archive};
use crate::clock::{Clock, Timestamp};
use crate::config::{self, Complete, Config, Feed};
use crate::diagnostic::{Code, Diagnostic, on_one_line};
use crate::ledger::{
    self, Arrival, Event, Ledger, Sender, Sidecar, SidecarKind, State, Told, Verdict, Waits,
    WaitsFor,
};
use crate::names::{FeedName, FileName};

use super::checksum::Algorithm;
use super::stated::stated;

/// How long nothing is looked at when nothing rings.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// When a file whose checksum is being computed is looked at again; its end is told.
const CHECK_MAX: Duration = Duration::from_secs(60);
/// Sidecars and arrivals of one look.
const LOOKED_AT_MAX: u32 = 1000;
/// Bytes of a raw object read at once.
const PIECE_BYTES: usize = 1 << 20;

/// A look failed; it is done again.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    #[error(transparent)]
    Archive(#[from] archive::Error),
    #[error("cannot read a raw object")]
    Read(#[from] std::io::Error),
}

/// Judges what waits.
pub struct Completions {
    config: config::Live,
    archive: Archive,
    ledger: Arc<dyn Ledger>,
    clock: Clock,
    bell: Bell,
}

/// The threads that judge what waits.
pub struct Judges {
    completions: Arc<Completions>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Judges {
    /// Starts them.
    ///
    /// # Errors
    /// What the system said.
    pub fn start(completions: Arc<Completions>) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for part in [Part::Ledger, Part::Reading] {
            let (of, stop) = (Arc::clone(&completions), Arc::clone(&stop));
            let name = match part {
                Part::Ledger => "completion",
                Part::Reading => "checksums",
            };
            let look = move || of.look_until(&stop, part);
            threads.push(std::thread::Builder::new().name(name.to_owned()).spawn(look)?);
        }
        Ok(Self { completions, stop, threads })
    }

    /// Ends them after what they are at. A courtesy.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        self.completions.ring();
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a thread that judges what waits panicked");
            }
        }
    }
}

/// Which part of the work a thread does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// What the ledger alone decides.
    Ledger,
    /// Checksums for which the file is read.
    Reading,
}

impl Part {
    fn does(self, kind: SidecarKind) -> bool {
        let reads = matches!(kind, SidecarKind::Md5 | SidecarKind::Sha1);
        reads == (self == Self::Reading)
    }
}

/// What becomes of an arrival that waits.
#[derive(Debug, PartialEq)]
enum Next {
    GoOn(String),
    Wait(Waits),
    Hold(Diagnostic),
}

impl Completions {
    /// Judges by these.
    pub fn new(
        config: config::Live,
        archive: Archive,
        ledger: Arc<dyn Ledger>,
        clock: Clock,
    ) -> Self {
        Self { config, archive, ledger, clock, bell: Bell::default() }
    }

    /// Something came that may end a wait.
    pub fn ring(&self) {
        self.bell.ring();
    }

    fn look_until(&self, stop: &AtomicBool, part: Part) {
        let mut rung = 0;
        while !stop.load(Ordering::Acquire) {
            if let Err(error) = self.look(part) {
                let causes = on_one_line(&error);
                tracing::error!(causes, "what waits could not be judged; it is tried again");
            }
            rung = self.bell.wait_beyond(rung, LOOK_EVERY);
        }
    }

    fn look(&self, part: Part) -> Result<(), Error> {
        for sidecar in self.ledger.to_check(LOOKED_AT_MAX)? {
            if part.does(sidecar.kind) {
                Self::each(&sidecar.name, || self.check(&sidecar));
                if part == Part::Reading {
                    self.ring();
                }
            }
        }
        match part {
            Part::Reading => Ok(()),
            Part::Ledger => self.look_at_waits(),
        }
    }

    fn look_at_waits(&self) -> Result<(), Error> {
        let now = self.clock.now();
        for arrival in self.ledger.incomplete(now, LOOKED_AT_MAX)? {
            Self::each(&arrival.name, || {
                let sidecars = self.ledger.sidecars_of(arrival.id)?;
                let next = self.judge(&arrival, &sidecars, now);
                self.conclude(&arrival, next)
            });
        }
        let until = earlier(now, self.config.now().sftp.rename_wait);
        for sidecar in self.ledger.alone(Told::NotYet, until, LOOKED_AT_MAX)? {
            self.ledger.sidecar_alone(sidecar.sequence)?;
        }
        Ok(())
    }

    /// One that cannot be judged keeps no other waiting; it is looked at again.
    fn each(name: &FileName, work: impl FnOnce() -> Result<(), Error>) {
        if let Err(error) = work() {
            let causes = on_one_line(&error);
            tracing::error!(%name, causes, "it could not be judged; it is tried again");
        }
    }

    // ---- arrivals ----

    fn judge(&self, arrival: &Arrival, sidecars: &[Sidecar], now: Timestamp) -> Next {
        let feed = self.config.now().feed(&arrival.feed);
        let of = |verdict| sidecars.iter().find(|sidecar| sidecar.verdict == verdict);
        if sidecars.iter().any(|sidecar| sidecar.verdict.is_none()) {
            return Next::Wait(Waits { what: WaitsFor::Check, until: later(now, CHECK_MAX) });
        }
        if let Some(differs) = of(Some(Verdict::Differs)) {
            return Self::stays(arrival, WaitsFor::Checksum, || {
                let name = &arrival.name;
                Diagnostic::error(Code::R108, format!("`{name}` differs from its checksum"))
                    .fact("sidecar", &differs.name)
            });
        }
        let (confirmed, what) = match feed.complete {
            Complete::Close | Complete::Rename => (None, WaitsFor::Hold),
            Complete::Marker => (of(Some(Verdict::Seen)), WaitsFor::Marker),
            Complete::Checksum => (of(Some(Verdict::Agrees)), WaitsFor::Checksum),
        };
        if confirmed.is_none() && what != WaitsFor::Hold {
            let until = later(arrival.received_at, self.config.now().sftp.rename_wait);
            if now < until {
                return Self::waits(arrival, Waits { what, until });
            }
            return Self::stays(arrival, what, || never_confirmed(arrival, what));
        }
        let until = later(arrival.received_at, feed.hold);
        if now < until {
            return Self::waits(arrival, Waits { what: WaitsFor::Hold, until });
        }
        Next::GoOn(why(&feed, confirmed, of(Some(Verdict::Agrees))))
    }

    /// It goes on waiting; one that is held, for as long as it takes.
    fn waits(arrival: &Arrival, waits: Waits) -> Next {
        let is_held = arrival.state == State::Held;
        Next::Wait(if is_held { Waits { until: never(), ..waits } } else { waits })
    }

    /// It is held; one that is held already stays so for the reason it was told.
    fn stays(arrival: &Arrival, what: WaitsFor, because: impl FnOnce() -> Diagnostic) -> Next {
        if arrival.state == State::Held {
            Next::Wait(Waits { what, until: never() })
        } else {
            Next::Hold(because())
        }
    }

    fn conclude(&self, arrival: &Arrival, next: Next) -> Result<(), Error> {
        let code = arrival.diagnostic.as_ref().map(|told| told.code);
        let for_want = matches!(code, Some(Code::R107 | Code::R108 | Code::R109));
        let Some(before) = arrival.waits else { return Ok(()) };
        let event = match next {
            Next::Wait(waits) => return Ok(self.ledger.wait_for(arrival.id, before, waits)?),
            Next::Hold(diagnostic) => Event::Held { diagnostic },
            Next::GoOn(reason) if arrival.state == State::Held && for_want => {
                Event::released(arrival.sender.to_string(), reason)
            }
            Next::GoOn(reason) => Event::Completed { reason },
        };
        match self.ledger.advance(arrival.id, event) {
            // A newer version took its place since it was read.
            Ok(_) | Err(ledger::Error::Refused(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    // ---- checksums ----

    fn check(&self, sidecar: &Sidecar) -> Result<(), Error> {
        let Some(algorithm) = algorithm(sidecar.kind) else { return Ok(()) };
        let Some(id) = sidecar.arrival else { return Ok(()) };
        let Some(arrival) = self.ledger.arrival(id)? else { return Ok(()) };
        let text = self.ledger.sidecar_bytes(sidecar.sequence)?;
        // It speaks of the name that its file had when it came.
        let (verdict, hold) = match stated(&text, algorithm, sidecar.file.base()) {
            None => {
                let wanted = self.config.now().feed(&arrival.feed).complete == Complete::Checksum;
                (Verdict::Unreadable, wanted.then(|| unreadable(sidecar)))
            }
            Some(stated) => {
                let found = self.sum(&arrival, algorithm)?;
                if stated == found {
                    (Verdict::Agrees, None)
                } else {
                    let told = differs(&arrival, sidecar, &stated, &found);
                    (Verdict::Differs, Some(told))
                }
            }
        };
        Ok(self.ledger.sidecar_checked(sidecar.sequence, verdict, hold)?)
    }

    fn sum(&self, arrival: &Arrival, algorithm: Algorithm) -> Result<String, Error> {
        if algorithm == Algorithm::Sha256 {
            return Ok(arrival.digest.to_string());
        }
        let mut file = self.archive.open(&arrival.raw)?;
        let (mut sum, mut piece) = (algorithm.begin(), vec![0; PIECE_BYTES]);
        loop {
            let count = file.read(&mut piece)?;
            if count == 0 {
                return Ok(sum.end_as_text());
            }
            sum.take(piece.get(..count).unwrap_or_default());
        }
    }
}

/// What a file of a feed waits for from its receipt on. One of this machine was whole when it was
/// sent.
pub fn from_receipt(
    config: &Config,
    sender: &Sender,
    feed: &FeedName,
    received_at: Timestamp,
) -> Option<Waits> {
    if matches!(sender, Sender::Local(_)) {
        return None;
    }
    let feed = config.feeds.get(feed)?;
    let gives_up = later(received_at, config.sftp.rename_wait);
    match feed.complete {
        Complete::Marker => Some(Waits { what: WaitsFor::Marker, until: gives_up }),
        Complete::Checksum => Some(Waits { what: WaitsFor::Checksum, until: gives_up }),
        Complete::Close | Complete::Rename if !feed.hold.is_zero() => {
            Some(Waits { what: WaitsFor::Hold, until: later(received_at, feed.hold) })
        }
        Complete::Close | Complete::Rename => None,
    }
}

fn algorithm(kind: SidecarKind) -> Option<Algorithm> {
    match kind {
        SidecarKind::Ok | SidecarKind::Done => None,
        SidecarKind::Md5 => Some(Algorithm::Md5),
        SidecarKind::Sha1 => Some(Algorithm::Sha1),
        SidecarKind::Sha256 => Some(Algorithm::Sha256),
    }
}

fn why(feed: &Feed, confirmed: Option<&Sidecar>, agrees: Option<&Sidecar>) -> String {
    match (confirmed.or(agrees), feed.hold.is_zero()) {
        (Some(sidecar), _) if sidecar.kind.is_marker() => format!("{} came", sidecar.name),
        (Some(sidecar), _) => format!("{} agrees", sidecar.name),
        (None, false) => "its hold ended".to_owned(),
        (None, true) => "its feed asks for nothing more".to_owned(),
    }
}

fn never_confirmed(arrival: &Arrival, what: WaitsFor) -> Diagnostic {
    let name = &arrival.name;
    let (missing, names) = match what {
        WaitsFor::Checksum | WaitsFor::Check => {
            ("checksum", format!("`{name}.sha256`, `{name}.sha1` or `{name}.md5`"))
        }
        WaitsFor::Marker | WaitsFor::Hold => ("marker", format!("`{name}.ok` or `{name}.done`")),
    };
    Diagnostic::error(Code::R107, format!("no {missing} of `{name}` came"))
        .fact("wanted", &names)
        .hint(format!("Send {names}; the file then goes on by itself."))
}

fn differs(arrival: &Arrival, sidecar: &Sidecar, stated: &str, found: &str) -> Diagnostic {
    let (file, name) = (&arrival.name, &sidecar.name);
    let summary = format!("`{file}` does not have the checksum that `{name}` states");
    Diagnostic::error(Code::R108, summary)
        .fact("stated", stated)
        .fact("received", found)
        .fact("bytes", arrival.size_bytes)
        .hint(format!(
            "Compute the checksum at the source. If `{file}` was damaged on the way, send it again \
             under the same name; if it is right, send a corrected `{name}`. It then goes on by \
             itself."
        ))
}

fn unreadable(sidecar: &Sidecar) -> Diagnostic {
    let Sidecar { name, file, .. } = sidecar;
    let summary = format!("`{name}` states no checksum of `{file}` in a form that is known");
    Diagnostic::error(Code::R109, summary)
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(never()).min(never())
}

/// The last whole second that the ledger can keep.
fn never() -> Timestamp {
    Timestamp::MAX.checked_sub(Duration::from_secs(1)).unwrap_or(Timestamp::MAX)
}

fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_sub(by).unwrap_or(Timestamp::MIN)
}

/// Wakes those who wait for something to come.
#[derive(Debug, Default)]
struct Bell {
    rung: Mutex<u64>,
    heard: Condvar,
}

impl Bell {
    fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.heard.notify_all();
    }

    /// Waits until it has rung more than `before` times, or the timeout ends; how often it has.
    fn wait_beyond(&self, before: u64, timeout: Duration) -> u64 {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.heard.wait_timeout_while(rung, timeout, |rung| *rung <= before);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
