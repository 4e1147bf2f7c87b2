//! One folder's thread: it makes its rounds.
//!
//! A round scans when a scan is due, looks again at the files that are not complete yet, gives the
//! complete ones to the copiers, and puts away those whose outcome is known. All that is known of
//! the folder's entries is here and in no other thread; others send messages.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use crate::config::{After, Folder};
use crate::diagnostic::{Code, Diagnostic};
use crate::ledger::{Arrival, Event, Sidecar, State};
use crate::names::{ArrivalId, FileName, FolderName};
use crate::seeded::{self, Bug};

use super::away;
use super::beneath::{Inside, Stamp, open_file};
use super::copiers::Copiers;
use super::copy::{Attempt, Taker};
use super::entries::{Entries, Status};
use super::lease::{Writers, writers};
use super::mail::Message;
use super::outcomes::Outcomes;
use super::presence::Presence;
use super::scan::{Oddity, Seen, walk};
use super::settle::{Quiet, Verdict, Watched, has_office_lock};
use super::watch::Watch;

/// Messages that may wait for a folder's thread.
const MAIL_MAX: usize = 8192;
/// Scanning takes at most one part in so many of the time.
const SCAN_SHARE: u32 = 10;
/// When a file that could not be taken is tried again.
const REFUSED_AGAIN_AFTER: Duration = Duration::from_secs(30);
/// When an outcome that nobody told is looked for.
const OUTCOME_LOOK: Duration = Duration::from_secs(60);
/// When a file that could not be moved is tried again.
const MOVE_AGAIN_AFTER: Duration = Duration::from_secs(600);
/// How often old days are removed.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);

/// A folder and its thread's state.
pub struct Rounds {
    name: FolderName,
    folder: Folder,
    taker: Arc<Taker>,
    outcomes: Arc<Outcomes>,
    watch: Option<Arc<Watch>>,
    copiers: Copiers,
    post: SyncSender<Message>,
    mail: Receiver<Message>,
    hinted: Arc<AtomicBool>,
    presence: Presence,
    quiet: Quiet,
    entries: Entries,
    next_scan: Instant,
    next_hinted_scan: Instant,
    next_prune: Instant,
    move_failure_told: bool,
}

impl Rounds {
    /// A folder that has not been looked at yet.
    pub fn new(
        name: FolderName,
        folder: Folder,
        taker: Arc<Taker>,
        outcomes: Arc<Outcomes>,
        watch: Option<Arc<Watch>>,
    ) -> Self {
        let (post, mail) = sync_channel(MAIL_MAX);
        let now = Instant::now();
        Self {
            presence: Presence::new(name.clone()),
            quiet: Quiet::of(&folder, &taker.root),
            copiers: Copiers::new(Arc::clone(&taker), post.clone()),
            hinted: Arc::default(),
            entries: Entries::default(),
            next_scan: now,
            next_hinted_scan: now,
            next_prune: now,
            move_failure_told: false,
            name,
            folder,
            taker,
            outcomes,
            watch,
            post,
            mail,
        }
    }

    /// Where to send messages.
    pub fn post(&self) -> SyncSender<Message> {
        self.post.clone()
    }

    /// Makes rounds until it is told to stop.
    pub fn run(mut self) {
        if let Some(watch) = &self.watch {
            let (hinted, post) = (Arc::clone(&self.hinted), self.post.clone());
            let wake = move || {
                // A full mailbox is a thread that is awake.
                if !hinted.swap(true, Ordering::Relaxed) && post.try_send(Message::Hint).is_err() {
                    tracing::trace!("its thread is awake");
                }
            };
            watch.register(&self.taker.root, Arc::new(wake));
        }
        while !self.taker.stop.load(Ordering::Relaxed) {
            if self.scan_due() <= Instant::now() {
                self.scan();
            }
            self.look_at_what_is_due();
            self.prune();
            self.read_mail();
        }
        // Copiers give up between two pieces; they wait for room in the mailbox at most.
        while !self.copiers.are_idle() {
            drop(self.mail.recv_timeout(Duration::from_millis(50)));
        }
    }

    fn scan_due(&self) -> Instant {
        if seeded::has(Bug::HintsAlone) && !self.hinted.load(Ordering::Relaxed) {
            return Instant::now() + PRUNE_EVERY;
        }
        if self.hinted.load(Ordering::Relaxed) {
            self.next_scan.min(self.next_hinted_scan)
        } else {
            self.next_scan
        }
    }

