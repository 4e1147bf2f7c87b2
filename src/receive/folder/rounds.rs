//! One folder's thread: it makes its rounds.
//!
//! A round scans when a scan is due, looks again at the files that are not complete yet, gives the
//! complete ones to the copiers, and puts away those whose outcome is known. All that is known of
//! the folder's entries is here and in no other thread; others send messages.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use crate::config::{After, Folder};
use crate::diagnostic::{Code, Diagnostic};
use crate::ledger::{Arrival, Event, State};
use crate::names::{ArrivalId, FileName, FolderName};

use super::away;
use super::beneath::{Inside, Stamp, open_file};
use super::copiers::Copiers;
use super::copy::{Attempt, Taker};
use super::lease::{Writers, writers};
use super::outcomes::Outcomes;
use super::presence::Presence;
use super::scan::{Oddity, Seen, walk};
use super::settle::{Quiet, Verdict, Watched, has_office_lock};
use super::watch::Watch;

/// Messages that may wait for a folder's thread.
const MAIL_MAX: usize = 8192;
/// Files of one folder that are on their way at once; more wait for a later scan.
const ON_THEIR_WAY_MAX: usize = 100_000;
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

/// What others tell a folder's thread.
pub enum Message {
    /// Something may have changed.
    Hint,
    /// A copier is done with a file.
    Attempted(FileName, Stamp, Attempt),
    /// The file's arrival has an outcome.
    Outcome(FileName),
    /// The server stops.
    Stop,
}

/// What is known of an entry.
struct Entry {
    stamp: Stamp,
    /// The last scan that saw it.
    scan: u64,
    /// When it is to be looked at next; a look planned for another time is out of date.
    due: Option<Instant>,
    /// Whether it was told that it is left alone.
    told: bool,
    status: Status,
}

