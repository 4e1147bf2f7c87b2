//! The workers of one zone: who runs what, and for whom.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use super::message::{Reply, Request};
use super::output::Outputs;
use super::process::{Watched, Worker};
use super::stop::Stop;
use super::turns::{Load, Turns};
use super::{Attempt, Confinement, Error, OutputPaths, Probe};
use crate::config;
use crate::convert::{Job, Outcome, Progress};
use crate::diagnostic::Diagnostic;
use crate::names::FileName;

/// Idle workers that are kept for their owners, for each place: with many owners in turn most find
/// theirs again, and idle workers are small.
const IDLE_PER_PLACE: usize = 4;
/// An idle worker that holds more than this share of the memory limit is not worth keeping.
const IDLE_MEMORY_SHARE: u64 = 4;

/// Converter workers, started ahead, shared by any number of threads. Dropping it ends them.
#[derive(Debug)]
pub struct Pool {
    program: PathBuf,
    settings: config::Workers,
    state: Mutex<State>,
    /// Workers that have seen no file; `None` once closed.
    fresh: Mutex<Option<Receiver<io::Result<Worker>>>>,
    closed: AtomicBool,
    /// Whether several owners have jobs.
    is_shared: AtomicBool,
    starter: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    turns: Turns<Sender<Instant>>,
    /// Workers that have an owner, longest idle first.
    idle: Vec<Worker>,
}

impl Pool {
    /// Makes the pool and starts its first workers.
    ///
    /// `program` is the landfall binary, the same that is running: `/proc/self/exe` is better than
    /// a path whose file an upgrade replaces.
    ///
    /// # Errors
    /// [`Error::Start`] when there can be no thread; that no process can be started shows when one
    /// is needed.
    pub fn new(program: PathBuf, settings: config::Workers) -> Result<Self, Error> {
        let places = settings.count.max(1);
        let (stock, fresh) = sync_channel(places);
        let starter = std::thread::Builder::new().name("landfall-workers".to_owned()).spawn({
            let (program, settings) = (program.clone(), settings.clone());
            // Workers end with the thread that started them, so it lives as long as the pool. It
            // waits here when there is stock enough.
            move || while stock.send(Worker::start(&program, &settings)).is_ok() {}
        });
        let starter =
            starter.map_err(|source| Error::Start { program: program.clone(), source })?;
        Ok(Self {
            program,
            settings,
            state: Mutex::new(State { turns: Turns::new(places), idle: Vec::new() }),
            fresh: Mutex::new(Some(fresh)),
            closed: AtomicBool::new(false),
            is_shared: AtomicBool::new(false),
            starter: Some(starter),
        })
    }

    /// Converts one file for an owner: waits for its turn, then for the worker.
    ///
    /// `raw` may stand anywhere and is rewound. The outputs are created (0600) and must not exist;
    /// those that do not count are removed again. What counts is whole, but not yet synced.
    ///
    /// # Errors
    /// Reasons that are not the file's: it is to be tried again. No output is left.
    pub fn convert(
        &self,
        owner: &str,
        job: &Job,
        raw: &File,
        outputs: &OutputPaths,
    ) -> Result<Outcome, Error> {
        let _place = self.enter(owner)?;
        let worker = self.worker_of(owner)?;
        let had_seen_files = worker.files > 0;
        let mut outcome = self.attempt(worker, job, raw, outputs);
        if let Err(stop) = &outcome
            && had_seen_files
            && stop.deserves_fresh_worker()
        {
            // What earlier files left in a worker must not decide over this one.
            let worker = self.fresh_worker(owner)?;
            outcome = self.attempt(worker, job, raw, outputs);
        }
        self.judged(outcome, &job.name)
    }

    /// Has a fresh worker try something on itself, within the limits of a job; see [`Probe`].
    ///
    /// # Errors
    /// As for [`Self::convert`].
    pub fn probe(&self, probe: Probe) -> Result<Tried, Error> {
        let owner = "probe";
        let name = FileName::new(owner).map_err(|e| Error::Unusable(e.to_string()))?;
        let _place = self.enter(owner)?;
        let mut worker = self.fresh_worker(owner)?;
        let ended =
            match worker.ask(&Request::Probe(probe), &[], &self.watched(&Progress::default())) {
                Ok(Reply::Tried(attempts)) => Ok(attempts),
                Ok(other) => Err(beside_the_question(&other)),
                Err(stop) => Err(stop),
            };
        let attempts = match ended {
            Ok(attempts) => Ok(attempts),
            Err(stop) => Err(Box::new(stop.diagnostic(&name, &self.settings)?)),
        };
        Ok(Tried { confinement: worker.confinement().cloned(), attempts })
    }

    /// How busy it is.
    pub fn load(&self) -> Load {
        self.lock().turns.load()
    }