    fn read_mail(&mut self) {
        let until =
            self.entries.next_look().into_iter().chain([self.scan_due(), self.next_prune]).min();
        let wait = until.unwrap_or(self.next_scan).saturating_duration_since(Instant::now());
        let Ok(first) = self.mail.recv_timeout(wait) else { return };
        self.read(first);
        for _ in 0..MAIL_MAX {
            let Ok(next) = self.mail.try_recv() else { return };
            self.read(next);
        }
    }

    fn read(&mut self, message: Message) {
        match message {
            Message::Hint | Message::Stop => {}
            Message::Attempted(name, judged, attempt) => self.attempted(&name, judged, attempt),
            Message::Outcome(name) => self.look(&name),
        }
    }

    // ---- scanning ----

    fn scan(&mut self) {
        // First, so that a hint during the scan asks for another.
        self.hinted.store(false, Ordering::Relaxed);
        let started = Instant::now();
        self.entries.begin_scan();
        self.quiet = Quiet::of(&self.folder, &self.taker.root);
        let taker = Arc::clone(&self.taker);
        let walked = walk(&taker.root, &mut |seen| self.see(seen));
        if let Ok(true) = walked {
            self.entries.forget_unseen();
        }
        if let Some(event) = self.presence.scanned(&taker.root, walked.as_ref().map(|_| ())) {
            taker.intake.note(event);
        }
        let took = started.elapsed();
        let rest = took * (SCAN_SHARE - 1);
        let now = Instant::now();
        self.next_hinted_scan = now + rest;
        self.next_scan = now + rest.max(self.folder.scan_every);
    }

    fn see(&mut self, seen: Seen<'_>) {
        match seen {
            Seen::Folder(path, metadata) => {
                if let Some(watch) = &self.watch {
                    watch.cover(path, metadata);
                }
            }
            Seen::File(name, stamp) => {
                self.entries.see_file(name, stamp, Instant::now() + self.quiet.proven);
            }
            Seen::Odd(name, stamp, why) => {
                if self.entries.see_odd(name.clone(), stamp) {
                    self.tell(&name, &oddity(&name, &why));
                }
            }
        }
    }

    // ---- looking ----

    fn look_at_what_is_due(&mut self) {
        let now = Instant::now();
        while let Some(name) = self.entries.next_due(now) {
            self.look(&name);
        }
    }

    fn look(&mut self, name: &FileName) {
        match self.entries.status(name) {
            Some(Status::Settling(watched)) => self.look_at_file(name, watched),
            Some(Status::Taken(id)) => self.look_for_outcome(name, id),
            Some(Status::Copying | Status::Stays) | None => {}
        }
    }

    fn look_at_file(&mut self, name: &FileName, mut watched: Watched) {
        let (seen, writers) = match self.ask(name, watched.stamp()) {
            Ok(answer) => answer,
            // The next scan tells what it is now, if it is anything.
            Err(error) if gone_or_not_a_file(&error) => return self.entries.forget(name),
            Err(error) => {
                self.tell_once(name, &oddity(name, &Oddity::Unreadable(error)));
                return self.entries.look_again(name, Instant::now() + REFUSED_AGAIN_AFTER);
            }
        };
        let verdict = watched.look(Instant::now(), seen, writers, self.quiet);
        self.entries.set(name, Status::Settling(watched));
        match verdict {
            Verdict::LookAgain(at) => self.entries.look_again(name, at),
            Verdict::Complete => {
                self.entries.set(name, Status::Copying);
                self.copiers.add(name.clone(), seen);
            }
        }
    }