enum Status {
    /// Not known to be complete.
    Settling(Watched),
    /// Complete and with the copiers.
    Copying,
    /// Taken; to be put away when its outcome is known.
    Taken(ArrivalId),
    /// Nothing is to be done until it changes.
    Stays,
}

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
    entries: HashMap<FileName, Entry>,
    looks: BinaryHeap<Reverse<(Instant, FileName)>>,
    on_their_way: usize,
    scans: u64,
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
            entries: HashMap::new(),
            looks: BinaryHeap::new(),
            on_their_way: 0,
            scans: 0,
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
        if self.hinted.load(Ordering::Relaxed) {
            self.next_scan.min(self.next_hinted_scan)
        } else {
            self.next_scan
        }
    }

    fn read_mail(&mut self) {
        let next_look = self.looks.peek().map(|Reverse((at, _))| *at);
        let until = next_look.into_iter().chain([self.scan_due(), self.next_prune]).min();
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
        self.scans += 1;
        self.quiet = Quiet::of(&self.folder, &self.taker.root);
        self.on_their_way = self.entries.values().filter(|entry| entry.is_on_its_way()).count();
        let taker = Arc::clone(&self.taker);
        let walked = walk(&taker.root, &mut |seen| self.see(seen));
        if let Ok(true) = walked {
            let scan = self.scans;
            self.entries
                .retain(|_, entry| entry.scan == scan || matches!(entry.status, Status::Copying));
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
            Seen::File(name, stamp) => self.see_file(name, stamp),
            Seen::Odd(name, stamp, why) => self.see_odd(name, stamp, &why),
        }
    }

    fn see_file(&mut self, name: FileName, stamp: Stamp) {
        let scan = self.scans;
        match self.entries.get_mut(&name) {
            Some(entry) if entry.stamp == stamp || matches!(entry.status, Status::Copying) => {
                entry.scan = scan;
                return;
            }
            Some(_) => {}
            None if self.on_their_way >= ON_THEIR_WAY_MAX => return,
            None => self.on_their_way += 1,
        }
        self.settle(name, stamp, Instant::now() + self.quiet.proven);
    }

    fn see_odd(&mut self, name: FileName, stamp: Option<Stamp>, why: &Oddity) {
        let Some(stamp) = stamp else { return self.tell(&name, &oddity(&name, why)) };
        let known = self.entries.get(&name).is_some_and(|entry| entry.stamp == stamp);
        let entry = Entry { stamp, scan: self.scans, due: None, told: true, status: Status::Stays };
        if !known {
            self.tell(&name, &oddity(&name, why));
        }
        self.entries.insert(name, entry);
    }

    /// Watches a file from now on as if it had never been seen.
    fn settle(&mut self, name: FileName, stamp: Stamp, look_at: Instant) {
        let told = self.entries.get(&name).is_some_and(|entry| entry.told && entry.stamp == stamp);
        let status = Status::Settling(Watched::new(stamp, Instant::now()));
        let entry = Entry { stamp, scan: self.scans, due: Some(look_at), told, status };
        self.looks.push(Reverse((look_at, name.clone())));
        self.entries.insert(name, entry);
    }

    // ---- looking ----

    fn look_at_what_is_due(&mut self) {
        let now = Instant::now();
        while let Some(Reverse((at, _))) = self.looks.peek()
            && *at <= now
        {
            let Some(Reverse((at, name))) = self.looks.pop() else { return };
            if self.entries.get(&name).is_some_and(|entry| entry.due == Some(at)) {
                self.look(&name);
            }
        }
    }

    fn look(&mut self, name: &FileName) {
        let Some(entry) = self.entries.get(name) else { return };
        match entry.status {
            Status::Settling(watched) => self.look_at_file(name, watched),
            Status::Taken(id) => self.look_for_outcome(name, id),
            Status::Copying | Status::Stays => {}
        }
    }

    fn look_at_file(&mut self, name: &FileName, mut watched: Watched) {
        let (seen, writers) = match self.ask(name, watched.stamp()) {
            Ok(answer) => answer,
            Err(error) if gone_or_not_a_file(&error) => {
                // The next scan tells what it is now, if it is anything.
                self.entries.remove(name);
                return;
            }
            Err(error) => {
                self.tell_once(name, &oddity(name, &Oddity::Unreadable(error)));
                return self.look_again(name, Instant::now() + REFUSED_AGAIN_AFTER);
            }
        };
        let verdict = watched.look(Instant::now(), seen, writers, self.quiet);
        let Some(entry) = self.entries.get_mut(name) else { return };
        entry.stamp = seen;
        match verdict {
            Verdict::LookAgain(at) => {
                entry.status = Status::Settling(watched);
                self.look_again(name, at);
            }
            Verdict::Complete => {
                entry.status = Status::Copying;
                entry.due = None;
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

    fn look_again(&mut self, name: &FileName, at: Instant) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.due = Some(at);
            self.looks.push(Reverse((at, name.clone())));
        }
    }

    // ---- taking and putting away ----

    fn attempted(&mut self, name: &FileName, judged: Stamp, attempt: Attempt) {
        let now = Instant::now();
        match (attempt, self.folder.after) {
            (Attempt::Taken(arrival), After::Move) => self.taken(name, &arrival),
            (Attempt::Taken(_), After::Keep) => self.set(name, Status::Stays),
            (Attempt::Changed, _) => self.settle(name.clone(), judged, now + self.quiet.proven),
            (Attempt::TooSoon(left), _) => self.settle(name.clone(), judged, now + left),
            (Attempt::Refused(diagnostic), _) => {
                self.tell_once(name, &diagnostic);
                self.settle(name.clone(), judged, now + REFUSED_AGAIN_AFTER);
            }
        }
    }

    fn taken(&mut self, name: &FileName, arrival: &Arrival) {
        self.set(name, Status::Taken(arrival.id));
        if has_outcome(arrival) {
            return self.put_away(name, arrival);
        }
        self.outcomes.expect(arrival.id, &self.post, name);
        self.look_for_outcome(name, arrival.id);
    }

    fn look_for_outcome(&mut self, name: &FileName, id: ArrivalId) {
        match self.taker.intake.arrival(&self.taker.sender, id) {
            Ok(arrival) if has_outcome(&arrival) => self.put_away(name, &arrival),
            Ok(_) => self.look_again(name, Instant::now() + OUTCOME_LOOK),
            Err(error) => {
                tracing::warn!(%error, %id, "its outcome could not be read");
                self.look_again(name, Instant::now() + OUTCOME_LOOK);
            }
        }
    }

    fn put_away(&mut self, name: &FileName, arrival: &Arrival) {
        self.outcomes.forget(arrival.id);
        let root = &self.taker.root;
        let here = Inside::open(root, name.subfolder()).and_then(|here| here.look(name.base()));
        let untouched = here.is_ok_and(|seen| {
            arrival.fingerprint.as_deref() == Some(Stamp::of(&seen).to_string().as_str())
        });
        if !untouched {
            // Gone, or written again: the next scan sees it as a new file.
            self.entries.remove(name);
            return;
        }
        match away::put(root, name, arrival) {
            Ok(()) => {
                self.entries.remove(name);
                self.move_failure_told = false;
            }
            Err(error) => {
                let told = Diagnostic::error(Code::F103, format!("{name} could not be moved"));
                if !std::mem::replace(&mut self.move_failure_told, true) {
                    self.tell(name, &told.caused_by(&error));
                }
                self.look_again(name, Instant::now() + MOVE_AGAIN_AFTER);
            }
        }
    }

    fn set(&mut self, name: &FileName, status: Status) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.status = status;
        }
    }

    fn prune(&mut self) {
        if self.next_prune <= Instant::now() {
            away::prune(&self.taker.root, self.folder.keep_done, self.taker.clock.now());
            self.next_prune = Instant::now() + PRUNE_EVERY;
        }
    }

    fn tell_once(&mut self, name: &FileName, diagnostic: &Diagnostic) {
        let told = self.entries.get_mut(name).map(|entry| std::mem::replace(&mut entry.told, true));
        if told != Some(true) {
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

impl Entry {
    fn is_on_its_way(&self) -> bool {
        !matches!(self.status, Status::Stays)
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