    /// Ends every worker; refuses what waits and what comes. Running jobs end with
    /// [`Error::Closed`].
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        let idle = {
            let mut state = self.lock();
            state.turns.clear();
            std::mem::take(&mut state.idle)
        };
        let fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop((idle, fresh));
    }

    fn attempt(
        &self,
        mut worker: Worker,
        job: &Job,
        raw: &File,
        paths: &OutputPaths,
    ) -> Result<Outcome, Stop> {
        let mut rewound = raw;
        rewound.seek(SeekFrom::Start(0)).map_err(|e| Stop::Blameless(Error::Raw(e)))?;
        let outputs = Outputs::create(paths).map_err(Stop::Blameless)?;
        worker.files += 1;
        let watched = job.progress.is_watched();
        let request = Request::Convert { job: Box::new(job.clone()), watched };
        let watched = self.watched(&job.progress);
        match worker.ask(&request, &outputs.descriptors(raw), &watched)? {
            Reply::Converted(outcome) => {
                self.keep(worker);
                outputs.settle(outcome)
            }
            other @ (Reply::Ready(_) | Reply::Reached(_) | Reply::Tried(_)) => {
                Err(beside_the_question(&other))
            }
        }
    }

    fn judged(&self, ended: Result<Outcome, Stop>, name: &FileName) -> Result<Outcome, Error> {
        match ended {
            Ok(outcome) => Ok(outcome),
            Err(stop) => stop.diagnostic(name, &self.settings).map(Outcome::Held),
        }
    }

    /// A worker that has seen nobody else's files.
    fn worker_of(&self, owner: &str) -> Result<Worker, Error> {
        let mut state = self.lock();
        let own = state.idle.iter().rposition(|worker| worker.owner == owner);
        let own = own.map(|own| state.idle.remove(own));
        drop(state);
        own.map_or_else(|| self.fresh_worker(owner), Ok)
    }

    /// A worker that has seen no file.
    fn fresh_worker(&self, owner: &str) -> Result<Worker, Error> {
        let fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        let started = fresh.as_ref().and_then(|fresh| fresh.recv().ok()).ok_or(Error::Closed)?;
        let mut worker =
            started.map_err(|source| Error::Start { program: self.program.clone(), source })?;
        owner.clone_into(&mut worker.owner);
        Ok(worker)
    }

    /// Keeps a worker for its owner's next file, unless it is used up.
    fn keep(&self, worker: Worker) {
        let memory_max = self.settings.memory_bytes / IDLE_MEMORY_SHARE;
        let used_up = worker.files >= self.settings.files_max
            || worker.has_yielded
            || worker.resident_bytes() > memory_max
            || self.closed.load(Ordering::Relaxed);
        let mut state = self.lock();
        let ended = if used_up {
            Some(worker)
        } else {
            state.idle.push(worker);
            let idle_max = self.settings.count.max(1) * IDLE_PER_PLACE;
            (state.idle.len() > idle_max).then(|| state.idle.remove(0))
        };
        drop(state);
        drop(ended);
    }

    fn enter(&self, owner: &str) -> Result<Place<'_>, Error> {
        let (ticket, granted) = channel();
        let now = Instant::now();
        let mut state = self.lock();
        let at_once = state.turns.enter(owner, ticket, now);
        self.is_shared.store(state.turns.are_shared(), Ordering::Relaxed);
        drop(state);
        let began = match at_once {
            Some(_) => now,
            None => granted.recv().map_err(|_gone| Error::Closed)?,
        };
        let place = Place { pool: self, owner: owner.to_owned(), began };
        if self.closed.load(Ordering::Relaxed) { Err(Error::Closed) } else { Ok(place) }
    }

    fn watched<'w>(&'w self, progress: &'w Progress) -> Watched<'w> {
        let (limits, is_shared, closed) = (&self.settings, &self.is_shared, &self.closed);
        Watched { limits, is_shared, closed, progress }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close();
        if let Some(starter) = self.starter.take()
            && starter.join().is_err()
        {
            tracing::error!("the thread that starts converter workers has panicked");
        }
    }
}

/// A place in the pool, given on when dropped.
struct Place<'a> {
    pool: &'a Pool,
    owner: String,
    began: Instant,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut state = self.pool.lock();
        let next = state.turns.leave(&self.owner, self.began, now);
        self.pool.is_shared.store(state.turns.are_shared(), Ordering::Relaxed);
        drop(state);
        // Who waits for its turn listens.
        next.iter().filter_map(|ticket| ticket.send(now).err()).for_each(drop);
    }
}

/// What a probe came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// What the worker reported before it began.
    pub confinement: Option<Confinement>,
    /// What it tried; or, when a limit stopped it, what a file of the name `probe` would be told.
    pub attempts: Result<Vec<Attempt>, Box<Diagnostic>>,
}

fn beside_the_question(reply: &Reply) -> Stop {
    let kind = match reply {
        Reply::Ready(_) => "ready",
        Reply::Reached(_) => "reached",
        Reply::Converted(_) => "converted",
        Reply::Tried(_) => "tried",
    };
    Stop::Crash(format!("an answer to another question: {kind}"))
}