    /// What the file is now, and whether anybody writes it.
    fn ask(&self, name: &FileName, before: Stamp) -> io::Result<(Stamp, Writers)> {
        let root = &self.taker.root;
        let opened = match open_file(root, name) {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Ok((before, Writers::Some));
            }
            Err(error) => return Err(error),
        };
        let seen = Stamp::of(&opened.seen);
        if has_office_lock(&Inside::open(root, name.subfolder())?, name) {
            return Ok((seen, Writers::Some));
        }
        Ok((seen, self.quiet.trust(writers(&opened.file))))
    }

    // ---- taking and putting away ----

    fn attempted(&mut self, name: &FileName, judged: Stamp, attempt: Attempt) {
        let now = Instant::now();
        match (attempt, self.folder.after) {
            (Attempt::Taken(arrival), After::Move) => self.taken(name, &arrival),
            (Attempt::Taken(_), After::Keep) => self.entries.set(name, Status::Stays),
            (Attempt::Sidecar(sidecar), After::Move) => self.put_beside(name, &sidecar),
            (Attempt::Sidecar(_), After::Keep) => self.entries.set(name, Status::Stays),
            (Attempt::Changed, _) => self.entries.settle(name, judged, now + self.quiet.proven),
            (Attempt::TooSoon(left), _) => self.entries.settle(name, judged, now + left),
            (Attempt::Refused(diagnostic), _) => {
                self.tell_once(name, &diagnostic);
                self.entries.settle(name, judged, now + REFUSED_AGAIN_AFTER);
            }
        }
    }

    fn taken(&mut self, name: &FileName, arrival: &Arrival) {
        self.entries.set(name, Status::Taken(arrival.id));
        if has_outcome(arrival) {
            return self.put_away(name, arrival);
        }
        self.outcomes.expect(arrival.id, &self.post, name);
        self.look_for_outcome(name, arrival.id);
    }

    fn look_for_outcome(&mut self, name: &FileName, id: ArrivalId) {
        match self.taker.intake.arrival(&self.taker.sender, id) {
            Ok(arrival) if has_outcome(&arrival) => self.put_away(name, &arrival),
            Ok(_) => self.entries.look_again(name, Instant::now() + OUTCOME_LOOK),
            Err(error) => {
                tracing::warn!(%error, %id, "its outcome could not be read");
                self.entries.look_again(name, Instant::now() + OUTCOME_LOOK);
            }
        }
    }

    fn put_away(&mut self, name: &FileName, arrival: &Arrival) {
        self.outcomes.forget(arrival.id);
        self.put(name, arrival.fingerprint.as_deref(), away::Put::file(arrival));
    }

    /// A sidecar is done with as soon as it is recorded.
    fn put_beside(&mut self, name: &FileName, sidecar: &Sidecar) {
        self.put(name, sidecar.fingerprint.as_deref(), away::Put::sidecar(sidecar));
    }

    fn put(&mut self, name: &FileName, fingerprint: Option<&str>, put: away::Put) {
        let root = &self.taker.root;
        let here = Inside::open(root, name.subfolder()).and_then(|here| here.look(name.base()));
        let untouched =
            here.is_ok_and(|seen| fingerprint == Some(Stamp::of(&seen).to_string().as_str()));
        if !untouched {
            // Gone, or written again: the next scan sees it as a new file.
            self.entries.forget(name);
            return;
        }
        match put.away(root, name) {
            Ok(()) => {
                self.entries.forget(name);
                self.move_failure_told = false;
            }
            Err(error) => {
                let told = Diagnostic::error(Code::F103, format!("{name} could not be moved"));
                if !std::mem::replace(&mut self.move_failure_told, true) {
                    self.tell(name, &told.caused_by(&error));
                }
                self.entries.look_again(name, Instant::now() + MOVE_AGAIN_AFTER);
            }
        }
    }

    fn prune(&mut self) {
        if self.next_prune <= Instant::now() {
            away::prune(&self.taker.root, self.folder.keep_done, self.taker.clock.now());
            self.next_prune = Instant::now() + PRUNE_EVERY;
        }
    }

    fn tell_once(&mut self, name: &FileName, diagnostic: &Diagnostic) {
        if self.entries.tells(name) {
            self.tell(name, diagnostic);
        }
    }

    fn tell(&self, name: &FileName, diagnostic: &Diagnostic) {
        let (name, diagnostic) = (name.clone(), diagnostic.clone());
        self.taker.intake.note(Event::EntryIgnored {
            folder: self.name.to_string(),
            name,
            diagnostic,
        });
    }
}

fn has_outcome(arrival: &Arrival) -> bool {
    arrival.state != State::Received
}

fn gone_or_not_a_file(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput)
        || error.raw_os_error() == Some(libc::ELOOP)
}

fn oddity(name: &FileName, why: &Oddity) -> Diagnostic {
    match why {
        Oddity::NotAFile(what) => Diagnostic::error(Code::F101, format!("{name} is {what}")),
        Oddity::TooDeep => {
            Diagnostic::error(Code::F104, format!("{name} is more than 16 folders deep"))
        }
        Oddity::Unreadable(error) => {
            Diagnostic::error(Code::F104, format!("{name} cannot be read")).caused_by(error)
        }
    }
}
